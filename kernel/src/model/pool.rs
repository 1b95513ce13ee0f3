//! One model for several kernels of this process, each of which asks it in turn.

use std::sync::{Arc, Mutex};

use datarus_agent::llm::{
    Completion, Constraint, GenerateRequest, Interrupt, Model, ModelError, ModelInfo,
};
use datarus_agent::transcript::ChatMessage;

use super::{Kept, load};
use crate::config::{Config, ModelSource};
use crate::prompt::Loader;

/// Makes a model.
type Make = dyn Fn() -> Result<Box<dyn Model>, ModelError> + Send + Sync;

/// The models of this process; a copy lends the same ones.
#[derive(Clone)]
pub struct Pool {
    info: ModelInfo,
    models: Vec<Arc<Shared>>,
}

/// A model, and how it is made anew.
struct Shared {
    model: Mutex<Option<Box<dyn Model>>>,
    make: Arc<Make>,
}

impl Pool {
    /// Loads the model that the configuration names: once if it computes here, since it takes all processors; `n` times
    /// if a server computes it, which answers several at once.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(config: &Config, n: usize) -> Result<Self, ModelError> {
        if let Some(threads) = config.threads {
            datarus_agent::llm::limit_threads(threads.get());
        }
        let n = if matches!(config.model, ModelSource::Served(_)) { n.max(1) } else { 1 };
        let config = config.clone();
        Self::of(n, move || {
            let kept = Kept { weights: config.weights.as_ref(), kv: None };
            load(&config.model, config.placement, kept, &config.sandbox.program)
        })
    }

    /// Of so many models, at least one.
    fn of(
        n: usize,
        make: impl Fn() -> Result<Box<dyn Model>, ModelError> + Send + Sync + 'static,
    ) -> Result<Self, ModelError> {
        let make: Arc<Make> = Arc::new(make);
        let models: Vec<Box<dyn Model>> = (0..n).map(|_| make()).collect::<Result<_, _>>()?;
        let info = models.first().expect("a pool has a model").info().clone();
        let shared = |model| Shared { model: Mutex::new(Some(model)), make: Arc::clone(&make) };
        Ok(Self { info, models: models.into_iter().map(|model| Arc::new(shared(model))).collect() })
    }

    /// What is known of the model.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Gives kernel number `at` its model.
    pub fn loader(&self, at: usize) -> Loader {
        let at = at % self.models.len();
        let shared = self.models.get(at).expect("a remainder is below the length").clone();
        let info = self.info.clone();
        Box::new(move |_| Ok(Box::new(Lent { info: info.clone(), shared: Arc::clone(&shared) })))
    }
}

impl Shared {
    /// Does something with the model, when nobody else does.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut dyn Model) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let mut slot = self.model.lock().unwrap_or_else(|poisoned| {
            // What a panic left behind in the model is not to be trusted. It goes before another one takes its room.
            let mut slot = poisoned.into_inner();
            *slot = None;
            self.model.clear_poison();
            slot
        });
        let model = match &mut *slot {
            Some(model) => model,
            none => none.insert((self.make)()?),
        };
        act(model.as_mut())
    }
}

/// A model that others ask, too.
struct Lent {
    info: ModelInfo,
    shared: Arc<Shared>,
}

impl Model for Lent {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.shared.with(|model| model.count_tokens(messages))
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        self.shared.with(|model| model.generate(request, constraint, on_text))
    }

    fn read_ahead(&mut self, messages: &[ChatMessage], interrupt: &Interrupt) {
        // Another notebook's answer comes first.
        if let Ok(mut slot) = self.shared.model.try_lock()
            && let Some(model) = &mut *slot
        {
            model.read_ahead(messages, interrupt);
        }
    }
}

#[cfg(test)]
mod tests;
