//! Reads a GGUF header, trusting nothing in it.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use super::{Metadata, TensorEntry, Value, dtype_of};
use crate::llm::refusal::Refusal;

const MAGIC: [u8; 4] = *b"GGUF";
/// Alignment of tensor data where the header names none.
const DEFAULT_ALIGNMENT: u64 = 32;
/// Real files have a few dozen pairs and under 2,000 tensors.
const MAX_ENTRIES: u64 = 1 << 16;
/// The largest vocabularies have under 300,000 tokens.
const MAX_ARRAY: u64 = 1 << 24;
/// `GGML_MAX_DIMS`.
const MAX_DIMS: u32 = 4;
/// More elements than any model has, and far from overflow.
const MAX_ELEMENTS: u64 = 1 << 40;

/// What a header says.
pub(super) struct Read {
    /// The pairs.
    pub(super) metadata: Metadata,
    /// The tensors.
    pub(super) tensors: BTreeMap<String, TensorEntry>,
    /// Bytes before the first tensor's.
    pub(super) length: u64,
}

/// Reads pairs and tensor entries; afterwards every entry's range is inside the file and overlaps no other.
pub(super) fn read(source: &mut dyn std::io::Read, length: u64) -> Result<Read, Refusal> {
    // One large buffered read beats thousands of small ones: a vocabulary has 150,000 strings.
    let mut reader =
        Reader { source: std::io::BufReader::with_capacity(1 << 16, source), position: 0, length };
    let (n_tensors, n_pairs) = reader.counts()?;
    let metadata = reader.pairs(n_pairs)?;
    let alignment = alignment(&metadata)?;
    let declared = reader.tensors(n_tensors)?;
    let data_start = reader.position.next_multiple_of(alignment);
    let tensors = place(declared, data_start, alignment, length)?;
    // Of a file without tensors the padding before them may be missing.
    Ok(Read { metadata, tensors, length: data_start.min(length) })
}

/// A tensor as declared; its offset counts from the start of the data.
struct Declared {
    name: String,
    entry: TensorEntry,
}

