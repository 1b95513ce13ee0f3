//! Random models for tests.

use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

/// Ids that a model knows.
const VOCABULARY: usize = 320;

/// The sizes of a model of Qwen 3's kind.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    layers: usize,
    width: usize,
    hidden: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
}

impl Shape {
    /// One layer of as few columns as every storage type can have.
    pub(super) const SMALL: Self =
        Self { layers: 1, width: 256, hidden: 256, heads: 4, kv_heads: 2, head: 64 };
    /// As small as a model may be that counts as large.
    #[cfg(feature = "cuda")]
    pub(super) const LARGE: Self =
        Self { layers: 5, width: 512, hidden: 2_048, heads: 8, kv_heads: 2, head: 64 };
}

/// Writes a random model whose matrices are stored as `dtype`, those of its feed-forward part as `feed_forward`.
#[expect(clippy::cast_precision_loss, reason = "indices and sizes of small models")]
pub(super) fn write(path: &Path, dtype: GgmlDType, feed_forward: GgmlDType, shape: Shape) {
    let Shape { layers, width, hidden, heads, kv_heads, head } = shape;
    let mut seed = 0.0_f32;
    let mut tensor = |shape: &[usize], spread: f32, centre: f32, dtype| {
        seed += 1.0;
        let count: usize = shape.iter().product();
        let value = |index: usize| {
            ((index as f32 * 12.989 + seed).sin() * 437.58).fract() * spread + centre
        };
        let values: Vec<f32> = (0..count).map(value).collect();
        QTensor::quantize(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap(), dtype).unwrap()
    };
    let mut tensors = vec![
        (String::from("token_embd.weight"), tensor(&[VOCABULARY, width], 1.0, 0.0, dtype)),
        (String::from("output_norm.weight"), tensor(&[width], 0.2, 1.0, GgmlDType::F32)),
    ];
    let matrices = [
        ("attn_q", heads * head, width),
        ("attn_k", kv_heads * head, width),
        ("attn_v", kv_heads * head, width),
        ("attn_output", width, heads * head),
        ("ffn_gate", hidden, width),
        ("ffn_up", hidden, width),
        ("ffn_down", width, hidden),
    ];
    let norms =
        [("attn_norm", width), ("ffn_norm", width), ("attn_q_norm", head), ("attn_k_norm", head)];
    for layer in 0..layers {
        for (name, rows, columns) in matrices {
            let dtype = if name.starts_with("ffn") { feed_forward } else { dtype };
            let spread = 2.4 / (columns as f32).sqrt();
            let weight = tensor(&[rows, columns], spread, 0.0, dtype);
            tensors.push((format!("blk.{layer}.{name}.weight"), weight));
        }
        for (name, len) in norms {
            let weight = tensor(&[len], 0.2, 1.0, GgmlDType::F32);
            tensors.push((format!("blk.{layer}.{name}.weight"), weight));
        }
    }
    let sizes = [
        ("block_count", layers),
        ("context_length", 512),
        ("embedding_length", width),
        ("feed_forward_length", hidden),
        ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads),
        ("attention.key_length", head),
    ];
    let mut metadata = vec![
        (String::from("general.architecture"), Value::String(String::from("qwen3"))),
        (String::from("qwen3.attention.layer_norm_rms_epsilon"), Value::F32(1e-6)),
    ];
    metadata.extend(
        sizes.map(|(key, size)| (format!("qwen3.{key}"), Value::U32(u32::try_from(size).unwrap()))),
    );
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = std::fs::File::create(path).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
}
