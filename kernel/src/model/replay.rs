//! An analysis that was recorded, done again by a model of this machine: what it costs here, and what is spared.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use datarus_agent::agent::{Agent, AgentError, DataNotes, FileInfo, Limits, Mode, Outcome, Task};
use datarus_agent::dialect::Dialect;
use datarus_agent::executor::{
    Execution, Executor, ExecutorError, Meanwhile, Namespace, Output, Status, Variable,
};
use datarus_agent::llm::local::{Call, LocalModel, Replay, Reuse};
use datarus_agent::llm::{self, Interrupt, ModelError, Sampling, Usage};
use serde::{Deserialize, Serialize};

/// An analysis as it was done once; `tests/bench/episode_record.py` writes one.
#[derive(Debug, Clone, Deserialize)]
pub struct Episode {
    prompt: String,
    files: Vec<FileInfo>,
    steps: Vec<RecordedStep>,
    thought: String,
    answer: String,
}

#[derive(Debug, Clone, Deserialize)]
struct RecordedStep {
    thought: String,
    code: String,
    /// In the order in which they came.
    pieces: Vec<Piece>,
    #[serde(default)]
    figures: Vec<String>,
    /// How long the cell took.
    seconds: f64,
}

/// An output, or more of the stream before it.
#[derive(Debug, Clone, Deserialize)]
struct Piece {
    /// Seconds after the cell began.
    at: f64,
    output: Output,
}

/// What can be done without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spared {
    /// Keeping what was computed of a prompt from step to step.
    Keep,
    /// Reading the observation while the cell runs.
    Meanwhile,
    /// Computing text without a choice at once.
    Forced,
    /// Guessing the next tokens.
    Guesses,
}

/// What the analysis cost.
#[derive(Debug, Serialize)]
pub struct Report {
    /// From the question to the answer.
    pub seconds: f64,
    /// Of these, seconds in which code ran.
    pub tool_seconds: f64,
    /// Each completion: those of the steps, then the answer's.
    pub steps: Vec<Measured>,
}

/// What one step cost.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Tokens, and the seconds in which they were computed.
    #[serde(flatten)]
    pub usage: Usage,
    /// From the beginning of the completion to its end.
    pub seconds: f64,
    /// For how long the code ran.
    pub tool_seconds: f64,
    /// Tokens that the prompt begins with like the last one and what was written then.
    pub known_tokens: usize,
    /// Its tokens after them.
    pub new_tokens: Vec<u32>,
}

impl Episode {
    /// Reads a recording.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let at = || path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ModelError::Read { path: at(), source })?;
        serde_json::from_str(&text)
            .map_err(|error| ModelError::Format { path: at(), reason: error.to_string() })
    }

    /// Has `model` do it again, `without` some of what it spares. What it writes is what was recorded.
    ///
    /// # Errors
    /// When the model fails, or the recording is not what an agent can have done.
    pub fn play(&self, model: &mut LocalModel, without: &[Spared]) -> Result<Report, ModelError> {
        model.reuse = reuse(without);
        let mut replay = Replay::new(model, self.texts());
        let mut player = Player { steps: self.steps.iter() };
        let mut agent = Agent {
            model: &mut replay,
            executor: &mut player,
            dialect: Some(Dialect::Datarus),
            namespace: Namespace::Kept,
            second_look: false,
            limits: self.limits(),
            sampling: Sampling::Greedy,
            seed: 0,
            interrupt: Interrupt::default(),
        };
        let start = Instant::now();
        let turn = agent.run(&self.task(), &mut |_| ()).map_err(|error| match error {
            AgentError::Model(error) => error,
            AgentError::Executor(error) => unlike(&error.reason),
        })?;
        let seconds = llm::seconds(start.elapsed());
        let Outcome::Answered { thought, answer, .. } = turn.outcome else {
            return Err(unlike("it does not end with an answer"));
        };
        let thoughts = turn.steps.iter().map(|step| &step.thought).chain([&thought, &answer]);
        let recorded = self.steps.iter().map(|step| &step.thought);
        let recorded = recorded.chain([&self.thought, &self.answer]);
        if !thoughts.map(|text| text.trim()).eq(recorded.map(|text| text.trim())) {
            return Err(unlike("another thought or answer was read in it"));
        }
        let tools = self.steps.iter().map(|step| step.seconds);
        let steps = replay.calls.into_iter().zip(tools.clone().chain([0.0])).map(Measured::from);
        Ok(Report { seconds, tool_seconds: tools.sum(), steps: steps.collect() })
    }

    fn task(&self) -> Task {
        Task {
            prompt: self.prompt.clone(),
            brief: String::new(),
            mode: Mode::Agentic,
            instructions: String::new(),
            files: self.files.clone(),
            variables: Vec::new(),
            data: DataNotes::default(),
            history: Vec::new(),
            stage: None,
            begun: None,
        }
    }

    /// Bounds that a recording does not meet.
    fn limits(&self) -> Limits {
        Limits {
            max_steps: self.steps.len().max(20),
            max_errors: 3,
            cell_timeout: Duration::from_secs(120),
            max_new_tokens: usize::MAX,
            max_turn_tokens: usize::MAX,
            max_sections: 8,
        }
    }

    /// What the model wrote, message by message.
    fn texts(&self) -> impl Iterator<Item = String> {
        let step = |RecordedStep { thought, code, .. }: &RecordedStep| {
            format!(
                "<step>\n<thought>{thought}</thought>\n<action>python_executor</action>\n<action_input>\n{code}\n\
                 </action_input>"
            )
        };
        let Self { thought, answer, .. } = self;
        let end = format!(
            "<stop_analysis>\n<thought>{thought}</thought>\n<answer>{answer}</answer>\n</stop_analysis>"
        );
        self.steps.iter().map(step).chain([end])
    }
}

