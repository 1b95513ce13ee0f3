//! Rotary position embedding, with `YaRN` where a model asks for it.

use std::sync::{Mutex, OnceLock};

use candle_core::{Device, Result, Tensor, bail};
use candle_nn::rotary_emb::rope_thd;
use serde_json::Value as Json;

#[cfg(feature = "cuda")]
use crate::llm::cuda;
use crate::llm::gguf::Metadata;
use crate::llm::matrix::on_cpu;
use crate::llm::norm::{Norm, rows_of_a_part};
use crate::llm::pool::Pool;
use crate::llm::refusal::Refusal;

/// How positions become angles.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    base: f64,
    scaling: Scaling,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scaling {
    None,
    /// Positions divided by a factor.
    Linear(f64),
    Yarn(Yarn),
}

/// # Source
/// `YaRN`, <https://arxiv.org/abs/2309.00071>, as `transformers` and llama.cpp compute it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Yarn {
    factor: f64,
    original_context: f64,
    beta_fast: f64,
    beta_slow: f64,
    /// Multiplies sines and cosines.
    attention_factor: f64,
}

impl Yarn {
    fn new(factor: f64, original_context: f64, attention: Attention) -> Self {
        let mscale = 0.1 * factor.max(1.0).ln() + 1.0;
        let attention_factor = match attention {
            Attention::Default => mscale,
            Attention::Whole(whole) => whole,
            Attention::Share(share) => share * mscale,
        };
        Self { factor, original_context, beta_fast: 32.0, beta_slow: 1.0, attention_factor }
    }
}

/// What a file says of `YaRN`'s attention factor.
enum Attention {
    Default,
    /// `attention_factor` of Hugging Face: the factor itself.
    Whole(f64),
    /// `attn_factor` of vLLM and llama.cpp: multiplies the default.
    Share(f64),
}

impl Rope {
    /// From the header of a GGUF file of the architecture `name`.
    ///
    /// # Errors
    /// When the scaling is of an unknown kind.
    pub(crate) fn from_gguf(metadata: &Metadata, name: &str) -> std::result::Result<Self, Refusal> {
        let float = |suffix: &str| metadata.float(&format!("{name}.rope.{suffix}"));
        let factor = float("scaling.factor").unwrap_or(1.0);
        let kind = metadata.text(&format!("{name}.rope.scaling.type")).unwrap_or("none");
        let attention = float("scaling.attn_factor").map_or(Attention::Default, Attention::Share);
        let original = float("scaling.original_context_length");
        Self::new(float("freq_base").unwrap_or(10_000.0), kind, factor, original, attention)
    }

    /// From a `config.json`, of which either spelling is read: `rope_theta` and `rope_scaling`, or `rope_parameters`.
    ///
    /// # Errors
    /// When the scaling is of an unknown kind.
    pub(crate) fn from_json(json: &Json) -> std::result::Result<Self, Refusal> {
        let settings = ["rope_parameters", "rope_scaling"]
            .iter()
            .find_map(|key| json.get(key).filter(|value| value.is_object()))
            .unwrap_or(&Json::Null);
        let float = |key: &str| settings.get(key).and_then(Json::as_f64);
        let base = float("rope_theta").or_else(|| json.get("rope_theta").and_then(Json::as_f64));
        let kind = ["rope_type", "type"].iter().find_map(|key| settings.get(key)?.as_str());
        let attention = match (float("attention_factor"), float("attn_factor")) {
            (Some(whole), _) => Attention::Whole(whole),
            (None, Some(share)) => Attention::Share(share),
            (None, None) => Attention::Default,
        };
        let original = float("original_max_position_embeddings")
            .or_else(|| json.get("max_position_embeddings").and_then(Json::as_f64));
        let factor = float("factor").unwrap_or(1.0);
        Self::new(base.unwrap_or(10_000.0), kind.unwrap_or("none"), factor, original, attention)
    }

