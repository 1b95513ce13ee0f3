//! How quickly a model reads and writes on this machine.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use super::generation::require_room;
use super::saved::Keeper;
use super::{LocalModel, guard};
use crate::llm::kv_cache::KvCache;
use crate::llm::packed::Phase;
use crate::llm::{Interrupt, ModelError, seconds};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Lengths of prompts that are read, in tokens.
    pub prompts: Vec<usize>,
    /// Tokens that are written.
    pub decode: usize,
    /// Behind so many tokens each.
    pub depths: Vec<usize>,
    /// How often.
    pub repeat: usize,
    /// An empty folder to save what was read in, and to restore it from.
    pub folder: PathBuf,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Speeds {
    /// Reading of prompts.
    pub prefill: Vec<Speed>,
    /// Writing.
    pub decode: Vec<Speed>,
    /// Reading of prompts that were saved.
    pub restore: Vec<Speed>,
}

/// The speeds of one kind of work.
#[derive(Debug, Clone, Serialize)]
pub struct Speed {
    /// Tokens of the work.
    pub tokens: usize,
    /// Tokens before them.
    pub depth: usize,
    /// Of each repetition.
    pub tokens_per_second: Vec<f64>,
}

impl Speed {
    /// The middle one of the repetitions.
    pub fn median(&self) -> f64 {
        let mut sorted = self.tokens_per_second.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

impl LocalModel {
    /// Measures, with tokens of no meaning: speed does not depend on them.
    ///
    /// # Errors
    /// When a prompt or a depth exceeds the context, or memory runs out.
    pub fn measure(&mut self, what: &Measure) -> Result<Speeds, ModelError> {
        let longest = what
            .depths
            .iter()
            .map(|depth| depth.saturating_add(what.decode))
            .chain(what.prompts.clone())
            .max();
        let context_length = self.info.context_length;
        if let Some(tokens) = longest.filter(|longest| *longest > context_length) {
            return Err(ModelError::ContextFull { tokens, context_length });
        }
        let mut speeds = Speeds::default();
        for &tokens in &what.prompts {
            let mut timed = || {
                self.cache.truncate(0);
                let start = Instant::now();
                self.read(tokens, Phase::Prompt)?;
                Ok(rate(tokens, start))
            };
            let tokens_per_second =
                (0..what.repeat).map(|_| timed()).collect::<Result<_, ModelError>>()?;
            speeds.prefill.push(Speed { tokens, depth: 0, tokens_per_second });
            speeds.restore.extend(self.measure_restore(what));
        }
        let mut depths = what.depths.clone();
        depths.sort_unstable();
        for depth in depths {
            let mut timed = || {
                self.cache.truncate(depth);
                self.read(depth - self.cache.len(), Phase::Prompt)?;
                let start = Instant::now();
                for _ in 0..what.decode {
                    self.read(1, Phase::Completion)?;
                }
                Ok(rate(what.decode, start))
            };
            let tokens_per_second =
                (0..what.repeat).map(|_| timed()).collect::<Result<_, ModelError>>()?;
            speeds.decode.push(Speed { tokens: what.decode, depth, tokens_per_second });
        }
        self.cache = KvCache::new(self.model.config(), self.model.device());
        Ok(speeds)
    }

    /// Saves what was read, and restores it; nothing where it is not saved, such as a few tokens.
    fn measure_restore(&mut self, what: &Measure) -> Option<Speed> {
        let sequence = self.cache.tokens().to_vec();
        self.keeper = Some(Keeper::in_folder(what.folder.clone()));
        // What cannot be saved is not timed.
        let _ = self.save(&Interrupt::default());
        let mut timed = || {
            self.forget();
            let start = Instant::now();
            self.restore(&sequence);
            (self.cache.len() == sequence.len()).then(|| rate(sequence.len(), start))
        };
        let rates: Option<Vec<_>> = (0..what.repeat).map(|_| timed()).collect();
        self.keeper = None;
        let speed =
            |tokens_per_second| Speed { tokens: sequence.len(), depth: 0, tokens_per_second };
        rates.map(speed)
    }

    /// Reads so many more tokens, and looks what would follow them.
    fn read(&mut self, mut tokens: usize, phase: Phase) -> Result<(), ModelError> {
        let n_ids = self.tokenizer.n_ids().max(1);
        while tokens > 0 {
            let held = self.cache.len();
            let count = tokens.min(self.model.chunk());
            // Multiples of a prime: no two tokens that follow each other are the same.
            let ids = (held..held + count)
                .map(|index| u32::try_from(index * 7_919 % n_ids).unwrap_or_default());
            let ids: Vec<u32> = ids.collect();
            require_room(&self.model, &self.cache, count)?;
            let (model, cache) = (&self.model, &mut self.cache);
            let vector =
                guard::computing(|| model.extend(&ids, 1, cache, phase, &Interrupt::default()))?;
            tokens -= count;
            if let Some(vector) = vector.filter(|_| tokens == 0) {
                guard::computing(|| model.logits(&vector))?;
            }
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are small")]
fn rate(tokens: usize, start: Instant) -> f64 {
    tokens as f64 / seconds(start.elapsed()).max(f64::MIN_POSITIVE)
}
