//! What clients send: verified, then answered here, queued for its turn, or relayed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Server;
use super::request::Request;
use super::schedule::{Cell, CellKind};
use crate::bound::MaxText;
use crate::connection::{Channel, ConnectionInfo};
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState, KernelInfo};
use crate::model;
use crate::route::{Route, route};
use crate::wire::{Frames, WireError};
use crate::zmtp::Multipart;

/// At most one line of the log in this time is about refused messages.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// Logs refused messages, a bounded number of times: anyone who reaches a port can send them.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Option<Instant>,
    unlogged: u64,
}

impl Refusals {
    fn note(&mut self, channel: Channel, error: &WireError) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) < REFUSAL_PAUSE) {
            self.unlogged += 1;
            return;
        }
        let also = std::mem::take(&mut self.unlogged);
        tracing::warn!(?channel, %error, also, "dropped a message");
        self.last = Some(now);
    }
}

impl Server {
    /// Takes a multipart of a client.
    pub(super) fn on_client(&mut self, channel: Channel, multipart: Multipart) {
        let read = Frames::parse_verified(multipart, &self.key, &mut self.replays)
            .and_then(|frames| Ok((frames.header()?, frames)));
        match read {
            Err(error) => self.refusals.note(channel, &error),
            Ok((_, frames)) if channel == Channel::Stdin => {
                let frames = self.take_consent(frames).and_then(|frames| self.take_answer(frames));
                if let Some(frames) = frames {
                    self.unanswered = self.unanswered.saturating_sub(1);
                    self.companion.send(Channel::Stdin, frames);
                }
            }
            Ok((header, frames)) => self.on_request(Request { channel, header, frames }),
        }
    }

    fn on_request(&mut self, request: Request) {
        tracing::debug!(msg_id = %request.header.msg_id, msg_type = %request.header.msg_type, "request");
        let executes = request.header.msg_type == "execute_request";
        if executes && !self.config.max_cell.holds(request.frames.content.len()) {
            return self.refuse(&request, &too_long(self.config.max_cell));
        }
        if let Some(defect) = request.defect() {
            return self.refuse(&request, &defect);
        }
        match request.header.msg_type.as_str() {
            "kernel_info_request" => self.on_kernel_info(request),
            "interrupt_request" => {
                self.interrupt();
                self.reply_here(&request, |server| {
                    server.session.ok_reply("interrupt_reply", request.parent())
                });
            }
            "shutdown_request" => self.reply_shutdown(&request),
            "execute_request" if request.channel == Channel::Shell => self.on_execute(request),
            "is_complete_request" if is_prompt(&request) => self.reply_here(&request, |server| {
                let complete = json!({ "status": "complete" });
                server.session.message("is_complete_reply", request.parent(), &complete, &json!({}))
            }),
            "connect_request" => {
                let ports = self.ports.clone();
                self.reply_here(&request, |server| {
                    server.session.message("connect_reply", request.parent(), &ports, &json!({}))
                });
            }
            "comm_open" | "comm_msg" | "comm_close" => self.on_comm(request),
            msg_type if is_known(msg_type) => self.relay(request),
            msg_type => {
                let text = format!("`{msg_type}` is no request that this kernel knows");
                self.refuse(&request, &ErrorContent::new("UnknownRequest", &text));
            }
        }
    }

    /// Answers a request here, between a busy and an idle status.
    fn reply_here(&mut self, request: &Request, reply: impl FnOnce(&mut Server) -> Frames) {
        self.publish_status(request.parent(), ExecutionState::Busy);
        let reply = reply(self);
        self.sockets.reply(request, reply);
        self.publish_status(request.parent(), ExecutionState::Idle);
        self.restore_busy();
    }

    /// Answers a request with an error. One that asks for an execution shows it in the cell, too.
    pub(super) fn refuse(&mut self, request: &Request, error: &ErrorContent) {
        self.publish_status(request.parent(), ExecutionState::Busy);
        self.fail(request, error);
        self.restore_busy();
    }

    /// Answers that a cell was not run: one before it failed, or its turn was stopped.
    pub(super) fn abort(&mut self, request: &Request) {
        self.reply_here(request, |server| {
            let now = jiff::Timestamp::now();
            server.session.execute_reply(request.parent(), &ExecuteReply::Aborted, now)
        });
    }

    fn on_execute(&mut self, request: Request) {
        // A subshell has an order of its own.
        if request.header.subshell_id.is_some() {
            return self.relay(request);
        }
        let Some(request) = self.take_issued(request) else { return };
        let Some(content) = request.execute() else { return };
        let kind = match route(&content.code, request.cell().role()) {
            // What leaves no trace cannot be a turn.
            _ if content.silent => CellKind::Python,
            Route::Python => CellKind::Python,
            Route::PythonAs(code) => return self.on_python_as(request, &code),
            Route::Prompt(prompt) => CellKind::Prompt(prompt),
            Route::PromptUnlessDefined { names, prompt } => {
                CellKind::PromptUnlessDefined(names, prompt)
            }
            Route::Setting(setting) => CellKind::Setting(setting),
        };
        self.schedule.push(Cell { request, kind });
        self.advance();
    }

    /// Python under a mark of ours: the companion gets it without the mark.
    fn on_python_as(&mut self, mut request: Request, code: &str) {
        let Ok(mut content) = request.frames.content::<serde_json::Map<_, _>>() else { return };
        content.insert("code".into(), json!(code));
        request.frames.content = serde_json::to_vec(&content).expect("keys are strings").into();
        request.frames = self.session.resign(request.frames);
        self.schedule.push(Cell { request, kind: CellKind::Python });
        self.advance();
    }

