//! Gathers the outputs of one cell from what is published for it, within bounds. Pure.

use datarus_agent::executor::Output;
use serde_json::{Map, Value};

use crate::bound::floor_char_boundary;

/// How much of a stream's beginning is kept, in bytes.
const HEAD: usize = 64 << 10;

/// How much of its end is kept.
const TAIL: usize = 64 << 10;

/// How many outputs are kept; those after are dropped.
const MAX_ITEMS: usize = 1000;

/// How much of the outputs so far is told, in bytes: more than a model is shown.
const SO_FAR: usize = 64 << 10;

/// The outputs of a cell so far.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    items: Vec<Item>,
    clear_before_next: bool,
}

#[derive(Debug)]
enum Item {
    Stream(Stream),
    Shown { display_id: Option<String>, output: Output },
}

#[derive(Debug)]
struct Stream {
    name: String,
    head: String,
    tail: String,
    left_out: usize,
}

impl Outputs {
    fn add(&mut self, item: Item) {
        if self.items.len() < MAX_ITEMS {
            self.items.push(item);
        }
    }

    /// Takes the content of a message that was published for the cell; what is no output is passed over.
    pub(crate) fn push(&mut self, msg_type: &str, mut content: Map<String, Value>) {
        match msg_type {
            "clear_output" if flag(&content, "wait") => self.clear_before_next = true,
            "clear_output" => self.items.clear(),
            "update_display_data" => self.update(content),
            "stream" => self.stream(&text(&mut content, "name"), &text(&mut content, "text")),
            "display_data" | "execute_result" | "error" => {
                self.clear_if_asked();
                let display_id = display_id(&content);
                self.add(Item::Shown { display_id, output: output(msg_type, content) });
            }
            _ => {}
        }
    }

    /// The outputs, each stream shortened to its beginning and end.
    pub(crate) fn finish(self) -> Vec<Output> {
        self.items.into_iter().map(Item::into_output).collect()
    }

    /// The beginning of the outputs, for whoever wants to know early what they will be: up to a picture, which is
    /// described at the end, to what is shortened, or to [`SO_FAR`] bytes of text.
    pub(crate) fn so_far(&self) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut room = SO_FAR;
        for item in &self.items {
            let (output, bytes) = match item {
                Item::Stream(Stream { name, head, .. }) => {
                    let head = &head[..floor_char_boundary(head, room)];
                    (Output::Stream { name: name.clone(), text: head.to_owned() }, head.len())
                }
                Item::Shown { output, .. } => match text_bytes(output) {
                    Some(bytes) if bytes <= room => (output.clone(), bytes),
                    _ => break,
                },
            };
            outputs.push(output);
            room -= bytes;
        }
        outputs
    }

    fn stream(&mut self, name: &str, text: &str) {
        self.clear_if_asked();
        if let Some(Item::Stream(last)) = self.items.last_mut()
            && last.name == name
        {
            last.push(text);
            return;
        }
        let mut stream =
            Stream { name: name.to_owned(), head: String::new(), tail: String::new(), left_out: 0 };
        stream.push(text);
        self.add(Item::Stream(stream));
    }

    fn update(&mut self, mut content: Map<String, Value>) {
        let Some(id) = display_id(&content) else { return };
        let (new_data, new_metadata) =
            (object(&mut content, "data"), object(&mut content, "metadata"));
        for item in &mut self.items {
            match item {
                Item::Shown {
                    display_id: Some(known),
                    output:
                        Output::DisplayData { data, metadata }
                        | Output::ExecuteResult { data, metadata, .. },
                } if *known == id => {
                    data.clone_from(&new_data);
                    metadata.clone_from(&new_metadata);
                }
                Item::Shown { .. } | Item::Stream(_) => {}
            }
        }
    }

    fn clear_if_asked(&mut self) {
        if std::mem::take(&mut self.clear_before_next) {
            self.items.clear();
        }
    }
}

impl Stream {
    fn push(&mut self, text: &str) {
        let room = HEAD.saturating_sub(self.head.len());
        let (head, rest) = if self.left_out == 0 && self.tail.is_empty() {
            text.split_at(floor_char_boundary(text, room))
        } else {
            ("", text)
        };
        self.head.push_str(head);
        self.tail.push_str(rest);
        // Cut at twice the bound, so that each character is moved once.
        if self.tail.len() > 2 * TAIL {
            let cut = floor_char_boundary(&self.tail, self.tail.len() - TAIL);
            self.left_out += self.tail.drain(..cut).map(|_| 1).sum::<usize>();
        }
    }

    fn into_text(self) -> String {
        if self.left_out == 0 {
            return self.head + &self.tail;
        }
        format!("{}\n… [{} characters left out] …\n{}", self.head, self.left_out, self.tail)
    }
}

