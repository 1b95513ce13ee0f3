//! Notebooks without a screen: a scripted model, a real kernel, a real Python, and other people's tools to replay.
//!
//! These tests need a Python with ipykernel and papermill, named by `DATARUS_PYTHON`; `test.sh` makes one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use datarus_agent::agent::Limits;
use datarus_agent::llm::{Model, Placement, Profile};
use datarus_kernel::bound::MaxText;
use datarus_kernel::cli::TrustOutputs;
use datarus_kernel::config::{Analyst, Config, ModelSource};
use datarus_kernel::headless::{Ending, ask, run};
use datarus_kernel::notebook::Notebook;
use datarus_kernel::place::Place;
use datarus_kernel::prompt::Loader;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{binary, python};

const LOAD: &str = "<step>\n<thought>Load it. All of it.</thought>\n<action>python_executor</action>\n<action_input>\n\
    import pandas as pd\ndf = pd.read_csv(\"../data/sales.csv\")\nprint(len(df))\ndf\n</action_input>";
const FAIL: &str = "<step>\n<thought>Sum a column.</thought>\n<action>python_executor</action>\n<action_input>\n\
    total = df[\"revenue\"].sum()\nprint(\"so far\")\ndf[\"nope\"].sum()\n</action_input>";
const SUM: &str = "<step>\n<thought>That column does not exist.</thought>\n<action>python_executor</action>\n\
    <action_input>\ntotal\n</action_input>";
const ANSWER: &str = "<stop_analysis>\n<thought>Add them.</thought>\n<answer>The revenue is 220.5 in all, not 99.</answer>\n\
    </stop_analysis>";

fn config(python: &Path) -> Config {
    Config {
        python: python.to_owned(),
        companion: Place::Here,
        model: ModelSource::Embedded,
        threads: None,
        placement: Placement::default(),
        folder: PathBuf::from("."),
        state: None,
        weights: None,
        kv_cache: None,
        max_output: MaxText::CELL,
        max_step_output: MaxText::STEP,
        max_cell: MaxText::SOURCE,
        companion_args: vec![String::from("--HistoryManager.hist_file=:memory:")],
        sandbox: tests::frontend::sandbox(),
        databases: Vec::new(),
        analyst: Analyst::default(),
        limits: Limits {
            max_steps: 5,
            max_errors: 3,
            cell_timeout: Duration::from_secs(60),
            max_new_tokens: 2000,
            max_turn_tokens: 10_000,
            max_sections: 8,
        },
        sampling: None,
        seed: 7,
        trust_outputs: TrustOutputs::Mine,
    }
}

fn scripted(script: &'static [&'static str]) -> Loader {
    Box::new(move |_| {
        let model = ScriptedModel::new(Profile::Compact, script);
        Ok(Box::new(model) as Box<dyn Model>)
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A project with `data/sales.csv` and a folder for reports.
fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    for folder in ["data", "reports"] {
        std::fs::create_dir(project.path().join(folder)).unwrap();
    }
    std::fs::write(
        project.path().join("data/sales.csv"),
        "region,revenue\nNorth,120.5\nSouth,100\n",
    )
    .unwrap();
    project
}

fn ask_about_sales(python: &Path, project: &Path) -> (ask::Answer, Notebook) {
    let question = ask::Question {
        preset: None,
        text: String::from("What is the revenue?"),
        data: vec![project.join("data/sales.csv")],
        think: false,
        output: project.join("reports/answer.ipynb"),
    };
    let loader = scripted(&[LOAD, FAIL, SUM, ANSWER]);
    let answer = block_on(ask::ask(config(python), loader, &question)).unwrap();
    (answer, Notebook::read(&project.join("reports/answer.ipynb")).unwrap())
}

#[test]
fn a_question_is_told_of_its_files_whatever_folder_it_is_asked_from() {
    let project = project();
    for output in ["data/answer.ipynb", "reports/answer.ipynb"] {
        let asked = Command::new(binary())
            .args(["ask", "What is the total revenue?", "--data", "data/sales.csv", "-o", output])
            .current_dir(project.path())
            .env("DATARUS_PYTHON", python())
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&asked.stdout);
        assert!(answer.contains("220.5"), "{output}: {answer}");
    }
}

#[test]
fn a_question_that_names_no_file_is_told_of_those_of_its_folder() {
    let project = project();
    let asked = Command::new(binary())
        .args(["ask", "What is the total revenue?", "-o", "data/answer.ipynb"])
        .current_dir(project.path())
        .env("DATARUS_PYTHON", python())
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&asked.stdout);
    assert!(answer.contains("220.5"), "{answer}");
    let notebook = Notebook::read(&project.path().join("data/answer.ipynb")).unwrap();
    assert_eq!(notebook.metadata["datarus"]["datasets"][0]["path"], "sales.csv");
}

