//! The companion's death: everybody who waits is told, and a fresh one starts.

use super::Server;
use super::relay::no_companion;
use super::request::{Request, reply_type};
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState};
use crate::place::Place;
use crate::prompt::Failure;

impl Server {
    /// Takes the news that the companion's process has ended.
    pub(super) fn on_companion_gone(&mut self, reason: &str) {
        if self.on_asked_end() {
            return;
        }
        let was_up = self.companion.is_up();
        tracing::warn!(reason, was_up, "the companion is gone");
        let is_joined = self.companion.elsewhere().is_some_and(Place::is_joined);
        let error = match (was_up, is_joined) {
            (false, _) => no_companion(reason),
            (true, false) => died(reason),
            (true, true) => left(reason),
        };
        if was_up {
            self.companion.restart();
            self.lost_variables = (!is_joined).then(|| capitalised(reason));
        } else {
            // It would fail again: the next cell tries, when the user has mended what was wrong.
            self.companion.give_up(reason.to_owned());
        }
        self.fail_everything(&error);
        if !self.is_asking_consent() {
            self.fail_setting(&error);
        }
        self.advance();
    }

    pub(super) fn fail_everything(&mut self, error: &ErrorContent) {
        self.schedule.companion_gone();
        self.unanswered = 0;
        let numbering = self.own.is_numbering();
        // Whoever waits for the variables finds the line closed.
        self.own.clear();
        self.sieves.clear();
        if !self.relayed.is_empty() {
            self.lost_variables = None;
        }
        let mut stopped = false;
        for asked in std::mem::take(&mut self.relayed) {
            if stopped && asked.executes() {
                self.abort(&asked.request);
            } else {
                self.fail(&asked.request, error);
                stopped |= asked.stop_on_error;
            }
        }
        self.reply_info_after(|_| true);
        if stopped {
            self.abort_waiting();
        }
        if numbering {
            self.fail_turn(&Failure { name: "NoPython", reason: error.evalue.clone() });
        }
        self.on_step_died();
        // The turn of a step that a page ran goes on.
        self.restore_busy();
    }

    /// Interrupts the first cell that waits for the companion to come up: it will not run.
    pub(super) fn interrupt_unstarted(&mut self) {
        let mut error =
            Some(ErrorContent::new("KeyboardInterrupt", "the cell was stopped before it began"));
        let mut stopped = false;
        for asked in std::mem::take(&mut self.relayed) {
            let request = &asked.request;
            let ends = asked.executes() && (error.is_some() || stopped);
            if !ends {
                self.relayed.push_back(asked);
                continue;
            }
            self.companion.withdraw(request.parent());
            self.schedule.replied(&request.header.msg_id);
            self.schedule.idle(&request.header.msg_id);
            self.history.end_cell(&request.header.msg_id, "error", None);
            match error.take() {
                Some(error) => self.refuse(request, &error),
                None => self.abort(request),
            }
            stopped |= asked.stop_on_error;
        }
        if stopped {
            self.abort_waiting();
        }
        self.advance();
    }

    /// Ends a request that the companion will not answer. It had told that it was busy, if it had begun.
    pub(super) fn fail(&mut self, request: &Request, error: &ErrorContent) {
        let reply = if request.header.msg_type == "execute_request" {
            self.show_ends(&request.header.msg_id, request.parent());
            let shown = self.session.error(request.parent(), error);
            self.publish(shown);
            let execution_count = self.history.number_of(&request.header.msg_id).unwrap_or(0);
            let content = ExecuteReply::Error { execution_count, error: error.clone() };
            self.session.execute_reply(request.parent(), &content, jiff::Timestamp::now())
        } else {
            let msg_type = reply_type(&request.header.msg_type);
            self.session.error_reply(&msg_type, request.parent(), error)
        };
        self.sockets.reply(request, reply);
        self.publish_status(request.parent(), ExecutionState::Idle);
    }
}

fn died(reason: &str) -> ErrorContent {
    let text = format!("{}: a fresh one is starting, all variables are lost", capitalised(reason));
    ErrorContent::new("PythonDied", &text)
}

/// Said of a kernel that we have not started: what becomes of it is not known here.
fn left(reason: &str) -> ErrorContent {
    let text =
        format!("{}: if it still runs, the next cell finds its variables", capitalised(reason));
    ErrorContent::new("PythonDied", &text)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}