    fn new(
        base: f64,
        kind: &str,
        factor: f64,
        original_context: Option<f64>,
        attention: Attention,
    ) -> std::result::Result<Self, Refusal> {
        if !(base > 1.0 && base.is_finite() && factor > 0.0 && factor.is_finite()) {
            return Err(Refusal::format(format!(
                "position base {base} with factor {factor} is impossible"
            )));
        }
        let scaling = match (kind, original_context) {
            ("none" | "default", _) => Scaling::None,
            ("linear", _) => Scaling::Linear(factor),
            ("yarn", Some(original)) if original >= 1.0 => {
                Scaling::Yarn(Yarn::new(factor, original, attention))
            }
            _ => {
                return Err(Refusal::format(format!(
                    "its position scaling is `{kind}`, supported are none, `linear` and `yarn` with its original context"
                )));
            }
        };
        Ok(Self { base, scaling })
    }

    /// The angles of `t` positions from `start`, for heads of `head_size`.
    pub(crate) fn angles(&self, head_size: usize, start: usize, t: usize) -> Angles {
        let frequencies = self.frequencies(head_size);
        let magnitude = self.magnitude();
        let mut cosines = Vec::with_capacity(t * frequencies.len());
        let mut sines = Vec::with_capacity(t * frequencies.len());
        for position in start..start + t {
            for frequency in &frequencies {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "positions are below 2^24, exact in f32"
                )]
                let angle = position as f32 * frequency;
                cosines.push(angle.cos() * magnitude);
                sines.push(angle.sin() * magnitude);
            }
        }
        Angles { cosines, sines, pairs: frequencies.len(), elsewhere: OnceLock::new() }
    }

    fn magnitude(&self) -> f32 {
        match self.scaling {
            Scaling::Yarn(yarn) => narrow(yarn.attention_factor),
            Scaling::None | Scaling::Linear(_) => 1.0,
        }
    }

    /// Radians per position for each pair of elements of a head.
    #[expect(clippy::cast_precision_loss, reason = "head sizes are below 2^10")]
    fn frequencies(&self, head_size: usize) -> Vec<f32> {
        let plain = |pair: usize| self.base.powf(-2.0 * pair as f64 / head_size as f64);
        (0..head_size / 2)
            .map(|pair| match self.scaling {
                Scaling::None => plain(pair),
                Scaling::Linear(factor) => plain(pair) / factor,
                Scaling::Yarn(yarn) => self.yarn_frequency(yarn, plain(pair), pair, head_size),
            })
            .map(narrow)
            .collect()
    }

    /// Slow pairs are stretched by the factor, fast ones kept, those between mixed linearly.
    #[expect(clippy::cast_precision_loss, reason = "head sizes are below 2^10")]
    fn yarn_frequency(&self, yarn: Yarn, plain: f64, pair: usize, head_size: usize) -> f64 {
        let size = head_size as f64;
        let pair_that_turns = |turns: f64| {
            size * (yarn.original_context / (turns * std::f64::consts::TAU)).ln()
                / (2.0 * self.base.ln())
        };
        let low = pair_that_turns(yarn.beta_fast).floor().max(0.0);
        let high = pair_that_turns(yarn.beta_slow).ceil().min(size - 1.0).max(low + 0.001);
        let stretched = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        plain / yarn.factor * stretched + plain * (1.0 - stretched)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "f32 is the precision of the computation")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// Cosines and sines of some positions, each `[t, head_size / 2]`; all layers use the same.
pub(crate) struct Angles {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    /// Of elements, of a head: the first with the first of the second half.
    pairs: usize,
    /// Both on another device, `[2, t, pairs]`, once they were needed there.
    elsewhere: OnceLock<Tensor>,
}

