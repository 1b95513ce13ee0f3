//! The model that the configuration names: loads it or finds its server, and says what it is.

use std::io;
use std::path::Path;

use datarus_agent::dialect::Dialect;
use datarus_agent::llm::endpoint::{Endpoint, Reach, Served};
use datarus_agent::llm::local::{LocalModel, Shelf, Survey, WeightsCache};
use datarus_agent::llm::{Model, ModelError, ModelInfo, PROCESSOR, Placement};

use crate::config::ModelSource;
use crate::disk;

pub mod bench;
pub mod download;
pub mod pool;
pub mod registry;
pub mod replay;
pub mod template;

/// What a model finds on disk when it starts, and leaves there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    /// Rearranged weights.
    pub weights: Option<&'a WeightsCache>,
    /// KV-caches.
    pub kv: Option<&'a Shelf>,
}

/// Loads the model that the configuration names, which computes where `placement` says if it is a file, and whose chat
/// template `program` renders, which has the command [`template::COMMAND`]; of a server it asks which models it has. For
/// the embedded model nothing is kept: it has computed a prompt before its cache would be read.
///
/// # Errors
/// When it cannot be read or is not supported, or the server does not answer.
pub fn load(
    source: &ModelSource,
    placement: Placement,
    kept: Kept<'_>,
    program: &Path,
) -> Result<Box<dyn Model>, ModelError> {
    Ok(match source {
        ModelSource::Embedded => Box::new(LocalModel::embedded()?),
        ModelSource::Path(path) => {
            let renderer = template::apart(program.to_owned());
            let model = LocalModel::load(path, placement, kept.weights, renderer)?;
            Box::new(match kept.kv {
                Some(shelf) => model.saving(shelf.clone(), path),
                None => model,
            })
        }
        ModelSource::Served(settings) => Box::new(Endpoint::connect(*settings.clone())?),
    })
}

/// Says what a model is, by loading it; its chat template is compiled by the program that this is.
///
/// # Errors
/// As [`load`].
pub fn describe(source: &ModelSource, placement: Placement) -> Result<ModelInfo, ModelError> {
    let program = std::env::current_exe().unwrap_or_default();
    Ok(load(source, placement, Kept::default(), &program)?.info().clone())
}

/// What a user should know before a question goes to another machine.
pub fn notice(source: &ModelSource) -> Option<String> {
    let ModelSource::Served(settings) = source else { return None };
    let served = settings.address.served();
    (served.reach != Reach::Here)
        .then(|| format!("The model is served at {}: {}", served.at, leaves(&served)))
}

/// What leaves this machine, in words.
fn leaves(served: &Served) -> String {
    let what = "questions, names and profiles of files, code and what it prints leave this machine";
    match (served.reach, served.encrypted) {
        (Reach::Here, _) => String::from("nothing leaves this machine."),
        (Reach::Away, false) => format!("{what}, UNENCRYPTED: use an address with https."),
        (Reach::Nearby, false) => format!("{what}, unencrypted within your network."),
        (_, true) => format!("{what}, encrypted."),
    }
}

/// One line for a list.
pub fn line(info: &ModelInfo) -> String {
    format!("{} ({}, context {})", info.name, info.architecture, info.context_length)
}

/// Its dialect, and what that follows from.
fn dialect(info: &ModelInfo) -> String {
    match (Dialect::of(info), &info.dialect) {
        (Some(dialect), Some(_)) => dialect.name().to_owned(),
        (Some(Dialect::Markdown), None) => {
            String::from("markdown (it names none; `--dialect` sets another)")
        }
        (Some(dialect), None) => format!("{} (by its name)", dialect.name()),
        (None, named) => {
            format!("{}, which is not known: set `--dialect`", named.as_deref().unwrap_or_default())
        }
    }
}

/// All that is known, one line each.
pub fn lines(info: &ModelInfo) -> String {
    let unknown = if info.served.is_some() { "none, it is served" } else { "not known yet" };
    let hash = info.sha256.as_deref().unwrap_or(unknown);
    let dialect = dialect(info);
    let served = info.served.as_ref();
    let served = served.map(|served| format!("\nserved at     {}: {}", served.at, leaves(served)));
    format!(
        "name          {}\narchitecture  {}\ncontext       {} tokens\ndialect       {dialect}\nprofile       {:?}\nsha256        {hash}{}",
        info.name,
        info.architecture,
        info.context_length,
        info.profile,
        served.unwrap_or_default()
    )
}

/// What a model will take, one line each.
pub fn survey_lines(survey: &Survey) -> String {
    format!(
        "weights       {}, {} MiB as {}\nmemory        {}",
        counted(survey.parameters),
        survey.file_bytes.div_ceil(1 << 20),
        survey.stored_as,
        fit(survey)
    )
}

/// Whether a model fits into this machine's memory, in words.
pub fn fit(survey: &Survey) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let on = match survey.device.as_str() {
        PROCESSOR => String::new(),
        gpu => format!(" on {gpu}"),
    };
    let needs = format!(
        "it needs {} MiB{on}, and {} KiB more for each token of a long chat",
        mib(survey.needed_bytes),
        survey.cache_bytes_per_token.div_ceil(1 << 10)
    );
    match (survey.fits(), survey.available_bytes) {
        (Some(true), Some(free)) => format!("{needs}; {} MiB are free: it fits", free >> 20),
        (Some(false), Some(free)) => format!(
            "{needs}; {} MiB are free: it does NOT fit; choose a smaller one or a smaller quantisation",
            free >> 20
        ),
        _ => format!("{needs}; this system does not say how much is free"),
    }
}

/// A number of weights as people say it.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn counted(parameters: u64) -> String {
    match parameters {
        1_000_000_000.. => format!("{:.2} billion", parameters as f64 / 1e9),
        _ => format!("{:.2} million", parameters as f64 / 1e6),
    }
}

/// The SHA-256 of a file, lower-case hex; of a folder none.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> io::Result<Option<String>> {
    if path.is_dir() { Ok(None) } else { disk::sha256(path).map(Some) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::cli::EndpointArgs;

    use super::*;

    #[track_caller]
    fn check(model: &str, expected: Option<&str>) {
        let source = ModelSource::named(Some(Path::new(model)), &EndpointArgs::default()).unwrap();
        let leave =
            "questions, names and profiles of files, code and what it prints leave this machine";
        let expected = expected.map(|expected| expected.replace("LEAVE", leave));
        assert_eq!(notice(&source), expected);
    }

    #[test]
    fn questions_that_leave_the_machine_are_announced() {
        check("model.gguf", None);
        check("http://localhost:8080/v1", None);
        check(
            "https://example.org/v1",
            Some("The model is served at https://example.org: LEAVE, encrypted."),
        );
        check(
            "http://gpu:8000/v1",
            Some("The model is served at http://gpu:8000: LEAVE, unencrypted within your network."),
        );
        check(
            "http://example.org/v1",
            Some(
                "The model is served at http://example.org: LEAVE, UNENCRYPTED: use an address with https.",
            ),
        );
    }
}
