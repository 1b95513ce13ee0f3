//! What a model is told of the notebook: what stands there, whoever ran it and whenever.

use serde_json::json;
use tests::frontend::{Frontend, config, python};
use tests::page::Page;

use crate::go_on::{Heard, listener};
use crate::prompt_cell::{answer, step};

/// Said of what ran before Python was started anew.
const LOST: &str = "Python was started anew since";

fn last(heard: &Heard) -> String {
    heard.lock().unwrap().last().unwrap().clone()
}

#[track_caller]
fn in_order(heard: &str, words: &[&str]) {
    let mut rest = heard;
    for word in words {
        rest = rest.split_once(word).unwrap_or_else(|| panic!("no {word:?} there in {heard}")).1;
    }
}

async fn kernel(script: &[String]) -> (Frontend, Heard) {
    let (loader, heard) = listener(script);
    (Frontend::start(config(&python()), loader).await, heard)
}

/// A cell of the reader, a turn of two steps and an answer, made by a kernel that is gone; and a page with them at a
/// new kernel.
async fn restarted(script: &[String]) -> (Frontend, Page, Heard, String) {
    let first = [step("Make it.", "y = x + 1\nprint(y)"), step("Try.", "1/0"), answer("It is 21.")];
    let (mut client, _) = kernel(&first).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.write("c", "x = 20\nprint('twenty')");
    page.write("never", "print('never run')");
    let ran = page.run(&mut client, "c").await;
    client.end_of(&ran).await;
    page.ask(&mut client, "p", "> What comes after 20?").await;
    let turn = page.cell("p").metadata["datarus"]["turn"].as_str().unwrap().to_owned();
    let mut cells = page.cells;
    let steps =
        [(format!("{turn}-1c"), 3, "21\n"), (format!("{turn}-2c"), 4, "ZeroDivisionError\n")];
    for (id, count, text) in [("c".into(), 1, "twenty\n")].into_iter().chain(steps) {
        let cell = cells.iter_mut().find(|cell| cell.id == id).unwrap();
        cell.execution_count = Some(count);
        cell.outputs = vec![json!({"output_type": "stream", "name": "stdout", "text": text})];
    }
    let (mut client, heard) = kernel(script).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.cells = cells;
    (client, page, heard, turn)
}

#[tokio::test]
async fn thoughts_and_answers_are_seen_as_the_reader_has_left_them() {
    let script = [
        step("First thought.", "print(1)"),
        step("Second thought.", "print(2)"),
        answer("It is 2."),
        answer("Yes."),
        answer("No."),
    ];
    let (mut client, heard) = kernel(&script).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "> how many?").await;
    let turn = page.cell("p").metadata["datarus"]["turn"].as_str().unwrap().to_owned();
    page.ask(&mut client, "q", "> sure?").await;
    in_order(&last(&heard), &["First thought.", "Second thought.", "Found.", "It is 2."]);
    let folded = "<details><summary>Step 1 · Mine</summary>\n\nA thought of mine.\n\n</details>";
    page.cell(&format!("{turn}-1t")).source = folded.into();
    page.cell(&format!("{turn}-a")).source = "It is [2](#cell-id=x \"cell 3\"), I say.".into();
    let gone = format!("{turn}-2t");
    page.cells.retain(|cell| cell.id != gone);
    page.ask(&mut client, "r", "> really?").await;
    let heard = last(&heard);
    in_order(&heard, &["<thought>A thought of mine.</thought>", "print(2)", "It is 2, I say."]);
    for gone in ["First thought.", "Second thought.", "details", "cell-id"] {
        assert!(!heard.contains(gone), "{gone} in {heard}");
    }
}

#[tokio::test]
async fn what_ran_before_a_restart_is_seen_and_said_to_be_gone() {
    let (mut client, mut page, heard, _) = restarted(&[answer("It was."), answer("Both.")]).await;
    page.ask(&mut client, "q", "> what was that?").await;
    let told = last(&heard);
    let words = [
        "print('twenty')",
        "twenty",
        LOST,
        "What comes after 20?",
        "Make it.",
        "y = x + 1",
        "21",
        LOST,
    ];
    in_order(&told, &words);
    in_order(&told, &["1/0", "ZeroDivisionError", LOST, "It is 21.", "what was that?"]);
    assert!(!told.contains("never run") && !told.contains("‹details›"), "{told}");
    let ran = page.run(&mut client, "c").await;
    client.end_of(&ran).await;
    page.ask(&mut client, "r", "> and now?").await;
    let told = last(&heard);
    assert_eq!(told.matches(LOST).count(), 2, "the two steps: {told}");
    let (cell, rest) = told.split_once("What comes after 20?").unwrap();
    assert!(cell.contains("twenty") && !cell.contains(LOST), "{cell}");
    in_order(rest, &["what was that?", "It was.", "and now?"]);
}

#[tokio::test]
async fn a_copy_of_a_cell_is_not_taken_for_one_of_before_a_restart() {
    let (mut client, heard) = kernel(&[answer("One.")]).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.write("c", "print('once')");
    let ran = page.run(&mut client, "c").await;
    client.end_of(&ran).await;
    let mut copy = page.cell("c").clone();
    copy.id = "copy".into();
    copy.execution_count = Some(1);
    page.cells.push(copy);
    page.ask(&mut client, "q", "> what?").await;
    let told = last(&heard);
    assert_eq!((told.matches("print('once')").count(), told.contains(LOST)), (2, false), "{told}");
}

#[tokio::test]
async fn a_turn_of_before_a_restart_goes_on_by_running_its_step() {
    let (mut client, mut page, heard, turn) = restarted(&[answer("It is 31.")]).await;
    let from = format!("{turn}-1c");
    page.cell(&from).source = "y = 30 + 1\nprint(y)".into();
    let prompt = page.go_on(&mut client, "p", &from).await;
    assert_eq!(page.until(&mut client, "done").await["status"], "done");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    let ids: Vec<_> =
        page.cells.iter().map(|cell| cell.id.replace(&format!("{turn}-"), "")).collect();
    assert_eq!(ids, ["c", "never", "p", "1t", "1c", "2t_2", "a_2"]);
    in_order(
        &last(&heard),
        &["twenty", LOST, "What comes after 20?", "Make it.", "y = 30 + 1", "31"],
    );
}

#[tokio::test]
async fn a_page_that_does_not_say_what_cells_hold_gets_its_turn_all_the_same() {
    let (mut client, mut page, heard, _) = restarted(&[answer("One.")]).await;
    page.write("q", "> what?");
    page.tells = false;
    let prompt = page.run(&mut client, "q").await;
    let begin = page.until(&mut client, "begin").await;
    let state = page.state(begin["turn"].as_str().unwrap());
    page.say(&mut client, state).await;
    page.until(&mut client, "done").await;
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert!(!last(&heard).contains("twenty"));
}
