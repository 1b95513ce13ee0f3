//! The commands about trajectories.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use datarus_agent::inspector::inspect;
use datarus_agent::llm::{Interrupt, Model, Placement, Profile};
use datarus_agent::refine::{KEYWORDS, Refiner};
use datarus_agent::reward::{Judge, JudgeError, RewardModel as _, Settings, score};
use datarus_agent::rows::{self, Format};
use datarus_agent::trajectory::Trajectory;
use serde::Serialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{FAILED, INTERRUPTED, announce, block_on, print, print_json, say};
use crate::cli::EndpointArgs;
use crate::cli::training::{
    EpisodesCommand, ExportArgs, FromArgs, InspectArgs, MakeArgs, Recipe, RefineArgs, RewardArgs,
    RowFormat, RowProfile, TasksArgs, TrainArgs,
};
use crate::config::{Config, ModelSource};
use crate::headless::Progress;
use crate::model::pool::Pool;
use crate::model::{self, Kept};
use crate::notebook::Notebook;
use crate::training::lines::{same, trajectories, trajectories_in};
use crate::training::make::{self, Made};
use crate::training::reward::{Summary, bench, line};
use crate::training::{export, from_notebook, questioner, recipe};

pub(super) fn episodes(command: EpisodesCommand) -> Result<u8> {
    match command {
        EpisodesCommand::Make(args) => make(*args),
        EpisodesCommand::Tasks(args) => think_up(*args),
        EpisodesCommand::Refine(args) => refine(&args),
        EpisodesCommand::From(args) => from(args),
        EpisodesCommand::Inspect(args) => look_through(&args),
        EpisodesCommand::Export(args) => hand_on(args),
    }
}

fn make(args: MakeArgs) -> Result<u8> {
    let quiet = vec![String::from("--HistoryManager.hist_file=:memory:")];
    let mut config = Config::resolve(&args.engine, quiet)?;
    // Episodes have no notebook and no past.
    (config.state, config.sandbox.history) = (None, None);
    config.max_output = config.max_step_output;
    announce(&config);
    let one_each = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let job = make::Job {
        tasks: args.tasks,
        output: args.output,
        solver: args.solver,
        workers: args.workers.unwrap_or_else(one_each),
        all: args.all,
        samples: args.samples,
        tokens: args.tokens,
    };
    let stop = Interrupt::default();
    stop_on_interrupt(stop.clone())?;
    let mut progress = Progress::on_stderr();
    let made = make::make(&config, &job, &stop, &mut |made, of| progress.pass(&so_far(made, of)))?;
    if args.json {
        print_json(&made)?;
    }
    progress.tell(&summary(&made));
    Ok(match made {
        Made { interrupted: true, .. } => INTERRUPTED,
        Made { broken: 1.., .. } => FAILED,
        _ => 0,
    })
}

/// What was interrupted is gone on with by the same command. `SIGTERM` counts, too: the kernels in this process listen
/// to it, so that by itself it ends no more than them.
fn stop_on_interrupt(stop: Interrupt) -> Result<()> {
    let wait = move || {
        let heard: Result<()> = block_on(async {
            let mut ended = signal(SignalKind::terminate())?;
            let mut interrupted = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = ended.recv() => {}
            }
            stop.set();
            Ok(())
        });
        if let Err(error) = heard {
            tracing::warn!(%error, "signals are not heard");
        }
    };
    std::thread::Builder::new().name("interrupt".into()).spawn(wait).context("no thread")?;
    Ok(())
}

fn so_far(made: &Made, of: usize) -> String {
    let done = made.episodes + made.skipped + made.broken;
    format!("{done} of {of} episodes, {} rejected", made.rejected)
}

fn summary(made: &Made) -> String {
    format!(
        "{} episodes in {:.1} s, {:.0} an hour: {} trajectories written, {} episodes rejected, {} skipped, {} broke off, {} there already",
        made.episodes,
        made.seconds,
        made.per_hour,
        made.trajectories,
        made.rejected,
        made.skipped,
        made.broken,
        made.kept
    )
}

