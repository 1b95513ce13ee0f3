//! How well a model foretells a text: what a change of arithmetic does to it.

use serde::Serialize;

use super::generation::require_room;
use super::{LocalModel, guard};
use crate::llm::packed::Phase;
use crate::llm::{Interrupt, ModelError};

/// Positions whose logits are held at once: some 40 MB for a vocabulary of 152,000.
const AT_ONCE: usize = 64;

/// A text as a model foretells it.
#[derive(Debug, Clone, Serialize)]
pub struct Foretold {
    /// The text's tokens, of which the first is foretold by nothing.
    pub tokens: Vec<u32>,
    /// The exponential of the mean surprise at each of the others, computed as prompts are.
    pub perplexity_of_prompts: f64,
    /// The same, computed as what the model writes itself.
    pub perplexity_of_completions: f64,
}

impl LocalModel {
    /// Reads a text as a whole and compares each token with what was expected.
    ///
    /// # Errors
    /// When it does not fit the context, is shorter than two tokens, or memory runs out.
    pub fn foretell(&mut self, text: &str) -> Result<Foretold, ModelError> {
        let tokens = self.tokenizer.encode_data(text)?;
        let context_length = self.info.context_length;
        if tokens.len() > context_length {
            return Err(ModelError::ContextFull { tokens: tokens.len(), context_length });
        }
        if tokens.len() < 2 {
            return Err(ModelError::Template(String::from(
                "expected a text of at least two tokens",
            )));
        }
        let perplexity_of_prompts = self.perplexity(&tokens, Phase::Prompt)?;
        let perplexity_of_completions = self.perplexity(&tokens, Phase::Completion)?;
        Ok(Foretold { tokens, perplexity_of_prompts, perplexity_of_completions })
    }

    fn perplexity(&mut self, tokens: &[u32], phase: Phase) -> Result<f64, ModelError> {
        self.cache.truncate(0);
        let mut surprise = 0.0;
        let mut next = tokens.iter().skip(1);
        for chunk in tokens.chunks(AT_ONCE.min(self.model.chunk())) {
            require_room(&self.model, &self.cache, chunk.len())?;
            let (model, cache, n) = (&self.model, &mut self.cache, chunk.len());
            let never = Interrupt::default();
            let vectors = guard::computing(|| model.extend(chunk, n, cache, phase, &never))?;
            let Some(vectors) = vectors else { continue };
            let logits = guard::computing(|| model.logits(&vectors))?;
            surprise +=
                logits.iter().zip(&mut next).map(|(l, next)| surprise_at(l, *next)).sum::<f64>();
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let n_foretold = (tokens.len() - 1) as f64;
        self.cache.truncate(0);
        Ok((surprise / n_foretold).exp())
    }
}

/// The negative logarithm of the probability of `token`.
fn surprise_at(logits: &[f32], token: u32) -> f64 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    let own = usize::try_from(token).ok().and_then(|at| logits.get(at)).copied();
    sum.ln() - f64::from(own.unwrap_or(f32::NEG_INFINITY) - highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_chance_among_four_is_a_perplexity_of_four() {
        assert!((surprise_at(&[0.5; 4], 2).exp() - 4.0).abs() < 1e-9);
        assert!(surprise_at(&[0.0, 100.0], 1).abs() < 1e-9);
    }

    #[test]
    fn a_trained_model_expects_what_it_was_trained_on() {
        let mut model = LocalModel::embedded().unwrap();
        let code = model.foretell("import pandas as pd\ndf = pd.read_csv('sales.csv')\n").unwrap();
        let noise = model.foretell("pnd imsa df c\nsv'=(.aport .raeped as_dpalss\n')c").unwrap();
        assert!(code.perplexity_of_prompts * 4.0 < noise.perplexity_of_prompts);
        let phases = code.perplexity_of_prompts / code.perplexity_of_completions;
        assert!((phases - 1.0).abs() < 0.01, "{phases}");
        assert!(matches!(model.foretell(""), Err(ModelError::Template(_))));
    }
}
