//! How the analyst works in a real kernel: its dialect, what each step finds, ready prompts, instructions, questions.

use std::path::Path;

use datarus_agent::dialect::Dialect;
use datarus_agent::executor::Namespace;
use datarus_agent::llm::{Model, Profile};
use datarus_kernel::cells::STEP_MIME;
use datarus_kernel::config::{Analyst, Config};
use datarus_kernel::connection::Channel;
use datarus_kernel::prompt::Loader;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{Ended, Frontend, config, datarus, python};
use tests::page::Page;
use tests::stand_in::{StandIn, answer as lists, writes};

const LOAD: &str =
    "<Analyze>Count.</Analyze>\n<Code>\n```python\ny = 6 * 7\nprint(y, 'x' in globals())\n```\n";
const LOOK: &str = "<Understand>There are 42.</Understand>\n<Analyze>Again.</Analyze>\n<Code>\n```python\nprint('y' in globals())\n```\n";
const REPORT: &str = "<Understand>So it is.</Understand>\n<Answer>There are 42.</Answer>";

fn scripted(script: &'static [&'static str]) -> Loader {
    Box::new(move |_| Ok(Box::new(ScriptedModel::new(Profile::Full, script)) as Box<dyn Model>))
}

async fn start(analyst: Analyst, script: &'static [&'static str]) -> Frontend {
    Frontend::start(Config { analyst, ..config(&python()) }, scripted(script)).await
}

fn deepanalyze(namespace: Namespace) -> Analyst {
    Analyst { dialect: Some(Dialect::DeepAnalyze), namespace, ..Analyst::default() }
}

/// What is shown at the end, as programs read it.
fn end(ended: &Ended) -> Value {
    let mut shown =
        ended.published.iter().filter_map(|message| message.content["data"].get(STEP_MIME));
    shown.rfind(|json| json["part"] == "end").unwrap().clone()
}

/// The notebook that the program wrote.
fn notebook(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("out.ipynb")).unwrap()).unwrap()
}

fn served(id: &str, owner: &str, script: &[&str]) -> StandIn {
    let models = lists(&json!({"data": [{"id": id, "owned_by": owner}]}));
    StandIn::with_models(models, script.iter().map(|text| writes(text, "stop")).collect())
}

#[test]
fn a_served_deepanalyze_makes_a_notebook_in_which_understanding_has_cells_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.csv"), "a\n1\n").unwrap();
    let server = served("RUC-DataLab/DeepAnalyze-8B", "vllm", &[LOAD, LOOK, REPORT]);
    let arguments =
        ["ask", "How many?", "--data", "x.csv", "-o", "out.ipynb", "--model", &server.address];
    let output = datarus(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "There are 42.");
    let notebook = notebook(folder.path());
    let cells = notebook["cells"].as_array().unwrap();
    let roles: Vec<_> =
        cells.iter().map(|cell| cell["metadata"]["datarus"]["role"].as_str().unwrap()).collect();
    let expected = [
        "prompt",
        "thought",
        "code",
        "understanding",
        "thought",
        "code",
        "understanding",
        "answer",
    ];
    assert_eq!(roles, expected);
    assert_eq!(cells[3]["source"], json!(["There are 42."]));
    assert_eq!(cells[3]["metadata"]["tags"], json!(["datarus-understanding"]));
    assert_eq!(cells[5]["outputs"][0]["text"], json!(["True\n"]), "variables stay");
    let prompt = &cells[0]["metadata"]["datarus"];
    assert_eq!((&prompt["dialect"], &prompt["namespace"]), (&json!("deepanalyze"), &Value::Null));

    let asked = server.asked();
    let messages = asked[2].body["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3, "one message of the assistant's");
    assert_eq!(
        messages[1]["content"],
        "# Instruction\nHow many?\n\nWhat the data hold:\n- x.csv: 1 row: a int 1\n\n# Data\nFile 1:\n{\"name\": \"x.csv\", \"size\": \"0.0KB\"}"
    );
    let said = messages[2]["content"].as_str().unwrap();
    assert!(said.contains("```\n</Code>\n<Execute>\n42 False\n</Execute>\n<Understand>"), "{said}");
    assert!(said.ends_with("<Execute>\nTrue\n</Execute>\n"), "{said}");
    assert_eq!(asked[2].body["continue_final_message"], true);
    assert_eq!(asked[2].body["stop"], json!(["</Code>", "</Answer>", "<Execute>", "</Ask>"]));
}

