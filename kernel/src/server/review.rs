//! Steps that wait for the user: which, what the page is asked, and what becomes of them.
//!
//! Never by `input_request` while a page is there: `JupyterLab` then refuses to run any cell.

use std::time::Instant;

use datarus_agent::executor::{Execution, Output, Status};

use super::Server;
use super::live::{Live, PendingStep, Stage};
use crate::page::guard::{installs, reasons};
use crate::page::{Choice, Phase, Review, Settings, ToPage};
use crate::sandbox::Tier;

/// Told to the model of a step that the user did not let run.
const SKIPPED: &str = "Skipped: the user chose not to run this step.\n";

impl Server {
    /// Why the user is asked before this code runs; none, if it runs at once.
    pub(super) fn why_ask(&self, code: &str) -> Option<Vec<String>> {
        let live = self.prompt.as_ref()?.live.as_ref()?;
        if let Some(Ok(wanted)) = self.packages_of(code) {
            let mut why = vec![format!("installs packages: {}", wanted.packages.join(", "))];
            why.extend(reasons(&wanted.rest).into_iter().filter(|_| live.review != Review::Off));
            return Some(why);
        }
        match live.review {
            // In a sandbox it can change nothing.
            Review::Off if self.is_open() => Some(installs(code)).filter(|why| !why.is_empty()),
            Review::Off => None,
            Review::Guard => Some(reasons(code)).filter(|reasons| !reasons.is_empty()),
            Review::All => Some(Vec::new()),
        }
    }

    /// Whether no sandbox holds the companion.
    fn is_open(&self) -> bool {
        self.companion.elsewhere().is_some()
            || self.companion.sandbox().is_some_and(|sandbox| sandbox.tier == Tier::None)
    }

    /// Takes what the user chose for the notebook; it holds for the turn that runs, too.
    pub(super) fn on_settings(&mut self, comm: &str, settings: Settings) {
        self.pages.set(comm, settings);
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        if let Some(live) = live.filter(|live| live.comm == comm) {
            live.review = settings.review;
        }
    }

    /// Tells the page what to do with the step that has not begun: to ask, or to run it.
    pub(super) fn tell_pending(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        let turn = prompt.view.turn().to_owned();
        let live = prompt.live.as_mut();
        let Some(pending) = live.and_then(|live| live.pending.as_mut()) else { return };
        let id = pending.cell_id.clone();
        match &mut pending.stage {
            Stage::Asked(why) => {
                let choices = vec![Choice::Run, Choice::Edit, Choice::Skip];
                let why = why.clone();
                self.enter(Phase::Waiting);
                self.tell_page(vec![ToPage::Ask { turn, id, why, choices }]);
            }
            Stage::Told(until) => {
                *until = Instant::now() + super::live::ARRIVAL;
                self.enter(Phase::Running);
                self.tell_page(vec![ToPage::Execute { id }]);
            }
            Stage::Installing(_) => {}
        }
    }

    /// Takes what the user chose for a step.
    pub(super) fn on_choice(&mut self, comm: &str, id: &str, choice: Choice, source: Option<&str>) {
        let asked = |live: &Live| {
            live.comm == comm
                && live
                    .pending
                    .as_ref()
                    .is_some_and(|step| step.cell_id == id && matches!(step.stage, Stage::Asked(_)))
        };
        let Some(mut pending) = self.take_pending(asked) else { return };
        match (choice, source) {
            (Choice::Skip, _) => return self.leave_out(pending, SKIPPED),
            (Choice::Edit, Some(source)) => self.edit_pending(&mut pending, source),
            (Choice::Run, _) | (Choice::Edit, None) => {}
        }
        match self.packages_of(&pending.code) {
            Some(Ok(wanted)) => self.install(pending, &wanted),
            Some(Err(reason)) => self.leave_out(pending, &reason),
            None => self.tell_to_run(pending),
        }
    }

    /// Has the page run a step.
    pub(super) fn tell_to_run(&mut self, mut pending: PendingStep) {
        pending.stage = Stage::Told(Instant::now());
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            live.pending = Some(pending);
        }
        self.tell_pending();
    }

    fn edit_pending(&mut self, pending: &mut PendingStep, source: &str) {
        let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) else {
            return;
        };
        live.note_edit(pending.number, source);
        source.trim_end().clone_into(&mut pending.code);
        let replace = ToPage::Replace { id: pending.cell_id.clone(), source: pending.code.clone() };
        self.tell_page(vec![replace]);
    }

    /// The model is told what happened; the cell counts as one that failed, so that a replay leaves it out.
    pub(super) fn leave_out(&mut self, pending: PendingStep, why: &str) {
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            live.unseen = Some(pending.number);
        }
        pending.outcome.end(Ok(not_run(why)));
    }
}

/// What the model is told of a step that did not run.
pub(super) fn not_run(why: &str) -> Execution {
    let told = Output::Stream { name: "stderr".into(), text: why.to_owned() };
    Execution {
        execution_count: None,
        status: Status::Error,
        outputs: vec![told],
        figures: Vec::new(),
        seconds: 0.0,
        lost: false,
    }
}
