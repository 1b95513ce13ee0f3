//! What a turn looks like in the prompt cell's outputs. Pure: agent events in, display contents out.
//!
//! Each step is one display under the id `{turn}-{step}`, the end one under `{turn}-end`. Both hold Markdown for
//! people and `application/vnd.datarus.step+json` for programs.

use datarus_agent::agent::{AgentEvent, Asked, Draft, Outcome, Part, Step};
use datarus_agent::executor::Status;
use datarus_agent::llm::Usage;
use serde_json::{Map, Value, json};

use crate::markdown::sanitized;
use crate::message::content::Display;

/// The MIME type that programs read.
pub const STEP_MIME: &str = "application/vnd.datarus.step+json";

/// In the place of an answer that was taken back.
const WITHDRAWN: &str = "*The answer is looked at again.*";

/// A display to publish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// As `display_data`.
    New(Display),
    /// As `update_display_data`.
    Update(Display),
}

/// A turn as it is shown so far.
#[derive(Debug)]
pub(crate) struct TurnView {
    turn: String,
    steps: Vec<StepView>,
    answer: Option<AnswerView>,
    /// How many answers were taken back.
    n_withdrawn: usize,
    notices: Vec<String>,
}

#[derive(Debug, Default)]
struct StepView {
    number: usize,
    understanding: String,
    thought: String,
    code: String,
    state: State,
    execution_count: Option<u64>,
    ended: Option<(Status, f64)>,
    shown: bool,
    dirty: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Writing,
    Running,
    Done,
    /// What was taken for a step is the thought before the answer.
    LastThought,
}

#[derive(Debug, Default)]
struct AnswerView {
    /// Of its display.
    id: String,
    text: String,
    shown: bool,
    dirty: bool,
}

/// What is said about a turn when it is over.
#[derive(Debug)]
pub(crate) struct TurnEnd<'a> {
    /// How it ended.
    pub(crate) outcome: &'a Outcome,
    /// What it cost.
    pub(crate) usage: Usage,
    /// Wall time.
    pub(crate) seconds: f64,
    /// Facts for programs: model, seed, sampling, prompt, mode.
    pub(crate) facts: Map<String, Value>,
}

impl TurnView {
    /// A turn of which nothing is shown yet. `turn` is its id, such as `t_1a2b3c4d`.
    pub(crate) fn new(turn: String) -> TurnView {
        TurnView { turn, steps: Vec::new(), answer: None, n_withdrawn: 0, notices: Vec::new() }
    }

    /// The turn's id.
    pub(crate) fn turn(&self) -> &str {
        &self.turn
    }

    /// Number of the newest step, from 1.
    pub(crate) fn newest_step(&self) -> usize {
        self.steps.last().map_or(1, |step| step.number)
    }

