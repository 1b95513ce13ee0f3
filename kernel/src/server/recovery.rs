//! What a page gets back when it opens: the turns that its notebook has not been saved with, and the one that runs.
//!
//! A page that is closed or loaded again says so, but that word may be lost. When another page of the notebook opens
//! while a turn runs, or is open and the page that shows the turn has fallen silent, that page is asked for a sign of
//! life; without one, the turn goes on in the other page. A page in which a turn has ended is asked once more, since what
//! came last may have reached nobody.

use std::time::{Duration, Instant};

use datarus_agent::agent::AgentEvent;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::Server;
use super::live::Live;
use super::owed::Owed;
use super::pages::Page;
use crate::cells::{End, step_cells, turn_cells};
use crate::display::Shown;
use crate::journal::{KeptTurn, TurnEnd};
use crate::message::NO_PARENT;
use crate::message::content::{ErrorContent, StreamName};
use crate::page::ToPage;
use crate::page::view::{prompt_patch, upserts};

/// How long a page may take to show that it lives.
const LIFE: Duration = Duration::from_secs(1);

/// How long a page may say nothing before it is asked, where another one could go on.
const QUIET: Duration = Duration::from_secs(5);

/// How long it may then take: its machine may be busy, and the other page is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// A page that takes the turn over unless the one that shows it gives a sign of life.
#[derive(Debug)]
pub(super) struct Rival {
    comm: String,
    pub(super) until: Instant,
}

/// A page that showed a turn to its end, and is asked for a sign of life.
#[derive(Debug)]
pub(super) struct LastSign {
    comm: String,
    /// Its notebook.
    path: String,
    pub(super) until: Instant,
}

impl Live {
    /// The step that another page than `page` was told to run: should its request still come, it must not run.
    fn told_elsewhere(&self, page: &Page) -> Option<Owed> {
        let pending = self.pending.as_ref().filter(|_| self.session != page.session)?;
        pending.until()?;
        let (cell_id, code) = (pending.cell_id.clone(), pending.code.clone());
        Some(Owed::withdrawn(cell_id, self.session.clone(), code))
    }
}

impl Server {
    /// Gives a page that has opened what its notebook may lack.
    pub(super) fn restore(&mut self, page: &Page) {
        let running = self.running_turn().map(str::to_owned);
        for kept in self.journals.turns(&page.path) {
            let runs = running.as_ref() == Some(&kept.record.turn);
            self.tell(&page.comm, &NO_PARENT, restoring(&kept, runs));
        }
        self.offer_turn(page);
    }

    /// The name of the turn that a page shows.
    fn running_turn(&self) -> Option<&str> {
        let prompt = self.prompt.as_ref().filter(|prompt| prompt.live.is_some())?;
        Some(prompt.view.turn())
    }

