//! The sizes and settings of a model, from a GGUF header or a `config.json`.

use candle_core::{DType, Device};
use serde_json::Value as Json;

use crate::llm::gguf::Metadata;
use crate::llm::narrow;
use crate::llm::refusal::Refusal;
use crate::llm::rope::Rope;

/// Architectures that [`Qwen`](crate::llm::qwen::Qwen) computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// Qwen 2 and 2.5: biases on query, key and value.
    Qwen2,
    /// Qwen 3: queries and keys normalised per head.
    Qwen3,
}

impl Architecture {
    /// By the name that files use.
    ///
    /// # Errors
    /// When the name is another.
    pub(crate) fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            _ => Err(Refusal::format(format!(
                "its architecture is `{name}`, supported are `qwen2` and `qwen3`: choose such a model, or serve \
                 this one and name the endpoint"
            ))),
        }
    }

    /// The name that files use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// Sizes and settings of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// Which decoder.
    pub(crate) architecture: Architecture,
    /// Number of blocks.
    pub(crate) n_layers: usize,
    /// Size of a position's vector between blocks.
    pub(crate) width: usize,
    /// Inner size of the feed-forward part.
    pub(crate) hidden: usize,
    /// Number of query heads.
    pub(crate) n_heads: usize,
    /// Number of key and value heads; divides `n_heads`.
    pub(crate) n_kv_heads: usize,
    /// Size of a head.
    pub(crate) head_size: usize,
    /// Added to the mean square before the root is taken.
    pub(crate) norm_eps: f64,
    /// Rotary position embedding.
    pub(crate) rope: Rope,
    /// Longest sequence in tokens.
    pub(crate) context_length: usize,
    /// Number of token ids that the embedding knows.
    pub(crate) vocab_size: usize,
    /// Whether the KV-cache is held in eight bits.
    pub(crate) narrow_cache: bool,
}

impl Config {
    /// Reads the header of a GGUF file whose embedding has `vocab_size` rows.
    ///
    /// # Errors
    /// When the architecture is not supported, or a size is missing or impossible.
    pub(crate) fn from_gguf(metadata: &Metadata, vocab_size: usize) -> Result<Self, Refusal> {
        let name = metadata
            .text("general.architecture")
            .ok_or_else(|| Refusal::format("the header lacks `general.architecture`"))?;
        let architecture = Architecture::named(name)?;
        let key = |suffix: &str| format!("{name}.{suffix}");
        let width = metadata.required_size(&key("embedding_length"))?;
        let n_heads = metadata.required_size(&key("attention.head_count"))?;
        let config = Self {
            architecture,
            n_layers: metadata.required_size(&key("block_count"))?,
            width,
            hidden: metadata.required_size(&key("feed_forward_length"))?,
            n_heads,
            n_kv_heads: metadata.size(&key("attention.head_count_kv"))?.unwrap_or(n_heads),
            head_size: metadata
                .size(&key("attention.key_length"))?
                .unwrap_or(width.checked_div(n_heads).unwrap_or(0)),
            norm_eps: metadata.float(&key("attention.layer_norm_rms_epsilon")).ok_or_else(
                || {
                    Refusal::format(format!(
                        "the header lacks `{name}.attention.layer_norm_rms_epsilon`"
                    ))
                },
            )?,
            rope: Rope::from_gguf(metadata, name)?,
            context_length: metadata.required_size(&key("context_length"))?,
            vocab_size,
            narrow_cache: false,
        };
        config.checked()
    }