impl Angles {
    /// Turns the heads of `x`, `[t, heads * head_size]`, after each was normalised if there is a `norm`. Returns
    /// `[t, heads, head_size]`.
    ///
    /// # Source
    /// <https://arxiv.org/abs/2104.09864>, with halves instead of neighbours as pairs, as models of this family are
    /// stored.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn turn(&self, x: &Tensor, norm: Option<&Norm>) -> Result<Tensor> {
        let (t, n) = x.dims2()?;
        let size = 2 * self.pairs;
        if t * self.pairs != self.cosines.len() || n == 0 || !n.is_multiple_of(size) {
            bail!("expected {} angles for heads of {size}, found {t} of {n}", self.cosines.len());
        }
        let shape = (t, n / size, size);
        if !matches!(x.device(), Device::Cpu) {
            return self.turn_elsewhere(&x.reshape(shape)?, norm);
        }
        let mut turned = vec![0.0; t * n];
        {
            let x = x.contiguous()?;
            let x = x.storage_and_layout();
            let x = on_cpu(&x.0, x.1)?;
            let weight = norm.map(|norm| norm.weight.storage_and_layout());
            let weight = weight.as_ref().map(|(storage, layout)| on_cpu(storage, layout));
            let norm = norm.zip(weight.transpose()?);
            let rows = rows_of_a_part(t, n);
            let parts = x.chunks(rows * n).zip(turned.chunks_mut(rows * n));
            let parts: Vec<_> = parts.map(Mutex::new).collect();
            Pool::get().run(parts.len(), &|index| {
                let Some(Ok(mut part)) = parts.get(index).map(Mutex::lock) else { return };
                let (x, turned) = &mut *part;
                let first = index * rows * self.pairs;
                let cosines = self.cosines.get(first..).unwrap_or_default();
                let sines = self.sines.get(first..).unwrap_or_default();
                let angles = cosines.chunks_exact(self.pairs).zip(sines.chunks_exact(self.pairs));
                for ((x, turned), angles) in
                    x.chunks_exact(n).zip(turned.chunks_exact_mut(n)).zip(angles)
                {
                    for (x, turned) in x.chunks_exact(size).zip(turned.chunks_exact_mut(size)) {
                        match norm {
                            Some((norm, weight)) => norm.row(x, weight, turned),
                            None => turned.copy_from_slice(x),
                        }
                        turn(turned, angles);
                    }
                }
            });
        }
        Tensor::from_vec(turned, shape, &Device::Cpu)
    }

    /// On a GPU, or by candle. `x`: `[t, heads, head_size]`.
    fn turn_elsewhere(&self, x: &Tensor, norm: Option<&Norm>) -> Result<Tensor> {
        let angles = self.on(x.device(), x.dim(0)?)?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let x = x.contiguous()?;
            return match norm {
                Some(norm) => {
                    x.apply_op3_no_bwd(angles, &norm.weight, &cuda::Turn { eps: norm.eps })
                }
                None => x.apply_op2_no_bwd(angles, &cuda::Turn { eps: 0.0 }),
            };
        }
        let x = norm.map_or_else(|| Ok(x.clone()), |norm| norm.forward(x))?;
        rope_thd(&x.unsqueeze(0)?, &angles.get(0)?, &angles.get(1)?)?.squeeze(0)
    }

    /// The angles of the `t` positions on the one other device that computes with them.
    fn on(&self, device: &Device, t: usize) -> Result<&Tensor> {
        if let Some(angles) = self.elsewhere.get() {
            return Ok(angles);
        }
        let both = [self.cosines.as_slice(), &self.sines].concat();
        let angles = Tensor::from_vec(both, (2, t, self.pairs), device)?;
        Ok(self.elsewhere.get_or_init(|| angles))
    }
}

/// Turns one head.
fn turn(head: &mut [f32], (cosines, sines): (&[f32], &[f32])) {
    let (first, second) = head.split_at_mut(cosines.len());
    for ((first, second), (cosine, sine)) in
        first.iter_mut().zip(second).zip(cosines.iter().zip(sines))
    {
        (*first, *second) = (*first * cosine - *second * sine, *first * sine + *second * cosine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_turned_as_candle_turns_them() {
        let rope = Rope { base: 1e4, scaling: Scaling::None };
        // The last is shared out among threads.
        for (t, heads, size) in [(1, 1, 2), (5, 3, 16), (300, 14, 64)] {
            let noise = |shape| Tensor::randn(0.0_f32, 1.0, shape, &Device::Cpu).unwrap();
            let x = noise((t, heads * size));
            let norm = Norm { weight: noise((1, size)).squeeze(0).unwrap(), eps: 1e-6 };
            let angles = rope.angles(size, 7, t);
            for norm in [None, Some(&norm)] {
                let found = angles.turn(&x, norm).unwrap();
                let x = x.reshape((t, heads, size)).unwrap();
                let expected = angles.turn_elsewhere(&x, norm).unwrap();
                let distance = (found - expected).unwrap().abs().unwrap().max_all().unwrap();
                assert!(distance.to_scalar::<f32>().unwrap() < 1e-5);
            }
        }
    }
}
