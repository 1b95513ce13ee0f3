//! Cells that set what Python may reach, such as `%datarus sandbox off`: asked about, then Python starts afresh.
//!
//! A notebook of somebody else may hold such a cell, and Run All would run it. So what opens the sandbox is asked of the
//! user by `input_request`, and no client that cannot ask gets it. Steps of the analyst go to Python, which does not know
//! the mark; one that the user runs again is refused.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use super::Server;
use super::relay::no_companion;
use super::request::Request;
use crate::connection::Channel;
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState, StreamName};
use crate::route::Setting;
use crate::sandbox::{Mode, Network, Settings, Switch};
use crate::wire::Frames;

/// How long Python may take to end, as it does at a restart of the kernel, before it is killed.
const PATIENCE: Duration = Duration::from_millis(1600);

/// What the user has to type.
const CONSENT: &str = "yes";

const LOST: &str = "Python has started afresh: all variables are lost.";

const NOT_YOURS: &str = "this cell is a step of the analyst's, and only you set what Python may reach: type it into a cell \
                         of your own";

/// A cell of this kind that runs.
#[derive(Debug)]
pub(super) struct SettingCell {
    request: Request,
    started: Timestamp,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The user is asked, by the message with this id.
    Asked { question: String, wanted: Settings },
    /// Python was asked to end.
    Ending { wanted: Settings, until: Instant },
    /// Python was asked for the cell's number; this is said when it has come.
    Numbering(String),
}

impl Server {
    /// Runs a cell that sets what Python may reach.
    pub(super) fn start_setting(&mut self, request: Request, setting: Result<Setting, String>) {
        self.publish_status(request.parent(), ExecutionState::Busy);
        let is_step = request.cell().is_step();
        let asks = request.execute().is_some_and(|content| content.allow_stdin);
        let stage = Stage::Numbering(String::new());
        self.setting = Some(SettingCell { request, started: Timestamp::now(), stage });
        let current = self.companion.settings().clone();
        let wanted = match setting {
            _ if is_step => Err(NOT_YOURS.to_owned()),
            Ok(setting) if setting != Setting::Show && self.companion.elsewhere().is_some() => {
                let held = self.companion.in_words().unwrap_or_default();
                Err(format!("{held}. What it may reach is set there"))
            }
            Ok(setting) => with(&current, &setting, self.config.sandbox.mode),
            Err(how) => Err(how),
        };
        match wanted {
            Err(reason) => self.fail_setting(&ErrorContent::new("NotSet", &reason)),
            Ok(wanted) if wanted == current => self.say_setting(String::new()),
            Ok(wanted) => match opens(&current, &wanted) {
                None => self.end_python(wanted),
                Some(question) if asks => self.ask_consent(&question, wanted),
                Some(_) => self.fail_setting(&ErrorContent::new("NotSet", CANNOT_ASK)),
            },
        }
    }

    fn ask_consent(&mut self, question: &str, wanted: Settings) {
        let Some(cell) = &mut self.setting else { return };
        let frames = self.session.input_request(cell.request.parent(), question, false);
        let question = frames.header().map(|header| header.msg_id).unwrap_or_default();
        cell.stage = Stage::Asked { question, wanted };
        let frames = frames.with_identities(cell.request.frames.identities.clone());
        self.sockets.send(Channel::Stdin, frames.into_multipart());
    }

    /// Whether the user is asked for consent: Python then asks nothing, since one answer could be taken for the other.
    pub(super) fn is_asking_consent(&self) -> bool {
        self.setting.as_ref().is_some_and(|cell| matches!(cell.stage, Stage::Asked { .. }))
    }

    /// Takes what the user typed, if it is for us. Clients need not say which question they answer: then it is for the
    /// older one, which Python may have asked to get our yes. Gives back the rest.
    pub(super) fn take_consent(&mut self, frames: Frames) -> Option<Frames> {
        let Some(SettingCell { stage: Stage::Asked { question, wanted }, .. }) = &self.setting
        else {
            return Some(frames);
        };
        let is_ours = match frames.parent() {
            Ok(parent) => parent.msg_id == *question,
            Err(_) => self.unanswered == 0,
        };
        if !is_ours {
            return Some(frames);
        }
        let answer = frames.content::<Value>().unwrap_or_default();
        let said = answer.get("value").and_then(Value::as_str).unwrap_or_default();
        if said.trim().eq_ignore_ascii_case(CONSENT) {
            let wanted = wanted.clone();
            self.end_python(wanted);
        } else {
            self.fail_setting(&ErrorContent::new(
                "NotSet",
                "you did not say yes: all is as it was",
            ));
        }
        None
    }

