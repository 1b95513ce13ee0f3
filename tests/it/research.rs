//! Research runs in a real kernel with a real Python: a plan, its sections, a report, and what becomes of them when
//! somebody edits the plan, stops the run or goes on with it.

use std::path::Path;

use datarus_agent::llm::{Model, Profile};
use datarus_kernel::config::Config;
use datarus_kernel::headless::research::{Desk, Studied, Study, research};
use datarus_kernel::headless::{Ending, HeadlessError};
use datarus_kernel::notebook::Notebook;
use datarus_kernel::prompt::Loader;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{Frontend, config, datarus, python};
use tests::page::{Page, PageCell};
use tests::stand_in::{StandIn, answer as lists, writes};

const COUNT: &str = "import pandas as pd\nframes = [pd.read_csv(f\"data/{name}.csv\") for name in \"abc\"]\n\
                     print(sum(map(len, frames)), \"rows\")";
const SUM: &str = "total = sum(frame.value.sum() for frame in frames)\nprint(\"total\", total)";
const PLAN: &str = "## 1. Count\nHow many rows?\n\n## 2. Sum\nWhat is the total of all 12 values?";
const REPORT: &str = "# It adds up\n\n## Summary\n\nThe total is 664.5.\n\n## Limits\n\nThree files.\n\n## What to do next\n\nMore.";

/// Edits the plan of the notebook that is being made, as somebody with an editor does.
const EDIT: &str = "import json\nbook = json.load(open(\"out.ipynb\"))\n\
    plan = next(cell for cell in book[\"cells\"] if \"## 2. Sum\" in \"\".join(cell[\"source\"]))\n\
    plan[\"source\"] = \"\".join(plan[\"source\"]).replace(\"## 2. Sum\", \"## 2. Draw it\")\n\
    json.dump(book, open(\"out.ipynb\", \"w\"))";

/// Three files in a folder `data`.
fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir(project.path().join("data")).unwrap();
    for (name, rows) in [("a", "120.5\n100"), ("b", "44"), ("c", "400")] {
        let file = project.path().join(format!("data/{name}.csv"));
        std::fs::write(file, format!("value\n{rows}\n")).unwrap();
    }
    project
}

fn step(code: &str) -> String {
    format!(
        "<step>\n<thought>Next.</thought>\n<action>python_executor</action>\n<action_input>\n{code}\n</action_input>"
    )
}

fn end(answer: &str) -> String {
    format!("<stop_analysis>\n<thought>So.</thought>\n<answer>{answer}</answer>\n</stop_analysis>")
}

/// All that a model writes in a run of [`PLAN`].
fn whole() -> Vec<String> {
    let (counted, summed) = ("The rows are counted.", "The total is 664.5.");
    vec![end(PLAN), step(COUNT), end(counted), step(SUM), end(summed), end(REPORT)]
}

fn scripted(profile: Profile, script: Vec<String>, interrupt_after: Option<usize>) -> Loader {
    Box::new(move |_| {
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        let mut model = ScriptedModel::new(profile, &script);
        model.interrupt_after = interrupt_after;
        Ok(Box::new(model) as Box<dyn Model>)
    })
}

async fn study(project: &Path, question: &str, loader: Loader) -> Result<Studied, HeadlessError> {
    let question = question.to_owned();
    let (data, output) = (vec![project.join("data")], project.join("out.ipynb"));
    research(config(&python()), loader, &Study { question, data, output }, Desk::Empty).await
}

async fn plays(project: &Path, script: Vec<String>) -> Studied {
    study(project, "What is in it?", scripted(Profile::Full, script, None)).await.unwrap()
}

fn notebook(project: &Path) -> Notebook {
    Notebook::read(&project.join("out.ipynb")).unwrap()
}

fn with_role<'a>(notebook: &'a Notebook, role: &'a str) -> Vec<&'a Value> {
    let has = |cell: &&Value| cell["metadata"]["datarus"]["role"] == role;
    notebook.cells.iter().filter(has).collect()
}

