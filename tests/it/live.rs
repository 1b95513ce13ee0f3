//! Live cells: a real kernel and companion, a scripted model, and a page that inserts and runs cells.

use std::time::Duration;

use datarus_agent::llm::{Model, Profile};
use datarus_kernel::cells::STEP_MIME;
use datarus_kernel::config::Config;
use datarus_kernel::connection::Channel;
use datarus_kernel::prompt::Loader;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{Ended, Frontend, config, python};
use tests::page::Page;

use crate::prompt_cell::{Endless, Parrot, answer, step};

pub(crate) fn scripted(script: &[String]) -> Loader {
    let script = script.to_vec();
    Box::new(move |_: &Config| {
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        Ok(Box::new(ScriptedModel::new(Profile::Full, &script)) as Box<dyn Model>)
    })
}

async fn kernel(script: &[String]) -> Frontend {
    Frontend::start(config(&python()), scripted(script)).await
}

async fn open(script: &[String]) -> (Frontend, Page) {
    let mut client = kernel(script).await;
    let page = Page::open(&mut client, "a.ipynb", json!({})).await;
    (client, page)
}

/// Ids without the turn's name, and sources.
fn shown(page: &Page) -> Vec<(&str, &str)> {
    let short = |id: &'_ str| id.find('-').map_or(0, |at| at + 1);
    page.cells.iter().map(|cell| (&cell.id[short(&cell.id)..], cell.source.as_str())).collect()
}

/// The one display of a prompt whose turn stands in cells.
fn summary(ended: &Ended) -> Value {
    let displays = ended.contents("display_data");
    assert_eq!(displays.len(), 1, "{:?}", ended.kinds());
    displays[0]["data"].clone()
}

/// Asks a question whose answer takes three steps, the second of which fails.
async fn three_steps() -> (Frontend, Page, Ended) {
    let script = [
        step("Make a number.", "x = 20\nprint('made')"),
        step("Try.", "1/0"),
        step("Double it.", "x * 2"),
        answer("It is 40, not 7."),
        // No step printed the 7: it is told so, and stays with it.
        answer("It is 40, not 7."),
    ];
    let (mut client, mut page) = open(&script).await;
    client.run("1").await;
    let ended = page.ask(&mut client, "p", "> What is twice 20?").await;
    (client, page, ended)
}

#[tokio::test]
async fn a_turn_grows_as_cells() {
    let (_client, page, ended) = three_steps().await;
    assert_eq!(ended.reply["status"], "ok");
    assert_eq!(ended.reply["execution_count"], 2);
    assert!(ended.contents("stream").is_empty() && ended.contents("error").is_empty());
    let data = summary(&ended);
    assert_eq!(data[STEP_MIME]["outcome"]["answer"], "It is 40, not 7.");
    let line = data["text/markdown"].as_str().unwrap();
    assert!(line.starts_with("*Answered · 3 steps · "), "{line}");
    assert!(line.ends_with("no step had printed (7). The model was told so.*"), "{line}");

    let turn = page.told.iter().find(|data| data["op"] == "begin").unwrap()["turn"].clone();
    let turn = turn.as_str().unwrap();
    let folded = |title: &str, text: &str| {
        format!("<details><summary>{title}</summary>\n\n{text}\n\n</details>")
    };
    let linked = format!("It is [40](#cell-id={turn}-3c \"cell 5\"), not 7<sup>?</sup>.");
    let expected = [
        ("p", "> What is twice 20?".to_owned()),
        ("1t", folded("Step 1 · Make a number", "Make a number.")),
        ("1c", "x = 20\nprint('made')".to_owned()),
        ("2t", folded("Step 2 · Try", "Try.")),
        ("2c", "1/0".to_owned()),
        ("3t", folded("Step 3 · Double it", "Double it.")),
        ("3c", "x * 2".to_owned()),
        ("4t", folded("Found", "Found.")),
        ("a", linked),
    ];
    let found: Vec<_> = shown(&page).into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    assert_eq!(found, expected);
    let of = |id: &str| page.cells.iter().find(|cell| cell.id == format!("{turn}-{id}")).unwrap();
    assert!(of("1t").rendered && of("4t").rendered && of("a").rendered);
    assert_eq!(
        of("2c").metadata["tags"],
        json!(["datarus-code", "datarus-failed", "skip-execution"])
    );
    assert_eq!(of("2c").metadata["jupyter"]["source_hidden"], true);
    assert_eq!(of("3c").metadata["datarus"]["status"], "ok");
    assert_eq!(of("a").metadata["datarus"]["numbers_not_found"], json!(["7"]));
    let asked = &page.cells[0].metadata;
    assert_eq!(
        (&asked["datarus"]["turn"], &asked["datarus"]["status"]),
        (&json!(turn), &json!("done"))
    );
}

