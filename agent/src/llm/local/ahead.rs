//! Reading ahead, while code runs.

use super::generation::{common, require_room};
use super::{LocalModel, guard};
use crate::llm::packed::Phase;
use crate::llm::pool::Pool;
use crate::llm::{Interrupt, ModelError};
use crate::transcript::ChatMessage;

/// Tokens computed at once: what an interrupt throws away, and how long a layer takes that it waits for.
const CHUNK: usize = 64;

impl LocalModel {
    /// See [`Model::read_ahead`](crate::llm::Model::read_ahead).
    ///
    /// # Errors
    /// When the computation fails or memory runs out. What the cache then holds is not known.
    pub(super) fn try_read_ahead(
        &mut self,
        messages: &[ChatMessage],
        interrupt: &Interrupt,
    ) -> Result<(), ModelError> {
        let sequence = self.probable(messages)?;
        if sequence.len() >= self.info.context_length {
            return Ok(());
        }
        self.restore(&sequence);
        let held = common(self.cache.tokens(), &sequence);
        self.cache.truncate(held.min(self.cache.n_reusable()));
        let held = self.cache.len();
        self.ahead_from = Some(self.ahead_from.map_or(held, |from| from.min(held)));
        let _spared = Pool::get().spare_one();
        let rest = sequence.get(held..).unwrap_or_default();
        for chunk in rest.chunks(CHUNK.min(self.model.chunk())) {
            // The step may hold the memory for a moment; what the cache holds is not worth less for that.
            if require_room(&self.model, &self.cache, chunk.len()).is_err() {
                break;
            }
            let (model, cache) = (&self.model, &mut self.cache);
            if guard::computing(|| model.extend(chunk, 1, cache, Phase::Prompt, interrupt))?
                .is_none()
            {
                break;
            }
        }
        Ok(())
    }

    /// The tokens that a chat probably has. One that goes on with what the model wrote last is not put to the chat
    /// template, which takes a process of its own.
    fn probable(&self, messages: &[ChatMessage]) -> Result<Vec<u32>, ModelError> {
        let encoded = self.encoded.borrow();
        if let Some(rest) = encoded.rest(messages) {
            let rest = self.encode_segments(rest)?;
            return Ok([encoded.tokens(), &rest].concat());
        }
        drop(encoded);
        self.encode(messages)
    }
}
