//! What each command does, and the exit code that comes of it.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;

use crate::cli::{
    AskArgs, Command, DoctorArgs, InstallArgs, KernelArgs, RunArgs, UninstallArgs, VerifyArgs,
};
use crate::config::{Config, ModelSource};
use crate::connection::ConnectionInfo;
use crate::headless::{Ending, ask, research, run, verify};
use crate::prompt::configured_model;
use crate::terminal::{terminal_line, terminal_text};
use crate::{doctor, install, model, server};

mod bench;
mod models;
mod report;
mod serve;
mod training;

/// The work ended badly.
const FAILED: u8 = 1;
/// The command line is wrong.
const MISUSED: u8 = 2;
/// Something is missing.
const MISSING: u8 = 3;
/// The work is done, but its notebook is elsewhere than it was asked for.
const UNSAVED: u8 = 4;
/// Stopped by the user: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// An error, and the exit code it ends the program with.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and why.
    pub cause: anyhow::Error,
    /// The exit code.
    pub code: u8,
}

impl From<anyhow::Error> for Failure {
    fn from(cause: anyhow::Error) -> Self {
        Self { cause, code: MISSING }
    }
}

/// Does what was asked on the command line; returns the exit code.
///
/// # Errors
/// When the work cannot be begun or finished. Work that ends badly is an exit code.
pub fn run(command: Command) -> Result<u8, Failure> {
    Ok(match command {
        Command::Kernel(args) => kernel(args)?,
        Command::Ask(args) => ask(args)?,
        Command::Run(args) => run_notebook(args)?,
        Command::Report(args) => report::report(&args)?,
        Command::Verify(args) => verify_notebook(&args)?,
        Command::Doctor(args) => doctor(args)?,
        Command::Model(args) => models::run(args.command)?,
        Command::Bench(args) => bench::run(*args)?,
        Command::Episodes(args) => training::episodes(args.command)?,
        Command::Reward(args) => training::reward(args)?,
        Command::Train(args) => training::train(&args)?,
        Command::Serve(args) => serve::run(*args)?,
        Command::Install(args) => install(args)?,
        Command::Uninstall(args) => uninstall(args)?,
    })
}

fn kernel(args: KernelArgs) -> Result<u8> {
    let config = Config::resolve_for_kernel(&args.engine, args.companion_args)?;
    let connection = ConnectionInfo::read(&args.connection_file)?;
    block_on(async { Ok(server::run(connection, config).await?) })?;
    Ok(0)
}

fn ask(args: AskArgs) -> Result<u8> {
    let config = Config::resolve(&args.engine, Vec::new())?;
    if args.research {
        return research_data(args, config);
    }
    let question = ask::Question {
        text: args.question.unwrap_or_default(),
        data: args.data,
        preset: args.preset,
        think: args.think,
        output: args.output,
    };
    announce(&config);
    let answer = block_on(async { Ok(ask::ask(config, configured_model(), &question).await?) })?;
    if args.json {
        print_json(&answer)?;
    } else if answer.ending == Ending::Done {
        print(&shown(&answer.answer, std::io::stdout().is_terminal()))?;
    } else {
        say(&format!("no answer: {}", terminal_line(&answer.answer)));
    }
    Ok(answer.unsaved.map_or(code_of(answer.ending), |_| UNSAVED))
}

fn research_data(args: AskArgs, config: Config) -> Result<u8> {
    let (question, data, output) = (args.question.unwrap_or_default(), args.data, args.output);
    let study = research::Study { question, data, output };
    let desk = research::Desk::of_process(!args.yes && !args.json);
    announce(&config);
    let work = research::research(config, configured_model(), &study, desk);
    let studied = block_on(async { Ok(work.await?) })?;
    if args.json {
        print_json(&studied)?;
    } else if studied.status == "done" {
        print(&studied.answer)?;
    } else {
        say(&studied.answer);
    }
    Ok(studied.unsaved.map_or(code_of(studied.ending), |_| UNSAVED))
}

/// An answer as it goes to stdout: a model's text, and to a terminal nothing else than text.
fn shown(answer: &str, to_terminal: bool) -> Cow<'_, str> {
    if to_terminal { Cow::Owned(terminal_text(answer)) } else { Cow::Borrowed(answer) }
}