#[tokio::test]
async fn the_page_runs_the_steps_while_the_prompt_is_open() {
    let (mut client, page, _ended) = three_steps().await;
    let mut counts = Vec::new();
    for (id, request) in &page.ran {
        let step = client.end_of(request).await;
        assert_eq!(step.kinds()[..2], ["busy", "execute_input"], "{id}");
        counts.push((step.reply["execution_count"].clone(), step.reply["status"].clone()));
    }
    let (ok, error) = (json!("ok"), json!("error"));
    assert_eq!(counts, [(json!(3), ok.clone()), (json!(4), error), (json!(5), ok)]);
    let phases: Vec<_> = page
        .told
        .iter()
        .filter(|data| data["op"] == "bar")
        .map(|data| data["phase"].as_str().unwrap())
        .collect();
    for phase in ["loading", "reading", "running"] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
    assert_eq!(client.run("x").await.reply["execution_count"], 6);
}

#[tokio::test]
async fn the_prompt_is_busy_again_after_each_step_and_ends_after_done() {
    let (mut client, mut page) = open(&[step("Look.", "1"), answer("One.")]).await;
    page.write("p", "> one?");
    let prompt = page.run(&mut client, "p").await;
    page.until(&mut client, "execute").await;
    let step = page.ran[0].1.clone();
    client.end_of(&step).await;
    let busy_again = client.end_of(&prompt).await;
    let kinds = busy_again.kinds();
    let busy = kinds.iter().filter(|kind| **kind == "busy").count();
    assert!(busy >= 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "idle").count(), 1);
    let done =
        busy_again.published.iter().position(|message| message.content["data"]["op"] == "done");
    assert_eq!(done, Some(kinds.len() - 2), "{kinds:?}");
}

#[tokio::test]
async fn a_step_that_the_page_does_not_run_is_run_once_by_the_kernel() {
    let script = [step("Count.", "n = globals().get('n', 0) + 1\nprint(n)\nn"), answer("Done.")];
    let (mut client, mut page) = open(&script).await;
    page.runs = false;
    let ended = page.ask(&mut client, "p", "> count").await;
    assert_eq!(ended.reply["status"], "ok");
    summary(&ended);
    let step = page.cells[2].clone();
    assert_eq!((step.execution_count, step.outputs.len()), (Some(2), 2));
    assert_eq!(step.outputs[0], json!({"output_type": "stream", "name": "stdout", "text": "1\n"}));

    let late = page.run(&mut client, &step.id).await;
    let late = client.end_of(&late).await;
    assert_eq!(late.kinds(), ["busy", "execute_input", "stream", "execute_result", "idle"]);
    assert_eq!((&late.reply["status"], &late.reply["execution_count"]), (&json!("ok"), &json!(2)));
    assert_eq!(client.run("print(n)").await.text("stdout"), "1\n", "it ran once");
    let again = page.run(&mut client, &step.id).await;
    assert_eq!(client.end_of(&again).await.text("stdout"), "2\n", "now it is the user's");
}