    /// An interrupt takes the question back. What follows a yes ends by itself.
    ///
    /// Returns whether such a cell runs.
    pub(super) fn interrupt_setting(&mut self) -> bool {
        // What asked them is interrupted, too.
        self.unanswered = 0;
        if self.is_asking_consent() {
            let stopped = ErrorContent::new("KeyboardInterrupt", "all is as it was");
            self.fail_setting(&stopped);
            return true;
        }
        self.setting.is_some()
    }

    /// Ends Python as a restart of the kernel does, so that `atexit` handlers run, and then starts it anew.
    fn end_python(&mut self, wanted: Settings) {
        if !self.companion.is_up() {
            return self.start_afresh(wanted);
        }
        self.ask_companion_to_end();
        if let Some(cell) = &mut self.setting {
            cell.stage = Stage::Ending { wanted, until: Instant::now() + PATIENCE };
        }
    }

    /// When Python is not waited for any longer.
    pub(super) fn setting_deadline(&self) -> Option<Instant> {
        match self.setting.as_ref()?.stage {
            Stage::Ending { until, .. } => Some(until),
            Stage::Asked { .. } | Stage::Numbering(_) => None,
        }
    }

    /// Ends Python that did not end by itself.
    pub(super) fn on_setting_deadline(&mut self, now: Instant) {
        if self.setting_deadline().is_some_and(|until| until <= now) {
            self.companion.signal(Signal::KILL);
            if let Some(SettingCell { stage: Stage::Ending { until, .. }, .. }) = &mut self.setting
            {
                *until = now + PATIENCE;
            }
        }
    }

    /// Takes the news that Python has ended, if that was asked of it.
    pub(super) fn on_asked_end(&mut self) -> bool {
        let Some(SettingCell { stage: Stage::Ending { wanted, .. }, .. }) = &self.setting else {
            return false;
        };
        let wanted = wanted.clone();
        self.start_afresh(wanted);
        true
    }

    fn start_afresh(&mut self, wanted: Settings) {
        // What was asked of it meanwhile, such as a completion.
        self.fail_everything(&ErrorContent::new("PythonDied", LOST));
        self.companion.start_with(wanted);
        self.lost_variables = None;
        for comm in self.pages.comms() {
            self.tell_sandbox(&comm);
        }
        match self.companion.broken().map(no_companion) {
            Some(error) => self.fail_setting(&error),
            None => self.say_setting(format!(" {LOST}")),
        }
    }

    /// Says what holds now, and what is to be said besides, once the cell has its number.
    fn say_setting(&mut self, besides: String) {
        self.start_companion_again();
        if let Some(error) = self.companion.broken().map(no_companion) {
            return self.fail_setting(&error);
        }
        let Some(cell) = &mut self.setting else { return };
        let holds = self.companion.in_words();
        let mut said = format!("{}.{besides}\n", holds.unwrap_or_default());
        for database in &self.config.databases {
            let _ = writeln!(said, "Database: {}.", database.in_words());
        }
        cell.stage = Stage::Numbering(said);
        let source = cell.request.execute().map(|content| content.code).unwrap_or_default();
        self.ask_setting_number(&source);
    }

    /// Takes the number of the cell, and ends it.
    pub(super) fn on_setting_number(&mut self, answer: Option<Value>) {
        let count = answer.and_then(|answer| answer.get("execution_count")?.as_u64()).unwrap_or(0);
        let Some(SettingCell { request, started, stage: Stage::Numbering(said) }) =
            self.setting.take()
        else {
            return;
        };
        let source = request.execute().map(|content| content.code).unwrap_or_default();
        let input = self.session.execute_input(request.parent(), &source, count);
        self.publish(input);
        let said = self.session.stream(request.parent(), StreamName::Stdout, &said);
        self.publish(said);
        let content = ExecuteReply::ok(count);
        let reply = self.session.execute_reply(request.parent(), &content, started);
        self.sockets.reply(&request, reply);
        self.publish_status(request.parent(), ExecutionState::Idle);
        self.schedule.alone_ended();
        self.advance();
    }

