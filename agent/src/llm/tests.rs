//! The computation against Python's transformers on the same weights, and against itself.
//!
//! Fixtures and their generator: `tests/fixtures/models/`.
#![expect(clippy::cast_precision_loss, reason = "lengths and indices of small models")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device};
use serde_json::Value as Json;

use super::Interrupt;
use super::config::Config;
use super::gguf::Gguf;
use super::kv_cache::KvCache;
use super::made::{self, Shape};
use super::packed::{self, Phase};
use super::qwen::Qwen;
use super::safetensors::SafetensorsWeights;
use super::weights::GgufWeights;
use super::weights_cache::{Identity, Kept, WeightsCache};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models")
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn from_gguf(name: &str) -> Qwen {
    open_gguf(&fixtures().join(name), true)
}

fn open_gguf(path: &Path, own: bool) -> Qwen {
    open_kept(path, own, None).0
}

/// With what is left to do for kept weights.
fn open_kept(path: &Path, own: bool, cache: Option<&WeightsCache>) -> (Qwen, Option<Kept>) {
    let source = std::fs::File::open(path).unwrap();
    let found = source.metadata().unwrap();
    let file = Gguf::open(Box::new(source)).unwrap();
    let rows = file.tensors["token_embd.weight"].shape[0];
    let config = Config::from_gguf(&file.metadata, rows).unwrap();
    let mut weights = GgufWeights { file: &file, device: &Device::Cpu, own, kept: None };
    let identity = Identity::new(path, &found, &file.header().unwrap()).unwrap();
    let kept = cache.and_then(|cache| cache.open(&identity, weights.layout()));
    weights.kept = kept.as_ref();
    (Qwen::load(config, &mut weights, &Device::Cpu).unwrap(), kept)
}

fn from_folder(folder: &Path, changes: &[(&str, Json)]) -> Qwen {
    open_folder(folder, changes, true)
}

fn open_folder(folder: &Path, changes: &[(&str, Json)], own: bool) -> Qwen {
    let mut settings = json(&folder.join("config.json"));
    for (key, value) in changes {
        settings[*key] = value.clone();
    }
    let config = Config::from_json(&settings).unwrap();
    let mut weights = SafetensorsWeights::open(folder, &Device::Cpu, own, 0).unwrap();
    Qwen::load(config, &mut weights, &Device::Cpu).unwrap()
}

/// A cache in eight bits.
fn narrow_cache(model: &Qwen) -> KvCache {
    let config = model.config().clone().with_narrow_cache().unwrap();
    KvCache::new(&config, &Device::Cpu)
}

fn new_cache(model: &Qwen) -> KvCache {
    KvCache::new(model.config(), &Device::Cpu)
}

/// Feeds `ids` in chunks of `chunk`; the logits after each chunk.
fn run(model: &Qwen, cache: &mut KvCache, ids: &[u32], chunk: usize) -> Vec<Vec<f32>> {
    run_as(Phase::Completion, model, cache, ids, chunk)
}

fn run_as(
    phase: Phase,
    model: &Qwen,
    cache: &mut KvCache,
    ids: &[u32],
    chunk: usize,
) -> Vec<Vec<f32>> {
    let interrupt = Interrupt::default();
    let logits = |ids: &[u32]| {
        let vector = model.extend(ids, 1, cache, phase, &interrupt).unwrap().unwrap();
        model.logits(&vector).unwrap().remove(0)
    };
    ids.chunks(chunk).map(logits).collect()
}

/// Largest difference relative to the spread of the expected logits.
pub(super) fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let spread = expected.iter().map(|x| x * x).sum::<f32>() / expected.len() as f32;
    let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    difference / spread.sqrt()
}

fn best(logits: &[f32]) -> u32 {
    let known = &logits[..300];
    (0..300).max_by(|&a, &b| known[a as usize].total_cmp(&known[b as usize])).unwrap()
}

/// Compares logits within `tolerance` and, where it is exact arithmetic, the greedy continuation.
#[track_caller]
fn check(name: &str, model: &Qwen, tolerance: f32) {
    check_phases(name, model, tolerance, tolerance);
}

