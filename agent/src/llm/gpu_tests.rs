//! A GPU against the processor, where a GPU is.
#![expect(clippy::print_stderr, reason = "a test that could not be made says so")]

use std::path::Path;

use candle_core::quantized::{GgmlDType, QMatMul};
use candle_core::{DType, Device, Tensor};

use super::attention::attend;
use super::config::Config;
use super::device::Hardware;
use super::gguf::Gguf;
use super::kv_cache::KvCache;
use super::made::{self, Shape};
use super::matrix::{Linear, Matrix, feed_forward};
use super::norm::Norm;
use super::packed::Phase;
use super::qwen::Qwen;
use super::rope::Rope;
use super::tests::distance;
use super::weights::GgufWeights;
use super::{Interrupt, ModelError};

/// The GPU, if one is there.
fn gpu() -> Option<Device> {
    let opened = Hardware::Cuda.device(false, |_| 0);
    opened.inspect_err(|refusal| eprintln!("SKIPPED, there is no GPU: {refusal:?}")).ok()
}

fn open_on(path: &Path, device: &Device) -> Qwen {
    let file = Gguf::open(Box::new(std::fs::File::open(path).unwrap())).unwrap();
    let rows = file.tensors["token_embd.weight"].shape[0];
    let config = Config::from_gguf(&file.metadata, rows).unwrap();
    let mut weights = GgufWeights::new(&file, device, &config);
    Qwen::load(config, &mut weights, device).unwrap()
}

fn noise(shape: &[usize]) -> Tensor {
    Tensor::randn(0.0_f32, 1.0, shape, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Both close, relative to the spread of what the processor computes.
#[track_caller]
fn same(what: &str, gpu: &Tensor, processor: &Tensor, tolerance: f32) {
    assert_eq!(gpu.dims(), processor.dims(), "{what}");
    let far = distance(&numbers(gpu), &numbers(processor));
    assert!(far <= tolerance, "{what}: {far} apart, expected at most {tolerance}");
}

#[test]
fn the_steps_of_a_layer_on_a_gpu_are_those_of_the_processor() {
    let Some(gpu) = gpu() else { return };
    let there = |tensor: &Tensor| tensor.to_device(&gpu).unwrap();
    for (t, heads, size) in [(1, 1, 2), (1, 32, 128), (5, 14, 64), (300, 5, 80)] {
        let n = heads * size;
        let weight = noise(&[n]);
        let (x, more) = (noise(&[t, n]), noise(&[t, n]));
        let norm = |weight| Norm { weight, eps: 1e-6 };
        let expected = norm(weight.clone()).of_sum(&x, &more).unwrap();
        let found = norm(there(&weight)).of_sum(&there(&x), &there(&more)).unwrap();
        same("sum", &found.0, &expected.0, 1e-5);
        same("norm", &found.1, &expected.1, 1e-4);
        let rope = Rope::from_json(&serde_json::json!({"rope_theta": 1e6})).unwrap();
        let weight = noise(&[size]);
        let angles = || rope.angles(size, 7, t);
        for weighted in [false, true] {
            let norm = |weight| weighted.then_some(Norm { weight, eps: 1e-6 });
            let expected = angles().turn(&x, norm(weight.clone()).as_ref()).unwrap();
            let found = angles().turn(&there(&x), norm(there(&weight)).as_ref()).unwrap();
            same("turned", &found, &expected, 1e-4);
        }
        let linear = |tensor: Tensor| Linear { weight: Matrix::Own(tensor), bias: None };
        let matrices = [noise(&[48, n]), noise(&[48, n]), noise(&[n, 48])];
        let [gate, up, down] = matrices.clone().map(linear);
        let expected = feed_forward(&gate, &up, &down, &x, Phase::Completion).unwrap();
        let dense = |tensor: &Tensor| {
            let weight = Matrix::Shared(QMatMul::Tensor(there(tensor)));
            Linear { weight, bias: None }
        };
        let [gate, up, down] = matrices.each_ref().map(dense);
        let found = feed_forward(&gate, &up, &down, &there(&x), Phase::Completion).unwrap();
        same("fed forward", &found, &expected, 1e-3);
    }
}

#[test]
fn attention_on_a_gpu_is_that_of_the_processor_for_each_shape_and_split() {
    let Some(gpu) = gpu() else { return };
    for (h, h_kv, d) in
        [(32, 8, 128), (40, 8, 128), (28, 4, 128), (14, 2, 64), (3, 3, 64), (4, 2, 32)]
    {
        for (t, s) in
            [(1, 1), (1, 63), (1, 64), (1, 1_500), (4, 200), (17, 17), (70, 333), (512, 700)]
        {
            let query = (noise(&[t, h, d]) * 2.0).unwrap();
            let cache = |seed: f64| {
                let whole =
                    (noise(&[h_kv, s + 5, d]) * seed).unwrap().to_dtype(DType::F16).unwrap();
                // What lies behind the tokens held must not be seen.
                let behind = (whole.narrow(1, s, 5).unwrap() * f64::INFINITY).unwrap();
                whole.slice_set(&behind, 1, s).unwrap();
                whole
            };
            let (keys, values) = (cache(1.0), cache(0.5));
            let held =
                |whole: &Tensor, on: &Device| whole.to_device(on).unwrap().narrow(1, 0, s).unwrap();
            let expected = |on| {
                let query = query.to_device(on).unwrap();
                attend(&query, &held(&keys, on), &held(&values, on), Phase::Completion).unwrap()
            };
            let name = format!("{t} of {s}, {h} heads over {h_kv} of {d}");
            same(&name, &expected(&gpu), &expected(&Device::Cpu), 1e-2);
        }
    }
}

#[test]
fn what_a_half_cannot_hold_is_kept_on_a_gpu_as_the_largest_that_it_can() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    made::write(&path, GgmlDType::Q8_0, GgmlDType::Q8_0, Shape::LARGE);
    let config = open_on(&path, &gpu).config().clone();
    let kept = |on: &Device| {
        let mut cache = KvCache::new(&config, on);
        cache.reserve(3, config.n_layers).unwrap();
        let shape = (3, config.n_kv_heads, config.head_size);
        let new = (Tensor::ones(shape, DType::F32, on).unwrap() * 1e6).unwrap();
        let new = new.transpose(0, 1).unwrap();
        let (keys, values) = cache.extend(1, &new, &new.neg().unwrap()).unwrap();
        [keys, values].map(|kept| numbers(&kept))
    };
    assert_eq!(kept(&gpu), kept(&Device::Cpu));
}

/// The logits behind each chunk of a text of no meaning, and those of some tokens behind it one by one.
fn logits(model: &Qwen, cache: &mut KvCache, chunks: &[usize]) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    for &count in chunks {
        let held = cache.len();
        let ids: Vec<u32> =
            (held..held + count).map(|at| u32::try_from(at * 7_919 % 320).unwrap()).collect();
        let interrupt = Interrupt::default();
        let wanted = count.min(3);
        let vectors = model.extend(&ids, wanted, cache, Phase::Prompt, &interrupt).unwrap();
        found.extend(model.logits(&vectors.unwrap()).unwrap());
    }
    found
}

