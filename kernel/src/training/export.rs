//! `datarus episodes export`: rows for training stacks, and a card that says what they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use datarus_agent::reward::{self, score};
use datarus_agent::rows::{Format, Settings, rows};
use datarus_agent::trajectory::Trajectory;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::lines::{LinesError, trajectories};
use crate::cells::hex;

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Job {
    /// Files of trajectories.
    pub files: Vec<PathBuf>,
    /// The folder for rows and card.
    pub output: PathBuf,
    /// The kinds of rows.
    pub formats: Vec<Format>,
    /// How rows are made.
    pub settings: Settings,
    /// What a trajectory must be worth, at least, to be an example.
    pub least: f64,
    /// Under which licence the rows are given away.
    pub license: String,
}

/// What was written.
#[derive(Debug, Default, Serialize)]
pub struct Exported {
    /// Trajectories that were read.
    pub trajectories: usize,
    /// Episodes that they belong to.
    pub episodes: usize,
    /// The files.
    pub files: Vec<Written>,
}

/// One file of rows.
#[derive(Debug, Serialize)]
pub struct Written {
    /// Its name in the folder.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Lower-case hex SHA-256.
    pub sha256: String,
}

/// Why rows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The trajectories cannot be read.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// A file cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The name of a format, of its file, and what the card says of it.
pub fn about(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Messages => (
            "messages",
            "a chat each; learn the assistant's messages alone, the environment speaks as the user (TRL `SFTTrainer` with `assistant_only_loss=True`)",
        ),
        Format::Steps => (
            "steps",
            "a step each: `prompt` is the chat before it to the letter, `completion` is learnt (TRL `SFTTrainer`, any model)",
        ),
        Format::Tools => ("tools", "a chat each, with `tool_calls` of `run_cell`"),
        Format::Grpo => (
            "grpo",
            "a task each for TRL's `GRPOTrainer`; every other column reaches the environment and the rewards",
        ),
        Format::Verl => ("verl", "a task each for verl, agent loop `datarus`"),
        Format::Preferences => (
            "preferences",
            "a step each, with what was better in its place: `prompt`, `chosen`, `rejected`",
        ),
    }
}

/// Writes one file for each format, and `README.md`.
///
/// # Errors
/// When trajectories cannot be read or files not be written.
pub fn export(job: &Job) -> Result<Exported, ExportError> {
    let write = |path: &Path, source| ExportError::Write { path: path.to_owned(), source };
    std::fs::create_dir_all(&job.output).map_err(|source| write(&job.output, source))?;
    let mut sinks = Vec::new();
    for format in &job.formats {
        let name = format!("{}.jsonl", about(*format).0);
        let path = job.output.join(&name);
        let file = File::create(&path).map_err(|source| write(&path, source))?;
        sinks.push(Sink {
            format: *format,
            name,
            path,
            file: BufWriter::new(file),
            rows: 0,
            hash: Sha256::new(),
        });
    }
    let (mut census, mut episode) = (Census::default(), Vec::<Trajectory>::new());
    for path in &job.files {
        for trajectory in trajectories(path)? {
            let trajectory = trajectory?;
            if episode.last().is_some_and(|last| last.episode != trajectory.episode) {
                episode.clear();
            }
            census.take(&trajectory, episode.is_empty());
            episode.push(trajectory);
            for sink in &mut sinks {
                sink.take(job, &episode).map_err(|source| write(&sink.path, source))?;
            }
        }
    }
    let mut files = Vec::new();
    for sink in sinks {
        let path = sink.path.clone();
        files.push(sink.finish().map_err(|source| write(&path, source))?);
    }
    let exported = Exported { trajectories: census.trajectories, episodes: census.episodes, files };
    let card = job.output.join("README.md");
    std::fs::write(&card, census.card(job, &exported)).map_err(|source| write(&card, source))?;
    Ok(exported)
}

struct Sink {
    format: Format,
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    rows: usize,
    hash: Sha256,
}