    /// Ends the cell without what it asked for, and all that waits behind it.
    pub(super) fn fail_setting(&mut self, error: &ErrorContent) {
        let Some(SettingCell { request, .. }) = self.setting.take() else { return };
        self.fail(&request, error);
        self.schedule.alone_ended();
        if request.execute().is_none_or(|content| content.stop_on_error) {
            self.abort_waiting();
        }
        self.advance();
    }

    /// The header of the cell that runs, if one does.
    pub(super) fn setting_parent(&self) -> Option<bytes::Bytes> {
        Some(self.setting.as_ref()?.request.parent().clone())
    }
}

/// Said where nobody can be asked.
const CANNOT_ASK: &str = "only you open the sandbox, and from here you cannot be asked: start with `--sandbox off` or \
                          `--network on`, or set `DATARUS_SANDBOX` or `DATARUS_NETWORK`";

/// The settings with one of them changed. A sandbox that is switched on is of the kind that the kernel was started with.
fn with(current: &Settings, setting: &Setting, started: Mode) -> Result<Settings, String> {
    let mut wanted = current.clone();
    match setting {
        Setting::Sandbox(Switch::Off) => wanted.mode = Mode::Off,
        Setting::Sandbox(Switch::On) if current.mode == Mode::Off => {
            wanted.mode = if started == Mode::Off { Mode::Auto } else { started };
        }
        Setting::Show | Setting::Sandbox(Switch::On) => {}
        Setting::Network(_) if current.mode == Mode::Off => {
            return Err("no sandbox holds Python, so cells reach the network: `%datarus sandbox on` closes it".into());
        }
        Setting::Network(network) => wanted.network.clone_from(network),
    }
    Ok(wanted)
}

/// What the user is asked before settings hold that let cells reach more; none where they reach no more.
fn opens(current: &Settings, wanted: &Settings) -> Option<String> {
    let (what, then) = match (&wanted.network, &current.network) {
        _ if wanted.mode == Mode::Off && current.mode != Mode::Off => {
            ("the sandbox".to_owned(), "do all that you can do")
        }
        (Network::Off, _) | (_, Network::On) => return None,
        (Network::Hosts(wanted), Network::Hosts(current)) if wanted.are_within(current) => {
            return None;
        }
        (Network::Hosts(hosts), _) => {
            (format!("the network to {hosts}"), "send what they read there")
        }
        (Network::On, _) => ("the network".to_owned(), "send what they read anywhere"),
    };
    Some(format!(
        "Open {what}? Cells, the analyst's too, can then {then}. Python starts afresh, all variables are lost. \
         Type yes: "
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_is_asked_and_what_closes_is_not() {
        let held = Settings::default();
        let online = Settings { network: Network::On, ..Settings::default() };
        let open = Settings { mode: Mode::Off, ..Settings::default() };
        let hosts = |text: &str| Settings { network: text.parse().unwrap(), ..Settings::default() };
        let (one, two) = (hosts("a.example"), hosts("a.example,b.example"));
        for (from, to, asks) in [
            (&held, &open, true),
            (&held, &online, true),
            (&online, &open, true),
            (&open, &held, false),
            (&open, &online, true),
            (&online, &held, false),
            (&held, &two, true),
            (&one, &two, true),
            (&two, &one, false),
            (&online, &two, false),
            (&two, &online, true),
        ] {
            assert_eq!(opens(from, to).is_some(), asks, "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_sandbox_that_is_switched_on_is_the_one_that_the_kernel_was_started_with() {
        let open = Settings { mode: Mode::Off, ..Settings::default() };
        let mode = |started| with(&open, &Setting::Sandbox(Switch::On), started).unwrap().mode;
        assert_eq!(mode(Mode::Landlock), Mode::Landlock);
        assert_eq!(mode(Mode::Off), Mode::Auto);
        assert!(with(&open, &Setting::Network(Network::Off), Mode::Auto).is_err());
    }
}
