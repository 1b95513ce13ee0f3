//! The GGUF container, read and judged before candle sees any of it.
//!
//! Model files come from strangers. Every count, length and offset is checked against the bytes that are really
//! there before memory is taken for it, so a header of any content costs at most a few times its own size.
//!
//! # Source
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};

use crate::llm::refusal::Refusal;

mod header;
mod value;

pub(crate) use value::Metadata;
use value::Value;

/// Where a model file is read from: its header from front to back, its tensors at any place, by several threads.
pub(crate) trait Source: Read + Seek + Send + Sync {
    /// Fills `to` with what stands from `start` on.
    ///
    /// # Errors
    /// When there is less, or it cannot be read.
    fn read_at(&self, start: u64, to: &mut [u8]) -> std::io::Result<()>;
}

impl Source for File {
    fn read_at(&self, start: u64, to: &mut [u8]) -> std::io::Result<()> {
        self.read_exact_at(to, start)
    }
}

impl<T: AsRef<[u8]> + Send + Sync> Source for Cursor<T> {
    fn read_at(&self, start: u64, to: &mut [u8]) -> std::io::Result<()> {
        let rest =
            usize::try_from(start).ok().and_then(|start| self.get_ref().as_ref().get(start..));
        let found = rest.and_then(|rest| rest.get(..to.len()));
        to.copy_from_slice(found.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A checked GGUF file, open for its tensors.
pub(crate) struct Gguf {
    source: Box<dyn Source>,
    /// The key-value pairs of the header.
    pub(crate) metadata: Metadata,
    /// Name → where it lies; ranges are inside the file and do not overlap.
    pub(crate) tensors: BTreeMap<String, TensorEntry>,
    /// Bytes before the first tensor's.
    header_length: u64,
}

/// Where a tensor lies and what it holds.
#[derive(Debug, Clone)]
pub(crate) struct TensorEntry {
    /// Storage type.
    pub(crate) dtype: GgmlDType,
    /// Slowest dimension first, as candle counts; GGUF stores them the other way round.
    pub(crate) shape: Vec<usize>,
    /// First byte, from the start of the file.
    start: u64,
    /// Number of bytes.
    pub(crate) bytes: u64,
}

impl Gguf {
    /// Reads and checks the header of a whole GGUF file.
    ///
    /// # Errors
    /// When any rule of the format is broken, with the rule and what was found.
    pub(crate) fn open(mut source: Box<dyn Source>) -> Result<Self, Refusal> {
        let length = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        let header::Read { metadata, tensors, length } = header::read(&mut source, length)?;
        Ok(Self { source, metadata, tensors, header_length: length })
    }

    /// All bytes before the first tensor's.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn header(&self) -> std::io::Result<Vec<u8>> {
        let length = usize::try_from(self.header_length).map_err(std::io::Error::other)?;
        let mut header = vec![0; length];
        self.source.read_at(0, &mut header)?;
        Ok(header)
    }

    /// Reads one tensor's data onto `device`.
    ///
    /// # Errors
    /// When the file cannot be read, or `device` refuses the data.
    pub(crate) fn load(&self, entry: &TensorEntry, device: &Device) -> Result<QTensor, Refusal> {
        let storage = QStorage::from_data(Cow::Owned(self.bytes(entry)?), device, entry.dtype)?;
        Ok(QTensor::new(storage, entry.shape.clone())?)
    }

    /// Reads one tensor's data.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn bytes(&self, entry: &TensorEntry) -> Result<Vec<u8>, Refusal> {
        let length = usize::try_from(entry.bytes)
            .map_err(|_| Refusal::format("a tensor is larger than this machine can address"))?;
        let mut data = vec![0_u8; length];
        self.read(entry, 0, &mut data)?;
        Ok(data)
    }

    /// Fills `to` with a tensor's bytes from its byte `start` on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(
        &self,
        entry: &TensorEntry,
        start: usize,
        to: &mut [u8],
    ) -> std::io::Result<()> {
        self.source.read_at(entry.start + start as u64, to)
    }
}

/// The storage types that candle can compute with, by their number in the file.
///
/// # Source
/// `enum ggml_type`, <https://github.com/ggml-org/ggml/blob/master/include/ggml.h>
fn dtype_of(number: u32) -> Option<GgmlDType> {
    let dtype = match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    };
    Some(dtype)
}

#[cfg(test)]
mod tests;