/// The same, with a tolerance of its own for what is computed as a prompt.
#[track_caller]
fn check_phases(name: &str, model: &Qwen, tolerance: f32, of_prompt: f32) {
    let expected = json(&fixtures().join("expected.json"));
    let ids: Vec<u32> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let reference = &expected["models"][name];
    let logits: Vec<Vec<f32>> = serde_json::from_value(reference["logits"].clone()).unwrap();
    let positions: Vec<usize> = serde_json::from_value(expected["positions"].clone()).unwrap();
    let single = run(model, &mut new_cache(model), &ids, 1);
    for (position, expected) in positions.iter().zip(&logits) {
        let found = distance(&single[*position], expected);
        assert!(found <= tolerance, "{name} at {position}: {found}");
    }
    let mut cache = new_cache(model);
    let whole = run_as(Phase::Prompt, model, &mut cache, &ids, ids.len());
    let found = distance(&whole[0], &logits[2]);
    assert!(found <= of_prompt, "{name} in one chunk: {found}");
    if of_prompt < 1e-3 {
        let greedy: Vec<u32> = serde_json::from_value(reference["greedy"].clone()).unwrap();
        let mut last = whole.into_iter().next_back().unwrap();
        for token in greedy {
            assert_eq!(best(&last), token, "{name}");
            last = run(model, &mut cache, &[token], 1).remove(0);
        }
    }
}

#[test]
fn gguf_logits_equal_transformers() {
    for name in ["qwen2-f32.gguf", "qwen2-f16.gguf", "qwen3-f32.gguf"] {
        check(name, &from_gguf(name), 1e-4);
        // The matrix unit has eight bits of a half float's eleven.
        let is_halved = name == "qwen2-f16.gguf" && packed::phases_differ();
        let of_prompt = if is_halved { 0.06 } else { 1e-4 };
        check_phases(name, &open_gguf(&fixtures().join(name), false), 1e-4, of_prompt);
    }
    // Activations are rounded to 8 bits as well, which the reference does not do; this is the worst of 320 logits.
    let eight = fixtures().join("qwen2-q8_0.gguf");
    check("qwen2-q8_0.gguf", &open_gguf(&eight, false), 0.15);
    check("qwen2-q8_0.gguf", &open_gguf(&eight, true), 1e-4);
}

/// Writes a small random model whose matrices are stored as `dtype`.
fn write_quantised(path: &Path, dtype: GgmlDType) {
    made::write(path, dtype, dtype, Shape::SMALL);
}

#[test]
fn k_quants_compute_what_their_dequantised_weights_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let ids: Vec<u32> = (0..6).map(|i| (i * 31 + 7) % 300).collect();
    let types = [
        GgmlDType::Q4_0,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
        GgmlDType::Q8_0,
        GgmlDType::BF16,
    ];
    for dtype in types {
        write_quantised(&path, dtype);
        let exact = open_gguf(&path, true);
        let exact = run(&exact, &mut new_cache(&exact), &ids, 6);
        let stored = open_gguf(&path, false);
        for chunk in [1, 6] {
            let found = run(&stored, &mut new_cache(&stored), &ids, chunk);
            let found = distance(found.last().unwrap(), &exact[0]);
            assert!(found < 0.1, "{dtype:?} in chunks of {chunk}: {found}");
        }
        let found = run_as(Phase::Prompt, &stored, &mut new_cache(&stored), &ids, 6);
        let found = distance(&found[0], &exact[0]);
        assert!(found < 0.1, "{dtype:?} as a prompt: {found}");
    }
}

