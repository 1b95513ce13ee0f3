//! Qwen 2, 2.5 and 3: decoders with grouped-query attention, rotary positions and `SwiGLU`.
//!
//! Weights are immutable; all state is in the [`KvCache`] that a caller brings.
//!
//! # Source
//! Qwen2.5, <https://arxiv.org/abs/2412.15115>; Qwen3, <https://arxiv.org/abs/2505.09388>.

use candle_core::{D, Device, Result, Tensor};

use crate::llm::Interrupt;
use crate::llm::attention::attend;
use crate::llm::config::{Architecture, Config};
use crate::llm::kv_cache::KvCache;
use crate::llm::matrix::{Linear, Matrix, feed_forward, products};
use crate::llm::norm::Norm;
use crate::llm::packed::{self, Phase};
use crate::llm::refusal::Refusal;
use crate::llm::rope::Angles;
use crate::llm::weights::{EMBEDDING, HEAD, REWARD_HEAD, Weights};
use crate::llm::workers;

/// Tokens computed at once by a large model.
const CHUNK: usize = 256;
/// The same where a tile of weights is unpacked once for all of them, into more than it takes in memory.
const CHUNK_OF_HALVES: usize = 512;
/// The same on a GPU, which computes this many in the time of a hundred.
const CHUNK_OF_A_GPU: usize = 512;
/// candle's `PAR_ELEMWISE_MIN`.
const ELEMENTS_ON_ONE_THREAD: usize = 64 * 1024;

/// A decoder's weights.
pub(crate) struct Qwen {
    config: Config,
    /// On the processor: of its rows few are needed.
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Norm,
    head: Linear,
    /// `[1, width]`, of a reward model alone.
    reward_head: Option<Tensor>,
    is_packed: bool,
    has_packed: bool,
    device: Device,
}

/// One block: attention and feed-forward, each behind a norm and beside a shortcut.
struct Layer {
    attention_norm: Norm,
    attention: Attention,
    feed_forward_norm: Norm,
    feed_forward: FeedForward,
}

/// Grouped-query attention.
///
/// # Source
/// <https://arxiv.org/abs/2305.13245>
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    /// Norms of queries and keys per head, Qwen 3 alone.
    head_norms: Option<(Norm, Norm)>,
    output: Linear,
}

