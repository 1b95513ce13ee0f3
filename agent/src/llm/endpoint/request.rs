//! What is sent to a server: the chat as JSON, and the parameters that it has not refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::control::disarm;
use crate::llm::{GenerateRequest, Sampling};
use crate::transcript::{ChatMessage, Role, Segment};

/// Said to a server that cannot continue a message, after what it has written so far.
const GO_ON: &str = "Your last message was cut off because it was too long. Write on exactly where it stops, from the \
                     next character on. Repeat nothing of it, and say nothing about it.";

/// Parameters that a server may refuse; without them it answers all the same. What it then does not do, we do: we cut
/// at stop strings and at the limit.
pub(super) const OPTIONAL: &[&str] = &[
    "stream_options",
    "stop",
    "seed",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "max_tokens",
    "continue_final_message",
];

/// How a server is spoken to.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// Name of the model.
    pub model: String,
    /// Whether it continues the assistant's last message if it is asked to.
    pub continues: bool,
    /// Of [`OPTIONAL`], those that it has refused.
    pub refused: BTreeSet<&'static str>,
}

impl Manner {
    /// Whether the last message is one that the server is asked to continue.
    pub(super) fn is_continued(&self, messages: &[ChatMessage]) -> bool {
        self.continues
            && !self.refused.contains("continue_final_message")
            && open_message(messages).is_some()
    }

    /// The body of a request.
    pub(super) fn body(&self, request: &GenerateRequest<'_>) -> Value {
        let continued = self.is_continued(request.messages);
        let mut body = Map::new();
        body.insert(String::from("model"), json!(self.model));
        body.insert(String::from("messages"), messages(request.messages, continued));
        body.insert(String::from("stream"), json!(true));
        let mut set = |name: &'static str, value: Value| {
            if !self.refused.contains(name) {
                body.insert(name.to_owned(), value);
            }
        };
        set("stream_options", json!({"include_usage": true}));
        if !request.stop.is_empty() {
            set("stop", json!(request.stop));
        }
        set("seed", json!(request.seed));
        // The newer name of the limit, which some servers insist on and others do not know.
        set("max_tokens", json!(request.max_new_tokens));
        sampling(request.sampling, &mut set);
        if continued {
            set("continue_final_message", json!(true));
            set("add_generation_prompt", json!(false));
        }
        if self.refused.contains("max_tokens") {
            set("max_completion_tokens", json!(request.max_new_tokens));
        }
        Value::Object(body)
    }
}

fn sampling(sampling: &Sampling, set: &mut dyn FnMut(&'static str, Value)) {
    let Sampling::Random { temperature, top_k, top_p, min_p, repetition_penalty } = sampling else {
        return set("temperature", json!(0));
    };
    set("temperature", json!(temperature));
    let more = [
        ("top_k", top_k.map(|value| json!(value))),
        ("top_p", top_p.map(|value| json!(value))),
        ("min_p", min_p.map(|value| json!(value))),
        ("repetition_penalty", repetition_penalty.map(|value| json!(value))),
    ];
    for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        set(name, value);
    }
}

fn messages(messages: &[ChatMessage], continued: bool) -> Value {
    let said = messages.iter().map(|message| (message.role, text(message)));
    // A message of which only the thought was written is begun anew.
    let mut said: Vec<_> =
        said.filter(|(role, text)| *role != Role::Assistant || !text.is_empty()).collect();
    if !continued && open_message(messages).is_some() {
        said.push((Role::User, GO_ON.to_owned()));
    }
    let said = said.into_iter().map(|(role, text)| json!({"role": role.name(), "content": text}));
    said.collect()
}

/// The text of the assistant's message that the chat ends with, if there is one.
pub(super) fn open_message(messages: &[ChatMessage]) -> Option<String> {
    let last = messages.last().filter(|message| message.role == Role::Assistant)?;
    Some(text(last)).filter(|text| !text.is_empty())
}

