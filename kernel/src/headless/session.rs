//! Several questions to one kernel, with Python between them: one notebook in the making, in memory.

use std::path::Path;
use std::time::Instant;

use datarus_agent::agent::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ask::{as_cells, prompt_cell, told};
use super::{HeadlessError, Kernel, facts, note_facts, request_metadata};
use crate::cells::{TurnRecord, datarus};
use crate::client::{ExecuteRequest, Outputs, Stopper};
use crate::config::Config;
use crate::notebook::{Notebook, new_cell_id};
use crate::prompt::Loader;

/// A kernel that is asked one question after the other.
pub struct Session {
    kernel: Kernel,
    cells: Vec<Value>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// `done`, `gave_up`, `interrupted`, `failed`.
    pub status: String,
    /// The answer, or why there is none.
    pub answer: String,
    /// Steps of code, failed ones too.
    pub steps: usize,
    /// Of these, those that failed.
    pub failed_steps: usize,
    /// Tokens read and written.
    pub tokens: [usize; 2],
    /// Wall time.
    pub seconds: f64,
    /// Numbers of the answer that an output of its turn holds, and those that none does.
    pub numbers: [usize; 2],
}

impl Asked {
    /// Of a question that was not asked, because this exception came before it.
    pub(crate) fn prevented(by: &str, message: &str) -> Self {
        let status = if by == "KeyboardInterrupt" { "interrupted" } else { "failed" };
        Self {
            status: status.to_owned(),
            answer: format!("what runs before the question failed: {by}: {message}"),
            steps: 0,
            failed_steps: 0,
            tokens: [0, 0],
            seconds: 0.0,
            numbers: [0, 0],
        }
    }
}

impl Session {
    /// Starts a kernel in the folder of the configuration.
    ///
    /// # Errors
    /// When it cannot run.
    pub async fn start(config: Config, loader: Loader) -> Result<Self, HeadlessError> {
        Ok(Self { kernel: Kernel::start(config, loader).await?, cells: Vec::new() })
    }

    /// A way to stop the next question; those that were given before stop nothing anymore.
    pub fn stopper(&mut self) -> Stopper {
        self.kernel.client.stopper()
    }

    /// Runs Python as a cell of the notebook before a question; gives what has come of the question if it failed.
    ///
    /// # Errors
    /// When the kernel is gone.
    pub async fn set_up(&mut self, code: &str) -> Result<Option<Asked>, HeadlessError> {
        let mut cell = json!({"cell_type": "code", "id": new_cell_id(), "metadata": {"datarus": {"role": "code"}},
            "source": code, "execution_count": null, "outputs": []});
        let mut outputs = Outputs::default();
        let (request, metadata) = (ExecuteRequest::cell(code), request_metadata(&cell, None));
        let reply =
            self.kernel.execute(&request, &metadata, &mut outputs, &mut |_, _, _| ()).await?;
        cell["execution_count"] = json!(reply.execution_count);
        cell["outputs"] = json!(outputs.list());
        self.cells.push(cell);
        let message = reply.evalue.unwrap_or_default();
        Ok(reply.ename.map(|name| Asked::prevented(&name, &message)))
    }

    /// Asks a question about files of the folder; `instructions` hold for it. `seen` hears what the kernel publishes, by its type.
    ///
    /// # Errors
    /// When the kernel is gone. No answer is no error.
    pub async fn ask(
        &mut self,
        text: &str,
        files: &[String],
        instructions: Option<&str>,
        seen: &mut dyn FnMut(&str, &Value),
    ) -> Result<Asked, HeadlessError> {
        let begun = Instant::now();
        let mut cell = prompt_cell(text, None, false, Some(files));
        let source = cell["source"].as_str().unwrap_or_default().to_owned();
        let mut outputs = Outputs::default();
        let instructions = instructions.map(|text| json!(text));
        let metadata = request_metadata(&cell, instructions.as_ref());
        let request = ExecuteRequest::cell(&source);
        let mut see = |kind: &str, content: &Value, _: &Outputs| seen(kind, content);
        let reply = self.kernel.execute(&request, &metadata, &mut outputs, &mut see).await?;
        let seconds = begun.elapsed().as_secs_f64();
        cell["execution_count"] = json!(reply.execution_count);
        let mut record = TurnRecord::read(outputs.list());
        if let Some(record) = &mut record {
            self.kernel.find_kept(record).await?;
        }
        let made = as_cells(cell, &outputs, record.as_ref());
        let answered =
            matches!(record.as_ref().and_then(TurnRecord::outcome), Some(Outcome::Answered { .. }));
        let numbers = if answered { numbers(&made) } else { [0, 0] };
        self.cells.extend(made);
        let failed_steps = record
            .as_ref()
            .map_or(0, |record| record.steps.iter().filter(|step| !step.worked()).count());
        let told = told(record.as_ref(), reply.evalue);
        Ok(Asked {
            status: told.status,
            answer: told.answer,
            steps: told.steps,
            failed_steps,
            tokens: told.tokens,
            seconds,
            numbers,
        })
    }

    /// What the cells have printed so far.
    pub(crate) fn printed(&self) -> Vec<String> {
        let outputs = self.cells.iter().filter(|cell| cell["cell_type"] == "code");
        let outputs = outputs.filter_map(|cell| cell["outputs"].as_array()).flatten();
        let text = |output: &Value| {
            let text = output["text"].as_str().or_else(|| output["data"]["text/plain"].as_str());
            text.map(str::to_owned)
        };
        outputs.filter_map(text).collect()
    }

    /// Runs code that leaves no trace and prints one JSON value; null when it fails.
    ///
    /// # Errors
    /// When the kernel is gone.
    pub async fn ask_python(&mut self, code: &str) -> Result<Value, HeadlessError> {
        self.kernel.ask_python(code).await
    }

    /// The notebook so far, with what it was made from; `files` lie in `folder`.
    ///
    /// # Errors
    /// When the kernel is gone.
    pub async fn notebook(
        &mut self,
        folder: &Path,
        files: &[String],
    ) -> Result<Notebook, HeadlessError> {
        let facts = facts::gather(&mut self.kernel, folder, files).await?;
        let mut notebook = Notebook::default();
        notebook.cells.clone_from(&self.cells);
        note_facts(&mut notebook, facts, &self.kernel.sandbox());
        Ok(notebook)
    }

    /// Ends the kernel and waits until nothing of it is left.
    ///
    /// # Errors
    /// When it ends badly.
    pub async fn end(self) -> Result<(), HeadlessError> {
        self.kernel.stop().await
    }
}

/// Numbers of an answer that are linked to a cell, and those that were found nowhere.
fn numbers(cells: &[Value]) -> [usize; 2] {
    let answer = cells.last();
    let source = answer.and_then(|cell| cell["source"].as_str()).unwrap_or_default();
    let missing = answer.and_then(|cell| datarus(cell, "numbers_not_found"));
    let missing = missing.and_then(Value::as_array).map_or(0, Vec::len);
    [source.matches("](#cell-id=").count(), missing]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_a_source_are_counted() {
        let answer = json!({"source": "[3](#cell-id=a) of [4](#cell-id=b) and 5",
            "metadata": {"datarus": {"numbers_not_found": ["5"]}}});
        assert_eq!(numbers(&[json!({}), answer]), [2, 1]);
        assert_eq!(numbers(&[]), [0, 0]);
    }
}
