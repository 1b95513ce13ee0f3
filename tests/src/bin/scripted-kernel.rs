//! The kernel with a model that follows a script, as a program that JupyterLab starts: for the tests in a browser.
//!
//! `scripted-kernel -f CONNECTION_FILE`; the script is the JSON file that `DATARUS_SCRIPT` names, see [`Script`].
//! What the script writes for a step does not depend on what the step printed.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use datarus_agent::llm::{
    Completion, Constraint, FinishReason, GenerateRequest, Model, ModelError, ModelInfo, Profile,
    Usage,
};
use datarus_agent::transcript::{ChatMessage, Role, Segment};
use datarus_kernel::connection::ConnectionInfo;
use datarus_kernel::sandbox::jail;
use datarus_kernel::server;
use serde_json::Value;
use tests::doubles::ScriptedModel;
use tests::frontend::{config, python};

/// Words that occur in a question, and what is written for it: `{"steps": [[thought, code], …], "answer": text,
/// "pause_ms": between two words}`. A step that is a text is written as it stands.
type Script = BTreeMap<String, Value>;

/// In a script: stands for the moment at which it is written, in milliseconds since 1970.
const NOW: &str = "@now";

/// In a script: the dialect in which it is written, if that is not Datarus's.
const DIALECT: &str = "@dialect";

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(done) = jail::run(std::env::args_os()) {
        return done.map_err(Into::into);
    }
    let connection_file = std::env::args().nth(2).ok_or("expected -f CONNECTION_FILE")?;
    let script = std::env::var("DATARUS_SCRIPT")?;
    let script: Script = serde_json::from_slice(&std::fs::read(script)?)?;
    let connection = ConnectionInfo::read(Path::new(&connection_file))?;
    let loader = move |_: &_| Ok(Box::new(Writer::new(script.clone())) as Box<dyn Model>);
    let mut config = config(&python());
    config.sandbox.program = std::env::current_exe()?;
    config.state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    config.sandbox.packages = config.state.as_ref().map(|state| state.join("packages"));
    let names = std::env::var("DATARUS_PASS_ENV").unwrap_or_default();
    config.sandbox.pass_env = names.split(',').map(str::to_owned).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(server::run_with(connection, config, Box::new(loader)))?;
    Ok(())
}

/// Writes word by word what the script says; each word is a token.
struct Writer {
    info: ModelInfo,
    script: Script,
}

impl Writer {
    fn new(script: Script) -> Self {
        let mut info = ScriptedModel::new(Profile::Full, &[]).info;
        if let Some(dialect) = script.get(DIALECT).and_then(Value::as_str) {
            info.dialect = Some(dialect.to_owned());
            // Each thing that it writes is a message of its own, by which they are counted.
            info.continues = false;
        }
        Self { info, script }
    }

    /// What comes next: the question is the last message that the script knows, and what was written since then
    /// are steps.
    fn next(&self, messages: &[ChatMessage]) -> Option<(String, Duration)> {
        let (at, turn) = messages.iter().enumerate().rev().find_map(|(at, message)| {
            let said = text(message);
            let mut known = self.script.iter();
            let (_, turn) = known.find(|(words, _)| said.contains(words.as_str()))?;
            (message.role == Role::User).then_some((at, turn))
        })?;
        let later = messages.iter().skip(at);
        let written = later.filter(|message| message.role == Role::Assistant).count();
        let pause = Duration::from_millis(turn["pause_ms"].as_u64().unwrap_or(0));
        let completion = match turn["steps"].get(written) {
            Some(Value::String(whole)) => whole.clone(),
            Some(step) => format!(
                "<step>\n<thought>{}</thought>\n<action>python_executor</action>\n<action_input>\n{}\n</action_input>",
                step[0].as_str()?,
                step[1].as_str()?
            ),
            None => format!(
                "<stop_analysis>\n<thought>That is all.</thought>\n<answer>{}</answer>\n</stop_analysis>",
                turn["answer"].as_str()?
            ),
        };
        Some((completion, pause))
    }
}

fn milliseconds() -> f64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_secs_f64() * 1000.0
}

fn text(message: &ChatMessage) -> String {
    message.content.iter().map(Segment::text).collect()
}

impl Model for Writer {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        Ok(messages.iter().map(|message| text(message).split(' ').count()).sum())
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        _constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let unknown =
            || ModelError::Compute(String::from("the script does not know this question"));
        let (full, pause) = self.next(request.messages).ok_or_else(unknown)?;
        let mut written = String::new();
        let mut finish_reason = FinishReason::Stop;
        let mut usage = Usage::default();
        for word in full.split_inclusive(' ') {
            std::thread::sleep(pause);
            if request.interrupt.is_set() {
                finish_reason = FinishReason::Cancelled;
                break;
            }
            let word = word.replace(NOW, &format!("@{:.1}", milliseconds()));
            written.push_str(&word);
            on_text(&word);
            usage.completion_tokens += 1;
        }
        usage.prompt_tokens = self.count_tokens(request.messages)?;
        Ok(Completion { text: written, tokens: Vec::new(), finish_reason, usage, trace: None })
    }
}
