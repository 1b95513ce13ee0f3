//! A tokenizer from the lists that llama.cpp writes into GGUF files.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

use super::Tokenizer;
use super::bpe::Bpe;
use super::instance::{Instance, Vocabulary};
use crate::llm::gguf::Metadata;
use crate::llm::refusal::Refusal;

/// Token types of llama.cpp: `LLAMA_TOKEN_TYPE_CONTROL` and `LLAMA_TOKEN_TYPE_USER_DEFINED`.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// How text is cut before byte pairs are merged, by the name in `tokenizer.ggml.pre`.
///
/// # Source
/// `llama-vocab.cpp`, <https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp>
fn patterns(pre: &str) -> Option<&'static [&'static str]> {
    match pre {
        "qwen2" | "deepseek-r1-qwen" => Some(&[
            r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        "gpt-2" | "gpt2" => {
            Some(&[r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"])
        }
        "default" => Some(&[
            r"[\p{P}\$\+<=>\^~\|]+",
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
            r"\p{N}+",
            r"[0-9][0-9][0-9]",
        ]),
        _ => None,
    }
}

/// Builds both instances from `tokenizer.ggml.*`.
pub(super) fn build(metadata: &Metadata) -> Result<Tokenizer, Refusal> {
    match metadata.text("tokenizer.ggml.model") {
        Some("gpt2") => {}
        other => {
            return Err(Refusal::format(format!(
                "its tokenizer is of kind `{}`, expected byte-level BPE (`gpt2`): choose a Qwen model",
                other.unwrap_or("none")
            )));
        }
    }
    let tokens = metadata
        .texts("tokenizer.ggml.tokens")
        .ok_or_else(|| Refusal::format("the header lacks `tokenizer.ggml.tokens`"))?;
    let data = plain(metadata, tokens)?;
    let mut markup = data.clone();
    let types = metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
    let of_type = |wanted: i64| {
        let chosen = tokens.iter().zip(types).filter(move |&(_, &kind)| kind == wanted);
        chosen.map(move |(token, _)| {
            AddedToken::from(token.as_str(), wanted == CONTROL).normalized(false)
        })
    };
    // Only a vocabulary of tokens that it already knows is added to: this cannot fail for want of an id.
    let refuse = |error| Refusal::format(format!("its control tokens are not usable: {error}"));
    markup.add_special_tokens(of_type(CONTROL).collect::<Vec<_>>()).map_err(refuse)?;
    markup.add_tokens(of_type(USER_DEFINED).collect::<Vec<_>>()).map_err(refuse)?;
    Tokenizer::new(markup, data, BTreeMap::new())
}

/// The instance without an added vocabulary.
fn plain(metadata: &Metadata, tokens: &[String]) -> Result<Instance, Refusal> {
    let merges = metadata.texts("tokenizer.ggml.merges").unwrap_or_default();
    let model = Bpe::new(tokens, merges).map_err(|error| {
        Refusal::format(format!("its vocabulary and its merges are not usable: {error}"))
    })?;
    let pre = metadata.text("tokenizer.ggml.pre").unwrap_or("default");
    let mut tokenizer = Instance::new(Vocabulary::Lists(Arc::new(model)));
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    if matches!(pre, "qwen2" | "deepseek-r1-qwen") {
        // As in the `tokenizer.json` of these models; llama.cpp leaves it out.
        tokenizer.with_normalizer(Some(NFC)).map_err(|error| Refusal::format(error.to_string()))?;
    }
    Ok(tokenizer)
}

fn pre_tokenizer(pre: &str) -> Result<PreTokenizerWrapper, Refusal> {
    let patterns = patterns(pre).ok_or_else(|| {
        Refusal::format(format!(
            "its text is cut by the rules `{pre}`, known are `qwen2`, `deepseek-r1-qwen`, `gpt-2` and `default`: \
             use the model's safetensors folder, which has a `tokenizer.json`"
        ))
    })?;
    let mut parts = Vec::new();
    for pattern in patterns {
        let pattern = SplitPattern::Regex(String::from(*pattern));
        let split =
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(|error| {
                Refusal::format(format!("the rules `{pre}` are not usable: {error}"))
            })?;
        parts.push(PreTokenizerWrapper::Split(split));
    }
    parts.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)));
    Ok(PreTokenizerWrapper::Sequence(Sequence::new(parts)))
}
