//! A prompt from its request to its reply.

use std::time::{Duration, Instant};

use datarus_agent::agent::{AgentEvent, DataNotes, Given, Outcome, Past, Task, Turn};
use datarus_agent::executor::{Status, Variable};
use datarus_agent::llm::{ModelInfo, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Server;
use super::prompt_cell::{PromptCell, wrong_flags};
use super::relay::no_companion;
use super::request::Request;
use super::step::RunningStep;
use crate::display::{Shown, TurnEnd};
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState};
use crate::page::Phase;
use crate::page::view::Kept;
use crate::place::ran_at;
use crate::prompt::{Failure, FromAgent};
use crate::route::Prompt;
use crate::session::PastTurn;
use crate::sources::{Snapshot, learnt_files};

/// How long text is gathered before it is shown: the server between kernel and page drops messages above 1,000 a
/// second.
const GATHER: Duration = Duration::from_millis(50);

/// How long an interrupted turn may take to end by itself: whoever interrupts has a reply within half a second, also from a
/// model that is being loaded.
const PATIENCE: Duration = Duration::from_millis(400);

/// The answer of `begin_prompt()`.
#[derive(Debug, Deserialize)]
pub(super) struct Numbered {
    execution_count: u64,
    variables: Vec<Variable>,
}

impl Server {
    /// Begins a prompt: first it gets its number. With `names`, it is a prompt only if none of them exists.
    pub(super) fn start_prompt(&mut self, request: Request, prompt: Prompt, names: Vec<String>) {
        self.start_companion_again();
        let wrong = wrong_flags(&prompt);
        if let Some(error) = wrong.or_else(|| self.companion.broken().map(no_companion)) {
            self.schedule.alone_ended();
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
            self.schedule.alone_ended();
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
        let parent = prompt.request.parent().clone();
        let source = prompt.request.execute().map(|content| content.code).unwrap_or_default();
        let input = self.session.execute_input(&parent, &source, numbered.execution_count);
        self.publish(input);
        self.open_turn(numbered);
    }

    /// Gives the agent its task, with what is `kept` of a turn that goes on.
    pub(super) fn start_agent(
        &mut self,
        numbered: Numbered,
        history: Vec<Past>,
        kept: Option<Kept>,
    ) {
        let Some(prompt) = &mut self.prompt else { return };
        // A turn that goes on keeps the words of its question: what the model has read of it stays valid.
        let before = kept.as_ref().and_then(|_| self.history.given(prompt.view.turn()));
        let named = prompt.request.cell().files(&self.config.folder);
        prompt.given = before.unwrap_or_else(|| Given {
            files: named.unwrap_or_else(|| learnt_files(&self.config.folder)),
            variables: numbered.variables,
            brief: prompt.brief(self.config.limits.max_sections),
            data: DataNotes::default(),
        });
        prompt.files = Snapshot::of(&self.config.folder);
        let instructions = self.instructions();
        let Some(prompt) = &mut self.prompt else { return };
        if let Some(kept) = &kept {
            prompt.take_up(kept);
            // What becomes of it now is noted at its end.
            self.history.forget_turn(prompt.view.turn());
        }
        let Given { files, variables, brief, data } = prompt.given.clone();
        let task = Task {
            prompt: prompt.prompt.text.clone(),
            brief,
            mode: prompt.mode(),
            stage: prompt.prompt.flags.stage,
            instructions,
            files,
            variables,
            data,
            history,
            begun: kept.map(|kept| kept.begun),
        };
        let (number, interrupt) = (prompt.number, prompt.interrupt.clone());
        if interrupt.is_set() {
            return self.end_interrupted();
        }
        self.keep_begin();
        if self.agent.run(number, task, interrupt) {
            self.enter(Phase::Reading);
        } else {
            let reason = "the agent's thread is not there: restart the kernel".into();
            self.fail_turn(&Failure { name: "AgentPanic", reason });
        }
    }

    /// Standing instructions: the user's, and the notebook's.
    fn instructions(&self) -> String {
        let of_user = self.config.analyst.instructions.as_str();
        let of_notebook = self.prompt.as_ref().and_then(PromptCell::instructions);
        let all = [of_user, of_notebook.as_deref().unwrap_or_default()].map(str::trim);
        all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// Takes what the agent says; a turn that was given up is not listened to.
    pub(super) fn on_agent(&mut self, number: u64, message: FromAgent) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.number == number) else {
            return;
        };
        match message {
            FromAgent::Loading => self.enter(Phase::Loading),
            FromAgent::Loaded => self.enter(Phase::Reading),
            FromAgent::Event(event) => self.on_agent_event(event),
            FromAgent::Execute { code, timeout, outcome } => {
                prompt.variables = None;
                self.run_step(&code, timeout, outcome);
            }
            FromAgent::More => {
                if let Some(step) = &mut prompt.step {
                    step.listen();
                }
            }
            FromAgent::Ask { question, answer } => self.ask_user(&question, answer),
            FromAgent::Variables(answer) => match prompt.variables.clone() {
                Some(variables) => {
                    let _ = answer.send(variables);
                }
                None => self.ask_variables(answer),
            },
            FromAgent::Survey(answer) => self.survey(answer),
            FromAgent::Ended(Ok(ended)) => self.end_turn(*ended),
            // A step that could not be run any more is no failure of its own then.
            FromAgent::Ended(Err(_)) if prompt.is_interrupted() => self.end_interrupted(),
            FromAgent::Ended(Err(failure)) => self.fail_turn(&failure),
        }
    }

