//! WikiTableQuestions: a table of questions, each with one of many tables.

use super::{ReadError, Source, file_name, is_below};
use crate::bench::score::denotation::Target;
use crate::bench::{Question, Rule, Session};

pub(super) fn read(source: &mut Source<'_>, split: &str) -> Result<Vec<Session>, ReadError> {
    let name = format!("data/{split}.tsv");
    let lines = source.lines(&name)?;
    let path = source.data.join(&name);
    let wrong = |line: usize, expected: &str| ReadError::Line {
        path: path.clone(),
        line,
        expected: expected.to_owned(),
    };
    let mut lines = lines.into_iter();
    let (_, header) = lines.next().ok_or_else(|| wrong(1, "a header"))?;
    let columns: Vec<&str> = header.split('\t').collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let needed = |name: &str| place(name).ok_or_else(|| wrong(1, &format!("a column `{name}`")));
    let (id, text) = (needed("id")?, needed("utterance")?);
    let (context, target) = (needed("context")?, needed("targetValue")?);
    let canonical = place("targetCanon");
    let mut sessions = Vec::new();
    for (line, row) in lines {
        let row: Vec<&str> = row.split('\t').collect();
        let field = |at: usize| {
            row.get(at).copied().ok_or_else(|| wrong(line, "as many fields as columns"))
        };
        let (id, table) = (unescaped(field(id)?), field(context)?.to_owned());
        if !is_below(&table) {
            return Err(wrong(line, "the path of a table below `--data`"));
        }
        let texts: Vec<String> = field(target)?.split('|').map(unescaped).collect();
        let canonical: Vec<Option<String>> = match canonical {
            Some(at) => field(at)?.split('|').map(|text| Some(unescaped(text))).collect(),
            None => vec![None; texts.len()],
        };
        let targets = texts.into_iter().zip(canonical);
        let targets = targets.map(|(text, canonical)| Target { text, canonical }).collect();
        let asked = format!(
            "{}\nAnswer from the table alone. Give the answer as @answer[…]; several items between |, each as the table \
             has it.",
            unescaped(field(text)?)
        );
        let files = vec![(source.data.join(&table), file_name(&table))];
        let rule = Rule::Denotation(targets);
        let question =
            Question { id: id.clone(), text: asked, level: String::new(), setup: Vec::new(), rule };
        sessions.push(Session { id, files, questions: vec![question] });
    }
    Ok(sessions)
}

/// What is escaped in a field.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\p", "|").replace("\\\\", "\\")
}