fn sources<'a>(notebook: &'a Notebook, role: &'a str) -> Vec<&'a str> {
    with_role(notebook, role).iter().map(|cell| cell["source"].as_str().unwrap()).collect()
}

const COUNT_CELL: &str = "%%ask --section\n## 1. Count\nHow many rows?";
const SUM_CELL: &str = "%%ask --section\n## 2. Sum\nWhat is the total of all 12 values?";
const REPORT_CELL: &str = "%%ask --report\nWrite the report.";

#[tokio::test]
async fn a_front_end_without_a_page_is_given_the_cell_that_comes_next() {
    let project = project();
    let config = Config { folder: project.path().to_owned(), ..config(&python()) };
    let mut client = Frontend::start(config, scripted(Profile::Full, whole(), None)).await;
    let mut source = String::from("%%ask --research\nWhat is in it?");
    for expected in [COUNT_CELL, SUM_CELL, REPORT_CELL] {
        let ended = client.run(&source).await;
        let payload = json!([{"source": "set_next_input", "text": expected, "replace": false}]);
        assert_eq!(ended.reply["payload"], payload);
        source = expected.to_owned();
    }
    assert_eq!(client.run(&source).await.reply["payload"], json!([]));
}

#[tokio::test]
async fn a_plan_then_its_sections_then_a_report_whose_numbers_lead_to_the_sections() {
    let project = project();
    let studied = plays(project.path(), whole()).await;
    assert_eq!((studied.status, studied.ending), ("done", Ending::Done), "{}", studied.answer);
    assert_eq!(studied.answer, REPORT);
    let titles: Vec<_> = studied.sections.iter().map(|section| &*section.title).collect();
    assert_eq!(titles, ["Count", "Sum"]);

    let notebook = notebook(project.path());
    let asked = ["%%ask --research\nWhat is in it?", COUNT_CELL, SUM_CELL, REPORT_CELL];
    assert_eq!(sources(&notebook, "prompt"), asked);
    let answers = sources(&notebook, "answer");
    assert_eq!(answers[0], PLAN, "a cell of its own, without links and marks");
    let sum = &with_role(&notebook, "code")[1];
    let link =
        format!("The total is [664.5](#cell-id={} \"cell 5\").", sum["id"].as_str().unwrap());
    assert!(answers[3].contains(&link), "{}", answers[3]);
    let datasets = notebook.metadata["datarus"]["datasets"].as_array().unwrap();
    assert_eq!(datasets.len(), 3, "{datasets:?}");

    let verified = datarus(project.path(), &["verify", "out.ipynb", "--json"]);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    let found = ["holds", "numbers_held", "numbers_never_found"].map(|field| &verified[field]);
    assert_eq!(found, [&json!(true), &json!(2), &json!(0)], "{verified}");
    for (format, file) in [("md", "r.md"), ("ipynb", "r.ipynb")] {
        let made = datarus(project.path(), &["report", "out.ipynb", "--to", format, "-o", file]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let text = std::fs::read_to_string(project.path().join("r.md")).unwrap();
    let order =
        ["# It adds up", "## Summary", "## Count", "## Sum\n", "## Limits", "## What to do next"];
    let places: Vec<_> = order.map(|heading| text.find(heading)).into_iter().collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}: {text}");
    assert!(!text.contains("Write the report."), "{text}");
    let clean = datarus(project.path(), &["verify", "r.ipynb"]);
    assert!(clean.status.success(), "{}", String::from_utf8_lossy(&clean.stdout));
}

#[tokio::test]
async fn an_edit_of_the_plan_between_sections_changes_what_is_asked() {
    let project = project();
    let script = vec![end(PLAN), step(EDIT), end("Done."), end("Drawn."), end("# So\n\nIt is.")];
    let studied = plays(project.path(), script).await;
    assert_eq!(studied.status, "done", "{}", studied.answer);
    let notebook = notebook(project.path());
    let drawn = "%%ask --section\n## 2. Draw it\nWhat is the total of all 12 values?";
    assert_eq!(sources(&notebook, "prompt")[1..], [COUNT_CELL, drawn, REPORT_CELL]);
    assert!(sources(&notebook, "answer")[0].contains("## 2. Draw it"), "the edit stays");
}

#[tokio::test]
async fn a_stop_keeps_what_is_done_and_the_same_command_goes_on() {
    let project = project();
    let script = whole();
    let until_sum: usize = script[..4].iter().map(|text| text.chars().count()).sum();
    let loader = scripted(Profile::Full, script.clone(), Some(until_sum - 3));
    let stopped = study(project.path(), "What is in it?", loader).await.unwrap();
    assert_eq!((stopped.status, stopped.ending), ("interrupted", Ending::Interrupted));
    assert!(stopped.answer.contains("the same command goes on"), "{}", stopped.answer);
    let statuses: Vec<_> = stopped.sections.iter().map(|section| &*section.status).collect();
    assert_eq!(statuses, ["done", "interrupted"]);
    assert_eq!(
        sources(&notebook(project.path()), "answer")[1].split('[').next(),
        Some("The rows are counted.")
    );

    let error =
        study(project.path(), "And what else?", scripted(Profile::Full, vec![], None)).await;
    assert!(matches!(error, Err(HeadlessError::OtherStudy { .. })), "{error:?}");

    // Only what is missing is asked of the model; the code of what is done runs again.
    let studied = plays(project.path(), script[3..].to_vec()).await;
    assert_eq!(studied.status, "done", "{}", studied.answer);
    let notebook = notebook(project.path());
    assert_eq!(sources(&notebook, "prompt")[1..], [COUNT_CELL, SUM_CELL, REPORT_CELL]);
    assert_eq!(sources(&notebook, "code"), [COUNT, SUM]);
    let again = plays(project.path(), vec![]).await;
    assert_eq!((again.status, again.answer.as_str()), ("done", REPORT), "nothing is asked again");
}

#[tokio::test]
async fn of_a_long_plan_the_first_sections_are_worked_on_and_it_is_said() {
    let project = project();
    let mut config = config(&python());
    config.limits.max_sections = 1;
    let script = vec![end(PLAN), end("Done."), end("# So\n\nIt is.")];
    let loader = scripted(Profile::Full, script, None);
    let question = String::from("What is in it?");
    let (data, output) = (vec![project.path().join("data")], project.path().join("out.ipynb"));
    let study = Study { question, data, output };
    let studied = research(config, loader, &study, Desk::Empty).await.unwrap();
    assert_eq!(studied.sections.len(), 1);
    let notebook = notebook(project.path());
    let notices = &notebook.cells[0]["metadata"]["datarus"]["notices"];
    assert!(notices.to_string().contains("The plan has 2 sections; the first 1"), "{notices}");
}

#[test]
fn the_embedded_model_says_at_once_that_it_cannot_plan() {
    let project = project();
    let asked = datarus(
        project.path(),
        &["ask", "--research", "What is in it?", "--data", "data", "-o", "out.ipynb"],
    );
    let said = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(3), "{said}");
    assert!(
        said.contains("cannot plan research: name a larger one with `--model MODEL`"),
        "{said}"
    );
    assert!(!project.path().join("out.ipynb").exists());
}