    /// Starts all cells that may start. None may while a step of a stopped turn still runs: it is being sent
    /// signals, which must not reach what the user started.
    pub(super) fn advance(&mut self) {
        while !self.is_held_back()
            && let Some(cell) = self.schedule.next()
        {
            match cell.kind {
                CellKind::Python => self.run_python(cell.request),
                CellKind::Prompt(prompt) => self.start_prompt(cell.request, prompt, Vec::new()),
                CellKind::PromptUnlessDefined(names, prompt) => {
                    self.start_prompt(cell.request, prompt, names);
                }
                CellKind::Setting(setting) => self.start_setting(cell.request, setting),
            }
        }
    }

    /// Answers `aborted` to all that waits, after a cell failed that asked for it.
    pub(super) fn abort_waiting(&mut self) {
        for cell in self.schedule.abort() {
            self.abort(&cell.request);
        }
    }

    /// At once, but on shell not before the reply to a cell that the companion runs: that is the order in which
    /// ipykernel answers, and clients use it as a barrier.
    fn on_kernel_info(&mut self, request: Request) {
        let before = self.schedule.last_without_reply().map(|cell| cell.msg_id.clone());
        match before {
            Some(cell) if request.channel == Channel::Shell && self.companion.is_up() => {
                self.info_after.push((cell, request));
            }
            _ => self.reply_kernel_info(&request),
        }
    }

    /// Answers the `kernel_info_request`s that came after a cell.
    pub(super) fn reply_info_after(&mut self, ended: impl Fn(&str) -> bool) {
        for (_, request) in
            self.info_after.extract_if(.., |(cell, _)| ended(cell)).collect::<Vec<_>>()
        {
            self.reply_kernel_info(&request);
        }
    }

    fn reply_kernel_info(&mut self, request: &Request) {
        let mut info = kernel_info(&self.python_version);
        if let Some(held) = self.companion.in_words() {
            info.banner = format!("{}. {held}", info.banner);
        }
        info.sandbox = self.companion.as_json().unwrap_or_default();
        if self.companion.elsewhere().is_some() {
            // What a request would wait for that the kernel there does not know.
            let found = self.companion.found();
            info.debugger = found.is_some_and(|found| found.debugger);
            info.supported_features = found.map(|found| found.features.clone()).unwrap_or_default();
        }
        if let Some(notice) = model::notice(&self.config.model) {
            info.banner = format!("{}. {notice}", info.banner);
        }
        self.reply_here(request, |server| {
            server.session.kernel_info_reply(request.parent(), &info)
        });
    }

    fn reply_shutdown(&mut self, request: &Request) {
        #[derive(serde::Deserialize)]
        struct Shutdown {
            #[serde(default)]
            restart: bool,
        }
        let restart = request.frames.content::<Shutdown>().is_ok_and(|content| content.restart);
        self.reply_here(request, |server| {
            let told = server.session.shutdown_reply(request.parent(), restart);
            server.publish(told);
            server.session.shutdown_reply(request.parent(), restart)
        });
        self.stopping = true;
    }
}

fn too_long(most: MaxText) -> ErrorContent {
    let text = format!(
        "expected a cell of at most {most}, found a longer one, which Python would take minutes to read: read the \
         text from a file, or start the kernel with `--max-cell off` or DATARUS_MAX_CELL=off"
    );
    ErrorContent::new("CellTooLong", &text)
}

/// Whether ipykernel answers it. It leaves a request that it does not know without an answer.
fn is_known(msg_type: &str) -> bool {
    const KNOWN: [&str; 13] = [
        "execute_request",
        "complete_request",
        "inspect_request",
        "history_request",
        "comm_info_request",
        "is_complete_request",
        "debug_request",
        "usage_request",
        "create_subshell_request",
        "delete_subshell_request",
        "list_subshell_request",
        "clear_request",
        "abort_request",
    ];
    KNOWN.contains(&msg_type) || !msg_type.ends_with("_request")
}

/// Whether the code of an `is_complete_request` is a question, to which IPython's rules do not apply.
fn is_prompt(request: &Request) -> bool {
    let Some(content) = request.execute() else { return false };
    matches!(route(&content.code, None), Route::Prompt(_))
}

/// The ports of a connection, as `connect_reply` has them.
pub(super) fn ports(connection: &ConnectionInfo) -> Value {
    json!({
        "status": "ok",
        "shell_port": connection.shell_port,
        "iopub_port": connection.iopub_port,
        "stdin_port": connection.stdin_port,
        "control_port": connection.control_port,
        "hb_port": connection.hb_port,
    })
}

fn kernel_info(python_version: &str) -> KernelInfo {
    let version = env!("CARGO_PKG_VERSION");
    let language = json!({
        "name": "python",
        "version": python_version,
        "mimetype": "text/x-python",
        "codemirror_mode": { "name": "ipython", "version": 3 },
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    });
    let short: Vec<_> = python_version.split('.').take(2).collect();
    let link = |text: &str, url: &str| json!({ "text": text, "url": url });
    let mut info = KernelInfo::new("datarus", version, language);
    info.banner = format!(
        "Datarus {version}: ask a question about your data, or write Python {python_version}"
    );
    info.help_links = vec![
        link("Python Reference", &format!("https://docs.python.org/{}", short.join("."))),
        link("IPython Reference", "https://ipython.readthedocs.io/en/stable/"),
        link("NumPy Reference", "https://docs.scipy.org/doc/numpy/reference/"),
        link("SciPy Reference", "https://docs.scipy.org/doc/scipy/reference/"),
        link("Matplotlib Reference", "https://matplotlib.org/contents.html/"),
        link("pandas Reference", "https://pandas.pydata.org/pandas-docs/stable/"),
    ];
    info.debugger = true;
    info.supported_features = vec!["kernel subshells".into(), "debugger".into()];
    info
}
