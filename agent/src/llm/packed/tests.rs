//! Products against sums in f64 of what the formats stand for.

use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};

use expect_test::expect;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::llm::refusal::Refusal;
use crate::llm::weights_cache;

const TYPES: [GgmlDType; 6] = [
    GgmlDType::Q8_0,
    GgmlDType::Q4_0,
    GgmlDType::Q5_0,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

/// Those of [`floats`].
const FLOATS: [GgmlDType; 2] = [GgmlDType::F16, GgmlDType::BF16];

/// Numbers between -1 and 1 without a pattern.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn noise(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|index| ((index as f32 * 12.989 + seed).sin() * 437.58).fract()).collect()
}

/// A matrix as files have it, and its weights.
fn stored(dtype: GgmlDType, rows: usize, columns: usize) -> (Vec<u8>, Vec<f32>) {
    let weights = noise(rows * columns, 0.7);
    let weights = Tensor::from_vec(weights, (rows, columns), &Device::Cpu).unwrap();
    let stored = QTensor::quantize(&weights, dtype).unwrap();
    let weights = stored.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap();
    (stored.data().unwrap().into_owned(), weights.to_vec1().unwrap())
}

fn new(dtype: GgmlDType, rows: usize, columns: usize, stored: &[u8]) -> Result<Packed, Refusal> {
    Packed::new(dtype, rows, columns, &|start, to| {
        let found = stored.get(start..start + to.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        to.copy_from_slice(found);
        Ok(())
    })
}

/// The matrix, multiplied by these instructions.
fn with(isa: Isa, mut matrix: Packed) -> Packed {
    matrix.isa = isa;
    matrix
}

fn packed(dtype: GgmlDType, rows: usize, columns: usize, isa: Isa) -> (Packed, Vec<f32>) {
    let (stored, weights) = stored(dtype, rows, columns);
    (with(isa, new(dtype, rows, columns, &stored).unwrap()), weights)
}

/// What activations stand for after rounding, `[t, columns]`.
fn rounded(x: &[f32], columns: usize) -> Vec<f64> {
    let round = |x: &[f32]| {
        let most = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let scale = most / 127.0;
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        x.iter()
            .map(move |x| f64::from((x * inverse).round_ties_even()) * f64::from(scale))
            .collect::<Vec<_>>()
    };
    assert_eq!(columns % BLOCK, 0);
    x.chunks_exact(BLOCK).flat_map(round).collect()
}

/// The largest difference of `found` from `weights · x`, relative to the sum of what is added up.
fn distance(found: &[f32], weights: &[f32], x: &[f64], rows: usize, columns: usize) -> f64 {
    let mut worst = 0.0_f64;
    for (found, x) in found.chunks_exact(rows).zip(x.chunks_exact(columns)) {
        for (found, weights) in found.iter().zip(weights.chunks_exact(columns)) {
            let terms = || weights.iter().zip(x).map(|(weight, x)| f64::from(*weight) * x);
            let size: f64 = terms().map(f64::abs).sum();
            worst = worst.max((f64::from(*found) - terms().sum::<f64>()).abs() / size.max(1e-9));
        }
    }
    worst
}

#[test]
fn a_product_is_the_sum_that_the_format_stands_for() {
    for isa in Isa::all() {
        for dtype in TYPES {
            let block = dtype.block_size();
            for (rows, columns) in [(32, block), (1, block), (70, 3 * block), (33, 2 * block)] {
                let (matrix, weights) = packed(dtype, rows, columns, isa);
                for t in [1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 50] {
                    let x = noise(t * columns, 1.3);
                    let [found] =
                        products(&[(&matrix, None)], &x, Phase::Completion).try_into().unwrap();
                    let found = distance(&found, &weights, &rounded(&x, columns), rows, columns);
                    assert!(
                        found < 2e-6,
                        "{isa:?} {dtype:?} {rows} × {columns}, {t} tokens: {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_product_with_floats_rounds_nothing() {
    for isa in Isa::all() {
        for dtype in FLOATS {
            for (rows, columns) in [(32, 32), (1, 64), (70, 96), (33, 320)] {
                let (matrix, weights) = packed(dtype, rows, columns, isa);
                for t in [1, 2, 3, 4, 5, 7, 8, 9, 13, 31, 50] {
                    let x = noise(t * columns, 1.3);
                    let exact: Vec<_> = x.iter().copied().map(f64::from).collect();
                    let [found] =
                        products(&[(&matrix, None)], &x, Phase::Completion).try_into().unwrap();
                    let found = distance(&found, &weights, &exact, rows, columns);
                    assert!(
                        found < 2e-6,
                        "{isa:?} {dtype:?} {rows} × {columns}, {t} tokens: {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_largest_weights_and_activations_do_not_overflow() {
    for isa in Isa::all() {
        let (rows, columns) = (32, 64);
        // -128 times half a float of 1, and all bits set.
        let stored: Vec<u8> =
            (0..rows * 2).flat_map(|_| [[0, 0x3C].as_slice(), &[0x80; 32]].concat()).collect();
        let matrix = with(isa, new(GgmlDType::Q8_0, rows, columns, &stored).unwrap());
        for sign in [1.0, -1.0] {
            for t in [1, 6] {
                let [found] =
                    products(&[(&matrix, None)], &vec![sign; t * columns], Phase::Completion)
                        .try_into()
                        .unwrap();
                assert!(
                    found.iter().all(|y| (y + sign * 128.0 * 64.0).abs() < 0.1),
                    "{isa:?}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn terms_share_their_vector_and_have_their_own_bias() {
    let isa = Isa::of_this_machine();
    let (columns, x) = (256, noise(3 * 256, 0.1));
    let (first, _) = packed(GgmlDType::Q4K, 40, columns, isa);
    let (second, _) = packed(GgmlDType::Q6K, 64, columns, isa);
    let bias = noise(40, 2.0);
    let both = products(&[(&first, Some(&bias)), (&second, None)], &x, Phase::Completion);
    let [plain] = products(&[(&first, None)], &x, Phase::Completion).try_into().unwrap();
    let [alone] = products(&[(&second, None)], &x, Phase::Completion).try_into().unwrap();
    assert_eq!(both[1], alone);
    let expected: Vec<f32> =
        plain.iter().zip(bias.iter().cycle()).map(|(y, bias)| y + bias).collect();
    assert_eq!(both[0], expected);
}

#[test]
fn terms_that_round_their_vector_in_different_ways_are_computed_each_for_itself() {
    let isa = Isa::of_this_machine();
    let (bytes, _) = packed(GgmlDType::Q8_0, 40, 64, isa);
    let (floats, _) = packed(GgmlDType::F16, 64, 64, isa);
    assert!(!bytes.shares_rounding(&floats) && bytes.shares_rounding(&bytes));
    let x = noise(3 * 64, 0.1);
    for phase in [Phase::Prompt, Phase::Completion] {
        let [both, other] =
            products(&[(&bytes, None), (&floats, None)], &x, phase).try_into().unwrap();
        assert_eq!(products(&[(&bytes, None)], &x, phase), [both]);
        assert_eq!(products(&[(&floats, None)], &x, phase), [other]);
    }
}

/// What numbers stand for as 16-bit floats.
fn halved(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| half::bf16::from_f32(*x).to_f64()).collect()
}

#[test]
fn a_product_of_a_prompt_is_the_sum_that_the_format_stands_for() {
    // Without the matrix unit prompts are products like others.
    let Some(isa) = Isa::all().find(|isa| isa.has_matrix_unit()) else { return };
    for dtype in TYPES.into_iter().chain(FLOATS) {
        let block = dtype.block_size().max(BLOCK);
        for (rows, columns) in [(32, block), (1, block), (70, 3 * block), (33, 2 * block)] {
            let (matrix, weights) = packed(dtype, rows, columns, isa);
            for t in [1, 2, 15, 16, 17, 31, 32, 33, 50] {
                let x = noise(t * columns, 1.3);
                let [found] = products(&[(&matrix, None)], &x, Phase::Prompt).try_into().unwrap();
                // Each weight is rounded to eight bits, and the sum of a register of columns to 24.
                let found = distance(&found, &weights, &halved(&x), rows, columns);
                assert!(found < 1.0 / 256.0, "{dtype:?} {rows} x {columns}, {t} tokens: {found}");
            }
        }
    }
}

#[test]
fn a_feed_forward_is_made_of_its_products() {
    let isa = Isa::of_this_machine();
    let (gate, _) = packed(GgmlDType::Q8_0, 96, 64, isa);
    let (up, _) = packed(GgmlDType::Q5_0, 96, 64, isa);
    let (down, weights) = packed(GgmlDType::Q4_0, 40, 96, isa);
    let (plain, plain_weights) = packed(GgmlDType::BF16, 40, 96, isa);
    for t in [1, 5, 40] {
        let x = noise(t * 64, 0.4);
        let parts = products(&[(&gate, None), (&up, None)], &x, Phase::Completion);
        let silu = |x: f32| x / (1.0 + (-x).exp());
        let inner: Vec<_> = parts[0].iter().zip(&parts[1]).map(|(g, up)| silu(*g) * up).collect();
        let found = feed_forward(&gate, &up, &down, &x, Phase::Completion);
        // A number on the border between two bytes may be rounded to either.
        assert!(distance(&found, &weights, &rounded(&inner, 96), 40, 96) < 1e-3, "{t}");
        let exact: Vec<_> = inner.iter().map(|x| f64::from(*x)).collect();
        let found = feed_forward(&gate, &up, &plain, &x, Phase::Completion);
        assert!(distance(&found, &plain_weights, &exact, 40, 96) < 1e-5, "{t} into floats");
        let found = feed_forward(&gate, &up, &down, &x, Phase::Prompt);
        assert!(distance(&found, &weights, &exact, 40, 96) < 2e-2, "{t} as a prompt");
    }
}

#[test]
fn gathered_rows_are_the_weights() {
    for isa in Isa::all() {
        for dtype in TYPES.into_iter().chain(FLOATS) {
            let columns = 2 * dtype.block_size().max(BLOCK);
            let (matrix, weights) = packed(dtype, 70, columns, isa);
            let found = matrix.gather(&[69, 0, 33]).unwrap();
            for (found, row) in found.chunks_exact(columns).zip([69, 0, 33]) {
                let expected = &weights[row * columns..][..columns];
                let same = found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(0.1));
                assert!(same, "{isa:?} {dtype:?} {row}");
            }
            assert_eq!(matrix.gather(&[70]), Err(70));
        }
    }
}

#[test]
fn a_packed_matrix_takes_the_memory_of_its_file() {
    for dtype in TYPES.into_iter().chain(FLOATS) {
        let (rows, columns) = (1_024, 1_024);
        let file = rows * columns / dtype.block_size() * dtype.type_size();
        let found = Packed::size(dtype, rows, columns);
        assert!(found >= file && found * 100 <= file * 103, "{dtype:?}: {found} of {file}");
    }
}

/// Tiles are kept on disk, where another program finds them: who changes a layout changes its version.
#[test]
fn tiles_lie_as_their_version_says() {
    let mut hash = Sha256::new();
    hash.update(weights_cache::VERSION.to_le_bytes());
    for dtype in TYPES.into_iter().chain(FLOATS) {
        let (rows, columns) = (70, 2 * dtype.block_size().max(BLOCK));
        // Whole numbers, so that no rounding of a processor's own is in what is stored.
        let stored: Vec<u8> = (0..rows * columns / dtype.block_size() * dtype.type_size())
            .map(|index| (index * 7 % 251).to_le_bytes()[0])
            .collect();
        let matrix = new(dtype, rows, columns, &stored).unwrap();
        (0..matrix.n_tiles()).for_each(|index| hash.update(matrix.tile(index)));
    }
    expect!["97102ce4c7384022e0ab71259df1bb484da755dfe1de873a12358662f1381838"]
        .assert_eq(&weights_cache::hex(&hash.finalize()));
}

#[test]
fn a_matrix_of_another_length_or_type_is_refused() {
    assert!(new(GgmlDType::Q8_0, 2, 32, &[0; 67]).is_err());
    assert!(new(GgmlDType::F32, 2, 32, &[0; 256]).is_err());
    assert!(!Packed::takes(GgmlDType::Q4K, 896));
}
