//! `datarus episodes make`: many episodes at once, each in a companion of its own, written in the order of the tasks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use datarus_agent::inspector::inspect;
use datarus_agent::llm::{Interrupt, ModelError};
use datarus_agent::trajectory::Trajectory;
use serde::Serialize;
use serde_json::json;

use super::lines::{going_on, same};
use super::order::{Order, OrderError, episodes, sampled};
use super::play::{PlayError, Played, Solver, play};
use super::room::Room;
use super::solver::{Program, SolverError};
use crate::config::Config;
use crate::model::{self, Kept};

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// The tasks; `-` is standard input.
    pub tasks: PathBuf,
    /// Where trajectories go; what is there already stays, and is not made again.
    pub output: PathBuf,
    /// A program that solves tasks without a solution; without one the model does.
    pub solver: Option<String>,
    /// Episodes that run at once.
    pub workers: NonZeroUsize,
    /// Whether those go out, too, that the inspector rejects.
    pub all: bool,
    /// Times that each episode is played, each time with other draws.
    pub samples: NonZeroUsize,
    /// Whether a model's tokens are written down, and what it could have chosen.
    pub tokens: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Made {
    /// Trajectories that were written.
    pub trajectories: usize,
    /// Episodes that were played.
    pub episodes: usize,
    /// Of these, those that the inspector rejected.
    pub rejected: usize,
    /// Tasks that turned out to be none.
    pub skipped: usize,
    /// Episodes that broke off, of which nothing was written: the same command makes them again.
    pub broken: usize,
    /// Episodes that were there already.
    pub kept: usize,
    /// Wall time.
    pub seconds: f64,
    /// Episodes an hour, the start of Python included.
    pub per_hour: f64,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// So many episodes in a row that break off end the run: the model server is gone, or the like.
const MANY: usize = 3;

/// Why episodes cannot be made. One that breaks off is no error.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A file cannot be read or written.
    #[error("cannot use `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tasks cannot be used.
    #[error("`{}`, {source}", path.display())]
    Order {
        /// Their file.
        path: PathBuf,
        /// Why.
        source: OrderError,
    },
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The solver cannot be used.
    #[error(transparent)]
    Solver(#[from] SolverError),
    /// Python cannot be started.
    #[error("{0}")]
    Python(String),
    /// The model or its server is gone, or Python always ends.
    #[error(
        "{MANY} episodes in a row broke off, the last with: {0}; the same command goes on once that is mended"
    )]
    Failing(String),
}

/// What a worker says of an episode, by its place among the tasks.
type Report = (usize, Result<Played, PlayError>);

/// Plays all episodes that are not there yet. `told` gets what there is to say after each; `stop` ends it, and what is
/// begun is made again by the same call.
///
/// # Errors
/// When tasks, solver, model or Python cannot be used at all.
pub fn make(
    config: &Config,
    job: &Job,
    stop: &Interrupt,
    told: &mut dyn FnMut(&Made, usize),
) -> Result<Made, MakeError> {
    let started = Instant::now();
    let text = read(&job.tasks)?;
    let orders =
        episodes(&text).map_err(|source| MakeError::Order { path: job.tasks.clone(), source })?;
    let orders = sampled(orders, u64::try_from(job.samples.get()).unwrap_or(u64::MAX));
    let mut out = Out::open(job, &orders)?;
    let todo: Vec<&[Order]> =
        orders.iter().map(Vec::as_slice).filter(|episode| !out.has(episode)).collect();
    let mut made = Made { kept: orders.len() - todo.len(), ..Made::default() };
    let from = job.tasks.parent().unwrap_or(Path::new(""));
    let (reports, inbox) = mpsc::channel::<Result<Report, MakeError>>();
    let next = AtomicUsize::new(0);
    let ended = std::thread::scope(|scope| {
        for _ in 0..job.workers.get().min(todo.len()) {
            let reports = reports.clone();
            let (todo, next) = (&todo, &next);
            scope.spawn(move || {
                let ended = work(config, job, from, todo, next, stop, &reports);
                if let Err(error) = ended {
                    let _ = reports.send(Err(error));
                }
            });
        }
        drop(reports);
        // A report waits until all before it are written: the file is the same however many workers there are.
        let mut waiting = BTreeMap::new();
        let mut at = 0;
        for report in inbox {
            let written = report.and_then(|(place, played)| {
                waiting.insert(place, played);
                while let Some(played) = waiting.remove(&at) {
                    let episode = todo.get(at).copied().unwrap_or_default();
                    out.take(episode, played, job.all, &mut made)?;
                    at += 1;
                    made.seconds = started.elapsed().as_secs_f64();
                    told(&made, todo.len());
                }
                Ok(())
            });
            // The others come to their ends soon.
            written.inspect_err(|_: &MakeError| stop.set())?;
        }
        Ok::<(), MakeError>(())
    });
    out.finish()?;
    ended?;
    made.interrupted = stop.is_set();
    made.seconds = started.elapsed().as_secs_f64();
    made.per_hour =
        f64::from(u32::try_from(made.episodes).unwrap_or(u32::MAX)) / made.seconds * 3600.0;
    Ok(made)
}

