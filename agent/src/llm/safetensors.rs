//! Weights of a folder of Hugging Face's layout: `model.safetensors`, or its parts and their index.
//!
//! Files are mapped while they are read, and what each matrix becomes is the only copy of it: 16-bit floats stay so.
//!
//! # Source
//! <https://github.com/huggingface/safetensors#format>

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul};
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorInfo};

use crate::llm::matrix::Matrix;
use crate::llm::memory;
use crate::llm::packed::Packed;
use crate::llm::refusal::Refusal;
use crate::llm::weights::{Weights, check_shape, missing};

/// Weights of a folder.
pub(crate) struct SafetensorsWeights {
    files: Vec<Mmap>,
    /// Name → which file, the bytes there, and what they are.
    tensors: HashMap<String, Entry>,
    device: Device,
    own: bool,
}

/// Where a tensor lies.
struct Entry {
    file: usize,
    start: usize,
    info: TensorInfo,
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
        let weights = Self::map(folder, device, own)?;
        memory::require(weights.memory() + extra)?;
        Ok(weights)
    }

    /// As [`SafetensorsWeights::open`], whatever the machine can hold.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub(crate) fn map(folder: &Path, device: &Device, own: bool) -> Result<Self, Refusal> {
        let mut weights =
            Self { files: Vec::new(), tensors: HashMap::new(), device: device.clone(), own };
        for path in files(folder)? {
            weights.add(&path)?;
        }
        Ok(weights)
    }

    /// Memory that the weights will take, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.tensors.values().map(|entry| self.held(&entry.info)).sum()
    }

    /// Each weight: how it is stored, how many numbers it has, and how many bytes they take.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (String, u64, u64)> {
        self.tensors.values().map(|Entry { info, .. }| {
            let numbers = info.shape.iter().product::<usize>() as u64;
            let (start, end) = info.data_offsets;
            (format!("{:?}", info.dtype).to_lowercase(), numbers, (end - start) as u64)
        })
    }

    fn add(&mut self, path: &Path) -> Result<(), Refusal> {
        let map = memory::map(&File::open(path)?)?;
        let damaged = |error| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Refusal::format(format!("`{name}` is damaged, download or copy it again: {error}"))
        };
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(damaged)?;
        // The length of the header stands before it, in eight bytes.
        let data = header + size_of::<u64>();
        for (name, info) in metadata.tensors() {
            let (start, file) = (data + info.data_offsets.0, self.files.len());
            self.tensors.insert(name, Entry { file, start, info: info.clone() });
        }
        self.files.push(map);
        Ok(())
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
            // All else is computed with as 32-bit floats; no product overflows, as offsets were compared with it.
            (_, shape) => shape.iter().product::<usize>() * size_of::<f32>(),
        };
        bytes as u64
    }

    /// Takes a weight out, with its bytes.
    fn take(&mut self, name: &str, expected: &[usize]) -> Result<(TensorInfo, &[u8]), Refusal> {
        let theirs = hugging_face_name(name);
        let entry = self.tensors.remove(&theirs).ok_or_else(|| missing(&theirs))?;
        check_shape(&theirs, expected, &entry.info.shape)?;
        let (start, end) = entry.info.data_offsets;
        let bytes = self.files.get(entry.file).and_then(|map| map.get(entry.start..));
        let bytes = bytes.and_then(|bytes| bytes.get(..end - start));
        Ok((entry.info, bytes.ok_or_else(|| missing(&theirs))?))
    }
}

/// A tensor of 32-bit floats on `device`.
fn floats(info: &TensorInfo, bytes: &[u8], device: &Device) -> Result<Tensor, Refusal> {
    let stored = DType::try_from(info.dtype)?;
    let tensor = Tensor::from_raw_buffer(bytes, stored, &info.shape, &Device::Cpu)?;
    Ok(tensor.to_dtype(DType::F32)?.to_device(device)?)
}

impl Weights for SafetensorsWeights {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&hugging_face_name(name))
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let (device, own) = (self.device.clone(), self.own);
        let packs =
            self.tensors.get(&hugging_face_name(name)).and_then(|entry| self.packs(&entry.info));
        let (info, bytes) = self.take(name, &[rows, columns])?;
        if let Some(dtype) = packs {
            let read = |start: usize, to: &mut [u8]| {
                let found = bytes.get(start..).and_then(|bytes| bytes.get(..to.len()));
                to.copy_from_slice(found.ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            };
            return Ok(Matrix::Packed(Arc::new(Packed::new(dtype, rows, columns, &read)?)));
        }
        let matrix = floats(&info, bytes, &device)?;
        Ok(if own { Matrix::Own(matrix) } else { Matrix::Shared(QMatMul::Tensor(matrix)) })
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, Refusal> {
        let device = self.device.clone();
        let (info, bytes) = self.take(name, &[len])?;
        floats(&info, bytes, &device)
    }
}

/// The safetensors files of a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let index: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(index)?)
        .map_err(|error| Refusal::format(format!("`model.safetensors.index.json`: {error}")))?;
    let map = index.get("weight_map").and_then(serde_json::Value::as_object);
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
