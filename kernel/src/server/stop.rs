//! The end: no process is left, and the last messages are on their way.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::Server;
use crate::companion::News;
use crate::connection::Channel;
use crate::event::Event;
use crate::message::NO_PARENT;

/// What is done, and when, to a companion that was asked to shut down. `jupyter_client` waits 2.5 seconds for us.
const RUNGS: [(Duration, Signal); 2] =
    [(Duration::from_millis(1200), Signal::TERM), (Duration::from_millis(1600), Signal::KILL)];

/// After this the companion's guard is left to do it.
const PATIENCE: Duration = Duration::from_millis(2200);

impl Server {
    /// Ends the agent and the companion, then hands out what is still queued for clients.
    pub(super) async fn wind_down(mut self) {
        if let Some(prompt) = &self.prompt {
            prompt.interrupt.set();
        }
        let held = self.gatherer.flush();
        self.sockets.publish(held);
        if self.companion.broken().is_none() {
            self.ask_companion_to_end();
            self.until_companion_is_gone().await;
        }
        self.sockets.flush().await;
    }

    /// It is asked, not killed, so that `atexit` handlers run and the history is saved.
    pub(super) fn ask_companion_to_end(&mut self) {
        if !self.companion.is_up() {
            return self.companion.signal(Signal::KILL);
        }
        // A cell that runs would hold it up.
        self.companion.signal(Signal::INT);
        let content = json!({ "restart": false });
        let frames = self.session.message("shutdown_request", &NO_PARENT, &content, &json!({}));
        self.companion.send(Channel::Control, frames);
    }

    async fn until_companion_is_gone(&mut self) {
        let begun = Instant::now();
        let mut rungs = RUNGS.iter().peekable();
        while begun.elapsed() < PATIENCE {
            let next = rungs.peek().map_or(PATIENCE, |(after, _)| *after);
            match self.inbox.next(Some(begun + next)).await {
                Event::Companion(generation, News::Gone(_))
                    if self.companion.is_current(generation) =>
                {
                    return;
                }
                Event::Deadline => {
                    if let Some((_, signal)) = rungs.next() {
                        self.companion.signal(*signal);
                    }
                }
                _ => {}
            }
        }
    }
}
