//! The model host: a model file computed on this machine.

use std::cell::RefCell;
use std::io::Cursor;
use std::path::Path;

use crate::llm::chat_template::{ChatTemplate, Renderer};
use crate::llm::device;
use crate::llm::kv_cache::KvCache;
use crate::llm::qwen::Qwen;
use crate::llm::tokenizer::Tokenizer;
pub use crate::llm::weights_cache::WeightsCache;
use crate::llm::{
    Completion, Constraint, GenerateRequest, Hardware, Interrupt, Model, ModelError, ModelInfo,
    Placement,
};
use crate::transcript::{ChatMessage, Segment};

mod ahead;
mod draft;
mod encoded;
mod foretold;
mod generation;
mod guard;
mod hash;
mod load;
mod replay;
mod reward;
mod saved;
mod speed;
mod survey;

#[cfg(test)]
mod tests;

use encoded::Encoded;
pub use foretold::Foretold;
use generation::Generation;
use hash::FileHash;
use load::Origin;
use replay::Recorded;
pub use replay::{Call, Replay};
use saved::Keeper;
pub use saved::Shelf;
pub use speed::{Measure, Speed, Speeds};
pub use survey::Survey;

/// A Qwen model from a GGUF file or a safetensors folder, on this machine's processor or GPU.
///
/// One sequence is kept in its KV-cache: a call whose messages begin like those of the call before, what the model
/// wrote then included, computes only what is new.
pub struct LocalModel {
    info: ModelInfo,
    hash: FileHash,
    model: Qwen,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    cache: KvCache,
    /// Whose tokens are known.
    encoded: RefCell<Encoded>,
    /// Where what was read ahead begins in the cache.
    ahead_from: Option<usize>,
    /// Who saves the cache, if it is saved.
    keeper: Option<Keeper>,
    /// What is spared.
    pub reuse: Reuse,
}

/// What is not computed because it was computed before, or can be computed more cheaply: each can be turned off, to
/// measure what it spares. None of it changes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Reuse {
    /// What the KV-cache holds of a prompt is kept from call to call.
    pub keep: bool,
    /// What is known of the next prompt is read while code runs; needs `keep`.
    pub meanwhile: bool,
    /// Text that the constraint leaves no choice about is computed at once, with the token that follows it.
    pub forced_batch: bool,
    /// Tokens are guessed while the model writes: where a few are computed in about the time of one.
    pub guesses: bool,
}

impl LocalModel {
    /// Loads a GGUF file, or a folder with `config.json`, `tokenizer.json` and safetensors.
    ///
    /// The hash of a large file is computed meanwhile and may be missing from [`Model::info`] until the first
    /// completion has ended. Its chat template is rendered where `renderer` says. Weights that are rearranged for this
    /// processor are kept in `cache`.
    ///
    /// # Errors
    /// When the path cannot be read, what is there is damaged or not supported, memory is short, or it cannot be placed
    /// so.
    pub fn load(
        path: &Path,
        placement: impl Into<Placement>,
        cache: Option<&WeightsCache>,
        renderer: Renderer,
    ) -> Result<Self, ModelError> {
        let placement = placement.into();
        let refused = if path.is_dir() {
            guard::loading(|| load::folder(path, renderer, placement))
        } else {
            let open = || {
                let file = std::fs::File::open(path)?;
                Ok((file.try_clone()?, file))
            };
            let (file, same) = open()
                .map_err(|source| ModelError::Read { path: path.display().to_string(), source })?;
            let origin = Origin::Disk(same, cache);
            guard::loading(|| load::gguf(Box::new(file), path, origin, renderer, placement))
        };
        refused.map_err(|refusal| refusal.at(path))
    }

    /// Loads a GGUF file that is part of the program, its chat template too.
    ///
    /// # Errors
    /// When the bytes are damaged or not supported, or memory is short.
    pub fn from_bytes(bytes: &'static [u8]) -> Result<Self, ModelError> {
        let path = Path::new("embedded");
        let source = Box::new(Cursor::new(bytes));
        let origin = Origin::Memory(FileHash::of_bytes(bytes));
        guard::loading(|| load::gguf(source, path, origin, Renderer::Here, Hardware::Cpu.into()))
            .map_err(|refusal| refusal.at(path))
    }

    /// Loads a GGUF file from anything that can be read.
    ///
    /// # Errors
    /// As [`LocalModel::from_bytes`].
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn from_source(
        source: Box<dyn super::gguf::Source>,
        renderer: Renderer,
    ) -> Result<Self, ModelError> {
        let (path, origin) = (Path::new("source"), Origin::Memory(FileHash::default()));
        guard::loading(|| load::gguf(source, path, origin, renderer, Hardware::Cpu.into()))
            .map_err(|refusal| refusal.at(path))
    }

