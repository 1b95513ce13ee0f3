//! Tasks that a model thinks up, and thoughts that it writes anew, by the program and a server that says what is written
//! here.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tests::frontend::{binary, python};
use tests::stand_in::{Answer, StandIn, writes};

fn step(code: &str) -> Answer {
    let text = format!(
        "<step>\n<thought>Look at the sales.</thought>\n<action>python_executor</action>\n<action_input>\n{code}\n"
    );
    writes(&text, "stop")
}

fn answer(text: &str) -> Answer {
    let text =
        format!("<stop_analysis>\n<thought>It is printed.</thought>\n<answer>{text}</answer>\n");
    writes(&text, "stop")
}

const TOTAL: &str =
    "import pandas as pd\ndf = pd.read_csv(\"sales.csv\")\nprint(df[\"revenue\"].sum())";

/// A folder with two sales.
fn sales() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let table = "region,revenue\nNorth,120.5\nSouth,100\n";
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/sales.csv"), table).unwrap();
    folder
}

fn datarus(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .env("DATARUS_PYTHON", python())
        .env("XDG_STATE_HOME", folder.join("state"))
        .output()
        .unwrap()
}

/// What a command that went well printed as JSON.
fn told(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn tasks_that_a_model_has_thought_up_and_computed_are_made_and_checked() {
    let folder = sales();
    let draft = |question: &str, value: &str| json!({"question": question, "answer": {"kind": "number", "values": [value]}, "reads": ["sales.csv"]});
    let (total, rows) =
        (draft("What is the total revenue?", "220.5"), draft("How many regions are there?", "2"));
    let first = json!([total, draft("What was last year's revenue?", "317.25")]).to_string();
    let server = StandIn::start(vec![
        step(TOTAL),
        answer(&first),
        step("import pandas as pd\nprint(len(pd.read_csv(\"sales.csv\")))"),
        answer(&json!([rows]).to_string()),
    ]);
    let thought_up = ["episodes", "tasks", "data", "-o", "tasks.jsonl", "--count", "2", "--json"];
    let thought_up = [&thought_up[..], &["--model", &server.address]].concat();
    let found = told(&datarus(folder.path(), &thought_up));
    let counts = |tasks: usize, kept: usize, refused: usize| json!({"tasks": tasks, "kept": kept, "refused": refused, "interrupted": false, "given_up": null});
    assert_eq!(found, counts(2, 0, 1));
    let again = told(&datarus(folder.path(), &thought_up));
    assert_eq!(again, counts(0, 2, 0));
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    let next = asked[2].body.to_string();
    assert!(next.contains("- What is the total revenue?"), "{next}");
    assert!(next.contains("is answered by `317.25`, which no cell printed"), "{next}");

    let solver = StandIn::start(vec![
        step(TOTAL),
        answer("The total revenue is 220.5."),
        step("import pandas as pd\nprint(pd.read_csv(\"sales.csv\").shape)"),
        answer("There are 3 regions."),
    ]);
    let make = [
        "episodes",
        "make",
        "tasks.jsonl",
        "-o",
        "done.jsonl",
        "--all",
        "--workers",
        "1",
        "--json",
    ];
    let make = [&make[..], &["--model", &solver.address]].concat();
    assert_eq!(told(&datarus(folder.path(), &make))["trajectories"], 2);
    let scored = datarus(folder.path(), &["reward", "done.jsonl", "--json"]);
    let scored = String::from_utf8(scored.stdout).unwrap();
    let right: Vec<Value> = scored
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["correct"].clone())
        .collect();
    assert_eq!(right, [json!(1.0), json!(0.0)]);
    let after = std::fs::read_to_string(folder.path().join("data/sales.csv")).unwrap();
    assert!(after.ends_with("South,100\n"));
}

#[test]
fn the_embedded_model_is_not_asked_for_tasks_and_one_that_writes_none_is_given_up() {
    let folder = sales();
    let thought_up = ["episodes", "tasks", "data", "-o", "tasks.jsonl", "--count", "2"];
    let small = datarus(folder.path(), &[&thought_up[..], &["--model", "embedded"]].concat());
    let said = String::from_utf8_lossy(&small.stderr);
    assert_eq!(small.status.code(), Some(3), "{said}");
    assert!(said.contains("the embedded model cannot think up tasks"), "{said}");

    let server = StandIn::start(vec![answer("I would ask for the total.")]);
    let chatty = datarus(folder.path(), &[&thought_up[..], &["--model", &server.address]].concat());
    let said = String::from_utf8_lossy(&chatty.stderr);
    assert_eq!(chatty.status.code(), Some(1), "{said}");
    assert!(said.contains("no task that could be taken: there was no list of JSON"), "{said}");
}