fn read(path: &Path) -> Result<String, MakeError> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|source| MakeError::File { path: path.to_owned(), source })
}

/// One worker: a companion and a solver, and one episode after the other.
fn work(
    config: &Config,
    job: &Job,
    from: &Path,
    todo: &[&[Order]],
    next: &AtomicUsize,
    stop: &Interrupt,
    reports: &mpsc::Sender<Result<Report, MakeError>>,
) -> Result<(), MakeError> {
    let mut room =
        Room::open(config, stop).map_err(|error| MakeError::Python(error.to_string()))?;
    let mut solver: Option<Solver> = None;
    while !stop.is_set() {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(episode) = todo.get(place) else { break };
        let is_known = episode.iter().all(|order| !order.solution.is_empty());
        let played = if is_known {
            play(&mut room, &mut Solver::Known, config, episode, from, stop)
        } else {
            let solver = match &mut solver {
                Some(solver) => solver,
                none => none.insert(other_solver(config, job)?),
            };
            play(&mut room, solver, config, episode, from, stop)
        };
        if matches!(played, Err(PlayError::Solver(_))) {
            // A program that has ended answers nobody.
            solver = None;
        }
        let played = if job.tokens { played } else { played.map(Played::without_tokens) };
        if stop.is_set() || reports.send(Ok((place, played))).is_err() {
            break;
        }
    }
    room.close();
    Ok(())
}

/// Who solves what brings no solution.
fn other_solver(config: &Config, job: &Job) -> Result<Solver, MakeError> {
    if let Some(command) = &job.solver {
        return Ok(Solver::Program(Program::start(command)?));
    }
    let kept = Kept { weights: config.weights.as_ref(), kv: None };
    Ok(Solver::Model(model::load(&config.model, config.placement, kept, &config.sandbox.program)?))
}

/// The episode that a file ends with: where it begins there, and its lines.
#[derive(Default)]
struct Last {
    episode: String,
    begins: usize,
    lines: usize,
}

/// The files that are written: trajectories, and beside them what was not taken, with its reasons.
struct Out {
    path: PathBuf,
    file: File,
    rejected: File,
    known: HashSet<String>,
    /// Episodes that broke off since the last one that did not.
    broken_in_a_row: usize,
}

