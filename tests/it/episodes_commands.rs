//! The commands about trajectories that start or ask something else: a trainer, a judge.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tests::frontend::binary;
use tests::stand_in::{StandIn, writes};

#[test]
fn a_training_is_the_process_that_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    std::fs::write(&python, "#!/bin/sh\n[ \"$1\" = -c ] || { echo $$; exit 7; }\n").unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Command::new(binary())
        .args(["train", "--training-python"])
        .arg(&python)
        .arg("--output")
        .arg(folder.path().join("out"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = program.id().to_string();
    let ended = program.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).trim()),
        (Some(7), &*id)
    );
}

const LINE: &str = r#"{"v":1,"id":"NAME","episode":"NAME","task":{"id":"t","prompt":"Total?"},"steps":[],"outcome":{"kind":"answered","thought":"Known.","answer":"It is 1."}}"#;

#[test]
fn a_trajectory_without_a_verdict_is_left_out_and_told_and_the_others_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let lines = ["first", "second", "third"].map(|name| LINE.replace("NAME", name));
    std::fs::write(folder.path().join("done.jsonl"), lines.join("\n")).unwrap();
    let verdict = "{\"steps\": [], \"whole\": 5, \"report\": [5, 5, 5, 5, 5]}";
    let server = StandIn::start(vec![
        writes(verdict, "stop"),
        writes("A fine analysis, 85 of 100.", "stop"),
        writes(verdict, "stop"),
    ]);
    let judged = Command::new(binary())
        .args(["reward", "done.jsonl", "--json", "--judge", &server.address])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (told, said) =
        (String::from_utf8_lossy(&judged.stdout), String::from_utf8_lossy(&judged.stderr));
    assert_eq!(judged.status.code(), Some(1), "{said}");
    assert!(said.contains("the trajectory `second` was not judged"), "{said}");
    assert!(said.contains("found `A fine analysis, 85 of 100.`"), "{said}");
    let names: Vec<bool> = ["first", "second", "third"].map(|name| told.contains(name)).into();
    assert_eq!(names, [true, false, true], "{told}");
}

#[test]
fn what_is_wrong_with_trajectories_is_said_for_people_and_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    let about_it =
        LINE.replace("Known.", "The total is known.").replace("It is 1.", "The total is known.");
    let lines = [about_it.replace("NAME", "first"), LINE.replace("NAME", "second")].join("\n");
    std::fs::write(folder.path().join("done.jsonl"), lines).unwrap();
    let inspected = |more: &[&str]| {
        Command::new(binary())
            .args(["episodes", "inspect", "done.jsonl"])
            .args(more)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let (people, machine) = (inspected(&[]), inspected(&["--json"]));
    assert_eq!((people.status.code(), machine.status.code()), (Some(1), Some(1)));
    let rows: Vec<serde_json::Value> = String::from_utf8_lossy(&machine.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let problems = |row: &serde_json::Value| -> Vec<String> {
        let problems = row["problems"].as_array().unwrap().iter();
        problems.map(|problem| problem.as_str().unwrap().to_owned()).collect()
    };
    // A thought about nothing is what the second has besides.
    assert_eq!((problems(&rows[0]).len(), problems(&rows[1]).len()), (1, 2), "{rows:?}");
    let line = |row: &serde_json::Value| {
        format!("{}: {}\n", row["id"].as_str().unwrap(), problems(row).join("; "))
    };
    let expected: String = rows.iter().map(line).collect();
    assert_eq!(String::from_utf8_lossy(&people.stdout), expected);
}

#[test]
fn the_turns_of_a_notebook_become_trajectories_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let cell = |kind: &str, id: &str, source: &str, facts: serde_json::Value| {
        let mut cell = serde_json::json!({"cell_type": kind, "id": id, "source": source, "metadata": {"datarus": facts}});
        if kind == "code" {
            cell["outputs"] = serde_json::json!([]);
            cell["execution_count"] = serde_json::Value::Null;
        }
        cell
    };
    let notebook = serde_json::json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        cell("code", "p", "> Total?", serde_json::json!({"role": "prompt", "turn": "t_1", "dialect": "datarus"})),
        cell("markdown", "a", "It is 1.", serde_json::json!({"role": "answer", "turn": "t_1"})),
    ]});
    std::fs::write(folder.path().join("n.ipynb"), notebook.to_string()).unwrap();
    let taken = Command::new(binary())
        .args(["episodes", "from", "n.ipynb"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&taken.stdout);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(
        (&line["task"]["prompt"], &line["outcome"]["answer"]),
        (&"Total?".into(), &"It is 1.".into())
    );
}
