//! Forty questions of our own whose right and wrong answers are known, through the real program, kernel and Python: a
//! server replays what a model said (`fixtures/bench/replay.json`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tests::frontend::{binary, python};
use tests::stand_in::{Answer, StandIn, refusal, writes};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bench")
}

fn replay() -> BTreeMap<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join("replay.json")).unwrap()).unwrap()
}

/// What the recorded model says next: the step, then the answer, to the question that was asked last.
fn says(replay: &BTreeMap<String, Value>, body: &Value) -> Answer {
    let messages = body["messages"].as_array().unwrap();
    let text = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let asked = messages.iter().enumerate().rev().find_map(|(at, message)| {
        let text = text(message);
        let (_, rest) = text.rsplit_once("Question q")?;
        (message["role"] == "user").then(|| (at, format!("q{}", &rest[..2])))
    });
    let (at, id) = asked.expect("a question of the set");
    let said = &replay[&id];
    let has_step = messages.iter().skip(at).any(|message| message["role"] == "assistant");
    let text = if has_step {
        format!(
            "<stop_analysis>\n<thought>That is it.</thought>\n<answer>{}</answer>\n",
            said["answer"].as_str().unwrap()
        )
    } else {
        format!(
            "<step>\n<thought>Look.</thought>\n<action>python_executor</action>\n<action_input>\n{}\n",
            said["code"].as_str().unwrap()
        )
    };
    writes(&text, "stop")
}

fn server() -> StandIn {
    let replay = replay();
    StandIn::answering(move |body| says(&replay, body))
}

