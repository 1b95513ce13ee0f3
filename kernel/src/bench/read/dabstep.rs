//! DABStep: tasks of a split, and documents that all of them share. Answers of the split `all` are not published.

use super::{ReadError, Source, file_name};
use crate::bench::{Question, Rule, Session};

pub(super) fn read(source: &mut Source<'_>, split: &str) -> Result<Vec<Session>, ReadError> {
    let context = source.data.join("context");
    let failed = source.failed(&context);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&context).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = file_name(&path.to_string_lossy());
        if path.is_file() {
            files.push((path, name));
        }
    }
    files.sort();
    let mut sessions = Vec::new();
    for task in source.objects(&format!("tasks/{split}.jsonl"))? {
        let id = task.text("task_id")?;
        let text = format!(
            "{}\n{}\nRead the documents among the files where they bear on it. Give the answer alone, as @answer[…].",
            task.text("question")?,
            task.optional("guidelines").unwrap_or_default()
        );
        let answer = task.optional("answer").filter(|answer| !answer.trim().is_empty());
        sessions.push(Session {
            files: files.clone(),
            questions: vec![Question {
                id: id.clone(),
                text,
                level: task.optional("level").unwrap_or_default(),
                setup: Vec::new(),
                rule: answer.map_or(Rule::Hidden, Rule::Quasi),
            }],
            id,
        });
    }
    Ok(sessions)
}
