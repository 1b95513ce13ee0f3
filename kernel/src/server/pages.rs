//! The comms of pages with our extension: opened, heard, spoken to.
//!
//! A page is told about the turns that its own session asked for. All other comms are the companion's.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use super::request::Request;
use crate::message::NO_PARENT;
use crate::message::content::ExecutionState;
use crate::page::{Open, Settings, TARGET, ToKernel, ToPage, VERSION};
use bytes::Bytes;

/// How many pages are spoken to at most; the oldest goes first. A page that was closed does not always say so.
const MAX_PAGES: usize = 32;

/// The pages that are open, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pages(Vec<Page>);

/// An open page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Its comm.
    pub(super) comm: String,
    /// The session that its requests bear.
    pub(super) session: String,
    /// Its notebook.
    pub(super) path: String,
    /// What the user chose.
    pub(super) settings: Settings,
    /// Whether it puts the model's questions to the user.
    pub(super) questions: bool,
    /// Whether it gave no sign of life when it was asked, and none since.
    silent: bool,
}

impl Pages {
    /// The page whose requests bear this session.
    pub(super) fn of_session(&self, session: &str) -> Option<&Page> {
        self.0.iter().rev().find(|page| page.session == session)
    }

    /// The page with this comm.
    pub(super) fn of_comm(&self, comm: &str) -> Option<&Page> {
        self.0.iter().find(|page| page.comm == comm)
    }

    /// Notes what the user chose in a page.
    pub(super) fn set(&mut self, comm: &str, settings: Settings) {
        if let Some(page) = self.0.iter_mut().find(|page| page.comm == comm) {
            page.settings = settings;
        }
    }

    /// The comms of all pages.
    pub(super) fn comms(&self) -> Vec<String> {
        self.0.iter().map(|page| page.comm.clone()).collect()
    }

    /// The page of this notebook that opened last, besides the one with this comm and those that seem to be gone.
    pub(super) fn besides(&self, path: &str, comm: &str) -> Option<&Page> {
        let fits = |page: &&Page| page.path == path && page.comm != comm && !page.silent;
        self.0.iter().rev().find(fits)
    }

    /// Notes whether a page seems to be gone.
    pub(super) fn set_silent(&mut self, comm: &str, silent: bool) {
        if let Some(page) = self.0.iter_mut().find(|page| page.comm == comm) {
            page.silent = silent;
        }
    }

    fn add(&mut self, page: Page) {
        self.0.retain(|known| known.comm != page.comm);
        if self.0.len() >= MAX_PAGES {
            self.0.remove(0);
        }
        self.0.push(page);
    }

    fn remove(&mut self, comm: &str) {
        self.0.retain(|page| page.comm != comm);
    }
}

/// The content of `comm_open`, `comm_msg`, `comm_close`.
#[derive(Debug, Deserialize)]
struct Comm {
    #[serde(rename = "comm_id")]
    id: String,
    #[serde(default)]
    target_name: String,
    #[serde(default)]
    data: Value,
}

impl Server {
    /// Takes a message of a comm: a page's is handled here, all others are the companion's.
    pub(super) fn on_comm(&mut self, request: Request) {
        let opens = request.header.msg_type == "comm_open";
        match request.frames.content::<Comm>() {
            Ok(comm) if opens && comm.target_name == TARGET => {
                self.handle_comm(&request, |server| server.on_page_open(&request, comm));
            }
            Ok(comm) if !opens && self.pages.of_comm(&comm.id).is_some() => {
                let closes = request.header.msg_type == "comm_close";
                self.handle_comm(&request, |server| {
                    if closes {
                        server.pages.remove(&comm.id);
                        server.leave_page(&comm.id);
                    } else {
                        server.on_page_message(&comm.id, comm.data);
                    }
                });
            }
            Ok(_) | Err(_) => self.relay(request),
        }
    }

    fn handle_comm(&mut self, request: &Request, handle: impl FnOnce(&mut Server)) {
        self.publish_status(request.parent(), ExecutionState::Busy);
        handle(self);
        self.publish_status(request.parent(), ExecutionState::Idle);
        self.restore_busy();
    }

    /// A page of another version is told so, and goes without live cells.
    fn on_page_open(&mut self, request: &Request, comm: Comm) {
        let open = serde_json::from_value::<Open>(comm.data);
        self.send_comm(&comm.id, request.parent(), &ToPage::hello());
        let Some(open) = open.ok().filter(|open| open.v == VERSION) else {
            let close = self.session.comm_close(request.parent(), &comm.id);
            return self.publish(close);
        };
        let Open { path, settings, questions, .. } = open;
        let session = request.header.session.clone();
        let page = Page { comm: comm.id, session, path, settings, questions, silent: false };
        self.pages.add(page.clone());
        if *self.companion.settings() != self.config.sandbox {
            // What the page was told with the `kernel_info_reply` may be of before.
            self.tell_sandbox(&page.comm);
        }
        self.restore(&page);
    }

    fn on_page_message(&mut self, comm: &str, data: Value) {
        self.note_life(comm);
        match serde_json::from_value::<ToKernel>(data) {
            Ok(ToKernel::State { turn, cells, instructions }) => {
                if let Some(live) = self.live_in(comm, &turn) {
                    live.instructions = instructions;
                }
                self.on_state(comm, &turn, cells);
            }
            Ok(ToKernel::Texts { turn, cells }) => self.on_texts(comm, &turn, cells),
            Ok(ToKernel::Stop { turn }) => self.stop_agent(&turn),
            Ok(ToKernel::Undo { turn }) => {
                self.undo_running(&turn);
                self.history.forget_turn(&turn);
                self.drop_kept(comm, &turn);
            }
            Ok(ToKernel::Held { turn }) => self.drop_kept(comm, &turn),
            Ok(ToKernel::Choice { id, choice, source, .. }) => {
                self.on_choice(comm, &id, choice, source.as_deref());
            }
            Ok(ToKernel::Answer { turn, id, answer }) => {
                self.on_answered(comm, &turn, &id, &answer);
            }
            Ok(ToKernel::Settings { settings }) => self.on_settings(comm, settings),
            Ok(ToKernel::Report { to }) => self.begin_report(comm, to),
            // It stays in the journal until it is held.
            Ok(ToKernel::Restored { turn }) => tracing::info!(%turn, "a turn was restored"),
            Err(error) => tracing::warn!(%error, "a page sent what is no message"),
        }
    }

    /// Tells a page; its comm belongs to no request.
    pub(super) fn tell(&mut self, comm: &str, parent: &Bytes, messages: Vec<ToPage>) {
        for message in messages {
            self.send_comm(comm, parent, &message);
        }
    }

    /// Tells a page what holds Python now.
    pub(super) fn tell_sandbox(&mut self, comm: &str) {
        let sandbox = self.companion.as_json().unwrap_or_default();
        self.send_comm(comm, &NO_PARENT, &ToPage::Sandbox { sandbox });
    }

    fn send_comm(&mut self, comm: &str, parent: &Bytes, message: &ToPage) {
        let content = json!({ "comm_id": comm, "data": message });
        let frames = self.session.message("comm_msg", parent, &content, &json!({}));
        self.publish(frames);
    }
}
