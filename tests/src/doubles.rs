//! Doubles for the two seams of the agent: a model that replays completions and a code runner that replays results.

use std::collections::VecDeque;
use std::time::Duration;

use datarus_agent::executor::{
    Execution, Executor, ExecutorError, Meanwhile, Output, Status, Variable,
};
use datarus_agent::llm::{
    Completion, Constraint, FinishReason, GenerateRequest, Interrupt, Model, ModelError, ModelInfo,
    Profile, Usage,
};
use datarus_agent::transcript::ChatMessage;

/// Replays completions; each character is a token. It obeys stop strings, limits and the interrupt as a model does,
/// and ignores the constraint, so that it can misbehave.
#[derive(Debug)]
pub struct ScriptedModel {
    /// What it says of itself.
    pub info: ModelInfo,
    /// What it will write, in order; what a limit cut is written on the next call.
    pub script: VecDeque<String>,
    /// Stop strings are left out of the text, as many servers do.
    pub cuts_stop_strings: bool,
    /// Without it, it writes on past stop strings, as some servers do.
    pub obeys_stop_strings: bool,
    /// What it was asked, call by call.
    pub asked: Vec<Vec<ChatMessage>>,
    /// What it was told to read ahead, with the number of calls before.
    pub read_ahead: Vec<(usize, Vec<ChatMessage>)>,
    /// Sets the interrupt when this many characters were written in all.
    pub interrupt_after: Option<usize>,
    n_written: usize,
}

impl ScriptedModel {
    /// A model of the given profile that will write `script`.
    pub fn new(profile: Profile, script: &[&str]) -> Self {
        let info = ModelInfo {
            name: String::from("scripted"),
            sha256: None,
            architecture: String::from("script"),
            dialect: Some(String::from("datarus")),
            profile,
            literals: Vec::new(),
            words: Vec::new(),
            forms: Vec::new(),
            context_length: 100_000,
            continues: true,
            served: None,
        };
        let script = script.iter().map(|&text| text.to_owned()).collect();
        Self {
            info,
            script,
            cuts_stop_strings: false,
            obeys_stop_strings: true,
            asked: Vec::new(),
            read_ahead: Vec::new(),
            interrupt_after: None,
            n_written: 0,
        }
    }

    /// Writes until something ends the completion; gives the text, what is left of it, and the reason.
    fn write(&mut self, full: &str, request: &GenerateRequest<'_>) -> (usize, FinishReason) {
        let mut end = 0;
        for (n_tokens, character) in full.chars().enumerate() {
            if request.interrupt.is_set() {
                return (end, FinishReason::Cancelled);
            }
            if n_tokens == request.max_new_tokens {
                return (end, FinishReason::Length);
            }
            end += character.len_utf8();
            self.n_written += 1;
            if self.interrupt_after == Some(self.n_written) {
                request.interrupt.set();
            }
            let obeys = self.obeys_stop_strings;
            if obeys && request.stop.iter().any(|stop| full[..end].ends_with(stop)) {
                return (end, FinishReason::Stop);
            }
        }
        (full.len(), FinishReason::Stop)
    }
}

impl Model for ScriptedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        let texts = messages.iter().flat_map(|message| &message.content);
        Ok(texts.map(|segment| segment.text().chars().count()).sum())
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        _constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        self.asked.push(request.messages.to_vec());
        let nothing_left = || ModelError::Compute(String::from("the script has ended"));
        let full = self.script.pop_front().ok_or_else(nothing_left)?;
        let (mut end, mut finish_reason) = self.write(&full, request);
        if finish_reason == FinishReason::Length {
            self.script.push_front(full[end..].to_owned());
        }
        let stop = request.stop.iter().find(|stop| full[..end].ends_with(**stop));
        if let Some(stop) = stop.filter(|_| self.cuts_stop_strings) {
            end -= stop.len();
        }
        let text = full[..end].to_owned();
        for character in text.chars() {
            on_text(&character.to_string());
            if request.interrupt.is_set() {
                finish_reason = FinishReason::Cancelled;
            }
        }
        let prompt_tokens = self.count_tokens(request.messages)?;
        let completion_tokens = text.chars().count();
        let usage = Usage { prompt_tokens, completion_tokens, ..Usage::default() };
        Ok(Completion { text, tokens: Vec::new(), finish_reason, usage, trace: None })
    }

    fn read_ahead(&mut self, messages: &[ChatMessage], _interrupt: &Interrupt) {
        self.read_ahead.push((self.asked.len(), messages.to_vec()));
    }
}

/// Replays results, and prints the code back when there are none left.
#[derive(Debug, Default)]
pub struct ScriptedExecutor {
    /// What the next cells do, in order.
    pub script: VecDeque<Execution>,
    /// The cells that were run.
    pub ran: Vec<String>,
    /// The `DataFrames` that exist.
    pub variables: Vec<Variable>,
    /// What the analyst answers, in order; then nobody can be asked.
    pub answers: VecDeque<String>,
    /// What the analyst was asked.
    pub asked: Vec<String>,
}

impl ScriptedExecutor {
    /// A code runner whose next cells do `script`.
    pub fn new(script: Vec<Execution>) -> Self {
        Self { script: script.into(), ..Self::default() }
    }
}

impl Executor for ScriptedExecutor {
    fn execute(
        &mut self,
        code: &str,
        _timeout: Duration,
        meanwhile: &mut Meanwhile<'_>,
    ) -> Result<Execution, ExecutorError> {
        self.ran.push(code.to_owned());
        let mut execution = self.script.pop_front().unwrap_or_else(|| printed(code));
        for n_outputs in 0..=execution.outputs.len() {
            meanwhile(&execution.outputs[..n_outputs], &Interrupt::default());
        }
        execution.execution_count = Some(self.ran.len() as u64);
        Ok(execution)
    }

    fn variables(&mut self) -> Vec<Variable> {
        self.variables.clone()
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        self.asked.push(question.to_owned());
        self.answers.pop_front()
    }
}

/// A cell that printed `text`.
pub fn printed(text: &str) -> Execution {
    let output = Output::Stream { name: String::from("stdout"), text: text.to_owned() };
    ended(Status::Ok, vec![output])
}

/// A cell that printed `text` and then failed.
pub fn raised(text: &str, ename: &str, evalue: &str) -> Execution {
    let mut outputs = printed(text).outputs;
    outputs.push(Output::Error {
        ename: ename.to_owned(),
        evalue: evalue.to_owned(),
        traceback: vec![format!("{ename}: {evalue}")],
    });
    ended(Status::Error, outputs)
}

/// A cell that ended with `status`.
pub fn ended(status: Status, outputs: Vec<Output>) -> Execution {
    Execution {
        execution_count: None,
        status,
        outputs,
        figures: Vec::new(),
        seconds: 0.0,
        lost: false,
    }
}
