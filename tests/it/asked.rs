//! What the model asks the user in a page: put there, answered, kept in the notebook and told to the model.

use std::path::Path;

use datarus_agent::dialect::Dialect;
use datarus_agent::llm::{Model, Profile};
use datarus_kernel::config::{Analyst, Config};
use datarus_kernel::connection::Channel;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{Frontend, config, python};
use tests::page::{Page, PageCell};

const ASK: &str = "<Understand>Two years.</Understand>\n<Analyze>Which one is meant?</Analyze>\n<Ask>Which year?\n\n1. 2023\n2. 2024</Ask>";
const CODE: &str = "<Analyze>That one.</Analyze>\n<Code>\n```python\nprint(6 * 7)\n```\n</Code>";
const SLEEP: &str =
    "<Analyze>Wait.</Analyze>\n<Code>\n```python\nimport time; time.sleep(600)\n```\n</Code>";
const REPORT: &str = "<Answer>In 2024 it was 42.</Answer>";

async fn kernel(state: Option<&Path>, script: &'static [&'static str]) -> Frontend {
    let analyst = Analyst { dialect: Some(Dialect::DeepAnalyze), ..Analyst::default() };
    let state = state.map(Path::to_owned);
    let config = Config { analyst, state, ..config(&python()) };
    let loader =
        move |_: &_| Ok(Box::new(ScriptedModel::new(Profile::Full, script)) as Box<dyn Model>);
    Frontend::start(config, Box::new(loader)).await
}

/// A page that puts the model's questions.
async fn open(client: &mut Frontend) -> Page {
    let mut page = Page::knock(client, json!({"v": 1, "path": "a.ipynb", "questions": true})).await;
    assert_eq!(page.next(client).await["op"], "hello");
    page
}

fn answer(put: &Value, answer: &str) -> Value {
    json!({"op": "answer", "turn": put["turn"], "id": put["id"], "answer": answer})
}

/// The cell of the question.
fn asked(page: &Page) -> &PageCell {
    let is_asked = |cell: &&PageCell| {
        cell.metadata.get("datarus").is_some_and(|facts| facts["role"] == "asked")
    };
    let found: Vec<_> = page.cells.iter().filter(is_asked).collect();
    assert_eq!(found.len(), 1, "one cell with the question");
    found[0]
}

fn roles(page: &Page) -> Vec<String> {
    let role = |cell: &PageCell| Some(cell.metadata.get("datarus")?["role"].as_str()?.to_owned());
    page.cells.iter().map(|cell| role(cell).unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_page_puts_what_the_model_asks_with_its_options_and_the_answer_stands_in_the_notebook() {
    let mut client = kernel(None, &[ASK, CODE, REPORT]).await;
    let mut page = open(&mut client).await;
    page.write("p", "> How many?");
    let prompt = page.run(&mut client, "p").await;
    let put = page.until(&mut client, "question").await;
    assert_eq!(put["options"], json!(["2023", "2024"]));
    assert!(asked(&page).rendered && !asked(&page).source.contains("Answered"));
    // What answers nothing, or another question, is passed over.
    for wrong in [
        answer(&put, "  "),
        json!({"op": "answer", "turn": put["turn"], "id": "x", "answer": "2023"}),
    ] {
        page.say(&mut client, wrong).await;
    }
    page.say(&mut client, answer(&put, " 2024 ")).await;
    page.until(&mut client, "done").await;
    let ended = client.end_of(&prompt).await;
    assert_eq!(ended.reply["status"], "ok");
    assert_eq!(roles(&page), ["prompt", "asked", "thought", "code", "answer"]);
    let cell = asked(&page);
    let (thought, said) = cell.source.split_once("**Datarus asks**").unwrap();
    assert!(
        thought.starts_with("Two years.\n\n<details><summary>Which one is meant?"),
        "{thought}"
    );
    assert_eq!(said, "\n\nWhich year?\n\n1. 2023\n2. 2024\n\n**Answered:** 2024");
    assert_eq!(cell.metadata["datarus"]["step"], 1);
    let answer = &page.cells.last().unwrap();
    assert_eq!(answer.metadata["datarus"].get("numbers_not_found"), None, "2024 was said");
    // Nothing was asked by stdin, and the prompt's own cell does not say it again.
    assert_eq!(client.count(|message| message.msg_type == "input_request"), 0);
    assert!(page.cells[0].metadata["datarus"].get("notices").is_none(), "{:?}", page.cells[0]);
}

#[tokio::test]
async fn a_page_that_comes_back_in_the_middle_of_a_question_is_asked_again() {
    let mut client = kernel(None, &[ASK, REPORT, REPORT]).await;
    let mut page = open(&mut client).await;
    page.write("p", "> How many?");
    let prompt = page.run(&mut client, "p").await;
    let first = page.until(&mut client, "question").await;
    page.close(&mut client).await;
    let mut back =
        Page::knock(&mut client, json!({"v": 1, "path": "a.ipynb", "questions": true})).await;
    back.write("p", "> How many?");
    let put = back.until(&mut client, "question").await;
    assert_eq!(put, first);
    back.say(&mut client, answer(&put, "both")).await;
    back.until(&mut client, "done").await;
    client.end_of(&prompt).await;
    assert!(asked(&back).source.ends_with("**Answered:** both"), "{}", asked(&back).source);
}

#[tokio::test]
async fn a_page_that_does_not_know_the_message_is_asked_as_python_asks() {
    let mut client = kernel(None, &[ASK, REPORT, REPORT]).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.write("p", "> How many?");
    let prompt = page.run(&mut client, "p").await;
    client.wait("a question", |message| message.msg_type == "input_request").await;
    client.send(Channel::Stdin, "input_reply", json!({"value": "2024"})).await;
    page.until(&mut client, "done").await;
    client.end_of(&prompt).await;
    assert!(page.told.iter().all(|told| told["op"] != "question"));
    assert!(asked(&page).source.ends_with("**Answered:** 2024"));
}

#[tokio::test]
async fn stop_takes_a_question_in_a_page_back() {
    let mut client = kernel(None, &[ASK, REPORT]).await;
    let mut page = open(&mut client).await;
    page.write("p", "> How many?");
    let prompt = page.run(&mut client, "p").await;
    let put = page.until(&mut client, "question").await;
    page.say(&mut client, json!({"op": "stop", "turn": put["turn"]})).await;
    assert_eq!(page.until(&mut client, "done").await["status"], "interrupted");
    client.end_of(&prompt).await;
    assert!(asked(&page).source.ends_with("*Not answered.*"), "{}", asked(&page).source);
    assert_eq!(client.run("print(1)").await.text("stdout"), "1\n");
}

#[tokio::test]
async fn a_killed_kernel_loses_no_answer_of_the_users() {
    let state = tempfile::tempdir().unwrap();
    let mut client = kernel(Some(state.path()), &[ASK, CODE, SLEEP]).await;
    let mut page = open(&mut client).await;
    page.write("p", "> How many?");
    page.run(&mut client, "p").await;
    let put = page.until(&mut client, "question").await;
    page.say(&mut client, answer(&put, "2024")).await;
    for _ in 0..2 {
        page.until(&mut client, "execute").await;
    }
    drop(client);
    let mut client = kernel(Some(state.path()), &[]).await;
    let mut back = open(&mut client).await;
    back.write("p", "> How many?");
    back.until(&mut client, "patch").await;
    assert_eq!(roles(&back), ["prompt", "asked", "thought", "code", "answer"]);
    assert!(asked(&back).source.ends_with("**Answered:** 2024"));
}