#[test]
fn kept_weights_compute_the_very_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let cache = WeightsCache { folder: folder.path().join("weights"), most_bytes: u64::MAX };
    let ids: Vec<u32> = (0..6).map(|i| (i * 31 + 7) % 300).collect();
    for dtype in [GgmlDType::Q4K, GgmlDType::Q8_0, GgmlDType::BF16] {
        write_quantised(&path, dtype);
        let logits = |model: &Qwen| run(model, &mut new_cache(model), &ids, 6);
        let expected = logits(&open_gguf(&path, false));
        let (written, kept) = open_kept(&path, false, Some(&cache));
        assert_eq!(logits(&written), expected, "{dtype:?} written");
        let mut kept = kept.unwrap();
        kept.put_in_place().unwrap();
        let file = [1; 32];
        kept.seal_or_verify(file).unwrap();
        drop(kept);
        let (mapped, kept) = open_kept(&path, false, Some(&cache));
        assert_eq!(logits(&mapped), expected, "{dtype:?} mapped");
        assert_eq!(kept.unwrap().hash_of_model(), Some(file), "it was found");
    }
    let found = std::fs::read_dir(&cache.folder).unwrap().count();
    assert_eq!(found, 1, "a file that is changed has its weights replaced");
}

#[test]
fn safetensors_logits_equal_transformers() {
    for name in ["qwen2", "qwen3"] {
        check(name, &from_folder(&fixtures().join(name), &[]), 1e-4);
    }
    let yarn = serde_json::json!({
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128
    });
    check(
        "qwen3 with yarn",
        &from_folder(&fixtures().join("qwen3"), &[("rope_scaling", yarn)]),
        1e-4,
    );
}

#[test]
fn safetensors_of_16_bits_compute_what_their_numbers_do() {
    let ids: Vec<u32> = (0..6).map(|i| (i * 31 + 7) % 300).collect();
    let given = fixtures().join("qwen3");
    let tensors =
        candle_core::safetensors::load(given.join("model.safetensors"), &Device::Cpu).unwrap();
    for dtype in [DType::BF16, DType::F16] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(given.join("config.json"), folder.path().join("config.json")).unwrap();
        let narrow: HashMap<_, _> = tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.to_dtype(dtype).unwrap()))
            .collect();
        let file = folder.path().join("model.safetensors");
        candle_core::safetensors::save(&narrow, &file).unwrap();
        let exact = from_folder(folder.path(), &[]);
        let exact = run(&exact, &mut new_cache(&exact), &ids, 6);
        let stored = open_folder(folder.path(), &[], false);
        let found = run(&stored, &mut new_cache(&stored), &ids, 6);
        let found = distance(&found[0], &exact[0]);
        assert!(found < 1e-2, "{dtype:?}: {found}");
        let whole = std::fs::read(&file).unwrap();
        for cut in [0, 7, 8, 100, whole.len() - 1] {
            std::fs::write(&file, &whole[..cut]).unwrap();
            let refused = SafetensorsWeights::open(folder.path(), &Device::Cpu, false, 0);
            let refused = refused.err().unwrap().at(&file).to_string();
            assert!(refused.contains("`model.safetensors` is damaged"), "{cut} bytes: {refused}");
        }
    }
}

#[test]
fn prefill_of_n_tokens_equals_n_single_steps_and_any_chunks() {
    let ids: Vec<u32> = (0..150).map(|i| (i * 7 + 3) % 300).collect();
    for name in ["qwen2-f32.gguf", "qwen3-f32.gguf", "qwen2-q8_0.gguf"] {
        let model = from_gguf(name);
        let single = run(&model, &mut new_cache(&model), &ids, 1);
        let prompt = run_as(Phase::Prompt, &model, &mut new_cache(&model), &ids, 150);
        for chunk in [7, 128, 150] {
            let chunked = run(&model, &mut new_cache(&model), &ids, chunk);
            let found = distance(chunked.last().unwrap(), single.last().unwrap());
            assert!(found < 1e-4, "{name} in chunks of {chunk}: {found}");
            let chunked = run_as(Phase::Prompt, &model, &mut new_cache(&model), &ids, chunk);
            let found = distance(chunked.last().unwrap(), prompt.last().unwrap());
            assert!(found < 1e-4, "{name} as a prompt in chunks of {chunk}: {found}");
        }
    }
}

