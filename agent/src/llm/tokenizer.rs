//! Text to token ids and back, in two degrees of trust.
//!
//! Text of ours is *markup*: added tokens such as `<|im_end|>` are recognised in it. Foreign text is *data*: it is
//! encoded by a second instance whose added vocabulary is empty, so that a CSV cell that holds `<|im_end|>` stays
//! eleven harmless pieces of text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

use crate::llm::ModelError;
use crate::llm::gguf::Metadata;
use crate::llm::refusal::Refusal;

mod bpe;
mod bytes;
mod ggml;
mod instance;
mod stream;

use instance::Instance;
pub(crate) use stream::TextStream;

/// A model's vocabulary and rules.
pub(crate) struct Tokenizer {
    markup: Instance,
    data: Instance,
    /// Id → whether it is a control token (`special`), for each added token.
    added: BTreeMap<u32, bool>,
    /// Ids that end a completion.
    end: BTreeSet<u32>,
    /// Letter → what the marker U+0001 before it stands for; empty in most tokenizers.
    escapes: BTreeMap<char, String>,
    /// One more than the highest id.
    n_ids: usize,
}

/// Texts of control tokens that end a completion in every model of the supported families.
const END_TOKENS: [&str; 3] = ["<|im_end|>", "<|endoftext|>", "<｜end▁of▁sentence｜>"];

/// Tags that DeepAnalyze has as tokens. They are text that the model writes, whether its file calls them control tokens
/// or not; foreign text never becomes one of them.
const PARTS: [&str; 10] = [
    "<Analyze>",
    "</Analyze>",
    "<Understand>",
    "</Understand>",
    "<Code>",
    "</Code>",
    "<Execute>",
    "</Execute>",
    "<Answer>",
    "</Answer>",
];

impl Tokenizer {
    /// From a GGUF header: our own files carry a whole `tokenizer.json`, others lists of tokens and merges.
    ///
    /// # Errors
    /// When there is none, or it is of an unknown kind.
    pub(crate) fn from_gguf(metadata: &Metadata) -> Result<Self, Refusal> {
        let mut tokenizer = match metadata.text("tokenizer.huggingface.json") {
            Some(json) => Self::from_json(&parse(json)?)?,
            None => ggml::build(metadata)?,
        };
        for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            let id = metadata.size(&format!("tokenizer.ggml.{key}"))?;
            tokenizer.end.extend(id.and_then(|id| u32::try_from(id).ok()));
        }
        Ok(tokenizer)
    }

    /// From `tokenizer.json` of a folder; `end` are ids that its other files name as ends.
    ///
    /// # Errors
    /// When it is missing, damaged or of an unknown kind.
    pub(crate) fn from_folder(folder: &Path, end: &[u32]) -> Result<Self, Refusal> {
        let mut tokenizer =
            Self::from_json(&parse(&std::fs::read_to_string(folder.join("tokenizer.json"))?)?)?;
        tokenizer.end.extend(end);
        Ok(tokenizer)
    }

    /// From the contents of a `tokenizer.json`.
    fn from_json(json: &Json) -> Result<Self, Refusal> {
        let escapes = escapes(json.get("decoder").unwrap_or(&Json::Null))?;
        let whole: tokenizers::Tokenizer =
            serde_json::from_value(json.clone()).map_err(|error| {
                Refusal::format(format!("its `tokenizer.json` is not supported: {error}"))
            })?;
        let mut markup = instance::of(&whole)?;
        let data = markup.clone();
        markup.with_added_vocabulary(whole.get_added_vocabulary().clone());
        Self::new(markup, data, escapes)
    }

    /// From both instances.
    fn new(
        markup: Instance,
        data: Instance,
        escapes: BTreeMap<char, String>,
    ) -> Result<Self, Refusal> {
        let added: BTreeMap<u32, bool> = markup
            .get_added_tokens_decoder()
            .into_iter()
            .map(|(id, token)| (id, token.special && !PARTS.contains(&token.content.as_str())))
            .collect();
        let of_added = added.last_key_value().map_or(0, |(highest, _)| *highest as usize + 1);
        let n_ids = markup.get_model().n_ids().max(of_added);
        if n_ids == 0 {
            return Err(Refusal::format("its tokenizer has no tokens"));
        }
        let end = END_TOKENS
            .iter()
            .filter_map(|text| markup.token_to_id(text))
            .filter(|id| added.get(id) == Some(&true))
            .collect();
        Ok(Self { markup, data, added, end, escapes, n_ids })
    }

    /// One more than the highest token id.
    pub(crate) fn n_ids(&self) -> usize {
        self.n_ids
    }

    /// Whether `id` ends a completion.
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.end.contains(&id)
    }

    /// Whether `id` is a control token: one that text must never become.
    pub(crate) fn is_control(&self, id: u32) -> bool {
        self.added.get(&id) == Some(&true)
    }

    /// Whether the added tokens include all of these.
    pub(crate) fn has_added(&self, texts: &[&str]) -> bool {
        let id = |text: &str| self.markup.token_to_id(text);
        texts.iter().all(|text| id(text).is_some_and(|id| self.added.contains_key(&id)))
    }

    /// Whether the added tokens include the tags of DeepAnalyze.
    pub(crate) fn has_parts(&self) -> bool {
        self.has_added(&PARTS)
    }

    /// The text of the token `id` as the vocabulary spells it.
    pub(crate) fn spelling(&self, id: u32) -> Option<String> {
        self.markup.id_to_token(id)
    }

    /// The added tokens, except those that end a completion and those `allowed`.
    pub(crate) fn added_but(&self, allowed: &[u32]) -> Vec<u32> {
        let others = self.added.keys().filter(|id| !self.is_end(**id) && !allowed.contains(id));
        others.copied().collect()
    }

    /// Ids of text of ours; added tokens are recognised.
    ///
    /// # Errors
    /// When the vocabulary cannot express the text.
    pub(crate) fn encode_markup(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        encode(&self.markup, text)
    }

    /// Ids of foreign text; none of them is an added token.
    ///
    /// # Errors
    /// When the vocabulary cannot express the text, or only by an added token.
    pub(crate) fn encode_data(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let ids = encode(&self.data, text)?;
        match ids.iter().find(|id| self.added.contains_key(id)) {
            None => Ok(ids),
            Some(id) => Err(ModelError::Compute(format!(
                "its tokenizer turns plain text into the control token {id}: choose another file of this model"
            ))),
        }
    }

    /// The text of `ids`, all known.
    pub(crate) fn decode(&self, ids: &[u32]) -> String {
        let mut stream = TextStream::default();
        let mut text = String::new();
        for &id in ids {
            stream.push(self, id, &mut text);
        }
        stream.finish(&mut text);
        text
    }

    /// The bytes that `id` stands for; none for an id without a token.
    fn bytes_of(&self, id: u32) -> Vec<u8> {
        self.markup.id_to_token(id).map_or_else(Vec::new, |token| bytes::of_token(&token))
    }
}

