//! What a part of the attention computes, by one thread.
//!
//! For each block of keys it converts keys and values once, then takes a few rows at a time: their scores, the
//! weights of these, and the values weighted.
#![expect(clippy::inline_always, reason = "else a loop is compiled without its caller's features")]

use super::flash::{Found, Job, Part};
use super::lanes::{Element, Isa, LANES, Lanes};
use super::softmax::{BLOCK, Scores, Seen};

/// All blocks of keys, one after the other.
#[inline(always)]
pub(super) fn found<I: Isa, T: Element>(isa: I, job: &Job<'_, T>, part: &Part) -> Found {
    let (d, n_rows) = (job.sizes.d, job.n_rows(part));
    let (lanes, row_len) = (d.div_ceil(LANES), T::row_len(d));
    let (keys, values) = (job.keys.of(part.head), job.values.of(part.head));
    let mut found =
        Found { seen: vec![Seen::NOTHING; n_rows], mixed: vec![[0.0; LANES]; n_rows * lanes] };
    let mut block = Block {
        start: 0,
        len: 0,
        keys: vec![[[0.0; LANES]; BLOCK / LANES]; lanes * LANES],
        values: vec![[0.0; LANES]; BLOCK * lanes],
    };
    for start in part.keys.clone().step_by(BLOCK) {
        (block.start, block.len) = (start, BLOCK.min(part.keys.end - start));
        let range = start * row_len..(start + block.len) * row_len;
        fill_keys(isa, &keys[range.clone()], d, &mut block.keys);
        fill_values(isa, &values[range], d, &mut block.values);
        let mut row = 0;
        while row < n_rows {
            row += match (n_rows - row).min(I::ROWS) {
                6.. if n_rows - row != 7 => mix::<I, T, 6>(isa, job, part, &block, row, &mut found),
                5 => mix::<I, T, 5>(isa, job, part, &block, row, &mut found),
                4.. => mix::<I, T, 4>(isa, job, part, &block, row, &mut found),
                3 => mix::<I, T, 3>(isa, job, part, &block, row, &mut found),
                2 => mix::<I, T, 2>(isa, job, part, &block, row, &mut found),
                _ => mix::<I, T, 1>(isa, job, part, &block, row, &mut found),
            };
        }
    }
    found
}

/// Keys and values as the products read them.
struct Block {
    start: usize,
    len: usize,
    /// `[d, 64]`
    keys: Vec<Scores>,
    /// `[64, d]`, rows filled up to whole lanes.
    values: Vec<Lanes>,
}

/// Writes `keys`, up to 64 rows, as `[d, 64]`. Columns without a key are left as they are: no query sees them.
#[inline(always)]
fn fill_keys<I: Isa, T: Element>(isa: I, keys: &[T], d: usize, panel: &mut [Scores]) {
    let zeros = isa.load(&[0.0; LANES]);
    let row_len = T::row_len(d);
    for (group, keys) in keys.chunks(LANES * row_len).enumerate() {
        for (chunk, panel) in panel.chunks_exact_mut(LANES).enumerate() {
            let mut rows = [zeros; LANES];
            for (row, key) in rows.iter_mut().zip(keys.chunks_exact(row_len)) {
                *row = T::load(isa, key, d, chunk);
            }
            for (panel, column) in panel.iter_mut().zip(isa.transpose(rows)) {
                isa.store(column, &mut panel[group]);
            }
        }
    }
}

/// Writes `values`, up to 64 rows, as floats, rows filled up with zeros.
#[inline(always)]
fn fill_values<I: Isa, T: Element>(isa: I, values: &[T], d: usize, panel: &mut [Lanes]) {
    let rows = values.chunks_exact(T::row_len(d));
    for (value, panel) in rows.zip(panel.chunks_exact_mut(d.div_ceil(LANES))) {
        for (index, lanes) in panel.iter_mut().enumerate() {
            isa.store(T::load(isa, value, d, index), lanes);
        }
    }
}

