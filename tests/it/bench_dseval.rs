//! A set of our own in the form of `DSEval` (`fixtures/dseval`), whose right and wrong submissions are known, through the
//! real program, kernel and Python.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tests::frontend::{binary, python};
use tests::stand_in::{Answer, StandIn, writes};

/// What the model runs for each problem: the second one prints what it should leave as a value, the fourth spoils the
/// table, and the last is right only where the table is that of the reference.
const CODE: [&str; 5] = [
    "import pandas as pd\nsales = pd.read_csv('inputs/sales.csv')",
    "print(sales['amount'].sum())",
    "[8, 4]",
    "sales['double'] = 0",
    "sales['double'].max()",
];

fn text(message: &Value) -> &str {
    message["content"].as_str().unwrap_or_default()
}

fn says(body: &Value) -> Answer {
    let messages = body["messages"].as_array().unwrap();
    let asked = messages.iter().enumerate().rev().find_map(|(at, message)| {
        let (_, rest) = text(message).rsplit_once("(d").filter(|_| message["role"] == "user")?;
        Some((at, rest[..1].parse::<usize>().ok()?))
    });
    let (at, number) = asked.expect("a problem of the set");
    if messages.iter().skip(at).any(|message| message["role"] == "assistant") {
        return writes("## Answer\n\nThat is it.", "stop");
    }
    writes(&format!("Do it.\n\n```python\n{}\n```\n", CODE[number - 1]), "stop")
}

/// Asks a split; gives which problems were right, with their parts, and what the model was told of the last one.
fn run(split: &str) -> (BTreeMap<String, (bool, Vec<String>)>, String) {
    let home = tempfile::tempdir().unwrap();
    let last = Arc::new(Mutex::new(String::new()));
    let seen = last.clone();
    let server = StandIn::answering(move |body| {
        let all: String = body["messages"].as_array().unwrap().iter().map(text).collect();
        if all.contains("(d5)") {
            *seen.lock().unwrap() = all;
        }
        says(body)
    });
    let output = Command::new(binary())
        .args(["bench", "dseval", "--split", split, "--output", "run", "--json"])
        .args(["--dialect", "markdown", "--model", &server.address])
        .env("DATARUS_BENCH_DATA", Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dseval"))
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("DATARUS_PYTHON", python())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("`exercise/*.py` is not the file that was published"), "{told}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["all"]["graded"], &summary["all"]["right"]), (&5.into(), &3.into()));
    let lines = std::fs::read_to_string(home.path().join("run/results.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let graded = lines.map(|line| {
        let wrong = line["parts"].as_array().unwrap().iter().filter(|part| part[1] == false);
        let wrong = wrong.map(|part| part[0].as_str().unwrap().to_owned()).collect();
        (line["id"].as_str().unwrap().to_owned(), (line["right"] == true, wrong))
    });
    (graded.collect(), last.lock().unwrap().clone())
}

#[track_caller]
fn check(split: &str) -> String {
    let (graded, told) = run(split);
    let wrong = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let expected = BTreeMap::from([
        ("sales-1".to_owned(), (true, wrong(&[]))),
        ("sales-2".to_owned(), (false, wrong(&["result"]))),
        ("sales-3".to_owned(), (true, wrong(&[]))),
        ("sales-4".to_owned(), (false, wrong(&["namespace_check"]))),
        ("sales-5".to_owned(), (true, wrong(&[]))),
    ]);
    assert_eq!(graded, expected, "{split}");
    told
}

#[test]
fn a_problem_stands_behind_the_reference_of_those_before_it() {
    let told = check("exercise");
    assert!(told.contains("sales[\"double\"] = sales[\"amount\"] * 2"), "{told}");
    assert!(!told.contains("sales['double'] = 0"), "{told}");
}

#[test]
fn a_session_goes_on_with_the_references_variables_and_ones_own_code() {
    let told = check("exercise-propagated");
    assert!(told.contains("sales['double'] = 0"), "{told}");
    assert!(!told.contains("sales[\"double\"] = sales[\"amount\"] * 2"), "{told}");
}
