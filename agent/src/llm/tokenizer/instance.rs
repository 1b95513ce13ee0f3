//! What `tokenizers` encodes with: a vocabulary and rules that both degrees of trust share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::{
    DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizedString,
    PreTokenizer, PreTokenizerWrapper, Token, TokenizerImpl,
};

use super::bpe::Bpe;
use crate::llm::refusal::Refusal;

/// One degree of trust.
pub(super) type Instance =
    TokenizerImpl<Vocabulary, NormalizerWrapper, Cut, PostProcessorWrapper, DecoderWrapper>;

/// As a `tokenizer.json` has it, but for its added vocabulary, padding and truncation.
///
/// # Errors
/// When its normaliser is not usable.
pub(super) fn of(whole: &tokenizers::Tokenizer) -> Result<Instance, Refusal> {
    let model = whole.get_model().clone();
    let mut instance = Instance::new(Vocabulary::Whole(Arc::new(model)));
    instance.with_pre_tokenizer(whole.get_pre_tokenizer().cloned().map(Cut::from));
    instance.with_post_processor(whole.get_post_processor().cloned());
    instance.with_decoder(whole.get_decoder().cloned());
    let normalizer = whole.get_normalizer().cloned();
    instance.with_normalizer(normalizer).map_err(|error| Refusal::format(error.to_string()))?;
    Ok(instance)
}

/// How words become tokens.
#[derive(Clone)]
pub(super) enum Vocabulary {
    /// As a `tokenizer.json` says.
    Whole(Arc<ModelWrapper>),
    /// Of lists in a GGUF header.
    Lists(Arc<Bpe>),
}

impl Vocabulary {
    /// One more than the highest id.
    pub(super) fn n_ids(&self) -> usize {
        match self {
            Self::Whole(model) => {
                model.get_vocab().into_values().max().map_or(0, |highest| highest as usize + 1)
            }
            Self::Lists(bpe) => bpe.n_ids(),
        }
    }
}

impl Model for Vocabulary {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Self::Whole(model) => model.tokenize(word),
            Self::Lists(bpe) => bpe.tokenize(word),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Whole(model) => model.token_to_id(token),
            Self::Lists(bpe) => bpe.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Whole(model) => model.id_to_token(id),
            Self::Lists(bpe) => bpe.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Whole(model) => model.get_vocab(),
            Self::Lists(bpe) => bpe.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Whole(model) => model.get_vocab_size(),
            Self::Lists(bpe) => bpe.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Self::Whole(model) => model.save(folder, prefix),
            Self::Lists(bpe) => bpe.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Self::Whole(model) => model.get_trainer(),
            Self::Lists(bpe) => bpe.get_trainer(),
        }
    }
}

/// How text is cut into words; a clone of its expressions would compile them again.
#[derive(Clone)]
pub(super) struct Cut(Arc<PreTokenizerWrapper>);

impl From<PreTokenizerWrapper> for Cut {
    fn from(rules: PreTokenizerWrapper) -> Self {
        Self(Arc::new(rules))
    }
}

impl PreTokenizer for Cut {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        self.0.pre_tokenize(text)
    }
}
