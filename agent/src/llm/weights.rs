//! Named weights, with their shapes checked, and those of a GGUF file.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul};
use candle_core::{DType, Device, Tensor};

use crate::llm::config::Config;
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

    /// The matrix of all tokens' vectors, `[rows, columns]`, on the processor.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    fn embedding(&mut self, rows: usize, columns: usize) -> Result<Matrix, Refusal>;
}

/// The name of the matrix of all tokens' vectors.
pub(super) const EMBEDDING: &str = "token_embd.weight";

/// The name of the matrix that makes logits, where it is not that of the tokens' vectors.
pub(super) const HEAD: &str = "output.weight";

/// The name of the matrix `[1, width]` that makes a reward, as llama.cpp calls it.
pub(super) const REWARD_HEAD: &str = "cls.output.weight";

pub(super) fn missing(name: &str) -> Refusal {
    Refusal::format(format!(
        "the weight `{name}` is missing: the file is incomplete or of another model"
    ))
}

pub(super) fn check_shape(name: &str, expected: &[usize], found: &[usize]) -> Result<(), Refusal> {
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

impl<'a> GgufWeights<'a> {
    /// The weights of a model in `file`, to go to `device`.
    pub(crate) fn new(file: &'a Gguf, device: &'a Device, config: &Config) -> Self {
        Self { file, device, own: config.owns(device), kept: None }
    }

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
        if self.device.is_cpu() {
            memory::require(self.memory() + extra)?;
        }
        Ok(())
    }

    /// Memory that the weights will take, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let held = |entry: &TensorEntry| match (entry.dtype, entry.shape.as_slice()) {
            (dtype, &[rows, columns]) if self.packs(entry) => {
                Packed::size(dtype, rows, columns) as u64
            }
            // There is no second form on a GPU, and half floats stay such.
            _ if !self.device.is_cpu() => entry.bytes,
            _ if self.own => (entry.shape.iter().product::<usize>() * size_of::<f32>()) as u64,
            // What our kernels do not take is computed with as 32-bit floats.
            (GgmlDType::F16 | GgmlDType::BF16, _) => entry.bytes * 2,
            _ => entry.bytes,
        };
        let on_device = |name: &str| {
            // Of these rows few are needed.
            self.device.is_cpu() || name != EMBEDDING || !self.has(HEAD)
        };
        let tensors = self.file.tensors.iter().filter(|(name, _)| on_device(name));
        tensors.map(|(_, entry)| held(entry)).sum()
    }

    /// Whether a matrix becomes [`Matrix::Packed`].
    fn packs(&self, entry: &TensorEntry) -> bool {
        let columns = entry.shape.last().copied().unwrap_or_default();
        !self.own && self.device.is_cpu() && Packed::takes(entry.dtype, columns)
    }
}

impl Weights for GgufWeights<'_> {
    fn embedding(&mut self, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let device = std::mem::replace(&mut self.device, &Device::Cpu);
        let embedding = self.matrix(EMBEDDING, rows, columns);
        self.device = device;
        embedding
    }

    fn has(&self, name: &str) -> bool {
        self.file.tensors.contains_key(name)
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let entry = self.file.tensors.get(name).ok_or_else(|| missing(name))?.clone();
        check_shape(name, &[rows, columns], &entry.shape)?;
        if self.packs(&entry) {
            return Ok(Matrix::Packed(Arc::new(self.packed(name, &entry)?)));
        }
        let halves = match entry.dtype {
            GgmlDType::F16 => Some(DType::F16),
            GgmlDType::BF16 => Some(DType::BF16),
            _ => None,
        };
        if let Some(dtype) = halves.filter(|_| !self.device.is_cpu()) {
            let bytes = self.file.bytes(&entry)?;
            let stored = Tensor::from_raw_buffer(&bytes, dtype, &entry.shape, self.device)?;
            return Ok(Matrix::halves(&stored)?);
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
