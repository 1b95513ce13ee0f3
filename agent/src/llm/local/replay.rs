//! A model that writes what was recorded. To measure an agent it computes all that it would compute for words of its
//! own, so that a model of random weights does.

use std::collections::VecDeque;
use std::time::Instant;

use super::LocalModel;
use super::generation::common;
use crate::llm::tokenizer::Tokenizer;
use crate::llm::{
    Completion, Constraint, GenerateRequest, Interrupt, Model, ModelError, ModelInfo, Sampling,
    Usage, seconds,
};
use crate::transcript::ChatMessage;

/// Writes recorded completions, one a call, instead of what `model` would choose.
///
/// The recorded token is made the likeliest one after its logits were computed: what the constraint forces is forced
/// as in life, and a guess is right if it is what was recorded.
pub struct Replay<'a> {
    model: &'a mut LocalModel,
    texts: VecDeque<String>,
    /// The prompt of the last call and what was written after it.
    known: Vec<u32>,
    /// What was called so far.
    pub calls: Vec<Call>,
}

/// One call of [`Model::generate`].
#[derive(Debug, Clone)]
pub struct Call {
    /// What it cost.
    pub usage: Usage,
    /// From its beginning to its end.
    pub seconds: f64,
    /// Tokens that its prompt has in common with the last prompt and what was written after that.
    pub known_tokens: usize,
    /// The tokens of its prompt after them.
    pub new_tokens: Vec<u32>,
}

impl<'a> Replay<'a> {
    /// Has `model` write these texts.
    pub fn new(model: &'a mut LocalModel, texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().collect();
        Self { model, texts, known: Vec::new(), calls: Vec::new() }
    }
}

impl Model for Replay<'_> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.model.count_tokens(messages)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let text = self.texts.pop_front().ok_or_else(|| unlike("it ends before the turn does"))?;
        let prompt = self.model.encode(request.messages)?;
        let start = Instant::now();
        // A draw has no use for a logit without bounds.
        let request = GenerateRequest { sampling: &Sampling::Greedy, ..*request };
        let recorded = Some(&mut Recorded::new(text));
        let completion = self.model.write(&request, constraint, on_text, recorded)?;
        let seconds = seconds(start.elapsed());
        let known_tokens = common(&self.known, &prompt);
        let new_tokens = prompt.get(known_tokens..).unwrap_or_default().to_vec();
        self.calls.push(Call { usage: completion.usage, seconds, known_tokens, new_tokens });
        self.known = [prompt.as_slice(), &completion.tokens].concat();
        Ok(completion)
    }

    fn read_ahead(&mut self, messages: &[ChatMessage], interrupt: &Interrupt) {
        self.model.read_ahead(messages, interrupt);
    }
}

/// A completion as it was written once.
pub(super) struct Recorded {
    text: String,
    /// What comes next, the last one first.
    rest: Vec<u32>,
    /// What was told last, and how long the sequence is with it.
    told: Option<(u32, usize)>,
}

impl Recorded {
    fn new(text: String) -> Self {
        Self { text, rest: Vec::new(), told: None }
    }

    /// The token that goes on after `written`, which `sequence` ends with.
    ///
    /// # Errors
    /// When something else was written than was recorded, or all of it.
    pub(super) fn next(
        &mut self,
        tokenizer: &Tokenizer,
        written: &str,
        sequence: &[u32],
    ) -> Result<u32, ModelError> {
        let followed = self
            .told
            .is_some_and(|(token, len)| sequence.len() == len && sequence.last() == Some(&token));
        if !followed {
            let rest = self.text.strip_prefix(written);
            let rest = rest.ok_or_else(|| unlike("it is not in the form of a step"))?;
            self.rest = tokenizer.encode_markup(rest)?;
            self.rest.reverse();
        }
        let token = self.rest.pop().ok_or_else(|| unlike("its message has no end"))?;
        self.told = Some((token, sequence.len() + 1));
        Ok(token)
    }
}

fn unlike(reason: &str) -> ModelError {
    ModelError::Compute(format!("the recording cannot be played: {reason}"))
}
