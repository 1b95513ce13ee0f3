//! A prompt from its request to its reply.

use std::time::{Duration, Instant};

use datarus_agent::agent::{AgentEvent, Mode, Outcome, Step, Task, Turn};
use datarus_agent::executor::{Status, Variable};
use datarus_agent::llm::{Interrupt, ModelInfo, Usage};
use jiff::Timestamp;
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Server;
use super::relay::no_companion;
use super::request::Request;
use super::step::RunningStep;
use crate::display::{Shown, TurnEnd, TurnView};
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState};
use crate::prompt::{Ended, Failure, FromAgent};
use crate::route::Prompt;
use crate::session::data_files;

/// How long text is gathered before it is shown: the server between kernel and page drops messages above 1,000 a
/// second.
const GATHER: Duration = Duration::from_millis(50);

/// How long an interrupted turn may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(800);

/// A prompt that runs.
#[derive(Debug)]
pub(super) struct PromptCell {
    /// The `execute_request`.
    pub(super) request: Request,
    /// What is shown.
    pub(super) view: TurnView,
    /// The step that runs now.
    pub(super) step: Option<RunningStep>,
    /// The DataFrames, where they are known from the last step.
    pub(super) variables: Option<Vec<Variable>>,
    number: u64,
    prompt: Prompt,
    /// Whether the clients have been told that it runs.
    busy: bool,
    /// Its `[n]`, once it has one.
    execution_count: Option<u64>,
    started: Timestamp,
    started_at: Instant,
    interrupt: Interrupt,
    give_up_at: Option<Instant>,
    show_at: Option<Instant>,
    steps: Vec<Step>,
}

impl PromptCell {
    fn new(request: Request, prompt: Prompt, number: u64) -> PromptCell {
        let id = Uuid::new_v4().simple().to_string();
        let turn = format!("t_{}", id.get(..8).unwrap_or(&id));
        PromptCell {
            request,
            view: TurnView::new(turn),
            step: None,
            variables: None,
            number,
            prompt,
            busy: false,
            execution_count: None,
            started: Timestamp::now(),
            started_at: Instant::now(),
            interrupt: Interrupt::default(),
            give_up_at: None,
            show_at: None,
            steps: Vec::new(),
        }
    }

    /// When something is to be done for it next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let step = self.step.as_ref().and_then(RunningStep::deadline);
        [self.show_at, self.give_up_at, step].into_iter().flatten().min()
    }

    /// Whether the user stopped it.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Asks the agent to stop.
    pub(super) fn interrupt(&self) {
        self.interrupt.set();
    }

    fn mode(&self) -> Mode {
        if self.prompt.flags.think { Mode::Reflection } else { Mode::Agentic }
    }
}

fn unknown_flags(prompt: &Prompt) -> Option<ErrorContent> {
    let flag = prompt.flags.unknown.first()?;
    let text = format!("`%%ask` has no flag `{flag}`: it has `--think` and `--again`");
    Some(ErrorContent::new("UnknownFlag", &text))
}

/// The answer of `begin_prompt()`.
#[derive(Deserialize)]
struct Numbered {
    execution_count: u64,
    variables: Vec<Variable>,
}

impl Server {
    /// Begins a prompt: first it gets its number. With `names`, it is a prompt only if none of them exists.
    pub(super) fn start_prompt(&mut self, request: Request, prompt: Prompt, names: Vec<String>) {
        self.start_companion_again();
        let unknown = unknown_flags(&prompt);
        if let Some(error) = unknown.or_else(|| self.companion.broken().map(no_companion)) {
            self.schedule.prompt_ended();
            return self.refuse(&request, &error);
        }
        self.turns += 1;
        let source = request.execute().map(|content| content.code).unwrap_or_default();
        self.prompt = Some(PromptCell::new(request, prompt, self.turns));
        if names.is_empty() {
            self.show_busy();
        }
        self.ask_number(self.turns, &source, &names);
    }

