//! One model for several kernels of this process, each of which asks it in turn.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use datarus_agent::llm::{
    Completion, Constraint, GenerateRequest, Interrupt, Model, ModelError, ModelInfo,
};
use datarus_agent::transcript::ChatMessage;

use super::{Kept, load};
use crate::config::{Config, ModelSource};
use crate::prompt::Loader;

type Shared = Arc<Mutex<Box<dyn Model>>>;

/// The models of this process; a copy lends the same ones.
#[derive(Clone)]
pub struct Pool {
    info: ModelInfo,
    models: Vec<Shared>,
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
        let kept = Kept { weights: config.weights.as_ref(), kv: None };
        let program: &Path = &config.sandbox.program;
        let n = if matches!(config.model, ModelSource::Served(_)) { n.max(1) } else { 1 };
        let models: Vec<Box<dyn Model>> = (0..n)
            .map(|_| load(&config.model, config.device, kept, program))
            .collect::<Result<_, _>>()?;
        Ok(Self::of(models))
    }

    /// Of models that are there; at least one.
    pub fn of(models: Vec<Box<dyn Model>>) -> Self {
        let info = models.first().expect("a pool has a model").info().clone();
        Self { info, models: models.into_iter().map(|model| Arc::new(Mutex::new(model))).collect() }
    }

    /// What is known of the model.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Gives kernel number `at` its model.
    pub fn loader(&self, at: usize) -> Loader {
        let at = at % self.models.len();
        let model = self.models.get(at).expect("a remainder is below the length").clone();
        let info = self.info.clone();
        Box::new(move |_| Ok(Box::new(Lent { info: info.clone(), model: Arc::clone(&model) })))
    }
}

/// A model that others ask, too.
struct Lent {
    info: ModelInfo,
    model: Shared,
}

impl Lent {
    fn lock(&self) -> Result<MutexGuard<'_, Box<dyn Model>>, ModelError> {
        let broken = "it failed unexpectedly in another notebook: start again";
        self.model.lock().map_err(|_| ModelError::Compute(String::from(broken)))
    }
}

impl Model for Lent {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.lock()?.count_tokens(messages)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        self.lock()?.generate(request, constraint, on_text)
    }

    fn read_ahead(&mut self, messages: &[ChatMessage], interrupt: &Interrupt) {
        // Another notebook's answer comes first.
        if let Ok(mut model) = self.model.try_lock() {
            model.read_ahead(messages, interrupt);
        }
    }
}