/// Everything that can be spared is, but for what is named.
fn reuse(without: &[Spared]) -> Reuse {
    let is_on = |what| !without.contains(&what);
    Reuse {
        keep: is_on(Spared::Keep),
        meanwhile: is_on(Spared::Meanwhile),
        forced_batch: is_on(Spared::Forced),
        guesses: is_on(Spared::Guesses),
    }
}

fn unlike(reason: &str) -> ModelError {
    ModelError::Compute(format!("the recording cannot be played: {reason}"))
}

impl From<(Call, f64)> for Measured {
    fn from((call, tool_seconds): (Call, f64)) -> Self {
        let Call { usage, seconds, known_tokens, new_tokens } = call;
        Self { usage, seconds, tool_seconds, known_tokens, new_tokens }
    }
}

/// Runs nothing: takes as long as each cell took, and puts out what it put out.
struct Player<'a> {
    steps: std::slice::Iter<'a, RecordedStep>,
}

impl Executor for Player<'_> {
    fn execute(
        &mut self,
        code: &str,
        _timeout: Duration,
        meanwhile: &mut Meanwhile<'_>,
    ) -> Result<Execution, ExecutorError> {
        let step = self.steps.next().filter(|step| step.code.trim() == code.trim());
        let step = step
            .ok_or_else(|| ExecutorError { reason: String::from("other code was read in it") })?;
        let mut outputs = Vec::new();
        let over = Interrupt::default();
        thread::scope(|scope| {
            let (news, said) = mpsc::channel();
            let over = &over;
            scope.spawn(move || step.run(&news, over));
            meanwhile(&outputs, over);
            while let Ok(piece) = said.recv() {
                add(&mut outputs, piece);
                meanwhile(&outputs, over);
            }
        });
        let figures = step.figures.clone();
        let (execution_count, seconds) = (Some(1), step.seconds);
        Ok(Execution {
            execution_count,
            status: Status::Ok,
            outputs,
            figures,
            seconds,
            lost: false,
        })
    }

    fn variables(&mut self) -> Vec<Variable> {
        Vec::new()
    }
}

impl RecordedStep {
    /// Tells of each output when it came, and of the end.
    fn run(&self, news: &mpsc::Sender<Output>, over: &Interrupt) {
        let start = Instant::now();
        let wait_until = |seconds: f64| {
            let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            thread::sleep(wait.saturating_sub(start.elapsed()));
        };
        for piece in &self.pieces {
            wait_until(piece.at);
            // Nobody waits for it where the player gave up.
            let _ = news.send(piece.output.clone());
        }
        wait_until(self.seconds);
        over.set();
    }
}

/// As an execution lists them: adjacent streams of one name joined.
fn add(outputs: &mut Vec<Output>, piece: Output) {
    match (outputs.last_mut(), piece) {
        (Some(Output::Stream { name: last, text }), Output::Stream { name, text: more })
            if *last == name =>
        {
            text.push_str(&more);
        }
        (_, piece) => outputs.push(piece),
    }
}

impl Report {
    /// For people: a line for each step and for all.
    pub fn as_text(&self) -> String {
        let mut lines = vec![String::from(
            "step  prompt  prefilled  meanwhile  written  forced  guessed  prefill s  decode s  code s",
        )];
        for (number, step) in (1..).zip(&self.steps) {
            let Measured { usage, tool_seconds, .. } = step;
            lines.push(format!(
                "{number:>4}  {:>6}  {:>9}  {:>9}  {:>7}  {:>6}  {:>7}  {:>9.2}  {:>8.2}  {tool_seconds:>6.2}",
                usage.prompt_tokens,
                usage.prefilled_tokens,
                usage.prefilled_meanwhile,
                usage.completion_tokens,
                usage.forced_tokens,
                usage.guessed_tokens,
                usage.prefill_seconds,
                usage.decode_seconds,
            ));
        }
        let Self { seconds, tool_seconds, .. } = self;
        lines.push(format!("the turn took {seconds:.2} s, {tool_seconds:.2} of them for its code"));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
