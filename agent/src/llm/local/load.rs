//! Loads a model: sizes first, so that most refusals come quickly, then all else at once.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;

use candle_core::Device;
use serde_json::Value as Json;

use super::{Encoded, FileHash, LocalModel, Reuse};
use crate::llm::chat_template::{ChatTemplate, Renderer, own_template};
use crate::llm::config::Config;
use crate::llm::gguf::{Gguf, Metadata, Source};
use crate::llm::kv_cache::KvCache;
use crate::llm::memory;
use crate::llm::qwen::Qwen;
use crate::llm::refusal::Refusal;
use crate::llm::safetensors::SafetensorsWeights;
use crate::llm::tokenizer::Tokenizer;
use crate::llm::weights::GgufWeights;
use crate::llm::weights_cache::{Identity, WeightsCache};
use crate::llm::{ModelInfo, Placement, Profile};

/// Beside the weights, the KV-cache of so many tokens must find room.
const ROOM_FOR_TOKENS: usize = 2_048;

/// What a GGUF file is besides its contents.
pub(super) enum Origin<'a> {
    /// Nothing.
    Memory(FileHash),
    /// A file on disk, whose rearranged weights may be kept.
    Disk(File, Option<&'a WeightsCache>),
}

/// Loads a GGUF file; `path` names it where the header does not.
pub(super) fn gguf(
    source: Box<dyn Source>,
    path: &Path,
    origin: Origin<'_>,
    renderer: Renderer,
    placement: Placement,
) -> Result<LocalModel, Refusal> {
    let file = Gguf::open(source)?;
    let config = placement.config(config_of(&file)?)?;
    let vocab_size = config.vocab_size;
    let needs = |device: &Device| GgufWeights::new(&file, device, &config).memory() + room(&config);
    let device = &placement.device(config.is_small(), needs)?;
    let mut weights = GgufWeights::new(&file, device, &config);
    weights.require_memory(room(&config))?;
    let kept = match &origin {
        Origin::Disk(on_disk, Some(cache)) if device.is_cpu() => {
            let identity = Identity::new(path, &on_disk.metadata()?, &file.header()?);
            identity.ok().and_then(|identity| cache.open(&identity, weights.layout()))
        }
        Origin::Disk(..) | Origin::Memory(_) => None,
    };
    weights.kept = kept.as_ref();
    let mut info = info(&file.metadata, &config, path);
    // The vocabulary takes one thread as long as the weights take the others.
    let (text, model) = std::thread::scope(|scope| {
        let text = scope.spawn(|| tokenizer_and_template(&file.metadata, vocab_size, renderer));
        let model = Qwen::load(config, &mut weights, device);
        (text.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), model)
    });
    let (tokenizer, template) = text?;
    info.dialect = info.dialect.or_else(|| dialect(&tokenizer));
    let model = model?;
    drop(file);
    memory::give_back();
    let hash = match origin {
        Origin::Memory(hash) => hash,
        Origin::Disk(on_disk, _) => FileHash::of_file(on_disk, kept),
    };
    info.sha256 = hash.finished();
    Ok(assemble(model, Parts { info, hash, tokenizer, template }))
}

/// The sizes of a model by the header of its file.
pub(super) fn config_of(file: &Gguf) -> Result<Config, Refusal> {
    let embedding = file.tensors.get("token_embd.weight").map(|entry| entry.shape.as_slice());
    let Some(&[vocab_size, _]) = embedding else {
        return Err(Refusal::format("the weight `token_embd.weight` is missing or no matrix"));
    };
    Config::from_gguf(&file.metadata, vocab_size)
}

fn tokenizer_and_template(
    metadata: &Metadata,
    vocab_size: usize,
    renderer: Renderer,
) -> Result<(Tokenizer, ChatTemplate), Refusal> {
    let tokenizer = Tokenizer::from_gguf(metadata)?;
    check_ids(&tokenizer, vocab_size)?;
    let spelling = |key: &str| -> Result<String, Refusal> {
        let id = metadata.size(&format!("tokenizer.ggml.{key}_token_id"))?;
        let id = id.and_then(|id| u32::try_from(id).ok());
        Ok(id.and_then(|id| tokenizer.spelling(id)).unwrap_or_default())
    };
    let template = metadata.text("tokenizer.chat_template");
    let (bos, eos) = (spelling("bos")?, spelling("eos")?);
    let template = compile(template, &tokenizer, bos, eos, renderer)?;
    Ok((tokenizer, template))
}

