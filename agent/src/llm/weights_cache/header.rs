//! The first page of a file of rearranged weights.

use sha2::{Digest as _, Sha256};

/// Its size in bytes, a page, so that tiles begin at one.
pub(super) const LENGTH: usize = 4096;

const MAGIC: [u8; 16] = *b"datarus weights\n";
/// How tiles are laid out; to be raised with every change of [`crate::llm::packed`] that moves a bit of them. A test
/// holds the two together.
pub(crate) const VERSION: u32 = 2;

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Of which model the weights are.
    pub(super) model: Hash,
    /// The length of the file, in bytes.
    pub(super) length: u64,
    /// Once there was the time to compute it.
    pub(super) seal: Option<Seal>,
}

/// What only reading everything tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    /// Of the model's file.
    pub(super) file: Hash,
    /// Of all that follows the header.
    pub(super) tiles: Hash,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; LENGTH] {
        let seal = self.seal.unwrap_or(Seal { file: [0; 32], tiles: [0; 32] });
        let mut fields = Vec::with_capacity(LENGTH);
        fields.extend(MAGIC);
        fields.extend(VERSION.to_le_bytes());
        fields.extend(self.model);
        fields.extend(self.length.to_le_bytes());
        fields.push(u8::from(self.seal.is_some()));
        fields.extend(seal.file);
        fields.extend(seal.tiles);
        fields.extend(Sha256::digest(&fields));
        fields.resize(LENGTH, 0);
        let mut page = [0; LENGTH];
        page.copy_from_slice(&fields);
        page
    }

    /// None where the page is damaged, or of another version.
    pub(super) fn from_bytes(page: &[u8; LENGTH]) -> Option<Self> {
        let mut rest = page.as_slice();
        let magic: [u8; 16] = take(&mut rest)?;
        let version = u32::from_le_bytes(take(&mut rest)?);
        let model = take(&mut rest)?;
        let length = u64::from_le_bytes(take(&mut rest)?);
        let [is_sealed] = take(&mut rest)?;
        let seal = Seal { file: take(&mut rest)?, tiles: take(&mut rest)? };
        let read = page.get(..LENGTH - rest.len())?;
        let hash: Hash = take(&mut rest)?;
        let is_whole = hash.as_slice() == Sha256::digest(read).as_slice();
        let seal = (is_sealed == 1).then_some(seal);
        (magic == MAGIC && version == VERSION && is_whole).then_some(Self { model, length, seal })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}