/// `SwiGLU`: `down(silu(gate(x)) * up(x))`.
///
/// # Source
/// <https://arxiv.org/abs/2002.05202>
struct FeedForward {
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Qwen {
    /// Takes all weights of `config`'s architecture from `weights`.
    ///
    /// # Errors
    /// When a weight is missing or has another shape than the sizes demand.
    pub(crate) fn load(
        config: Config,
        weights: &mut dyn Weights,
        device: &Device,
    ) -> std::result::Result<Self, Refusal> {
        let embedding = weights.embedding(config.vocab_size, config.width)?;
        let layers = (0..config.n_layers)
            .map(|index| Layer::load(&config, weights, &format!("blk.{index}")))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let norm = load_norm(&config, weights, "output_norm.weight", config.width)?;
        let name = if weights.has(HEAD) { HEAD } else { EMBEDDING };
        let weight = if name == EMBEDDING && device.is_cpu() {
            embedding.clone()
        } else {
            weights.matrix(name, config.vocab_size, config.width)?
        };
        let head = Linear { weight, bias: None };
        let reward_head = weights.has(REWARD_HEAD).then(|| {
            let weight = weights.matrix(REWARD_HEAD, 1, config.width)?;
            Ok::<_, Refusal>(weight.rows(&[0], device)?)
        });
        let reward_head = reward_head.transpose()?;
        let is_packed = head.is_packed() && layers.iter().all(Layer::is_packed);
        let has_packed = layers.iter().any(Layer::has_packed);
        let device = device.clone();
        Ok(Self {
            config,
            embedding,
            layers,
            norm,
            head,
            reward_head,
            is_packed,
            has_packed,
            device,
        })
    }

    /// Sizes and settings.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether all its products read the weights once for a few tokens: those of our own kernels and of a GPU.
    pub(crate) fn reads_once(&self) -> bool {
        self.is_packed || !self.device.is_cpu()
    }

    /// Whether it computes a prompt and a completion in different precisions, so that what it wrote is to be computed
    /// again as part of the next prompt: a text must not depend on what the cache held.
    fn phases_differ(&self) -> bool {
        self.has_packed && packed::phases_differ()
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// How many tokens to compute at once: enough to use the processor well, few enough that an interrupt is soon
    /// seen.
    ///
    /// A small model takes fewer, so that no intermediate tensor is so large (64 Ki elements) that candle would
    /// share it out among threads.
    pub(crate) fn chunk(&self) -> usize {
        if !self.device.is_cpu() {
            return CHUNK_OF_A_GPU;
        }
        if !self.config.is_small() {
            return if self.phases_differ() { CHUNK_OF_HALVES } else { CHUNK };
        }
        let elements_per_token = self.config.hidden.max(self.config.width);
        ((ELEMENTS_ON_ONE_THREAD - 1) / elements_per_token).clamp(1, CHUNK)
    }

    /// Computes `tokens` of a `phase` behind those that `cache` holds and adds them to it.
    ///
    /// Returns the vectors of the last `wanted` positions, `[wanted, width]`, or nothing when the interrupt was set
    /// meanwhile; the cache then holds what it held before.
    ///
    /// # Errors
    /// When a token is outside the vocabulary or memory runs out.
    pub(crate) fn extend(
        &self,
        tokens: &[u32],
        wanted: usize,
        cache: &mut KvCache,
        phase: Phase,
        interrupt: &Interrupt,
    ) -> Result<Option<Tensor>> {
        if self.config.is_small() || self.is_packed || !self.device.is_cpu() {
            // What is left to candle takes microseconds; what does not, our own pool shares out.
            workers::stay_on_this_thread();
        }
        cache.reserve(tokens.len(), self.layers.len())?;
        let angles = self.config.rope.angles(self.config.head_size, cache.len(), tokens.len());
        let mut x = self.embedding.rows(tokens, &self.device)?;
        let mut more = x.zeros_like()?;
        // A model whose products know no phases has none.
        let is_reusable = phase == Phase::Prompt || !self.phases_differ();
        let phase = if self.phases_differ() { phase } else { Phase::Completion };
        for (index, layer) in self.layers.iter().enumerate() {
            if interrupt.is_set() {
                return Ok(None);
            }
            (x, more) = layer.forward(&x, &more, &angles, cache, index, phase)?;
        }
        if tokens.len() > 1 && !self.device.is_cpu() {
            // Else the chunks of a prompt would queue up there, and an interrupt wait for all of them.
            self.device.synchronize()?;
        }
        cache.commit(tokens, is_reusable);
        let first = tokens.len() - wanted;
        (x.narrow(0, first, wanted)? + more.narrow(0, first, wanted)?).map(Some)
    }

    /// Logits of the tokens after some positions, `[t, vocabulary]`, from their vectors `[t, width]`.
    ///
    /// # Errors
    /// When memory runs out.
    pub(crate) fn logits(&self, vectors: &Tensor) -> Result<Vec<Vec<f32>>> {
        let x = self.norm.forward(&vectors.contiguous()?)?;
        self.head.forward(&x, Phase::Completion)?.to_vec2()
    }

    /// One number for each of some positions, from their vectors `[t, width]`; none of a model without a reward head.
    ///
    /// # Errors
    /// When memory runs out.
    pub(crate) fn rewards(&self, vectors: &Tensor) -> Result<Option<Vec<f32>>> {
        let Some(head) = &self.reward_head else { return Ok(None) };
        let x = self.norm.forward(&vectors.contiguous()?)?;
        x.broadcast_mul(head)?.sum(D::Minus1)?.to_vec1().map(Some)
    }

    /// Whether it gives rewards: it then writes nothing, since what makes logits was not trained with it.
    pub(crate) fn has_reward_head(&self) -> bool {
        self.reward_head.is_some()
    }
}

impl Layer {
    fn load(
        config: &Config,
        weights: &mut dyn Weights,
        prefix: &str,
    ) -> std::result::Result<Self, Refusal> {
        let width = config.width;
        Ok(Self {
            attention_norm: load_norm(
                config,
                weights,
                &format!("{prefix}.attn_norm.weight"),
                width,
            )?,
            attention: Attention::load(config, weights, prefix)?,
            feed_forward_norm: load_norm(
                config,
                weights,
                &format!("{prefix}.ffn_norm.weight"),
                width,
            )?,
            feed_forward: FeedForward {
                gate: load_plain(weights, &format!("{prefix}.ffn_gate"), config.hidden, width)?,
                up: load_plain(weights, &format!("{prefix}.ffn_up"), config.hidden, width)?,
                down: load_plain(weights, &format!("{prefix}.ffn_down"), width, config.hidden)?,
            },
        })
    }

    fn is_packed(&self) -> bool {
        self.matrices().into_iter().all(Linear::is_packed)
    }

    fn has_packed(&self) -> bool {
        self.matrices().into_iter().any(Linear::is_packed)
    }

    fn matrices(&self) -> [&Linear; 7] {
        let Attention { query, key, value, output, .. } = &self.attention;
        let FeedForward { gate, up, down } = &self.feed_forward;
        [query, key, value, output, gate, up, down]
    }

    /// The vectors are `x + more`, each `[t, width]`, and so those of the result: each sum is made where its norm is.
    fn forward(
        &self,
        x: &Tensor,
        more: &Tensor,
        angles: &Angles,
        cache: &KvCache,
        index: usize,
        phase: Phase,
    ) -> Result<(Tensor, Tensor)> {
        let (x, normed) = self.attention_norm.of_sum(x, more)?;
        let more = self.attention.forward(&normed, angles, cache, index, phase)?;
        let (x, normed) = self.feed_forward_norm.of_sum(&x, &more)?;
        Ok((x, self.feed_forward.forward(&normed, phase)?))
    }
}

impl Attention {
    fn load(
        config: &Config,
        weights: &mut dyn Weights,
        prefix: &str,
    ) -> std::result::Result<Self, Refusal> {
        let (width, size) = (config.width, config.head_size);
        let (queries, keys) = (config.n_heads * size, config.n_kv_heads * size);
        let mut biased = |name: &str, rows| {
            load_linear(config, weights, &format!("{prefix}.{name}"), rows, width)
        };
        let (query, key, value) =
            (biased("attn_q", queries)?, biased("attn_k", keys)?, biased("attn_v", keys)?);
        let head_norms = match config.architecture {
            Architecture::Qwen2 => None,
            Architecture::Qwen3 => Some((
                load_norm(config, weights, &format!("{prefix}.attn_q_norm.weight"), size)?,
                load_norm(config, weights, &format!("{prefix}.attn_k_norm.weight"), size)?,
            )),
        };
        let output = load_plain(weights, &format!("{prefix}.attn_output"), width, queries)?;
        Ok(Self { query, key, value, head_norms, output })
    }

    /// `x`: `[t, width]`, and so the result.
    fn forward(
        &self,
        x: &Tensor,
        angles: &Angles,
        cache: &KvCache,
        index: usize,
        phase: Phase,
    ) -> Result<Tensor> {
        let [query, key, value] = products([&self.query, &self.key, &self.value], x, phase)?;
        let (query_norm, key_norm) =
            self.head_norms.as_ref().map(|(query, key)| (query, key)).unzip();
        let (query, key) = (angles.turn(&query, query_norm)?, angles.turn(&key, key_norm)?);
        let value = value.reshape(key.shape())?;
        let (keys, values) = cache.extend(index, &key.transpose(0, 1)?, &value.transpose(0, 1)?)?;
        self.output.forward(&attend(&query, &keys, &values, phase)?, phase)
    }
}

impl FeedForward {
    /// `x`: `[t, width]`, and so the result.
    fn forward(&self, x: &Tensor, phase: Phase) -> Result<Tensor> {
        feed_forward(&self.gate, &self.up, &self.down, x, phase)
    }
}

fn load_norm(
    config: &Config,
    weights: &mut dyn Weights,
    name: &str,
    len: usize,
) -> std::result::Result<Norm, Refusal> {
    #[expect(clippy::cast_possible_truncation, reason = "an epsilon needs no more than f32")]
    Ok(Norm { weight: weights.vector(name, len)?, eps: config.norm_eps as f32 })
}

/// A matrix with a bias, which Qwen 2 always has and Qwen 3 rarely.
fn load_linear(
    config: &Config,
    weights: &mut dyn Weights,
    name: &str,
    rows: usize,
    columns: usize,
) -> std::result::Result<Linear, Refusal> {
    let Linear { weight, .. } = load_plain(weights, name, rows, columns)?;
    let bias = format!("{name}.bias");
    let wanted = config.architecture == Architecture::Qwen2 || weights.has(&bias);
    let bias = if wanted { Some(weights.vector(&bias, rows)?) } else { None };
    Ok(Linear { weight, bias })
}

fn load_plain(
    weights: &mut dyn Weights,
    name: &str,
    rows: usize,
    columns: usize,
) -> std::result::Result<Linear, Refusal> {
    let weight = weights.matrix(&format!("{name}.weight"), rows, columns)?;
    Ok(Linear { weight, bias: None })
}
