//! Packages that a step wants: asked for in the page, then installed by pip in a sandbox of its own.
//!
//! Python, in which the model's code runs, neither starts pip nor reaches the network nor can write where packages are.
//! Without a sandbox pip is Python's own affair, and the user is asked before it runs, see `review`.

use serde_json::json;
use tokio::task::JoinHandle;

use super::Server;
use super::live::{PendingStep, Stage};
use super::request::Request;
use crate::event::Event;
use crate::page::Phase;
use crate::page::guard::packages::{Wanted, wanted};
use crate::sandbox::Tier;

/// An installation that runs; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Installing(JoinHandle<()>);

impl Drop for Installing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How an installation ended.
pub(crate) type Installed = Result<(), String>;

impl Server {
    /// What a step wants to be installed that Python cannot install itself, since a sandbox holds it.
    pub(super) fn packages_of(&self, code: &str) -> Option<Result<Wanted, String>> {
        let held = self.companion.sandbox().is_some_and(|sandbox| sandbox.tier != Tier::None);
        if held { wanted(code) } else { None }
    }

    /// Why a step cannot have what it wants; none, if the user can be asked, or if it wants nothing.
    pub(super) fn why_not_installed(&self, code: &str) -> Option<String> {
        let wanted = match self.packages_of(code)? {
            Ok(wanted) => wanted,
            Err(reason) => return Some(reason),
        };
        let live = self.prompt.as_ref().and_then(|prompt| prompt.live.as_ref());
        live.is_none().then(|| {
            format!(
                "Packages are installed only after a yes of the user, who cannot be asked here. Go on without them, or \
                 have the user run this in a terminal: {} -m pip install {}\n",
                self.config.python.display(),
                wanted.packages.join(" ")
            )
        })
    }

    /// Begins what the user said yes to.
    pub(super) fn install(&mut self, mut pending: PendingStep, wanted: &Wanted) {
        let events = self.events.clone();
        let (cell_id, timeout) = (pending.cell_id.clone(), pending.timeout());
        tracing::info!(count = wanted.packages.len(), "installing packages");
        let begun = self.companion.installer(&wanted.packages);
        let task = tokio::spawn(async move {
            let installed = match begun {
                Ok(installer) => installer.run(timeout).await,
                Err(reason) => Err(reason),
            };
            // The loop is gone only when the kernel ends.
            let _ = events.send(Event::Installed(cell_id, installed));
        });
        pending.stage = Stage::Installing(Installing(task));
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            live.note_installed(&wanted.packages);
            live.pending = Some(pending);
        }
        self.enter(Phase::Running);
    }

    /// Goes on with the step that waited for its packages.
    pub(super) fn on_installed(&mut self, cell_id: &str, installed: Installed) {
        let waits = |step: &PendingStep| {
            step.cell_id == cell_id && matches!(step.stage, Stage::Installing(_))
        };
        let taken = self.take_pending(|live| live.pending.as_ref().is_some_and(waits));
        let Some(pending) = taken else { return };
        match installed {
            Ok(()) => self.tell_to_run(pending),
            Err(reason) => self.leave_out(pending, &format!("Not installed: {reason}\n")),
        }
    }

    /// A page's request for a step whose packages are there: without its lines of pip.
    pub(super) fn without_packages(&self, mut request: Request, code: &str) -> Request {
        let Some(Ok(Wanted { rest, .. })) = self.packages_of(code) else { return request };
        if let Ok(mut content) = request.frames.content::<serde_json::Map<_, _>>() {
            content.insert("code".into(), json!(rest));
            request.frames.content = serde_json::to_vec(&content).expect("keys are strings").into();
        }
        request
    }
}
