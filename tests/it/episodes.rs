//! Episodes that really run: real companions, real tables, and what is written down of them.
//!
//! These tests need a Python with ipykernel, pandas and matplotlib, named by `DATARUS_PYTHON`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use datarus_agent::executor::Status;
use datarus_agent::inspector::inspect;
use datarus_agent::llm::{Interrupt, Sampling};
use datarus_agent::reward::{Settings, score};
use datarus_agent::trajectory::{Change, Trajectory, Worth};
use datarus_kernel::training::make::{Job, Made, make};
use serde_json::{Value, json};
use tests::frontend::{config, python};

const SALES: &str = "region,revenue\nNorth,120.5\nSouth,100\n";
pub(crate) const LOAD: &str = "import pandas as pd\ndf = pd.read_csv(\"sales.csv\")\ndf.head(3)";

pub(crate) fn step(thought: &str, code: &str) -> Value {
    json!({"thought": thought, "code": code})
}

pub(crate) fn end(answer: &str) -> Value {
    json!({"thought": "The value is printed.", "answer": answer})
}

pub(crate) fn task(id: &str, prompt: &str, values: &[&str], solution: &[Value]) -> Value {
    json!({
        "task": {"id": id, "prompt": prompt, "family": "test", "level": 1, "seed": 7,
            "checker": {"kind": "number", "values": values}},
        "files": [{"name": "sales.csv", "text": SALES}],
        "solution": solution,
    })
}

pub(crate) fn sum(id: &str) -> Value {
    let solution = [
        step("Load sales.csv.", LOAD),
        step("Sum.", "print(df[\"revenue\"].sum())"),
        end("The total revenue is 220.5."),
    ];
    task(id, "What is the total revenue?", &["220.5"], &solution)
}

/// Has tasks solved in a folder of their own; gives the counts and the lines of the file.
fn made(
    folder: &Path,
    name: &str,
    workers: usize,
    tasks: &[Value],
    solver: Option<&str>,
) -> (Made, String) {
    let path = folder.join("tasks.jsonl");
    let lines: Vec<String> = tasks.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let job = Job {
        tasks: path,
        output: folder.join(name),
        solver: solver.map(str::to_owned),
        workers: NonZeroUsize::new(workers).unwrap(),
        all: false,
        samples: NonZeroUsize::MIN,
        tokens: false,
    };
    let made = make(&config(&python()), &job, &Interrupt::default(), &mut |_, _| ()).unwrap();
    (made, std::fs::read_to_string(job.output).unwrap())
}

pub(crate) fn trajectories(lines: &str) -> Vec<Trajectory> {
    lines.lines().map(|line| Trajectory::parse(line).unwrap()).collect()
}

/// Three questions, a chat about a table in memory among them, one answer that is wrong, one task that is none.
fn tasks() -> Vec<Value> {
    let wrong = [
        step("Load sales.csv.", LOAD),
        step("Mean.", "print(df[\"revenue\"].mean())"),
        end("It is 110.25."),
    ];
    let mut plot = task(
        "plot",
        "Plot the revenue by region",
        &[],
        &[
            step("Bars.", "df.groupby(\"region\")[\"revenue\"].sum().plot.bar(ylabel=\"revenue\")"),
            end("The bar chart of revenue by region is drawn."),
        ],
    );
    plot["task"]["checker"] = json!({"kind": "figure", "values": ["bar", "region", "revenue"]});
    plot["episode"] = json!("chat");
    plot["before"] = json!("import pandas as pd\ndf = pd.read_csv(\"sales.csv\")");
    plot["removed"] = json!(["sales.csv"]);
    let mut mean = task(
        "mean",
        "And the mean?",
        &["110.25"],
        &[step("Mean.", "print(df[\"revenue\"].mean())"), end("The mean is 110.25.")],
    );
    mean["episode"] = json!("chat");
    let none = task("none", "?", &[], &[json!({"skip": "there is no number"})]);
    vec![
        sum("a"),
        task("wrong", "What is the total revenue?", &["220.5"], &wrong),
        plot,
        mean,
        none,
        sum("b"),
    ]
}

#[test]
fn a_file_is_the_same_whatever_the_number_of_workers_and_is_gone_on_with_after_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (counts, one) = made(folder.path(), "one.jsonl", 1, &tasks(), None);
    assert_eq!(
        (counts.episodes, counts.trajectories, counts.rejected, counts.skipped, counts.kept),
        (4, 4, 1, 1, 0)
    );
    let (_, three) = made(folder.path(), "three.jsonl", 3, &tasks(), None);
    assert_eq!(one, three);
    let beside = std::fs::read_to_string(folder.path().join("one.rejected.jsonl")).unwrap();
    assert!(
        beside.contains("the answer is not right") && beside.contains("there is no number"),
        "{beside}"
    );

    let cut = one.len() - 40;
    std::fs::write(folder.path().join("three.jsonl"), &one[..cut]).unwrap();
    let (counts, again) = made(folder.path(), "three.jsonl", 2, &tasks(), None);
    assert_eq!((counts.episodes, counts.kept), (1, 4));
    assert_eq!(again, one);
}

