//! `POST /v1/chat/completions`: the last message of the user is asked, the answer comes whole or as a stream of events.
//!
//! A chat goes on in the thread in which the messages before the last were said, word by word, so that what its cells
//! made is there. Beyond the protocol: `thread_id` asks a thread whatever stands before; `file_ids` names files, as
//! parts of a message of the type `file` do. What the analyst thinks and runs stands in `reasoning_content`, as other
//! servers have it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Shared;
use super::error::ApiError;
use super::files::Uploaded;
use super::threads::{Answering, Chat, Line};
use super::told::Delta;
use crate::headless::session::Asked;

/// A completion that is asked for.
pub(super) async fn complete(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(body) =
        body.map_err(|error| ApiError::unreadable(error.status(), error.body_text()))?;
    let wanted = Wanted::read(&body)?;
    let uploaded = |ids: &[String]| {
        ids.iter().map(|id| shared.files.get(id)).collect::<Result<Vec<Uploaded>, _>>()
    };
    let files = uploaded(&wanted.files)?;
    let names: BTreeSet<&str> = files.iter().map(|file| &*file.name).collect();
    if names.len() < files.len() {
        let message = "expected files of different names, found two of one name: upload one under another name";
        return Err(ApiError::invalid(Some("file_ids"), message));
    }
    let chat = Chat {
        thread: wanted.thread,
        earlier: wanted.earlier,
        earlier_files: uploaded(&wanted.earlier_files)?,
        instructions: wanted.instructions,
        text: wanted.text,
        files,
    };
    let answering = shared.threads.ask(chat)?;
    let id = format!("chatcmpl-{}", Uuid::new_v4().simple());
    let created = jiff::Timestamp::now().as_second();
    let talk = Talk { model: shared.model.clone(), id, created, answering };
    if !wanted.as_stream {
        return Ok(talk.whole().await?.into_response());
    }
    let (events, stream) = mpsc::unbounded_channel();
    tokio::spawn(talk.stream(events, wanted.with_usage));
    Ok(Sse::new(Events(stream)).keep_alive(KeepAlive::default()).into_response())
}

/// What a request wants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    text: String,
    /// Ids of files, each once.
    files: Vec<String>,
    thread: Option<String>,
    /// What the user and the analyst said before, and the ids of files that came with it.
    earlier: Vec<Line>,
    earlier_files: Vec<String>,
    /// What the messages of the system say, if there are any.
    instructions: Option<String>,
    as_stream: bool,
    with_usage: bool,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, ApiError> {
        if let Some(name) = unsupported(body) {
            let message = format!("`{name}` is not supported: leave it out");
            return Err(ApiError::invalid(Some(name), message));
        }
        let messages = list(body, "messages")?;
        let last = messages.iter().rposition(|message| message["role"] == "user");
        let last = last.ok_or_else(|| expected("messages", "one of the role `user`"))?;
        let (before, from) = messages.split_at(last);
        let (text, mut files) = from.first().map(said_in).transpose()?.unwrap_or_default();
        if text.trim().is_empty() {
            return Err(expected("messages", "a text in the last one of the role `user`"));
        }
        let (mut earlier, mut earlier_files, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        for message in before {
            let (text, ids) = said_in(message)?;
            match message["role"].as_str() {
                Some("user") => earlier.push(Line { role: "user", text }),
                Some("assistant") => earlier.push(Line { role: "assistant", text }),
                Some("system" | "developer") => rules.push(text),
                _ => {}
            }
            earlier_files.extend(ids);
        }
        let instructions = (!rules.is_empty()).then(|| rules.join("\n\n"));
        for id in list(body, "file_ids")? {
            let id = id.as_str().ok_or_else(|| expected("file_ids", "a list of texts"))?;
            files.push(id.to_owned());
        }
        let mut seen = BTreeSet::new();
        files.retain(|id| seen.insert(id.clone()));
        earlier_files.retain(|id| seen.insert(id.clone()));
        let thread = match &body["thread_id"] {
            Value::Null => None,
            Value::String(id) => Some(id.clone()),
            _ => return Err(expected("thread_id", "a text")),
        };
        let as_stream = body["stream"] == true;
        let with_usage = body["stream_options"]["include_usage"] == true;
        Ok(Self {
            text,
            files,
            thread,
            earlier,
            earlier_files,
            instructions,
            as_stream,
            with_usage,
        })
    }
}

