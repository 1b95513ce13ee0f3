//! The end of a turn in a page: what ran of its failed steps is asked for, so that the notebook replays.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Server;
use super::own::Own;
use crate::cells::kept;
use crate::prompt::Ended;

/// How long the companion may take to say what ran.
const PATIENCE: Duration = Duration::from_secs(1);

/// A turn that is done but for what ran of its failed steps.
#[derive(Debug)]
pub(super) struct Closing {
    ended: Ended,
    /// When it is not waited for any longer.
    pub(super) until: Instant,
}

impl Server {
    /// Ends a turn; with a page, once it is known what later steps need of the failed ones.
    pub(super) fn end_turn(&mut self, ended: Ended) {
        let prompt = self.prompt.as_mut().filter(|prompt| !prompt.is_undone());
        let turn = prompt.as_ref().map(|prompt| prompt.number);
        let live = prompt.and_then(|prompt| prompt.live.as_mut());
        let question = live.as_ref().and_then(|live| kept::question(&live.turn.record(None)));
        let (Some(live), Some(turn), Some(code)) = (live, turn, question) else {
            return self.finish_turn(ended.turn, Some(&ended.model));
        };
        live.closing = Some(Closing { ended, until: Instant::now() + PATIENCE });
        self.ask_own(&code, Own::Kept { turn, printed: String::new() });
    }

    /// Takes what was printed of the failed steps.
    pub(super) fn on_kept(&mut self, turn: u64, printed: &str) {
        let prompt = self.prompt.as_mut().filter(|prompt| prompt.number == turn);
        if let Some(live) = prompt.and_then(|prompt| prompt.live.as_mut()) {
            live.kept = serde_json::from_str(printed).unwrap_or(Value::Null);
            self.close_now();
        }
    }

    /// Does not wait for it any longer.
    pub(super) fn on_closing_deadline(&mut self, now: Instant) {
        let live = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        if live.and_then(|live| live.closing.as_ref()).is_some_and(|closing| closing.until <= now) {
            self.close_now();
        }
    }

    /// Ends the turn that waits for its end; says whether there is one.
    pub(super) fn close_now(&mut self) -> bool {
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        let Some(closing) = live.and_then(|live| live.closing.take()) else { return false };
        self.finish_turn(closing.ended.turn, Some(&closing.ended.model));
        true
    }
}
