//! `datarus ask`: one question → one executed notebook.

use std::path::{Component, Path, PathBuf};

use datarus_agent::agent::Outcome;
use serde::Serialize;
use serde_json::{Value, json};

use super::safe::{Safe, Saved, ends_step};
use super::{
    Ending, HeadlessError, Kernel, Progress, facts, folder_of, note_facts, request_metadata,
    sources,
};
use crate::cells::{self, TurnRecord};
use crate::client::{ExecuteRequest, Outputs};
use crate::config::Config;
use crate::notebook::{Notebook, new_cell_id};
use crate::preset::Preset;
use crate::prompt::Loader;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// In the analyst's words.
    pub text: String,
    /// Files that it is about; none stands for those of the notebook's folder.
    pub data: Vec<PathBuf>,
    /// A ready prompt.
    pub preset: Option<Preset>,
    /// By thought alone.
    pub think: bool,
    /// The notebook to write.
    pub output: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The notebook.
    pub notebook: PathBuf,
    /// Why it is not where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<String>,
    /// `done`, `gave_up`, `interrupted`, `failed`.
    pub status: String,
    /// The answer, or why there is none.
    pub answer: String,
    /// Steps of code, failed ones too.
    pub steps: usize,
    /// Tokens read and written.
    pub tokens: [usize; 2],
    /// Wall time, the kernel's start included.
    pub seconds: f64,
    /// How it ended.
    #[serde(skip)]
    pub ending: Ending,
}

/// Answers a question in the folder of the notebook to write, so that paths in it hold from there. `loader` makes
/// the model.
///
/// # Errors
/// When a file or the folder is not there, or the kernel cannot run. No answer is no error.
pub async fn ask(
    config: Config,
    loader: Loader,
    question: &Question,
) -> Result<Answer, HeadlessError> {
    let mut progress = Progress::on_stderr();
    let data = sources(&question.data)?;
    let folder = folder_of(&question.output)?;
    let output = folder.join(question.output.file_name().unwrap_or_default());
    let mut safe = Safe::begin(&output, config.state.as_deref(), &mut progress)?;
    let files: Vec<String> = data.iter().map(|path| relative(&folder, path)).collect();

    progress.pass("starting the kernel");
    let mut config = Config { folder: folder.clone(), ..config };
    // Named by the user, so Python may read them wherever they are.
    config.sandbox.readable.extend(data.iter().cloned());
    let mut kernel = Kernel::start(config, loader).await?;
    let named = (!files.is_empty()).then_some(&*files);
    let mut cell = prompt_cell(&question.text, question.preset, question.think, named);
    let mut outputs = Outputs::default();
    let source = cell["source"].as_str().unwrap_or_default().to_owned();
    progress.pass("thinking");
    let mut see = |kind: &str, content: &Value, outputs: &Outputs| {
        progress.see(kind, content);
        if ends_step(kind, content) {
            safe.keep(|| {
                notebook_of(cell.clone(), outputs, TurnRecord::read(outputs.list()).as_ref())
            });
        }
    };
    let request = ExecuteRequest::cell(&source);
    let metadata = request_metadata(&cell, None);
    let asked = kernel.execute(&request, &metadata, &mut outputs, &mut see).await;
    if asked.is_err() {
        safe.tell_kept(&mut progress);
    }
    let reply = asked?;
    cell["execution_count"] = json!(reply.execution_count);
    let mut record = TurnRecord::read(outputs.list());
    if let Some(record) = &mut record {
        kernel.find_kept(record).await?;
    }
    let mut notebook = notebook_of(cell, &outputs, record.as_ref());
    let files = if files.is_empty() {
        facts::mentioned_files(&folder, facts::code(&notebook.cells))
    } else {
        files
    };
    let facts = facts::gather(&mut kernel, &folder, &files).await?;
    let sandbox = kernel.sandbox();
    kernel.stop().await?;

    note_facts(&mut notebook, facts, &sandbox);
    let Saved { path, unsaved } = safe.save(&notebook, &mut progress)?;
    let notebook = if unsaved.is_some() { path } else { question.output.clone() };
    let told = told(record.as_ref(), reply.evalue);
    Ok(Answer { notebook, unsaved, seconds: progress.seconds(), ..told })
}

