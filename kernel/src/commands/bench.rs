//! `datarus bench`: asks a question set, or compares two runs.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{MISUSED, announce, block_on, code_of, print, print_json, say};
use crate::bench::compare::compare;
use crate::bench::read::{Copy, Set, read};
use crate::bench::results::{self, Results, Run};
use crate::bench::suite::Suite;
use crate::bench::summary::Summary;
use crate::bench::{Rule, Session, work};
use crate::cells::source_sha;
use crate::cli::{SuiteArgs, SuiteCommand};
use crate::config::Config;
use crate::model::pool::Pool;

/// Does what was asked; returns the exit code.
pub(super) fn run(args: SuiteArgs) -> Result<u8> {
    if let Some(SuiteCommand::Compare { first, second, seed, json }) = args.command {
        let (first, second) = (results::read(&first)?, results::read(&second)?);
        let compared = compare(&first, &second, seed).map_err(anyhow::Error::msg)?;
        if json {
            print_json(&compared)?;
        } else {
            print(&compared.as_text())?;
        }
        return Ok(0);
    }
    let suite = args.suite.context("expected the name of a suite")?;
    let Some(data) = &args.data else {
        describe(suite, args.json)?;
        return Ok(super::MISSING);
    };
    let output =
        args.output.as_deref().context("expected a folder for the results: `--output FOLDER`")?;
    let Set { sessions, copy } = read(suite, data, args.split.as_deref())?;
    for differs in &copy.differs {
        say(&format!("not comparable with published scores: {differs}"));
    }
    if let Some(unknown) = unknown(&sessions, &args.only) {
        say(&unknown);
        return Ok(MISUSED);
    }
    let sessions = wanted(sessions, args.limit, &args.only);
    let config = Config::resolve(&args.engine, Vec::new())?;
    announce(&config);
    let pool = Pool::load(&config, args.jobs.get())?;
    let questions = sessions.iter().flat_map(|session| &session.questions);
    let chosen: Vec<String> = questions.map(|question| question.id.clone()).collect();
    let run = asked(suite, copy, &config, &pool);
    let mut kept = Results::open(output, &run)?;
    let jobs = args.jobs.get();
    let hidden = sessions.iter().flat_map(|session| &session.questions);
    let hidden: Vec<String> = hidden
        .filter(|question| question.rule == Rule::Hidden)
        .map(|question| question.id.clone())
        .collect();
    let ending =
        block_on(async { Ok(work::run(sessions, &config, &pool, &mut kept, jobs).await?) })?;
    submission(suite, output, &kept, &hidden)?;
    let summary = Summary::of(&run, kept.lines(), &chosen);
    std::fs::write(output.join("summary.json"), serde_json::to_string_pretty(&summary)? + "\n")
        .with_context(|| format!("cannot write to `{}`", output.display()))?;
    if args.json {
        print_json(&summary)?;
    } else {
        print(&summary.as_text())?;
    }
    Ok(code_of(ending))
}

/// Said to who has no copy of a suite.
const NO_COPY: &str = "expected your copy of it: `--data PATH`; none comes with this program";

/// Where a suite comes from, for who has no copy of it.
fn describe(suite: Suite, json: bool) -> Result<()> {
    let facts = suite.facts();
    if json {
        print_json(&facts)?;
        say(NO_COPY);
        return Ok(());
    }
    print(&format!(
        "{}\npublished   {}\nlicence     {}\n--data      {}",
        facts.title, facts.published, facts.licence, facts.data
    ))?;
    say(NO_COPY);
    Ok(())
}

/// What is said of ids that no question of the set has.
fn unknown(sessions: &[Session], only: &[String]) -> Option<String> {
    let ids: Vec<&str> = sessions
        .iter()
        .flat_map(|session| &session.questions)
        .map(|question| question.id.as_str())
        .collect();
    let unknown: Vec<&str> =
        only.iter().map(String::as_str).filter(|id| !ids.contains(id)).collect();
    let quoted = |ids: &[&str]| format!("`{}`", ids.join("`, `"));
    let some = ids.get(..ids.len().min(3)).unwrap_or_default();
    (!unknown.is_empty()).then(|| {
        format!(
            "expected ids of questions of this set after `--only`, such as {}; found {}",
            quoted(some),
            quoted(&unknown)
        )
    })
}

/// The sessions that are wanted.
fn wanted(sessions: Vec<Session>, limit: Option<usize>, only: &[String]) -> Vec<Session> {
    let is_wanted = |session: &Session| {
        only.is_empty() || session.questions.iter().any(|question| only.contains(&question.id))
    };
    sessions.into_iter().filter(is_wanted).take(limit.unwrap_or(usize::MAX)).collect()
}

/// What is asked of whom, as the results note it.
fn asked(suite: Suite, copy: Copy, config: &Config, pool: &Pool) -> Run {
    let info = pool.info();
    let (limits, analyst) = (&config.limits, &config.analyst);
    let told = !analyst.instructions.is_empty();
    Run {
        v: 1,
        datarus: env!("CARGO_PKG_VERSION").to_owned(),
        suite: suite.name(),
        copy,
        model: json!({
            "name": info.name,
            "sha256": info.sha256,
            "architecture": info.architecture,
            "served_at": info.served.as_ref().map(|served| &served.at),
        }),
        settings: json!({
            "seed": config.seed,
            "sampling": config.sampling,
            "dialect": analyst.dialect.map(|dialect| json!(dialect.name())),
            "namespace": format!("{:?}", analyst.namespace).to_lowercase(),
            "instructions": told.then(|| source_sha(&analyst.instructions)),
            "max_steps": limits.max_steps,
            "max_errors": limits.max_errors,
            "cell_timeout": limits.cell_timeout.as_secs(),
            "max_new_tokens": limits.max_new_tokens,
            "max_turn_tokens": limits.max_turn_tokens,
        }),
    }
}

/// Answers that only the publisher can grade, as DABStep's leaderboard takes them.
fn submission(suite: Suite, output: &Path, kept: &Results, hidden: &[String]) -> Result<()> {
    if suite != Suite::Dabstep || hidden.is_empty() {
        return Ok(());
    }
    let lines = hidden.iter().filter_map(|id| kept.get(id)).filter(|line| !line.is_open());
    let answers: Vec<String> = lines
        .map(|line| {
            let answer = crate::bench::score::answer_in(&line.asked.answer);
            json!({"task_id": line.id, "agent_answer": answer}).to_string() + "\n"
        })
        .collect();
    let path = output.join("submission.jsonl");
    std::fs::write(&path, answers.concat())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    say(&format!("answers for the leaderboard are in {}", path.display()));
    Ok(())
}
