//! A step of the agent: a cell that the companion runs, by a request of ours or of the page that shows it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use datarus_agent::executor::{Execution, ExecutorError, Namespace, Status};
use serde_json::{Map, Value, json};

use super::Server;
use super::flood::stream_name;
use super::own::OwnReply;
use super::relay::is_idle;
use super::review::not_run;
use crate::display::without_escapes;
use crate::message::content::StreamName;
use crate::outputs::Outputs;
use crate::prompt::Outcome;
use crate::wire::Frames;

/// What the user and the model read of a step whose process has ended.
pub(crate) const LOST: &str = "The Python process was ended, all variables are lost.\n";

/// A step that runs.
#[derive(Debug)]
pub(super) struct RunningStep {
    msg_id: String,
    /// From 1 within the turn.
    number: usize,
    runner: Runner,
    outcome: Outcome,
    started: Instant,
    /// When its time is over.
    deadline: Option<Instant>,
    outputs: Outputs,
    /// Whether there are outputs that the agent was not told.
    untold: bool,
    execution_count: Option<u64>,
    reply: Option<OwnReply>,
    idle: bool,
    /// Why it was told to stop.
    stopped: Option<Status>,
}

/// By whose request a step runs, and where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// By ours, in the prompt cell.
    Kernel,
    /// By ours, since the page's did not come; the page gets the finished cell.
    KernelForPage,
    /// By the page's, in its own cell.
    Page,
}

impl RunningStep {
    /// A step that the request `msg_id` runs from now on.
    pub(super) fn new(
        msg_id: String,
        number: usize,
        runner: Runner,
        timeout: Duration,
        outcome: Outcome,
    ) -> RunningStep {
        let started = Instant::now();
        RunningStep {
            msg_id,
            number,
            runner,
            outcome,
            started,
            deadline: started.checked_add(timeout),
            outputs: Outputs::default(),
            untold: false,
            execution_count: None,
            reply: None,
            idle: false,
            stopped: None,
        }
    }

    /// The id of the request that runs it.
    pub(super) fn request(&self) -> &str {
        &self.msg_id
    }

    /// When its time is over, if it has not been told to stop yet.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes what was published for it.
    fn put_out(&mut self, msg_type: &str, content: Map<String, Value>) {
        self.outputs.push(msg_type, content);
        self.untold = true;
        self.tell();
    }

    /// Notes that the agent wants to know of outputs.
    pub(super) fn listen(&mut self) {
        self.outcome.listen();
        self.tell();
    }

    fn tell(&mut self) {
        if self.untold && self.outcome.tell(|| self.outputs.so_far()) {
            self.untold = false;
        }
    }