#[test]
fn thoughts_are_written_anew_where_they_can_be_taken_and_what_ran_stays() {
    let folder = tempfile::tempdir().unwrap();
    let step = |number: u32, worth: &str| {
        json!({"number": number, "thought": "Look.", "code": "print(220.5)", "worth": worth, "execution":
            {"execution_count": number, "status": "ok", "figures": [], "seconds": 0.1, "lost": false,
             "outputs": [{"output_type": "stream", "name": "stdout", "text": "220.5\n"}]}})
    };
    let line = |id: &str| {
        json!({"v": 1, "id": id, "episode": id, "task": {"id": "t", "prompt": "Total?"}, "by": "a program",
            "steps": [step(1, "mistake"), step(2, "example")], "written": ["<step>…"],
            "outcome": {"kind": "answered", "thought": "Known.", "answer": "It is 220.5."}})
        .to_string()
    };
    std::fs::write(folder.path().join("done.jsonl"), line("first") + "\n" + &line("second"))
        .unwrap();
    let server = StandIn::start(vec![
        writes("<think>Hm.</think>The first try says 220.5, but I check it again.", "stop"),
        writes("The total is there, therefore it was 317.25 before.", "stop"),
        writes("The total is printed twice, therefore I can tell it.", "stop"),
        // Nothing of the other one can be taken.
        writes("I look at it.", "stop"),
    ]);
    let refine = ["episodes", "refine", "done.jsonl", "-o", "new.jsonl", "--json"];
    let refine = [&refine[..], &["--model", &server.address]].concat();
    let made = told(&datarus(folder.path(), &refine));
    let expected =
        json!({"trajectories": 2, "kept": 0, "rewritten": 2, "left": 2, "interrupted": false});
    assert_eq!(made, expected);
    let new = lines(&folder.path().join("new.jsonl"));
    let thoughts = |line: &Value| -> Vec<Value> {
        let steps = line["steps"].as_array().unwrap().iter();
        steps.map(|step| &step["thought"]).chain([&line["outcome"]["thought"]]).cloned().collect()
    };
    assert_eq!(
        thoughts(&new[0]),
        [
            "Look.",
            "The first try says 220.5, but I check it again.",
            "The total is printed twice, therefore I can tell it.",
        ]
    );
    assert_eq!(new[0]["by"], "a program, thoughts by datarus-stand-in");
    assert_eq!((&new[0]["written"], &new[1]["written"]), (&json!([]), &json!(["<step>…"])));
    assert_eq!(thoughts(&new[1]), ["Look.", "Look.", "Known."]);
    assert_eq!(new[0]["steps"][1]["code"], "print(220.5)");
    let told_why = server.asked()[2].body.to_string();
    assert!(told_why.contains("numbers of it stand nowhere: 317.25"), "{told_why}");

    // Cut off in its last line, it is gone on with.
    let whole = std::fs::read_to_string(folder.path().join("new.jsonl")).unwrap();
    std::fs::write(folder.path().join("new.jsonl"), &whole[..whole.len() - 9]).unwrap();
    let made = told(&datarus(folder.path(), &refine));
    let expected =
        json!({"trajectories": 1, "kept": 1, "rewritten": 0, "left": 2, "interrupted": false});
    assert_eq!(made, expected);
    assert_eq!(std::fs::read_to_string(folder.path().join("new.jsonl")).unwrap(), whole);
}

#[test]
fn a_task_that_is_taken_out_by_hand_leaves_the_others_as_they_are() {
    let folder = sales();
    let list = |names: &[&str]| {
        let tasks: Vec<Value> = names
            .iter()
            .map(|name| json!({"question": name, "answer": {"kind": "report"}}))
            .collect();
        answer(&json!(tasks).to_string())
    };
    let server = StandIn::start(vec![list(&["One?", "Two?", "Three?"]), list(&["Four?"])]);
    // In the folder of the data, where neither it nor what is made of it may become data.
    let thought_up =
        ["episodes", "tasks", "data", "-o", "data/tasks.jsonl", "--count", "3", "--json"];
    let thought_up = [&thought_up[..], &["--model", &server.address]].concat();
    told(&datarus(folder.path(), &thought_up));
    let path = folder.path().join("data/tasks.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("Two?")).collect();
    std::fs::write(&path, kept.join("\n")).unwrap();
    told(&datarus(folder.path(), &thought_up));
    let tasks = lines(&path);
    let prompts: Vec<&Value> = tasks.iter().map(|task| &task["task"]["prompt"]).collect();
    assert_eq!(prompts, ["One?", "Three?", "Four?"]);
    let mut ids: Vec<&str> =
        tasks.iter().map(|task| task["task"]["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    for task in &tasks {
        assert_eq!(task["files"], json!([{"name": "sales.csv", "path": "sales.csv"}]));
    }
}
