//! What a server's refusal means: whether to ask again, to leave something out, or what to tell the user.

use std::time::Duration;

use serde_json::Value;

use super::key::ApiKey;
use super::reply;
use super::request::OPTIONAL;

/// Longest that a server may ask to be waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Characters of a server's own words that are shown.
const SHOWN: usize = 300;

/// From where on a message repeats the request.
const ECHOES: &[&str] = &["'input'", "\"input\"", "input_value", "'messages'", "\"messages\""];

/// What follows from a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It passes: ask again, after the time that the server names.
    Passing {
        /// In words.
        reason: String,
        /// How long.
        after: Option<Duration>,
    },
    /// The server does not know this parameter.
    Without(&'static str),
    /// The chat is too long.
    Full {
        /// Tokens of it, if told.
        tokens: Option<usize>,
        /// Tokens that fit, if told.
        context_length: Option<usize>,
    },
    /// It stays so: what was expected, found, and what to do.
    Final(String),
}

/// What an answer with another status than 200 means.
pub(super) fn judge(
    status: u16,
    body: &str,
    retry_after: Option<&str>,
    key: Option<&ApiKey>,
) -> Refusal {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let mut blamed = String::new();
    blame(&value, &mut blamed);
    let said = reply::error(&value).unwrap_or_else(|| body.to_owned());
    if value.is_null() {
        blame(&Value::from(body), &mut blamed);
    }
    let said = shown(&said, key);
    match status {
        400 | 413 | 422 if is_full(&value, &said, status) => full(&value, &said),
        400 | 422 => match OPTIONAL.iter().find(|name| is_named(&blamed, name)) {
            Some(name) => Refusal::Without(name),
            None => Refusal::Final(format!("it refused the request: {said}")),
        },
        401 | 403 => Refusal::Final(format!(
            "it does not accept the key (status {status}: {said}): set DATARUS_API_KEY to a key of this server"
        )),
        404 | 405 => Refusal::Final(format!(
            "expected chat completions there, found none (status {status}: {said}): is `/v1` missing in the address, \
             or the name of the model wrong?"
        )),
        300..400 => Refusal::Final(format!(
            "it leads to another place (status {status}), which is not followed: name that place"
        )),
        408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 529 => Refusal::Passing {
            reason: format!("it cannot answer now (status {status}: {said}): try again later"),
            after: retry_after.and_then(wait),
        },
        _ => Refusal::Final(format!("it answered with status {status}: {said}")),
    }
}

/// Seconds by a header `Retry-After`; a date in it is not looked at.
fn wait(header: &str) -> Option<Duration> {
    let seconds: f64 = header.trim().parse().ok().filter(|seconds: &f64| *seconds >= 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT))
}

/// Gathers what a server blames: its messages, and in quotes the parameters that it names. Many a server repeats the
/// request in its refusal, where each parameter stands; that is passed over.
fn blame(value: &Value, blamed: &mut String) {
    match value {
        Value::String(message) => {
            let echo = ECHOES.iter().filter_map(|echo| message.find(echo)).min();
            blamed.push_str(message.get(..echo.unwrap_or(message.len())).unwrap_or_default());
            blamed.push('\n');
        }
        Value::Array(values) => {
            for value in values {
                blame(value, blamed);
            }
        }
        Value::Object(_) => {
            for name in ["error", "detail", "message", "msg"] {
                blame(&value[name], blamed);
            }
            let place = value["loc"].as_array().map(Vec::as_slice).unwrap_or_default();
            for name in place.iter().chain([&value["param"]]).filter_map(Value::as_str) {
                blamed.extend(["'", name, "'\n"]);
            }
        }
        _ => {}
    }
}

/// Whether a parameter stands in quotes in what the server blames.
fn is_named(blamed: &str, name: &str) -> bool {
    ["\"", "'", "`"].iter().any(|quote| blamed.contains(&format!("{quote}{name}{quote}")))
        || blamed.contains(&format!("argument supplied: {name}"))
        // llama.cpp, where the model would think first.
        || (name == "continue_final_message" && blamed.contains("prefill"))
}

fn is_full(value: &Value, said: &str, status: u16) -> bool {
    let code = [&value["error"]["code"], &value["error"]["type"], &value["code"], &value["type"]];
    let is_code = |code: &&Value| {
        code.as_str().is_some_and(|code| {
            ["context_length_exceeded", "exceed_context_size_error"].contains(&code)
        })
    };
    let said = said.to_lowercase();
    let words = [
        "maximum context length",
        "context size",
        "context length",
        "context window",
        "prompt is too long",
    ];
    status == 413 || code.iter().any(is_code) || words.iter().any(|word| said.contains(word))
}

fn full(value: &Value, said: &str) -> Refusal {
    let number = |name: &str| reply::tokens(&value["error"][name]);
    let after = |words: &[&str]| {
        words.iter().find_map(|words| {
            let after = said.split_once(words)?.1;
            let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
            reply::tokens(&Value::from(digits.parse::<u64>().ok()?))
        })
    };
    Refusal::Full {
        tokens: number("n_prompt_tokens").or(after(&["you requested ", "your request has "])),
        context_length: number("n_ctx").or(after(&["maximum context length is "])),
    }
}

