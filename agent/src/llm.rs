//! The seam to whoever predicts tokens, and what is said across it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::transcript::ChatMessage;

pub use self::device::{Hardware, KvPrecision, PROCESSOR, Placement};
use self::endpoint::Served;

pub mod chat_template;
pub mod endpoint;
pub mod hub;
pub mod local;

#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
mod choice;
mod config;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod exp;
mod gguf;
mod kv_cache;
mod matrix;
mod memory;
mod narrow;
#[cfg(target_arch = "aarch64")]
mod neon;
mod norm;
mod packed;
mod pool;
mod qwen;
mod refusal;
mod rope;
mod safetensors;
mod sampler;
mod tokenizer;
pub mod web;
mod weights;
mod weights_cache;
mod workers;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

#[cfg(all(test, feature = "cuda"))]
mod gpu_tests;
#[cfg(test)]
mod made;
#[cfg(test)]
mod tests;

/// A language model that continues a chat.
pub trait Model: Send {
    /// What is known of the model before it runs.
    fn info(&self) -> &ModelInfo;

    /// Number of tokens that `messages` take, so that a caller can keep within the context.
    ///
    /// # Errors
    /// When the chat template refuses the messages.
    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError>;

    /// Writes on after `request.messages`, until a stop string, the model's end token, a limit or an interrupt.
    ///
    /// If the last message is the assistant's, its text is continued; else a new assistant message is begun.
    /// What the KV-cache holds of the same tokens is not computed again. `on_text` gets each piece of valid UTF-8
    /// as soon as it is known; its concatenation is the completion's text. The stop string is part of the text.
    ///
    /// # Errors
    /// See [`ModelError`]. An interrupt is no error but [`FinishReason::Cancelled`].
    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError>;

    /// What a reward model thinks of the last of `messages`, from 0 to 1; none of a model that writes.
    ///
    /// # Errors
    /// See [`ModelError`].
    fn reward(&mut self, messages: &[ChatMessage]) -> Result<Option<f64>, ModelError> {
        let _ = messages;
        Ok(None)
    }

    /// Reads ahead what a later call will probably begin with, until `interrupt` is set from another thread: a wrong
    /// guess costs nothing but the time. Leaves one processor to others.
    ///
    /// Called while code runs, so it returns at once when it is told to: a model on this machine between two layers.
    /// What fails here fails again where its result is needed, and is told there.
    fn read_ahead(&mut self, messages: &[ChatMessage], interrupt: &Interrupt) {
        let _ = (messages, interrupt);
    }

    /// Does what can wait until there is nothing else to do, such as saving what would be computed again by the next
    /// process. Returns soon after `wanted` is set from another thread.
    fn rest(&mut self, wanted: &Interrupt) {
        let _ = wanted;
    }
}

/// What is known of a model before it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name, for people.
    pub name: String,
    /// Lower-case hex SHA-256 of the model file, when it is a file.
    pub sha256: Option<String>,
    /// Architecture as the file names it: `qwen2`, `qwen3`; `endpoint` where a server computes the model.
    pub architecture: String,
    /// The dialect that its metadata or its vocabulary ask for (`datarus`, `deepanalyze`), if they do.
    pub dialect: Option<String>,
    /// How much the prompt says.
    pub profile: Profile,
    /// String literals that the model may write besides names that it has seen; only in [`Profile::Compact`].
    pub literals: Vec<String>,
    /// Words that it knows questions to ask with; only in [`Profile::Compact`].
    pub words: Vec<String>,
    /// Forms of thoughts, code and answers that it keeps to; only in [`Profile::Compact`].
    pub forms: Vec<String>,
    /// Longest sequence in tokens.
    pub context_length: usize,
    /// Whether it goes on with a message of its own that a chat ends with; else it is asked for the rest.
    pub continues: bool,
    /// Who computes it, where this process does not.
    pub served: Option<Served>,
}

/// How much the prompt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// For large models: a system prompt, the notebook so far.
    Full,
    /// For a small model trained on exactly this: question, files and variables; strings limited to known names.
    Compact,
}

/// One call of [`Model::generate`].
#[derive(Debug, Clone, Copy)]
pub struct GenerateRequest<'a> {
    /// The chat so far.
    pub messages: &'a [ChatMessage],
    /// Strings that end the completion.
    pub stop: &'a [&'a str],
    /// How the next token is chosen.
    pub sampling: &'a Sampling,
    /// Seed of the choice.
    pub seed: u64,
    /// Bound on the completion, in tokens.
    pub max_new_tokens: usize,
    /// Set from another thread to stop within one token.
    pub interrupt: &'a Interrupt,
}

/// How the next token is chosen from the logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sampling {
    /// The most likely token, always.
    Greedy,
    /// A draw after the filters, which apply in this order: repetition penalty, temperature, top-k, top-p, min-p.
    Random {
        /// Divides the logits; above 0.
        temperature: f32,
        /// Keeps the k most likely tokens.
        top_k: Option<usize>,
        /// Keeps the smallest set of tokens whose probability reaches p.
        top_p: Option<f32>,
        /// Drops tokens less likely than this share of the most likely one.
        min_p: Option<f32>,
        /// Divides positive and multiplies negative logits of tokens seen in the last 64 positions.
        repetition_penalty: Option<f32>,
    },
}

/// What a model wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The text, the stop string included.
    pub text: String,
    /// The ids of the text, in order.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What it cost.
    pub usage: Usage,
    /// What a trainer needs to know of it; of a served model nothing is known.
    pub trace: Option<Trace>,
}

/// A completion as tokens, and where the model had a choice: what it could have written, and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The ids of the prompt, as the chat template made it.
    pub prompt: Vec<u32>,
    /// The ids of the completion, forced ones included.
    pub tokens: Vec<u32>,
    /// Where it had a choice, in order.
    pub decisions: Vec<Decision>,
}

