//! Weights of a folder of Hugging Face's layout: `model.safetensors`, or its parts and their index.
//!
//! Each weight is read straight into what it becomes: 16-bit floats stay so. Files come from strangers, so a header is
//! compared with the bytes that are there before memory is taken for what it names.
//!
//! # Source
//! <https://github.com/huggingface/safetensors#format>

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul};
use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde_json::Value as Json;

use crate::llm::matrix::Matrix;
use crate::llm::memory;
use crate::llm::packed::Packed;
use crate::llm::refusal::Refusal;
use crate::llm::weights::{EMBEDDING, HEAD, Weights, check_shape, missing};

/// Bytes of the longest header that is read.
const LONGEST_HEADER: u64 = 100_000_000;

/// Weights of a folder.
pub(crate) struct SafetensorsWeights {
    /// By name.
    tensors: HashMap<String, Entry>,
    device: Device,
    own: bool,
}

/// Where a tensor lies, and what it is.
struct Entry {
    file: Arc<File>,
    start: u64,
    info: TensorInfo,
}

impl Entry {
    /// Fills `to` with the tensor's bytes from its byte `from` on.
    fn read(&self, from: usize, to: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(to, self.start + from as u64)
    }
}

impl SafetensorsWeights {
    /// Opens all files of `folder`, after a look at whether the machine can hold their weights and `extra` bytes.
    /// Matrices are [`Matrix::Own`] if `own`.
    ///
    /// # Errors
    /// When a file is missing, damaged, or too large for the machine.
    pub(crate) fn open(
        folder: &Path,
        device: &Device,
        own: bool,
        extra: u64,
    ) -> Result<Self, Refusal> {
        let weights = Self::look(folder, device, own)?;
        if device.is_cpu() {
            memory::require(weights.memory() + extra)?;
        }
        Ok(weights)
    }

    /// As [`SafetensorsWeights::open`], whatever the machine can hold.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub(crate) fn look(folder: &Path, device: &Device, own: bool) -> Result<Self, Refusal> {
        let mut weights = Self { tensors: HashMap::new(), device: device.clone(), own };
        for path in files(folder)? {
            for (name, entry) in entries(&path)? {
                weights.tensors.insert(name, entry);
            }
        }
        Ok(weights)
    }

    /// Memory that the weights will take, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let embedding = hugging_face_name(EMBEDDING);
        let on_device = |name: &str| {
            // Of these rows few are needed.
            self.device.is_cpu() || name != embedding || !self.has(HEAD)
        };
        let tensors = self.tensors.iter().filter(|(name, _)| on_device(name));
        tensors.map(|(_, entry)| self.held(&entry.info)).sum()
    }

    /// Each weight: how it is stored, how many numbers it has, and how many bytes they take.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (String, u64, u64)> {
        self.tensors.values().map(|Entry { info, .. }| {
            let numbers = info.shape.iter().product::<usize>() as u64;
            let (start, end) = info.data_offsets;
            (format!("{:?}", info.dtype).to_lowercase(), numbers, (end - start) as u64)
        })
    }

    /// Whether a matrix becomes [`Matrix::Halves`].
    fn halves(&self, info: &TensorInfo) -> bool {
        let is_matrix = info.shape.len() == 2;
        !self.device.is_cpu() && is_matrix && matches!(info.dtype, Dtype::F16 | Dtype::BF16)
    }

    /// The type of a matrix that becomes [`Matrix::Packed`].
    fn packs(&self, info: &TensorInfo) -> Option<GgmlDType> {
        let dtype = match info.dtype {
            Dtype::F16 => GgmlDType::F16,
            Dtype::BF16 => GgmlDType::BF16,
            _ => return None,
        };
        let &[_, columns] = info.shape.as_slice() else { return None };
        let packs = !self.own && self.device.is_cpu() && Packed::takes(dtype, columns);
        packs.then_some(dtype)
    }

    /// Bytes that a weight takes in memory.
    fn held(&self, info: &TensorInfo) -> u64 {
        let bytes = match (self.packs(info), info.shape.as_slice()) {
            (Some(dtype), &[rows, columns]) => Packed::size(dtype, rows, columns),
            (_, shape) if self.halves(info) => {
                shape.iter().product::<usize>().saturating_mul(size_of::<half::bf16>())
            }
            // All else is computed with as 32-bit floats.
            (_, shape) => shape.iter().product::<usize>().saturating_mul(size_of::<f32>()),
        };
        bytes as u64
    }

    /// Where a weight lies.
    fn find(&self, name: &str, expected: &[usize]) -> Result<&Entry, Refusal> {
        let theirs = hugging_face_name(name);
        let entry = self.tensors.get(&theirs).ok_or_else(|| missing(&theirs))?;
        check_shape(&theirs, expected, &entry.info.shape)?;
        Ok(entry)
    }

    /// A weight as it is stored.
    fn stored_on(entry: &Entry, device: &Device) -> Result<Tensor, Refusal> {
        let (start, end) = entry.info.data_offsets;
        let mut bytes = vec![0; end - start];
        entry.read(0, &mut bytes)?;
        let stored = DType::try_from(entry.info.dtype)?;
        Ok(Tensor::from_raw_buffer(&bytes, stored, &entry.info.shape, device)?)
    }

    /// A weight as 32-bit floats.
    fn floats(&self, entry: &Entry) -> Result<Tensor, Refusal> {
        let stored = Self::stored_on(entry, &Device::Cpu)?;
        Ok(stored.to_dtype(DType::F32)?.to_device(&self.device)?)
    }
}