    /// Takes what the agent says. Notices are kept for the end.
    pub(crate) fn on_event(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Text { step, part: Part::Understanding, delta } => {
                self.step(*step).understanding.push_str(delta);
            }
            AgentEvent::Text { step, part: Part::Thought, delta } => {
                self.step(*step).thought.push_str(delta);
            }
            AgentEvent::Text { step, part: Part::Code, delta } => {
                self.step(*step).code.push_str(delta);
            }
            AgentEvent::Text { step, part: Part::Answer, delta } => self.on_answer(*step, delta),
            AgentEvent::StepReady(Draft { number, understanding, thought, code }) => {
                let step = self.step(*number);
                step.understanding.clone_from(understanding);
                step.thought.clone_from(thought);
                step.code.clone_from(code);
                step.state = State::Running;
            }
            AgentEvent::StepDone(done) => self.on_done(done),
            AgentEvent::Asking(_) => {}
            AgentEvent::Asked(Asked { question, answer, .. }) => {
                let said = answer.as_deref().unwrap_or("(nobody could be asked)");
                self.notices.push(format!("It was asked: {question} {said}"));
            }
            AgentEvent::Withdrawn => self.withdraw(),
            AgentEvent::Notice(text) => self.notices.push(text.clone()),
        }
    }

    /// Notes the number under which the newest step runs.
    pub(crate) fn on_execution_count(&mut self, count: u64) {
        let number = self.newest_step();
        self.step(number).execution_count = Some(count);
    }

    /// What has changed since the last call, in order.
    pub(crate) fn flush(&mut self) -> Vec<Shown> {
        let turn = &self.turn;
        let dirty = self.steps.iter_mut().filter(|step| step.dirty);
        let mut changed: Vec<_> = dirty
            .map(|step| {
                step.dirty = false;
                let display = Display::with_id(step.data(turn), &format!("{turn}-{}", step.number));
                shown(&mut step.shown, display)
            })
            .collect();
        if let Some(answer) = self.answer.as_mut().filter(|answer| answer.dirty) {
            answer.dirty = false;
            let text = answer.text.trim_start();
            let json = json!({ "v": 1, "turn": turn, "part": "answer", "text": text });
            let said = if text.is_empty() { WITHDRAWN.to_owned() } else { sanitized(text) };
            let display = Display::with_id(bundle(said, json), &answer.id);
            changed.push(shown(&mut answer.shown, display));
            // What is written in its place stands below the steps that come before that.
            if text.is_empty() {
                self.answer = None;
            }
        }
        changed
    }

    /// The display that closes the turn, after what has changed of those before it.
    pub(crate) fn end(&mut self, end: &TurnEnd<'_>) -> Vec<Shown> {
        self.settle(end.outcome);
        let mut all = self.flush();
        let display = self.closing(ending(end.outcome), self.cost(end), end);
        all.push(shown(&mut self.answer_view().shown, display));
        all
    }

    /// What was shown as the thought before an answer may have been the answer.
    fn settle(&mut self, outcome: &Outcome) {
        let Outcome::Answered { thought, .. } = outcome else { return };
        let last = self.steps.iter_mut().find(|step| step.state == State::LastThought);
        if let Some(step) = last.filter(|step| step.thought.trim() != thought.trim()) {
            thought.clone_into(&mut step.thought);
            step.dirty = true;
        }
    }

    /// The display that closes a turn whose answer stands in a cell of its own.
    pub(crate) fn summary(&self, end: &TurnEnd<'_>) -> Shown {
        let said = match end.outcome {
            Outcome::Answered { .. } => "Answered",
            Outcome::Interrupted => "Stopped",
            Outcome::GaveUp { .. } => "No answer",
        };
        Shown::New(self.closing(format!("*{said} · {}*", self.cost(end)), String::new(), end))
    }

    /// What programs read of the end.
    pub(crate) fn end_json(&self, end: &TurnEnd<'_>) -> Value {
        end_json(&self.turn, &self.notices, end)
    }

    fn closing(&self, first: String, last: String, end: &TurnEnd<'_>) -> Display {
        let said = self.notices.iter().chain(Some(&last).filter(|last| !last.is_empty()));
        let said = said.map(|text| format!("*{}*", sanitized(text)));
        let markdown = [first].into_iter().chain(said).collect::<Vec<_>>().join("\n\n");
        Display::with_id(bundle(markdown, self.end_json(end)), &self.answer_id())
    }

    fn step(&mut self, number: usize) -> &mut StepView {
        let at = self.steps.iter().position(|step| step.number == number).unwrap_or_else(|| {
            self.steps.push(StepView { number, ..StepView::default() });
            self.steps.len() - 1
        });
        let step = self.steps.get_mut(at).expect("found or pushed");
        step.dirty = true;
        step
    }

    fn on_answer(&mut self, number: usize, delta: &str) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.number == number)
            && step.state == State::Writing
        {
            (step.state, step.dirty) = (State::LastThought, true);
        }
        let answer = self.answer_view();
        answer.text.push_str(delta);
        answer.dirty = true;
    }

    /// The answer is taken back, and the thought before it: both are written anew.
    fn withdraw(&mut self) {
        for step in self.steps.iter_mut().filter(|step| step.state == State::LastThought) {
            step.understanding.clear();
            step.thought.clear();
            (step.state, step.dirty) = (State::Writing, true);
        }
        self.answer = self.answer.take().filter(|answer| answer.shown);
        if let Some(answer) = &mut self.answer {
            answer.text.clear();
            answer.dirty = true;
            self.n_withdrawn += 1;
        }
    }

    fn answer_view(&mut self) -> &mut AnswerView {
        let id = self.answer_id();
        self.answer.get_or_insert_with(|| AnswerView { id, ..AnswerView::default() })
    }

    fn answer_id(&self) -> String {
        match self.n_withdrawn {
            0 => format!("{}-end", self.turn),
            n => format!("{}-end-{}", self.turn, n + 1),
        }
    }

    fn on_done(&mut self, done: &Step) {
        let step = self.step(done.number);
        step.state = State::Done;
        step.execution_count = done.execution.execution_count;
        step.ended = Some((done.execution.status, done.execution.seconds));
    }

    fn cost(&self, end: &TurnEnd<'_>) -> String {
        let steps = self.steps.iter().filter(|step| step.state == State::Done).count();
        let plural = if steps == 1 { "" } else { "s" };
        let usage = end.usage;
        format!(
            "{steps} step{plural} · {} tokens read, {} written · {:.1} s",
            usage.prompt_tokens, usage.completion_tokens, end.seconds
        )
    }
}

