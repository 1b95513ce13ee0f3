//! The file of a saved KV-cache: sizes, tokens, keys and values, and the hash of all that.
//!
//! ```text
//! DATARUS-KV-0001 \n   16 bytes
//! model                32 bytes, see [`ModelId`]
//! sizes                4 × u32: layers, heads, elements of a row, bytes of an element
//! n                    u64: tokens
//! tokens               n × u32
//! per layer            keys, then values: heads × n rows each
//! SHA-256              32 bytes, of all before
//! ```
//! Numbers are little endian.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use sha2::{Digest as _, Sha256};

use super::ModelId;
use crate::llm::Interrupt;
use crate::llm::config::Config;
use crate::llm::kv_cache::KvCache;
use crate::llm::weights_cache::folder;

const MAGIC: &[u8; 16] = b"DATARUS-KV-0001\n";
const HASH: usize = 32;
const HEADER: usize = MAGIC.len() + size_of::<ModelId>() + 4 * 4 + 8;

/// The sizes of a model that a file must agree with.
fn sizes(config: &Config) -> [u8; 16] {
    let element = config.cache_dtype().size_in_bytes();
    let sizes = [config.n_layers, config.n_kv_heads, config.cache_row_len(), element];
    // `Config` bounds each far below.
    let sizes = sizes.map(|size| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
    sizes.concat().try_into().unwrap_or_default()
}

/// How long a file of so many tokens is; `Config` bounds each factor so that the product cannot overflow.
pub(super) fn file_bytes(config: &Config, n_tokens: usize) -> u64 {
    (HEADER + HASH) as u64 + n_tokens as u64 * (4 + config.cache_bytes_per_token())
}

/// Writes what `cache` holds of `tokens`, its first; false when the interrupt was set meanwhile.
///
/// # Errors
/// When the disk or the cache refuses.
pub(super) fn write(
    file: &mut File,
    model: &ModelId,
    config: &Config,
    cache: &KvCache,
    tokens: &[u32],
    interrupt: &Interrupt,
) -> io::Result<bool> {
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update(bytes);
        file.write_all(bytes)
    };
    put(MAGIC)?;
    put(model)?;
    put(&sizes(config))?;
    put(&(tokens.len() as u64).to_le_bytes())?;
    put(&le_bytes(tokens, u32::to_le_bytes))?;
    for index in 0..2 * config.n_layers {
        if interrupt.is_set() {
            return Ok(false);
        }
        let part = cache.part(index, tokens.len()).and_then(|part| elements(&part));
        put(&part.map_err(io::Error::other)?)?;
    }
    let hash = hash.finalize();
    file.write_all(&hash)?;
    Ok(true)
}

fn elements(part: &Tensor) -> candle_core::Result<Vec<u8>> {
    let part = part.flatten_all()?;
    Ok(match part.dtype() {
        DType::U8 => part.to_vec1()?,
        DType::F16 => le_bytes(&part.to_vec1()?, half::f16::to_le_bytes),
        _ => le_bytes(&part.to_vec1()?, f32::to_le_bytes),
    })
}

fn le_bytes<T: Copy, const N: usize>(values: &[T], of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * N];
    for (place, value) in bytes.chunks_exact_mut(N).zip(values) {
        place.copy_from_slice(&of(*value));
    }
    bytes
}

/// A file whose header is right.
pub(super) struct Saved {
    file: BufReader<File>,
    hash: Sha256,
    tokens: Vec<u32>,
}

impl Saved {
    /// Opens a file and reads its tokens; `None` for one of another model.
    ///
    /// # Errors
    /// `InvalidData` when it is no such file, or not whole; nothing is allocated before its length agrees with what it
    /// says of itself.
    pub(super) fn open(path: &Path, model: &ModelId, config: &Config) -> io::Result<Option<Self>> {
        let file = folder::open(path, File::options().read(true))?;
        let found_bytes = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let (magic, rest) = header.split_at(MAGIC.len());
        let (of_model, rest) = rest.split_at(model.len());
        let (of_sizes, n_tokens) = rest.split_at(16);
        if magic != MAGIC {
            return Err(damaged("it is no saved KV-cache of this version"));
        }
        if of_model != model {
            return Ok(None);
        }
        let n_tokens = u64::from_le_bytes(n_tokens.try_into().unwrap_or_default());
        let n_tokens = usize::try_from(n_tokens).unwrap_or(usize::MAX);
        let fits = n_tokens <= config.context_length && of_sizes == sizes(config);
        if !fits || found_bytes != file_bytes(config, n_tokens) {
            return Err(damaged("its sizes are not those of the model"));
        }
        let mut bytes = vec![0; n_tokens * 4];
        file.read_exact(&mut bytes)?;
        let token = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap_or_default());
        let tokens: Vec<u32> = bytes.chunks_exact(4).map(token).collect();
        if tokens.iter().any(|&token| token as usize >= config.vocab_size) {
            return Err(damaged("it has tokens that the model does not know"));
        }
        let hash = Sha256::new().chain_update(header).chain_update(bytes);
        Ok(Some(Self { file, hash, tokens }))
    }

    /// The tokens whose keys and values it holds.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Puts the first `n_tokens` into an empty cache that has room for them.
    ///
    /// # Errors
    /// `InvalidData` when the file is damaged. What the cache then holds counts as nothing.
    pub(super) fn restore(
        mut self,
        n_tokens: usize,
        config: &Config,
        cache: &mut KvCache,
    ) -> io::Result<()> {
        let shape = [config.n_kv_heads, self.tokens.len(), config.cache_row_len()];
        let dtype = config.cache_dtype();
        let mut bytes = vec![0; shape.iter().product::<usize>() * dtype.size_in_bytes()];
        for index in 0..2 * config.n_layers {
            self.file.read_exact(&mut bytes)?;
            self.hash.update(&bytes);
            Tensor::from_raw_buffer(&bytes, dtype, &shape, &Device::Cpu)
                .and_then(|part| part.narrow(1, 0, n_tokens))
                .and_then(|part| cache.set_part(index, &part))
                .map_err(io::Error::other)?;
        }
        let mut hash = [0; HASH];
        self.file.read_exact(&mut hash)?;
        if hash[..] != self.hash.finalize()[..] {
            return Err(damaged("its hash is not that of its contents"));
        }
        cache.commit(self.tokens.get(..n_tokens).unwrap_or_default(), true);
        Ok(())
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
