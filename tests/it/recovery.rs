//! Pages that close and kernels that are killed: what a notebook gets back.

use std::path::Path;

use datarus_kernel::config::Config;
use serde_json::{Value, json};
use tests::frontend::{Frontend, config, python};
use tests::page::Page;

use crate::live::scripted;
use crate::prompt_cell::{answer, step};

async fn kernel(state: &Path, script: &[String]) -> Frontend {
    let config = Config { state: Some(state.to_owned()), ..config(&python()) };
    Frontend::start(config, scripted(script)).await
}

async fn open(client: &mut Frontend) -> Page {
    Page::open(client, "a.ipynb", json!({})).await
}

/// The notebook as it was saved before the question ran.
async fn reopen(client: &mut Frontend, question: &str) -> Page {
    let mut page = Page::knock(client, json!({"v": 1, "path": "a.ipynb"})).await;
    page.write("p", question);
    assert_eq!(page.next(client).await["op"], "hello");
    page
}

fn roles(page: &Page) -> Vec<&str> {
    page.cells
        .iter()
        .map(|cell| cell.metadata["datarus"]["role"].as_str().unwrap_or("none"))
        .collect()
}

/// Ids, metadata, sources and, of steps, the status: what a notebook keeps.
fn kept(page: &Page) -> Vec<Value> {
    let cell = |cell: &tests::page::PageCell| json!([cell.id, cell.source, cell.metadata]);
    page.cells.iter().map(cell).collect()
}

#[tokio::test]
async fn a_killed_kernel_loses_no_finished_step() {
    let state = tempfile::tempdir().unwrap();
    let script = [
        step("First.", "print('one')"),
        step("Fail.", "1/0"),
        step("Sleep.", "import time; time.sleep(600)"),
    ];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    page.write("p", "> go");
    page.run(&mut client, "p").await;
    for _ in 0..3 {
        page.until(&mut client, "execute").await;
    }

    let mut client = kernel(state.path(), &[]).await;
    let mut page = reopen(&mut client, "> go").await;
    let restore = page.next(&mut client).await;
    assert_eq!((&restore["op"], &restore["execution_count"]), (&json!("restore"), &json!(1)));
    let patch = page.until(&mut client, "patch").await;
    assert_eq!(patch["id"], "p");
    assert_eq!(roles(&page), ["prompt", "thought", "code", "thought", "code", "answer"]);
    assert_eq!(page.cells[2].outputs[0]["text"], "one\n");
    assert_eq!(page.cells[4].metadata["tags"][1], "datarus-failed");
    let failed = &page.cells[4].outputs[0];
    assert_eq!((&failed["name"], page.cells[4].execution_count), (&json!("stderr"), Some(3)));
    assert_eq!(page.cells[5].source, "**No answer.** The turn ended early.");
    assert_eq!(page.cells[0].metadata["datarus"]["status"], "failed");
}

#[tokio::test]
async fn what_ran_of_a_failed_step_stands_as_a_cell_where_later_steps_need_it() {
    let state = tempfile::tempdir().unwrap();
    let script = [step("Fail.", "a = 20\n1/0"), step("Go on.", "a * 2"), answer("It is 40.")];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    page.ask(&mut client, "p", "> go").await;
    let ends: Vec<_> =
        page.cells.iter().map(|cell| cell.id.split('-').next_back().unwrap()).collect();
    assert_eq!(ends, ["p", "1t", "1c", "1k", "2t", "2c", "3t", "a"]);
    assert!(page.cells[3].source.ends_with("\na = 20"), "{}", page.cells[3].source);

    let before = kept(&page);
    let mut client = kernel(state.path(), &[]).await;
    let mut page = reopen(&mut client, "> go").await;
    page.until(&mut client, "patch").await;
    assert_eq!(kept(&page), before);
}