/// Adds what `R` rows see in a block. Returns `R`.
#[inline(always)]
fn mix<I: Isa, T: Element, const R: usize>(
    isa: I,
    job: &Job<'_, T>,
    part: &Part,
    block: &Block,
    row: usize,
    found: &mut Found,
) -> usize {
    let d = job.sizes.d;
    let (mut queries, mut visible) = ([&job.query[..0]; R], [0; R]);
    for r in 0..R {
        queries[r] = &job.query[job.row_start(part, row + r)..][..d];
        visible[r] = job.visible(part, row + r).saturating_sub(block.start).min(block.len);
    }
    if visible[R - 1] == 0 {
        return R;
    }
    let mut scores = [[[0.0; LANES]; BLOCK / LANES]; R];
    let keys = block.keys.as_flattened();
    add_product(isa, queries, keys, BLOCK / LANES, scores.as_flattened_mut());
    let lanes = d.div_ceil(LANES);
    let mixed = &mut found.mixed[row * lanes..][..R * lanes];
    for r in 0..R {
        let factor = found.seen[row + r].add(isa, &mut scores[r], scale(d), visible[r]);
        // The highest score is mostly an old one.
        if factor < 1.0 {
            for number in mixed[r * lanes..][..lanes].as_flattened_mut() {
                *number *= factor;
            }
        }
    }
    let mut weights = [&job.query[..0]; R];
    for (weights, scores) in weights.iter_mut().zip(&scores) {
        *weights = &scores.as_flattened()[..visible[R - 1]];
    }
    add_product(isa, weights, &block.values, lanes, mixed);
    R
}

/// What scores of heads of size `d` are multiplied by.
#[expect(clippy::cast_precision_loss, reason = "head sizes are below 2^10")]
pub(super) fn scale(d: usize) -> f32 {
    1.0 / (d as f32).sqrt()
}

/// Adds to `sums`, `[R, 16 n]`, the product of `rows`, `[R, k]`, and `panel`, `[at least k, 16 n]`.
#[inline(always)]
fn add_product<I: Isa, const R: usize>(
    isa: I,
    rows: [&[f32]; R],
    panel: &[Lanes],
    n: usize,
    sums: &mut [Lanes],
) {
    let mut column = 0;
    while column < n {
        column += if I::IS_WIDE && n - column >= 4 {
            add_columns::<I, R, 4>(isa, rows, &panel[column..], n, sums, column)
        } else {
            add_columns::<I, R, 1>(isa, rows, &panel[column..], n, sums, column)
        };
    }
}

/// The same for `W` lanes from `column`, kept in registers. Returns `W`.
#[inline(always)]
fn add_columns<I: Isa, const R: usize, const W: usize>(
    isa: I,
    rows: [&[f32]; R],
    panel: &[Lanes],
    n: usize,
    sums: &mut [Lanes],
    column: usize,
) -> usize {
    let depth = rows[0].len();
    let mut rows = rows;
    for row in &mut rows {
        *row = &row[..depth];
    }
    let mut tile = [[isa.load(&[0.0; LANES]); W]; R];
    for (tile, sums) in tile.iter_mut().zip(sums.chunks_exact(n)) {
        for (vector, sum) in tile.iter_mut().zip(&sums[column..]) {
            *vector = isa.load(sum);
        }
    }
    for (k, line) in panel.chunks(n).take(depth).enumerate() {
        let Some(line) = line.first_chunk::<W>() else { break };
        let mut vectors = [isa.load(&line[0]); W];
        for (vector, line) in vectors.iter_mut().zip(line) {
            *vector = isa.load(line);
        }
        for (tile, row) in tile.iter_mut().zip(&rows) {
            for (sum, vector) in tile.iter_mut().zip(vectors) {
                *sum = isa.add_scaled(*sum, row[k], vector);
            }
        }
    }
    for (sums, tile) in sums.chunks_exact_mut(n).zip(tile) {
        for (sum, vector) in sums[column..].iter_mut().zip(tile) {
            isa.store(vector, sum);
        }
    }
    W
}
