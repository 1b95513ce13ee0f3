//! Which models a server lists, and what it tells of them.

use serde_json::Value;

use super::refusal::shown;
use super::reply::tokens;

/// What is known of the model that is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name there.
    pub id: String,
    /// Longest sequence in tokens, where the list says.
    pub context_length: Option<usize>,
    /// Which program serves it, where the list says.
    pub server: Server,
}

/// A program that serves models, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// Continues the assistant's last message if it is asked to.
    Vllm,
    /// As vLLM; it writes that message again before what is new, and `/props` says how long one sequence may be.
    LlamaCpp,
    /// Answers a message of the assistant's with a message of its own.
    Other,
}

/// Names that servers give the longest sequence.
const LENGTHS: &[&str] = &[
    "/max_model_len",
    "/context_length",
    "/context_window",
    "/max_context_length",
    "/loaded_context_length",
    "/meta/n_ctx",
    "/meta/n_ctx_train",
];

/// Models that an error names.
const N_NAMED: usize = 12;

/// Bytes of the name of a model.
const LONGEST_NAME: usize = 200;

impl Entry {
    /// A model of which nothing is known but its name.
    pub(super) fn named(id: &str) -> Self {
        Self { id: id.to_owned(), context_length: None, server: Server::Other }
    }

    /// The model that was asked for, else the only one of the list.
    ///
    /// # Errors
    /// When none was asked for and the list has several or none; in words.
    pub(super) fn choose(list: &Value, wanted: Option<&str>) -> Result<Self, String> {
        let entries = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of = |value: &Value| value["id"].as_str().map(str::to_owned);
        if let Some(wanted) = wanted {
            let found = entries.iter().find(|entry| entry["id"] == wanted);
            return Ok(found.map_or_else(|| Self::named(wanted), |entry| Self::of(wanted, entry)));
        }
        let ids: Vec<String> = entries.iter().filter_map(of).collect();
        match (ids.as_slice(), entries) {
            ([id], [_]) if id.len() > LONGEST_NAME || id.contains(char::is_control) => {
                Err(format!(
                    "expected the name of its model in at most {LONGEST_NAME} bytes without control characters, found \
                 `{}`: give it another name there",
                    shown(id, None)
                ))
            }
            ([id], [entry]) => Ok(Self::of(id, entry)),
            ([], _) => Err(String::from(
                "it lists no model: load one there, or name it with `--endpoint-model NAME`",
            )),
            (ids, _) => {
                let named = ids.iter().take(N_NAMED).map(|id| shown(id, None));
                let shown = named.collect::<Vec<_>>().join("`, `");
                let more = ids.len().saturating_sub(N_NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Err(format!(
                    "it has several models, `{shown}`{more}: name one with `--endpoint-model NAME` or \
                     `DATARUS_ENDPOINT_MODEL`"
                ))
            }
        }
    }

    fn of(id: &str, entry: &Value) -> Self {
        let length = |place: &&str| entry.pointer(place).and_then(tokens).filter(|&n| n > 0);
        let server = match entry["owned_by"].as_str() {
            Some("vllm" | "sglang") => Server::Vllm,
            Some("llamacpp") => Server::LlamaCpp,
            _ => Server::Other,
        };
        Self { id: id.to_owned(), context_length: LENGTHS.iter().find_map(length), server }
    }
}

/// Longest sequence by `/props` of llama.cpp: its slots share what the list of models names.
///
/// # Source
/// <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>, `GET /props`.
pub(super) fn context_of_props(props: &Value) -> Option<usize> {
    tokens(&props["default_generation_settings"]["n_ctx"]).filter(|&length| length > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(
        list: Value,
        wanted: Option<&str>,
        expected: Result<(&str, Option<usize>, Server), &str>,
    ) {
        match (Entry::choose(&list, wanted), expected) {
            (Ok(entry), Ok((id, context_length, server))) => {
                assert_eq!(entry, Entry { id: id.to_owned(), context_length, server });
            }
            (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
            (found, expected) => panic!("expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn the_only_model_is_taken_and_of_several_one_must_be_named() {
        let two =
            || json!({"data": [{"id": "a", "max_model_len": 7, "owned_by": "vllm"}, {"id": "b"}]});
        check(two(), None, Err("`a`, `b`: name one with `--endpoint-model NAME`"));
        check(two(), Some("a"), Ok(("a", Some(7), Server::Vllm)));
        check(two(), Some("b"), Ok(("b", None, Server::Other)));
        check(two(), Some("unlisted"), Ok(("unlisted", None, Server::Other)));
        check(json!({"data": [{"id": "a"}]}), None, Ok(("a", None, Server::Other)));
        for list in
            [json!({"data": []}), json!({"data": null}), json!({"data": [{"id": 3}]}), json!("x")]
        {
            check(list, None, Err("it lists no model"));
        }
        for odd in ["\u{1b}]0;x", &"x".repeat(201)] {
            check(json!({"data": [{"id": odd}]}), None, Err("at most 200 bytes without control"));
        }
        let odd = json!({"data": [{"id": "a\u{1b}[2J"}, {"id": "b"}]});
        check(odd, None, Err("`a [2J`, `b`: name one"));
        let many: Vec<_> = (0..99).map(|at| json!({"id": format!("m{at}")})).collect();
        check(json!({"data": many}), None, Err("`m11` and 87 more: name one"));
    }

    #[test]
    fn the_context_is_read_as_each_server_names_it() {
        let of = |entry: Value| Entry::of("a", &entry).context_length;
        assert_eq!(of(json!({"max_model_len": 4096})), Some(4096));
        assert_eq!(of(json!({"context_length": 131_072})), Some(131_072));
        assert_eq!(of(json!({"meta": {"n_ctx": 4096, "n_ctx_train": 32_768}})), Some(4096));
        assert_eq!(of(json!({"meta": {"n_ctx_train": 32_768}})), Some(32_768));
        assert_eq!(of(json!({"max_model_len": u64::MAX})), Some(1 << 24));
        for nothing in [
            json!({}),
            json!({"max_model_len": 0}),
            json!({"max_model_len": "4096"}),
            json!({"max_model_len": -1}),
        ] {
            assert_eq!(of(nothing), None);
        }
        assert_eq!(
            context_of_props(&json!({"default_generation_settings": {"n_ctx": 2048}})),
            Some(2048)
        );
        assert_eq!(context_of_props(&json!({"n_ctx": 2048})), None);
    }
}