impl Item {
    fn into_output(self) -> Output {
        match self {
            Item::Stream(stream) => {
                Output::Stream { name: stream.name.clone(), text: stream.into_text() }
            }
            Item::Shown { output, .. } => output,
        }
    }
}

fn output(msg_type: &str, mut content: Map<String, Value>) -> Output {
    if msg_type == "error" {
        let lines = content.remove("traceback").unwrap_or_default();
        let traceback = lines.as_array().into_iter().flatten();
        return Output::Error {
            ename: text(&mut content, "ename"),
            evalue: text(&mut content, "evalue"),
            traceback: traceback.filter_map(Value::as_str).map(str::to_owned).collect(),
        };
    }
    let execution_count = content.get("execution_count").and_then(Value::as_u64);
    let (data, metadata) = (object(&mut content, "data"), object(&mut content, "metadata"));
    match msg_type {
        "execute_result" => Output::ExecuteResult { execution_count, data, metadata },
        _ => Output::DisplayData { data, metadata },
    }
}

/// How long the texts of an output are, if it has no picture.
fn text_bytes(output: &Output) -> Option<usize> {
    let (Output::DisplayData { data, .. } | Output::ExecuteResult { data, .. }) = output else {
        return Some(0);
    };
    let bytes = |value: &Value| value.as_str().map_or(0, str::len);
    let picture = data.keys().any(|mime| mime.starts_with("image/"));
    (!picture).then(|| data.values().map(bytes).sum())
}

fn display_id(content: &Map<String, Value>) -> Option<String> {
    content.get("transient")?.get("display_id")?.as_str().map(str::to_owned)
}

fn flag(content: &Map<String, Value>, key: &str) -> bool {
    content.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn text(content: &mut Map<String, Value>, key: &str) -> String {
    match content.remove(key) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

fn object(content: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match content.remove(key) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gathered(messages: &[(&str, Value)]) -> Vec<Output> {
        let mut outputs = Outputs::default();
        for (msg_type, content) in messages {
            outputs.push(msg_type, content.as_object().unwrap().clone());
        }
        outputs.finish()
    }

    fn stream(name: &str, text: &str) -> Output {
        Output::Stream { name: name.into(), text: text.into() }
    }

    fn printed(name: &str, text: &str) -> (&'static str, Value) {
        ("stream", json!({"name": name, "text": text}))
    }

    fn shown(id: &str, text: &str) -> Value {
        json!({"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": id}})
    }

    #[test]
    fn adjacent_text_of_one_stream_is_joined() {
        let outputs = gathered(&[
            printed("stdout", "a"),
            printed("stdout", "b"),
            printed("stderr", "c"),
            printed("stdout", "d"),
        ]);
        let expected = [stream("stdout", "ab"), stream("stderr", "c"), stream("stdout", "d")];
        assert_eq!(outputs, expected);
    }

    #[test]
    fn an_update_replaces_what_was_shown_under_its_id() {
        let outputs = gathered(&[
            ("display_data", shown("x", "old")),
            ("display_data", shown("y", "other")),
            ("update_display_data", shown("x", "new")),
        ]);
        let texts: Vec<_> = outputs
            .iter()
            .map(|output| match output {
                Output::DisplayData { data, .. } => data["text/plain"].as_str().unwrap(),
                _ => panic!("{output:?}"),
            })
            .collect();
        assert_eq!(texts, ["new", "other"]);
    }

    #[test]
    fn clear_output_clears_now_or_before_the_next_output() {
        let clear = |wait: bool| ("clear_output", json!({"wait": wait}));
        assert_eq!(gathered(&[printed("stdout", "a"), clear(false)]), []);
        assert_eq!(gathered(&[printed("stdout", "a"), clear(true)]), [stream("stdout", "a")]);
        let outputs = gathered(&[printed("stdout", "a"), clear(true), printed("stdout", "b")]);
        assert_eq!(outputs, [stream("stdout", "b")]);
    }

    #[test]
    fn a_long_stream_keeps_its_beginning_and_its_end() {
        let mut outputs = Outputs::default();
        for line in 0..100_000 {
            outputs.stream("stdout", &format!("zeile äöü {line}\n"));
        }
        let [Output::Stream { text, .. }] = &outputs.finish()[..] else { panic!("one stream") };
        assert!(text.len() < HEAD + 2 * TAIL + 100);
        assert!(text.starts_with("zeile äöü 0\n") && text.ends_with("zeile äöü 99999\n"));
        assert!(text.contains("characters left out] …\n"));
    }

    #[test]
    fn foreign_contents_without_their_fields_do_no_harm() {
        for msg_type in ["stream", "error", "display_data", "execute_result", "update_display_data"]
        {
            assert!(gathered(&[(msg_type, json!({}))]).len() <= 1);
        }
    }
}