impl Sink {
    fn take(&mut self, job: &Job, episode: &[Trajectory]) -> io::Result<()> {
        let is_example = matches!(self.format, Format::Messages | Format::Steps | Format::Tools);
        if is_example && job.least > 0.0 {
            let worth =
                episode.last().map(|last| score(last, &reward::Settings::default(), 1.0, None));
            if worth.is_none_or(|scores| scores.reward < job.least) {
                return Ok(());
            }
        }
        for row in rows(self.format, &job.settings, episode) {
            let line = row.to_string() + "\n";
            self.hash.update(line.as_bytes());
            self.file.write_all(line.as_bytes())?;
            self.rows += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Written> {
        self.file.flush()?;
        Ok(Written { name: self.name, rows: self.rows, sha256: hex(&self.hash.finalize()) })
    }
}

/// What was counted of the trajectories.
#[derive(Debug, Default)]
struct Census {
    trajectories: usize,
    episodes: usize,
    steps: usize,
    families: BTreeMap<String, usize>,
    levels: BTreeMap<u32, usize>,
    makers: BTreeMap<String, usize>,
    seeds: Option<(u64, u64)>,
}

impl Census {
    fn take(&mut self, trajectory: &Trajectory, is_first: bool) {
        self.trajectories += 1;
        self.episodes += usize::from(is_first);
        self.steps += trajectory.steps.len();
        *self.families.entry(trajectory.task.family.clone()).or_default() += 1;
        *self.levels.entry(trajectory.task.level).or_default() += 1;
        *self.makers.entry(trajectory.by.clone()).or_default() += 1;
        if let Some(seed) = trajectory.task.seed {
            let (low, high) = self.seeds.unwrap_or((seed, seed));
            self.seeds = Some((low.min(seed), high.max(seed)));
        }
    }

    /// The dataset card, with the front matter that the hub of Hugging Face reads.
    fn card(&self, job: &Job, exported: &Exported) -> String {
        let Job { license, least, settings, .. } = job;
        let files: Vec<_> = exported.files.iter().zip(&job.formats).collect();
        let config = |(written, format): &(&Written, &Format)| {
            format!("- config_name: {}\n  data_files: {}", about(**format).0, written.name)
        };
        let row = |(written, format): &(&Written, &Format)| {
            let Written { name, rows, sha256 } = written;
            format!("| `{name}` | {rows} | {} | `{sha256}` |", about(**format).1)
        };
        let seeds = self.seeds.map(|(low, high)| format!("Seeds of the tasks: {low} to {high}.\n"));
        let parts = [
            format!("---\nlicense: {license}\ntask_categories: [text-generation]\nconfigs:"),
            files.iter().map(config).collect::<Vec<_>>().join("\n"),
            String::from("---\n\n# Trajectories of data analysis, executed\n"),
            format!(
                "{} trajectories in {} episodes, {} steps. Every step was executed, and what it showed is what the product shows a model.\n",
                self.trajectories, self.episodes, self.steps
            ),
            format!(
                "Made by datarus {} (`datarus episodes export`), dialect `{}`, profile {:?}; examples are worth at least {least}.\n",
                env!("CARGO_PKG_VERSION"),
                settings.dialect.name(),
                settings.profile
            ),
            seeds.unwrap_or_default(),
            format!(
                "Licence: {license}. Whoever gives rows away that were made of notebooks looks at the data in them before.\n"
            ),
            String::from("| file | rows | what it is | SHA-256 |\n|---|---|---|---|"),
            files.iter().map(row).collect::<Vec<_>>().join("\n"),
            table("family", self.families.iter()),
            table("level", self.levels.iter()),
            table("made by", self.makers.iter()),
        ];
        parts.join("\n") + "\n"
    }
}

fn table<K: std::fmt::Display>(
    title: &str,
    counts: impl Iterator<Item = (K, impl std::fmt::Display)>,
) -> String {
    let rows: Vec<String> = counts.map(|(name, count)| format!("| {name} | {count} |")).collect();
    format!("\n| {title} | trajectories |\n|---|---|\n{}", rows.join("\n"))
}
