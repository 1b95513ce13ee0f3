//! Where there are no kernels of our own, on processors other than x86-64, candle multiplies.

use candle_core::quantized::GgmlDType;

use crate::llm::refusal::Refusal;
use crate::llm::weights_cache::Tiles;

/// Fills its argument with the file's bytes of a matrix, from an offset on.
pub(crate) type Read<'a> = dyn Fn(usize, &mut [u8]) -> std::io::Result<()> + Sync + 'a;
/// Takes bytes of rearranged tiles, and how many come before them.
pub(crate) type Write<'a> = dyn Fn(usize, &[u8]) -> std::io::Result<()> + Sync + 'a;

/// There is none.
pub(crate) enum Packed {}

/// A matrix and what is added to its result.
pub(crate) type Term<'a> = (&'a Packed, Option<&'a [f32]>);

/// What products are computed for; all the same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Many tokens that are known.
    Prompt,
    /// A few that the model writes.
    Completion,
}

/// candle's.
pub(crate) fn arithmetic() -> String {
    String::from("candle")
}

/// No.
pub(crate) fn phases_differ() -> bool {
    false
}

impl Packed {
    /// Never.
    pub(crate) fn takes(_dtype: GgmlDType, _columns: usize) -> bool {
        false
    }

    /// Nothing.
    pub(crate) fn size(_dtype: GgmlDType, _rows: usize, _columns: usize) -> usize {
        0
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn new(
        dtype: GgmlDType,
        _rows: usize,
        _columns: usize,
        _read: &Read<'_>,
    ) -> Result<Self, Refusal> {
        Err(Refusal::format(format!("a matrix of {dtype:?} cannot be packed on this processor")))
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn kept(
        dtype: GgmlDType,
        rows: usize,
        columns: usize,
        _tiles: Tiles,
        _rearranging: Option<(&Read<'_>, &Write<'_>)>,
    ) -> Result<Self, Refusal> {
        Self::new(dtype, rows, columns, &|_, _| Ok(()))
    }

    pub(crate) fn shares_rounding(&self, _other: &Self) -> bool {
        match *self {}
    }

    pub(crate) fn rows(&self) -> usize {
        match *self {}
    }

    pub(crate) fn columns(&self) -> usize {
        match *self {}
    }

    pub(crate) fn gather(&self, _ids: &[u32]) -> Result<Vec<f32>, u32> {
        match *self {}
    }
}

/// Of no terms, no results.
pub(crate) fn products(_terms: &[Term<'_>], _x: &[f32], _phase: Phase) -> Vec<Vec<f32>> {
    Vec::new()
}

/// Of no matrices.
pub(crate) fn feed_forward(
    gate: &Packed,
    _up: &Packed,
    _down: &Packed,
    _x: &[f32],
    _phase: Phase,
) -> Vec<f32> {
    match *gate {}
}