    /// Reads a `config.json` of Hugging Face.
    ///
    /// # Errors
    /// When the architecture is not supported, or a size is missing or impossible.
    pub(crate) fn from_json(json: &Json) -> Result<Self, Refusal> {
        let size = |key: &str| {
            json.get(key).and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok())
        };
        let required = |key: &str| {
            size(key)
                .ok_or_else(|| Refusal::format(format!("`config.json` lacks the size `{key}`")))
        };
        let architecture = Architecture::named(
            json.get("model_type").and_then(Json::as_str).unwrap_or("unknown"),
        )?;
        let (width, n_heads) = (required("hidden_size")?, required("num_attention_heads")?);
        let default_head = match architecture {
            Architecture::Qwen2 => width.checked_div(n_heads).unwrap_or(0),
            // The class's own default, where the file leaves it out.
            Architecture::Qwen3 => 128,
        };
        let context = required("max_position_embeddings")?;
        let windowed = json.get("use_sliding_window").and_then(Json::as_bool).unwrap_or(false);
        let config = Self {
            architecture,
            n_layers: required("num_hidden_layers")?,
            width,
            hidden: required("intermediate_size")?,
            n_heads,
            n_kv_heads: size("num_key_value_heads").unwrap_or(n_heads),
            head_size: size("head_dim").unwrap_or(default_head),
            norm_eps: json.get("rms_norm_eps").and_then(Json::as_f64).unwrap_or(1e-6),
            rope: Rope::from_json(json)?,
            // Within its window a sliding-window model is an ordinary one.
            context_length: if windowed {
                size("sliding_window").unwrap_or(context)
            } else {
                context
            },
            vocab_size: required("vocab_size")?,
            narrow_cache: false,
        };
        config.checked()
    }

    /// Whether the model is so small that 32-bit weights, multiplied on one thread, are the fastest: under 16 million
    /// parameters, 64 MiB. Only attention over a long past is shared out. Smaller storage would only save memory, and rounding of activations would cost accuracy.
    pub(crate) fn is_small(&self) -> bool {
        let attention = self.width * self.head_size * (self.n_heads + self.n_kv_heads) * 2;
        let layer = attention + 3 * self.width * self.hidden;
        self.vocab_size * self.width + self.n_layers * layer < 16 << 20
    }

    /// Whether its matrices become [`Matrix::Own`](crate::llm::matrix::Matrix::Own) on `device`.
    pub(crate) fn owns(&self, device: &Device) -> bool {
        self.is_small() && device.is_cpu()
    }

    /// The same model with a KV-cache of eight bits a number.
    ///
    /// # Errors
    /// When its heads are not made of whole blocks.
    pub(crate) fn with_narrow_cache(self) -> Result<Self, Refusal> {
        if !narrow::takes(self.head_size) {
            return Err(Refusal::format(format!(
                "its heads have {} numbers, and a KV-cache in eight bits takes multiples of {}: leave out `--kv-type q8`",
                self.head_size,
                narrow::BLOCK
            )));
        }
        Ok(Self { narrow_cache: true, ..self })
    }

    /// The element type of the KV-cache: half as long where reading it takes time.
    pub(crate) fn cache_dtype(&self) -> DType {
        match self {
            Self { narrow_cache: true, .. } => DType::U8,
            _ if self.is_small() => DType::F32,
            _ => DType::F16,
        }
    }

    /// Elements of a row of the KV-cache: one head's key or value of one token.
    pub(crate) fn cache_row_len(&self) -> usize {
        if self.narrow_cache { narrow::row_len(self.head_size) } else { self.head_size }
    }

    /// Memory of the KV-cache for one token: keys and values of all layers.
    pub(crate) fn cache_bytes_per_token(&self) -> u64 {
        let row = self.cache_row_len() * self.cache_dtype().size_in_bytes();
        (2 * self.n_layers * self.n_kv_heads * row) as u64
    }

    /// Bounds every size, so that products of them cannot overflow.
    fn checked(self) -> Result<Self, Refusal> {
        let check = |what: &str, found: usize, most: usize| {
            if found == 0 || found > most {
                return Err(Refusal::format(format!("{what} is {found}, expected 1 to {most}")));
            }
            Ok(())
        };
        check("the number of layers", self.n_layers, 1 << 10)?;
        check("the width", self.width, 1 << 17)?;
        check("the feed-forward size", self.hidden, 1 << 19)?;
        check("the number of heads", self.n_heads, 1 << 10)?;
        check("the number of key-value heads", self.n_kv_heads, self.n_heads)?;
        check("the head size", self.head_size, 1 << 10)?;
        check("the context length", self.context_length, 1 << 24)?;
        check("the vocabulary size", self.vocab_size, 1 << 24)?;
        if !self.n_heads.is_multiple_of(self.n_kv_heads) || !self.head_size.is_multiple_of(2) {
            return Err(Refusal::format(format!(
                "{} heads of size {} do not fit {} key-value heads",
                self.n_heads, self.head_size, self.n_kv_heads
            )));
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return Err(Refusal::format(format!("the norm's epsilon is {}", self.norm_eps)));
        }
        Ok(self)
    }
}
