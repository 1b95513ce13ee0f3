//! `datarus model`: add, list, remove, look at, measure.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use datarus_agent::llm::endpoint::{Address, ApiKey};
use datarus_agent::llm::hub::{Hub, Wanted};
use datarus_agent::llm::local::Survey;
use serde::Serialize;
use serde_json::json;

use super::{print, print_json, say};
use crate::cli::{AddArgs, BenchArgs, EndpointArgs, ModelCommand};
use crate::config::{ModelSource, user_data_dir};
use crate::model::registry::{self, Entry, File, Registry, Server};
use crate::model::{self, download};

/// Does what was asked; returns the exit code.
pub(super) fn run(command: ModelCommand) -> Result<u8> {
    match command {
        ModelCommand::Add(args) => add(&args)?,
        ModelCommand::List { json } => list(json)?,
        ModelCommand::Remove { name } => remove(&name)?,
        ModelCommand::Info { model: named, endpoint, json } => {
            info(named.as_deref(), &endpoint, json)?;
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
    let (usual, entry) = found(args, &data)?;
    let name = args.name.clone().unwrap_or(usual);
    let row = Row::of(&name, &entry);
    if let (None, Some(reason)) = (&row.survey, &row.trouble) {
        bail!("{reason}");
    }
    Registry::add(&data, &name, &entry)?;
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

/// The model that is meant, and what it would be called.
fn found(args: &AddArgs, data: &Path) -> Result<(String, Entry)> {
    if Address::is_meant_by(&args.source) {
        return served(args);
    }
    if let Ok(path) = std::fs::canonicalize(&args.source) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = model::sha256(&path)?;
        return Ok((registry::name_of(&name), Entry::File(File { path, sha256, from: None })));
    }
    let wanted: Wanted = args.source.parse().with_context(|| {
        format!(
            "expected a file, a folder, a model of a hub or the address of a server, found `{}`",
            args.source
        )
    })?;
    let offline = args.offline || std::env::var("HF_HUB_OFFLINE").is_ok_and(|set| set == "1");
    let hub = if offline { None } else { Some(hub(args)?) };
    let order =
        download::Order { wanted: &wanted, revision: &args.revision, hub: hub.as_ref(), data };
    let entry = download::fetch(&order)?;
    let name = wanted.repository.rsplit('/').next().unwrap_or_default();
    let part = wanted.part.as_deref().map(|part| part.rsplit('/').next().unwrap_or_default());
    let name = match part {
        Some(part) if part.to_ascii_lowercase().ends_with(".gguf") => part.to_owned(),
        Some(part) => format!("{name}-{part}"),
        None => name.to_owned(),
    };
    Ok((registry::name_of(&name), entry))
}

fn served(args: &AddArgs) -> Result<(String, Entry)> {
    let source = ModelSource::named(Some(Path::new(&args.source)), &args.endpoint)?;
    let info = model::describe(&source)?;
    let ModelSource::Served(settings) = source else { bail!("expected the address of a server") };
    let server = Server {
        address: settings.address.to_string(),
        model: Some(info.name.clone()),
        context_length: args.endpoint.context_length,
        timeout: args.endpoint.endpoint_timeout,
    };
    Ok((registry::name_of(&info.name), Entry::Server(server)))
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
    Ok(Hub::new(address, token))
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
            Entry::File(file) => Some(Survey::of(&file.path)),
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

fn remove(name: &str) -> Result<()> {
    let data = data()?;
    let (entry, left) = Registry::remove(&data, name)?;
    say(&format!("removed {name}"));
    if let Entry::File(File { path, from: Some(_), .. }) = entry {
        model::delete_fetched(&data.join(download::FOLDER), &path, &left)
            .with_context(|| format!("cannot delete `{}`", path.display()))?
            .into_iter()
            .for_each(|freed| say(&format!("deleted {}", freed.display())));
    }
    Ok(())
}

fn info(named: Option<&Path>, endpoint: &EndpointArgs, json: bool) -> Result<()> {
    let source = ModelSource::named(named, endpoint)?;
    let survey = match &source {
        ModelSource::Path(path) => Some(Survey::of(path)?),
        ModelSource::Embedded | ModelSource::Served(_) => None,
    };
    // What does not fit cannot be loaded to be asked.
    let info = match &survey {
        Some(survey) if survey.fits() == Some(false) => None,
        _ => Some(model::describe(&source)?),
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
