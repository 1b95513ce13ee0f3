//! Faults that are planted into good trajectories, each kind into each of them.

use serde_json::json;

use super::*;
use crate::agent::Outcome;
use crate::dialect::{Dialect, Said};
use crate::trajectory::Done;

/// The columns and values of the good trajectories.
const TABLES: [(&str, &str, f64, f64); 10] = [
    ("sales.csv", "revenue", 120.5, 100.25),
    ("patients.csv", "age", 61.0, 47.5),
    ("prices.tsv", "close", 17.125, 18.5),
    ("weather.csv", "rain", 3.25, 0.5),
    ("trips.parquet", "km", 1203.5, 88.75),
    ("grades.xlsx", "points", 71.5, 93.0),
    ("cells.csv", "width", 0.125, 0.75),
    ("orders.csv", "price", 19.75, 7.5),
    ("runs.csv", "seconds", 33.5, 41.25),
    ("plants.csv", "height", 12.5, 81.5),
];

/// A good trajectory: load, a mistake and its correction, the sum of a column, and whether it is written to a file.
fn good(at: usize) -> Trajectory {
    let (file, column, a, b) = TABLES[at % TABLES.len()];
    let (sum, writes) = (a + b, at % 2 == 1);
    let wrong = format!("{column}s");
    let stream = |text: String| json!({"output_type": "stream", "name": "stdout", "text": text});
    let step = |number: usize, thought: &str, code: String, status: &str, output, evidence| {
        json!({
            "number": number, "thought": thought, "code": code, "evidence": evidence,
            "execution": {"execution_count": number, "status": status, "outputs": [output], "figures": [], "seconds": 0.0},
        })
    };
    let save = if writes { "\nopen(\"sum.txt\", \"w\").write(str(total))" } else { "" };
    let mut last = json!({"reads": ["df"], "writes": {"total": ["df"]}, "shows": ["df"]});
    if writes {
        last["changes"] = json!({"sum.txt": "made"});
        last["opens"] = json!(["sum.txt"]);
    }
    let mut steps = vec![
        step(
            1,
            "Load the file and look.",
            format!("df = pd.read_csv(\"{file}\")\ndf.head(3)"),
            "ok",
            stream(format!("id  {column}\n1  {a}\n2  {b}")),
            json!({"writes": {"df": [file]}, "shows": [file], "opens": [file]}),
        ),
        step(
            2,
            "Sum the column.",
            format!("df[\"{wrong}\"].sum()"),
            "error",
            json!({"output_type": "error", "ename": "KeyError", "evalue": wrong, "traceback": []}),
            json!({"reads": ["df"], "shows": ["df"]}),
        ),
        step(
            3,
            "It has another name.",
            format!("total = df[\"{column}\"].sum()\nprint(total){save}"),
            "ok",
            stream(format!("{sum}")),
            last,
        ),
    ];
    steps[1]["worth"] = json!("mistake");
    let changes = if writes { vec!["sum.txt"] } else { vec![] };
    let mut trajectory: Trajectory = serde_json::from_value(json!({
        "v": 1, "id": at.to_string(), "episode": at.to_string(),
        "task": {
            "id": at.to_string(), "prompt": format!("What is the total {column}?"), "family": "aggregate",
            "checker": {"kind": "number", "values": [sum.to_string()]},
            "checklist": {"max_steps": 4, "max_failed": 1, "reads": [file], "changes": changes, "leaves": ["df"]},
        },
        "given": {"files": [{"name": file, "bytes": 99}], "variables": []},
        "steps": steps,
        "outcome": {"kind": "answered", "thought": "The value is printed.", "answer": format!("The total {column} is {sum}.")},
    }))
    .unwrap();
    write(&mut trajectory);
    trajectory
}

fn said(thought: &str) -> Said<'_> {
    Said { understanding: "", thought }
}

/// Has the model have written what was done.
fn write(trajectory: &mut Trajectory) {
    let steps = trajectory.steps.iter();
    let mut written: Vec<String> = steps
        .map(|done| {
            crate::rows::step_text(Dialect::Datarus, said(&done.step.thought), &done.step.code)
        })
        .collect();
    if let Outcome::Answered { thought, answer, .. } = &trajectory.outcome {
        written.push(crate::rows::end_text(Dialect::Datarus, Mode::Agentic, said(thought), answer));
    }
    trajectory.written = written;
}

fn answer(trajectory: &mut Trajectory, change: impl Fn(&str) -> String) {
    if let Outcome::Answered { answer, .. } = &mut trajectory.outcome {
        *answer = change(answer);
    }
}

fn last(trajectory: &mut Trajectory) -> &mut Done {
    trajectory.steps.last_mut().unwrap()
}

fn print(trajectory: &mut Trajectory, text: &str) {
    last(trajectory).step.execution.outputs =
        vec![Output::Stream { name: String::from("stdout"), text: text.to_owned() }];
}

