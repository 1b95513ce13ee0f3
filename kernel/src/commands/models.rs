//! `datarus model`: add, list, remove, look at, measure.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use datarus_agent::llm::Placement;
use datarus_agent::llm::endpoint::{Address, ApiKey};
use datarus_agent::llm::hub::{Hub, Wanted};
use datarus_agent::llm::local::Survey;
use serde::Serialize;
use serde_json::json;

use super::{print, print_json, say};
use crate::cli::{AddArgs, BenchArgs, EndpointArgs, ModelCommand};
use crate::config::{ModelSource, user_data_dir};
use crate::model::download::Held;
use crate::model::registry::{self, Entry, File, Registry, Server};
use crate::model::{self, download};

/// Does what was asked; returns the exit code.
pub(super) fn run(command: ModelCommand) -> Result<u8> {
    match command {
        ModelCommand::Add(args) => add(&args)?,
        ModelCommand::List { json } => list(json)?,
        ModelCommand::Remove { name, json } => remove(&name, json)?,
        ModelCommand::Info { model: named, endpoint, device, json } => {
            info(named.as_deref(), &endpoint, device.into(), json)?;
        }
        ModelCommand::Bench(args) => bench(&args)?,
    }
    Ok(0)
}

fn data() -> Result<PathBuf> {
    user_data_dir().context(
        "expected a home to keep the names of models in, found none: set HOME or XDG_DATA_HOME",
    )
}

fn add(args: &AddArgs) -> Result<()> {
    let data = data()?;
    let Found { name, entry, held } = found(args, &data)?;
    let named = name_it(&data, &name, &entry);
    drop(held);
    let (row, before) = match named {
        Ok((row, before)) => (row, before.filter(|before| *before != entry)),
        Err(refused) => {
            free(&data, &entry)?;
            return Err(refused);
        }
    };
    if let Some(before) = before {
        free(&data, &before)?;
    }
    if args.json {
        return print_json(&row);
    }
    print(&row.line())?;
    if let Some(verdict) = row.survey.as_ref().map(model::fit) {
        say(&verdict);
    }
    say(&format!("use it with `--model {name}`"));
    Ok(())
}

/// Gives a model that can be used its name; gives what that stood for before, too.
fn name_it(data: &Path, name: &str, entry: &Entry) -> Result<(Row, Option<Entry>)> {
    let row = Row::of(name, entry);
    if let (None, Some(reason)) = (&row.survey, &row.trouble) {
        bail!("{reason}");
    }
    let before = Registry::add(data, name, entry)?;
    Ok((row, before))
}

/// Deletes what was fetched for a model that has no name now.
fn free(data: &Path, entry: &Entry) -> Result<()> {
    let Entry::File(file) = entry else { return Ok(()) };
    let freed = download::delete_fetched(data, file)
        .with_context(|| format!("cannot delete `{}`", file.path.display()))?;
    if let Some(freed) = freed {
        say(&format!("deleted {}", freed.display()));
    }
    Ok(())
}

/// The model that is meant.
struct Found {
    name: String,
    entry: Entry,
    /// Its folder, where it was fetched.
    held: Option<Held>,
}

fn found(args: &AddArgs, data: &Path) -> Result<Found> {
    let name = |usual: &str| args.name.clone().unwrap_or_else(|| registry::name_of(usual));
    if Address::is_meant_by(&args.source) {
        let (usual, server) = served(args)?;
        return Ok(Found { name: name(&usual), entry: Entry::Server(server), held: None });
    }
    if let Ok(path) = std::fs::canonicalize(&args.source) {
        let name = name(&path.file_name().unwrap_or_default().to_string_lossy());
        let sha256 = model::sha256(&path)?;
        let entry = Entry::File(File { path, sha256, from: None });
        return Ok(Found { name, entry, held: None });
    }
    let wanted: Wanted = args.source.parse().with_context(|| {
        format!(
            "expected a file, a folder, a model of a hub or the address of a server, found `{}`",
            args.source
        )
    })?;
    let name = name(&usual_name(&wanted));
    // Before a long download.
    let part = wanted.part.as_deref();
    Registry::read(data)?.require_free(&name, |other| match other {
        Entry::File(File { from: Some(from), .. }) => from.is_of(&wanted.repository, part),
        Entry::File(_) | Entry::Server(_) => false,
    })?;
    let offline = args.offline || std::env::var("HF_HUB_OFFLINE").is_ok_and(|set| is_true(&set));
    let hub = if offline { None } else { Some(hub(args)?) };
    let order =
        download::Order { wanted: &wanted, revision: &args.revision, hub: hub.as_ref(), data };
    let (entry, held) = download::fetch(&order)?;
    Ok(Found { name, entry, held: Some(held) })
}

/// What a model of a hub is called.
fn usual_name(wanted: &Wanted) -> String {
    let name = wanted.repository.rsplit('/').next().unwrap_or_default();
    let part = wanted.part.as_deref().map(|part| part.rsplit('/').next().unwrap_or_default());
    match part {
        Some(part) if part.to_ascii_lowercase().ends_with(".gguf") => part.to_owned(),
        Some(part) => format!("{name}-{part}"),
        None => name.to_owned(),
    }
}

/// Whether a variable is set, as `huggingface_hub` reads them.
///
/// # Source
/// <https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>
fn is_true(text: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|known| text.eq_ignore_ascii_case(known))
}