fn run_notebook(args: RunArgs) -> Result<u8> {
    let config = Config::resolve(&args.engine, Vec::new())?;
    let job =
        run::Job { notebook: args.notebook, output: args.output, allow_errors: args.allow_errors };
    announce(&config);
    let ran = block_on(async { Ok(run::run(config, configured_model(), &job).await?) })?;
    if args.json {
        print_json(&ran)?;
    }
    Ok(ran.unsaved.map_or(code_of(ran.ending), |_| UNSAVED))
}

fn verify_notebook(args: &VerifyArgs) -> Result<u8> {
    let config = Config::resolve(&args.engine.without_a_model(), Vec::new())?;
    let found = block_on(async { Ok(verify::verify(config, &args.notebook).await?) })?;
    if args.json {
        print_json(&found)?;
    } else {
        print(&found.as_text())?;
    }
    Ok(match found.ending {
        Ending::Done if !found.holds => FAILED,
        ending => code_of(ending),
    })
}

/// Says what leaves this machine, before it does.
fn announce(config: &Config) {
    if let Some(notice) = model::notice(&config.model) {
        say(&notice);
    }
}

fn code_of(ending: Ending) -> u8 {
    match ending {
        Ending::Done => 0,
        Ending::Failed => FAILED,
        Ending::Interrupted => INTERRUPTED,
    }
}

/// Tries the sandbox of a kernel with the same settings.
fn probe(args: &DoctorArgs) -> Result<u8> {
    let config = Config::resolve(&args.engine, Vec::new())?;
    let arguments = args.engine.sandbox_arguments(&config.python);
    let report =
        block_on(async { Ok(doctor::probe::run(&config.sandbox.program, &arguments).await?) })?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&report.as_text())?;
    }
    Ok(if report.is_well() { 0 } else { FAILED })
}

fn doctor(args: DoctorArgs) -> Result<u8> {
    if args.probe {
        return probe(&args);
    }
    let config = Config::resolve(&args.engine, Vec::new());
    let source = ModelSource::named(args.engine.model.as_deref(), &args.engine.endpoint)?;
    let described = model::describe(&source, args.engine.device.into());
    let described = described.map(|info| model::line(&info)).map_err(|error| error.to_string());
    let findings = doctor::examine(&config, described);
    if args.json {
        print_json(&findings)?;
    } else {
        print(doctor::as_text(&findings).trim_end())?;
    }
    Ok(if doctor::is_well(&findings) { 0 } else { MISSING })
}

fn install(args: InstallArgs) -> Result<u8> {
    let installed = install::install(&args)?;
    if args.json {
        let (settings, python) = installed.note.clone().unzip();
        let install::Installed { kernelspec, labextension, .. } = &installed;
        print_json(&json!({
            "kernelspec": kernelspec,
            "labextension": labextension,
            "settings": settings,
            "python": python,
        }))?;
    }
    say(&format!("kernelspec  {}", installed.kernelspec.display()));
    if let Some(folder) = installed.labextension {
        say(&format!("extension   {}", folder.display()));
    }
    if let Some((note, python)) = installed.note {
        say(&format!("settings    {}", note.display()));
        warn_of_missing_packages(&python);
    }
    Ok(0)
}

/// The kernel is installed all the same: packages can be added later.
fn warn_of_missing_packages(python: &Path) {
    let (findings, _) = doctor::examine_python(python);
    let wrong: Vec<_> =
        findings.into_iter().filter(|finding| finding.health != doctor::Health::Ok).collect();
    if !wrong.is_empty() {
        say(doctor::as_text(&wrong).trim_end());
    }
}

fn uninstall(args: UninstallArgs) -> Result<u8> {
    let removed: Vec<PathBuf> = install::uninstall(&args)?;
    if args.json {
        print_json(&json!({"removed": removed}))?;
    }
    if removed.is_empty() {
        say("nothing to remove");
    }
    for path in removed {
        say(&format!("removed {}", path.display()));
    }
    Ok(0)
}

/// One thread is enough: the model has its own.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(work)
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to stdout")
}

fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_moves_no_cursor_of_a_terminal_and_is_whole_elsewhere() {
        let answer = "Total:\u{1b}[2J\t**7**\nof\u{202e} all";
        assert_eq!(shown(answer, true), "Total:\u{fffd}[2J\t**7**\nof[U+202E] all");
        assert_eq!(shown(answer, false), answer);
    }
}