/// The bytes of the header, and how many are left.
struct Reader<'a> {
    source: std::io::BufReader<&'a mut dyn std::io::Read>,
    position: u64,
    length: u64,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, Refusal> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// Checks a count of things of at least `least` bytes each against what is left of the file.
    fn check_count(&self, what: &str, count: u64, least: u64, most: u64) -> Result<(), Refusal> {
        let left = self.length.saturating_sub(self.position);
        if count > most || count.saturating_mul(least) > left {
            return Err(Refusal::format(format!(
                "the header announces {count} {what}, the file has {left} more bytes: it is damaged, download it again"
            )));
        }
        Ok(())
    }

    /// Magic, version, and the numbers of tensors and pairs.
    fn counts(&mut self) -> Result<(u64, u64), Refusal> {
        let magic: [u8; 4] = self.bytes()?;
        if magic != MAGIC {
            return Err(Refusal::format(format!(
                "expected a GGUF file, which begins with `GGUF`, found {magic:02x?}: choose another file"
            )));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(Refusal::format(format!(
                "expected GGUF version 2 or 3, found {version}: convert the model anew"
            )));
        }
        let (n_tensors, n_pairs) = (self.u64()?, self.u64()?);
        self.check_count("tensors", n_tensors, 24, MAX_ENTRIES)?;
        self.check_count("settings", n_pairs, 13, MAX_ENTRIES)?;
        Ok((n_tensors, n_pairs))
    }

    fn text(&mut self) -> Result<String, Refusal> {
        let length = self.u64()?;
        self.check_count("bytes of text", length, 1, u64::MAX)?;
        let mut bytes = Vec::new();
        (&mut self.source).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        self.position += length;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn pairs(&mut self, count: u64) -> Result<Metadata, Refusal> {
        let mut pairs = HashMap::new();
        for _ in 0..count {
            let key = self.text()?;
            let kind = self.u32()?;
            let value = if kind == ARRAY { self.array()? } else { self.scalar(kind)? };
            if pairs.insert(key.clone(), value).is_some() {
                return Err(Refusal::format(format!("the header sets `{key}` twice")));
            }
        }
        Ok(Metadata(pairs))
    }

    fn scalar(&mut self, kind: u32) -> Result<Value, Refusal> {
        Ok(match kind {
            0 => Value::Integer(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Integer(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Integer(self.u32()?.into()),
            5 => Value::Integer(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(self.bytes::<1>()? != [0]),
            TEXT => Value::Text(self.text()?),
            10 => Value::Integer(self.u64()?.into()),
            11 => Value::Integer(i64::from_le_bytes(self.bytes()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => {
                return Err(Refusal::format(format!(
                    "a setting has type number {kind}, known are 0 to 12: the header is damaged"
                )));
            }
        })
    }

    /// An array of scalars; arrays of arrays occur in no model file and are refused.
    fn array(&mut self) -> Result<Value, Refusal> {
        let (kind, count) = (self.u32()?, self.u64()?);
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            TEXT | 10..=12 => 8,
            _ => {
                return Err(Refusal::format(format!(
                    "an array has elements of type number {kind}: the header is damaged"
                )));
            }
        };
        self.check_count("array elements", count, least, MAX_ARRAY)?;
        if kind == TEXT {
            return Ok(Value::Texts((0..count).map(|_| self.text()).collect::<Result<_, _>>()?));
        }
        let mut integers = Vec::new();
        for _ in 0..count {
            if let Value::Integer(number) = self.scalar(kind)? {
                integers.push(i64::try_from(number).unwrap_or(i64::MAX));
            }
        }
        Ok(if matches!(kind, 6 | 7 | 12) { Value::Skipped } else { Value::Integers(integers) })
    }

    fn tensors(&mut self, count: u64) -> Result<Vec<Declared>, Refusal> {
        (0..count).map(|_| self.tensor()).collect()
    }

    fn tensor(&mut self) -> Result<Declared, Refusal> {
        let name = self.text()?;
        let n_dims = self.u32()?;
        if n_dims == 0 || n_dims > MAX_DIMS {
            return Err(Refusal::format(format!(
                "tensor `{name}` has {n_dims} dimensions, expected 1 to {MAX_DIMS}"
            )));
        }
        let dims = (0..n_dims).map(|_| self.u64()).collect::<Result<Vec<_>, _>>()?;
        let (number, start) = (self.u32()?, self.u64()?);
        let dtype = dtype_of(number).ok_or_else(|| {
            Refusal::format(format!(
                "tensor `{name}` has storage type number {number}, which is not supported: choose a file with \
                 Q4_K_M, Q5_K_M, Q6_K, Q8_0 or F16"
            ))
        })?;
        let (shape, elements) = shape(&name, &dims)?;
        let block = dtype.block_size() as u64;
        let row = dims.first().copied().unwrap_or_default();
        if !row.is_multiple_of(block) {
            return Err(Refusal::format(format!(
                "tensor `{name}` has rows of {row} elements, its type needs a multiple of {block}"
            )));
        }
        let bytes = elements / block * dtype.type_size() as u64;
        Ok(Declared { name, entry: TensorEntry { dtype, shape, start, bytes } })
    }
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// The shape, slowest dimension first, and the number of elements.
fn shape(name: &str, dims: &[u64]) -> Result<(Vec<usize>, u64), Refusal> {
    let refuse = || {
        Refusal::format(format!(
            "tensor `{name}` has impossible dimensions {dims:?}: it is damaged"
        ))
    };
    let elements = dims.iter().try_fold(1_u64, |product, &dim| {
        product.checked_mul(dim).filter(|&elements| elements > 0 && elements <= MAX_ELEMENTS)
    });
    let elements = elements.ok_or_else(refuse)?;
    let shape = dims.iter().rev().map(|&dim| usize::try_from(dim).map_err(|_| refuse()));
    Ok((shape.collect::<Result<_, _>>()?, elements))
}

fn alignment(metadata: &Metadata) -> Result<u64, Refusal> {
    let alignment =
        metadata.size("general.alignment")?.map_or(DEFAULT_ALIGNMENT, |size| size as u64);
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(Refusal::format(format!(
            "`general.alignment` is {alignment}, expected a power of two up to 1048576"
        )));
    }
    Ok(alignment)
}

/// Turns offsets into places in the file, and checks that each range is inside it and free of others.
fn place(
    mut declared: Vec<Declared>,
    data_start: u64,
    alignment: u64,
    length: u64,
) -> Result<BTreeMap<String, TensorEntry>, Refusal> {
    declared.sort_by_key(|tensor| tensor.entry.start);
    let mut free = data_start;
    let mut tensors = BTreeMap::new();
    for Declared { name, mut entry } in declared {
        if !entry.start.is_multiple_of(alignment) {
            return Err(Refusal::format(format!(
                "tensor `{name}` lies at offset {}, expected a multiple of {alignment}",
                entry.start
            )));
        }
        let start = data_start.saturating_add(entry.start);
        let end = start.saturating_add(entry.bytes);
        if end > length {
            return Err(Refusal::format(format!(
                "tensor `{name}` ends at byte {end}, the file has {length}: it is cut short, download it again"
            )));
        }
        if start < free {
            return Err(Refusal::format(format!(
                "tensor `{name}` overlaps another: the file is damaged"
            )));
        }
        free = end;
        entry.start = start;
        if tensors.insert(name.clone(), entry).is_some() {
            return Err(Refusal::format(format!("tensor `{name}` is there twice")));
        }
    }
    Ok(tensors)
}