    /// A page that reopens goes on with its turn; another one does if the first is gone.
    fn offer_turn(&mut self, page: &Page) {
        let Some(turn) = self.running_turn().map(str::to_owned) else { return };
        let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) else {
            return;
        };
        let is_same = live.session == page.session;
        if !is_same && live.path != page.path {
            return;
        }
        if is_same || self.pages.of_comm(&live.comm).is_none() {
            return self.move_turn(&page.comm);
        }
        live.rival = Some(Rival { comm: page.comm.clone(), until: Instant::now() + LIFE });
        let prompt = live.turn.prompt().to_owned();
        self.tell_page(vec![ToPage::Begin { turn, prompt, remove: Vec::new() }]);
    }

    /// A page has said something.
    pub(super) fn note_life(&mut self, comm: &str) {
        self.pages.set_silent(comm, false);
        self.last_signs.retain(|asked| asked.comm != comm);
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        if let Some(live) = live.filter(|live| live.comm == comm) {
            live.heard = Instant::now();
            live.rival = None;
        }
    }

    /// Asks the page that shows the turn for a sign of life, if it has said nothing for long.
    pub(super) fn doubt_quiet_page(&mut self, now: Instant) {
        let live = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        if live.is_some_and(|live| now.duration_since(live.heard) >= QUIET) {
            self.doubt_page(now);
        }
    }

    /// Asks the page that shows the turn for a sign of life, if the turn could go on in another one.
    pub(super) fn doubt_page(&mut self, now: Instant) {
        let Some(turn) = self.running_turn().map(str::to_owned) else { return };
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        // A turn that begins is asked for already, and does not wait long.
        let Some(live) = live.filter(|live| live.rival.is_none() && live.opening.is_none()) else {
            return;
        };
        let Some(other) = self.pages.besides(&live.path, &live.comm) else { return };
        live.rival = Some(Rival { comm: other.comm.clone(), until: now + PATIENCE });
        self.tell_page(vec![ToPage::Read { turn, ids: Vec::new() }]);
    }

    /// The page that shows the turn has been silent for too long.
    pub(super) fn on_rival_deadline(&mut self, now: Instant) {
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        let Some(live) = live else { return };
        let Some(rival) = live.rival.take_if(|rival| rival.until <= now) else { return };
        tracing::info!("a page that shows a turn gives no sign of life");
        // It may be slow and not gone.
        live.left.push(live.comm.clone());
        let silent = live.comm.clone();
        self.pages.set_silent(&silent, true);
        self.move_turn(&rival.comm);
    }

    /// A turn has ended: its page is asked whether it has seen that. A page that had taken it over gets the prompt's own
    /// outputs, and one that it was taken from, should it live, all.
    pub(super) fn hand_on(&mut self, turn: &str, ended: Option<&Live>) {
        let Some(live) = ended else { return };
        self.ask_for_last_sign(turn, live);
        if !live.moved {
            return;
        }
        for comm in std::iter::once(&live.comm).chain(&live.left) {
            let Some(page) = self.pages.of_comm(comm).cloned() else { continue };
            self.restore(&page);
            if *comm != live.comm {
                self.tell(comm, &NO_PARENT, vec![live.done()]);
            }
        }
    }

    /// Asks the page in which a turn has ended whether it lives, if another one could have the turn.
    fn ask_for_last_sign(&mut self, turn: &str, live: &Live) {
        if self.pages.besides(&live.path, &live.comm).is_none() {
            return;
        }
        let (comm, path) = (live.comm.clone(), live.path.clone());
        let read = ToPage::Read { turn: turn.to_owned(), ids: Vec::new() };
        self.tell(&comm, &NO_PARENT, vec![read]);
        self.last_signs.push(LastSign { comm, path, until: Instant::now() + PATIENCE });
    }

    /// Pages in which turns have ended are gone: others get those turns. What runs by now is left alone.
    pub(super) fn on_last_sign_deadline(&mut self, now: Instant) {
        for gone in self.last_signs.extract_if(.., |asked| asked.until <= now).collect::<Vec<_>>() {
            tracing::info!("a page in which a turn has ended gives no sign of life");
            self.pages.set_silent(&gone.comm, true);
            let Some(other) = self.pages.besides(&gone.path, &gone.comm).cloned() else { continue };
            let running = self.running_turn().map(str::to_owned);
            for kept in self.journals.turns(&gone.path) {
                if running.as_ref() != Some(&kept.record.turn) {
                    self.tell(&other.comm, &NO_PARENT, restoring(&kept, false));
                }
            }
        }
    }

    /// A page has closed: its turn goes on in another one of the notebook, if there is one.
    pub(super) fn leave_page(&mut self, comm: &str) {
        for asked in self.last_signs.iter_mut().filter(|asked| asked.comm == comm) {
            asked.until = Instant::now();
        }
        let live = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        let left = live.filter(|live| live.comm == comm);
        let other = left.and_then(|live| self.pages.besides(&live.path, comm));
        if let Some(comm) = other.map(|page| page.comm.clone()) {
            self.move_turn(&comm);
        }
    }

    /// Goes on with the turn in another page, which gets all that the first one had.
    fn move_turn(&mut self, comm: &str) {
        let Some(page) = self.pages.of_comm(comm).cloned() else { return };
        let Some(turn) = self.running_turn().map(str::to_owned) else { return };
        let Some(prompt) = &mut self.prompt else { return };
        let running = prompt.step.is_some().then(|| prompt.view.newest_step());
        let Some(live) = &mut prompt.live else { return };
        if let Some(withdrawn) = live.told_elsewhere(&page) {
            self.owed.add(withdrawn);
        }
        live.move_to(&page, running);
        let (cell, remove) = (live.turn.prompt().to_owned(), live.removed.clone());
        let mut told = vec![ToPage::Begin { turn, prompt: cell, remove }];
        told.extend(live.turn.upserts());
        self.tell_page(told);
        self.tell_pending();
        self.put_question();
    }

    /// Keeps a turn that begins in a page.
    pub(super) fn keep_begin(&self) {
        if let Some((prompt, path)) = self.kept_in()
            && let Some(live) = &prompt.live
        {
            let mut record = live.turn.record(None);
            record.steps.retain(|step| step.status != "unknown");
            self.journals.begin(path, record, prompt.as_cell(), live.removed.clone());
        }
    }

    /// Keeps a finished step.
    pub(super) fn keep_step(&mut self, event: &AgentEvent) {
        if let (AgentEvent::StepDone(step), Some((prompt, path))) = (event, self.kept_in())
            && let Some(made) = prompt.live.as_ref().and_then(|live| live.turn.done(step.number))
        {
            self.journals.step(path, prompt.view.turn(), made.clone());
            self.tell_not_kept();
        }
    }

    /// Tells once a turn that its steps are not kept beside the notebook.
    pub(super) fn tell_not_kept(&mut self) {
        let Some(why) = self.journals.take_trouble() else { return };
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| !prompt.told_not_kept) else {
            return;
        };
        prompt.told_not_kept = true;
        let text = format!(
            "A step could not be kept beside the notebook ({why}): save the notebook soon.\n"
        );
        let told = self.session.stream(&prompt.request.parent().clone(), StreamName::Stderr, &text);
        self.publish(told);
    }

    /// Keeps the end of a turn with what the prompt's own cell shows of it.
    pub(super) fn keep_end(&self, json: &Value, shown: &Shown) {
        let (Shown::New(display) | Shown::Update(display)) = shown;
        let output = json!({
            "output_type": "display_data",
            "data": display.data,
            "metadata": display.metadata,
        });
        self.keep(End::deserialize(json).ok(), output);
    }

    /// Keeps that a turn could not be done.
    pub(super) fn keep_failure(&self, error: &ErrorContent) {
        let mut output = json!(error);
        output["output_type"] = json!("error");
        self.keep(None, output);
    }

    fn keep(&self, end: Option<End>, output: Value) {
        let Some((prompt, path)) = self.kept_in() else { return };
        let kept = prompt.live.as_ref().map(|live| live.kept.clone()).unwrap_or_default();
        let end = TurnEnd { end, outputs: vec![output], kept };
        self.journals.end(path, prompt.view.turn(), end);
    }

    pub(super) fn kept_in(&self) -> Option<(&super::PromptCell, &str)> {
        let prompt = self.prompt.as_ref().filter(|prompt| !prompt.is_undone())?;
        Some((prompt, &prompt.live.as_ref()?.path))
    }

    /// The notebook was saved with a turn in it, or the turn was taken back.
    pub(super) fn drop_kept(&mut self, comm: &str, turn: &str) {
        if let Some(page) = self.pages.of_comm(comm) {
            self.journals.forget(&page.path, turn);
        }
    }
}

/// What puts a turn back into a notebook. One that runs goes on after its steps; one that was cut off says so.
fn restoring(kept: &KeptTurn, runs: bool) -> Vec<ToPage> {
    let record = &kept.record;
    let prompt = kept.prompt["id"].as_str().unwrap_or_default();
    let mut told = vec![ToPage::Restore {
        turn: record.turn.clone(),
        prompt: prompt.to_owned(),
        remove: kept.removed.clone(),
        outputs: kept.outputs.clone(),
        execution_count: kept.prompt["execution_count"].as_u64(),
    }];
    if runs {
        told.extend(upserts(prompt, &step_cells(record)));
        return told;
    }
    let cells = turn_cells(&kept.prompt, record);
    // A turn that failed before its first step has left no cells.
    if record.end.is_some() || !record.steps.is_empty() {
        told.extend(upserts(prompt, &cells.below));
    }
    told.push(prompt_patch(&cells.prompt));
    told
}
