//! What a chat-completions server says, as far as it is understood: the pieces of a stream, or the whole at once.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat/streaming>, and what vLLM, llama.cpp and Ollama add to it.

use serde_json::Value;

/// More than any model reads or writes.
const MOST_TOKENS: u64 = 1 << 24;

/// One event of a stream, or a whole reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Piece {
    /// Text of the message.
    pub content: String,
    /// Text that the server sorted out as thought.
    pub reasoning: String,
    /// Why the message ended, in the server's word.
    pub finish: Option<String>,
    /// The stop string that ended it, where the server says.
    pub stop: Option<String>,
    /// What was counted.
    pub counted: Option<Counted>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Tokens that the server counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Of the prompt.
    pub prompt: usize,
    /// Of these, held from before.
    pub cached: usize,
    /// Written.
    pub completion: usize,
}

impl Piece {
    /// Reads a JSON value; what is not known is passed over, so that any server's additions do no harm.
    pub(super) fn of(value: &Value) -> Self {
        let choice = &value["choices"][0];
        // `delta` in a stream, `message` in a whole reply.
        let said = [&choice["delta"], &choice["message"]];
        let text = |name: &str| {
            said.iter().find_map(|said| said[name].as_str()).unwrap_or_default().to_owned()
        };
        let reasoning = [text("reasoning_content"), text("reasoning")];
        let word =
            |value: &Value| value.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
        Self {
            content: text("content"),
            reasoning: reasoning.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
            finish: word(&choice["finish_reason"]),
            stop: word(&choice["stop_reason"]).or_else(|| word(&value["stopping_word"])),
            counted: Counted::of(&value["usage"]),
            error: error(value),
        }
    }
}

impl Counted {
    fn of(usage: &Value) -> Option<Self> {
        Some(Self {
            prompt: tokens(&usage["prompt_tokens"])?,
            cached: tokens(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0),
            completion: tokens(&usage["completion_tokens"]).unwrap_or(0),
        })
    }
}

/// A number of tokens, of which we add and multiply: bounded.
pub(super) fn tokens(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?.min(MOST_TOKENS)).ok()
}

/// The message of an error object, in any of the shapes that servers give it.
pub(super) fn error(value: &Value) -> Option<String> {
    let error = [&value["error"], &value["detail"]].into_iter().find(|found| !found.is_null());
    let error = error.or_else(|| (value["object"] == "error").then_some(&value["message"]))?;
    let text = [&error["message"], &error["error"], error].into_iter().find_map(Value::as_str);
    Some(text.map_or_else(|| error.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, expected: Piece) {
        assert_eq!(Piece::of(&value), expected, "{value}");
    }

    #[test]
    fn pieces_of_a_stream_and_whole_replies_are_read_alike() {
        let content = || Piece { content: String::from("Hi"), ..Piece::default() };
        check(
            json!({"choices": [{"delta": {"role": "assistant", "content": "Hi"}, "finish_reason": null}]}),
            content(),
        );
        let whole = json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 3}}});
        let counted = Some(Counted { prompt: 7, cached: 3, completion: 1 });
        let huge = json!({"usage": {"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}});
        let counted_huge = Counted { prompt: 1 << 24, cached: 0, completion: 1 << 24 };
        check(huge, Piece { counted: Some(counted_huge), ..Piece::default() });
        check(whole, Piece { finish: Some(String::from("stop")), counted, ..content() });
        for thought in ["reasoning", "reasoning_content"] {
            let reasoning = String::from("Hm");
            check(
                json!({"choices": [{"delta": {"content": null, thought: "Hm"}}]}),
                Piece { reasoning, ..Piece::default() },
            );
        }
    }

    #[test]
    fn the_stop_string_is_read_where_a_server_names_it() {
        let piece = |stop: Option<&str>| Piece {
            finish: Some(String::from("stop")),
            stop: stop.map(str::to_owned),
            ..Piece::default()
        };
        let choice = |reason: Value| json!({"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": reason}]});
        check(choice(json!("</step>")), piece(Some("</step>")));
        // vLLM: the id of the end token.
        check(choice(json!(151_645)), piece(None));
        check(choice(json!(null)), piece(None));
    }

    #[test]
    fn values_of_any_shape_do_no_harm() {
        for value in [
            json!(null),
            json!([]),
            json!({"choices": []}),
            json!({"choices": 3, "usage": "x"}),
            json!({"choices": [{"delta": {"content": ["x"]}}]}),
        ] {
            check(value, Piece::default());
        }
    }

    #[test]
    fn errors_are_read_in_any_shape() {
        for value in [
            json!({"error": {"message": "no", "code": 500}}),
            json!({"error": "no"}),
            json!({"detail": "no"}),
            json!({"object": "error", "message": "no"}),
            json!({"error": {"error": "no"}}),
        ] {
            assert_eq!(error(&value).as_deref(), Some("no"), "{value}");
        }
        assert_eq!(
            error(&json!({"detail": [{"loc": ["seed"]}]})).as_deref(),
            Some(r#"[{"loc":["seed"]}]"#)
        );
        assert_eq!(error(&json!({"error": null, "choices": []})), None);
    }
}