fn notebook_of(cell: Value, outputs: &Outputs, record: Option<&TurnRecord>) -> Notebook {
    let mut notebook = Notebook::default();
    notebook.cells = as_cells(cell, outputs, record);
    notebook
}

pub(super) fn as_cells(
    mut cell: Value,
    outputs: &Outputs,
    record: Option<&TurnRecord>,
) -> Vec<Value> {
    let Some(record) = record else {
        cell["outputs"] = json!(outputs.list());
        return vec![cell];
    };
    let turn = cells::turn_cells(&cell, record);
    std::iter::once(turn.prompt).chain(turn.below).collect()
}

/// `>` marks the cell for every front end; a question of several lines or with flags takes the long form. Without `files`
/// the kernel names those of its folder.
pub(super) fn prompt_cell(
    text: &str,
    preset: Option<Preset>,
    think: bool,
    files: Option<&[String]>,
) -> Value {
    let text = text.trim();
    let preset = preset.map(|preset| format!(" --preset {}", preset.name()));
    let think = think.then(|| String::from(" --think"));
    let flags: String = [think, preset].into_iter().flatten().collect();
    let source = if flags.is_empty() && !text.contains('\n') {
        format!("> {text}")
    } else {
        format!("%%ask{flags}\n{text}")
    };
    let mut cell = json!({
        "cell_type": "code",
        "id": new_cell_id(),
        "metadata": {"datarus": {"role": "prompt"}},
        "source": source,
        "execution_count": null,
        "outputs": [],
    });
    if let Some(files) = files {
        cell["metadata"]["datarus"]["files"] = json!(files);
    }
    cell
}

pub(super) fn told(record: Option<&TurnRecord>, error: Option<String>) -> Answer {
    let outcome = record.and_then(TurnRecord::outcome);
    let (status, answer, ending) = match outcome {
        Some(Outcome::Answered { answer, .. }) => ("done", answer.clone(), Ending::Done),
        Some(Outcome::GaveUp { reason }) => ("gave_up", reason.clone(), Ending::Failed),
        Some(Outcome::Interrupted) => ("interrupted", String::new(), Ending::Interrupted),
        None => ("failed", error.unwrap_or_default(), Ending::Failed),
    };
    let usage =
        record.and_then(|record| record.end.as_ref()).map(|end| end.usage).unwrap_or_default();
    Answer {
        notebook: PathBuf::new(),
        unsaved: None,
        status: status.to_owned(),
        answer,
        steps: record.map_or(0, |record| record.steps.len()),
        tokens: [usage.prompt_tokens, usage.completion_tokens],
        seconds: 0.0,
        ending,
    }
}

/// The way from a folder to a file, both absolute and without links.
pub(crate) fn relative(folder: &Path, file: &Path) -> String {
    let common = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(file.components().skip(common)).collect();
    way.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_file_holds_from_the_folder() {
        let check = |folder: &str, file: &str, way: &str| {
            assert_eq!(relative(Path::new(folder), Path::new(file)), way);
        };
        check("/a/b", "/a/b/c.csv", "c.csv");
        check("/a/b", "/a/b/d/c.csv", "d/c.csv");
        check("/a/b", "/a/x/c.csv", "../x/c.csv");
        check("/", "/c.csv", "c.csv");
    }

    #[test]
    fn a_question_is_marked_so_that_it_is_never_taken_for_python() {
        let source = |text: &str, preset: Option<Preset>, think: bool| {
            prompt_cell(text, preset, think, None)["source"].as_str().unwrap().to_owned()
        };
        assert_eq!(source(" Which? ", None, false), "> Which?");
        assert_eq!(source("a\nb", None, false), "%%ask\na\nb");
        assert_eq!(source("a", None, true), "%%ask --think\na");
        let cleaning = Some(Preset::Cleaning);
        assert_eq!(source("a", cleaning, false), "%%ask --preset cleaning\na");
        assert_eq!(source("", cleaning, true), "%%ask --think --preset cleaning\n");
    }

    #[test]
    fn a_turn_that_left_nothing_is_told_with_the_kernels_reason() {
        let answer = told(None, Some(String::from("the model is damaged")));
        assert_eq!((&*answer.status, answer.ending), ("failed", Ending::Failed));
        assert_eq!(answer.answer, "the model is damaged");
    }
}