impl Out {
    /// Opens both to go on at their ends; an episode that was cut off is made again.
    fn open(job: &Job, orders: &[Vec<Order>]) -> Result<Self, MakeError> {
        let path = &job.output;
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| MakeError::File { path, source }
        };
        let beside = path.with_extension("rejected.jsonl");
        if same(path, &job.tasks) || same(&beside, &job.tasks) {
            let said =
                "it or what goes beside it is the file of the tasks: name another with `--output`";
            return Err(failed(path)(io::Error::other(said)));
        }
        let of = |orders: &Vec<Order>| Some((orders.first()?.episode_name(), orders.len()));
        let lengths: HashMap<String, usize> = orders.iter().filter_map(of).collect();
        let mut known = HashSet::new();
        let file = go_on(path, TAKEN, &lengths, &mut known).map_err(failed(path))?;
        let rejected =
            go_on(&beside, NOT_TAKEN, &HashMap::new(), &mut known).map_err(failed(&beside))?;
        Ok(Self { path: path.to_owned(), file, rejected, known, broken_in_a_row: 0 })
    }

    fn has(&self, episode: &[Order]) -> bool {
        episode.first().is_some_and(|order| self.known.contains(&order.episode_name()))
    }

    fn take(
        &mut self,
        orders: &[Order],
        played: Result<Played, PlayError>,
        all: bool,
        made: &mut Made,
    ) -> Result<(), MakeError> {
        let episode = orders.first().map(Order::episode_name).unwrap_or_default();
        let played = match played {
            Err(error) if error.is_of_the_task() => Ok(Played::Skipped(error.to_string())),
            played => played,
        };
        self.broken_in_a_row = if played.is_err() { self.broken_in_a_row + 1 } else { 0 };
        let written = match played {
            Ok(Played::Done(trajectories)) => {
                made.episodes += 1;
                self.judge(&episode, &trajectories, all, made)
            }
            Ok(Played::Skipped(why)) => {
                made.skipped += 1;
                writeln!(self.rejected, "{}", json!({"episode": episode, "skipped": why}))
            }
            Err(error) => {
                made.broken += 1;
                tracing::warn!(%episode, %error, "an episode broke off");
                if self.broken_in_a_row >= MANY {
                    return Err(MakeError::Failing(error.to_string()));
                }
                Ok(())
            }
        };
        written.map_err(|source| MakeError::File { path: self.path.clone(), source })
    }

    /// Writes an episode at once, so that none is there in part.
    fn judge(
        &mut self,
        episode: &str,
        trajectories: &[Trajectory],
        all: bool,
        made: &mut Made,
    ) -> io::Result<()> {
        let problems: Vec<String> = trajectories.iter().flat_map(inspect).collect();
        if !problems.is_empty() {
            made.rejected += 1;
            if !all {
                let line =
                    json!({"episode": episode, "problems": problems, "trajectories": trajectories});
                return writeln!(self.rejected, "{line}");
            }
        }
        made.trajectories += trajectories.len();
        let lines: String =
            trajectories.iter().map(|trajectory| trajectory.line() + "\n").collect();
        self.file.write_all(lines.as_bytes())
    }

    /// A file of rejected episodes that has none is not left behind.
    fn finish(self) -> Result<(), MakeError> {
        if self.rejected.metadata().is_ok_and(|data| data.len() == 0) {
            let _ = std::fs::remove_file(self.path.with_extension("rejected.jsonl"));
        }
        self.file.sync_all().map_err(|source| MakeError::File { path: self.path, source })
    }
}

/// How lines of trajectories begin, and those of what was not taken.
const TAKEN: &str = "{\"v\":";
const NOT_TAKEN: &str = "{\"episode\":";

/// Opens a file of lines that begin with `begin` to go on after its last whole episode, and notes the episodes that it
/// has; `lengths` tells their lines, where those are more than one.
fn go_on(
    path: &Path,
    begin: &str,
    lengths: &HashMap<String, usize>,
    known: &mut HashSet<String>,
) -> io::Result<File> {
    #[derive(serde::Deserialize)]
    struct Named {
        episode: String,
    }
    let named = |line: &str| serde_json::from_str(line).ok().filter(|_| line.starts_with(begin));
    let is_ours = |line: &str| named(line).is_some_and(|Named { .. }| true);
    let expected = "lines that `datarus episodes make` wrote";
    let (file, text) = going_on(path, begin, expected, &is_ours)?;
    let (mut whole, mut last) = (0, Last::default());
    for line in text.split_inclusive('\n') {
        if let Some(Named { episode }) = named(line) {
            if last.episode != episode {
                last = Last { episode: episode.clone(), begins: whole, lines: 0 };
            }
            last.lines += 1;
            known.insert(episode);
        }
        whole += line.len();
    }
    if lengths.get(&last.episode).is_some_and(|length| last.lines < *length) {
        known.remove(&last.episode);
        file.set_len(u64::try_from(last.begins).unwrap_or(u64::MAX))?;
    }
    Ok(file)
}
