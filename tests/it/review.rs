//! Steps that wait for the user.

use datarus_kernel::cells::STEP_MIME;
use datarus_kernel::sandbox::Mode;
use serde_json::{Value, json};
use tests::frontend::{Ended, Frontend, config, python};
use tests::page::Page;

use crate::live::scripted;
use crate::prompt_cell::{Parrot, answer, step};

async fn open(script: &[String], review: &str) -> (Frontend, Page) {
    let mut client = Frontend::start(config(&python()), scripted(script)).await;
    let page = Page::open(&mut client, "a.ipynb", json!({"review": review})).await;
    (client, page)
}

/// Asks, and answers each question of the kernel with the next choice.
async fn decide(client: &mut Frontend, page: &mut Page, choices: &[Value]) -> (Ended, Vec<Value>) {
    page.write("p", "> go");
    let prompt = page.run(client, "p").await;
    let mut asked = Vec::new();
    for choice in choices {
        let ask = page.until(client, "ask").await;
        let mut said = json!({"op": "choice", "turn": ask["turn"], "id": ask["id"]});
        said.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        asked.push(ask);
        page.say(client, said).await;
    }
    page.until(client, "done").await;
    (client.end_of(&prompt).await, asked)
}

fn code<'a>(page: &'a Page, number: &str) -> &'a tests::page::PageCell {
    page.cells.iter().find(|cell| cell.id.ends_with(&format!("-{number}c"))).unwrap()
}

#[tokio::test]
async fn each_step_runs_is_changed_or_is_left_out_as_the_user_chooses() {
    let script =
        [step("One.", "a = 1"), step("Two.", "a = 2"), step("Three.", "a = 3"), answer("Done.")];
    let (mut client, mut page) = open(&script, "all").await;
    let edited = "a = 2\na = 22";
    let choices = [
        json!({"choice": "run"}),
        json!({"choice": "edit", "source": edited}),
        json!({"choice": "skip"}),
    ];
    let (ended, asked) = decide(&mut client, &mut page, &choices).await;
    assert_eq!(ended.reply["status"], "ok");
    assert!(asked.iter().all(|ask| ask["why"] == json!([])), "{asked:?}");
    assert_eq!(asked[0]["choices"], json!(["run", "edit", "skip"]));
    assert_eq!(page.ran.len(), 2);
    assert_eq!(code(&page, "2").source, edited);
    let sha = datarus_kernel::cells::source_sha(edited);
    assert_eq!(code(&page, "2").metadata["datarus"]["src_sha"], json!(sha));
    let left_out = &code(&page, "3");
    assert!(left_out.metadata["tags"].as_array().unwrap().contains(&json!("skip-execution")));
    assert!(left_out.outputs[0]["text"].as_str().unwrap().starts_with("Skipped: "));
    assert_eq!(client.run("print(a)").await.text("stdout"), "22\n");
}

#[tokio::test]
async fn without_a_sandbox_a_step_that_installs_packages_waits_whatever_was_chosen() {
    let script = [
        step("Compute.", "a = 1"),
        step("Install.", "%pip install --no-index no-such-package other"),
        answer("Done."),
    ];
    let mut config = config(&python());
    config.sandbox.mode = Mode::Off;
    let mut client = Frontend::start(config, scripted(&script)).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({"review": "off"})).await;
    let (_, asked) = decide(&mut client, &mut page, &[json!({"choice": "skip"})]).await;
    let why = asked[0]["why"][0].as_str().unwrap();
    assert!(
        why.starts_with("installs packages: ") && why.contains("no-such-package other"),
        "{why}"
    );
    assert_eq!(page.ran.len(), 1, "only the first step ran");
}

#[tokio::test]
async fn the_guard_asks_only_before_what_could_do_harm_and_says_why() {
    let script = [
        step("Compute.", "a = 1"),
        step("Delete.", "import os\nif False: os.remove('a')"),
        answer("Done."),
    ];
    let (mut client, mut page) = open(&script, "off").await;
    page.say(&mut client, json!({"op": "settings", "settings": {"review": "guard"}})).await;
    let (_, asked) = decide(&mut client, &mut page, &[json!({"choice": "run"})]).await;
    assert_eq!(asked[0]["why"], json!(["deletes a file: os.remove"]));
    assert_eq!(page.ran.len(), 2);
    let phases = page.told.iter().filter(|data| data["op"] == "bar").map(|data| &data["phase"]);
    assert!(phases.clone().any(|phase| phase == "waiting"), "{:?}", phases.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_step_that_waits_for_the_user_is_stopped_with_its_turn_and_then_is_the_users() {
    let (mut client, mut page) = open(&[step("One.", "a = 1")], "all").await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    let ask = page.until(&mut client, "ask").await;
    page.say(&mut client, json!({"op": "stop", "turn": ask["turn"]})).await;
    assert_eq!(page.until(&mut client, "done").await["status"], "interrupted");
    assert_eq!(client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(client.run("a").await.reply["ename"], "NameError");
    let mine = page.run(&mut client, ask["id"].as_str().unwrap()).await;
    assert_eq!(client.end_of(&mine).await.reply["status"], "ok");
}

#[tokio::test]
async fn the_model_is_told_what_the_user_changed_or_left_out() {
    let script = [step("One.", "print('by the model')"), step("Two.", "print('left out')")];
    let last = Parrot::loader();
    let first = scripted(&script);
    let loader = Box::new(move |config: &_| {
        Ok(crate::prompt_cell::in_turn(first(config)?, 2, last(config)?))
    });
    let mut client = Frontend::start(config(&python()), loader).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({"review": "all"})).await;
    let choices =
        [json!({"choice": "edit", "source": "print('by the user')"}), json!({"choice": "skip"})];
    let (ended, _) = decide(&mut client, &mut page, &choices).await;
    let told = &ended.contents("display_data")[0]["data"][STEP_MIME]["outcome"]["answer"];
    let told = told.as_str().unwrap();
    for part in
        ["the user changed this step", "print('by the user')", "by the user\n", "chose not to run"]
    {
        assert!(told.contains(part), "expected {part} in {told}");
    }
    assert_eq!(code(&page, "1").outputs, Vec::<Value>::new(), "its outputs are the page's own");
}