/// A server's words as they may be shown: without the key, which some servers repeat, in one line, without control
/// characters, not too long, and no page.
pub(in crate::llm) fn shown(said: &str, key: Option<&ApiKey>) -> String {
    // Before anything is cut: else a part of it would be left.
    let without = key.map(|key| key.taken_out_of(said));
    let said = without.as_deref().unwrap_or(said).trim();
    if said.starts_with('<') {
        return String::from("a web page");
    }
    let one_line = said.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = one_line.filter(|word| !word.is_empty()).collect();
    let words = words.join(" ");
    let shown: String = words.chars().take(SHOWN).collect();
    match shown.len() {
        0 => String::from("no words"),
        length if length < words.len() => format!("{shown}…"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passing(status: u16, header: Option<&str>) -> Option<Duration> {
        match judge(status, "", header, None) {
            Refusal::Passing { after, .. } => after,
            other => panic!("{status}: {other:?}"),
        }
    }

    #[test]
    fn what_passes_is_asked_again_after_the_time_that_the_server_names() {
        for status in [429, 500, 502, 503, 504] {
            assert_eq!(passing(status, None), None);
        }
        assert_eq!(passing(429, Some("2")), Some(Duration::from_secs(2)));
        assert_eq!(passing(503, Some("0.5")), Some(Duration::from_millis(500)));
        assert_eq!(passing(429, Some("86400")), Some(LONGEST_WAIT));
        for nonsense in ["-1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(passing(429, Some(nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn what_stays_says_what_to_do() {
        let check = |status, body: &str, words: &str| match judge(status, body, None, None) {
            Refusal::Final(text) => assert!(text.contains(words), "{text}"),
            other => panic!("{status}: {other:?}"),
        };
        check(
            401,
            r#"{"error": {"message": "bad key"}}"#,
            "(status 401: bad key): set DATARUS_API_KEY",
        );
        check(403, "", "(status 403: no words)");
        check(404, "<html><body>x", "(status 404: a web page): is `/v1` missing");
        check(400, r#"{"error": "no\nsense \u0007"}"#, "refused the request: no sense");
        check(308, "", "leads to another place (status 308)");
        check(418, &"x".repeat(900), "status 418: xxx");
        assert_eq!(shown(&"x".repeat(900), None).chars().count(), SHOWN + 1);
    }

    #[test]
    fn of_a_key_nothing_is_left_where_words_are_cut() {
        let key = ApiKey::read("sk-\"secret").unwrap();
        for before in SHOWN - 12..SHOWN {
            let said = format!("{}sk-\"secret", "x".repeat(before));
            let body = json!({"error": {"message": said}}).to_string();
            for body in [&said, &body] {
                match judge(503, body, None, key.as_ref()) {
                    Refusal::Passing { reason, .. } => assert!(!reason.contains("sk-"), "{reason}"),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_parameter_that_a_server_does_not_know_is_left_out() {
        for (name, body) in [
            (
                "stop",
                r#"{"error": {"message": "Unsupported parameter: 'stop' is not supported with this model."}}"#,
            ),
            (
                "max_tokens",
                r#"{"error": {"message": "Use max_completion_tokens", "param": "max_tokens"}}"#,
            ),
            (
                "seed",
                r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","seed"]}]}}"#,
            ),
            ("top_k", r#"{"error": {"message": "Unrecognized request argument supplied: top_k"}}"#),
            (
                "continue_final_message",
                r#"{"error": {"message": "Assistant response prefill is incompatible with enable_thinking."}}"#,
            ),
            ("temperature", r#"{"error": {"message": "\"temperature\" must be 1"}}"#),
        ] {
            assert_eq!(judge(400, body, None, None), Refusal::Without(name), "{body}");
        }
        assert!(matches!(judge(400, r#"{"error": "stop that"}"#, None, None), Refusal::Final(_)));
        // The request, repeated.
        for body in [
            r#"{"detail": [{"loc": ["body", "messages", 0], "msg": "odd", "input": {"stop": 1, "seed": 2}}]}"#,
            r#"{"error": {"message": "[{'loc': ('body', 'messages'), 'input': {'stop': 1}}]", "param": null}}"#,
            r#"{"error": "odd: {\"model\":\"m\",\"messages\":[],\"stop\":[]}", "request": {"seed": 1}}"#,
            r#"odd: {"messages": [], "stop": []}"#,
        ] {
            assert!(matches!(judge(400, body, None, None), Refusal::Final(_)), "{body}");
        }
    }

    #[test]
    fn a_chat_that_is_too_long_is_told_with_its_numbers() {
        let full = |tokens, context_length| Refusal::Full { tokens, context_length };
        let llama = r#"{"error":{"code":400,"message":"request (36019 tokens) exceeds the available context size (4096 tokens)","type":"exceed_context_size_error","n_prompt_tokens":36019,"n_ctx":4096}}"#;
        assert_eq!(judge(400, llama, None, None), full(Some(36_019), Some(4_096)));
        let vllm = r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4488 in the messages, 512 in the completion)."}"#;
        assert_eq!(judge(400, vllm, None, None), full(Some(5_000), Some(4_096)));
        let too_large = r#"{"error":{"message":"'max_tokens' is too large: 1024. This model's maximum context length is 2048 tokens."}}"#;
        assert_eq!(judge(400, too_large, None, None), full(None, Some(2_048)));
        let open_ai = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
        assert_eq!(judge(400, open_ai, None, None), full(None, None));
        assert_eq!(judge(413, "", None, None), full(None, None));
    }
}
