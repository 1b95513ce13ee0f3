//! Loads a model: sizes first, then tokenizer and template, the weights last, so that refusals come quickly.

use std::path::Path;

use candle_core::Device;
use serde_json::Value as Json;

use super::{FileHash, LocalModel};
use crate::llm::chat_template::{ChatTemplate, Renderer};
use crate::llm::config::Config;
use crate::llm::gguf::{Gguf, Metadata, Source};
use crate::llm::kv_cache::KvCache;
use crate::llm::qwen::Qwen;
use crate::llm::refusal::Refusal;
use crate::llm::tokenizer::Tokenizer;
use crate::llm::weights::{GgufWeights, SafetensorsWeights, Weights};
use crate::llm::{ModelInfo, Profile};

/// Beside the weights, the KV-cache of so many tokens must find room.
const ROOM_FOR_TOKENS: usize = 2_048;

/// Loads a GGUF file; `path` names it where the header does not.
pub(super) fn gguf(
    source: Box<dyn Source>,
    path: &Path,
    mut hash: FileHash,
    renderer: Renderer,
    device: &Device,
) -> Result<LocalModel, Refusal> {
    let mut file = Gguf::open(source)?;
    let vocab_size = match file.tensors.get("token_embd.weight").map(|entry| entry.shape.as_slice())
    {
        Some([rows, _]) => *rows,
        _ => return Err(Refusal::format("the weight `token_embd.weight` is missing or no matrix")),
    };
    let config = Config::from_gguf(&file.metadata, vocab_size)?;
    let tokenizer = Tokenizer::from_gguf(&file.metadata)?;
    let spelling = |key: &str| -> Result<String, Refusal> {
        let id = file.metadata.size(&format!("tokenizer.ggml.{key}_token_id"))?;
        let id = id.and_then(|id| u32::try_from(id).ok());
        Ok(id.and_then(|id| tokenizer.spelling(id)).unwrap_or_default())
    };
    let template = file.metadata.text("tokenizer.chat_template");
    let template = compile(template, spelling("bos")?, spelling("eos")?, renderer)?;
    let mut info = info(&file.metadata, &config, path);
    info.sha256 = hash.finished();
    let room = room(&config);
    let mut weights = GgufWeights { file: &mut file, device, own: config.is_small() };
    weights.require_memory(room)?;
    assemble(config, &mut weights, device, Parts { info, hash, tokenizer, template })
}

/// Loads a folder of Hugging Face's layout.
pub(super) fn folder(
    folder: &Path,
    renderer: Renderer,
    device: &Device,
) -> Result<LocalModel, Refusal> {
    let json = json(folder, "config.json")?
        .ok_or_else(|| Refusal::format("expected a folder with `config.json`, found none"))?;
    let config = Config::from_json(&json)?;
    let generation = self::json(folder, "generation_config.json")?.unwrap_or(Json::Null);
    let end: Vec<u32> = [&json, &generation].into_iter().flat_map(end_ids).collect();
    let tokenizer = Tokenizer::from_folder(folder, &end)?;
    let settings = self::json(folder, "tokenizer_config.json")?.unwrap_or(Json::Null);
    let template = compile(
        template_of(folder, &settings).as_deref(),
        token(&settings, "bos_token"),
        token(&settings, "eos_token"),
        renderer,
    )?;
    let info = ModelInfo {
        name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
        sha256: None,
        architecture: String::from(config.architecture.name()),
        dialect: None,
        profile: Profile::Full,
        literals: Vec::new(),
        words: Vec::new(),
        forms: Vec::new(),
        context_length: config.context_length,
    };
    let mut weights = SafetensorsWeights::open(folder, device, config.is_small(), room(&config))?;
    let parts = Parts { info, hash: FileHash::Known(None), tokenizer, template };
    assemble(config, &mut weights, device, parts)
}

/// All but the weights.
struct Parts {
    info: ModelInfo,
    hash: FileHash,
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

fn assemble(
    config: Config,
    weights: &mut dyn Weights,
    device: &Device,
    parts: Parts,
) -> Result<LocalModel, Refusal> {
    let Parts { info, hash, tokenizer, template } = parts;
    if tokenizer.n_ids() > config.vocab_size {
        return Err(Refusal::format(format!(
            "its tokenizer has {} tokens, its embedding {}: they belong to different models",
            tokenizer.n_ids(),
            config.vocab_size
        )));
    }
    let cache = KvCache::new(&config, device);
    let model = Qwen::load(config, weights, device)?;
    Ok(LocalModel { info, hash, model, tokenizer, template, cache })
}

fn room(config: &Config) -> u64 {
    config.cache_bytes_per_token() * config.context_length.min(ROOM_FOR_TOKENS) as u64
}

fn compile(
    source: Option<&str>,
    bos: String,
    eos: String,
    renderer: Renderer,
) -> Result<ChatTemplate, Refusal> {
    ChatTemplate::new(source, bos, eos, renderer)
        .map_err(|error| Refusal::format(error.to_string()))
}

/// What a GGUF header says of the model; the keys `datarus.*` are our own.
fn info(metadata: &Metadata, config: &Config, path: &Path) -> ModelInfo {
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    ModelInfo {
        name: metadata.text("general.name").map_or(stem, String::from),
        sha256: None,
        architecture: String::from(config.architecture.name()),
        dialect: metadata.text("datarus.dialect").map(String::from),
        profile: match metadata.text("datarus.profile") {
            Some("compact") => Profile::Compact,
            _ => Profile::Full,
        },
        literals: metadata.texts("datarus.literals").unwrap_or_default().to_vec(),
        words: metadata.texts("datarus.words").unwrap_or_default().to_vec(),
        forms: metadata.texts("datarus.forms").unwrap_or_default().to_vec(),
        context_length: config.context_length,
    }
}

/// A JSON file of the folder, if it is there.
fn json(folder: &Path, name: &str) -> Result<Option<Json>, Refusal> {
    match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Refusal::format(format!("`{name}` is damaged: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `eos_token_id`: one id or several.
fn end_ids(settings: &Json) -> Vec<u32> {
    let ids = settings.get("eos_token_id").unwrap_or(&Json::Null);
    let several = ids.as_array().map_or(std::slice::from_ref(ids), Vec::as_slice);
    several.iter().filter_map(Json::as_u64).filter_map(|id| u32::try_from(id).ok()).collect()
}

/// The text of a special token: a string, or an object with its `content`.
fn token(settings: &Json, key: &str) -> String {
    let value = settings.get(key).unwrap_or(&Json::Null);
    let text = value.as_str().or_else(|| value.get("content")?.as_str());
    String::from(text.unwrap_or_default())
}

/// The chat template: a file of its own, a string, or the one named `default` of several.
fn template_of(folder: &Path, settings: &Json) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(folder.join("chat_template.jinja")) {
        return Some(text);
    }
    let value = settings.get("chat_template")?;
    let named = |entry: &&Json| entry.get("name").and_then(Json::as_str) == Some("default");
    let text =
        value.as_str().or_else(|| value.as_array()?.iter().find(named)?.get("template")?.as_str());
    text.map(String::from)
}