#[tokio::test]
async fn a_late_request_for_a_step_that_runs_waits_for_what_is_recorded() {
    let script =
        [step("Slow.", "import time; time.sleep(1.5); print('once')\n1/0"), answer("Done.")];
    let (mut client, mut page) = open(&script).await;
    page.runs = false;
    page.write("p", "> slow");
    let prompt = page.run(&mut client, "p").await;
    let execute = page.until(&mut client, "execute").await;
    // The kernel counts the step only when it has begun to run it.
    client.until_published(&prompt, "execute_input").await;
    client
        .wait("the next bar after two seconds", |message| {
            let data = &message.content["data"];
            data["op"] == "bar" && data["seconds"].as_f64().is_some_and(|seconds| seconds > 2.6)
        })
        .await;
    let late = page.run(&mut client, execute["id"].as_str().unwrap()).await;
    let late = client.end_of(&late).await;
    assert_eq!((late.text("stdout").as_str(), late.contents("error").len()), ("once\n", 1));
    assert_eq!(late.reply["ename"], "ZeroDivisionError");
    page.until(&mut client, "done").await;
    client.end_of(&prompt).await;
}

#[tokio::test]
async fn what_the_user_runs_meanwhile_waits_behind_the_prompt() {
    let script = [step("Wait.", "import time; time.sleep(1)"), answer("Done.")];
    let (mut client, mut page) = open(&script).await;
    page.write("p", "> wait");
    let prompt = page.run(&mut client, "p").await;
    page.write("mine", "'mine'");
    let mine = page.run(&mut client, "mine").await;
    page.until(&mut client, "done").await;
    assert_eq!(client.end_of(&prompt).await.reply["execution_count"], 1);
    assert_eq!(client.end_of(&mine).await.reply["execution_count"], 3);
}

#[tokio::test]
async fn only_the_page_of_the_session_that_asked_inserts() {
    let (mut client, mut page) = open(&[step("Look.", "1"), answer("One.")]).await;
    let mut other = client.beside().await;
    let mut watching = Page::open(&mut other, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "> one?").await;
    assert!(page.cells.len() > 3);
    watching.say(&mut other, json!({"op": "settings", "settings": {"review": "off"}})).await;
    let ended = other.run("1").await;
    assert_eq!(ended.reply["status"], "ok");
    let close = json!({"comm_id": "none", "data": {}});
    other.send(Channel::Shell, "comm_close", close).await;
    // A second question of the other session goes to its own page.
    let asked = watching.ask(&mut other, "q", "> nothing is left in the script").await;
    assert_eq!(asked.reply["ename"], "ModelError");
    let inserted = watching.told.iter().filter(|data| data["op"] == "insert").count();
    assert_eq!(inserted, 0, "{:?}", watching.told);
}

#[tokio::test]
async fn a_page_of_another_version_is_told_so_and_goes_without_live_cells() {
    let mut client = kernel(&[answer("Yes.")]).await;
    for data in [json!({"v": 2, "path": "a.ipynb"}), json!({}), json!(7)] {
        let mut page = Page::knock(&mut client, data).await;
        let hello = page.next(&mut client).await;
        assert!(hello["op"] == "hello" && hello["v"] == 1, "{hello}");
        page.closed(&mut client).await;
    }
    let ended = client.run("> is it?").await;
    assert_eq!(summary_or_answer(&ended), "Yes.");
}

fn summary_or_answer(ended: &Ended) -> Value {
    let shown =
        ended.published.iter().rev().find_map(|message| message.content["data"].get(STEP_MIME));
    shown.unwrap()["outcome"]["answer"].clone()
}

#[tokio::test]
async fn comms_of_others_are_the_companions() {
    let (mut client, _page) = open(&[]).await;
    let content = json!({"comm_id": "c1", "target_name": "nobody", "data": {}});
    client.send(Channel::Shell, "comm_open", content).await;
    client
        .wait("the companion's comm_close", |message| {
            message.msg_type == "comm_close" && message.content["comm_id"] == "c1"
        })
        .await;
}