/// Outputs of the code cells that a replay runs, without the numbers that differ.
fn outputs(notebook: &Notebook) -> Vec<Value> {
    let runs = |cell: &&Value| {
        let tags = cell["metadata"]["tags"].as_array().into_iter().flatten();
        cell["cell_type"] == "code" && !tags.into_iter().any(|tag| tag == "skip-execution")
    };
    let mut outputs: Vec<_> =
        notebook.cells.iter().filter(runs).map(|cell| cell["outputs"].clone()).collect();
    for output in outputs.iter_mut().filter_map(Value::as_array_mut).flatten() {
        output.as_object_mut().unwrap().shift_remove("execution_count");
    }
    outputs
}

#[test]
fn a_question_becomes_a_notebook_that_other_tools_replay_with_the_same_outputs() {
    let python = python();
    let project = project();
    let (answer, notebook) = ask_about_sales(&python, project.path());
    assert_eq!((answer.ending, &*answer.status, answer.steps), (Ending::Done, "done", 3));
    assert_eq!(answer.answer, "The revenue is 220.5 in all, not 99.");
    let roles: Vec<_> = notebook
        .cells
        .iter()
        .map(|cell| {
            (
                cell["metadata"]["datarus"]["role"].as_str().unwrap(),
                cell["execution_count"].as_u64(),
            )
        })
        .collect();
    let expected = [
        ("prompt", Some(1)),
        ("thought", None),
        ("code", Some(2)),
        ("thought", None),
        ("code", Some(3)),
        ("code", Some(3)),
        ("thought", None),
        ("code", Some(4)),
        ("thought", None),
        ("answer", None),
    ];
    assert_eq!(roles, expected);
    let answer = notebook.cells.last().unwrap()["source"].as_str().unwrap();
    assert!(answer.starts_with("The revenue is [220.5](#cell-id=t_"), "{answer}");
    let dataset = &notebook.metadata["datarus"]["datasets"][0];
    assert_eq!((&dataset["path"], &dataset["rows"]), (&json!("../data/sales.csv"), &json!(2)));
    assert!(notebook.metadata["datarus"]["env"]["packages"]["pandas"].is_string());

    let reports = project.path().join("reports");
    let replay = Command::new(&python)
        .args([
            "-m",
            "papermill",
            "-k",
            "python3",
            "--no-progress-bar",
            "answer.ipynb",
            "replayed.ipynb",
        ])
        .current_dir(&reports)
        .output()
        .unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    let replayed = Notebook::read(&reports.join("replayed.ipynb")).unwrap();
    assert_eq!(outputs(&replayed), outputs(&notebook));
}

fn run_in(python: &Path, loader: Loader, notebook: &Path) -> (run::Ran, Notebook) {
    let job = run::Job {
        notebook: notebook.to_owned(),
        output: notebook.to_owned(),
        allow_errors: false,
    };
    let mut config = config(python);
    // The data of the project, which stands beside the folder of the notebook.
    let data = notebook.parent().unwrap().parent().unwrap().join("data");
    config.sandbox.readable.extend(std::fs::canonicalize(data));
    let ran = block_on(run::run(config, loader, &job)).unwrap();
    (ran, Notebook::read(notebook).unwrap())
}

