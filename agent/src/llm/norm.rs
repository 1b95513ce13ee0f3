//! Root-mean-square norms.
//!
//! # Source
//! <https://arxiv.org/abs/1910.07467>

use std::sync::Mutex;

use candle_core::{Device, Result, Tensor, bail};
use candle_nn::ops::rms_norm;

#[cfg(feature = "cuda")]
use crate::llm::cuda;
use crate::llm::matrix::on_cpu;
use crate::llm::pool::Pool;

/// Numbers that are not worth another thread.
const ALONE: usize = 64 * 1024;
/// Sums that are added up side by side, so that a loop becomes vectors.
const LANES: usize = 16;

/// A norm over the last dimension, with a weight for each of its elements.
pub(crate) struct Norm {
    pub(crate) weight: Tensor,
    pub(crate) eps: f32,
}

impl Norm {
    /// `x`: `[…, n]`, and so the result.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rms_norm(x, &self.weight, self.eps)
    }

    /// `x + more` and the norm of that; all are `[t, n]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn of_sum(&self, x: &Tensor, more: &Tensor) -> Result<(Tensor, Tensor)> {
        match x.device() {
            Device::Cpu => {}
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => {
                let op = cuda::AddNorm { eps: self.eps };
                let both =
                    x.contiguous()?.apply_op3_no_bwd(&more.contiguous()?, &self.weight, &op)?;
                return Ok((both.get(0)?, both.get(1)?));
            }
            _ => {
                let sum = (x + more)?;
                let normed = self.forward(&sum)?;
                return Ok((sum, normed));
            }
        }
        let (x, more) = (x.contiguous()?, more.contiguous()?);
        let (t, n) = x.dims2()?;
        if more.dims() != x.dims() || self.weight.dims() != [n] || n == 0 {
            bail!("expected two of {:?} and weights for {n}, found {:?}", x.dims(), more.dims());
        }
        let mut sum = vec![0.0; t * n];
        let mut normed = vec![0.0; t * n];
        {
            let (x, more, weight) = (
                x.storage_and_layout(),
                more.storage_and_layout(),
                self.weight.storage_and_layout(),
            );
            let (x, more) = (on_cpu(&x.0, x.1)?, on_cpu(&more.0, more.1)?);
            let weight = on_cpu(&weight.0, weight.1)?;
            let per_part = rows_of_a_part(t, n) * n;
            let terms = x.chunks(per_part).zip(more.chunks(per_part));
            let results = sum.chunks_mut(per_part).zip(normed.chunks_mut(per_part));
            let parts: Vec<_> = terms.zip(results).map(Mutex::new).collect();
            Pool::get().run(parts.len(), &|index| {
                let Some(Ok(mut part)) = parts.get(index).map(Mutex::lock) else { return };
                let ((x, more), (sum, normed)) = &mut *part;
                let terms = x.chunks_exact(n).zip(more.chunks_exact(n));
                let results = sum.chunks_exact_mut(n).zip(normed.chunks_exact_mut(n));
                for ((x, more), (sum, normed)) in terms.zip(results) {
                    add(x, more, sum);
                    self.row(sum, weight, normed);
                }
            });
        }
        let tensor = |of: Vec<f32>| Tensor::from_vec(of, (t, n), &Device::Cpu);
        Ok((tensor(sum)?, tensor(normed)?))
    }

    /// The norm of one row.
    pub(crate) fn row(&self, x: &[f32], weight: &[f32], normed: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
        let mean = squares(x) / x.len() as f32;
        let factor = (mean + self.eps).sqrt().recip();
        for ((normed, x), weight) in normed.iter_mut().zip(x).zip(weight) {
            *normed = x * factor * weight;
        }
    }
}

/// How many of `t` rows of `n` numbers one thread takes at a time.
pub(crate) fn rows_of_a_part(t: usize, n: usize) -> usize {
    let is_small = t * n < ALONE;
    let parts = if is_small { 1 } else { 4 * Pool::get().n_threads() };
    t.div_ceil(parts).max(1)
}

fn add(x: &[f32], more: &[f32], sum: &mut [f32]) {
    for ((sum, x), more) in sum.iter_mut().zip(x).zip(more) {
        *sum = x + more;
    }
}

/// The sum of the squares of `x`.
fn squares(x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for x in whole {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(rows: usize, columns: usize) -> Tensor {
        Tensor::randn(0.0_f32, 2.0, (rows, columns), &Device::Cpu).unwrap()
    }

    #[test]
    fn the_norm_of_a_sum_is_candles_and_a_row_the_same_among_many() {
        // The last is shared out among threads.
        for (t, n) in [(1, 8), (3, 50), (700, 896)] {
            let weight = noise(1, n).squeeze(0).unwrap();
            let norm = Norm { weight, eps: 1e-6 };
            let (x, more) = (noise(t, n), noise(t, n));
            let (sum, normed) = norm.of_sum(&x, &more).unwrap();
            let expected = (&x + &more).unwrap();
            assert_eq!(sum.to_vec2::<f32>().unwrap(), expected.to_vec2::<f32>().unwrap());
            let found = normed.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let expected = norm.forward(&expected).unwrap().flatten_all().unwrap();
            for (found, expected) in found.iter().zip(expected.to_vec1::<f32>().unwrap()) {
                assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0));
            }
            let last = |x: &Tensor| x.narrow(0, t - 1, 1).unwrap();
            let (_, alone) = norm.of_sum(&last(&x), &last(&more)).unwrap();
            assert_eq!(alone.to_vec2::<f32>().unwrap(), last(&normed).to_vec2::<f32>().unwrap());
        }
    }
}