#[tokio::test]
async fn stop_ends_the_agent_while_it_thinks_and_a_users_cell_goes_on() {
    let mut client = Frontend::start(config(&python()), Endless::loader(false)).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.write("p", "> think");
    page.write("mine", "'mine'");
    let prompt = page.run(&mut client, "p").await;
    let mine = page.run(&mut client, "mine").await;
    page.until(&mut client, "append").await;
    let turn = page.told.iter().find(|data| data["op"] == "begin").unwrap()["turn"].clone();
    page.say(&mut client, json!({"op": "stop", "turn": "t_another"})).await;
    page.say(&mut client, json!({"op": "stop", "turn": turn})).await;
    let done = page.until(&mut client, "done").await;
    assert_eq!(done["status"], "interrupted");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(client.end_of(&mine).await.reply["status"], "ok");
    assert_eq!(page.cells.last().unwrap().source, "'mine'");
    assert_eq!(page.cells[page.cells.len() - 2].source, "**Stopped** before an answer.");
}

#[tokio::test]
async fn stop_ends_a_step_that_runs_and_the_companion_stays() {
    let script =
        [step("Sleep.", "kept = 1\nprint('begun', flush=True)\nimport time; time.sleep(600)")];
    let (mut client, mut page) = open(&script).await;
    page.write("p", "> sleep");
    let prompt = page.run(&mut client, "p").await;
    page.until(&mut client, "execute").await;
    let step = page.ran[0].1.clone();
    client.until_published(&step, "stream").await;
    let turn = page.told.iter().find(|data| data["op"] == "begin").unwrap()["turn"].clone();
    page.say(&mut client, json!({"op": "stop", "turn": turn})).await;
    assert_eq!(page.until(&mut client, "done").await["status"], "interrupted");
    assert_eq!(client.end_of(&step).await.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(client.run("kept").await.reply["status"], "ok");
    let code = page.cells.iter().find(|cell| cell.id.ends_with("-1c")).unwrap();
    // On a busy machine the turn may be given up before the step has stopped.
    assert_ne!(code.metadata["datarus"]["status"], "ok");
    assert!(code.metadata["tags"].as_array().unwrap().contains(&json!("datarus-failed")));
}

#[tokio::test]
async fn a_step_that_is_stopped_before_it_began_never_runs() {
    let (mut client, mut page) = open(&[step("Look.", "ran = 1")]).await;
    page.runs = false;
    page.write("p", "> look");
    let prompt = page.run(&mut client, "p").await;
    let execute = page.until(&mut client, "execute").await;
    client.interrupt().await;
    assert_eq!(page.until(&mut client, "done").await["status"], "interrupted");
    assert_eq!(client.end_of(&prompt).await.reply["ename"], "KeyboardInterrupt");
    let late = page.run(&mut client, execute["id"].as_str().unwrap()).await;
    assert_eq!(client.end_of(&late).await.reply["status"], "aborted");
    assert_eq!(client.run("ran").await.reply["ename"], "NameError");
}

#[tokio::test]
async fn a_step_that_was_changed_before_it_ran_is_told_to_the_agent_as_it_ran() {
    let (mut client, mut page) = open(&[step("Look.", "print(1)"), answer("Two.")]).await;
    page.runs = false;
    page.write("p", "> look");
    let prompt = page.run(&mut client, "p").await;
    let execute = page.until(&mut client, "execute").await;
    let id = execute["id"].as_str().unwrap();
    page.cell(id).source = "print(2)".into();
    let step = page.run(&mut client, id).await;
    assert_eq!(client.end_of(&step).await.text("stdout"), "2\n");
    page.until(&mut client, "done").await;
    client.end_of(&prompt).await;
    let sha = datarus_kernel::cells::source_sha("print(2)");
    assert_eq!(page.cell(id).metadata["datarus"]["src_sha"], json!(sha));
}

#[tokio::test]
async fn a_companion_that_dies_under_a_step_of_the_page_is_told_to_all() {
    let script =
        [step("Die.", "import os; os._exit(1)"), step("Go on.", "print('alive')"), answer("Ok.")];
    let (mut client, mut page) = open(&script).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), page.ask(&mut client, "p", "> die"));
    assert_eq!(ended.await.unwrap().reply["status"], "ok");
    let ran = page.ran.clone();
    assert_eq!(client.end_of(&ran[0].1).await.reply["ename"], "PythonDied");
    assert_eq!(client.end_of(&ran[1].1).await.text("stdout"), "alive\n");
}

