//! What the kernel and a page with our extension say to each other, over a comm with the target [`TARGET`].
//!
//! This file is the whole vocabulary; `tests/fixtures/comm.json` holds one example of each message, and both sides
//! are tested against it. `view` turns a turn into these messages, `bar` says what it is doing, `guard` why to ask
//! before a step, `options` what a question of the model's offers.

use clap::ValueEnum as _;
use datarus_agent::agent::Part;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::preset::Preset;
use crate::report::Format;

pub(crate) mod bar;
pub(crate) mod guard;
pub(crate) mod options;
pub(crate) mod view;

/// The comm's target.
pub const TARGET: &str = "datarus";

/// The version of the vocabulary. A page of another version goes without live cells.
pub const VERSION: u64 = 1;

/// The data of `comm_open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The page's version.
    pub v: u64,
    /// The notebook, as a path from the server's root.
    #[serde(default)]
    pub path: String,
    /// What the user chose for this notebook.
    #[serde(default)]
    pub settings: Settings,
    /// Whether it knows [`ToPage::Question`]: to an older one the model's questions come as `input_request`.
    #[serde(default)]
    pub questions: bool,
}

/// What the user chose for a notebook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Which steps wait for the user.
    #[serde(default)]
    pub review: Review,
}

/// Which steps wait for the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    /// None.
    #[default]
    Off,
    /// Those that could do harm.
    Guard,
    /// All.
    All,
}

/// `metadata.datarus` of the `execute_request` of a prompt whose turn is to go on from one of its steps. The turn keeps
/// its name; its cells below the step give way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoOn {
    /// `prompt`.
    pub role: String,
    /// The turn.
    pub turn: String,
    /// The step's cell.
    pub go_on: String,
}

/// From the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ToKernel {
    /// The notebook as it stands, when a turn begins.
    State {
        /// The turn.
        turn: String,
        /// All cells, in order.
        cells: Vec<CellState>,
        /// The notebook's standing instructions to the analyst, `metadata.datarus.instructions`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        instructions: String,
    },
    /// The answer to [`ToPage::Read`], as far as there is room, the lowest cells first: a page tells at most 16,384
    /// characters of a cell and 262,144 in all.
    Texts {
        /// The turn.
        turn: String,
        /// The cells.
        cells: Vec<CellText>,
    },
    /// End the agent alone.
    Stop {
        /// The turn.
        turn: String,
    },
    /// The answer to [`ToPage::Ask`].
    Choice {
        /// The turn.
        turn: String,
        /// The step's cell.
        id: String,
        /// What to do with the step.
        choice: Choice,
        /// What the user made of the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// The answer to [`ToPage::Question`].
    Answer {
        /// The turn.
        turn: String,
        /// The question's cell.
        id: String,
        /// An option, or the user's own words.
        answer: String,
    },
    /// The user chose anew.
    Settings {
        /// What holds from now on.
        settings: Settings,
    },
    /// The user took a turn back: its cells are gone.
    Undo {
        /// The turn.
        turn: String,
    },
    /// A turn was put back into the notebook.
    Restored {
        /// The turn.
        turn: String,
    },
    /// The notebook was saved with a turn in it.
    Held {
        /// The turn.
        turn: String,
    },
    /// Write a report beside the notebook, which is saved; [`ToPage::Reported`] answers.
    Report {
        /// As what.
        to: Format,
    },
}

/// A cell of the notebook as the page sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellState {
    /// Its id.
    pub id: String,
    /// `code`, `markdown`, `raw`.
    #[serde(rename = "type")]
    pub cell_type: String,
    /// `prompt`, `python`, `thought`, `understanding`, `asked`, `code`, `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The turn that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// The step that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The first 16 hexadecimal digits of the SHA-256 of its source.
    #[serde(default)]
    pub hash: String,
    /// Its source, where a cell of a turn was edited by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What stands in a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellText {
    /// Its id.
    pub id: String,
    /// Its source, maybe shortened.
    pub source: String,
    /// Its outputs as plain text, maybe shortened.
    #[serde(default)]
    pub output: String,
    /// Its `[n]`; none, if it has not run.
    #[serde(default)]
    pub execution_count: Option<u64>,
    /// Whether it shows that it failed.
    #[serde(default)]
    pub failed: bool,
}

/// What to do with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Run it as it is.
    Run,
    /// Run what the user made of it.
    Edit,
    /// Do not run it.
    Skip,
}