#[tokio::test]
async fn in_a_page_each_answer_asks_for_the_next_section_of_the_plan_as_it_stands() {
    let project = project();
    let folder = project.path().to_owned();
    let script = vec![
        end(PLAN),
        step(COUNT),
        end("The rows are counted."),
        end("Drawn."),
        end(REPORT),
        end(REPORT),
    ];
    let loader = scripted(Profile::Full, script, None);
    let mut client = Frontend::start(Config { folder, ..config(&python()) }, loader).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "%%ask --research\nWhat is in it?").await;
    let plan = page.cells.iter_mut().find(|cell| cell.source == PLAN).expect("the plan");
    plan.source = PLAN.replace("2. Sum", "2. Draw it");
    for _ in ["Count", "Draw it", "Report"] {
        assert_eq!(page.until(&mut client, "done").await["status"], "done");
    }
    let is_prompt = |cell: &&PageCell| {
        cell.metadata.get("datarus").is_some_and(|facts| facts["role"] == "prompt")
    };
    let asked: Vec<_> = page.cells.iter().filter(is_prompt).map(|cell| &*cell.source).collect();
    let drawn = "%%ask --section\n## 2. Draw it\nWhat is the total of all 12 values?";
    assert_eq!(asked[1..], [COUNT_CELL, drawn, REPORT_CELL]);
    let sum = page.cells.last().unwrap();
    assert!(sum.source.contains("The total is 664.5<sup>?</sup>."), "{}", sum.source);

    // All is done: nothing is asked, and a question that stands is not chained on.
    page.write("n", "%%ask --section");
    let request = page.run(&mut client, "n").await;
    page.until(&mut client, "done").await;
    let ended = client.end_of(&request).await;
    assert_eq!(ended.reply["ename"], "NoSection", "{:?}", ended.reply);
}