fn encode(tokenizer: &Instance, text: &str) -> Result<Vec<u32>, ModelError> {
    let encoding = tokenizer
        .encode_fast(text, false)
        .map_err(|error| ModelError::Compute(format!("the text cannot be tokenised: {error}")))?;
    Ok(encoding.get_ids().to_vec())
}

fn parse(json: &str) -> Result<Json, Refusal> {
    serde_json::from_str(json)
        .map_err(|error| Refusal::format(format!("its `tokenizer.json` is damaged: {error}")))
}

/// Reads the decoder's rules: byte level, then perhaps replacements of U+0001 and a letter by other text.
///
/// # Errors
/// When it is any other decoder, which could not be streamed byte by byte.
fn escapes(decoder: &Json) -> Result<BTreeMap<char, String>, Refusal> {
    let kind = |json: &Json| json.get("type").and_then(Json::as_str).map(String::from);
    let refuse = || {
        Refusal::format(format!(
            "its tokenizer decodes by `{}`, expected `ByteLevel`: choose a Qwen model",
            kind(decoder).unwrap_or_default()
        ))
    };
    let parts = match kind(decoder).as_deref() {
        Some("ByteLevel") => return Ok(BTreeMap::new()),
        Some("Sequence") => decoder.get("decoders").and_then(Json::as_array).ok_or_else(refuse)?,
        _ => return Err(refuse()),
    };
    let [first, rest @ ..] = parts.as_slice() else { return Err(refuse()) };
    if kind(first).as_deref() != Some("ByteLevel") {
        return Err(refuse());
    }
    // Byte level makes one string of all tokens, so there is nothing left to fuse.
    let rest = rest.iter().filter(|part| kind(part).as_deref() != Some("Fuse"));
    rest.map(|part| escape(part).ok_or_else(refuse)).collect()
}

/// One `Replace` of U+0001 and a letter.
fn escape(part: &Json) -> Option<(char, String)> {
    let pattern = part.get("pattern")?.get("String")?.as_str()?;
    let mut chars = pattern.strip_prefix(stream::MARKER)?.chars();
    match (chars.next(), chars.next()) {
        (Some(letter), None) => Some((letter, String::from(part.get("content")?.as_str()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