#[tokio::test]
async fn a_finished_turn_comes_back_as_it_was_until_the_notebook_holds_it() {
    let state = tempfile::tempdir().unwrap();
    let script = [step("First.", "print('one')\n1"), answer("It is 1.")];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    page.ask(&mut client, "p", "> go").await;
    let (before, turn) = (kept(&page), page.cells[0].metadata["datarus"]["turn"].clone());

    let mut client = kernel(state.path(), &[]).await;
    let mut page = reopen(&mut client, "> go").await;
    page.until(&mut client, "patch").await;
    assert_eq!(kept(&page), before);
    let prompt = &page.cells[0];
    assert_eq!((prompt.execution_count, prompt.outputs.len()), (Some(1), 1));
    assert_eq!(page.cells[2].outputs.len(), 2);
    page.say(&mut client, json!({"op": "restored", "turn": turn})).await;
    page.say(&mut client, json!({"op": "held", "turn": turn})).await;
    client.run("1").await;
    let files = std::fs::read_dir(state.path().join("journal")).unwrap().count();
    assert_eq!(files, 0, "the journal is gone");
    assert_nothing_comes(&mut client).await;
}

async fn assert_nothing_comes(client: &mut Frontend) {
    let page = reopen(client, "> go").await;
    page.say(client, json!({"op": "settings", "settings": {}})).await;
    client.run("1").await;
    assert_eq!(page.waiting(client), 0);
}

#[tokio::test]
async fn a_turn_that_was_taken_back_does_not_come_back() {
    let state = tempfile::tempdir().unwrap();
    let mut client = kernel(state.path(), &[step("First.", "1"), answer("One.")]).await;
    let mut page = open(&mut client).await;
    page.ask(&mut client, "p", "> go").await;
    let turn = page.cells[0].metadata["datarus"]["turn"].clone();
    page.say(&mut client, json!({"op": "undo", "turn": turn})).await;
    client.run("1").await;
    assert_nothing_comes(&mut client).await;
}

#[tokio::test]
async fn a_turn_that_is_taken_back_while_it_runs_ends_and_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let script = [step("Sleep.", "import time; time.sleep(600)")];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    let begin = page.until(&mut client, "begin").await;
    page.until(&mut client, "execute").await;
    page.cells.retain(|cell| cell.id == "p");
    page.say(&mut client, json!({"op": "undo", "turn": begin["turn"]})).await;
    page.until(&mut client, "done").await;
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(page.cells.len(), 1);
    assert_nothing_comes(&mut client).await;
}

#[tokio::test]
async fn a_page_that_is_reloaded_in_mid_turn_gets_all_and_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let slow = "import time; print('slow', flush=True); time.sleep(3)";
    let script =
        [step("First.", "print('one')"), step("Slow.", slow), step("Last.", "2"), answer("Two.")];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    for _ in 0..2 {
        page.until(&mut client, "execute").await;
    }
    // The first page says nothing more; its socket stays open, as the server's does.
    let mut fresh = client.beside().await;
    let mut again = reopen(&mut fresh, "> go").await;
    let done = again.until(&mut fresh, "done").await;
    assert_eq!(done["status"], "done");
    assert_eq!(
        roles(&again),
        ["prompt", "thought", "code", "thought", "code", "thought", "code", "thought", "answer"]
    );
    assert_eq!(again.cells[2].outputs[0]["text"], "one\n");
    assert_eq!(again.cells[4].outputs[0]["text"], "slow\n");
    assert_eq!(again.ran.len(), 1, "the last step");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
}

#[tokio::test]
async fn a_second_tab_does_not_take_the_turn_from_a_page_that_lives() {
    let state = tempfile::tempdir().unwrap();
    let script = [step("Slow.", "import time; time.sleep(2)"), step("Last.", "2"), answer("Two.")];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    page.until(&mut client, "execute").await;
    let mut other = client.beside().await;
    let _second = reopen(&mut other, "> go").await;
    page.until(&mut client, "done").await;
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(page.ran.len(), 2);
}