/// The first parameter whose effect a client would wait for in vain.
fn unsupported(body: &Value) -> Option<&'static str> {
    let is_set = |name: &str| match &body[name] {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    [
        ("n", is_set("n") && body["n"] != 1),
        ("tools", is_set("tools")),
        ("functions", is_set("functions")),
        ("logprobs", is_set("logprobs")),
        ("response_format", is_set("response_format") && body["response_format"]["type"] != "text"),
    ]
    .into_iter()
    .find_map(|(name, is_asked)| is_asked.then_some(name))
}

/// The words of a message, and the files that its parts name.
fn said_in(message: &Value) -> Result<(String, Vec<String>), ApiError> {
    let (mut text, mut files) = (String::new(), Vec::new());
    match &message["content"] {
        Value::String(content) => text.push_str(content),
        Value::Array(parts) => {
            for part in parts {
                match (part["type"].as_str(), &part["text"], &part["file"]["file_id"]) {
                    (Some("text"), Value::String(more), _) => text.push_str(more),
                    (Some("file"), _, Value::String(id)) => files.push(id.clone()),
                    _ => {
                        let parts = "parts of the types `text`, with a `text`, and `file`, with a `file_id`, alone";
                        return Err(expected("messages", parts));
                    }
                }
            }
        }
        _ => {}
    }
    Ok((text, files))
}

fn list<'a>(body: &'a Value, name: &'static str) -> Result<&'a [Value], ApiError> {
    match &body[name] {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        _ => Err(expected(name, "a list")),
    }
}

fn expected(name: &'static str, what: &str) -> ApiError {
    ApiError::invalid(Some(name), format!("`{name}`: expected {what}, found none"))
}

/// A question that is being answered, as a client is told of it.
struct Talk {
    model: String,
    id: String,
    created: i64,
    answering: Answering,
}

impl Talk {
    async fn whole(mut self) -> Result<Json<Value>, ApiError> {
        let mut reasoning = String::new();
        while let Some(delta) = self.answering.heard.recv().await {
            if let Delta::Reasoning(more) = delta {
                reasoning.push_str(&more);
            }
        }
        let asked = self.ended().await?;
        let message = json!({
            "role": "assistant", "content": asked.answer, "refusal": null, "reasoning_content": reasoning,
        });
        let mut body = self.frame("chat.completion");
        body["choices"] = json!([{
            "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(&asked),
        }]);
        body["usage"] = usage(&asked);
        Ok(Json(body))
    }

    /// Sends all chunks. When nobody takes them, `self` goes, and the question with it.
    async fn stream(mut self, events: mpsc::UnboundedSender<Event>, with_usage: bool) {
        let send = |value: Value| events.send(Event::default().data(value.to_string())).is_ok();
        send(self.chunk(&json!({"role": "assistant", "content": ""}), None));
        loop {
            let delta = tokio::select! {
                delta = self.answering.heard.recv() => delta,
                () = events.closed() => return,
            };
            match delta {
                Some(Delta::Reasoning(text)) => {
                    send(self.chunk(&json!({"reasoning_content": text}), None))
                }
                Some(Delta::Content(text)) => send(self.chunk(&json!({"content": text}), None)),
                None => break,
            };
        }
        match self.ended().await {
            Ok(asked) => {
                send(self.chunk(&json!({}), Some(finish_reason(&asked))));
                if with_usage {
                    let mut last = self.frame("chat.completion.chunk");
                    (last["choices"], last["usage"]) = (json!([]), usage(&asked));
                    send(last);
                }
            }
            Err(error) => {
                send(error.body());
            }
        }
        let _ = events.send(Event::default().data("[DONE]"));
    }

