//! The model that the configuration names: loads it, and says what it is.

use std::path::Path;

use datarus_agent::llm::local::LocalModel;
use datarus_agent::llm::{Model, ModelError, ModelInfo};

/// Loads a model file or folder, or the embedded model.
///
/// # Errors
/// When it cannot be read or is not supported.
pub fn load(path: Option<&Path>) -> Result<Box<dyn Model>, ModelError> {
    let model = path.map_or_else(LocalModel::embedded, LocalModel::load)?;
    Ok(Box::new(model))
}

/// Says what a model is, by loading it.
///
/// # Errors
/// When it cannot be read or is not supported.
pub fn describe(path: Option<&Path>) -> Result<ModelInfo, ModelError> {
    Ok(load(path)?.info().clone())
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
