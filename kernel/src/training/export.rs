//! `datarus episodes export`: rows for training stacks, and a card that says what they are.

use std::collections::{BTreeMap, HashSet};
use std::fs::Permissions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use datarus_agent::reward::{self, score};
use datarus_agent::rows::{Format, Settings, pair, rows};
use datarus_agent::trajectory::Trajectory;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::lines::{LinesError, trajectories};
use super::samples::Samples;
use crate::cells::hex;
use crate::disk;

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
    /// A file that is there is somebody else's.
    #[error(
        "expected a folder without rows, or one with a card of `datarus episodes export`, found `{}`, which that did not write: name another folder with `--output`",
        .0.display()
    )]
    Foreign(PathBuf),
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

/// What a card of ours says, and no other one.
const MADE_BY: &str = "(`datarus episodes export`)";

/// Writes one file for each format, and `README.md`; all are put in place at the end. A row that comes twice is written
/// once, and a task is one however often it was done. What an earlier call has written in the folder gives way.
///
/// # Errors
/// When trajectories cannot be read or files not be written, or when the folder has files of these names that are not
/// ours. What was there is then as it was.
pub fn export(job: &Job) -> Result<Exported, ExportError> {
    let write = |path: &Path, source| ExportError::Write { path: path.to_owned(), source };
    std::fs::create_dir_all(&job.output).map_err(|source| write(&job.output, source))?;
    let card = job.output.join("README.md");
    let mut sinks = Vec::new();
    for format in &job.formats {
        let sink = Sink::open(*format, &job.output);
        sinks.push(sink.map_err(|source| write(&job.output, source))?);
    }
    refuse_foreign(&card, &sinks)?;
    let (mut census, mut episode) = (Census::default(), Vec::<Trajectory>::new());
    for path in &job.files {
        // What has the same name in another file is another episode.
        episode.clear();
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
    disk::write(&card, census.card(job, &exported).as_bytes(), None)
        .map_err(|error| write(&card, io::Error::other(error)))?;
    Ok(exported)
}

/// Only what an earlier call wrote gives way: a card of ours, and the files that it lists.
fn refuse_foreign(card: &Path, sinks: &[Sink]) -> Result<(), ExportError> {
    let known = match std::fs::read_to_string(card) {
        Ok(known) => known,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ExportError::Write { path: card.to_owned(), source }),
    };
    let is_ours = known.contains(MADE_BY);
    if !known.is_empty() && !is_ours {
        return Err(ExportError::Foreign(card.to_owned()));
    }
    let listed = |sink: &&Sink| is_ours && known.contains(&format!("| `{}` |", sink.name));
    match sinks.iter().find(|sink| sink.path.exists() && !listed(sink)) {
        Some(sink) => Err(ExportError::Foreign(sink.path.clone())),
        None => Ok(()),
    }
}

struct Sink {
    format: Format,
    name: String,
    path: PathBuf,
    /// Beside it, until all is written.
    file: BufWriter<NamedTempFile>,
    rows: usize,
    hash: Sha256,
    /// The tasks that have a row, or the hashes of rows.
    known: HashSet<Vec<u8>>,
    samples: Samples,
}

impl Sink {
    fn open(format: Format, folder: &Path) -> io::Result<Self> {
        let name = format!("{}.jsonl", about(format).0);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".datarus-").permissions(Permissions::from_mode(0o666));
        let file = BufWriter::new(builder.tempfile_in(folder)?);
        let (path, rows, hash) = (folder.join(&name), 0, Sha256::new());
        let (known, samples) = (HashSet::new(), Samples::default());
        Ok(Self { format, name, path, file, rows, hash, known, samples })
    }

    fn take(&mut self, job: &Job, episode: &[Trajectory]) -> io::Result<()> {
        let is_example = matches!(self.format, Format::Messages | Format::Steps | Format::Tools);
        if is_example && job.least > 0.0 {
            let worth =
                episode.last().map(|last| score(last, &reward::Settings::default(), 1.0, None));
            if worth.is_none_or(|scores| scores.reward < job.least) {
                return Ok(());
            }
        }
        let mut made = rows(self.format, &job.settings, episode);
        if self.format == Format::Preferences {
            let pairs = self.samples.take(episode);
            made.extend(pairs.iter().filter_map(|(a, b)| pair(&job.settings, a, b)));
        }
        for row in made {
            let line = row.to_string() + "\n";
            let is_task = matches!(self.format, Format::Grpo | Format::Verl);
            let task = episode.last().map(|last| last.task.id.as_bytes()).filter(|_| is_task);
            let name = task.map_or_else(|| Sha256::digest(&line).to_vec(), <[u8]>::to_vec);
            if !self.known.insert(name) {
                continue;
            }
            self.hash.update(line.as_bytes());
            self.file.write_all(line.as_bytes())?;
            self.rows += 1;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Written> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(Written { name: self.name, rows: self.rows, sha256: hex(&self.hash.finalize()) })
    }
}