/// The text of a message, with control strings disarmed in all that is not ours, and without the thoughts that
/// [`super::writing`] has put in front: models are not shown those again.
pub(super) fn text(message: &ChatMessage) -> String {
    let texts = message.content.iter().map(|segment| match segment {
        Segment::Markup(text) => text.clone(),
        Segment::Data(text) => disarm(text),
        Segment::Generated { text, .. } => disarm(super::writing::without_reasoning(text)),
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Interrupt;

    fn said(role: Role, content: &[Segment]) -> ChatMessage {
        ChatMessage { role, content: content.to_vec() }
    }

    fn data(text: &str) -> Segment {
        Segment::Data(text.to_owned())
    }

    fn written(text: &str) -> Segment {
        Segment::Generated { text: text.to_owned(), tokens: Vec::new() }
    }

    fn manner(continues: bool, refused: &[&'static str]) -> Manner {
        let refused = refused.iter().copied().collect();
        Manner { model: String::from("m"), continues, refused }
    }

    fn body(manner: &Manner, messages: &[ChatMessage], sampling: &Sampling) -> Value {
        manner.body(&GenerateRequest {
            messages,
            stop: &["</step>"],
            sampling,
            seed: 7,
            max_new_tokens: 9,
            interrupt: &Interrupt::default(),
        })
    }

    #[test]
    fn a_chat_is_sent_with_control_strings_disarmed_in_all_but_our_own_text() {
        let chat = [
            said(Role::System, &[Segment::Markup(String::from("Write <step>."))]),
            said(
                Role::User,
                &[data("<|im_end|>q"), Segment::Markup(String::from("\n\n")), data("</s>")],
            ),
            said(Role::Assistant, &[written("<step>[INST]</step>"), data("\n<|eot_id|>")]),
            said(Role::User, &[data("on")]),
        ];
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "Write <step>."},
                {"role": "user", "content": "‹|im_end|>q\n\n‹/s>"},
                {"role": "assistant", "content": "<step>［INST]</step>\n‹|eot_id|>"},
                {"role": "user", "content": "on"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "stop": ["</step>"],
            "seed": 7,
            "max_tokens": 9,
            "temperature": 0,
        });
        assert_eq!(body(&manner(true, &[]), &chat, &Sampling::Greedy), expected);
    }

    #[test]
    fn a_message_in_progress_is_continued_where_the_server_can() {
        let chat = [said(Role::User, &[data("q")]), said(Role::Assistant, &[written("<step>x")])];
        let roles = |manner: &Manner, chat: &[ChatMessage]| {
            let body = body(manner, chat, &Sampling::Greedy);
            let messages = body["messages"].as_array().unwrap();
            let last = messages.last().unwrap()["role"].as_str().unwrap().to_owned();
            (messages.len(), last, body["continue_final_message"].clone())
        };
        assert_eq!(roles(&manner(true, &[]), &chat), (2, String::from("assistant"), json!(true)));
        assert_eq!(roles(&manner(false, &[]), &chat), (3, String::from("user"), json!(null)));
        let refused = manner(true, &["continue_final_message"]);
        assert_eq!(roles(&refused, &chat), (3, String::from("user"), json!(null)));
        // Only thought so far.
        let chat =
            [said(Role::User, &[data("q")]), said(Role::Assistant, &[written("<think>\nx")])];
        assert_eq!(roles(&manner(true, &[]), &chat), (1, String::from("user"), json!(null)));
        assert_eq!(roles(&manner(false, &[]), &chat), (1, String::from("user"), json!(null)));
    }

    #[test]
    fn what_a_server_has_refused_is_left_out() {
        let sampling = Sampling::Random {
            temperature: 0.5,
            top_k: Some(4),
            top_p: None,
            min_p: Some(0.5),
            repetition_penalty: None,
        };
        let chat = [said(Role::User, &[data("q")])];
        let names = |refused: &[&'static str]| {
            let body = body(&manner(false, refused), &chat, &sampling);
            body.as_object().unwrap().keys().skip(3).cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&[]), "stream_options stop seed max_tokens temperature top_k min_p");
        assert_eq!(
            names(&["max_tokens", "seed", "top_k"]),
            "stream_options stop temperature min_p max_completion_tokens"
        );
        let all = names(OPTIONAL);
        assert_eq!(all, "max_completion_tokens", "what must be known is always sent");
    }
}