    async fn ended(&mut self) -> Result<Asked, ApiError> {
        // A thread that panicked, or was deleted while this waited, drops its end.
        (&mut self.answering.done).await.unwrap_or_else(|_| Err(ApiError::stopped()))
    }

    fn frame(&self, object: &str) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "thread_id": self.answering.thread,
        })
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        let mut chunk = self.frame("chat.completion.chunk");
        chunk["choices"] =
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
        chunk
    }
}

/// Events as they come over a channel.
struct Events(mpsc::UnboundedReceiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// A turn that ran into a bound has no answer that could go on.
fn finish_reason(asked: &Asked) -> &'static str {
    if asked.status == "gave_up" { "length" } else { "stop" }
}

fn usage(asked: &Asked) -> Value {
    let [read, written] = asked.tokens;
    json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(content: Value) -> Value {
        json!([{"role": "user", "content": content}])
    }

    #[test]
    fn a_question_is_the_last_word_of_the_user_with_its_files() {
        let body = json!({
            "model": "any", "stream": true, "stream_options": {"include_usage": true}, "n": 1, "tools": [],
            "response_format": {"type": "text"}, "temperature": 0.5, "thread_id": "t", "file_ids": ["b", "a"],
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": [
                    {"type": "text", "text": "before"}, {"type": "file", "file": {"file_id": "c"}},
                    {"type": "file", "file": {"file_id": "a"}},
                ]},
                {"role": "developer", "content": "In euros."},
                {"role": "assistant", "content": "yes"},
                {"role": "user", "content": [
                    {"type": "text", "text": "now"}, {"type": "text", "text": "?"},
                    {"type": "file", "file": {"file_id": "a"}},
                ]},
            ],
        });
        let expected = Wanted {
            text: "now?".into(),
            files: vec!["a".into(), "b".into()],
            thread: Some("t".into()),
            earlier: vec![
                Line { role: "user", text: "before".into() },
                Line { role: "assistant", text: "yes".into() },
            ],
            earlier_files: vec!["c".into()],
            instructions: Some("Be short.\n\nIn euros.".into()),
            as_stream: true,
            with_usage: true,
        };
        assert_eq!(Wanted::read(&body), Ok(expected));
        let plain = Wanted { text: "now?".into(), ..Wanted::default() };
        assert_eq!(Wanted::read(&json!({"messages": user(json!("now?"))})), Ok(plain));
    }

    #[test]
    fn what_is_no_question_or_cannot_be_done_is_refused_by_the_name_of_the_parameter() {
        let asking = |name: &str, value: Value| json!({"messages": user(json!("a?")), name: value});
        for (body, param) in [
            (json!([]), "messages"),
            (json!("x"), "messages"),
            (json!({}), "messages"),
            (json!({"messages": "a"}), "messages"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": [1]}), "messages"),
            (json!({"messages": [{"role": "system", "content": "x"}]}), "messages"),
            (json!({"messages": user(json!(" "))}), "messages"),
            (json!({"messages": user(Value::Null)}), "messages"),
            (json!({"messages": user(json!([{"type": "image_url"}]))}), "messages"),
            (
                json!({"messages": user(json!([{"type": "file", "file": {"file_data": "x"}}]))}),
                "messages",
            ),
            (asking("file_ids", json!("a")), "file_ids"),
            (asking("file_ids", json!([1])), "file_ids"),
            (asking("thread_id", json!(1)), "thread_id"),
            (asking("n", json!(2)), "n"),
            (asking("tools", json!([{}])), "tools"),
            (asking("functions", json!([{}])), "functions"),
            (asking("logprobs", json!(true)), "logprobs"),
            (asking("response_format", json!({"type": "json_object"})), "response_format"),
        ] {
            let refusal = Wanted::read(&body).unwrap_err().body();
            assert_eq!(refusal["error"]["param"], param, "{body}");
        }
    }
}