    /// Loads the small model that is part of the program; its card lies beside it in `agent/embedded`.
    ///
    /// # Errors
    /// When memory is short.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::from_bytes(include_bytes!("../../embedded/datarus-mini.gguf"))
    }

    /// Where it computes: [`PROCESSOR`](crate::llm::PROCESSOR), or what the GPU is called.
    pub fn device(&self) -> String {
        device::name(self.model.device())
    }

    /// Memory of the KV-cache for each token of a chat.
    pub fn cache_bytes_per_token(&self) -> u64 {
        self.model.config().cache_bytes_per_token()
    }

    /// The token ids of a chat, each segment encoded by its own degree of trust.
    fn encode(&self, messages: &[ChatMessage]) -> Result<Vec<u32>, ModelError> {
        let mut encoded = self.encoded.borrow_mut();
        if !encoded.is_of(messages) {
            let tokens = self.encode_segments(&self.template.render(messages)?)?;
            *encoded = Encoded::new(messages, tokens);
        }
        Ok(encoded.tokens().to_vec())
    }

    fn encode_segments(&self, segments: &[Segment]) -> Result<Vec<u32>, ModelError> {
        let mut tokens = Vec::new();
        for segment in segments {
            match segment {
                Segment::Markup(text) => tokens.extend(self.tokenizer.encode_markup(text)?),
                Segment::Data(text) => tokens.extend(self.tokenizer.encode_data(text)?),
                Segment::Generated { text, tokens: ids } => {
                    // Tokens of another model's vocabulary, after the user switched models, mean something else.
                    if self.tokenizer.decode(ids) == *text {
                        tokens.extend(ids);
                    } else {
                        tokens.extend(self.tokenizer.encode_data(text)?);
                    }
                }
            }
        }
        Ok(tokens)
    }

    /// See [`Model::generate`]; `recorded` is written instead of what the model would choose.
    fn write(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
        recorded: Option<&mut Recorded>,
    ) -> Result<Completion, ModelError> {
        if self.model.has_reward_head() {
            return Err(ModelError::RewardModel);
        }
        let mut sequence = self.encode(request.messages)?;
        if self.reuse.keep {
            self.restore(&sequence);
        } else {
            self.cache.truncate(0);
        }
        let ahead_from = self.ahead_from.take();
        let n_restored = self.keeper.as_mut().map_or(0, Keeper::take_restored);
        let mut generation = Generation::new(
            &self.model,
            &self.tokenizer,
            &mut self.cache,
            request,
            sequence.clone(),
            self.reuse,
            recorded,
        )?;
        let mut completion = generation.run(constraint, on_text);
        match &mut completion {
            Ok(Completion { text, tokens, usage, .. }) => {
                let held = usage.prompt_tokens - usage.prefilled_tokens;
                usage.restored_tokens = n_restored.min(held);
                usage.prefilled_meanwhile =
                    ahead_from.map_or(0, |ahead_from| held.saturating_sub(ahead_from));
                sequence.extend_from_slice(tokens);
                self.encoded.borrow_mut().wrote(text, tokens, sequence);
            }
            Err(_) => self.forget(),
        }
        if let Some(sha256) = self.hash.finished() {
            self.info.sha256 = Some(sha256);
        }
        completion
    }

    /// Forgets all that was computed: what the cache holds after a failure is not known.
    fn forget(&mut self) {
        self.cache = KvCache::new(self.model.config(), self.model.device());
        self.ahead_from = None;
    }
}

impl Model for LocalModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.encode(messages).map(|tokens| tokens.len())
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        self.write(request, constraint, on_text, None)
    }

    fn reward(&mut self, messages: &[ChatMessage]) -> Result<Option<f64>, ModelError> {
        let reward = self.model.has_reward_head().then(|| self.reward_of(messages)).transpose();
        if reward.is_err() {
            self.forget();
        }
        reward
    }

    fn read_ahead(&mut self, messages: &[ChatMessage], interrupt: &Interrupt) {
        if self.reuse.keep
            && self.reuse.meanwhile
            && self.try_read_ahead(messages, interrupt).is_err()
        {
            self.forget();
        }
    }

    fn rest(&mut self, wanted: &Interrupt) {
        if let Err(error) = self.save(wanted) {
            tracing::warn!(%error, "cannot save the KV-cache");
        }
    }
}