    /// What it did.
    fn execution(&mut self, died: bool) -> Execution {
        if died {
            self.outputs.push("stream", object(json!({ "name": "stderr", "text": LOST })));
        }
        let reply = self.reply.take().unwrap_or_default();
        let status = match self.stopped {
            Some(stopped) if died || reply.status == "error" => stopped,
            _ if died => Status::Died,
            _ if reply.status == "ok" => Status::Ok,
            _ => Status::Error,
        };
        Execution {
            execution_count: self.execution_count.or(reply.execution_count),
            status,
            outputs: std::mem::take(&mut self.outputs).finish(),
            figures: reply.state().map(|state| state.figures).unwrap_or_default(),
            seconds: self.started.elapsed().as_secs_f64(),
            lost: false,
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl Server {
    /// Runs a step for the agent.
    pub(super) fn run_step(&mut self, code: &str, timeout: Duration, outcome: Outcome) {
        let Some(prompt) = self.prompt.as_ref().filter(|prompt| !prompt.is_interrupted()) else {
            // Dropped: the agent takes it for the end of its turn.
            return;
        };
        let (parent, number) = (prompt.request.parent().clone(), prompt.view.newest_step());
        self.start_companion_again();
        if let Some(reason) = self.companion.broken() {
            outcome.end(Err(ExecutorError { reason: reason.to_owned() }));
            return;
        }
        if let Some(reason) = self.why_not_installed(code) {
            self.tell_not_run(number, &parent, &reason);
            outcome.end(Ok(not_run(&reason)));
            return;
        }
        if self.config.analyst.namespace == Namespace::Fresh {
            self.clear_namespace();
            if let Some(prompt) = &mut self.prompt {
                prompt.fresh = true;
            }
        }
        let Err(outcome) = self.issue_step(code, timeout, outcome) else { return };
        let msg_id = self.execute_step(code, parent);
        let step = RunningStep::new(msg_id, number, Runner::Kernel, timeout, outcome);
        if let Some(prompt) = &mut self.prompt {
            prompt.step = Some(step);
        }
    }

    /// Shows why a step does not run: in its cell where a page has one, else in the prompt's.
    fn tell_not_run(&mut self, number: usize, parent: &Bytes, reason: &str) {
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            live.unseen = Some(number);
            return;
        }
        let told = self.session.stream(parent, StreamName::Stderr, reason);
        self.publish(told);
    }

    /// Tells the running step to stop, and sees to it that it does.
    pub(super) fn stop_step(&mut self, why: Status) {
        let Some(step) = self.prompt.as_mut().and_then(|prompt| prompt.step.as_mut()) else {
            return;
        };
        step.deadline = None;
        if step.reply.is_some() {
            // It has ended but for the state that is asked for: a signal would find Python idle, and nothing would tell
            // that it was obeyed.
            return;
        }
        step.stopped.get_or_insert(why);
        let msg_id = step.msg_id.clone();
        self.stop_running_step(msg_id);
    }

    /// Takes the companion's reply to a step.
    pub(super) fn on_step_reply(&mut self, msg_id: &str, reply: OwnReply) {
        self.leave_ladder(msg_id);
        if let Some(step) = self.step(msg_id) {
            step.reply = Some(reply);
            self.settle_step();
        }
        self.advance();
    }

    /// Takes what the companion says of itself after a step that the page ran.
    pub(super) fn on_step_state(&mut self, msg_id: &str, state: OwnReply) {
        let Some(step) = self.step(msg_id) else { return };
        if let Some(reply) = &mut step.reply {
            reply.adopt_answer(state);
        }
        self.finish_step(false);
    }

    /// Ends the running step of a companion that is gone.
    pub(super) fn on_step_died(&mut self) {
        self.ladder = None;
        self.tell_step_lost();
        self.finish_step(true);
    }

    /// Shows the end of a step in the prompt cell; a page has it in the step's own.
    fn tell_step_lost(&mut self) {
        let Some(prompt) = &self.prompt else { return };
        let Some(step) = prompt.step.as_ref().filter(|step| step.runner == Runner::Kernel) else {
            return;
        };
        let (msg_id, parent) = (step.msg_id.clone(), prompt.request.parent().clone());
        self.show_ends(&msg_id, &parent);
        let told = self.session.stream(&parent, StreamName::Stderr, LOST);
        self.publish(told);
    }

    /// Takes what is published for a step that is not shown in the prompt cell.
    pub(super) fn on_unseen_output(&mut self, msg_id: &str, msg_type: &str, frames: &Frames) {
        match msg_type {
            "status" => self.on_step_status(msg_id, frames),
            "execute_input" => self.on_step_input(msg_id, frames),
            _ => {
                // Read for a step alone: a user's cell may put out much.
                if let Some(step) = self.step(msg_id)
                    && let Ok(content) = frames.content()
                {
                    step.put_out(msg_type, content);
                }
            }
        }
    }

    /// Takes what is published for a step, now or after its end. `parent` is the prompt's header.
    pub(super) fn on_step_output(
        &mut self,
        msg_id: &str,
        parent: &Bytes,
        msg_type: &str,
        frames: Frames,
    ) {
        match msg_type {
            "status" => {
                if is_idle(&frames) {
                    self.show_ends(msg_id, parent);
                }
                self.on_step_status(msg_id, &frames);
            }
            "execute_input" => self.on_step_input(msg_id, &frames),
            "stream" | "display_data" | "execute_result" | "error" | "clear_output" => {
                self.show_step_output(msg_id, parent, msg_type, &frames);
            }
            _ => {
                if let Some(step) = self.step(msg_id)
                    && let Ok(content) = frames.content()
                {
                    step.put_out(msg_type, content);
                }
                // Comms and updates: unchanged but for the request that they belong to.
                let frames = Frames { parent_header: parent.clone(), ..frames };
                let frames = self.session.resign(frames);
                self.publish(frames);
            }
        }
    }

    fn on_step_status(&mut self, msg_id: &str, frames: &Frames) {
        if let Some(step) = self.step(msg_id).filter(|_| is_idle(frames)) {
            step.idle = true;
            self.settle_step();
        }
    }

    fn on_step_input(&mut self, msg_id: &str, frames: &Frames) {
        let Some(step) = self.step(msg_id) else { return };
        let content: Map<String, Value> = frames.content().unwrap_or_default();
        if let Some(count) = content.get("execution_count").and_then(Value::as_u64) {
            step.execution_count = Some(count);
            if let Some(prompt) = &mut self.prompt {
                prompt.view.on_execution_count(count);
            }
            self.show_turn();
        }
    }

    fn show_step_output(&mut self, msg_id: &str, parent: &Bytes, msg_type: &str, frames: &Frames) {
        let Ok(content) = frames.content::<Map<String, Value>>() else { return };
        let turn = self.prompt.as_ref().map(|prompt| prompt.view.turn().to_owned());
        let mut place = None;
        if let Some(step) = self.step(msg_id) {
            step.put_out(msg_type, content.clone());
            place = turn.map(|turn| (turn, step.number));
        }
        match msg_type {
            "stream" => self.show_text(msg_id, parent, &content),
            "error" => {
                self.show_ends(msg_id, parent);
                let lines =
                    content.get("traceback").and_then(Value::as_array).into_iter().flatten();
                let lines: Vec<_> = lines.filter_map(Value::as_str).collect();
                let text = without_escapes(&lines.join("\n")) + "\n";
                let shown = self.session.stream(parent, StreamName::Stderr, &text);
                self.publish(shown);
            }
            "display_data" | "execute_result" => self.show_bundle(parent, msg_type, content, place),
            // It would clear the whole turn.
            _ => {}
        }
    }

    fn show_text(&mut self, msg_id: &str, parent: &Bytes, content: &Map<String, Value>) {
        let field = |name| content.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = stream_name(field("name"));
        let text = self.bounded_text(msg_id, name, field("text"));
        if !text.is_empty() {
            let shown = self.session.stream(parent, name, &text);
            self.publish(shown);
        }
    }

    fn show_bundle(
        &mut self,
        parent: &Bytes,
        msg_type: &str,
        mut content: Map<String, Value>,
        place: Option<(String, usize)>,
    ) {
        content.remove("execution_count");
        if let (Some((turn, step)), Some(Value::Object(metadata))) =
            (place, content.get_mut("metadata"))
        {
            let origin = json!({ "turn": turn, "step": step, "output_type": msg_type });
            metadata.insert("datarus".into(), origin);
        }
        content.entry("transient").or_insert_with(|| json!({}));
        let shown = self.session.message("display_data", parent, &content, &json!({}));
        self.publish(shown);
    }

    /// The running step, if this is the id of its request.
    pub(super) fn step(&mut self, msg_id: &str) -> Option<&mut RunningStep> {
        self.prompt.as_mut()?.step.as_mut().filter(|step| step.msg_id == msg_id)
    }

    /// Ends the step when it has its reply and its idle status. The page's request does not ask for the state of the
    /// companion, so that is asked then.
    fn settle_step(&mut self) {
        let Some(step) = self.prompt.as_mut().and_then(|prompt| prompt.step.as_mut()) else {
            return;
        };
        match (step.idle && step.reply.is_some(), step.runner) {
            (false, _) => {}
            (true, Runner::Page) => {
                let msg_id = step.msg_id.clone();
                self.ask_state(msg_id);
            }
            (true, Runner::Kernel | Runner::KernelForPage) => self.finish_step(false),
        }
    }

    fn finish_step(&mut self, died: bool) {
        let Some(prompt) = &mut self.prompt else { return };
        let Some(mut step) = prompt.step.take() else { return };
        let state = step.reply.as_ref().filter(|_| !died).and_then(OwnReply::state);
        prompt.variables = state.map(|state| state.variables);
        let mut execution = step.execution(died);
        self.record_owed(&step.msg_id, &execution);
        self.annotate(&mut execution);
        step.outcome.end(Ok(execution));
    }
}
