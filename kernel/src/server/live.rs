//! A turn in the cells of a page: the page inserts them and runs the steps, the kernel says which.
//!
//! A step is run by the page's own `execute_request`, which passes to the companion although the prompt has not
//! ended. Its arrival is the acknowledgement. When it does not come, the kernel runs the step itself; should it
//! come later, it is answered from what was recorded: no step runs twice.

use std::time::{Duration, Instant};

use datarus_agent::agent::AgentEvent;
use datarus_agent::executor::{Execution, Output};

use serde::Deserialize as _;
use serde_json::Value;

use super::Server;
use super::closing::Closing;
use super::install::Installing;
use super::opening::Opening;
use super::owed::Owed;
use super::pages::Page;
use super::prompt_cell::{ByPage, PromptCell};
use super::recovery::Rival;
use super::request::Request;
use super::step::{Runner, RunningStep};
use crate::cells::End;
use crate::cells::kept::fill_in;
use crate::page::bar::Gauge;
use crate::page::view::LiveTurn;
use crate::page::{Phase, Review, ToPage};
use crate::prompt::Outcome;

/// How long the page may take to run a step.
pub(super) const ARRIVAL: Duration = Duration::from_secs(2);

/// What is remembered of a turn that a page shows.
#[derive(Debug)]
pub(super) struct Live {
    /// The page's comm.
    pub(super) comm: String,
    /// Its notebook.
    pub(super) path: String,
    /// The session in which it runs steps.
    pub(super) session: String,
    /// Which steps wait for the user; it holds also when the page is gone.
    pub(super) review: Review,
    /// Whether the page puts the model's questions to the user.
    pub(super) questions: bool,
    /// The cells.
    pub(super) turn: LiveTurn,
    /// What it is doing.
    pub(super) gauge: Gauge,
    /// The notebook's standing instructions.
    pub(super) instructions: String,
    /// The turn waits for the page.
    pub(super) opening: Option<Opening>,
    /// Cells of an earlier answer that gave way to this one.
    pub(super) removed: Vec<String>,
    /// Whether it is not the page whose request the prompt is: the prompt's outputs do not reach it by themselves.
    pub(super) moved: bool,
    /// When the page said something last.
    pub(super) heard: Instant,
    /// Another page that may have to take the turn over.
    pub(super) rival: Option<Rival>,
    /// Pages that the turn was taken from since they were silent.
    pub(super) left: Vec<String>,
    /// A step that has not begun.
    pub(super) pending: Option<PendingStep>,
    /// What the model was told of the step beyond its outputs.
    note: Option<String>,
    /// The step that was run without the page, and is not in it yet.
    pub(super) unseen: Option<usize>,
    /// The turn waits for what ran of its failed steps.
    pub(super) closing: Option<Closing>,
    /// What ran of its failed steps, as far as later ones need it.
    pub(super) kept: Value,
    /// How the turn ended, see [`crate::page::ToPage::Done`].
    pub(super) status: &'static str,
}

/// A step that the agent wants to be run.
#[derive(Debug)]
pub(super) struct PendingStep {
    /// From 1 within the turn.
    pub(super) number: usize,
    /// Its cell.
    pub(super) cell_id: String,
    /// What is to run.
    pub(super) code: String,
    timeout: Duration,
    /// Where the agent waits for its outcome.
    pub(super) outcome: Outcome,
    /// What the page was told.
    pub(super) stage: Stage,
}

/// What the page was told of a step that has not begun.
#[derive(Debug)]
pub(super) enum Stage {
    /// To ask the user, for these reasons.
    Asked(Vec<String>),
    /// That it runs; its packages are being installed.
    Installing(#[expect(dead_code, reason = "dropped, it ends pip")] Installing),
    /// To run it; after this moment the kernel does it.
    Told(Instant),
}

impl PendingStep {
    /// How long it may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Until when the page may run it, if it was told to.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.stage {
            Stage::Asked(_) | Stage::Installing(_) => None,
            Stage::Told(until) => Some(until),
        }
    }
}