fn command(home: &Path, address: &str, output: &str, more: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(["bench", "questions", "--output", output])
        .env("DATARUS_BENCH_DATA", fixtures())
        .args(["--model", address, "--jobs", "4", "--json"])
        .args(more)
        .current_dir(home)
        .env("HOME", home)
        .env("DATARUS_PYTHON", python())
        .stderr(Stdio::piped());
    command
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines of results by the ids of their questions.
fn lines(folder: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(folder.join("results.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["id"].as_str().unwrap().to_owned(), line)).collect()
}

#[test]
fn a_replayed_set_is_graded_as_is_known_and_goes_on_where_it_was_killed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = server();
    // Killed in the middle: what was answered is kept, and not asked again.
    let mut killed =
        command(home, &server.address, "a", &[]).stdout(Stdio::null()).spawn().unwrap();
    let results = home.join("a/results.jsonl");
    while std::fs::read_to_string(&results).unwrap_or_default().lines().count() < 8 {
        assert!(killed.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = lines(&home.join("a"));
    let n_asked = server.asked().len();
    let output = command(home, &server.address, "a", &[]).output().unwrap();
    let summary = json(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("of 40 were answered before"), "{told}");

    let known = replay();
    let after = lines(&home.join("a"));
    assert_eq!(after.len(), 40);
    for (id, line) in &after {
        assert_eq!(line["right"], known[id]["right"], "{id}: {line}");
        assert_eq!((&line["steps"], &line["failed_steps"]), (&1.into(), &0.into()), "{id}: {line}");
    }
    for (id, line) in &before {
        assert_eq!(&after[id], line, "{id} was asked again");
    }
    let right = known.values().filter(|said| said["right"] == true).count();
    assert_eq!(
        (&summary["all"]["right"], &summary["all"]["questions"]),
        (&right.into(), &40.into())
    );
    assert_eq!(summary["levels"]["code"]["questions"], 6);
    // A step and an answer each, and another answer where one stated a number that nothing had printed.
    assert!(server.asked().len() - n_asked <= 3 * (40 - before.len()), "asked more than was open");
    let grounded = summary["all"]["grounded"].as_f64().unwrap();
    assert!(grounded > 0.3 && grounded < 1.0, "{grounded}");
    let notebooks = std::fs::read_dir(home.join("a/notebooks")).unwrap().count();
    assert_eq!(notebooks, 35, "one a session");

    // The same run again asks nothing; another one comes to the same, and they do not differ.
    let n_asked = server.asked().len();
    let again = json(&command(home, &server.address, "a", &[]).output().unwrap());
    assert_eq!((server.asked().len(), &again), (n_asked, &summary));
    json(&command(home, &server.address, "b", &["--only", "q01,q05,q29"]).output().unwrap());
    let other = lines(&home.join("b"));
    assert_eq!(other.keys().collect::<Vec<_>>(), ["q01", "q05", "q29", "q30", "q31"]);
    for (id, line) in &other {
        for field in ["right", "answer", "steps", "numbers", "tokens"] {
            assert_eq!(line[field], after[id][field], "{id}");
        }
    }
    let mut compare = Command::new(binary());
    let compared = json(
        &compare.args(["bench", "compare", "a", "b", "--json"]).current_dir(home).output().unwrap(),
    );
    assert_eq!((&compared["questions"], &compared["sessions"]), (&5.into(), &3.into()));
    assert_eq!(compared["accuracy"]["interval"], serde_json::json!([0.0, 0.0]));
}

#[test]
fn a_server_that_is_gone_ends_the_run_and_its_questions_stay_open() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let is_up = Arc::new(AtomicUsize::new(0));
    let (known, up) = (replay(), Arc::clone(&is_up));
    let server = StandIn::answering(move |body| match up.load(Ordering::Relaxed) {
        0 => refusal("400 Bad Request", "no such thing"),
        _ => says(&known, body),
    });
    let more = ["--limit", "4"];
    let failed = command(home, &server.address, "a", &more).output().unwrap();
    let told = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(3), "{told}");
    assert!(
        told.contains("3 sessions in a row failed") && told.contains("no such thing"),
        "{told}"
    );
    is_up.store(1, Ordering::Relaxed);
    let summary = json(&command(home, &server.address, "a", &more).output().unwrap());
    assert_eq!((&summary["all"]["questions"], &summary["open"]), (&4.into(), &0.into()));
}

#[test]
fn a_question_whose_setup_fails_is_open_and_ends_its_session() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let data = home.join("set");
    std::fs::create_dir(&data).unwrap();
    let questions = [
        r#"{"id": "q01", "question": "Question q01", "session": "s", "setup": "1 / 0", "answer": 3}"#,
        r#"{"id": "q02", "question": "Question q02", "session": "s", "answer": 3}"#,
    ];
    std::fs::write(data.join("questions.jsonl"), questions.join("\n")).unwrap();
    let server = server();
    let more = ["--data", data.to_str().unwrap()];
    let summary = json(&command(home, &server.address, "a", &more).output().unwrap());
    assert_eq!((&summary["all"]["questions"], &summary["open"]), (&0.into(), &2.into()));
    let lines = lines(&home.join("a"));
    assert_eq!(lines.keys().collect::<Vec<_>>(), ["q01"]);
    let answer = lines["q01"]["answer"].as_str().unwrap();
    assert!(answer.contains("ZeroDivisionError: division by zero"), "{answer}");
    assert_eq!((&lines["q01"]["status"], &lines["q01"]["right"]), (&"failed".into(), &Value::Null));
}

#[test]
fn a_suite_without_data_says_where_it_is_published() {
    let mut command = Command::new(binary());
    let output = command.args(["bench", "dabench"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("InfiAgent/InfiAgent") && said.contains("CC BY-NC 4.0"), "{said}");
    let mut command = Command::new(binary());
    let missing =
        command.args(["bench", "dabench", "--data", "/nowhere", "-o", "x"]).output().unwrap();
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("da-dev-labels.jsonl") && said.contains("as published in"), "{said}");
}

#[test]
fn the_embedded_model_answers_what_it_was_taught() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let data = home.join("set");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(fixtures().join("shop.csv"), data.join("shop.csv")).unwrap();
    let questions = [
        r#"{"id": "1", "question": "What is the average price by region?", "files": ["shop.csv"], "check": "'17.25' in answer"}"#,
        r#"{"id": "2", "question": "How many rows does shop.csv have?", "files": ["shop.csv"], "check": "'10 rows' in answer"}"#,
        r#"{"id": "3", "question": "The avergae price by regoin?", "files": ["shop.csv"], "check": "'17.25' in answer"}"#,
    ];
    std::fs::write(data.join("questions.jsonl"), questions.join("\n")).unwrap();
    let run = || {
        let mut command = Command::new(binary());
        command
            .args(["bench", "questions", "--data", "set", "-o", "out", "--jobs", "2", "--json"])
            .current_dir(home)
            .env("HOME", home)
            .env_remove("DATARUS_MODEL")
            .env("DATARUS_PYTHON", python());
        json(&command.output().unwrap())
    };
    let summary = run();
    let first = lines(&home.join("out"));
    assert_eq!(
        (&summary["all"]["questions"], &summary["all"]["right"]),
        (&3.into(), &3.into()),
        "{first:?}"
    );
    let notebook = std::fs::read_to_string(home.join("out/notebooks/3.ipynb")).unwrap();
    assert!(notebook.contains("The avergae price by regoin?"), "it stands as it was typed");
    assert!(summary["all"]["tokens_written"].as_f64().unwrap() > 10.0);
    std::fs::remove_dir_all(home.join("out")).unwrap();
    run();
    let answers = |lines: BTreeMap<String, Value>| {
        lines.into_iter().map(|(id, line)| (id, line["answer"].clone()))
    };
    let (again, first) = (answers(lines(&home.join("out"))), answers(first));
    assert_eq!(
        again.collect::<Vec<_>>(),
        first.collect::<Vec<_>>(),
        "the same seed, the same answers"
    );
}

#[test]
fn an_id_that_no_question_has_is_named_and_nothing_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let output =
        command(home.path(), "http://127.0.0.1:1/v1", "run", &["--only", "q01,q99"]).output();
    let output = output.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("`--only`") && told.contains("found `q99`"), "{told}");
    assert!(!home.path().join("run").exists());
}
