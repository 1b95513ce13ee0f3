//! InfiAgent-DABench: questions, labels by their ids, and a folder of tables.

use std::collections::HashMap;

use serde_json::Value;

use super::{ReadError, Source, is_below};
use crate::bench::{Question, Rule, Session};

pub(super) fn read(source: &mut Source<'_>) -> Result<Vec<Session>, ReadError> {
    let mut labels = HashMap::new();
    for label in source.objects("da-dev-labels.jsonl")? {
        let values = label.value["common_answers"].as_array().into_iter().flatten();
        let pair =
            |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
        let values: Option<Vec<_>> = values.map(pair).collect();
        let wrong = || label.wrong("`common_answers` with pairs of texts");
        labels.insert(label.text("id")?, values.filter(|all| !all.is_empty()).ok_or_else(wrong)?);
    }
    let mut sessions = Vec::new();
    for asked in source.objects("da-dev-questions.jsonl")? {
        let (id, file) = (asked.text("id")?, asked.text("file_name")?);
        let expected = labels.remove(&id).ok_or_else(|| asked.wrong("a label with this `id`"))?;
        if !is_below(&file) {
            return Err(asked.wrong("`file_name` with the name of a table"));
        }
        let text = format!(
            "{}\n{}\nGive the answer in this form: {}",
            asked.text("question")?,
            asked.optional("constraints").unwrap_or_default(),
            asked.text("format")?
        );
        sessions.push(Session {
            files: vec![(source.data.join("da-dev-tables").join(&file), file)],
            questions: vec![Question {
                id: id.clone(),
                text,
                level: asked.optional("level").unwrap_or_default(),
                setup: Vec::new(),
                rule: Rule::Named(expected),
            }],
            id,
        });
    }
    Ok(sessions)
}