#[test]
fn samples_of_a_model_differ_are_made_again_alike_and_tell_their_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.jsonl");
    std::fs::write(&path, task("a", "What is the total revenue?", &["220.5"], &[]).to_string())
        .unwrap();
    let mut config = config(&python());
    config.sampling = Some(Sampling::Random {
        temperature: 10.0,
        top_k: None,
        top_p: None,
        min_p: None,
        repetition_penalty: None,
    });
    let sampled = |name: &str, tokens: bool, workers: usize| {
        let job = Job {
            tasks: path.clone(),
            output: folder.path().join(name),
            solver: None,
            workers: NonZeroUsize::new(workers).unwrap(),
            all: true,
            samples: NonZeroUsize::new(4).unwrap(),
            tokens,
        };
        make(&config, &job, &Interrupt::default(), &mut |_, _| ()).unwrap();
        trajectories(&std::fs::read_to_string(job.output).unwrap())
    };
    let (first, again) = (sampled("first.jsonl", true, 2), sampled("again.jsonl", false, 1));
    let ids: Vec<&str> = first.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["a", "a.1", "a.2", "a.3"]);
    let written: std::collections::BTreeSet<&[String]> =
        first.iter().map(|one| one.written.as_slice()).collect();
    assert!(written.len() > 1, "{written:?}");
    for (one, other) in first.iter().zip(&again) {
        assert_eq!((one.task.id.as_str(), &one.written), ("a", &other.written));
        assert_eq!(one.calls.len(), one.written.len());
        assert!(one.calls.iter().all(|call| !call.prompt.is_empty() && !call.decisions.is_empty()));
        assert!(other.calls.is_empty());
    }
}

#[test]
fn episodes_are_worth_what_they_did_and_hold_what_a_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_, lines) = made(folder.path(), "out.jsonl", 2, &tasks(), None);
    let all = trajectories(&lines);
    for trajectory in &all {
        assert_eq!(inspect(trajectory), Vec::<String>::new());
        let scores = score(trajectory, &Settings::default(), 0.5, None);
        assert!((scores.reward - 1.0).abs() < 1e-9, "{scores:?}");
    }
    let [a, plot, mean, _] = &all[..] else { panic!("expected four, found {}", all.len()) };
    assert_eq!(a.given.files[0].name, "sales.csv");
    assert_eq!((plot.given.files.len(), &*plot.given.variables[0].name), (0, "df"));
    assert!(
        plot.steps[0].step.execution.figures[0].starts_with("[figure: bar, x=region, y=revenue")
    );
    assert_eq!((&*mean.episode, mean.turn), ("chat", 1));
    assert!(!lines.contains("iVBOR"), "pictures are described, not kept");
}

/// What is seen of a cell after the table was loaded.
#[test]
fn the_evidence_of_a_cell_tells_names_and_files() {
    let codes = [
        "total = df[\"revenue\"].sum()\nn = 7",
        "df[\"twice\"] = df.revenue * 2\nprint(\"done\")",
        "print(total, 42)",
        "df.to_csv(\"out/copy.csv\") if False else open(\"note.txt\", \"w\").write(\"x\")",
        "with open(\"note.txt\") as file:\n    text = file.read()\nprint(n)",
        "import os\nos.remove(\"note.txt\")",
        "for value in df.revenue:\n    print(value)",
        "df[\"nope\"]",
        "%time x = 1",
    ];
    let mut solution = vec![step("Load.", LOAD)];
    solution.extend(codes.iter().map(|code| step("Look.", code)));
    solution.push(end("It is 220.5."));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.jsonl");
    std::fs::write(&path, task("a", "?", &["220.5"], &solution).to_string()).unwrap();
    let job = Job {
        tasks: path,
        output: folder.path().join("out.jsonl"),
        solver: None,
        workers: NonZeroUsize::MIN,
        all: true,
        samples: NonZeroUsize::MIN,
        tokens: false,
    };
    make(&config(&python()), &job, &Interrupt::default(), &mut |_, _| ()).unwrap();
    let lines = std::fs::read_to_string(job.output).unwrap();
    let steps = trajectories(&lines).remove(0).steps;
    let seen: Vec<_> = steps.iter().map(|done| done.evidence.clone().unwrap()).collect();
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (&seen[0].writes["df"], &seen[0].opens),
        (&list(&["sales.csv"]), &list(&["sales.csv"]))
    );
    assert_eq!((&seen[0].shows, &seen[0].writes["pd"]), (&list(&["sales.csv"]), &list(&[])));
    assert_eq!((&seen[1].writes["total"], &seen[1].writes["n"]), (&list(&["df"]), &list(&[])));
    assert_eq!((&seen[2].writes["df"], &seen[2].shows), (&list(&["df"]), &list(&[])));
    assert_eq!((&seen[3].reads, &seen[3].shows), (&list(&["total"]), &list(&["total"])));
    assert_eq!(seen[4].changes["note.txt"], Change::Made);
    assert_eq!((&seen[5].opens, &seen[5].shows), (&list(&["note.txt"]), &list(&["n"])));
    assert_eq!(seen[6].changes["note.txt"], Change::Deleted);
    assert_eq!(seen[7].shows, list(&["df"]));
    assert_eq!(steps[8].step.execution.status, Status::Error);
    assert_eq!(steps[9].step.execution.status, Status::Ok);
}