fn think_up(args: TasksArgs) -> Result<u8> {
    let config = Config::resolve(&args.engine, Vec::new())?;
    announce(&config);
    let pool = Pool::load(&config, 1)?;
    let job = questioner::Job { data: args.data, output: args.output, count: args.count.get() };
    let mut progress = Progress::on_stderr();
    let mut told = |there: usize| progress.pass(&format!("{there} of {} tasks", job.count));
    let made =
        block_on(async { Ok(questioner::question(&config, &pool, &job, &mut told).await?) })?;
    if args.json {
        print_json(&made)?;
    }
    let questioner::Made { tasks, kept, refused, interrupted, given_up } = made;
    progress.tell(&format!("{tasks} tasks written, {kept} there already, {refused} not taken"));
    if let Some(why) = given_up {
        progress.tell(&format!(
            "given up, since the model wrote no task that could be taken: {why}; choose one that keeps to the form"
        ));
        return Ok(FAILED);
    }
    Ok(if interrupted { INTERRUPTED } else { 0 })
}

/// What came of writing thoughts anew.
#[derive(Default, Serialize)]
struct Counts {
    /// Trajectories that were written.
    trajectories: usize,
    /// Those that were there already.
    kept: usize,
    /// Thoughts that are new.
    rewritten: usize,
    /// Thoughts that are the old ones.
    left: usize,
    /// Whether it was stopped before its end.
    interrupted: bool,
}

fn refine(args: &RefineArgs) -> Result<u8> {
    let words = args.keywords.iter().map(|word| word.trim().to_lowercase());
    let mut keywords: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    if keywords.is_empty() {
        keywords = KEYWORDS.map(String::from).into();
    }
    if let Some(path) = args.files.iter().find(|path| same(path, &args.output)) {
        anyhow::bail!("expected another file for what is new, found `{}` twice", path.display());
    }
    let mut model = chat_model(&args.model, &args.endpoint)?;
    if model.info().profile == Profile::Compact {
        anyhow::bail!(
            "the embedded model writes no free text: name a larger one (docs/models.md lists some)"
        );
    }
    let stop = Interrupt::default();
    stop_on_interrupt(stop.clone())?;
    let mut refiner = Refiner::new(model.as_mut(), &keywords, &stop);
    let (mut file, mut known) = trajectories_in(&args.output)
        .with_context(|| format!("cannot use `{}`", args.output.display()))?;
    let (mut progress, mut made) = (Progress::on_stderr(), Counts::default());
    'all: for path in &args.files {
        for trajectory in trajectories(path)? {
            let trajectory = trajectory?;
            if !known.insert(trajectory.id.clone()) {
                made.kept += 1;
                continue;
            }
            let new = refiner.refine(&trajectory)?;
            if stop.is_set() {
                made.interrupted = true;
                break 'all;
            }
            file.write_all((new.trajectory.line() + "\n").as_bytes())
                .with_context(|| format!("cannot write `{}`", args.output.display()))?;
            made.trajectories += 1;
            made.rewritten += new.rewritten;
            made.left += new.left;
            progress.pass(&format!("{} trajectories", made.trajectories));
        }
    }
    if args.json {
        print_json(&made)?;
    }
    let Counts { trajectories, kept, rewritten, left, interrupted } = made;
    progress.tell(&format!(
        "{trajectories} trajectories written, {kept} there already; {rewritten} thoughts are new, {left} are as they were"
    ));
    if left > rewritten {
        progress.tell(
            "most thoughts could not be taken: do `--keywords` fit their language, does the model keep to what it is told?",
        );
    }
    Ok(if interrupted { INTERRUPTED } else { 0 })
}