/// To the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ToPage {
    /// The answer to `comm_open`.
    Hello {
        /// The kernel's version.
        v: u64,
        /// The ready questions, in the order of the menu.
        presets: Vec<Ready>,
    },
    /// The answer to [`ToKernel::Report`].
    Reported {
        /// As what.
        to: Format,
        /// The file's name, in the folder of the notebook.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// What holds Python has changed.
    Sandbox {
        /// As the `kernel_info_reply` has it.
        sandbox: Value,
    },
    /// A turn begins; the page answers with [`ToKernel::State`].
    Begin {
        /// The turn.
        turn: String,
        /// The prompt's cell.
        prompt: String,
        /// Cells of an earlier turn of this prompt, to be removed in one undoable step.
        remove: Vec<String>,
    },
    /// Say what stands in these cells: the kernel has not run them. The page answers with [`ToKernel::Texts`].
    Read {
        /// The turn.
        turn: String,
        /// The cells.
        ids: Vec<String>,
    },
    /// Insert a cell.
    Insert {
        /// Its id.
        id: String,
        /// The cell above it.
        after: String,
        /// `code` or `markdown`.
        cell_type: String,
        /// Its source so far.
        source: String,
        /// Its metadata.
        metadata: Map<String, Value>,
    },
    /// Add text to a cell.
    Append {
        /// The cell.
        id: String,
        /// The text.
        text: String,
    },
    /// Give a cell another text.
    Replace {
        /// The cell.
        id: String,
        /// The text.
        source: String,
    },
    /// Show a Markdown cell rendered.
    Render {
        /// The cell.
        id: String,
    },
    /// Run a cell by an ordinary `execute_request`.
    Execute {
        /// The cell.
        id: String,
    },
    /// Set fields of a cell's metadata; null takes one away. Tags of ours take the place of tags of ours.
    Patch {
        /// The cell.
        id: String,
        /// The fields.
        metadata: Map<String, Value>,
    },
    /// Put a finished cell there, unless it is there.
    Upsert {
        /// Its id.
        id: String,
        /// The cell above it.
        after: String,
        /// `code` or `markdown`.
        cell_type: String,
        /// Its source.
        source: String,
        /// Its metadata.
        metadata: Map<String, Value>,
        /// Its outputs; of a Markdown cell none.
        outputs: Vec<Value>,
        /// Its `[n]`.
        execution_count: Option<u64>,
    },
    /// Take cells away that turned out to be none of the turn.
    Remove {
        /// The cells.
        ids: Vec<String>,
    },
    /// What the turn is doing.
    Bar(Bar),
    /// May this step run?
    Ask {
        /// The turn.
        turn: String,
        /// The step's cell.
        id: String,
        /// What it could do; empty where every step is asked for.
        why: Vec<String>,
        /// What the user can choose.
        choices: Vec<Choice>,
    },
    /// The model asks the user what stands in a cell.
    Question {
        /// The turn.
        turn: String,
        /// The question's cell.
        id: String,
        /// What the question offers to choose from; words of the user's own are as good.
        options: Vec<String>,
    },
    /// A turn is missing in the notebook: its prompt's outputs. Its cells follow.
    Restore {
        /// The turn.
        turn: String,
        /// The prompt's cell.
        prompt: String,
        /// Cells that gave way to it, to be removed in one undoable step.
        remove: Vec<String>,
        /// The prompt's outputs.
        outputs: Vec<Value>,
        /// The prompt's `[n]`.
        execution_count: Option<u64>,
    },
    /// A turn is over.
    Done {
        /// The turn.
        turn: String,
        /// The prompt's cell.
        prompt: String,
        /// `done`, `gave_up`, `interrupted`, `failed`.
        status: String,
    },
}

impl ToPage {
    /// What a page is greeted with.
    pub(crate) fn hello() -> Self {
        let presets = Preset::value_variants().iter().map(|preset| preset.ready()).collect();
        Self::Hello { v: VERSION, presets }
    }
}

/// A ready question, see [`crate::preset`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Its name, as it is typed.
    pub name: String,
    /// What it is for, in a sentence.
    pub title: String,
    /// What is asked, unless the user changes it.
    pub question: String,
}

/// What a turn is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// The turn.
    pub turn: String,
    /// What it is doing.
    pub phase: Phase,
    /// The step, from 1.
    pub step: usize,
    /// Since the turn began.
    pub seconds: f64,
    /// Pieces of text that the model wrote: about its tokens.
    pub tokens: usize,
    /// While it wrote.
    pub tokens_per_second: f64,
}

/// What a turn is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// For the page or the user.
    Waiting,
    /// For the user's answer to a question of the model's.
    Asking,
    /// The model is being loaded.
    Loading,
    /// The data are looked at, before the model is asked.
    Looking,
    /// The model reads.
    Reading,
    /// A thought is being written.
    Thinking,
    /// Code is being written.
    Writing,
    /// A step runs.
    Running,
    /// The answer is being written.
    Answering,
}

impl Phase {
    /// What a turn does whose model writes this.
    pub(crate) fn of(part: Part) -> Phase {
        match part {
            Part::Understanding | Part::Thought => Phase::Thinking,
            Part::Code => Phase::Writing,
            Part::Answer => Phase::Answering,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    const EXAMPLES: &str = include_str!("../../tests/fixtures/comm.json");

    #[track_caller]
    fn check<T: Serialize + DeserializeOwned>(name: &str, example: &Value) {
        let message: T = serde_json::from_value(example.clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = serde_json::to_value(message).unwrap();
        assert_eq!(&written, example, "{name}");
        let op = example.get("op").and_then(Value::as_str);
        assert!(op.is_none_or(|op| op == name), "{name} is an example of {op:?}");
    }

    #[test]
    fn each_example_is_read_and_written_as_it_stands() {
        let examples: Value = serde_json::from_str(EXAMPLES).unwrap();
        assert_eq!((&examples["v"], &examples["target"]), (&VERSION.into(), &TARGET.into()));
        for (name, example) in examples["to_kernel"].as_object().unwrap() {
            match name.as_str() {
                "open" => check::<Open>(name, example),
                _ => check::<ToKernel>(name, example),
            }
        }
        let go_on: GoOn = serde_json::from_value(examples["go_on"].clone()).unwrap();
        assert_eq!(serde_json::to_value(go_on).unwrap(), examples["go_on"]);
        for (name, example) in examples["to_page"].as_object().unwrap() {
            check::<ToPage>(name, example);
        }
    }

    #[test]
    fn what_a_page_leaves_out_has_its_usual_value() {
        let open: Open = serde_json::from_str(r#"{"v": 1}"#).unwrap();
        assert_eq!((open.path.as_str(), open.settings.review), ("", Review::Off));
        assert!(!open.questions);
        assert!(serde_json::from_str::<ToKernel>(r#"{"op": "dance"}"#).is_err());
    }
}