#[test]
fn what_was_written_is_not_taken_up_where_a_prompt_would_compute_it_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    // Of the last none is multiplied by our own kernels.
    for (dtype, feed_forward, has_packed) in [
        (GgmlDType::Q8_0, GgmlDType::Q8_0, true),
        (GgmlDType::Q8_0, GgmlDType::F32, true),
        (GgmlDType::F32, GgmlDType::Q8_0, true),
        (GgmlDType::F16, GgmlDType::Q8_0, true),
        (GgmlDType::F32, GgmlDType::F32, false),
    ] {
        made::write(&path, dtype, feed_forward, Shape::SMALL);
        let model = open_gguf(&path, false);
        let mut cache = new_cache(&model);
        run_as(Phase::Prompt, &model, &mut cache, &[1, 2, 3], 3);
        run(&model, &mut cache, &[4, 5], 1);
        let written = if has_packed && packed::phases_differ() { 0 } else { 2 };
        assert_eq!(cache.n_reusable(), 3 + written, "{dtype:?}, {feed_forward:?}");
    }
}

#[test]
fn a_cache_knows_what_a_prompt_may_take_up() {
    let model = from_gguf("qwen3-f32.gguf");
    let mut cache = new_cache(&model);
    run(&model, &mut cache, &[1, 2, 3, 4], 2);
    assert_eq!(cache.n_reusable(), 4, "of a model whose phases do not differ all is");
    cache.commit(&[5, 6], false);
    cache.commit(&[7], true);
    assert_eq!((cache.n_reusable(), cache.len()), (4, 7), "not what follows a completion");
    cache.truncate(3);
    assert_eq!(cache.n_reusable(), 3);
}

#[test]
fn a_truncated_cache_goes_on_as_a_fresh_one() {
    let model = from_gguf("qwen3-f32.gguf");
    let ids: Vec<u32> = (0..40).collect();
    let mut cache = new_cache(&model);
    run(&model, &mut cache, &ids, 40);
    cache.truncate(10);
    let again = run(&model, &mut cache, &[200, 201, 202], 3);
    let mut fresh = new_cache(&model);
    let expected = run(&model, &mut fresh, &[&ids[..10], &[200, 201, 202]].concat(), 13);
    assert!(distance(&again[0], &expected[0]) < 1e-4);
    assert_eq!(cache.tokens(), fresh.tokens());
}

#[test]
fn an_interrupted_chunk_leaves_the_cache_as_it_was() {
    let model = from_gguf("qwen2-f32.gguf");
    let mut cache = new_cache(&model);
    run(&model, &mut cache, &[1, 2, 3], 3);
    let interrupt = Interrupt::default();
    interrupt.set();
    let stopped = model.extend(&[4, 5], 1, &mut cache, Phase::Prompt, &interrupt).unwrap();
    assert!(stopped.is_none());
    assert_eq!(cache.tokens(), [1, 2, 3]);
}

#[test]
fn a_cache_in_eight_bits_takes_little_more_than_half_and_foretells_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    made::write(&path, GgmlDType::F32, GgmlDType::F32, Shape::SMALL);
    let model = open_gguf(&path, true);
    let ids: Vec<u32> = (0..90).map(|at| at * 37 % 300).collect();
    let whole = run(&model, &mut new_cache(&model), &ids, 7);
    let mut cache = narrow_cache(&model);
    let narrow = run(&model, &mut cache, &ids, 7);
    for (narrow, whole) in narrow.iter().zip(&whole) {
        let distance = distance(narrow, whole);
        assert!(distance > 0.0 && distance < 2e-2, "{distance}");
    }
    // Chunks make no difference, and what was forgotten leaves nothing behind.
    cache.truncate(40);
    let again = run(&model, &mut cache, &ids[40..], 50);
    assert!(distance(again.last().unwrap(), narrow.last().unwrap()) < 1e-4);
    let bytes = |config: &Config| config.cache_bytes_per_token();
    let config = model.config();
    let of_eight = bytes(&config.clone().with_narrow_cache().unwrap());
    assert_eq!(of_eight * 32, bytes(config) * 34 / 4, "32-bit floats are four times as long");
}

#[test]
fn heads_that_are_no_whole_blocks_refuse_a_cache_in_eight_bits() {
    let config = from_gguf("qwen2-q8_0.gguf").config().clone();
    let reason = config.with_narrow_cache().unwrap_err().reason();
    assert!(reason.contains("16 numbers") && reason.contains("--kv-type q8"), "{reason}");
}