/// What was counted of the trajectories.
#[derive(Debug, Default)]
struct Census {
    trajectories: usize,
    episodes: usize,
    steps: usize,
    /// Of these, those that were watched while they ran.
    watched: usize,
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
        self.watched += trajectory.steps.iter().filter(|done| done.evidence.is_some()).count();
        *self.families.entry(trajectory.task.family.clone()).or_default() += 1;
        *self.levels.entry(trajectory.task.level).or_default() += 1;
        *self.makers.entry(trajectory.by.clone()).or_default() += 1;
        if let Some(seed) = trajectory.task.seed {
            let (low, high) = self.seeds.unwrap_or((seed, seed));
            self.seeds = Some((low.min(seed), high.max(seed)));
        }
    }

    /// What can be said of how the steps ran.
    fn executed(&self) -> String {
        let shown = "what a step showed is what the product shows a model";
        if self.watched == self.steps {
            return format!("Every step was executed for them, and {shown}.");
        }
        let rest = self.steps - self.watched;
        format!(
            "{} steps were executed for them; of the other {rest} it is told what their notebooks hold, where a user may have edited a cell and not run it again. In rows, {shown}.",
            self.watched
        )
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
            String::from("---\n\n# Trajectories of data analysis\n"),
            format!(
                "{} trajectories in {} episodes, {} steps. {}\n",
                self.trajectories,
                self.episodes,
                self.steps,
                self.executed()
            ),
            format!(
                "Made by datarus {} {MADE_BY}, dialect `{}`, profile {:?}; examples are worth at least {least}.\n",
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datarus_agent::agent::Limits;
    use datarus_agent::dialect::Dialect;
    use datarus_agent::llm::Profile;

    use super::*;

    const LINE: &str = r#"{"v":1,"id":"a","episode":"e","task":{"id":"t","prompt":"Total?"},"steps":[{"number":1,"thought":"Sum.","code":"1","execution":{"execution_count":1,"status":"ok","outputs":[],"figures":[],"seconds":0},"evidence":{}}],"outcome":{"kind":"answered","thought":"Printed.","answer":"It is 1."}}"#;

    fn job(folder: &Path, files: &[&str]) -> Job {
        let limits = Limits {
            max_steps: 12,
            max_errors: 4,
            cell_timeout: Duration::from_secs(60),
            max_new_tokens: 1024,
            max_turn_tokens: 16_384,
            max_sections: 8,
        };
        Job {
            files: files.iter().map(|name| folder.join(name)).collect(),
            output: folder.join("rows"),
            formats: vec![Format::Messages, Format::Grpo],
            settings: Settings { profile: Profile::Compact, dialect: Dialect::Datarus, limits },
            least: 0.0,
            license: String::from("apache-2.0"),
        }
    }

    fn write(folder: &Path, name: &str, lines: &[String]) {
        std::fs::write(folder.join(name), lines.join("\n")).unwrap();
    }

    #[test]
    fn what_somebody_else_wrote_is_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let (folder, rows) = (place.path(), place.path().join("rows"));
        write(folder, "a.jsonl", &[LINE.to_owned()]);
        std::fs::create_dir(&rows).unwrap();
        for name in ["README.md", "messages.jsonl"] {
            std::fs::write(rows.join(name), "mine").unwrap();
            let said = export(&job(folder, &["a.jsonl"])).unwrap_err().to_string();
            assert!(said.contains(&format!("rows/{name}`, which that did not write")), "{said}");
            assert_eq!(std::fs::read_to_string(rows.join(name)).unwrap(), "mine");
            assert_eq!(std::fs::read_dir(&rows).unwrap().count(), 1, "nothing is left behind");
            std::fs::remove_file(rows.join(name)).unwrap();
        }
        export(&job(folder, &["a.jsonl"])).unwrap();
        std::fs::write(rows.join("verl.jsonl"), "mine").unwrap();
        let more = Job { formats: vec![Format::Verl], ..job(folder, &["a.jsonl"]) };
        assert!(
            matches!(export(&more), Err(ExportError::Foreign(path)) if path.ends_with("verl.jsonl"))
        );
    }

    #[test]
    fn rows_are_put_in_place_when_all_are_written() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        write(folder, "a.jsonl", &[LINE.to_owned()]);
        write(folder, "b.jsonl", &[LINE.replace("Total?", "Mean?"), String::from("no")]);
        let read = || std::fs::read_to_string(folder.join("rows/messages.jsonl")).unwrap();
        export(&job(folder, &["a.jsonl"])).unwrap();
        let before = read();
        export(&job(folder, &["b.jsonl"])).unwrap_err();
        assert_eq!(read(), before);
        write(folder, "b.jsonl", &[LINE.replace("Total?", "Mean?")]);
        export(&job(folder, &["b.jsonl"])).unwrap();
        assert!(read().contains("Mean?") && !read().contains("Total?"));
    }

    #[test]
    fn a_row_comes_once_and_an_episode_ends_with_its_file() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        let sample = LINE.replace("\"id\":\"a\"", "\"id\":\"a.1\"");
        write(folder, "a.jsonl", &[LINE.to_owned(), sample.replace("\"e\"", "\"e.1\"")]);
        write(
            folder,
            "b.jsonl",
            &[LINE.replace("\"id\":\"a\"", "\"id\":\"b\"").replace("Total?", "Mean?")],
        );
        let exported = export(&job(folder, &["a.jsonl", "b.jsonl", "a.jsonl"])).unwrap();
        let counts: Vec<usize> = exported.files.iter().map(|written| written.rows).collect();
        assert_eq!((counts, exported.episodes), (vec![3, 1], 5));
        let messages = std::fs::read_to_string(folder.join("rows/messages.jsonl")).unwrap();
        let mean = messages.lines().find(|line| line.contains("Mean?")).unwrap();
        assert!(!mean.contains("Total?"), "{mean}");
    }

    #[test]
    fn a_right_and_a_wrong_sample_of_a_task_are_a_preference_where_they_part() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        let right = LINE
            .replace("\"prompt\":\"Total?\"", r#""prompt":"Total?","checker":{"kind":"number","values":["1"]}"#)
            .replace("\"steps\"", r#""given":{"files":[],"variables":[{"name":"df","columns":["a"]}],"brief":""},"steps""#)
            .replace("\"outputs\":[]", r#""outputs":[{"output_type":"stream","name":"stdout","text":"1\n"}]"#)
            .replace("\"code\":\"1\"", r#""code":"df.a.sum()""#)
            .replace("\"evidence\":{}", r#""evidence":{"reads":["df"],"shows":["df"]}"#);
        let sample = |line: &str, n: usize| {
            let named = line.replace("\"id\":\"a\"", &format!("\"id\":\"a.{n}\""));
            named.replace("\"e\"", &format!("\"e.{n}\""))
        };
        let wrong = sample(&right, 1).replace("It is 1.", "It is 2.");
        let other = sample(&right, 2).replace("\"t\"", "\"u\"").replace("It is 1.", "It is 3.");
        let again = sample(&right, 3).replace("It is 1.", "It is 4.");
        write(folder, "a.jsonl", &[wrong, other, right, again]);
        let preferences = Job { formats: vec![Format::Preferences], ..job(folder, &["a.jsonl"]) };
        export(&preferences).unwrap();
        let rows = std::fs::read_to_string(folder.join("rows/preferences.jsonl")).unwrap();
        let rows: Vec<serde_json::Value> =
            rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said = |row: &serde_json::Value, key: &str| row[key][0]["content"].to_string();
        let pairs: Vec<_> =
            rows.iter().map(|row| (said(row, "chosen"), said(row, "rejected"))).collect();
        assert_eq!(pairs.len(), 2, "{pairs:?}");
        for ((chosen, rejected), answer) in pairs.iter().zip(["It is 2.", "It is 4."]) {
            assert!(chosen.contains("It is 1.") && rejected.contains(answer), "{pairs:?}");
        }
    }

    #[test]
    fn a_card_says_which_steps_were_executed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        let card = |lines: &[String]| {
            write(folder, "a.jsonl", lines);
            export(&job(folder, &["a.jsonl"])).unwrap();
            std::fs::read_to_string(folder.join("rows/README.md")).unwrap()
        };
        assert!(card(&[LINE.to_owned()]).contains("Every step was executed for them"));
        let mixed = card(&[LINE.to_owned(), LINE.replace(",\"evidence\":{}", "")]);
        assert!(
            mixed.contains("1 steps were executed for them; of the other 1 it is told"),
            "{mixed}"
        );
    }
}
