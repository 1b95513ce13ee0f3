//! `datarus episodes make` that breaks off, is stopped, goes on, and meets files of somebody else.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use datarus_agent::llm::Interrupt;
use datarus_kernel::training::make::{Job, Made, MakeError, make};
use serde_json::{Value, json};
use tests::frontend::{binary, config, python};

use crate::episodes::{end, step, sum, task};

fn write(folder: &Path, tasks: &[Value]) -> PathBuf {
    let path = folder.join("tasks.jsonl");
    let lines: Vec<String> = tasks.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// Has the tasks of a file made; `output` lies beside it.
fn run(tasks: &Path, output: &str, solver: Option<&str>) -> Result<Made, MakeError> {
    let job = Job {
        tasks: tasks.to_owned(),
        output: tasks.with_file_name(output),
        solver: solver.map(str::to_owned),
        workers: NonZeroUsize::MIN,
        all: true,
        samples: NonZeroUsize::MIN,
        tokens: false,
    };
    make(&config(&python()), &job, &Interrupt::default(), &mut |_, _| ())
}

fn unsolved(id: &str) -> Value {
    let mut one = sum(id);
    one.as_object_mut().unwrap().shift_remove("solution");
    one
}

/// Ends at the first task of a name that has no file of that name beside it.
const FRAGILE: &str = r#"
import json, os, sys
for line in sys.stdin:
    name = json.loads(line)["order"]["task"]["id"]
    if not os.path.exists(os.path.join(sys.argv[1], name)):
        sys.exit(1)
    print(json.dumps({"thought": "Known.", "answer": "It is 1."}), flush=True)
"#;

#[test]
fn what_broke_off_is_not_written_down_and_is_made_again_by_the_same_call() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("fragile.py");
    std::fs::write(&script, FRAGILE).unwrap();
    let place = folder.path().display();
    let solver = format!("{} {} {place}", python().display(), script.display());
    let mend = |id: &str| std::fs::write(folder.path().join(id), "").unwrap();
    let tasks = write(folder.path(), &["a", "b", "c"].map(unsolved));
    mend("a");
    mend("c");
    let made = run(&tasks, "out.jsonl", Some(&solver)).unwrap();
    assert_eq!((made.episodes, made.broken, made.skipped), (2, 1, 0));
    assert!(!folder.path().join("out.rejected.jsonl").exists());
    mend("b");
    let made = run(&tasks, "out.jsonl", Some(&solver)).unwrap();
    assert_eq!((made.episodes, made.broken, made.kept), (1, 0, 2));
}

#[test]
fn episodes_that_all_break_off_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = write(folder.path(), &["a", "b", "c", "d"].map(unsolved));
    let error = run(&tasks, "out.jsonl", Some("exit 1")).unwrap_err().to_string();
    assert!(error.starts_with("3 episodes in a row broke off"), "{error}");
    assert!(error.contains("`exit 1`"), "{error}");
}

#[test]
fn an_end_signal_stops_a_cell_that_runs_and_what_is_whole_stays() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let began = "open(\"began\", \"w\").close()\nwhile True: pass";
        let endless = task("endless", "?", &[], &[step("Wait.", began), end("1.")]);
        let tasks = write(folder.path(), &[sum("a"), endless]);
        let output = tasks.with_file_name("out.jsonl");
        let mut program = Command::new(binary())
            .args(["episodes", "make", "--workers", "1", "--python"])
            .arg(python())
            .arg("--output")
            .args([&output, &tasks])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while std::fs::metadata(&output).map_or(0, |data| data.len()) == 0 {
            assert_eq!(program.try_wait().unwrap(), None, "it ended before the first episode");
            std::thread::yield_now();
        }
        let id = program.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(program.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(std::fs::read_to_string(&output).unwrap().lines().count(), 1);
        assert!(!folder.path().join("out.rejected.jsonl").exists());
    }
}

#[test]
fn an_episode_of_which_a_part_is_there_is_made_again_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut chat = [sum("first"), sum("second")];
    for one in &mut chat {
        one["episode"] = json!("chat");
    }
    let tasks = write(folder.path(), &[sum("a"), chat[0].clone(), chat[1].clone()]);
    run(&tasks, "out.jsonl", None).unwrap();
    let output = folder.path().join("out.jsonl");
    let whole = std::fs::read_to_string(&output).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for kept in [lines[..2].concat(), lines[..2].concat() + &lines[2][..50]] {
        std::fs::write(&output, kept).unwrap();
        let made = run(&tasks, "out.jsonl", None).unwrap();
        assert_eq!((made.kept, made.episodes, made.trajectories), (1, 1, 2));
        assert_eq!(std::fs::read_to_string(&output).unwrap(), whole);
    }
}

#[test]
fn a_file_that_holds_something_else_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = write(folder.path(), &[sum("a")]);
    let check = |name: &str, text: &str, said: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let output = name.replace("rejected.", "");
        let error = run(&tasks, &output, None).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_file(path).unwrap();
    };
    check("notes.txt", "my notes", "found `my notes`: name another file");
    check("data.csv", "region,revenue\nNorth,1\n", "found `region,revenue`");
    check("other.jsonl", "{\"episode\": 7}\n", "found `{\"episode\": 7}`");
    check("x.rejected.jsonl", "{\"v\":1}", "found `{\"v\":1}`");
    let known = std::fs::read_to_string(&tasks).unwrap();
    let error = run(&tasks, "tasks.jsonl", None).unwrap_err().to_string();
    assert!(error.contains("it or what goes beside it is the file of the tasks"), "{error}");
    assert_eq!(std::fs::read_to_string(&tasks).unwrap(), known);
}
