//! What the data beside a notebook hold: read in the companion before a model is asked.

use std::path::Path;
use std::sync::mpsc as blocking;

use datarus_agent::agent::AgentEvent;
use datarus_agent::executor::Survey;
use serde_json::{Value, json};

use super::Server;
use crate::page::Phase;
use crate::sources::{Look, Source, data_files};

/// How `companion/profile/servers.py` is asked for a database, in place of a path.
const DATABASE: &str = "database:";

/// Files that are being read.
#[derive(Debug)]
pub(super) struct Surveying {
    /// The turn that wants to know.
    turn: u64,
    look: Look,
    /// Where the agent waits; dropped when Python dies meanwhile.
    answer: blocking::Sender<Survey>,
}

impl Server {
    /// Says what the data hold, when the companion has read what is not known yet.
    pub(super) fn survey(&mut self, answer: blocking::Sender<Survey>) {
        let Some(prompt) = &self.prompt else { return };
        let folder = &self.config.folder;
        let files = prompt.request.cell().files(folder).unwrap_or_else(|| data_files(folder));
        if self.companion.has_folder() == Some(false) {
            return self.survey_nothing(!files.is_empty(), answer);
        }
        let databases = &self.config.databases;
        let look = self.sources.look(folder, files, databases);
        let surveying = Surveying { turn: prompt.number, look, answer };
        if self.config.analyst.no_profile || surveying.look.unread.is_empty() {
            return self.end_survey(surveying, Vec::new());
        }
        let path = |name: &String| {
            let is_database = databases.iter().any(|database| database.name == *name);
            if is_database { format!("{DATABASE}{name}") } else { absolute(folder, name) }
        };
        let paths: Vec<_> = surveying.look.unread.iter().map(path).collect();
        self.enter(Phase::Looking);
        self.ask_sources(&json!({"paths": paths, "known": self.sources.contents()}), surveying);
    }

    /// Tells the model of no files: those that are here are not where its code runs.
    fn survey_nothing(&mut self, has_files: bool, answer: blocking::Sender<Survey>) {
        if let (true, Some(held)) = (has_files, self.companion.in_words()) {
            let notice = format!("{held}: the analyst was told of none.");
            self.on_agent_event(AgentEvent::Notice(notice));
        }
        let _ = answer.send(Survey::default());
    }

    /// Takes what the companion read.
    pub(super) fn on_sources(&mut self, surveying: Surveying, answer: Option<Value>) {
        let read = answer.and_then(|answer| match answer {
            Value::Array(sources) => Some(sources),
            _ => None,
        });
        let source = |value| serde_json::from_value::<Source>(value).unwrap_or_default();
        self.end_survey(surveying, read.into_iter().flatten().map(source).collect());
    }

    fn end_survey(&mut self, Surveying { turn, look, answer }: Surveying, read: Vec<Source>) {
        self.sources.learn(&look, read);
        let prompt = self.prompt.as_mut().filter(|prompt| prompt.number == turn);
        // What was not told is still news for the next question.
        let Some(prompt) = prompt.filter(|prompt| !prompt.is_interrupted()) else { return };
        let (notes, held) = (self.sources.notes(&look), self.sources.held(&look));
        prompt.given.files.clone_from(&look.files);
        prompt.given.data = notes.clone();
        let _ = answer.send(Survey { files: look.files, notes, held });
        self.enter(Phase::Reading);
    }

    /// Has the companion stop reading.
    pub(super) fn stop_survey(&mut self) {
        if self.own.is_surveying() {
            self.interrupt_own();
        }
    }
}

/// A cell may have changed the companion's working folder.
fn absolute(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
}
