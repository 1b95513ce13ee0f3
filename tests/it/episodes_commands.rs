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