/// What the model is told of the notebook.
fn heard(ended: &Ended) -> String {
    summary(ended)[STEP_MIME]["outcome"]["answer"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_model_sees_the_notebook_as_the_user_has_left_it() {
    let mut client = Frontend::start(config(&python()), Parrot::loader()).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    for (id, code) in [("c1", "print('first cell')"), ("c2", "print('second cell')")] {
        page.write(id, code);
        let cell = page.run(&mut client, id).await;
        client.end_of(&cell).await;
    }
    page.cells.retain(|cell| cell.id != "c1");
    let told = heard(&page.ask(&mut client, "p", "> what is there?").await);
    assert!(told.contains("second cell") && !told.contains("first cell"), "{told}");
    // A turn that was taken back is forgotten.
    let turn = page.cell("p").metadata["datarus"]["turn"].clone();
    let told = heard(&page.ask(&mut client, "q", "> and now?").await);
    assert!(told.contains("what is there?"), "{told}");
    page.cells.retain(|cell| cell.id == "p" || cell.metadata.get("datarus").is_none());
    page.say(&mut client, json!({"op": "undo", "turn": turn})).await;
    let told = heard(&page.ask(&mut client, "r", "> and in the end?").await);
    assert!(!told.contains("what is there?"), "{told}");
}

#[tokio::test]
async fn an_answer_that_stands_is_kept_and_a_changed_question_replaces_its_turn() {
    let script = [step("Look.", "1"), answer("One."), answer("Two."), answer("Three.")];
    let (mut client, mut page) = open(&script).await;
    page.ask(&mut client, "p", "> how many?").await;
    let before = page.cells.clone();
    let again = page.run(&mut client, "p").await;
    assert_eq!(page.until(&mut client, "done").await["status"], "done");
    let kept = client.end_of(&again).await;
    assert_eq!(kept.reply["status"], "ok");
    let said = kept.contents("display_data")[0]["data"]["text/markdown"].as_str().unwrap();
    assert!(said.contains("kept") && said.contains("%%ask --again"), "{said}");
    assert_eq!(page.cells, before);

    page.write("mine", "1");
    for (question, told) in
        [("> how many now?", "Two."), ("%%ask --again\nhow many now?", "Three.")]
    {
        page.cell("p").source = question.into();
        let changed = page.run(&mut client, "p").await;
        page.until(&mut client, "done").await;
        client.end_of(&changed).await;
        let sources: Vec<_> = page.cells.iter().map(|cell| cell.source.as_str()).collect();
        assert_eq!((sources[0], sources[2], sources[3]), (question, told, "1"), "{sources:?}");
    }
    let again = page.run(&mut client, "p").await;
    page.until(&mut client, "done").await;
    assert_eq!(client.end_of(&again).await.reply["ename"], "ModelError", "asked again each time");
}

#[tokio::test]
async fn a_run_all_does_not_run_the_cells_that_a_changed_question_replaces() {
    let script = [step("Look.", "print('old')"), answer("One."), answer("Two.")];
    let (mut client, mut page) = open(&script).await;
    page.ask(&mut client, "p", "> how many?").await;
    page.write("mine", "print('mine')");
    page.cell("p").source = "> how many now?".into();
    let old = page.cells[2].id.clone();
    let prompt = page.run(&mut client, "p").await;
    let old = page.run(&mut client, &old).await;
    let mine = page.run(&mut client, "mine").await;
    page.until(&mut client, "done").await;
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(client.end_of(&old).await.reply["status"], "aborted");
    assert_eq!(client.end_of(&mine).await.text("stdout"), "mine\n");
}

#[tokio::test]
async fn a_page_that_does_not_say_what_stands_gets_its_turn_all_the_same() {
    let (mut client, mut page) = open(&[step("Look.", "1"), answer("One.")]).await;
    page.write("p", "> one?");
    page.tells = false;
    let prompt = page.run(&mut client, "p").await;
    assert_eq!(page.until(&mut client, "done").await["status"], "done");
    client.end_of(&prompt).await;
    assert_eq!(page.cells.last().unwrap().source, "One.");
}