impl Live {
    /// A turn in `page`, below the cell `cell_id`.
    pub(super) fn new(page: &Page, cell_id: &str, prompt: &PromptCell, opening: Opening) -> Live {
        let turn = prompt.view.turn();
        Live {
            comm: page.comm.clone(),
            path: page.path.clone(),
            session: page.session.clone(),
            review: page.settings.review,
            questions: page.questions,
            turn: LiveTurn::new(turn, cell_id, prompt.mode()),
            gauge: Gauge::new(turn, prompt.started_at),
            instructions: String::new(),
            opening: Some(opening),
            removed: Vec::new(),
            moved: false,
            heard: Instant::now(),
            rival: None,
            left: Vec::new(),
            pending: None,
            note: None,
            unseen: None,
            closing: None,
            kept: Value::Null,
            status: "failed",
        }
    }

    /// Goes on in another page; the step `running` ran without it.
    pub(super) fn move_to(&mut self, page: &Page, running: Option<usize>) {
        self.comm.clone_from(&page.comm);
        self.path.clone_from(&page.path);
        self.session.clone_from(&page.session);
        self.review = page.settings.review;
        self.questions = page.questions;
        self.moved = true;
        self.heard = Instant::now();
        self.rival = None;
        self.left.retain(|comm| *comm != page.comm);
        self.unseen = running;
    }

    /// The last word to a page.
    pub(super) fn done(&self) -> ToPage {
        let (turn, prompt) = (self.turn.name().to_owned(), self.turn.prompt().to_owned());
        ToPage::Done { turn, prompt, status: self.status.to_owned() }
    }

    /// Notes that the user wrote another code for a step, and that the page has it.
    pub(super) fn note_edit(&mut self, number: usize, code: &str) {
        self.turn.edit(number, code);
        self.note = Some(changed_by_user(code));
    }

    /// Notes that packages were installed for a step.
    pub(super) fn note_installed(&mut self, packages: &[String]) {
        let installed = format!("[installed: {}]\n", packages.join(", "));
        self.note.get_or_insert_default().push_str(&installed);
    }

    /// When something is to be done next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let opening = self.opening.as_ref().map(|opening| opening.until);
        let pending = self.pending.as_ref().and_then(PendingStep::until);
        let rival = self.rival.as_ref().map(|rival| rival.until);
        let closing = self.closing.as_ref().map(|closing| closing.until);
        [Some(self.gauge.deadline()), opening, rival, pending, closing].into_iter().flatten().min()
    }
}

impl Server {
    /// Tells the page of the turn that runs.
    pub(super) fn tell_page(&mut self, messages: Vec<ToPage>) {
        let Some(prompt) = &self.prompt else { return };
        let Some(live) = &prompt.live else { return };
        let (comm, parent) = (live.comm.clone(), prompt.request.parent().clone());
        self.tell(&comm, &parent, messages);
    }

    /// Shows the page what has changed.
    pub(super) fn show_live(&mut self, now: Instant) {
        let shown = self.prompt.as_mut().filter(|prompt| !prompt.is_undone());
        let Some(live) = shown.and_then(|prompt| prompt.live.as_mut()) else { return };
        let mut told = live.turn.flush();
        told.extend(live.gauge.bar(now).map(ToPage::Bar));
        self.tell_page(told);
    }