fn from(args: FromArgs) -> Result<u8> {
    let earlier =
        args.earlier.iter().map(|path| Notebook::read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut lines = String::new();
    for path in &args.notebooks {
        let mut earlier = earlier.clone();
        earlier.extend(Notebook::read(&checkpoint(path)).ok());
        let made = from_notebook::trajectories(&Notebook::read(path)?, &earlier);
        let corrected =
            made.iter().flat_map(|one| &one.steps).filter(|done| done.superseded.is_some());
        say(&format!(
            "{}: {} turns, {} corrected steps",
            path.display(),
            made.len(),
            corrected.count()
        ));
        lines.extend(made.iter().map(|trajectory| trajectory.line() + "\n"));
    }
    match args.output {
        Some(path) => std::fs::write(&path, lines)
            .with_context(|| format!("cannot write `{}`", path.display()))?,
        None => std::io::stdout().write_all(lines.as_bytes()).context("cannot write to stdout")?,
    }
    Ok(0)
}

/// Where Jupyter keeps the version of the last save that the user asked for.
fn checkpoint(notebook: &Path) -> PathBuf {
    let stem = notebook.file_stem().unwrap_or_default().to_string_lossy();
    let folder = notebook.parent().unwrap_or(Path::new("")).join(".ipynb_checkpoints");
    folder.join(format!("{stem}-checkpoint.ipynb"))
}

fn look_through(args: &InspectArgs) -> Result<u8> {
    let (mut count, mut wrong) = (0_usize, 0_usize);
    for path in &args.files {
        for trajectory in trajectories(path)? {
            let trajectory = trajectory?;
            let problems = inspect(&trajectory);
            count += 1;
            wrong += usize::from(!problems.is_empty());
            if args.json {
                print(&json!({"id": trajectory.id, "problems": problems}).to_string())?;
            } else if !problems.is_empty() {
                print(&format!("{}: {}", trajectory.id, problems.join("; ")))?;
            }
        }
    }
    say(&format!("{count} trajectories, {wrong} with problems"));
    Ok(if wrong > 0 { FAILED } else { 0 })
}

fn hand_on(args: ExportArgs) -> Result<u8> {
    let profile = match args.profile {
        RowProfile::Full => Profile::Full,
        RowProfile::Compact => Profile::Compact,
    };
    let job = export::Job {
        files: args.files,
        output: args.output,
        formats: args.format.into_iter().map(Format::from).collect(),
        settings: rows::Settings::new(profile, args.dialect.into(), args.max_steps.get()),
        least: args.least,
        license: args.license,
    };
    let exported = export::export(&job)?;
    if args.json {
        print_json(&exported)?;
    }
    for written in &exported.files {
        say(&format!("{:>8} rows  {}", written.rows, job.output.join(&written.name).display()));
    }
    Ok(0)
}

impl From<RowFormat> for Format {
    fn from(format: RowFormat) -> Self {
        match format {
            RowFormat::Messages => Self::Messages,
            RowFormat::Steps => Self::Steps,
            RowFormat::Tools => Self::Tools,
            RowFormat::Grpo => Self::Grpo,
            RowFormat::Verl => Self::Verl,
            RowFormat::Preferences => Self::Preferences,
        }
    }
}

pub(super) fn reward(args: RewardArgs) -> Result<u8> {
    if args.bench {
        return measure(&args);
    }
    let judge = args.judge.as_ref().map(|model| chat_model(model, &args.endpoint));
    let mut judge = judge.transpose()?;
    let settings = Settings::default();
    let (mut summary, mut unjudged) = (Summary::default(), 0_usize);
    for path in &args.files {
        let mut episode: Vec<Trajectory> = Vec::new();
        for trajectory in trajectories(path)? {
            let trajectory = trajectory?;
            if episode.last().is_some_and(|last| last.episode != trajectory.episode) {
                episode.clear();
            }
            episode.push(trajectory);
            let Some(trajectory) = episode.last() else { continue };
            let judgement = judge.as_mut().map(|model| Judge(model.as_mut()).score(&episode));
            let judgement = match judgement.transpose() {
                Err(error @ JudgeError::NoVerdict(_)) => {
                    say(&format!("the trajectory `{}` was not judged: {error}", trajectory.id));
                    unjudged += 1;
                    continue;
                }
                other => other.with_context(|| {
                    format!("the trajectory `{}` was not judged", trajectory.id)
                })?,
            };
            let scores = score(trajectory, &settings, args.progress, judgement.as_ref());
            summary.take(trajectory, &scores);
            print(&if args.json { serde_json::to_string(&scores)? } else { line(&scores) })?;
        }
    }
    say(&summary.as_text());
    Ok(if unjudged > 0 { FAILED } else { 0 })
}

/// A model that is asked as a chat model is, beside a kernel.
fn chat_model(named: &Path, endpoint: &EndpointArgs) -> Result<Box<dyn Model>> {
    let source = ModelSource::named(Some(named), endpoint)?;
    if let Some(notice) = model::notice(&source) {
        say(&notice);
    }
    let program = std::env::current_exe().unwrap_or_default();
    Ok(model::load(&source, Placement::default(), Kept::default(), &program)?)
}

pub(super) fn train(args: &TrainArgs) -> Result<u8> {
    let Recipe::Small = args.recipe;
    let program = std::env::current_exe().context("the program does not know where it lies")?;
    let job = recipe::Job {
        python: args.training_python.clone(),
        recipe: "small",
        output: args.output.clone(),
        threads: args.threads,
        program,
    };
    match recipe::run(&job)? {}
}

fn measure(args: &RewardArgs) -> Result<u8> {
    let mut all = Vec::new();
    for path in &args.files {
        for trajectory in trajectories(path)? {
            all.push(trajectory?);
        }
    }
    let speed = bench(&all, u64::try_from(args.seconds.get())?);
    if args.json {
        print_json(&speed)?;
    } else {
        print(&speed.as_text())?;
    }
    Ok(0)
}
