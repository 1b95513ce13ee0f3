//! What a report says of itself: how it was made, from what, with which model. Pure.

use serde_json::{Value, json};

use super::build::{beginning, heading, link, words};
use super::tree::{Block, Inline, Table, TableCell};
use super::turns::{Turn, source};
use crate::cells::datarus;
use crate::notebook::Notebook;

/// Fields of a prompt's metadata that say who answered and how, with what they are called.
const MODEL: [(&str, &str); 9] = [
    ("model", "Model"),
    ("model_sha256", "SHA-256 of its file"),
    ("model_served_at", "Served at"),
    ("dialect", "Dialect"),
    ("profile", "Profile"),
    ("mode", "Mode"),
    ("sampling", "Sampling"),
    ("seed", "Seed"),
    ("sandbox", "Sandbox"),
];

/// The beginning of every report: questions with what was answered, data, numbers.
pub(super) fn summary(notebook: &Notebook, turns: &[Turn<'_>]) -> Vec<Block> {
    if turns.is_empty() {
        return Vec::new();
    }
    let mut blocks = Vec::new();
    if turns.len() > 1 {
        let anchor = Some("summary".into());
        blocks.push(Block::Heading { level: 2, words: words("Summary"), anchor });
        let items = turns.iter().map(item).collect();
        blocks.push(Block::List { start: Some(1), items });
    }
    blocks.extend(facts(notebook, turns));
    blocks
}

/// What it was made from, and how many of its numbers were printed.
pub(super) fn facts(notebook: &Notebook, turns: &[Turn<'_>]) -> Option<Block> {
    let facts: Vec<_> = [data_line(notebook), numbers_line(turns)].into_iter().flatten().collect();
    (!facts.is_empty()).then(|| Block::Note(words(&facts.join(" "))))
}

fn item(turn: &Turn<'_>) -> Vec<Block> {
    let question = link(turn.anchor(), turn.title());
    let mut item = vec![Block::Paragraph(vec![question])];
    if !turn.is_answered() {
        item.push(Block::Paragraph(words("No answer.")));
    } else if let Some(beginning) = beginning(turn) {
        item.push(Block::Paragraph(beginning));
    }
    item
}

fn data_line(notebook: &Notebook) -> Option<String> {
    let files: Vec<_> = datasets(notebook)
        .map(|file| match file["rows"].as_u64() {
            Some(rows) => format!("{} ({rows} rows)", name(file)),
            None => name(file).to_owned(),
        })
        .collect();
    (!files.is_empty()).then(|| format!("Data: {}.", files.join(", ")))
}

fn numbers_line(turns: &[Turn<'_>]) -> Option<String> {
    let all: Vec<_> = turns.iter().map(Turn::numbers).collect();
    let linked: usize = all.iter().map(|numbers| numbers.linked).sum();
    let missing: usize = all.iter().map(|numbers| numbers.missing.len()).sum();
    match (linked, missing) {
        (0, 0) => None,
        (linked, 0) => Some(format!(
            "All {linked} numbers that were looked up link to the cell that printed them."
        )),
        (linked, missing) => Some(format!(
            "{linked} of {} numbers link to the cell that printed them; the others are marked (?).",
            linked + missing
        )),
    }
}

/// What a reviewer needs to check or repeat the work.
pub(super) fn appendix(notebook: &Notebook, turns: &[Turn<'_>]) -> Vec<Block> {
    let anchor = Some("appendix".into());
    let title = words("Appendix: how this was made");
    let mut blocks = vec![Block::Heading { level: 2, words: title, anchor }];
    if !turns.is_empty() {
        blocks.extend([heading(3, "Questions"), questions(turns)]);
        blocks.extend(models(turns));
        blocks.push(heading(3, "Prompts"));
        blocks.extend(turns.iter().flat_map(prompt));
        blocks.extend(notices(turns));
    }
    blocks.extend(data(notebook));
    blocks.extend(profiles(turns));
    blocks.extend(environment(notebook));
    blocks
}

fn questions(turns: &[Turn<'_>]) -> Block {
    let names = [
        "Question",
        "Status",
        "Steps",
        "Failed",
        "Seconds in Python",
        "Tokens read",
        "Tokens written",
        "Numbers linked",
        "Numbers not found",
    ];
    let row = |turn: &Turn<'_>| {
        let numbers = turn.numbers();
        let failed = turn.steps.iter().filter(|step| !step.worked()).count();
        let seconds = turn.steps.iter().filter_map(|step| datarus(step.cell, "seconds")?.as_f64());
        let tokens = |at: usize| {
            datarus(turn.prompt, "tokens").map_or(String::new(), |tokens| shown(&tokens[at]))
        };
        let words = vec![link(turn.anchor(), words(&turn.number.to_string()))];
        let mut row = vec![TableCell { words, is_header: true, is_number: false }];
        let texts = [
            fact(turn, "status"),
            turn.steps.len().to_string(),
            failed.to_string(),
            format!("{:.1}", seconds.sum::<f64>()),
            tokens(0),
            tokens(1),
            numbers.linked.to_string(),
            numbers.missing.len().to_string(),
        ];
        row.extend(texts.iter().map(|text| TableCell::text(text, false)));
        row
    };
    let head = vec![names.iter().map(|name| TableCell::text(name, true)).collect()];
    Block::Table(Table { head, body: turns.iter().map(row).collect(), ..Table::default() })
}

/// One table for all turns that the same model answered in the same way.
fn models(turns: &[Turn<'_>]) -> Vec<Block> {
    let mut groups: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for turn in turns {
        let facts: Vec<_> = MODEL.iter().map(|(field, _)| fact(turn, field)).collect();
        let number = turn.number.to_string();
        match groups.iter_mut().find(|(known, _)| *known == facts) {
            Some((_, numbers)) => numbers.push(number),
            None => groups.push((facts, vec![number])),
        }
    }
    let table = |(facts, numbers): (Vec<String>, Vec<String>)| {
        let named = MODEL.iter().zip(facts).filter(|(_, fact)| !fact.is_empty());
        let rows = named.map(|((_, name), fact)| ((*name).to_owned(), fact));
        let all = [("For questions".to_owned(), numbers.join(", "))];
        pairs(["Of the model", "Value"], rows.chain(all))
    };
    std::iter::once(heading(3, "Models")).chain(groups.into_iter().map(table)).collect()
}

fn prompt(turn: &Turn<'_>) -> Vec<Block> {
    let files = datarus(turn.prompt, "files").and_then(Value::as_array).map(|files| {
        let files: Vec<_> = files.iter().filter_map(Value::as_str).collect();
        format!(", with the files {}", files.join(", "))
    });
    let hash = Some(fact(turn, "prompt_sha")).filter(|hash| !hash.is_empty());
    let hash = hash.map(|hash| format!(" (SHA-256 {hash})"));
    let said = format!(
        "Question {}{}{}",
        turn.number,
        files.unwrap_or_default(),
        hash.unwrap_or_default()
    );
    let text = source(turn.prompt).to_owned();
    vec![
        Block::Paragraph(words(&format!("{said}:"))),
        Block::Code { language: String::new(), text },
    ]
}

fn notices(turns: &[Turn<'_>]) -> Vec<Block> {
    let of = |turn: &Turn<'_>| {
        let all = datarus(turn.prompt, "notices").and_then(Value::as_array).cloned();
        let said = |notice: Value| Some(format!("Question {}: {}", turn.number, notice.as_str()?));
        all.into_iter().flatten().filter_map(said).collect::<Vec<_>>()
    };
    let items: Vec<_> =
        turns.iter().flat_map(of).map(|said| vec![Block::Paragraph(words(&said))]).collect();
    if items.is_empty() {
        return Vec::new();
    }
    vec![heading(3, "What the kernel said"), Block::List { start: None, items }]
}

fn data(notebook: &Notebook) -> Vec<Block> {
    let row = |file: &Value| {
        let cells =
            [name(file), &shown(&file["rows"]), file["sha256"].as_str().unwrap_or_default()];
        cells.iter().enumerate().map(|(at, text)| TableCell::text(text, at == 0)).collect()
    };
    let body: Vec<Vec<_>> = datasets(notebook).map(row).collect();
    if body.is_empty() {
        return Vec::new();
    }
    let head =
        vec![["File", "Rows", "SHA-256"].iter().map(|name| TableCell::text(name, true)).collect()];
    vec![heading(3, "Data"), Block::Table(Table { head, body, ..Table::default() })]
}

/// What the models were told of the data: what each source held, once, and which files were new or changed at a question.
fn profiles(turns: &[Turn<'_>]) -> Vec<Block> {
    let told =
        |turn: &Turn<'_>, field: &str| datarus(turn.prompt, "data").map(|data| data[field].clone());
    let mut seen: Vec<String> = Vec::new();
    let mut items = Vec::new();
    for turn in turns {
        let changes = told(turn, "changes").unwrap_or_default();
        let changes = changes.as_str().filter(|changes| !changes.is_empty());
        items.extend(changes.map(|said| format!("Question {}: {said}", turn.number)));
        let profiles = told(turn, "profiles").unwrap_or_default();
        for profile in profiles.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !seen.iter().any(|known| known == profile) {
                seen.push(profile.to_owned());
                items.push(format!("Question {}: {profile}", turn.number));
            }
        }
    }
    if items.is_empty() {
        return Vec::new();
    }
    let items = items.iter().map(|said| vec![Block::Paragraph(lines(said))]).collect();
    vec![heading(3, "What models were told of the data"), Block::List { start: None, items }]
}

/// Text of several lines.
fn lines(text: &str) -> Vec<Inline> {
    let lines = text.lines().map(|line| Inline::Text(line.trim().to_owned()));
    let broken = lines.enumerate().flat_map(|(at, line)| {
        let before = (at > 0).then_some(Inline::Break);
        before.into_iter().chain([line])
    });
    broken.collect()
}

fn environment(notebook: &Notebook) -> Vec<Block> {
    let Some(facts) = notebook.metadata.get("datarus") else { return Vec::new() };
    let one = |name: &str, value: &Value| (name.to_owned(), shown(value));
    let packages = facts["env"]["packages"].as_object().into_iter().flatten();
    let all = [
        one("Datarus", &facts["version"]),
        one("Python", &facts["env"]["python"]),
        one("Sandbox", &facts["sandbox"]),
    ];
    let rows = all.into_iter().chain(packages.map(|(name, version)| one(name, version)));
    let rows = rows.filter(|(_, version)| !version.is_empty());
    vec![heading(3, "Environment"), pairs(["Package", "Version"], rows)]
}

/// A table of two columns.
fn pairs(names: [&str; 2], rows: impl Iterator<Item = (String, String)>) -> Block {
    let head = vec![names.iter().map(|name| TableCell::text(name, true)).collect()];
    // Versions and hashes are no numbers to be set to the right.
    let value =
        |text: String| TableCell { words: vec![Inline::Text(text)], ..TableCell::default() };
    let body = rows.map(|(name, text)| vec![TableCell::text(&name, true), value(text)]).collect();
    Block::Table(Table { head, body, ..Table::default() })
}

fn datasets(notebook: &Notebook) -> impl Iterator<Item = &Value> {
    let facts = notebook.metadata.get("datarus");
    facts.and_then(|facts| facts["datasets"].as_array()).into_iter().flatten()
}

fn name(file: &Value) -> &str {
    file["path"].as_str().unwrap_or_default()
}

fn fact(turn: &Turn<'_>, field: &str) -> String {
    datarus(turn.prompt, field).map(shown).unwrap_or_default()
}

/// A value for people: `temperature 0.7, top_p 0.9` rather than JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let said: Vec<_> =
                fields
                    .iter()
                    .map(|(name, value)| {
                        if name == "kind" {
                            shown(value)
                        } else {
                            format!("{name} {}", shown(value))
                        }
                    })
                    .collect();
            said.join(", ")
        }
        other => json!(other).to_string(),
    }
}