    pub(super) fn on_agent_event(&mut self, mut event: AgentEvent) {
        self.on_live_event(&mut event);
        let Some(prompt) = &mut self.prompt else { return };
        // In a page, what was asked has a cell of its own.
        if prompt.live.is_none() || !matches!(event, AgentEvent::Asked(_)) {
            prompt.view.on_event(&event);
        }
        match event {
            AgentEvent::Text { .. } => {
                prompt.show_at.get_or_insert_with(|| Instant::now() + GATHER);
            }
            AgentEvent::StepReady(_) | AgentEvent::Asked(_) | AgentEvent::Withdrawn => {
                self.show_turn();
            }
            AgentEvent::StepDone(step) => {
                let number = step.number;
                self.history.note_ran(&step.code);
                prompt.steps.push(step);
                self.show_turn();
                self.upsert_unseen(number);
            }
            // Shown when it is put, and said at the end.
            AgentEvent::Asking(_) | AgentEvent::Notice(_) => {}
        }
    }

    /// Shows what has changed.
    pub(super) fn show_turn(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        prompt.show_at = None;
        if prompt.live.is_some() {
            return self.show_live(Instant::now());
        }
        for shown in prompt.view.flush() {
            self.show(shown);
        }
    }

    /// Shows it in the prompt cell.
    pub(super) fn show(&mut self, shown: Shown) {
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
            return self.end_interrupted();
        }
        self.on_live_deadline(now);
    }

    /// Stops what the user waits for: the turn, or else the companion's cell.
    pub(super) fn interrupt(&mut self) {
        if self.interrupt_setting() {
            return;
        }
        let Some(prompt) = &mut self.prompt else {
            if self.companion.is_up() {
                return self.stop_cell();
            }
            return self.interrupt_unstarted();
        };
        prompt.interrupt(PATIENCE);
        prompt.question = None;
        self.withdraw_pending();
        self.stop_survey();
        // The generation stops by itself; Python only if it runs a step of ours, not what the user started.
        self.stop_step(Status::Interrupted);
    }

    fn end_interrupted(&mut self) {
        if self.close_now() {
            // It had its answer already.
            return;
        }
        let Some(prompt) = &mut self.prompt else { return };
        let turn = Turn {
            prompt: prompt.prompt.text.clone(),
            mode: prompt.mode(),
            steps: std::mem::take(&mut prompt.steps),
            outcome: Outcome::Interrupted,
            usage: Usage::default(),
            given: prompt.given.clone(),
            seen_above: Vec::new(),
            asked: Vec::new(),
        };
        self.finish_turn(turn, None);
    }

    /// Shows and keeps the end of a turn, and answers the prompt.
    pub(super) fn finish_turn(&mut self, mut turn: Turn, model: Option<&ModelInfo>) {
        self.show_turn();
        self.tell_made_files();
        let facts = self.facts(&turn, model);
        let Some(prompt) = &mut self.prompt else { return };
        // What really ran: the user may have changed it.
        if !prompt.steps.is_empty() {
            turn.steps = std::mem::take(&mut prompt.steps);
        }
        let cells = turn.steps.iter().map(|step| prompt.cell_of(step.number)).collect();
        let seconds = prompt.started_at.elapsed().as_secs_f64();
        let end = TurnEnd { outcome: &turn.outcome, usage: turn.usage, seconds, facts };
        let cell_id = prompt.request.cell().cell_id;
        let (undone, alone) = (prompt.is_undone(), prompt.by_page.is_some());
        let name = prompt.live.is_some().then(|| prompt.view.turn().to_owned());
        if prompt.live.is_some() {
            let (summary, json) = (prompt.view.summary(&end), prompt.view.end_json(&end));
            self.end_live(Some(&json));
            self.keep_end(&json, &summary);
            self.show(summary);
        } else {
            let shown = prompt.view.end(&end);
            for shown in shown {
                self.show(shown);
            }
        }
        self.ask_next(&turn.outcome);
        let interrupted = turn.outcome == Outcome::Interrupted;
        if !undone {
            self.history.add_turn(cell_id, PastTurn { name, cells, turn });
        }
        // So that a Run All stops.
        let error = ErrorContent::new("KeyboardInterrupt", "the turn was stopped");
        self.close_turn((interrupted && !alone).then_some(error));
    }

    /// Says at the turn's end which files it made or changed.
    fn tell_made_files(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        if let Some(made) = prompt.files.since(&self.config.folder) {
            prompt.view.on_event(&AgentEvent::Notice(made));
        }
    }

    /// Ends a turn that could not be done.
    pub(super) fn fail_turn(&mut self, failure: &Failure) {
        self.show_turn();
        self.end_live(None);
        let Some(prompt) = &self.prompt else { return };
        let error = ErrorContent::new(failure.name, &failure.reason);
        self.keep_failure(&error);
        let shown = self.session.error(prompt.request.parent(), &error);
        self.publish(shown);
        self.close_turn(Some(error));
    }

    /// Answers the prompt's request.
    pub(super) fn close_turn(&mut self, error: Option<ErrorContent>) {
        self.withdraw_pending();
        self.withdraw_owed();
        self.close_live();
        let Some(prompt) = self.prompt.take() else { return };
        if prompt.fresh {
            self.keep_namespace();
        }
        let (request, execution_count) = (prompt.request, prompt.execution_count.unwrap_or(0));
        let failed = error.is_some();
        let content = match error {
            Some(error) => ExecuteReply::Error { execution_count, error },
            None => ExecuteReply::ok_with_next(execution_count, prompt.next),
        };
        let reply = self.session.execute_reply(request.parent(), &content, prompt.started);
        self.sockets.reply(&request, reply);
        self.publish_status(request.parent(), ExecutionState::Idle);
        self.schedule.alone_ended();
        if failed && request.execute().is_none_or(|content| content.stop_on_error) {
            self.abort_waiting();
        }
        self.hand_on(prompt.view.turn(), prompt.live.as_deref());
        self.advance();
    }

    /// What held the steps, for the notebook.
    fn held(&self) -> Value {
        match self.companion.elsewhere() {
            Some(place) => json!(ran_at(&place.to_string())),
            None => json!(self.companion.sandbox().map(|sandbox| sandbox.tier)),
        }
    }

    fn facts(&self, turn: &Turn, model: Option<&ModelInfo>) -> Map<String, Value> {
        let model = model.map(|model| {
            json!({
                "name": model.name,
                "sha256": model.sha256,
                "dialect": model.dialect,
                "profile": model.profile,
                "served_at": model.served.as_ref().map(|served| &served.at),
            })
        });
        Map::from_iter([
            ("model".to_owned(), json!(model)),
            ("seed".to_owned(), json!(self.config.seed)),
            ("sampling".to_owned(), json!(self.config.sampling)),
            ("prompt".to_owned(), json!(turn.prompt)),
            ("mode".to_owned(), json!(turn.mode)),
            ("seen_above".to_owned(), json!(turn.seen_above)),
            ("above".to_owned(), json!(self.history.printed(turn))),
            ("data".to_owned(), json!(turn.given.data)),
            (
                "stage".to_owned(),
                json!(self.prompt.as_ref().and_then(|prompt| prompt.prompt.flags.stage)),
            ),
            ("namespace".to_owned(), json!(self.config.analyst.namespace)),
            ("sandbox".to_owned(), self.held()),
        ])
    }
}
