//! Named weights from a GGUF file or from safetensors, with their shapes checked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul};
use candle_core::{DType, Device, Tensor};

use crate::llm::gguf::{Gguf, TensorEntry};
use crate::llm::matrix::Matrix;
use crate::llm::memory;
use crate::llm::packed::{self, Packed};
use crate::llm::refusal::Refusal;
use crate::llm::weights_cache::{Kept, Layout};

/// Where weights come from. Names are those of llama.cpp: `token_embd.weight`, `blk.0.attn_q.weight`, …
pub(crate) trait Weights {
    /// Whether there is a weight of this name.
    fn has(&self, name: &str) -> bool;

    /// The matrix `name`, `[rows, columns]`, as stored: quantised ones stay so.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal>;

    /// The vector `name`, `[len]`, as 32-bit floats.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, Refusal>;
}

fn missing(name: &str) -> Refusal {
    Refusal::format(format!(
        "the weight `{name}` is missing: the file is incomplete or of another model"
    ))
}

fn check_shape(name: &str, expected: &[usize], found: &[usize]) -> Result<(), Refusal> {
    if expected == found {
        return Ok(());
    }
    Err(Refusal::format(format!("the weight `{name}` has shape {found:?}, expected {expected:?}")))
}

/// Weights of a GGUF file.
pub(crate) struct GgufWeights<'a> {
    /// The open file.
    pub(crate) file: &'a Gguf,
    /// Where the weights go.
    pub(crate) device: &'a Device,
    /// Whether matrices become [`Matrix::Own`] instead of staying as stored.
    pub(crate) own: bool,
    /// Where rearranged matrices are kept.
    pub(crate) kept: Option<&'a Kept>,
}

impl GgufWeights<'_> {
    /// Where rearranged matrices would lie in a file.
    pub(crate) fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        for (name, entry) in &self.file.tensors {
            if let (true, &[rows, columns]) = (self.packs(entry), entry.shape.as_slice()) {
                layout.add(name, Packed::size(entry.dtype, rows, columns));
            }
        }
        layout
    }

    fn packed(&self, name: &str, entry: &TensorEntry) -> Result<Packed, Refusal> {
        let &[rows, columns] = entry.shape.as_slice() else { return Err(missing(name)) };
        let read = |start, to: &mut [u8]| self.file.read(entry, start, to);
        if let Some((kept, (tiles, are_there))) =
            self.kept.and_then(|kept| Some((kept, kept.tiles(name)?)))
        {
            let write = |at, bytes: &[u8]| kept.write(&tiles, at, bytes);
            let rearranging: Option<(&packed::Read<'_>, &packed::Write<'_>)> =
                (!are_there).then_some((&read, &write));
            let packed = Packed::kept(entry.dtype, rows, columns, tiles.clone(), rearranging);
            if packed.is_ok() || are_there {
                return packed;
            }
            // What could not be read now must not be kept as zeros.
            kept.spoil();
        }
        Packed::new(entry.dtype, rows, columns, &read)
    }

    /// Refuses when the machine cannot hold the weights and `extra` bytes.
    ///
    /// # Errors
    /// [`Refusal::Memory`].
    pub(crate) fn require_memory(&self, extra: u64) -> Result<(), Refusal> {
        let held = |entry: &TensorEntry| match (entry.dtype, entry.shape.as_slice()) {
            (dtype, &[rows, columns]) if self.packs(entry) => {
                Packed::size(dtype, rows, columns) as u64
            }
            _ if self.own => (entry.shape.iter().product::<usize>() * size_of::<f32>()) as u64,
            // Half floats are computed with as 32-bit floats; of the others candle keeps a second form, arranged for
            // the processor, beside the first.
            (
                GgmlDType::F16
                | GgmlDType::BF16
                | GgmlDType::Q4K
                | GgmlDType::Q6K
                | GgmlDType::Q8_0,
                _,
            ) => entry.bytes * 2,
            _ => entry.bytes,
        };
        Ok(memory::require(self.file.tensors.values().map(held).sum::<u64>() + extra)?)
    }

    /// Whether a matrix becomes [`Matrix::Packed`].
    fn packs(&self, entry: &TensorEntry) -> bool {
        let columns = entry.shape.last().copied().unwrap_or_default();
        !self.own && self.device.is_cpu() && Packed::takes(entry.dtype, columns)
    }
}

impl Weights for GgufWeights<'_> {
    fn has(&self, name: &str) -> bool {
        self.file.tensors.contains_key(name)
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let entry = self.file.tensors.get(name).ok_or_else(|| missing(name))?.clone();
        check_shape(name, &[rows, columns], &entry.shape)?;
        if self.packs(&entry) {
            return Ok(Matrix::Packed(Arc::new(self.packed(name, &entry)?)));
        }
        let stored = self.file.load(&entry, self.device)?;
        if self.own {
            return Ok(Matrix::Own(stored.dequantize(self.device)?));
        }
        Ok(Matrix::Shared(QMatMul::from_qtensor(stored)?))
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, Refusal> {
        let entry = self.file.tensors.get(name).ok_or_else(|| missing(name))?.clone();
        check_shape(name, &[len], &entry.shape)?;
        Ok(self.file.load(&entry, self.device)?.dequantize(self.device)?)
    }
}

/// Weights of a folder with `model.safetensors`, or its parts and their index.
pub(crate) struct SafetensorsWeights {
    tensors: HashMap<String, Tensor>,
    device: Device,
    own: bool,
}

impl SafetensorsWeights {
    /// Reads all tensors of `folder`, after a look at whether the machine can hold them and `extra` bytes. Matrices
    /// are [`Matrix::Own`] if `own`.
    ///
    /// # Errors
    /// When a file is missing, damaged, or too large for the machine.
    pub(crate) fn open(
        folder: &Path,
        device: &Device,
        own: bool,
        extra: u64,
    ) -> Result<Self, Refusal> {
        let files = files(folder)?;
        let mut bytes = 0;
        for file in &files {
            bytes += std::fs::metadata(file)?.len();
        }
        // Half-precision weights are computed with as 32-bit floats.
        memory::require(bytes * 2 + extra)?;
        let mut tensors = HashMap::new();
        for file in &files {
            for (name, tensor) in candle_core::safetensors::load(file, device)? {
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { tensors, device: device.clone(), own })
    }

    /// Takes the tensor out, so that each is held once while it is converted.
    fn take(&mut self, name: &str, expected: &[usize]) -> Result<Tensor, Refusal> {
        let theirs = hugging_face_name(name);
        let tensor = self.tensors.remove(&theirs).ok_or_else(|| missing(&theirs))?;
        check_shape(&theirs, expected, tensor.dims())?;
        Ok(tensor.to_dtype(DType::F32)?.to_device(&self.device)?)
    }
}

impl Weights for SafetensorsWeights {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&hugging_face_name(name))
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let matrix = self.take(name, &[rows, columns])?;
        Ok(if self.own { Matrix::Own(matrix) } else { Matrix::Shared(QMatMul::Tensor(matrix)) })
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, Refusal> {
        self.take(name, &[len])
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
