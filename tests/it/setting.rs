//! Cells that set what Python may reach: `%datarus sandbox off` and its like.

use std::path::Path;

use datarus_kernel::cells::STEP_MIME;
use datarus_kernel::config::Config;
use datarus_kernel::connection::Channel;
use datarus_kernel::sandbox::Mode;
use serde_json::{Value, json};
use tests::frontend::{Ended, Frontend, config, python, sandbox};
use tests::page::Page;
use tests::processes::until;

use crate::live::scripted;
use crate::prompt_cell::{answer, step};

const OPEN: &str = "%datarus sandbox off";

/// A kernel in a sandbox, whose workspace is the folder's part `work`; `secret` beside it is outside.
async fn start(folder: &Path, script: &[String]) -> Frontend {
    let work = folder.join("work");
    std::fs::create_dir(&work).unwrap();
    std::fs::write(folder.join("secret"), "found").unwrap();
    let mut config = Config { folder: work, ..config(&python()) };
    config.sandbox = sandbox();
    config.sandbox.mode = Mode::Auto;
    Frontend::start(config, scripted(script)).await
}

async fn tier(client: &mut Frontend) -> String {
    let info = client.ask(Channel::Shell, "kernel_info_request", json!({})).await.reply;
    let tier = info["sandbox"]["tier"].as_str().unwrap().to_owned();
    let banner = info["banner"].as_str().unwrap();
    assert_eq!(banner.contains("No sandbox"), tier == "none", "{banner}");
    tier
}

/// What the user is asked by the cell `msg_id`.
async fn question(client: &mut Frontend, msg_id: &str) -> String {
    let asked = client
        .wait("a question", |message| {
            message.msg_type == "input_request" && message.parent.as_deref() == Some(msg_id)
        })
        .await;
    asked.content["prompt"].as_str().unwrap().to_owned()
}

async fn type_in(client: &mut Frontend, value: &str) {
    client.send(Channel::Stdin, "input_reply", json!({"value": value})).await;
}

async fn run_and_say(client: &mut Frontend, code: &str, value: &str) -> Ended {
    let msg_id = client.send_cell(code).await;
    question(client, &msg_id).await;
    type_in(client, value).await;
    client.end_of(&msg_id).await
}

async fn read_secret(client: &mut Frontend) -> Value {
    client.run("print(open('../secret').read())").await.reply["status"].clone()
}

#[tokio::test]
async fn after_a_yes_python_starts_afresh_without_a_sandbox_and_all_that_names_it_follows() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = start(folder.path(), &[answer("Done.")]).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    client.run("import atexit; x = 1; atexit.register(lambda: open('ended', 'w').close())").await;
    let held = tier(&mut client).await;
    assert_ne!(held, "none");
    assert_eq!(read_secret(&mut client).await, "error");

    let ended = run_and_say(&mut client, OPEN, "yes").await;
    assert_eq!(ended.reply["status"], "ok", "{ended:?}");
    let said = ended.text("stdout");
    assert!(said.contains("No sandbox") && said.contains("all variables are lost"), "{said}");
    assert_eq!(ended.reply["execution_count"], 1, "of the fresh Python");
    assert!(folder.path().join("work/ended").exists(), "Python was asked to end, not killed");
    assert_eq!(page.until(&mut client, "sandbox").await["sandbox"]["tier"], "none");
    assert_eq!(tier(&mut client).await, "none");
    assert_eq!(client.run("x").await.reply["ename"], "NameError");
    assert_eq!(read_secret(&mut client).await, "ok");
    let mut late = Page::knock(&mut client, json!({"v": 1, "path": "a.ipynb"})).await;
    assert_eq!(late.until(&mut client, "sandbox").await["sandbox"]["tier"], "none");
    let turn = client.run("> go").await;
    let end = turn.contents("update_display_data").pop().unwrap();
    assert_eq!(end["data"][STEP_MIME]["sandbox"], "none");

    let ended = client.run("%datarus sandbox on").await;
    assert_eq!(ended.reply["status"], "ok", "what closes it is not asked: {ended:?}");
    assert_eq!(tier(&mut client).await, held);
    assert_eq!(read_secret(&mut client).await, "error");
}

#[tokio::test]
async fn nothing_but_a_yes_of_the_user_opens_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = start(folder.path(), &[]).await;
    client.run("x = 1").await;
    for said in ["", "no", "off"] {
        let ended = run_and_say(&mut client, OPEN, said).await;
        assert_eq!(ended.reply["ename"], "NotSet", "{said}");
    }
    let asked = client.send_cell(OPEN).await;
    question(&mut client, &asked).await;
    let behind = client.send_cell("x").await;
    client.interrupt().await;
    assert_eq!(client.end_of(&asked).await.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.end_of(&behind).await.reply["status"], "aborted");
    // The answer comes too late.
    type_in(&mut client, "yes").await;
    let ended = client.run("x").await;
    assert_eq!(ended.reply["status"], "ok", "the variables are there: {ended:?}");
    assert_ne!(tier(&mut client).await, "none");
}