#[test]
fn an_answer_that_stands_is_kept_and_a_changed_question_replaces_its_cells() {
    let python = python();
    let project = project();
    let (_, asked) = ask_about_sales(&python, project.path());
    let file = project.path().join("reports/answer.ipynb");

    let (ran, kept) = run_in(&python, scripted(&[]), &file);
    assert_eq!((ran.ending, ran.kept, ran.answered, ran.cells), (Ending::Done, 1, 0, 3));
    assert_eq!(outputs(&kept), outputs(&asked));

    let mut changed = kept;
    changed.cells[0]["source"] = json!("> And now?");
    changed
        .cells
        .push(json!({"cell_type": "code", "id": "mine", "metadata": {}, "source": "6 * 7",
        "execution_count": null, "outputs": []}));
    changed.write(&file).unwrap();
    let (ran, replaced) = run_in(&python, scripted(&[LOAD, ANSWER]), &file);
    assert_eq!((ran.answered, ran.cells), (1, 1));
    let ids: Vec<_> = replaced.cells.iter().map(|cell| cell["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 6, "prompt, thought, step, thought, answer, my cell: {ids:?}");
    assert_eq!(replaced.cells[5]["outputs"][0]["data"]["text/plain"], "42");
}

#[test]
fn a_cell_that_fails_ends_the_run_and_the_notebook_is_written() {
    let python = python();
    let project = project();
    let file = project.path().join("reports/cells.ipynb");
    let code = |source: &str, tags: &[&str]| {
        json!({"cell_type": "code", "id": datarus_kernel::notebook::new_cell_id(), "metadata": {"tags": tags},
            "source": source, "execution_count": null, "outputs": []})
    };
    let mut notebook = Notebook::default();
    notebook.cells = vec![
        code("from IPython.display import display\nh = display('a', display_id=True)", &[]),
        code("1 / 0", &["raises-exception"]),
        code("never", &["skip-execution"]),
        code("h.update('b')", &[]),
        code("nope + 1", &[]),
        code("'not reached'", &[]),
    ];
    notebook.write(&file).unwrap();
    let (ran, ran_notebook) = run_in(&python, scripted(&[]), &file);
    assert_eq!((ran.ending, ran.cells, ran.skipped), (Ending::Failed, 4, 1));
    assert_eq!(ran.failed[0].ename, "NameError");
    let outputs = |at: usize| &ran_notebook.cells[at]["outputs"];
    assert_eq!(
        outputs(0)[0]["data"]["text/plain"],
        "'b'",
        "a display of an earlier cell is updated"
    );
    assert_eq!(outputs(1)[0]["ename"], "ZeroDivisionError");
    assert_eq!((outputs(2), outputs(5)), (&json!([]), &json!([])));
}

/// What is kept of a step that failed at `line`, when `later` steps worked.
#[track_caller]
fn check_kept(code: &str, line: u64, later: &str, expected: Value) {
    let steps = json!([
        {"code": code, "line": line, "worked": false},
        {"code": later, "line": null, "worked": true},
    ]);
    let script = format!(
        "exec({}, {{\"STEPS\": __import__(\"json\").loads({})}})",
        json!(include_str!("../../kernel/src/cells/kept.py")),
        json!(steps.to_string())
    );
    let output = Command::new(python()).args(["-c", &script]).output().unwrap();
    let kept: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(kept, json!([expected, null]));
}

#[test]
fn of_a_failed_step_what_later_steps_need_is_kept() {
    check_kept("a = 1\nb = a / 0", 2, "a + 1", json!("a = 1"));
    check_kept("a = 1\nb = a / 0", 2, "c = 1", json!(null));
    check_kept("a = 1\nb = a / 0", 2, "a = 2\na", json!(null));
    check_kept("a = 1\nb = a / 0", 2, "a = a + 1", json!("a = 1"));
    check_kept("1 / 0", 1, "1", json!(null));
    check_kept("import numpy as np\nnp.nope", 2, "np.mean([1])", json!("import numpy as np"));
    check_kept("df[\"x\"] = 1\ndf.nope", 2, "df.x", json!("df[\"x\"] = 1"));
    check_kept("df.sort(inplace=True)\ndf.nope", 2, "df", json!("df.sort(inplace=True);"));
    check_kept("def f():\n    return 1\nf() / 0", 3, "f()", json!("def f():\n    return 1"));
    check_kept("%time a = 1\n1 / 0", 2, "2", json!(null));
    check_kept("a = (1,\n  1 / 0)", 2, "a", json!(null));
    check_kept("a = ", 1, "a", json!(null));
}
