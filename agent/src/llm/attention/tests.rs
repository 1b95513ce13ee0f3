//! Against a plain computation with 64-bit floats, by every instruction set of this machine.
#![expect(clippy::cast_precision_loss, reason = "small sizes and indices")]

use candle_core::{DType, Device, Tensor};

use super::flash::{Heads, Instructions, Job, Plan, Sizes};
#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
use super::lanes::{Isa, LANES, Plain};
#[cfg(target_arch = "x86_64")]
use super::matrix_unit;
use super::{Way, attend, attend_elsewhere, attend_with};
use crate::llm::narrow;
use crate::llm::packed::Phase;
use crate::llm::pool::Pool;

/// Positions that a cache has room for beyond those held.
const ROOM: usize = 5;

/// Numbers between -1 and 1 without a pattern.
fn noise(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * 12.9898 + seed).sin() * 43.758).map(f32::fract).collect()
}

fn tensor(shape: (usize, usize, usize), seed: f32) -> Tensor {
    let count = shape.0 * shape.1 * shape.2;
    Tensor::from_vec(noise(count, seed), shape, &Device::Cpu).unwrap()
}

/// A query and views of a cache with room for more.
fn example(sizes: Sizes, dtype: DType) -> [Tensor; 3] {
    let Sizes { h, h_kv, t, s, d } = sizes;
    let cache = |seed| {
        let whole = tensor((h_kv, s + ROOM, d), seed);
        let whole = if dtype == DType::U8 { rows(&whole) } else { whole.to_dtype(dtype).unwrap() };
        whole.narrow(1, 0, s).unwrap()
    };
    [(tensor((t, h, d), 0.3) * 3.0).unwrap(), cache(1.1), cache(2.2)]
}

/// `[h, s, d]` in eight bits.
fn rows(numbers: &Tensor) -> Tensor {
    let (h, s, d) = numbers.dims3().unwrap();
    let numbers: Vec<f32> = numbers.flatten_all().unwrap().to_vec1().unwrap();
    Tensor::from_vec(narrow::rows(&numbers, d), (h, s, narrow::row_len(d)), &Device::Cpu).unwrap()
}

/// What they stand for.
fn widened(rows: &Tensor, d: usize) -> Tensor {
    let (h, s, _) = rows.dims3().unwrap();
    let bytes: Vec<u8> = rows.contiguous().unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let numbers = bytes.chunks(narrow::row_len(d)).flat_map(|row| {
        (0..d).map(|at| {
            let scale = half::f16::from_bits(narrow::scale(row, d, at / LANES));
            f32::from(row[at].cast_signed()) * scale.to_f32()
        })
    });
    Tensor::from_vec(numbers.collect::<Vec<f32>>(), (h, s, d), &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The definition, from the numbers as the cache holds them.
fn reference(sizes: Sizes, [query, keys, values]: &[Tensor; 3]) -> Vec<f64> {
    let Sizes { h, h_kv, t, s, d } = sizes;
    let (query, keys, values) = (numbers(query), numbers(keys), numbers(values));
    let mut mixed = Vec::with_capacity(t * h * d);
    for (index, query) in query.chunks(d).enumerate() {
        let start = (index % h) / (h / h_kv) * s * d;
        let n_visible = s - t + index / h + 1;
        let dot = |key: &[f64]| key.iter().zip(query).map(|(a, b)| a * b).sum::<f64>();
        let scores: Vec<f64> = keys[start..]
            .chunks(d)
            .take(n_visible)
            .map(|key| dot(key) / (d as f64).sqrt())
            .collect();
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        mixed.extend((0..d).map(|column| {
            let value = |position: usize| values[start + position * d + column];
            weights.iter().enumerate().map(|(at, weight)| weight / sum * value(at)).sum::<f64>()
        }));
    }
    mixed
}

#[track_caller]
fn check(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0, |worst: f64, one| if one <= worst { worst } else { one });
    assert!(worst < tolerance, "{what}: {worst}");
}

/// Each: query heads, key heads, positions held before, new ones, size of a head.
const TABLE: [(usize, usize, usize, usize, usize); 18] = [
    (1, 1, 0, 1, 2),
    (4, 2, 0, 1, 8),
    (4, 4, 5, 1, 8),
    (14, 2, 699, 1, 64),
    (12, 2, 320, 1, 128),
    (8, 8, 63, 1, 64),
    (5, 1, 64, 1, 24),
    (4, 1, 30, 2, 8),
    (7, 1, 61, 2, 64),
    (3, 1, 2, 3, 20),
    (6, 2, 9, 5, 8),
    (4, 2, 127, 7, 64),
    (7, 7, 0, 7, 128),
    (4, 2, 0, 64, 64),
    (7, 1, 100, 64, 8),
    (2, 1, 0, 130, 8),
    (14, 2, 570, 130, 64),
    (4, 2, 3, 130, 128),
];

#[test]
fn every_instruction_set_computes_the_definition_on_views_of_a_cache() {
    for (h, h_kv, held, t, d) in TABLE {
        let sizes = Sizes { h, h_kv, t, s: held + t, d };
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 1e-4)] {
            let example = example(sizes, dtype);
            let [query, keys, values] = &example;
            let expected = reference(sizes, &example);
            for instructions in Instructions::available() {
                let found = attend_with(Way::Vectors(instructions), query, keys, values).unwrap();
                assert_eq!(found.dims(), [t, h * d]);
                let what = format!("{sizes:?} {dtype:?} {instructions:?}");
                check(&numbers(&found), &expected, tolerance, &what);
            }
            let candle = attend_elsewhere(sizes, query, keys, values).unwrap();
            assert_eq!(candle.dims(), [t, h * d]);
            check(&numbers(&candle), &expected, tolerance, &format!("{sizes:?} by candle"));
        }
    }
}