#[test]
fn an_episode_finds_nothing_of_the_one_before() {
    let dirty = [
        step(
            "Leave things.",
            "import os, pandas as pd\nleft = 1\nopen(\"left.txt\", \"w\").write(\"x\")\nos.chdir(\"/\")\npd.Series.sum = lambda self: 42",
        ),
        end("It is 1."),
    ];
    let clean = [
        step("Look.", "import os\nprint(\"left\" in dir(), os.listdir(), os.getcwd() == \"/\")"),
        step("Load.", LOAD),
        step("Sum.", "print(df[\"revenue\"].sum())"),
        end("It is 220.5."),
    ];
    let folder = tempfile::tempdir().unwrap();
    let tasks = [task("dirty", "?", &["1"], &dirty), task("clean", "?", &["220.5"], &clean)];
    let (_, lines) = made(folder.path(), "out.jsonl", 1, &tasks, None);
    let clean = trajectories(&lines).pop().unwrap();
    let printed = |at: usize| json!(clean.steps[at].step.execution.outputs)[0]["text"].clone();
    assert_eq!(printed(0), "False ['sales.csv'] False\n");
    assert_eq!(printed(2), "220.5\n");
    assert_eq!(clean.steps[0].step.execution.execution_count, Some(1));
}

/// It answers with what it was shown last.
const SOLVER: &str = r#"
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    shown = asked["shown"]
    moves = [
        {"thought": "Load.", "code": "import pandas as pd\ndf = pd.read_csv('sales.csv')\nprint(df.shap)", "worth": "mistake"},
        {"thought": "Sum of " + asked["order"]["solver"]["column"], "code": "print(df['revenue'].sum())"},
    ]
    if len(shown) < len(moves):
        move = moves[len(shown)]
    else:
        assert shown[0]["failed"] and not shown[1]["failed"]
        move = {"thought": "Printed.", "answer": f"The revenue is {shown[-1]['text']}.",
                "checker": {"kind": "number", "values": [shown[-1]["text"]]}}
    print(json.dumps(move), flush=True)
"#;

#[test]
fn a_program_solves_tasks_move_by_move() {
    let folder = tempfile::tempdir().unwrap();
    let script: PathBuf = folder.path().join("solver.py");
    std::fs::write(&script, SOLVER).unwrap();
    let mut one = sum("a");
    let order = one.as_object_mut().unwrap();
    order.shift_remove("solution");
    order.insert("solver".into(), json!({"column": "revenue"}));
    order["task"].as_object_mut().unwrap().shift_remove("checker");
    let solver = format!("{} {}", python().display(), script.display());
    let (counts, lines) = made(folder.path(), "out.jsonl", 1, &[one], Some(&solver));
    assert_eq!((counts.trajectories, counts.rejected), (1, 0));
    let trajectory = trajectories(&lines).remove(0);
    assert_eq!(trajectory.answer(), Some("The revenue is 220.5."));
    assert_eq!(trajectory.steps[0].worth, Worth::Mistake);
    assert_eq!(trajectory.task.checker.unwrap().values, ["220.5"]);
}

#[test]
fn the_embedded_model_solves_tasks_in_the_loop_that_users_meet() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = sum("a");
    one.as_object_mut().unwrap().shift_remove("solution");
    let path = folder.path().join("tasks.jsonl");
    std::fs::write(&path, one.to_string()).unwrap();
    let job = Job {
        tasks: path,
        output: folder.path().join("out.jsonl"),
        solver: None,
        workers: NonZeroUsize::MIN,
        all: true,
        samples: NonZeroUsize::MIN,
        tokens: false,
    };
    make(&config(&python()), &job, &Interrupt::default(), &mut |_, _| ()).unwrap();
    let trajectory = trajectories(&std::fs::read_to_string(job.output).unwrap()).remove(0);
    assert!(trajectory.written[0].starts_with("<step>"), "{:?}", trajectory.written);
    assert_eq!(trajectory.steps.len() + 1, trajectory.written.len());
    assert!(trajectory.steps.iter().all(|done| done.evidence.is_some()));
}
