//! What a client is told of an answer in the making. Pure: what the kernel publishes in, what is new in it out.

use serde_json::Value;

use crate::display::{STEP_MIME, fence};

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delta {
    /// Of what the analyst understands, thinks and runs.
    Reasoning(String),
    /// Of the answer.
    Content(String),
}

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    step: u64,
    understanding: String,
    thought: String,
    has_code: bool,
    answer: String,
}

impl Told {
    /// Takes what the kernel published.
    pub(super) fn hear(&mut self, kind: &str, content: &Value) -> Option<Delta> {
        let json = &content["data"][STEP_MIME];
        if !matches!(kind, "display_data" | "update_display_data") {
            return None;
        }
        if json["part"] == "answer" {
            let text = json["text"].as_str().unwrap_or_default();
            // Taken back: what is told cannot be, so that what comes in its place stands below it.
            let gap = if text.is_empty() && !self.answer.is_empty() { "\n\n" } else { "" };
            let new = format!("{gap}{}", grown(&mut self.answer, text));
            return Some(Delta::Content(new)).filter(|_| !text.is_empty() || !gap.is_empty());
        }
        let new = self.hear_step(json["step"].as_u64()?, json);
        Some(Delta::Reasoning(new)).filter(|delta| *delta != Delta::Reasoning(String::new()))
    }

    fn hear_step(&mut self, step: u64, json: &Value) -> String {
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        let mut new = String::new();
        if step != self.step {
            if self.step > 0 {
                new.push_str("\n\n");
            }
            let answer = std::mem::take(&mut self.answer);
            *self = Self { step, answer, ..Self::default() };
        }
        new.push_str(&grown(&mut self.understanding, text("understanding")));
        let thought = grown(&mut self.thought, text("thought"));
        if !thought.is_empty() && !self.understanding.is_empty() && thought == self.thought {
            new.push_str("\n\n");
        }
        new.push_str(&thought);
        if !self.has_code && json["state"] != "writing" && json["part"].is_null() {
            self.has_code = true;
            let code = text("code");
            let fence = fence(code);
            new.extend(["\n\n", &*fence, "python\n", code, "\n", &*fence, "\n"]);
        }
        new
    }

    /// What of the whole answer was not told yet: all of it where something else was.
    pub(super) fn rest_of(&self, answer: &str) -> Option<Delta> {
        let told = self.answer.trim();
        let rest = match answer.strip_prefix(told) {
            Some(rest) => rest.to_owned(),
            None => format!("\n\n{answer}"),
        };
        Some(Delta::Content(rest)).filter(|delta| *delta != Delta::Content(String::new()))
    }
}

/// What a text has more than was told of it. An empty one begins anew; what has become another text is not told.
fn grown(told: &mut String, text: &str) -> String {
    if text.is_empty() {
        told.clear();
    }
    let more = text.strip_prefix(told.as_str()).unwrap_or_default().to_owned();
    told.push_str(&more);
    more
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(published: &[Value], expected: &[&str]) -> Told {
        let mut told = Told::default();
        let heard = published.iter().filter_map(|json| {
            let shown = json!({"data": {STEP_MIME: json}});
            told.hear("update_display_data", &shown).map(|delta| match delta {
                Delta::Reasoning(text) => format!("reasoning {text}"),
                Delta::Content(text) => format!("content {text}"),
            })
        });
        assert_eq!(heard.collect::<Vec<_>>(), expected);
        told
    }

    fn step(step: u64, state: &str, thought: &str, code: &str) -> Value {
        json!({"step": step, "state": state, "thought": thought, "code": code})
    }

    fn answer(text: &str) -> Value {
        json!({"part": "answer", "text": text})
    }

    #[test]
    fn each_text_is_told_once_as_it_grows() {
        let published = [
            step(1, "writing", "Lo", ""),
            step(1, "writing", "Load", ""),
            step(1, "writing", "Load", "x ="),
            step(1, "running", "Load", "x = 1"),
            step(1, "done", "Load", "x = 1"),
            json!({"step": 2, "part": "thought", "thought": "So"}),
            answer("4"),
            answer("42 "),
            json!({"part": "end"}),
        ];
        let told = check(
            &published,
            &[
                "reasoning Lo",
                "reasoning ad",
                "reasoning \n\n```python\nx = 1\n```\n",
                "reasoning \n\nSo",
                "content 4",
                "content 2 ",
            ],
        );
        assert_eq!(told.rest_of("42 in all"), Some(Delta::Content(String::from(" in all"))));
        assert_eq!(told.rest_of("42"), None);
        assert_eq!(told.rest_of("7"), Some(Delta::Content(String::from("\n\n7"))));
    }

    #[test]
    fn what_comes_in_place_of_an_answer_stands_below_it() {
        let told = check(
            &[answer("4"), answer(""), answer("5")],
            &["content 4", "content \n\n", "content 5"],
        );
        assert_eq!(told.rest_of("5"), None);
    }

    #[test]
    fn what_is_understood_comes_first_and_code_is_fenced_by_more_than_it_holds() {
        let mut first = step(1, "writing", "", "");
        first["understanding"] = json!("A table");
        let mut second = step(1, "done", "Count", "'```'");
        second["understanding"] = json!("A table");
        check(
            &[first, second],
            &["reasoning A table", "reasoning \n\nCount\n\n````python\n'```'\n````\n"],
        );
    }

    #[test]
    fn only_displays_of_the_turn_are_heard() {
        let shown = json!({"data": {STEP_MIME: answer("4")}});
        assert_eq!(Told::default().hear("stream", &shown), None);
        assert_eq!(
            Told::default().hear("display_data", &json!({"data": {"text/plain": "4"}})),
            None
        );
    }
}