    /// Notes what a turn does from now on.
    pub(super) fn enter(&mut self, phase: Phase) {
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            live.gauge.enter(phase);
            let bar = live.gauge.bar(Instant::now()).map(ToPage::Bar);
            self.tell_page(bar.into_iter().collect());
        }
    }

    /// Takes what the agent says, before it is shown.
    pub(super) fn on_live_event(&mut self, event: &mut AgentEvent) {
        let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) else {
            return;
        };
        if let AgentEvent::StepDone(step) = event {
            // The model was told more than what stands in the notebook.
            if let (Some(note), Some(Output::Stream { text, .. })) =
                (live.note.take(), step.execution.outputs.first())
                && *text == note
            {
                step.execution.outputs.remove(0);
            }
            live.turn.correct(step);
        }
        live.turn.on_event(event);
        self.keep_step(event);
        self.keep_asked(event);
        let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) else {
            return;
        };
        match event {
            AgentEvent::Text { step, part, .. } => {
                live.gauge.wrote(Instant::now(), Phase::of(*part), *step);
            }
            AgentEvent::StepDone(_) => self.enter(Phase::Reading),
            AgentEvent::StepReady(_)
            | AgentEvent::Asking(_)
            | AgentEvent::Asked(_)
            | AgentEvent::Withdrawn
            | AgentEvent::Notice(_) => {}
        }
    }

    /// Has the page run a step. Without a page that shows the turn, what waits for the outcome is given back.
    pub(super) fn issue_step(
        &mut self,
        code: &str,
        timeout: Duration,
        outcome: Outcome,
    ) -> Result<(), Outcome> {
        let why = self.why_ask(code);
        let installs = self.packages_of(code).is_some();
        let Some(prompt) = &mut self.prompt else { return Err(outcome) };
        let Some(live) = &mut prompt.live else { return Err(outcome) };
        let number = prompt.view.newest_step();
        let cell_id = live.turn.cell_of(number);
        // Whoever goes on from a step wants it to run, which is no word on packages.
        let why = why.filter(|_| installs || prompt.go_on.as_ref() != Some(&cell_id));
        live.pending = Some(PendingStep {
            number,
            cell_id,
            code: code.trim_end().to_owned(),
            timeout,
            outcome,
            stage: why.map_or_else(|| Stage::Told(Instant::now()), Stage::Asked),
        });
        self.show_turn();
        self.tell_pending();
        Ok(())
    }

    /// Takes the page's own request for a step, and one for a step that was run without it. Gives back all others.
    pub(super) fn take_issued(&mut self, request: Request) -> Option<Request> {
        let Some(cell_id) = request.cell().cell_id else { return Some(request) };
        let code = request.execute().map(|content| content.code).unwrap_or_default();
        if let Some(pending) = self.take_pending(|live| {
            live.session == request.header.session
                && live
                    .pending
                    .as_ref()
                    .is_some_and(|pending| pending.cell_id == cell_id && pending.until().is_some())
        }) {
            self.run_issued(request, &code, pending);
            return None;
        }
        self.take_owed(request, &cell_id, &code)
    }

    /// Takes the step that has not begun, if it `fits`.
    pub(super) fn take_pending(&mut self, fits: impl Fn(&Live) -> bool) -> Option<PendingStep> {
        let live = self.prompt.as_mut()?.live.as_mut()?;
        if fits(live) { live.pending.take() } else { None }
    }

    /// The frames pass at once, and as those of any Python cell do, but for two fields: a step may not ask the user, and
    /// ipykernel refuses for a moment what comes after a cell that failed, which may be what the user runs after an
    /// interrupt.
    fn run_issued(&mut self, request: Request, code: &str, pending: PendingStep) {
        let PendingStep { number, timeout, outcome, .. } = pending;
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            if code.trim_end() != pending.code {
                live.note_edit(number, code);
            }
            let comm = live.comm.clone();
            self.note_life(&comm);
        }
        let msg_id = request.header.msg_id.clone();
        self.sift_step(&msg_id);
        let request = self.without_stdin(self.without_packages(request, code));
        let step = RunningStep::new(msg_id, number, Runner::Page, timeout, outcome);
        if let Some(prompt) = &mut self.prompt {
            prompt.step = Some(step);
        }
        self.hand_over(request.stopping_nothing(), false);
    }

    /// Notes for the model what became of its code; the outputs that it sees begin with it.
    pub(super) fn annotate(&self, execution: &mut Execution) {
        let live = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        if let Some(note) = live.and_then(|live| live.note.clone()) {
            execution.outputs.insert(0, Output::Stream { name: "stdout".into(), text: note });
        }
    }

    /// Does what is due for the page.
    pub(super) fn on_live_deadline(&mut self, now: Instant) {
        self.on_opening_deadline(now);
        self.on_rival_deadline(now);
        self.doubt_quiet_page(now);
        self.on_closing_deadline(now);
        let late = |live: &Live| {
            let until = live.pending.as_ref().and_then(PendingStep::until);
            until.is_some_and(|until| until <= now)
        };
        if let Some(pending) = self.take_pending(late) {
            self.run_unacknowledged(pending);
        }
        let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) else {
            return;
        };
        let bar = live.gauge.bar(now).map(ToPage::Bar);
        self.tell_page(bar.into_iter().collect());
    }

    fn run_unacknowledged(&mut self, pending: PendingStep) {
        let PendingStep { number, cell_id, code, timeout, outcome, .. } = pending;
        let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) else {
            return;
        };
        live.unseen = Some(number);
        let session = live.session.clone();
        tracing::info!(%cell_id, "the page did not run a step in time");
        let rest = self.packages_of(&code).and_then(Result::ok).map(|wanted| wanted.rest);
        let msg_id = self.execute_unseen(rest.as_ref().unwrap_or(&code));
        self.owed.add(Owed::running(cell_id, session, code, msg_id.clone()));
        let step = RunningStep::new(msg_id, number, Runner::KernelForPage, timeout, outcome);
        if let Some(prompt) = &mut self.prompt {
            prompt.step = Some(step);
        }
        self.doubt_page(Instant::now());
    }

    /// A step that has not begun will not be run any more, also if the page's request for it is on its way.
    pub(super) fn withdraw_pending(&mut self) {
        let session = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        let session = session.map(|live| live.session.clone());
        let Some(pending) = self.take_pending(|_| true) else { return };
        if let (Some(session), Stage::Told(_)) = (session, pending.stage) {
            self.owed.add(Owed::withdrawn(pending.cell_id, session, pending.code));
        }
    }

    /// Puts a step into the page that the page did not run.
    pub(super) fn upsert_unseen(&mut self, number: usize) {
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        let unseen = live.filter(|live| live.unseen == Some(number));
        let upsert = unseen.and_then(|live| {
            live.unseen = None;
            live.turn.upsert_step(number)
        });
        self.tell_page(upsert.into_iter().collect());
    }

    /// Makes the page's cells those that a notebook keeps. `end` is what programs read of it; none, when the turn could
    /// not be done.
    pub(super) fn end_live(&mut self, end: Option<&Value>) {
        let Some(prompt) = &mut self.prompt else { return };
        let cell = prompt.as_cell();
        let Some(live) = &mut prompt.live else { return };
        let mut record = live.turn.record(end.and_then(|end| End::deserialize(end).ok()));
        fill_in(&mut record, &live.kept);
        live.status = record.status();
        let told = live.turn.end(&cell, &record);
        if !prompt.is_undone() {
            self.tell_page(told);
        }
    }

    /// Tells the page that the turn is over: the last thing before the reply.
    pub(super) fn close_live(&mut self) {
        let live = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        let done = live.map(|live| live.done());
        self.tell_page(done.into_iter().collect());
    }

    /// Ends the agent of a turn, and nothing else.
    pub(super) fn stop_agent(&mut self, turn: &str) {
        if let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.view.turn() == turn) {
            prompt.by_page.get_or_insert(ByPage::Stopped);
            self.interrupt();
        }
    }

    /// Ends the agent of a turn that was taken back.
    pub(super) fn undo_running(&mut self, turn: &str) {
        if let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.view.turn() == turn) {
            prompt.by_page = Some(ByPage::Undone);
            self.interrupt();
        }
    }
}

fn changed_by_user(code: &str) -> String {
    let code = code.trim_end();
    format!("[the user changed this step before it ran; what ran is]\n{code}\n[its output]\n")
}