/// A server, and the name of its model there.
fn served(args: &AddArgs) -> Result<(String, Server)> {
    let source = ModelSource::named(Some(Path::new(&args.source)), &args.endpoint)?;
    let info = model::describe(&source, Placement::default())?;
    let ModelSource::Served(settings) = source else { bail!("expected the address of a server") };
    let server = Server {
        address: settings.address.to_string(),
        model: Some(info.name.clone()),
        context_length: args.endpoint.context_length,
        timeout: args.endpoint.endpoint_timeout,
    };
    Ok((info.name, server))
}

fn hub(args: &AddArgs) -> Result<Hub> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let address = args.hub.clone().or_else(|| set("HF_ENDPOINT")).with_context(|| {
        format!(
            "no file or folder `{}`, and no hub to fetch it from: set `--hub ADDRESS`, DATARUS_HUB or HF_ENDPOINT to \
             the address of your hub of models",
            args.source
        )
    })?;
    let address: Address = address.parse().context("the address of the hub")?;
    let token = ApiKey::read(&set("HF_TOKEN").unwrap_or_default()).map_err(|_| {
        anyhow::anyhow!(
            "expected a token of visible ASCII characters in HF_TOKEN, found others: copy it again"
        )
    })?;
    Ok(Hub::new(address, token)?)
}

/// A model in a list.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    #[serde(flatten)]
    entry: Entry,
    #[serde(skip_serializing_if = "Option::is_none")]
    survey: Option<Survey>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

impl Row {
    fn of(name: &str, entry: &Entry) -> Self {
        let looked = match entry {
            Entry::File(file) => Some(Survey::of(&file.path, Placement::default())),
            Entry::Server(_) => None,
        };
        let (survey, trouble) = match looked {
            Some(Ok(survey)) => (Some(survey), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        Self { name: name.to_owned(), entry: entry.clone(), survey, trouble }
    }

    fn line(&self) -> String {
        let what = match (&self.entry, &self.survey, &self.trouble) {
            (_, _, Some(trouble)) => trouble.clone(),
            (Entry::Server(server), _, _) => {
                let model = server.model.as_deref().unwrap_or("the only model");
                format!("{model} at {}", server.address)
            }
            (Entry::File(file), Some(survey), _) => {
                let from = file.from.as_ref();
                let place = from.map_or_else(
                    || file.path.display().to_string(),
                    |from| format!("{} at {}", from.repository, short(&from.commit)),
                );
                let mib = survey.needed_bytes.div_ceil(1 << 20);
                let Survey { architecture, stored_as, .. } = survey;
                format!("{architecture}, {stored_as}, {mib} MiB of memory, {place}")
            }
            (Entry::File(file), None, None) => file.path.display().to_string(),
        };
        format!("{:<24} {what}", self.name)
    }
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

fn list(json: bool) -> Result<()> {
    let registry = Registry::read(&data()?)?;
    let rows: Vec<Row> =
        registry.entries.iter().map(|(name, entry)| Row::of(name, entry)).collect();
    if json {
        return print_json(&rows);
    }
    for row in &rows {
        print(&row.line())?;
    }
    print(&format!("{:<24} the small model in this program", registry::EMBEDDED))
}

fn remove(name: &str, json: bool) -> Result<()> {
    let data = data()?;
    let entry = Registry::remove(&data, name)?;
    say(&format!("removed {name}"));
    free(&data, &entry)?;
    if json { print_json(&json!({"removed": name, "was": entry})) } else { Ok(()) }
}

fn info(
    named: Option<&Path>,
    endpoint: &EndpointArgs,
    placement: Placement,
    json: bool,
) -> Result<()> {
    let source = ModelSource::named(named, endpoint)?;
    let survey = match &source {
        ModelSource::Path(path) => Some(Survey::of(path, placement)?),
        ModelSource::Embedded | ModelSource::Served(_) => None,
    };
    // What does not fit cannot be loaded to be asked.
    let info = match &survey {
        Some(survey) if survey.fits() == Some(false) => None,
        _ => Some(model::describe(&source, placement)?),
    };
    if json {
        let mut value = info.map_or_else(|| json!({}), |info| json!(info));
        if let Some(survey) = survey {
            value["fits"] = json!(survey.fits());
            value["survey"] = json!(survey);
        }
        return print_json(&value);
    }
    if let Some(info) = &info {
        print(&model::lines(info))?;
    }
    if let Some(survey) = &survey {
        print(&model::survey_lines(survey))?;
    }
    Ok(())
}

fn bench(args: &BenchArgs) -> Result<()> {
    let program = std::env::current_exe().unwrap_or_default();
    let source = ModelSource::named(args.path.as_deref(), &EndpointArgs::default())?;
    let path = model::bench::file_of(source)?;
    if let Some(episode) = &args.replay {
        let report = model::bench::replay(args, path.as_deref(), episode, &program)?;
        return if args.json { print_json(&report) } else { print(&report.as_text()) };
    }
    let report = model::bench::run(args, path.as_deref(), &program)?;
    if args.json { print_json(&report) } else { print(&report.as_text()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_own_variables_are_read_as_its_own_program_reads_them() {
        for (text, expected) in [
            ("1", true),
            ("true", true),
            ("Yes", true),
            ("ON", true),
            ("0", false),
            ("off", false),
            ("", false),
        ] {
            assert_eq!(is_true(text), expected, "{text}");
        }
    }
}
