//! Pure: what a cell published → the outputs that a notebook keeps.

use serde_json::{Map, Value, json};

/// The outputs of one cell, in the form of nbformat 4.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    list: Vec<Value>,
    /// The display id of each output, where it has one.
    ids: Vec<Option<String>>,
    /// Set by `clear_output(wait=True)`: the next output replaces all.
    clears_next: bool,
    /// Updates of displays that are not here: an earlier cell made them.
    pub elsewhere: Vec<Update>,
}

/// New contents of a display.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Which display.
    pub display_id: String,
    data: Value,
    metadata: Value,
}

impl Outputs {
    /// The outputs so far.
    pub fn list(&self) -> &[Value] {
        &self.list
    }

    /// Takes one published message; types that are no output change nothing.
    pub fn take(&mut self, msg_type: &str, content: &Value) {
        match msg_type {
            "stream" => self.stream(content),
            "display_data" => self.push(as_output(content, "display_data"), id_of(content)),
            "execute_result" => {
                let mut output = as_output(content, "execute_result");
                output["execution_count"] = content["execution_count"].clone();
                self.push(output, id_of(content));
            }
            "update_display_data" => self.update_from(content),
            "error" => {
                let mut output = json!({"output_type": "error"});
                for field in ["ename", "evalue", "traceback"] {
                    output[field] = content[field].clone();
                }
                self.push(output, None);
            }
            "clear_output" if content["wait"] == true => self.clears_next = true,
            "clear_output" => self.clear(),
            _ => {}
        }
    }

    /// Changes the displays of that id; says whether there was one.
    pub fn update(&mut self, update: &Update) -> bool {
        let mut found = false;
        for (output, id) in self.list.iter_mut().zip(&self.ids) {
            if id.as_deref() == Some(&*update.display_id) {
                output["data"] = update.data.clone();
                output["metadata"] = update.metadata.clone();
                found = true;
            }
        }
        found
    }

    fn update_from(&mut self, content: &Value) {
        let Some(display_id) = id_of(content) else { return };
        let object = |field: &str| match &content[field] {
            Value::Object(map) => Value::Object(map.clone()),
            _ => json!({}),
        };
        let update = Update { display_id, data: object("data"), metadata: object("metadata") };
        if !self.update(&update) {
            self.elsewhere.push(update);
        }
    }

    /// Joins text to the output before it, if that is the same stream.
    fn stream(&mut self, content: &Value) {
        let (name, text) = (&content["name"], content["text"].as_str().unwrap_or_default());
        if !self.clears_next
            && let Some(last) = self.list.last_mut()
            && last["output_type"] == "stream"
            && last["name"] == *name
            && let Some(Value::String(all)) = last.get_mut("text")
        {
            all.push_str(text);
            return;
        }
        self.push(json!({"output_type": "stream", "name": name, "text": text}), None);
    }

    fn push(&mut self, output: Value, id: Option<String>) {
        if self.clears_next {
            self.clear();
        }
        self.list.push(output);
        self.ids.push(id);
    }

    fn clear(&mut self) {
        self.clears_next = false;
        self.list.clear();
        self.ids.clear();
    }
}

fn id_of(content: &Value) -> Option<String> {
    content["transient"]["display_id"].as_str().map(str::to_owned)
}

fn as_output(content: &Value, output_type: &str) -> Value {
    let object = |field: &str| match &content[field] {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    json!({"output_type": output_type, "data": object("data"), "metadata": object("metadata")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &[(&str, Value)], expected: Value) -> Outputs {
        let mut outputs = Outputs::default();
        for (msg_type, content) in messages {
            outputs.take(msg_type, content);
        }
        assert_eq!(json!(outputs.list()), expected);
        outputs
    }

    fn stream(name: &str, text: &str) -> (&'static str, Value) {
        ("stream", json!({"name": name, "text": text}))
    }

    fn display(kind: &'static str, id: &str, text: &str) -> (&'static str, Value) {
        let content =
            json!({"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": id}});
        (kind, content)
    }

    fn shown(text: &str) -> Value {
        json!({"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}})
    }

    #[test]
    fn adjacent_text_of_one_stream_is_joined() {
        let messages = [
            stream("stdout", "a"),
            stream("stdout", "b"),
            stream("stderr", "c"),
            stream("stdout", "d"),
        ];
        check(
            &messages,
            json!([
                {"output_type": "stream", "name": "stdout", "text": "ab"},
                {"output_type": "stream", "name": "stderr", "text": "c"},
                {"output_type": "stream", "name": "stdout", "text": "d"},
            ]),
        );
    }

    #[test]
    fn a_display_is_updated_in_place_and_an_unknown_one_is_handed_on() {
        let mut first = check(
            &[
                display("display_data", "x", "1"),
                stream("stdout", "a"),
                display("update_display_data", "x", "2"),
            ],
            json!([shown("2"), {"output_type": "stream", "name": "stdout", "text": "a"}]),
        );
        let second = check(&[display("update_display_data", "x", "3")], json!([]));
        assert!(first.update(&second.elsewhere[0]));
        assert_eq!(first.list()[0], shown("3"));
    }

    #[test]
    fn output_is_cleared_at_once_or_by_the_next_output() {
        check(&[stream("stdout", "a"), ("clear_output", json!({"wait": false}))], json!([]));
        let wait = ("clear_output", json!({"wait": true}));
        let kept = json!([{"output_type": "stream", "name": "stdout", "text": "a"}]);
        check(&[stream("stdout", "a"), wait.clone()], kept);
        let replaced = json!([{"output_type": "stream", "name": "stdout", "text": "b"}]);
        check(&[stream("stdout", "a"), wait, stream("stdout", "b")], replaced);
    }

    #[test]
    fn results_and_errors_keep_what_the_format_knows() {
        let content = json!({"execution_count": 7, "data": {"text/plain": "1"}, "metadata": {"a": 1}, "transient": {}});
        check(
            &[
                ("status", json!({"execution_state": "busy"})),
                ("execute_result", content),
                (
                    "error",
                    json!({"ename": "E", "evalue": "v", "traceback": ["t"], "engine_info": {}}),
                ),
            ],
            json!([
                {"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {"a": 1}, "execution_count": 7},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
            ]),
        );
    }
}
