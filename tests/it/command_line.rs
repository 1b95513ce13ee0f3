//! What can be typed: each command and each argument says what it is for, can be read by a machine where that makes sense,
//! and is run by a test.

use std::path::Path;
use std::process::Command as Process;

use clap::{Command, CommandFactory as _};
use datarus_kernel::cli::Cli;
use tests::frontend::binary;

/// Each command, and a file whose tests run it.
const TESTED: [(&str, &str); 24] = [
    ("ask", "tests/it/headless.rs"),
    ("run", "tests/conformance/test_notebooks.py"),
    ("report", "tests/conformance/test_report.py"),
    ("verify", "tests/conformance/test_verify.py"),
    ("doctor", "tests/it/sandbox.rs"),
    ("model add", "tests/it/models.rs"),
    ("model list", "tests/it/models.rs"),
    ("model remove", "tests/it/models.rs"),
    ("model info", "tests/it/models.rs"),
    ("model bench", "tests/it/models.rs"),
    ("bench", "tests/it/bench.rs"),
    ("bench compare", "tests/it/bench.rs"),
    ("episodes make", "tests/it/episodes_cut.rs"),
    ("episodes tasks", "tests/it/thought_up.rs"),
    ("episodes refine", "tests/it/thought_up.rs"),
    ("episodes from", "tests/it/episodes_commands.rs"),
    ("episodes inspect", "tests/it/episodes_commands.rs"),
    ("episodes export", "tests/conformance/test_rows.py"),
    ("reward", "tests/it/episodes_commands.rs"),
    ("train", "tests/it/episodes_commands.rs"),
    ("serve", "tests/conformance/test_serve.py"),
    ("install", "tests/conformance/test_install.py"),
    ("uninstall", "tests/conformance/test_install.py"),
    ("kernel", "tests/conformance/kernels.py"),
];

/// Commands whose output is for machines as it is: the trajectories themselves, a folder with a report of curves, and
/// messages over sockets.
const NOT_PRINTED: [&str; 3] = ["episodes from", "train", "kernel"];

/// Each command that does something, with its path as it is typed.
fn commands() -> Vec<(String, Command)> {
    fn walk(command: &Command, above: &str, found: &mut Vec<(String, Command)>) {
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            let path = format!("{above} {}", command.get_name()).trim().to_owned();
            if !command.is_subcommand_required_set() {
                found.push((path.clone(), command.clone()));
            }
            walk(command, &path, found);
        }
    }
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    walk(&cli, "", &mut found);
    found
}

#[test]
fn each_command_and_each_argument_says_what_it_is_for() {
    for (path, command) in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.len() > 10, "`{path}`: {about:?}");
        for arg in command.get_arguments() {
            let (id, help) = (arg.get_id(), arg.get_help().map(ToString::to_string));
            let help = help.unwrap_or_default();
            let named = matches!(id.as_str(), "help" | "version");
            assert!(named || help.len() > 8, "`{path}`, `{id}`: {help:?}");
        }
    }
}

#[test]
fn what_each_command_prints_a_machine_can_read() {
    for (path, command) in commands() {
        let has_json = command.get_arguments().any(|arg| arg.get_id() == "json");
        assert_eq!(has_json, !NOT_PRINTED.contains(&path.as_str()), "`{path}`");
    }
}

#[test]
fn each_command_is_run_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let paths: Vec<String> = commands().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, TESTED.map(|(path, _)| path.to_owned()));
    for (path, file) in TESTED {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let word = path.rsplit(' ').next().unwrap_or(path);
        assert!(text.contains(&format!("\"{word}\"")), "`{path}` is not in {file}");
    }
}

#[test]
fn help_is_printed_for_each_command() {
    for (path, command) in commands() {
        let mut words = vec!["help"];
        words.extend(path.split(' '));
        let printed = Process::new(binary()).args(&words).output().unwrap();
        let text = String::from_utf8(printed.stdout).unwrap();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(printed.status.success() && text.starts_with(&about), "`{path}`: {text}");
    }
}