/// The tensors of a file.
fn entries(path: &Path) -> Result<Vec<(String, Entry)>, Refusal> {
    let damaged = |found: String| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Refusal::format(format!("`{name}` is damaged, download or copy it again: {found}"))
    };
    let file = Arc::new(File::open(path)?);
    let length = file.metadata()?.len();
    let mut header = [0; size_of::<u64>()];
    if length < header.len() as u64 {
        return Err(damaged(format!("it has {length} bytes")));
    }
    file.read_exact_at(&mut header, 0)?;
    let n_bytes = u64::from_le_bytes(header);
    let data = n_bytes.saturating_add(header.len() as u64);
    if n_bytes > LONGEST_HEADER || data > length {
        return Err(damaged(format!("a header of {n_bytes} bytes in a file of {length}")));
    }
    let mut text = vec![0; usize::try_from(n_bytes).unwrap_or_default()];
    file.read_exact_at(&mut text, header.len() as u64)?;
    let named: HashMap<String, Json> =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("its header: {error}")))?;
    let tensors = named.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, json)| {
            let info: TensorInfo = serde_json::from_value(json)
                .map_err(|error| damaged(format!("the weight `{name}`: {error}")))?;
            if !lies_within(&info, length - data) {
                return Err(damaged(format!("the weight `{name}` does not lie in the file")));
            }
            let start = data + info.data_offsets.0 as u64;
            Ok((name, Entry { file: Arc::clone(&file), start, info }))
        })
        .collect()
}

/// Whether a tensor's bytes are as many as its shape says, and among `n_bytes` that are there.
fn lies_within(info: &TensorInfo, n_bytes: u64) -> bool {
    let (start, end) = info.data_offsets;
    let numbers = info.shape.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
    let bits = numbers.and_then(|numbers| numbers.checked_mul(info.dtype.bitsize()));
    let held = end.checked_sub(start).and_then(|held| held.checked_mul(8));
    held.is_some() && held == bits && end as u64 <= n_bytes
}

impl Weights for SafetensorsWeights {
    fn embedding(&mut self, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let device = std::mem::replace(&mut self.device, Device::Cpu);
        let embedding = self.matrix(EMBEDDING, rows, columns);
        self.device = device;
        embedding
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&hugging_face_name(name))
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let entry = self.find(name, &[rows, columns])?;
        if let Some(dtype) = self.packs(&entry.info) {
            let read = |start: usize, to: &mut [u8]| entry.read(start, to);
            return Ok(Matrix::Packed(Arc::new(Packed::new(dtype, rows, columns, &read)?)));
        }
        if self.halves(&entry.info) {
            return Ok(Matrix::halves(&Self::stored_on(entry, &self.device)?)?);
        }
        let matrix = self.floats(entry)?;
        Ok(if self.own { Matrix::Own(matrix) } else { Matrix::Shared(QMatMul::Tensor(matrix)) })
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, Refusal> {
        self.floats(self.find(name, &[len])?)
    }
}

/// The safetensors files of a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let index: Json = serde_json::from_str(&std::fs::read_to_string(index)?)
        .map_err(|error| Refusal::format(format!("`model.safetensors.index.json`: {error}")))?;
    let map = index.get("weight_map").and_then(Json::as_object);
    let names = map.into_iter().flatten().filter_map(|(_, file)| file.as_str());
    let mut files: Vec<_> = Vec::new();
    for name in names {
        // A name with a path in it could point outside the folder.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(Refusal::format(format!(
                "the index names `{name}`, expected a plain file name"
            )));
        }
        files.push(folder.join(name));
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// The name that Hugging Face gives to a weight of llama.cpp's name.
fn hugging_face_name(name: &str) -> String {
    let whole = match name {
        "token_embd.weight" => "model.embed_tokens.weight",
        "output_norm.weight" => "model.norm.weight",
        "output.weight" => "lm_head.weight",
        // Of `…ForSequenceClassification` with one label.
        "cls.output.weight" => "score.weight",
        _ => "",
    };
    if !whole.is_empty() {
        return String::from(whole);
    }
    let mut parts = name.splitn(4, '.');
    let (Some("blk"), Some(layer), Some(part), Some(kind)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return String::from(name);
    };
    let part = match part {
        "attn_norm" => "input_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "attn_output" => "self_attn.o_proj",
        "ffn_norm" => "post_attention_layernorm",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        other => other,
    };
    format!("model.layers.{layer}.{part}.{kind}")
}