impl StepView {
    fn data(&self, turn: &str) -> Map<String, Value> {
        if self.state == State::LastThought {
            let json = json!({
                "v": 1, "turn": turn, "step": self.number, "part": "thought", "thought": self.thought.trim(),
            });
            return bundle(self.said("Thought"), json);
        }
        bundle(self.markdown(), self.json(turn))
    }

    fn json(&self, turn: &str) -> Value {
        let mut json = json!({
            "v": 1,
            "turn": turn,
            "step": self.number,
            "state": match self.state {
                State::Writing => "writing",
                State::Running => "running",
                State::Done | State::LastThought => "done",
            },
            "thought": self.thought.trim(),
            "code": self.code.trim_end(),
            "execution_count": self.execution_count,
            "status": self.ended.map(|(status, _)| status),
            "seconds": self.ended.map(|(_, seconds)| seconds),
        });
        if !self.understanding.trim().is_empty() {
            json["understanding"] = json!(self.understanding.trim());
        }
        json
    }

    /// The thought folded away under a title, below what it follows from.
    fn said(&self, title: &str) -> String {
        let understanding = sanitized(self.understanding.trim());
        let is_silent = self.state == State::LastThought && self.thought.trim().is_empty();
        let thought = if is_silent { String::new() } else { folded(title, &self.thought) };
        let gap = if understanding.is_empty() { "" } else { "\n\n" };
        format!("{understanding}{gap}{thought}")
    }

    fn markdown(&self) -> String {
        let mut markdown = self.said(&format!("Step {}", self.number));
        let code = self.code.trim_end();
        if !code.is_empty() {
            let fence = fence(code);
            markdown = format!("{markdown}\n\n{fence}python\n{code}\n{fence}");
        }
        markdown + "\n\n" + &self.state_line()
    }

    fn state_line(&self) -> String {
        let count = self.execution_count.map_or(String::new(), |count| format!("`[{count}]` "));
        match (self.state, self.ended) {
            (_, Some((status, seconds))) => format!("*{count}{} · {seconds:.2} s*", said(status)),
            (State::Running, None) => format!("*{count}running …*"),
            (State::Writing | State::Done | State::LastThought, None) => "*writing …*".into(),
        }
    }
}

fn said(status: Status) -> &'static str {
    match status {
        Status::Ok => "done",
        Status::Error => "failed",
        Status::TimedOut => "stopped at its time limit",
        Status::Interrupted => "stopped",
        Status::Died => "the Python process died; all variables are lost",
    }
}

fn shown(before: &mut bool, display: Display) -> Shown {
    if std::mem::replace(before, true) { Shown::Update(display) } else { Shown::New(display) }
}

fn end_json(turn: &str, notices: &[String], end: &TurnEnd<'_>) -> Value {
    let mut json = end.facts.clone();
    json.insert("v".into(), json!(1));
    json.insert("turn".into(), json!(turn));
    json.insert("part".into(), json!("end"));
    json.insert("outcome".into(), json!(end.outcome));
    json.insert("usage".into(), json!(end.usage));
    json.insert("notices".into(), json!(notices));
    Value::Object(json)
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered { answer, .. } => sanitized(answer.trim()),
        Outcome::Interrupted => "**Stopped.** No answer was given.".into(),
        Outcome::GaveUp { reason } => format!("**No answer.** {}", sanitized(reason)),
    }
}

fn bundle(markdown: String, json: Value) -> Map<String, Value> {
    Map::from_iter([
        ("text/markdown".to_owned(), Value::String(markdown)),
        (STEP_MIME.to_owned(), json),
    ])
}

/// A text that is folded away under a title.
fn folded(title: &str, text: &str) -> String {
    let text = sanitized(text.trim());
    if text.is_empty() {
        return format!("**{title}**");
    }
    format!("<details><summary>{title}</summary>\n\n{text}\n\n</details>")
}

/// A fence that is longer than any in the code.
pub(crate) fn fence(code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text without terminal escapes: for outputs that are no terminals.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
        } else if characters.next_if_eq(&'[').is_some() {
            // A control sequence ends with a character from `@` to `~`.
            while characters.next().is_some_and(|part| !('@'..='~').contains(&part)) {}
        } else if characters.next_if_eq(&']').is_some() {
            // An operating system command ends with BEL or ESC \.
            while characters.next_if(|&part| part != '\u{7}' && part != '\u{1b}').is_some() {}
            characters.next_if_eq(&'\u{7}');
        } else {
            characters.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests;