    fn show_busy(&mut self) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| !prompt.busy) else { return };
        prompt.busy = true;
        let parent = prompt.request.parent().clone();
        self.publish_status(&parent, ExecutionState::Busy);
    }

    /// Takes the answer to the question for a number: null means that the cell is Python after all.
    pub(super) fn on_number(&mut self, turn: u64, answer: Option<Value>) {
        if self.prompt.as_ref().is_none_or(|prompt| prompt.number != turn) {
            // It was given up before it had a number.
            return;
        }
        if answer == Some(Value::Null) {
            self.schedule.prompt_ended();
            if let Some(prompt) = self.prompt.take() {
                self.schedule.started(&prompt.request);
                self.run_python(prompt.request);
            }
            return self.advance();
        }
        self.show_busy();
        match answer.and_then(|answer| serde_json::from_value::<Numbered>(answer).ok()) {
            Some(numbered) => self.run_prompt(numbered),
            None => self.fail_turn(&Failure {
                name: "NoPython",
                reason: "the Python process did not give the prompt a number".into(),
            }),
        }
    }

    fn run_prompt(&mut self, numbered: Numbered) {
        let Some(prompt) = &mut self.prompt else { return };
        prompt.execution_count = Some(numbered.execution_count);
        prompt.variables = Some(numbered.variables.clone());
        let named = prompt.request.cell().files();
        let task = Task {
            prompt: prompt.prompt.text.clone(),
            mode: prompt.mode(),
            files: named.unwrap_or_else(|| data_files(&self.config.folder)),
            variables: numbered.variables,
            history: self.journal.history(),
        };
        let (parent, number) = (prompt.request.parent().clone(), prompt.number);
        let interrupt = prompt.interrupt.clone();
        let source = prompt.request.execute().map(|content| content.code).unwrap_or_default();
        let input = self.session.execute_input(&parent, &source, numbered.execution_count);
        self.publish(input);
        if interrupt.is_set() {
            self.end_interrupted();
        } else if !self.agent.run(number, task, interrupt) {
            let reason = "the agent's thread is not there: restart the kernel".into();
            self.fail_turn(&Failure { name: "AgentPanic", reason });
        }
    }

    /// Takes what the agent says; a turn that was given up is not listened to.
    pub(super) fn on_agent(&mut self, number: u64, message: FromAgent) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.number == number) else {
            return;
        };
        match message {
            FromAgent::Event(event) => self.on_agent_event(event),
            FromAgent::Execute { code, timeout, outcome } => {
                prompt.variables = None;
                self.run_step(&code, timeout, outcome);
            }
            FromAgent::Variables(answer) => match prompt.variables.clone() {
                Some(variables) => {
                    let _ = answer.send(variables);
                }
                None => self.ask_variables(answer),
            },
            FromAgent::Ended(Ok(ended)) => self.end_turn(ended),
            // A step that could not be run any more is no failure of its own then.
            FromAgent::Ended(Err(_)) if prompt.is_interrupted() => self.end_interrupted(),
            FromAgent::Ended(Err(failure)) => self.fail_turn(&failure),
        }
    }

    fn on_agent_event(&mut self, event: AgentEvent) {
        let Some(prompt) = &mut self.prompt else { return };
        prompt.view.on_event(&event);
        match event {
            AgentEvent::Text { .. } => {
                prompt.show_at.get_or_insert_with(|| Instant::now() + GATHER);
            }
            AgentEvent::StepReady { .. } => self.show_turn(),
            AgentEvent::StepDone(step) => {
                prompt.steps.push(step);
                self.show_turn();
            }
            // Said at the end.
            AgentEvent::Notice(_) => {}
        }
    }

    /// Shows what has changed.
    pub(super) fn show_turn(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        prompt.show_at = None;
        for shown in prompt.view.flush() {
            self.show(shown);
        }
    }

    fn show(&mut self, shown: Shown) {
        let Some(prompt) = &self.prompt else { return };
        let parent = prompt.request.parent();
        let frames = match shown {
            Shown::New(display) => self.session.display_data(parent, &display),
            Shown::Update(display) => self.session.update_display_data(parent, &display),
        };
        self.publish(frames);
    }

    /// Does what is due for the turn.
    pub(super) fn on_turn_deadline(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(prompt) = &self.prompt else { return };
        let step = prompt.step.as_ref().and_then(RunningStep::deadline);
        let (show, give_up) = (due(prompt.show_at), due(prompt.give_up_at));
        if due(step) {
            self.stop_step(Status::TimedOut);
        }
        if show {
            self.show_turn();
        }
        if give_up {
            self.end_interrupted();
        }
    }

    /// Stops what the user waits for: the turn, or else the companion's cell.
    pub(super) fn interrupt(&mut self) {
        let Some(prompt) = &mut self.prompt else {
            if self.companion.is_up() {
                return self.companion.signal(Signal::INT);
            }
            return self.interrupt_unstarted();
        };
        prompt.interrupt();
        prompt.give_up_at.get_or_insert_with(|| Instant::now() + PATIENCE);
        // The generation stops by itself; Python only if it runs a step of ours, not what the user started.
        self.stop_step(Status::Interrupted);
    }

    fn end_interrupted(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        let turn = Turn {
            prompt: prompt.prompt.text.clone(),
            mode: prompt.mode(),
            steps: std::mem::take(&mut prompt.steps),
            outcome: Outcome::Interrupted,
            usage: Usage::default(),
        };
        self.finish_turn(turn, None);
    }

    fn end_turn(&mut self, ended: Ended) {
        self.finish_turn(ended.turn, Some(&ended.model));
    }

    fn finish_turn(&mut self, turn: Turn, model: Option<&ModelInfo>) {
        self.show_turn();
        let facts = self.facts(&turn, model);
        let Some(prompt) = &mut self.prompt else { return };
        let seconds = prompt.started_at.elapsed().as_secs_f64();
        let end = TurnEnd { outcome: &turn.outcome, usage: turn.usage, seconds, facts };
        let shown = prompt.view.end(&end);
        let cell_id = prompt.request.cell().cell_id;
        self.show(shown);
        let interrupted = turn.outcome == Outcome::Interrupted;
        self.journal.add_turn(cell_id, turn);
        // So that a Run All stops.
        let error = ErrorContent::new("KeyboardInterrupt", "the turn was stopped");
        self.close_turn(interrupted.then_some(error));
    }

    /// Ends a turn that could not be done.
    pub(super) fn fail_turn(&mut self, failure: &Failure) {
        self.show_turn();
        let Some(prompt) = &self.prompt else { return };
        let error = ErrorContent::new(failure.name, &failure.reason);
        let shown = self.session.error(prompt.request.parent(), &error);
        self.publish(shown);
        self.close_turn(Some(error));
    }

    fn close_turn(&mut self, error: Option<ErrorContent>) {
        let Some(prompt) = self.prompt.take() else { return };
        let (request, execution_count) = (prompt.request, prompt.execution_count.unwrap_or(0));
        let failed = error.is_some();
        let content = match error {
            Some(error) => ExecuteReply::Error { execution_count, error },
            None => ExecuteReply::ok(execution_count),
        };
        let reply = self.session.execute_reply(request.parent(), &content, prompt.started);
        self.sockets.reply(&request, reply);
        self.publish_status(request.parent(), ExecutionState::Idle);
        self.schedule.prompt_ended();
        if failed && request.execute().is_none_or(|content| content.stop_on_error) {
            self.abort_waiting();
        }
        self.advance();
    }

    fn facts(&self, turn: &Turn, model: Option<&ModelInfo>) -> Map<String, Value> {
        let model = model.map(|model| {
            json!({
                "name": model.name,
                "sha256": model.sha256,
                "dialect": model.dialect,
                "profile": model.profile,
            })
        });
        Map::from_iter([
            ("model".to_owned(), json!(model)),
            ("seed".to_owned(), json!(self.config.seed)),
            ("sampling".to_owned(), json!(self.config.sampling)),
            ("prompt".to_owned(), json!(turn.prompt)),
            ("mode".to_owned(), json!(turn.mode)),
        ])
    }
}