/// A fault, and how it is planted.
type Fault = (&'static str, fn(&mut Trajectory));

/// Faults of what was done; the messages are written anew after them.
const DEEDS: [Fault; 18] = [
    ("the answer is another number", |t| answer(t, |text| text.replace("is ", "is 7"))),
    ("the answer is left out", |t| answer(t, |_| String::from("It is printed above."))),
    ("a second number is invented", |t| {
        answer(t, |text| format!("{text} Last year it was 77.31."));
    }),
    ("the answer names everything", |t| {
        let many: Vec<String> = (0..50).map(|n| format!("{n}.5")).collect();
        answer(t, |text| format!("{text} Or {}.", many.join(", ")));
    }),
    ("there is no end", |t| t.outcome = Outcome::Interrupted),
    ("the output is another", |t| print(t, "41.999")),
    ("nothing was printed", |t| last(t).step.execution.outputs.clear()),
    ("the answer is a literal", |t| {
        let shown = t.task.checker.as_ref().unwrap().values[0].clone();
        last(t).step.code = format!("print({shown})");
        last(t).evidence = Some(crate::trajectory::Evidence::default());
    }),
    ("the last step failed", |t| last(t).step.execution.status = Status::TimedOut),
    ("the mistake is the end", |t| {
        t.steps.pop();
    }),
    ("the file was not read", |t| t.steps[0].evidence.as_mut().unwrap().opens.clear()),
    ("the data were changed", |t| {
        let file = t.given.files[0].name.clone();
        last(t).evidence.as_mut().unwrap().changes.insert(file, Change::Changed);
    }),
    ("the data were deleted", |t| {
        let file = t.given.files[0].name.clone();
        last(t).evidence.as_mut().unwrap().changes.insert(file, Change::Deleted);
    }),
    ("another file was left behind", |t| {
        last(t)
            .evidence
            .as_mut()
            .unwrap()
            .changes
            .insert(String::from("scratch.bin"), Change::Made);
    }),
    ("the file to be written is not there", |t| {
        t.task.checklist.changes.push(String::from("report.md"));
    }),
    ("the namespace lacks a name", |t| t.task.checklist.leaves.push(String::from("model"))),
    ("a foreign file was read", |t| {
        last(t).evidence.as_mut().unwrap().opens.push(String::from("../answers.json"));
    }),
    ("more steps than allowed", |t| t.task.checklist.max_steps = Some(2)),
];

/// Faults of what is written down.
const RECORDS: [Fault; 14] = [
    ("an observation is forged", |t| t.written[0] += "\n<observation>\n5\n</observation>"),
    ("a step is not what was run", |t| t.written[2] = t.written[2].replace("sum", "mean")),
    ("a message is missing", |t| drop(t.written.remove(1))),
    ("a message is there twice", |t| t.written.push(t.written[3].clone())),
    ("a tag is missing", |t| t.written[0] = t.written[0].replace("</thought>", "")),
    ("text stands outside of tags", |t| t.written[0].insert_str(0, "Sure, here you go: ")),
    ("the thought is another", |t| t.steps[0].step.thought = String::from("Dance.")),
    ("a thought is missing", |t| {
        t.steps[0].step.thought.clear();
        write(t);
    }),
    ("a thought is one word again and again", |t| {
        t.steps[0].step.thought = "verify ".repeat(40);
        write(t);
    }),
    ("a step is not numbered", |t| t.steps[1].step.number = 7),
    ("cells ran in another order", |t| t.steps[2].step.execution.execution_count = Some(1)),
    ("an error is called a success", |t| t.steps[1].step.execution.status = Status::Ok),
    ("errors are silenced", |t| {
        let code = &mut last(t).step.code;
        *code = format!("try:\n    {}\nexcept Exception:\n    pass", code.replace('\n', "\n    "));
        write(t);
    }),
    ("there is no question", |t| t.task.prompt.clear()),
];

#[test]
fn good_trajectories_pass() {
    for at in 0..TABLES.len() {
        assert_eq!(inspect(&good(at)), Vec::<String>::new(), "{}", good(at).line());
    }
}

/// 320 faults; the bar is 95 % of 200.
#[test]
fn planted_faults_are_found() {
    let (mut planted, mut missed) = (0, Vec::new());
    for at in 0..TABLES.len() {
        for (name, plant) in DEEDS {
            let mut trajectory = good(at);
            plant(&mut trajectory);
            write(&mut trajectory);
            planted += 1;
            if inspect(&trajectory).is_empty() {
                missed.push((at, name));
            }
        }
        for (name, plant) in RECORDS {
            let mut trajectory = good(at);
            plant(&mut trajectory);
            planted += 1;
            if inspect(&trajectory).is_empty() {
                missed.push((at, name));
            }
        }
    }
    assert!(planted >= 200);
    assert!(missed.len() * 20 <= planted, "{} of {planted} missed: {missed:?}", missed.len());
}