#[tokio::test]
async fn the_turn_of_a_page_that_is_closed_goes_on_in_one_that_is_open() {
    let state = tempfile::tempdir().unwrap();
    let slow = step("Slow.", "import time; time.sleep(2); print('two')");
    let script =
        [step("First.", "print('one')"), slow, step("Last.", "print('three')"), answer("Three.")];
    let mut client = kernel(state.path(), &script).await;
    let mut page = open(&mut client).await;
    let mut other = client.beside().await;
    let mut second = open(&mut other).await;
    second.write("p", "> go");
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    for _ in 0..2 {
        page.until(&mut client, "execute").await;
    }
    page.close(&mut client).await;
    second.until(&mut other, "done").await;
    second.until(&mut other, "restore").await;
    let printed: Vec<_> = second.cells.iter().filter_map(|cell| cell.outputs.first()).collect();
    let texts: Vec<_> = printed.iter().filter_map(|output| output["text"].as_str()).collect();
    assert_eq!(texts, ["one\n", "two\n"]);
    assert_eq!(second.ran.len(), 1, "the last step");
    assert_eq!(second.cell("p").outputs.len(), 1, "the prompt's own");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
}

/// A second page on the notebook, and the question in it.
async fn beside(client: &Frontend, question: &str) -> (Frontend, Page) {
    let mut other = client.beside().await;
    let mut page = open(&mut other).await;
    page.write("p", question);
    (other, page)
}

#[tokio::test]
async fn a_turn_that_waits_in_a_page_that_fell_silent_waits_in_one_that_is_open() {
    let state = tempfile::tempdir().unwrap();
    let mut client = kernel(state.path(), &[step("First.", "print('one')"), answer("One.")]).await;
    let settings = json!({"review": "all"});
    let mut page = Page::open(&mut client, "a.ipynb", settings).await;
    let (mut other, mut second) = beside(&client, "> go").await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    page.until(&mut client, "ask").await;
    // Its tab was closed, and that word was lost.
    let ask = second.until(&mut other, "ask").await;
    let choice = json!({"op": "choice", "turn": ask["turn"], "id": ask["id"], "choice": "run"});
    second.say(&mut other, choice).await;
    second.until(&mut other, "restore").await;
    assert_eq!(roles(&second), ["prompt", "thought", "code", "thought", "answer"]);
    assert_eq!(second.ran.len(), 1);
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    // It lives after all: it is given what it missed.
    page.until(&mut client, "done").await;
    assert_eq!((roles(&page), page.ran.len()), (roles(&second), 0));
    assert_eq!(page.cells[2].outputs[0]["text"], "one\n");
}

#[tokio::test]
async fn a_step_of_a_page_that_fell_silent_runs_once_and_stands_in_one_that_is_open() {
    let state = tempfile::tempdir().unwrap();
    let slow = "import time; n = globals().get('n', 0) + 1; time.sleep(8); print(n)";
    let mut client = kernel(state.path(), &[step("Slow.", slow), answer("Done.")]).await;
    let mut page = open(&mut client).await;
    let (mut other, mut second) = beside(&client, "> go").await;
    page.runs = false;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    let execute = page.until(&mut client, "execute").await;
    second.until(&mut other, "begin").await;
    let late = page.run(&mut client, execute["id"].as_str().unwrap()).await;
    second.until(&mut other, "restore").await;
    assert_eq!(roles(&second), ["prompt", "thought", "code", "thought", "answer"]);
    assert_eq!((second.cells[2].outputs[0]["text"].as_str(), second.ran.len()), (Some("1\n"), 0));
    assert_eq!(client.end_of(&late).await.text("stdout"), "1\n");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
}

#[tokio::test]
async fn a_step_that_a_silent_page_was_told_to_run_is_not_run_when_it_speaks_again() {
    let state = tempfile::tempdir().unwrap();
    let count = "n = globals().get('n', 0) + 1";
    let mut client = kernel(state.path(), &[step("Count.", count), answer("Done.")]).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({"review": "all"})).await;
    page.runs = false;
    page.write("p", "> go");
    page.run(&mut client, "p").await;
    let ask = page.until(&mut client, "ask").await;
    let choice = json!({"op": "choice", "turn": ask["turn"], "id": ask["id"], "choice": "run"});
    page.say(&mut client, choice).await;
    page.until(&mut client, "execute").await;
    // Another page opens, and the first does not say that it lives.
    let mut fresh = client.beside().await;
    let mut again = reopen(&mut fresh, "> go").await;
    again.runs = false;
    again.until(&mut fresh, "execute").await;
    let late = page.run(&mut client, ask["id"].as_str().unwrap()).await;
    assert_eq!(client.end_of(&late).await.reply["status"], "aborted");
    again.until(&mut fresh, "done").await;
    assert_eq!(client.run("print(n)").await.text("stdout"), "1\n");
}