#[test]
fn an_ordinary_chat_model_answers_in_markdown_with_a_ready_prompt_and_house_rules() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings/datarus");
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::write(settings.join("instructions.md"), "Answer in French.").unwrap();
    let step = "Je compte.\n\n```python\nprint(6 * 7)\n```\n\nIl y en a 99.";
    let server = served("gpt-4o-mini", "openai", &[step, "## Answer\n\nIl y en a 42."]);
    let preset = ["ask", "--preset", "executive-summary", "-o", "out.ipynb"];
    let arguments = [&preset[..], &["--model", &server.address]].concat();
    let output = datarus(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "Il y en a 42.");
    let notebook = notebook(folder.path());
    let prompt = &notebook["cells"][0];
    assert_eq!(prompt["source"], json!(["%%ask --preset executive-summary\n"]));
    assert_eq!(prompt["metadata"]["datarus"]["dialect"], "markdown");
    let asked = server.asked();
    let text = |at: usize, message: usize| {
        asked[at].body["messages"][message]["content"].as_str().unwrap().to_owned()
    };
    assert!(text(0, 0).ends_with("## What the analyst asks for\n\nAnswer in French."));
    let question = "Summarise these data for people who decide.\n\nWrite for people who decide";
    assert!(text(0, 1).starts_with(question), "{}", text(0, 1));
    assert!(!text(1, 2).contains("99"), "what was written past the block is dropped");
    assert!(text(1, 3).starts_with("The cell printed:\n\n```text\n42\n```"), "{}", text(1, 3));
}

#[tokio::test]
async fn steps_that_begin_anew_find_nothing_and_leave_the_users_variables_alone() {
    let script = &[LOAD, LOOK, REPORT];
    let mut client = start(deepanalyze(Namespace::Fresh), script).await;
    client.run("x = 1; import math").await;
    let ended = client.run("> How many?").await;
    assert_eq!(ended.text("stdout"), "42 False\nFalse\n", "{ended:?}");
    let end = end(&ended);
    assert_eq!(end["namespace"], "fresh");
    assert!(end["notices"].to_string().contains("without the variables"), "{end}");
    let after = client.run("print(x, math.pi > 3, 'y' in globals())").await;
    assert_eq!(after.text("stdout"), "1 True False\n");
}

#[tokio::test]
async fn steps_of_a_page_begin_anew_too() {
    let script = &[LOAD, LOOK, REPORT];
    let mut client = start(deepanalyze(Namespace::Fresh), script).await;
    client.run("x = 1").await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "> How many?").await;
    let mut printed = String::new();
    for (_, request) in &page.ran {
        printed += &client.end_of(request).await.text("stdout");
    }
    assert_eq!(printed, "42 False\nFalse\n");
    assert_eq!(client.run("print(x)").await.text("stdout"), "1\n");
}

#[tokio::test]
async fn a_ready_prompt_that_does_not_exist_is_answered_with_those_that_do() {
    let mut client = start(Analyst::default(), &[]).await;
    let ended = client.run("%%ask --preset dance\nWhat?").await;
    let said = ended.reply["evalue"].as_str().unwrap();
    assert_eq!(ended.reply["ename"], "UnknownFlag");
    assert!(said.contains("`exploration`") && said.ends_with("not `dance`"), "{said}");
}

#[tokio::test]
async fn what_the_model_asks_is_answered_by_the_user_where_the_client_can_ask() {
    const ASK: &str = "<Analyze>Two years.</Analyze>\n<Ask>Which year?</Ask>";
    // No step printed the 42: each time it is told so, and stays with it.
    let script = &[ASK, REPORT, REPORT, ASK, REPORT, REPORT];
    let mut client = start(deepanalyze(Namespace::Kept), script).await;
    let msg_id = client.send_cell("> How many?").await;
    let asked = client.wait("a question", |message| message.msg_type == "input_request").await;
    assert_eq!(asked.content["prompt"], "The analyst asks: Which year? ");
    client.send(Channel::Stdin, "input_reply", json!({"value": " 2024 "})).await;
    let ended = client.end_of(&msg_id).await;
    assert!(end(&ended)["notices"].to_string().contains("Which year? 2024"), "{:?}", end(&ended));

    let content = json!({"code": "> And now?", "allow_stdin": false});
    let ended = client.ask(Channel::Shell, "execute_request", content).await;
    let notices = end(&ended)["notices"].to_string();
    assert!(notices.contains("nobody could be asked"), "{notices}");
}

#[tokio::test]
async fn an_interrupt_takes_the_models_question_back() {
    const ASK: &str = "<Ask>Which year?</Ask>";
    let mut client = start(deepanalyze(Namespace::Kept), &[ASK, REPORT]).await;
    let msg_id = client.send_cell("> How many?").await;
    client.wait("a question", |message| message.msg_type == "input_request").await;
    client.interrupt().await;
    let ended = client.end_of(&msg_id).await;
    assert_eq!(ended.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.run("print(1)").await.text("stdout"), "1\n");
}
