//! Reports that a page asks for: written by a thread of their own, since pages take seconds to set, and told of when
//! they are there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use super::Server;
use crate::event::Event;
use crate::message::NO_PARENT;
use crate::page::ToPage;
use crate::publish::{Order, PublishError, publish};
use crate::report::{Audience, Format};

/// How a report ended.
#[derive(Debug)]
pub(crate) struct Reported {
    /// The page's comm.
    comm: String,
    to: Format,
    /// The file's name, or why there is none.
    written: Result<String, String>,
}

impl Server {
    /// Has the notebook of a page reported on, as it was saved last.
    pub(super) fn begin_report(&self, comm: &str, to: Format) {
        let Some(page) = self.pages.of_comm(comm) else { return };
        // Jupyter starts a kernel in the folder of its notebook, and a path of the page begins at the server's root.
        let name = page.path.rsplit('/').next().unwrap_or_default();
        let order = Order {
            notebook: self.config.folder.join(name),
            to,
            audience: Audience::Reader,
            language: None,
            output: None,
            python: Some(self.config.python.clone()),
        };
        let (comm, events) = (comm.to_owned(), self.events.clone());
        thread::spawn(move || {
            // Pages are set by others' libraries, and whoever waits for a report hears how it ended in any case.
            let written = catch_unwind(AssertUnwindSafe(|| written(&order))).unwrap_or_else(|_| {
                Err(String::from("its writer failed unexpectedly; another format may do (Jupyter's log says where it failed)"))
            });
            // The loop is gone only when the kernel ends.
            let _ = events.send(Event::Reported(Reported { comm, to, written }));
        });
    }

    pub(super) fn on_reported(&mut self, reported: Reported) {
        let Reported { comm, to, written } = reported;
        if self.pages.of_comm(&comm).is_none() {
            return;
        }
        let (file, error) = match written {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error)),
        };
        self.tell(&comm, &NO_PARENT, vec![ToPage::Reported { to, file, error }]);
    }
}

fn written(order: &Order) -> Result<String, String> {
    let published = publish(order).map_err(|error| match error {
        // With its causes, as the command line says it.
        PublishError::Failed(cause) => format!("{cause:#}"),
        other @ PublishError::Notebook(_) => other.to_string(),
    })?;
    let name = published.report.file_name().map(Path::new);
    Ok(name.unwrap_or(&published.report).display().to_string())
}
