//! The ladder: what is done, and when, to a cell that is to stop.
//!
//! A message asks ipykernel to interrupt itself; a signal does it where the message is not heard; what then still runs
//! is told to the user, or ended with all its children, and a fresh companion starts. A step of the agent is off the
//! ladder's end within six seconds. A cell of the user's is never ended by one interrupt: an hour of C code is lost only
//! by whoever has read that it will be.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::Server;
use super::own::Own;
use crate::connection::Channel;
use crate::message::NO_PARENT;
use crate::message::content::StreamName;

/// How long ipykernel may take to say that it has interrupted itself. The launcher refuses to do it any later than
/// shortly before this, so that no cell is interrupted twice.
const HEARING: Duration = Duration::from_millis(700);

/// What the user reads of a cell that goes on after its interrupt.
const TOLD: &str = "The cell has not stopped yet. Interrupt it again to end Python: all variables are then lost.\n";

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    /// Ask over the control channel.
    Ask,
    /// A signal, unless the message was heard.
    IfUnheard,
    /// A signal.
    Signal(Signal),
    /// A word to the user.
    Tell,
}

type Rungs = &'static [(Duration, Rung)];

/// A step of the agent. Most stop at the first interrupt, one that catches it at the second, C code that never looks at
/// signals only at the end of its process. On a busy machine a cell takes seconds to tell of its interrupt, and an end
/// would lose all variables: so the end comes as late as six seconds allow.
const STEP: Rungs = &[
    (Duration::ZERO, Rung::Ask),
    (HEARING, Rung::IfUnheard),
    (Duration::from_secs(2), Rung::Signal(Signal::INT)),
    (Duration::from_millis(4500), Rung::Signal(Signal::TERM)),
    (Duration::from_millis(5200), Rung::Signal(Signal::KILL)),
];

/// A cell of the user's: one interrupt, as under any kernel, and a word.
const CELL: Rungs = &[
    (Duration::ZERO, Rung::Ask),
    (HEARING, Rung::IfUnheard),
    (Duration::from_secs(2), Rung::Tell),
];

/// What runs is no cell, if anything runs at all.
const IDLE: Rungs = &[(Duration::ZERO, Rung::Ask), (HEARING, Rung::IfUnheard)];

/// A cell of the user's that was interrupted again after the word.
const END: Rungs = &[
    (Duration::ZERO, Rung::Signal(Signal::TERM)),
    (Duration::from_secs(1), Rung::Signal(Signal::KILL)),
];

/// A cell that was told to stop and has not stopped yet. It outlives the turn.
#[derive(Debug)]
pub(super) struct Ladder {
    /// Its request; none, when what runs is no cell, such as the handler of a widget.
    msg_id: Option<String>,
    rungs: Rungs,
    since: Instant,
    next: usize,
    heard: bool,
}

impl Ladder {
    fn new(msg_id: Option<String>, rungs: Rungs) -> Ladder {
        Ladder { msg_id, rungs, since: Instant::now(), next: 0, heard: false }
    }

    /// When the next rung is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.rungs.get(self.next).map(|(after, _)| self.since + *after)
    }

    /// The rung that is due; it counts as climbed from here on.
    fn climb(&mut self, now: Instant) -> Option<Rung> {
        let (after, rung) = self.rungs.get(self.next)?;
        if self.since + *after > now {
            return None;
        }
        self.next += 1;
        let spared = *rung == Rung::IfUnheard && self.heard;
        if spared { self.climb(now) } else { Some(*rung) }
    }

    /// Whether all has been done that was to be done.
    fn is_at_its_end(&self) -> bool {
        self.next >= self.rungs.len()
    }

    /// Whether the next cell has to wait: it would be sent the signals, or be lost with the process. ipykernel answers
    /// the message when it has sent the signal to itself, so what comes after the answer is safe.
    fn holds_back(&self) -> bool {
        let asks = self.next <= 1 && !self.heard;
        asks || self.rungs == STEP || self.rungs == END
    }

    /// Whether the user knows what another interrupt does.
    fn is_told(&self) -> bool {
        self.rungs == CELL && self.is_at_its_end()
    }
}

impl Server {
    /// Whether no cell may start now.
    pub(super) fn is_held_back(&self) -> bool {
        self.ladder.as_ref().is_some_and(Ladder::holds_back)
    }

    /// Sees to it that a step of the agent stops.
    pub(super) fn stop_running_step(&mut self, msg_id: String) {
        if self.ladder.is_none() {
            self.ladder = Some(Ladder::new(Some(msg_id), STEP));
        }
        self.climb_ladder(Instant::now());
    }