/// A run with a server that writes in the way of `model`; `say` writes a step and an end in it.
fn served(model: &str, owner: &str, say: impl Fn(&str, &str) -> String) {
    let project = project();
    let script = [
        say("", PLAN),
        say(EDIT, ""),
        say("", "Edited."),
        say(COUNT, ""),
        say("", "The rows are counted."),
        say("", "# Rows\n\n## Summary\n\nThe rows are counted."),
    ];
    let models = lists(&json!({"data": [{"id": model, "owned_by": owner}]}));
    let server =
        StandIn::with_models(models, script.iter().map(|text| writes(text, "stop")).collect());
    let arguments =
        ["ask", "--research", "What is in it?", "--data", "data", "-o", "out.ipynb", "--json"];
    let run = datarus(project.path(), &[&arguments[..], &["--model", &server.address]].concat());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(told["status"], "done", "{told}");
    assert_eq!(told["sections"][1]["title"], "Draw it", "{told}");
    let asked = server.asked();
    let questions = |at: usize| {
        let messages = asked[at].body["messages"].as_array().unwrap();
        let of_user = messages.iter().filter(|message| message["role"] == "user");
        of_user.map(|message| message["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(questions(0)[0].contains("At most 8 sections"), "{:?}", questions(0));
    let section = questions(3).pop().unwrap();
    assert!(section.contains("## 2. Draw it\nWhat is the total"), "{section}");
    let above = asked[3].body["messages"].to_string();
    assert!(above.contains("## 2. Draw it\\nWhat") && !above.contains("## 2. Sum"), "{above}");
    assert!(!above.contains("json.load"), "{above}");
    let report = asked[5].body["messages"].to_string();
    assert!(
        report.contains("The rows are counted.") && report.contains("All sections"),
        "{report}"
    );
}

#[test]
fn a_served_chat_model_is_asked_in_markdown() {
    served("gpt-4o-mini", "openai", |code, answer| match code {
        "" => format!("## Answer\n\n{answer}"),
        code => format!("Next.\n\n```python\n{code}\n```"),
    });
}

#[test]
fn a_served_deepanalyze_is_asked_in_its_own_tags() {
    served("RUC-DataLab/DeepAnalyze-8B", "vllm", |code, answer| match code {
        "" => format!("<Analyze>So.</Analyze>\n<Answer>{answer}</Answer>"),
        code => format!("<Analyze>Next.</Analyze>\n<Code>\n```python\n{code}\n```\n</Code>"),
    });
}