/// One choice of a token. Its probability is that of the softmax over the logits, to which the bonuses are added and
/// which are divided by the temperature, of the tokens that could come: those of `among`, or with `open` all but
/// those of `without`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Tokens of the completion before it.
    pub at: usize,
    /// What was chosen; none where it was anything but `among`, which ended a choice and wrote nothing.
    pub token: Option<u32>,
    /// Tokens that the constraint named, with their bonuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<(u32, f32)>,
    /// Whether others could come, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Tokens that the constraint forbade.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<u32>,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop string or the end token.
    Stop,
    /// `max_new_tokens`, or the context is full; or the connection to a server broke off. The text can be continued.
    Length,
    /// The interrupt.
    Cancelled,
}

/// Counted work of one or more completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompts.
    pub prompt_tokens: usize,
    /// Of these, tokens computed now because the KV-cache did not hold them.
    pub prefilled_tokens: usize,
    /// Of those that it held, tokens that another process had computed and saved.
    #[serde(default)]
    pub restored_tokens: usize,
    /// Of those that it held, tokens that were read ahead while code ran.
    #[serde(default)]
    pub prefilled_meanwhile: usize,
    /// Tokens written, forced ones included.
    pub completion_tokens: usize,
    /// Of these, tokens that the constraint left no choice about: no decode step of their own.
    pub forced_tokens: usize,
    /// Of those written, tokens that were guessed from what stood before, and computed with the token before them.
    #[serde(default)]
    pub guessed_tokens: usize,
    /// Seconds spent on prompts.
    pub prefill_seconds: f64,
    /// Seconds spent on writing.
    pub decode_seconds: f64,
    /// Of these, seconds spent on what may stand next, on the choice and on the text, not on computing.
    #[serde(default)]
    pub choice_seconds: f64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.prefilled_tokens += other.prefilled_tokens;
        self.restored_tokens += other.restored_tokens;
        self.prefilled_meanwhile += other.prefilled_meanwhile;
        self.completion_tokens += other.completion_tokens;
        self.forced_tokens += other.forced_tokens;
        self.guessed_tokens += other.guessed_tokens;
        self.prefill_seconds += other.prefill_seconds;
        self.decode_seconds += other.decode_seconds;
        self.choice_seconds += other.choice_seconds;
    }
}

/// What may follow the text that a model has written so far.
pub trait Constraint {
    /// Called with all text of this completion before each token, but not in the middle of a character or of a text
    /// that an earlier answer forced or chose.
    fn next(&mut self, generated: &str) -> Next;
}

/// A text that may stand next.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// To be written whole.
    pub text: String,
    /// What is added to the logit of a token that leads here, where candidates part: 0 leaves the choice to the model
    /// alone.
    pub bonus: f32,
}

impl<T: Into<String>> From<T> for Candidate {
    fn from(text: T) -> Self {
        Self { text: text.into(), bonus: 0.0 }
    }
}

/// The answer of a [`Constraint`].
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Anything.
    Free,
    /// Any text up to this tag: of the tokens that are added to the vocabulary, the end and this tag alone, so that
    /// no other tag stands in an answer or in code.
    Until(&'static str),
    /// Exactly this text, as [`Markup`](crate::transcript::Segment::Markup): appended in one batch.
    Forced(String),
    /// One of these texts, whole; the model chooses token by token among those that still fit. Where one candidate
    /// begins another, the shorter is chosen if the model would rather go on with something else. Candidates are
    /// encoded as markup, or as data if that would make a control token.
    Among(Vec<Candidate>),
}

/// A constraint that allows everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconstrained;

impl Constraint for Unconstrained {
    fn next(&mut self, _generated: &str) -> Next {
        Next::Free
    }
}

/// A flag that another thread sets to stop work soon.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks for a stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets a stop, at the start of new work.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Why a model cannot be loaded or cannot go on. Each text says what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file, the model's or another, cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the model file `{path}` is damaged or not supported: {reason}")]
    Format {
        /// The file.
        path: String,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// The chat does not fit.
    #[error(
        "the prompt has {tokens} tokens, the model's context holds {context_length}: start a new notebook or ask a shorter question"
    )]
    ContextFull {
        /// Needed.
        tokens: usize,
        /// There.
        context_length: usize,
    },
    /// The machine is too small.
    #[error(
        "the model needs about {needed_mib} MiB of memory, {available_mib} MiB are available: choose a smaller model or a smaller quantisation"
    )]
    Memory {
        /// Needed.
        needed_mib: u64,
        /// There.
        available_mib: u64,
    },
    /// The GPU that was asked for cannot be used.
    #[error("the model cannot compute there: {0}")]
    Device(String),
    /// It gives rewards alone.
    #[error("this is a reward model, which scores and writes nothing: use it as `--judge`")]
    RewardModel,
    /// The chat template refused the messages.
    #[error("the model's chat template failed: {0}")]
    Template(String),
    /// The computation failed.
    #[error("the model failed while computing: {0}")]
    Compute(String),
    /// The server that computes the model does not.
    #[error("the model server at {at}: {reason}")]
    Server {
        /// Its address, without credentials.
        at: String,
        /// Expected, found, and what to do.
        reason: String,
    },
}

/// From now on our own kernels compute with at most so many threads; without a call with one for each processor. What
/// candle multiplies (all on processors other than x86-64, and dense models) is not limited by it.
pub fn limit_threads(n_threads: usize) {
    pool::Pool::get().limit(n_threads.max(1));
}

/// How many threads our own kernels compute with.
pub fn n_threads() -> usize {
    pool::Pool::get().n_threads()
}

/// Seconds as a float, for [`Usage`].
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