    /// Interrupts what the user runs. Once the user has been told, the next interrupt ends Python.
    pub(super) fn stop_cell(&mut self) {
        match &mut self.ladder {
            Some(ladder) if ladder.is_told() => {
                self.ladder = Some(Ladder::new(ladder.msg_id.take(), END));
            }
            // Once more, as under any kernel: the cell may have caught the first one.
            Some(_) => return self.ask_to_stop(),
            None => {
                let cell = self.schedule.first_without_reply();
                let msg_id = cell.map(|cell| cell.msg_id.clone());
                let rungs = if msg_id.is_some() { CELL } else { IDLE };
                self.ladder = Some(Ladder::new(msg_id, rungs));
            }
        }
        self.climb_ladder(Instant::now());
    }

    /// Interrupts a request of our own.
    pub(super) fn interrupt_own(&mut self) {
        self.ladder.get_or_insert_with(|| Ladder::new(None, IDLE));
        self.climb_ladder(Instant::now());
    }

    /// Climbs the rungs that are due.
    pub(super) fn climb_ladder(&mut self, now: Instant) {
        while let Some(rung) = self.ladder.as_mut().and_then(|ladder| ladder.climb(now)) {
            match rung {
                Rung::Ask => self.ask_to_stop(),
                Rung::IfUnheard => self.signal_companion(Signal::INT),
                Rung::Signal(signal) => self.signal_companion(signal),
                Rung::Tell => self.tell_of_running_cell(),
            }
        }
        // Without a cell there is no end to wait for.
        self.ladder.take_if(|ladder| ladder.rungs == IDLE && ladder.is_at_its_end());
        self.advance();
    }

    /// By message, since a signal may not reach Python where it runs in a namespace of its own.
    fn ask_to_stop(&mut self) {
        // A process that stopped itself hears nothing.
        self.companion.signal(Signal::CONT);
        let frames = self.session.message("interrupt_request", &NO_PARENT, &json!({}), &json!({}));
        if let Ok(header) = frames.header() {
            self.own.add(header.msg_id, Own::Interrupt);
        }
        self.companion.send(Channel::Control, frames);
    }

    fn signal_companion(&self, signal: Signal) {
        self.companion.signal(signal);
        // To a stopped process only the end is delivered at once.
        self.companion.signal(Signal::CONT);
    }

    /// Takes the companion's answer to the message: whether it has interrupted itself.
    pub(super) fn on_interrupt_answer(&mut self, done: bool) {
        if let Some(ladder) = self.ladder.as_mut().filter(|_| done) {
            ladder.heard = true;
        }
        self.ladder.take_if(|ladder| ladder.rungs == IDLE && ladder.heard);
        self.advance();
    }

    fn tell_of_running_cell(&mut self) {
        let Some(cell) = self.schedule.first_without_reply() else { return };
        let told = self.session.stream(&cell.header.clone(), StreamName::Stderr, TOLD);
        self.publish(told);
    }

    /// Takes the end of a cell.
    pub(super) fn leave_ladder(&mut self, msg_id: &str) {
        self.ladder.take_if(|ladder| ladder.msg_id.as_deref() == Some(msg_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rungs that are climbed, with their times in milliseconds.
    fn climbed(mut ladder: Ladder, heard: bool) -> Vec<(u128, Rung)> {
        ladder.heard = heard;
        let since = ladder.since;
        let mut rungs = Vec::new();
        while let Some(due) = ladder.deadline() {
            rungs.extend(ladder.climb(due).map(|rung| ((due - since).as_millis(), rung)));
        }
        rungs
    }

    fn ladder(rungs: Rungs) -> Ladder {
        Ladder::new(Some("1".into()), rungs)
    }

    #[test]
    fn a_step_ends_within_six_seconds() {
        let rungs = climbed(ladder(STEP), true);
        assert_eq!(rungs.first(), Some(&(0, Rung::Ask)));
        let (at, last) = rungs[rungs.len() - 1];
        assert!(at < 6000 && last == Rung::Signal(Signal::KILL), "{rungs:?}");
    }

    #[test]
    fn a_message_that_was_heard_is_the_only_interrupt_of_a_users_cell() {
        assert_eq!(climbed(ladder(CELL), true), [(0, Rung::Ask), (2000, Rung::Tell)]);
        let unheard = [(0, Rung::Ask), (700, Rung::IfUnheard), (2000, Rung::Tell)];
        assert_eq!(climbed(ladder(CELL), false), unheard);
    }

    #[test]
    fn a_users_cell_is_ended_only_after_the_word() {
        let mut cell = ladder(CELL);
        let now = cell.since;
        assert_eq!(cell.climb(now), Some(Rung::Ask));
        assert!(!cell.is_told() && cell.holds_back(), "until the message is heard");
        cell.heard = true;
        assert!(!cell.is_told() && !cell.holds_back());
        let told = climbed(ladder(CELL), true);
        assert!(told.iter().all(|(_, rung)| !matches!(rung, Rung::Signal(_))), "{told:?}");
        assert!(climbed(ladder(END), true).iter().all(|(at, _)| *at <= 1000));
    }
}