#[test]
fn a_model_on_a_gpu_has_the_logits_of_the_processor_for_each_storage_type() {
    let Some(gpu) = gpu() else { return };
    for (dtype, feed_forward) in [
        (GgmlDType::Q8_0, GgmlDType::Q8_0),
        (GgmlDType::Q4K, GgmlDType::Q6K),
        (GgmlDType::F16, GgmlDType::BF16),
        (GgmlDType::F32, GgmlDType::F32),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        made::write(&path, dtype, feed_forward, Shape::LARGE);
        let chunks = [200, 9, 4, 1, 1];
        let on = |device: &Device| {
            let model = open_on(&path, device);
            logits(&model, &mut KvCache::new(model.config(), device), &chunks)
        };
        // Both round activations, each in its own way.
        for (at, (found, expected)) in on(&gpu).iter().zip(on(&Device::Cpu)).enumerate() {
            let far = distance(found, &expected);
            eprintln!("{dtype:?} {feed_forward:?} position {at}: {far:.4}");
            assert!(far < 0.15, "{dtype:?}, position {at}: {far}");
        }
    }
}

#[test]
fn a_cache_on_a_gpu_that_is_cut_back_goes_on_as_if_it_had_never_held_more() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    made::write(&path, GgmlDType::Q4K, GgmlDType::Q6K, Shape::LARGE);
    let model = open_on(&path, &gpu);
    let mut fresh = KvCache::new(model.config(), &gpu);
    let expected = logits(&model, &mut fresh, &[100, 30, 1]);
    let mut cut = KvCache::new(model.config(), &gpu);
    logits(&model, &mut cut, &[100, 300, 9]);
    cut.truncate(100);
    let found = logits(&model, &mut cut, &[30, 1]);
    for (found, expected) in found.iter().zip(&expected[3..]) {
        assert!(distance(found, expected) < 1e-3);
    }
    // A part that is read back and written again, as a saved cache is, too.
    let part = cut.part(1, 50).unwrap().to_device(&Device::Cpu).unwrap();
    cut.set_part(1, &part.to_device(&gpu).unwrap()).unwrap();
}

#[test]
fn a_prompt_on_a_gpu_is_cancelled_and_leaves_the_cache_as_it_was() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    made::write(&path, GgmlDType::Q8_0, GgmlDType::Q8_0, Shape::LARGE);
    let model = open_on(&path, &gpu);
    let mut cache = KvCache::new(model.config(), &gpu);
    logits(&model, &mut cache, &[20]);
    let interrupt = Interrupt::default();
    interrupt.set();
    let ids = vec![5; 400];
    assert!(model.extend(&ids, 1, &mut cache, Phase::Prompt, &interrupt).unwrap().is_none());
    assert_eq!(cache.len(), 20);
    let found = logits(&model, &mut cache, &[30]);
    let mut fresh = KvCache::new(model.config(), &gpu);
    let expected = logits(&model, &mut fresh, &[20, 30]);
    for (found, expected) in found.iter().zip(&expected[3..]) {
        assert!(distance(found, expected) < 1e-3);
    }
}

#[test]
fn a_model_that_a_gpu_cannot_hold_is_refused_with_what_to_do() {
    let Some(_) = gpu() else { return };
    let refused = Hardware::Cuda.device(false, |_| 1 << 60).unwrap_err();
    let error = refused.at(std::path::Path::new("model.gguf"));
    assert!(matches!(error, ModelError::Device(_)), "{error}");
    assert!(error.to_string().contains("--device cpu"), "{error}");
    assert!(
        Hardware::Auto
            .device(false, |device| if device.is_cpu() { 0 } else { 1 << 60 })
            .unwrap()
            .is_cpu()
    );
}