#[test]
fn every_instruction_set_computes_the_definition_on_rows_in_eight_bits() {
    for (h, h_kv, held, t, d) in TABLE.into_iter().filter(|(.., d)| narrow::takes(*d)) {
        let sizes = Sizes { h, h_kv, t, s: held + t, d };
        let [query, keys, values] = example(sizes, DType::U8);
        let wide = [query.clone(), widened(&keys, d), widened(&values, d)];
        let expected = reference(sizes, &wide);
        for instructions in Instructions::available() {
            let found = attend_with(Way::Vectors(instructions), &query, &keys, &values).unwrap();
            check(&numbers(&found), &expected, 1e-5, &format!("{sizes:?} {instructions:?}"));
        }
        let [_, keys, values] = example(sizes, DType::F32);
        let exact = reference(sizes, &[query, keys, values]);
        // Numbers up to 1 in 127 steps, weighed to a mean.
        check(&expected, &exact, 2e-2, &format!("{sizes:?}: what rounding costs"));
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_matrix_unit_computes_the_definition_within_its_precision() {
    let more = [(4, 2, 1_500, 70, 64), (3, 1, 1_000, 30, 32), (2, 2, 1_024, 1, 128)];
    for (h, h_kv, held, t, d) in TABLE.into_iter().chain(more) {
        let sizes = Sizes { h, h_kv, t, s: held + t, d };
        let example = example(sizes, DType::F16);
        let [query, keys, values] = &example;
        let way = Way::best(sizes, DType::F16, Phase::Prompt);
        if !matches!(way, Way::MatrixUnit) {
            continue;
        }
        let found = attend_with(way, query, keys, values).unwrap();
        let expected = reference(sizes, &example);
        // Queries, keys, weights and values are each rounded to eight bits.
        check(&numbers(&found), &expected, 2e-2, &format!("{sizes:?}"));
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_a_query_gets_from_the_matrix_unit_does_not_depend_on_the_others() {
    let sizes = Sizes { h: 6, h_kv: 2, t: 70, s: 1_170, d: 64 };
    let [query, keys, values] = example(sizes, DType::F16);
    let whole = attend(&query, &keys, &values, Phase::Prompt).unwrap();
    for (first, t) in [(0, 1), (0, 33), (33, 37), (69, 1)] {
        let visible = sizes.s - sizes.t + first + t;
        let narrow = |cache: &Tensor| cache.narrow(1, 0, visible).unwrap();
        let query = query.narrow(0, first, t).unwrap();
        let part = attend(&query, &narrow(&keys), &narrow(&values), Phase::Prompt).unwrap();
        let expected = whole.narrow(0, first, t).unwrap();
        if matrix_unit::takes(sizes.d) {
            assert_eq!(numbers(&part), numbers(&expected), "{t} from {first}");
        }
    }
}

#[test]
fn any_number_of_threads_computes_the_same() {
    for (h, h_kv, held, t, d) in TABLE {
        let sizes = Sizes { h, h_kv, t, s: held + t, d };
        let example = example(sizes, DType::F32);
        let flat = example.each_ref().map(|it| it.flatten_all().unwrap().to_vec1().unwrap());
        let [query, keys, values]: [Vec<f32>; 3] = flat;
        let heads = |data| Heads::new(data, sizes.s * d, sizes).unwrap();
        let job = Job { sizes, query: &query, keys: heads(&keys), values: heads(&values) };
        let expected = reference(sizes, &example);
        for n_threads in [1, 2, 3, 16] {
            let found = job.run_as(Plan::new(sizes, n_threads), Instructions::best(), Pool::get());
            let found: Vec<f64> = found.into_iter().map(f64::from).collect();
            check(&found, &expected, 1e-5, &format!("{sizes:?} for {n_threads} threads"));
        }
    }
}

#[test]
fn great_scores_neither_overflow_nor_vanish() {
    let sizes = Sizes { h: 2, h_kv: 1, t: 3, s: 200, d: 16 };
    let [query, keys, values] = example(sizes, DType::F32);
    let example = [(query * 1e3).unwrap(), keys, values];
    let expected = reference(sizes, &example);
    for instructions in Instructions::available() {
        let found =
            attend_with(Way::Vectors(instructions), &example[0], &example[1], &example[2]).unwrap();
        check(&numbers(&found), &expected, 2e-3, &format!("{instructions:?}"));
    }
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    let sizes = Sizes { h: 1, h_kv: 1, t: 1, s: 70, d: 8 };
    let [query, keys, values] = example(sizes, DType::F32);
    let keys = keys.affine(f64::NAN, 0.0).unwrap();
    for instructions in Instructions::available() {
        let found = attend_with(Way::Vectors(instructions), &query, &keys, &values).unwrap();
        assert!(numbers(&found).iter().all(|number| number.is_nan()), "{instructions:?}");
    }
    let row = [0.5; narrow::BLOCK].map(|number: f32| number);
    let [mut damaged, mut great] = [row; 2];
    (damaged[3], great[3]) = (f32::NAN, f32::INFINITY);
    let scale = |row: &[f32]| narrow::scale(&narrow::rows(row, narrow::BLOCK), narrow::BLOCK, 0);
    assert!(half::f16::from_bits(scale(&damaged)).is_nan());
    assert!(half::f16::from_bits(scale(&great)).is_finite());
    assert_eq!(narrow::rows(&[0.0; narrow::BLOCK], narrow::BLOCK), [0; narrow::BLOCK + 2]);
}

#[test]
fn shapes_and_types_that_do_not_fit_are_errors() {
    let query = tensor((2, 4, 8), 0.0);
    let keys = tensor((2, 5, 8), 0.0);
    let refused = |query: &Tensor, keys: &Tensor, values: &Tensor| {
        assert!(
            attend(query, keys, values, Phase::Prompt).is_err(),
            "{query:?} {keys:?} {values:?}"
        );
    };
    assert!(attend(&query, &keys, &keys, Phase::Prompt).is_ok());
    for wrong in [(2, 4, 8), (1, 5, 8), (2, 5, 6), (3, 5, 8), (0, 5, 8), (2, 0, 8), (2, 5, 0)] {
        let wrong = tensor(wrong, 0.0);
        refused(&query, &keys, &wrong);
        refused(&query, &wrong, &keys);
    }
    for wrong in [(3, 5, 8), (0, 5, 8), (2, 1, 8), (2, 5, 6), (2, 5, 0), (2, 0, 0)] {
        let wrong = tensor(wrong, 0.0);
        refused(&query, &wrong, &wrong);
    }
    for wrong in [(6, 4, 8), (0, 4, 8), (2, 0, 8), (2, 3, 8), (2, 4, 6), (0, 0, 0)] {
        refused(&tensor(wrong, 0.0), &keys, &keys);
    }
    let half = keys.to_dtype(DType::F16).unwrap();
    let double = keys.to_dtype(DType::F64).unwrap();
    refused(&query, &half, &keys);
    refused(&query, &keys, &half);
    refused(&query, &double, &double);
    refused(&query.to_dtype(DType::F16).unwrap(), &keys, &keys);
    refused(&query, &keys.transpose(1, 2).unwrap(), &keys.transpose(1, 2).unwrap());
    let columns = tensor((2, 8, 5), 0.0).transpose(1, 2).unwrap();
    refused(&query, &columns, &columns);
    let rows = tensor((2, 5, 16), 0.0).narrow(2, 0, 8).unwrap();
    refused(&query, &rows, &rows);
    // Heads of 8 numbers are no whole blocks, and rows of 32 have scales behind them.
    let bytes = tensor((2, 5, 8), 0.0).to_dtype(DType::U8).unwrap();
    refused(&query, &bytes, &bytes);
    let bytes = tensor((2, 5, 32), 0.0).to_dtype(DType::U8).unwrap();
    refused(&tensor((2, 4, 32), 0.0), &bytes, &bytes);
    refused(&query.flatten_all().unwrap(), &keys, &keys);
}

#[test]
fn halves_become_the_same_floats_everywhere() {
    let all: Vec<half::f16> = (0..=u16::MAX).map(half::f16::from_bits).collect();
    let check = |of: &dyn Fn(&[half::f16; LANES]) -> [f32; LANES]| {
        for halves in all.as_chunks().0 {
            for (found, half) in of(halves).into_iter().zip(halves) {
                let expected = half.to_f32();
                assert!(
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan()
                );
            }
        }
    };
    let widened = |isa: &dyn Fn(&[half::f16; LANES], &mut [f32; LANES])| {
        check(&|halves| {
            let mut lanes = [0.0; LANES];
            isa(halves, &mut lanes);
            lanes
        });
    };
    for instructions in Instructions::available() {
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(isa) => widened(&|from, to| isa.store(isa.widen(from), to)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(isa) => widened(&|from, to| isa.store(isa.widen(from), to)),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => widened(&|from, to| Neon.store(Neon.widen(from), to)),
            Instructions::Plain => widened(&|from, to| Plain.store(Plain.widen(from), to)),
        }
    }
}