/// Refuses a tokenizer with ids that the embedding does not have.
fn check_ids(tokenizer: &Tokenizer, vocab_size: usize) -> Result<(), Refusal> {
    if tokenizer.n_ids() > vocab_size {
        return Err(Refusal::format(format!(
            "its tokenizer has {} tokens, its embedding {vocab_size}: they belong to different models",
            tokenizer.n_ids()
        )));
    }
    Ok(())
}

/// Loads a folder of Hugging Face's layout.
pub(super) fn folder(
    folder: &Path,
    renderer: Renderer,
    placement: Placement,
) -> Result<LocalModel, Refusal> {
    let json = settings_of(folder)?;
    let config = placement.config(Config::from_json(&json)?)?;
    let generation = self::json(folder, "generation_config.json")?.unwrap_or(Json::Null);
    let end: Vec<u32> = [&json, &generation].into_iter().flat_map(end_ids).collect();
    let tokenizer = Tokenizer::from_folder(folder, &end)?;
    let settings = self::json(folder, "tokenizer_config.json")?.unwrap_or(Json::Null);
    let template = compile(
        template_of(folder, &settings).as_deref(),
        &tokenizer,
        token(&settings, "bos_token"),
        token(&settings, "eos_token"),
        renderer,
    )?;
    let ours = |key: &str| json.get(key).and_then(Json::as_str);
    let info = ModelInfo {
        name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
        sha256: None,
        architecture: String::from(config.architecture.name()),
        dialect: ours("datarus_dialect").map(String::from).or_else(|| dialect(&tokenizer)),
        profile: profile(ours("datarus_profile")),
        literals: Vec::new(),
        words: Vec::new(),
        forms: Vec::new(),
        context_length: config.context_length,
        continues: true,
        served: None,
    };
    let needs = |device: &Device| {
        let weights = SafetensorsWeights::look(folder, device, config.owns(device));
        weights.map_or(0, |weights| weights.memory()) + room(&config)
    };
    let device = placement.device(config.is_small(), needs)?;
    let mut weights =
        SafetensorsWeights::open(folder, &device, config.owns(&device), room(&config))?;
    check_ids(&tokenizer, config.vocab_size)?;
    let model = Qwen::load(config, &mut weights, &device)?;
    Ok(assemble(model, Parts { info, hash: FileHash::default(), tokenizer, template }))
}

/// `config.json` of a folder.
pub(super) fn settings_of(folder: &Path) -> Result<Json, Refusal> {
    json(folder, "config.json")?
        .ok_or_else(|| Refusal::format("expected a folder with `config.json`, found none"))
}

/// All but the weights.
struct Parts {
    info: ModelInfo,
    hash: FileHash,
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

fn assemble(model: Qwen, parts: Parts) -> LocalModel {
    let Parts { info, hash, tokenizer, template } = parts;
    let cache = KvCache::new(model.config(), model.device());
    let reuse =
        Reuse { keep: true, meanwhile: true, forced_batch: true, guesses: model.reads_once() };
    LocalModel {
        info,
        hash,
        model,
        tokenizer,
        template,
        cache,
        encoded: RefCell::new(Encoded::default()),
        ahead_from: None,
        keeper: None,
        reuse,
    }
}

/// Memory that the KV-cache must find beside the weights, in bytes.
pub(super) fn room(config: &Config) -> u64 {
    config.cache_bytes_per_token() * config.context_length.min(ROOM_FOR_TOKENS) as u64
}

/// The dialect whose tags the vocabulary has as tokens, if it has such.
fn dialect(tokenizer: &Tokenizer) -> Option<String> {
    tokenizer.has_parts().then(|| String::from("deepanalyze"))
}

fn compile(
    source: Option<&str>,
    tokenizer: &Tokenizer,
    bos: String,
    eos: String,
    renderer: Renderer,
) -> Result<ChatTemplate, Refusal> {
    ChatTemplate::new(source, own_template(tokenizer), bos, eos, renderer)
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
        profile: profile(metadata.text("datarus.profile")),
        literals: metadata.texts("datarus.literals").unwrap_or_default().to_vec(),
        words: metadata.texts("datarus.words").unwrap_or_default().to_vec(),
        forms: metadata.texts("datarus.forms").unwrap_or_default().to_vec(),
        context_length: config.context_length,
        continues: true,
        served: None,
    }
}

fn profile(named: Option<&str>) -> Profile {
    if named == Some("compact") { Profile::Compact } else { Profile::Full }
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
