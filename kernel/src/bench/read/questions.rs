//! Questions of one's own: `questions.jsonl`, whose form `docs/bench.md` tells.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{Fields, ReadError, Source, file_name, is_below};
use crate::bench::score::denotation::Target;
use crate::bench::{Question, Rule, Session};

pub(super) fn read(source: &mut Source<'_>) -> Result<Vec<Session>, ReadError> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut shared = BTreeSet::new();
    for asked in source.objects("questions.jsonl")? {
        let id = asked.text("id")?;
        let named = asked.optional("session");
        let question = Question {
            id: id.clone(),
            text: asked.text("question")?,
            level: asked.optional("level").unwrap_or_default(),
            setup: asked.optional("setup").into_iter().collect(),
            rule: rule(&asked)?,
        };
        let is_shared = named.is_some();
        let name = named.unwrap_or(id);
        let at = sessions.iter().position(|session| session.id == name);
        // Both name a notebook, and a session in the results.
        if at.is_some() && is_shared != shared.contains(&name) {
            let expected = "a `session` that is no `id` of a question without one";
            return Err(asked.wrong(&format!("{expected}, found `{name}` for both")));
        }
        if is_shared {
            shared.insert(name.clone());
        }
        let session = if let Some(session) = at.and_then(|at| sessions.get_mut(at)) {
            session
        } else {
            sessions.push(Session { id: name, files: Vec::new(), questions: Vec::new() });
            sessions.last_mut().expect("one was pushed")
        };
        take_files(source.data, &asked, session)?;
        session.questions.push(question);
    }
    Ok(sessions)
}

/// Puts the files of a question into its session's folder, each once.
fn take_files(data: &Path, asked: &Fields, session: &mut Session) -> Result<(), ReadError> {
    for file in files(asked)? {
        let (from, name) = (data.join(&file), file_name(&file));
        match session.files.iter().find(|(_, known)| *known == name) {
            None => session.files.push((from, name)),
            Some((known, _)) if *known == from => {}
            Some(_) => {
                let expected = "`files` of different names in one session, whose folder is flat";
                return Err(asked.wrong(&format!("{expected}, found two `{name}`")));
            }
        }
    }
    Ok(())
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
    let filled = |value: &Value| text(value).filter(|text| !text.trim().is_empty());
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
            let items = items.map(|item| Some(Target { text: filled(item)?, canonical: None }));
            let items: Option<Vec<_>> = items.collect();
            let items = items.filter(|items| !items.is_empty());
            items.map(Rule::Denotation).ok_or_else(|| wrong("`items` with a list of texts"))
        }
        ["answer"] => {
            let answer = filled(&asked.value["answer"]);
            answer.map(Rule::Quasi).ok_or_else(|| wrong("`answer` with a text or a number"))
        }
        ["program"] => Ok(Rule::Program(asked.text("program")?)),
        ["check"] => Ok(Rule::Check(asked.text("check")?)),
        _ => Err(wrong("one of `named`, `answer`, `items`, `program` and `check`, not several")),
    }
}
