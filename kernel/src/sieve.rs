//! What a step of the agent may show. Pure: contents of messages in, contents out.
//!
//! A page takes the outputs of a cell that was run in it for the user's own: it runs their scripts and opens their
//! widgets, outside of whatever holds the code itself. So what a step puts out, code that a model wrote, passes an
//! allow-list of message types and MIME types, HTML and SVG are written anew without what could do harm, and its
//! displays have names of their own, so that it rewrites nothing that was there before it. What is left out is said.
//!
//! What the user's own cells put out is not looked at here.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::markdown::sanitized;

mod css;
mod html;
mod image;
mod latex;
mod scope;
mod svg;

/// Longest HTML or SVG that is read, in bytes: reading takes time in which the kernel does nothing else.
const MAX_MARKUP: usize = 4 << 20;

/// Said of all that opens or speaks to a widget.
const WIDGET: &str = "a widget";

/// The outputs of one step.
#[derive(Debug)]
pub(crate) struct Sieve {
    /// Begins the ids of its displays.
    prefix: String,
    /// What was said to be left out.
    told: BTreeSet<String>,
}

/// What is left of a message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sifted {
    /// What may be shown.
    pub(crate) content: Option<Map<String, Value>>,
    /// A line for the reader about what may not.
    pub(crate) notice: Option<String>,
}

impl Sieve {
    /// For the step that the request with this id runs.
    pub(crate) fn new(request: &str) -> Sieve {
        Sieve { prefix: format!("step-{request}/"), told: BTreeSet::new() }
    }

    /// Takes the content of a message that was published for the step.
    pub(crate) fn sift(&mut self, msg_type: &str, content: Map<String, Value>) -> Sifted {
        let mut lost = Vec::new();
        let content = match msg_type {
            "stream" | "error" | "clear_output" => Some(content),
            "display_data" | "execute_result" | "update_display_data" => {
                self.display(content, &mut lost)
            }
            "comm_open" | "comm_msg" | "comm_close" => {
                lost.push(WIDGET.to_owned());
                None
            }
            _ => None,
        };
        Sifted { content, notice: self.notice(lost) }
    }

    fn display(
        &self,
        content: Map<String, Value>,
        lost: &mut Vec<String>,
    ) -> Option<Map<String, Value>> {
        let mut made = Map::new();
        for (field, value) in content {
            match (field.as_str(), value) {
                ("data", Value::Object(data)) => {
                    made.insert(field, Value::Object(bundle(data, lost)));
                }
                ("metadata", Value::Object(metadata)) => {
                    made.insert(field, Value::Object(about(metadata)));
                }
                ("transient", Value::Object(transient)) => {
                    let id = transient.get("display_id").and_then(Value::as_str);
                    let id =
                        id.map(|id| ("display_id".to_owned(), json!(self.prefix.clone() + id)));
                    made.insert(field, Value::Object(id.into_iter().collect()));
                }
                ("execution_count", count) => drop(made.insert(field, count)),
                _ => {}
            }
        }
        let is_empty = |data: &Value| data.as_object().is_none_or(Map::is_empty);
        let shows = made.get("data").is_some_and(|data| !is_empty(data));
        (shows || lost.is_empty()).then_some(made)
    }

    /// Each loss is said once in a step: it may be in a loop.
    fn notice(&mut self, lost: Vec<String>) -> Option<String> {
        let new: Vec<_> = lost.into_iter().filter(|what| self.told.insert(what.clone())).collect();
        (!new.is_empty()).then(|| {
            format!(
                "Left out: {}. Code that the analyst wrote runs no script in the page and loads nothing there, \
                 unless DATARUS_TRUST_OUTPUTS=all is set when the kernel starts.\n",
                new.join(", ")
            )
        })
    }
}

/// What may be shown of a MIME bundle that is in a notebook, whoever put it there.
pub(crate) fn harmless(data: Map<String, Value>) -> Map<String, Value> {
    bundle(data, &mut Vec::new())
}

/// What may be shown of a MIME bundle.
fn bundle(data: Map<String, Value>, lost: &mut Vec<String>) -> Map<String, Value> {
    let mut made = Map::new();
    for (mime, value) in data {
        match part(&mime, value) {
            Part::Whole(value) => drop(made.insert(mime, value)),
            Part::Less(value) => {
                lost.push(format!("parts of {mime}"));
                made.insert(mime, value);
            }
            Part::None => lost.push(named(&mime)),
        }
    }
    made
}

/// What is left of a part of a bundle.
enum Part {
    Whole(Value),
    Less(Value),
    None,
}

fn part(mime: &str, value: Value) -> Part {
    if mime == "application/json" {
        return Part::Whole(value);
    }
    let Some(text) = text_of(value) else { return Part::None };
    let whole_if =
        |fits: bool, text: String| if fits { Part::Whole(json!(text)) } else { Part::None };
    match mime {
        "text/plain" => Part::Whole(json!(text)),
        "text/markdown" => Part::Whole(json!(sanitized(&text))),
        "text/latex" => whole_if(latex::is_plain(&text), text),
        "text/html" | "image/svg+xml" if text.len() > MAX_MARKUP => Part::None,
        "text/html" => match html::clean(&text) {
            Some(cleaned) if cleaned.is_less => Part::Less(json!(cleaned.html)),
            Some(cleaned) => Part::Whole(json!(cleaned.html)),
            None => Part::None,
        },
        "image/svg+xml" => svg::clean(&text).map_or(Part::None, |svg| Part::Whole(json!(svg))),
        _ if image::FORMATS.contains(&mime) => whole_if(image::is_base64(&text), text),
        _ => Part::None,
    }
}

/// A MIME value as text; nbformat allows a list of lines.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// What a part was, for the reader.
fn named(mime: &str) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || "/+-._".contains(c);
    match mime {
        "application/vnd.jupyter.widget-view+json" => WIDGET.to_owned(),
        _ if mime.len() <= 80 && mime.chars().all(known) => mime.to_owned(),
        _ => "an output of an unknown type".to_owned(),
    }
}

/// What may be said about the data: how large a picture is drawn, on which ground.
fn about(metadata: Map<String, Value>) -> Map<String, Value> {
    let of_one = |metadata: Map<String, Value>| -> Map<String, Value> {
        metadata.into_iter().filter(|(field, value)| is_harmless(field, value)).collect()
    };
    metadata
        .into_iter()
        .filter_map(|(field, value)| match value {
            Value::Object(fields) if field.contains('/') => {
                Some((field, Value::Object(of_one(fields))))
            }
            value => is_harmless(&field, &value).then_some((field, value)),
        })
        .collect()
}

fn is_harmless(field: &str, value: &Value) -> bool {
    match field {
        "width" | "height" => value.is_number(),
        "expanded" => value.is_boolean(),
        "needs_background" => matches!(value.as_str(), Some("light" | "dark")),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
