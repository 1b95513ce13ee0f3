//! Questions of one's own: `questions.jsonl`, whose form `docs/bench.md` tells.

use serde_json::Value;

use super::{Fields, ReadError, Source, file_name, is_below};
use crate::bench::score::denotation::Target;
use crate::bench::{Question, Rule, Session};

pub(super) fn read(source: &mut Source<'_>) -> Result<Vec<Session>, ReadError> {
    let mut sessions: Vec<Session> = Vec::new();
    for asked in source.objects("questions.jsonl")? {
        let id = asked.text("id")?;
        let named = asked.optional("session");
        let question = Question {
            id: id.clone(),
            text: asked.text("question")?,
            level: asked.optional("level").unwrap_or_default(),
            setup: asked.optional("setup"),
            rule: rule(&asked)?,
        };
        let name = named.clone().unwrap_or_else(|| id.clone());
        let known = sessions.iter_mut().find(|session| named.is_some() && session.id == name);
        let session = if let Some(session) = known {
            session
        } else {
            sessions.push(Session { id: name, files: Vec::new(), questions: Vec::new() });
            sessions.last_mut().expect("one was pushed")
        };
        for file in files(&asked)? {
            let place = (source.data.join(&file), file_name(&file));
            if !session.files.contains(&place) {
                session.files.push(place);
            }
        }
        session.questions.push(question);
    }
    Ok(sessions)
}

fn files(asked: &Fields) -> Result<Vec<String>, ReadError> {
    let files = match &asked.value["files"] {
        Value::Null => return Ok(Vec::new()),
        Value::Array(files) => files,
        _ => return Err(asked.wrong("`files` with a list of names")),
    };
    let below = |file: &Value| file.as_str().filter(|file| is_below(file)).map(str::to_owned);
    let files: Option<Vec<String>> = files.iter().map(below).collect();
    files.ok_or_else(|| asked.wrong("`files` with names of files below the folder"))
}

/// Exactly one of the fields that say what is right.
fn rule(asked: &Fields) -> Result<Rule, ReadError> {
    let is_given = |name: &&str| !asked.value[*name].is_null();
    let given: Vec<&str> =
        ["named", "answer", "items", "program", "check"].into_iter().filter(is_given).collect();
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    };
    let wrong = |expected: &str| asked.wrong(expected);
    match given.as_slice() {
        [] => Ok(Rule::Hidden),
        ["named"] => {
            let values = asked.value["named"].as_object().into_iter().flatten();
            let values = values.map(|(name, value)| Some((name.clone(), text(value)?)));
            let values: Option<Vec<_>> = values.collect();
            let values = values.filter(|values| !values.is_empty());
            values.map(Rule::Named).ok_or_else(|| wrong("`named` with an object of texts"))
        }
        ["items"] => {
            let items = asked.value["items"].as_array().into_iter().flatten();
            let items = items.map(|item| Some(Target { text: text(item)?, canonical: None }));
            let items: Option<Vec<_>> = items.collect();
            items.map(Rule::Denotation).ok_or_else(|| wrong("`items` with a list of texts"))
        }
        ["answer"] => {
            let answer = text(&asked.value["answer"]);
            answer.map(Rule::Quasi).ok_or_else(|| wrong("`answer` with a text or a number"))
        }
        ["program"] => Ok(Rule::Program(asked.text("program")?)),
        ["check"] => Ok(Rule::Check(asked.text("check")?)),
        _ => Err(wrong("one of `named`, `answer`, `items`, `program` and `check`, not several")),
    }
}