/// A turn whose page does nothing after its first step, with another page open: the clients and pages of both.
async fn ended_unseen(state: &Path, script: &[String]) -> [(Frontend, Page); 2] {
    let mut client = kernel(state, script).await;
    let mut page = open(&mut client).await;
    let beside = beside(&client, "> go").await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    page.until(&mut client, "execute").await;
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    [(client, page), beside]
}

#[tokio::test]
async fn a_turn_that_ended_in_a_page_that_is_gone_comes_to_one_that_is_open() {
    for closes in [false, true] {
        let state = tempfile::tempdir().unwrap();
        let script = [step("First.", "print('one')"), answer("One.")];
        let [(mut client, page), (mut other, mut second)] =
            ended_unseen(state.path(), &script).await;
        assert_eq!((second.waiting(&other), second.told.len()), (0, 1), "{:?}", second.told);
        if closes {
            page.close(&mut client).await;
        }
        second.until(&mut other, "restore").await;
        second.until(&mut other, "patch").await;
        assert_eq!(roles(&second), ["prompt", "thought", "code", "thought", "answer"]);
        let shown = second.cells[2].outputs[0]["text"].as_str();
        assert_eq!((shown, second.ran.len()), (Some("one\n"), 0));
    }
}

#[tokio::test]
async fn a_turn_that_has_begun_by_then_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    let slow = "import time; n = globals().get('n', 0) + 1; time.sleep(5); print(n)";
    let script =
        [step("First.", "print('one')"), answer("One."), step("Slow.", slow), answer("1.")];
    let [(mut client, _), (mut other, mut second)] = ended_unseen(state.path(), &script).await;
    // The first page is gone, which is not known yet.
    second.write("q", "> more");
    let more = second.run(&mut other, "q").await;
    second.until(&mut other, "done").await;
    assert_eq!(other.end_of(&more).await.reply["status"], "ok");
    let count = |op: &str| second.told.iter().filter(|data| data["op"] == op).count();
    let counts = (count("begin"), count("execute"), count("restore"));
    assert_eq!(counts, (1, 1, 1), "{:?}", second.told);
    assert_eq!(client.run("print(n)").await.text("stdout"), "1\n");
}

#[tokio::test]
async fn a_turn_that_ended_in_a_page_that_lives_stays_there() {
    let state = tempfile::tempdir().unwrap();
    let mut client = kernel(state.path(), &[step("First.", "print('one')"), answer("One.")]).await;
    let mut page = open(&mut client).await;
    let (mut other, mut second) = beside(&client, "> go").await;
    page.ask(&mut client, "p", "> go").await;
    page.until(&mut client, "read").await;
    // Longer than a page is waited for; then the other one is told of a turn of its own alone.
    client.run("import time; time.sleep(4)").await;
    second.write("q", "> go");
    second.run(&mut other, "q").await;
    let begin = second.until(&mut other, "begin").await;
    assert_eq!(begin["prompt"], "q");
    assert!(second.told.iter().all(|data| data["op"] != "restore"), "{:?}", second.told);
}

#[tokio::test]
async fn a_page_that_says_little_keeps_its_turn() {
    let state = tempfile::tempdir().unwrap();
    let slow = step("Slow.", "import time; time.sleep(8)");
    let mut client = kernel(state.path(), &[slow, answer("Done.")]).await;
    let mut page = open(&mut client).await;
    let (other, second) = beside(&client, "> go").await;
    page.runs = false;
    page.ask(&mut client, "p", "> go").await;
    let asked = page.told.iter().filter(|data| data["op"] == "read").count();
    assert!(asked >= 1, "{:?}", page.told);
    assert_eq!((second.waiting(&other), second.told.len()), (0, 1), "{:?}", second.told);
}
