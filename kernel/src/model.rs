//! The model that the configuration names: loads it, and says what it is.

use std::path::Path;

use datarus_agent::llm::local::{LocalModel, Shelf, WeightsCache};
use datarus_agent::llm::{Model, ModelError, ModelInfo};

pub mod bench;
pub mod template;

/// What a model finds on disk when it starts, and leaves there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    /// Rearranged weights.
    pub weights: Option<&'a WeightsCache>,
    /// KV-caches.
    pub kv: Option<&'a Shelf>,
}

/// Loads a model file or folder, whose chat template `program` renders, which has the command [`template::COMMAND`]; or
/// the embedded model, for which nothing is kept: it has computed a prompt before its cache would be read.
///
/// # Errors
/// When it cannot be read or is not supported.
pub fn load(
    path: Option<&Path>,
    kept: Kept<'_>,
    program: &Path,
) -> Result<Box<dyn Model>, ModelError> {
    let model = load_local(path, kept.weights, program)?;
    Ok(Box::new(match (path, kept.kv) {
        (Some(path), Some(shelf)) => model.saving(shelf.clone(), path),
        _ => model,
    }))
}

fn load_local(
    path: Option<&Path>,
    weights: Option<&WeightsCache>,
    program: &Path,
) -> Result<LocalModel, ModelError> {
    match path {
        Some(path) => LocalModel::load(path, weights, template::apart(program.to_owned())),
        None => LocalModel::embedded(),
    }
}

/// Says what a model is, by loading it; its chat template is compiled by the program that this is.
///
/// # Errors
/// When it cannot be read or is not supported.
pub fn describe(path: Option<&Path>) -> Result<ModelInfo, ModelError> {
    let program = std::env::current_exe().unwrap_or_default();
    Ok(load(path, Kept::default(), &program)?.info().clone())
}

/// One line for a list.
pub fn line(info: &ModelInfo) -> String {
    format!("{} ({}, context {})", info.name, info.architecture, info.context_length)
}

/// All that is known, one line each.
pub fn lines(info: &ModelInfo) -> String {
    let hash = info.sha256.as_deref().unwrap_or("not known yet");
    let dialect = info.dialect.as_deref().unwrap_or("datarus (the file names none)");
    format!(
        "name          {}\narchitecture  {}\ncontext       {} tokens\ndialect       {dialect}\nprofile       {:?}\nsha256        {hash}",
        info.name, info.architecture, info.context_length, info.profile
    )
}
