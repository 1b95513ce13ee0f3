//! DS-1000: a prompt with a gap for code, and a program that tests what fills it.
//!
//! # Source
//! `test_ds1000.py` of the benchmark's repository: behind `code_context`, `test_execution` is called with the code, and
//! `test_string` where there is one.

use super::{ReadError, Source};
use crate::bench::{Question, Rule, Session};

pub(super) fn read(source: &mut Source<'_>) -> Result<Vec<Session>, ReadError> {
    let mut sessions = Vec::new();
    for (at, problem) in source.objects("ds1000.jsonl")?.into_iter().enumerate() {
        let metadata = &problem.value["metadata"];
        let id =
            metadata["problem_id"].as_u64().map_or_else(|| at.to_string(), |id| id.to_string());
        let context = problem.text("code_context")?;
        let calls = if context.contains("test_string(") { "\ntest_string(code)" } else { "" };
        let text = format!(
            "{}\nAnswer with the code alone that stands in place of the gap, in one block of Python. It is run behind the \
             code that the question begins with.",
            problem.text("prompt")?
        );
        sessions.push(Session {
            files: Vec::new(),
            questions: vec![Question {
                id: id.clone(),
                text,
                level: metadata["library"].as_str().unwrap_or_default().to_owned(),
                setup: Vec::new(),
                rule: Rule::Program(format!("{context}\ntest_execution(code){calls}\n")),
            }],
            id,
        });
    }
    Ok(sessions)
}