#[tokio::test]
async fn a_notebook_of_somebody_else_does_not_open_its_own_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = start(folder.path(), &[]).await;
    let open = json!({"sandbox": "none", "network": "on", "settings": {"sandbox": "off"}});
    let settings = json!({"review": "off", "sandbox": "off", "network": "on"});
    let page = Page::open(&mut client, "a.ipynb", settings.clone()).await;
    page.say(&mut client, json!({"op": "settings", "settings": settings})).await;
    let mut run = async |code: &str, content: Value, metadata: Value| {
        let mut request = json!({"code": code, "allow_stdin": true, "stop_on_error": false});
        request.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        let sent = client.send_with(Channel::Shell, "execute_request", request, metadata, vec![]);
        let msg_id = sent.await;
        client.end_of(&msg_id).await
    };
    let datarus = json!({"cellId": "a", "datarus": open});
    assert_eq!(run("1", json!({}), datarus).await.reply["status"], "ok");
    // A step that came with it, or that a turn made and the user runs again; one that lost its metadata.
    let of_turn = json!({"cellId": "a", "datarus": {"role": "code", "turn": "t_0a1b2c3d"}});
    for metadata in [of_turn, json!({"cellId": "t_0a1b2c3d-1c"})] {
        assert_eq!(run(OPEN, json!({}), metadata).await.reply["ename"], "NotSet");
    }
    // Where it is executed and nobody can be asked, as by nbclient.
    for code in [OPEN, "%datarus network on"] {
        let ended = run(code, json!({"allow_stdin": false}), json!({})).await;
        assert_eq!(ended.reply["ename"], "NotSet");
        let said = ended.reply["evalue"].as_str().unwrap();
        assert!(said.contains("DATARUS_SANDBOX"), "{said}");
    }
    // What leaves no trace is Python, which does not know it.
    run(OPEN, json!({"silent": true}), json!({})).await;
    run(&format!("x = 1\n{OPEN}"), json!({}), json!({})).await;
    assert_ne!(tier(&mut client).await, "none");
    assert_eq!(read_secret(&mut client).await, "error");
}

#[tokio::test]
async fn a_step_that_the_model_wrote_does_not_open_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let script = [step("Open.", OPEN), step("Again.", &format!("{OPEN}\n1")), answer("Done.")];
    let mut client = start(folder.path(), &[&script[..], &script[..]].concat()).await;
    let ended = client.run("> go").await;
    assert_eq!(ended.reply["status"], "ok");
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.write("p", "> go");
    let prompt = page.run(&mut client, "p").await;
    page.until(&mut client, "done").await;
    client.end_of(&prompt).await;
    assert_eq!(client.count(|message| message.msg_type == "input_request"), 0, "nobody was asked");
    assert_ne!(tier(&mut client).await, "none");
    // The user runs what stands there.
    let (cell, _) = page.ran[0].clone();
    let again = page.run(&mut client, &cell).await;
    assert_eq!(client.end_of(&again).await.reply["ename"], "NotSet");
}

#[tokio::test]
async fn python_asks_nothing_while_the_user_is_asked_for_consent() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = start(folder.path(), &[]).await;
    let code = "import contextvars, os, threading, time\n\
                def ask():\n    \
                    while not os.path.exists('ask'): time.sleep(0.01)\n    \
                    try: get_ipython().kernel.raw_input('forged')\n    \
                    except EOFError: open('told', 'w').close()\n\
                threading.Thread(target=contextvars.copy_context().run, args=(ask,)).start()";
    assert_eq!(client.run(code).await.reply["status"], "ok");
    let asked = client.send_cell(OPEN).await;
    question(&mut client, &asked).await;
    let work = folder.path().join("work");
    std::fs::write(work.join("ask"), "").unwrap();
    until("an answer to Python", || work.join("told").exists()).await;
    assert_eq!(client.count(|message| message.msg_type == "input_request"), 0);
    type_in(&mut client, "no").await;
    assert_eq!(client.end_of(&asked).await.reply["ename"], "NotSet");
}

#[tokio::test]
async fn an_answer_to_an_older_question_of_python_is_no_consent() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = start(folder.path(), &[]).await;
    let code = "import contextvars, threading\n\
                def ask():\n    \
                    open('told', 'w').write(get_ipython().kernel.raw_input('Type yes: '))\n\
                threading.Thread(target=contextvars.copy_context().run, args=(ask,)).start()";
    let forges = client.send_cell(code).await;
    question(&mut client, &forges).await;
    client.end_of(&forges).await;
    let asked = client.send_cell(OPEN).await;
    question(&mut client, &asked).await;
    type_in(&mut client, "yes").await;
    let told = folder.path().join("work/told");
    until("the answer", || std::fs::read_to_string(&told).is_ok_and(|told| told == "yes")).await;
    type_in(&mut client, "no").await;
    assert_eq!(client.end_of(&asked).await.reply["ename"], "NotSet");
    assert_ne!(tier(&mut client).await, "none");
}

#[tokio::test]
async fn a_kernel_without_a_sandbox_that_works_can_be_opened_and_says_what_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { folder: folder.path().to_owned(), ..config(&python()) };
    config.sandbox.program = "/no/such/program".into();
    config.sandbox.mode = Mode::Auto;
    let mut client = Frontend::start(config, scripted(&[])).await;
    assert_eq!(client.run("1").await.reply["ename"], "NoPython");
    assert_eq!(run_and_say(&mut client, OPEN, "Yes").await.reply["status"], "ok");
    assert_eq!(client.run("1").await.reply["status"], "ok");
    let ended = client.run("%datarus").await;
    assert!(ended.text("stdout").starts_with("No sandbox"), "{ended:?}");
    assert_eq!(client.run("%datarus network off").await.reply["ename"], "NotSet");
    assert_eq!(client.run("%datarus sandbox").await.reply["ename"], "NotSet");
}
