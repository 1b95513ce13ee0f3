//! What a step puts out reaches the page without what could act on it; what the user's own cells put out, as it is.

use datarus_kernel::cli::TrustOutputs;
use datarus_kernel::config::Config;
use datarus_kernel::connection::Channel;
use serde_json::{Value, json};
use tests::frontend::{Ended, Frontend, config, python};
use tests::page::Page;

use crate::live::scripted;
use crate::prompt_cell::{answer, step};

/// A cell that tries what an output can do to a page.
const HOSTILE: &str = "\
from IPython.display import HTML, Javascript, clear_output, display, update_display
from comm import create_comm
display(HTML('<b>kept</b><script>f()</script><img src=x onerror=f()>'))
display(Javascript('f()'))
display({'text/plain': 'replaced'}, raw=True, display_id='shared', update=True)
display({'application/vnd.jupyter.widget-view+json': {}, 'text/plain': 'Slider()'}, raw=True)
create_comm('a-target')
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, 'clear_output', {'wait': False}, parent=users, ident=b'x')
kernel.session.send(kernel.iopub_socket, 'comm_open', {'comm_id': 'c', 'target_name': 'a-target', 'data': {}})
kernel.session.send(kernel.iopub_socket, 'display_data', {'data': {'application/javascript': 'f()'}, 'metadata': {}}, parent=users, ident=b'x')
get_ipython().set_next_input('import os')
print('end')";

/// A cell of the user's: it shows something that can be updated, and notes its own request.
const USERS: &str = "\
from IPython.display import display
users = get_ipython().kernel.get_parent()
display({'text/plain': 'mine'}, raw=True, display_id='shared')";

/// Asks the user for a word, although it was not allowed to.
const ASKING: &str = "\
kernel = get_ipython().kernel
try: input('Password: ')
except BaseException as error: print(type(error).__name__)
kernel._allow_stdin = True
try: input('Password: ')
except BaseException as error: print(type(error).__name__)";

async fn kernel(trust_outputs: TrustOutputs, code: &str) -> Frontend {
    let config = Config { trust_outputs, ..config(&python()) };
    Frontend::start(config, scripted(&[step("Try.", code), answer("Done.")])).await
}

/// What is shown, but for what is ours.
fn bundles(ended: &Ended) -> Vec<Value> {
    let shown = ended.contents("display_data").into_iter();
    let of_step = shown.filter(|content| content["data"].get("text/markdown").is_none());
    of_step.map(|content| content["data"].clone()).collect()
}

#[track_caller]
fn is_harmless(shown: &Ended) {
    assert_eq!(
        bundles(shown),
        [
            json!({"text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>kept</b><img>"}),
            json!({"text/plain": "<IPython.core.display.Javascript object>"}),
            json!({"text/plain": "Slider()"}),
        ]
    );
    for msg_type in ["comm_open", "clear_output"] {
        assert!(shown.contents(msg_type).is_empty(), "{msg_type}");
    }
    for update in shown.contents("update_display_data") {
        assert_ne!(update["transient"]["display_id"], "shared");
    }
    let said = shown.text("stderr");
    let lines: Vec<_> = said.lines().map(|line| line.split(". Code").next().unwrap()).collect();
    assert_eq!(
        lines,
        ["Left out: parts of text/html", "Left out: application/javascript", "Left out: a widget"]
    );
    assert!(shown.text("stdout").ends_with("end\n"));
}

/// Nothing came for the user's own cell after its end.
fn left_alone(client: &Frontend, users: &str) {
    let touched = client.count(|message| {
        message.parent.as_deref() == Some(users) && message.channel == Channel::IoPub
    });
    assert_eq!(touched, 0);
}

#[tokio::test]
async fn a_step_in_the_prompt_cell_acts_on_nothing() {
    let mut client = kernel(TrustOutputs::Mine, HOSTILE).await;
    let users = client.send_cell(USERS).await;
    assert_eq!(client.end_of(&users).await.reply["status"], "ok");
    let ended = client.run("> try").await;
    is_harmless(&ended);
    assert_eq!(ended.reply["payload"], json!([]));
    left_alone(&client, &users);
}

#[tokio::test]
async fn a_step_that_a_page_runs_acts_on_nothing_and_its_rerun_is_the_users() {
    let mut client = kernel(TrustOutputs::Mine, HOSTILE).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    let users = client.send_cell(USERS).await;
    client.end_of(&users).await;
    page.ask(&mut client, "p", "> try").await;
    let (cell, request) = page.ran[0].clone();
    let ended = client.end_of(&request).await;
    is_harmless(&ended);
    assert_eq!(ended.reply["payload"], json!([]));
    left_alone(&client, &users);

    let again = page.run(&mut client, &cell).await;
    let again = client.end_of(&again).await;
    assert_eq!(again.contents("comm_open").len(), 1);
    assert_eq!(bundles(&again)[1]["application/javascript"], "f()");
    assert_eq!(again.contents("update_display_data")[0]["transient"]["display_id"], "shared");
    assert_eq!(again.reply["payload"][0]["source"], "set_next_input");
}

#[tokio::test]
async fn a_step_that_the_kernel_runs_for_a_page_is_recorded_without_what_acts() {
    let mut client = kernel(TrustOutputs::Mine, HOSTILE).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.runs = false;
    client.run(USERS).await;
    page.ask(&mut client, "p", "> try").await;
    let outputs = json!(page.cells[2].outputs).to_string();
    assert!(outputs.contains("<b>kept</b>") && outputs.contains("Left out"), "{outputs}");
    for gone in ["f()", "application/javascript\":", "widget-view"] {
        assert!(!outputs.contains(gone), "{gone} in {outputs}");
    }
}

#[tokio::test]
async fn outputs_of_steps_are_as_python_made_them_where_the_user_said_so() {
    let mut client = kernel(TrustOutputs::All, HOSTILE).await;
    client.run(USERS).await;
    let ended = client.run("> try").await;
    assert_eq!(bundles(&ended)[1]["application/javascript"], "f()");
    assert_eq!(ended.contents("comm_open").len(), 1);
    assert_eq!(ended.text("stderr"), "");
}

#[tokio::test]
async fn a_step_does_not_ask_the_user() {
    let mut client = kernel(TrustOutputs::Mine, ASKING).await;
    let ended = client.run("> try").await;
    assert_eq!(ended.text("stdout"), "StdinNotImplementedError\nEOFError\n");

    let mut client = kernel(TrustOutputs::Mine, ASKING).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "> try").await;
    let ended = client.end_of(&page.ran[0].1).await;
    assert_eq!(ended.text("stdout"), "StdinNotImplementedError\nEOFError\n");
    assert_eq!(client.count(|message| message.channel == Channel::Stdin), 0);
}

#[tokio::test]
async fn python_does_not_speak_on_the_comm_of_a_page() {
    let script = [step("Wait.", "1"), answer("Done.")];
    let mut client = Frontend::start(config(&python()), scripted(&script)).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "> one").await;
    let comm = page.comm().to_owned();
    let forged = format!(
        "kernel = get_ipython().kernel\n\
         kernel.session.send(kernel.iopub_socket, 'comm_msg', {{'comm_id': {comm:?}, 'data': {{'op': 'execute', 'id': 'p'}}}}, \
         parent=kernel.get_parent(), ident=b'x')\nprint('sent')"
    );
    let ended = client.run(&forged).await;
    assert_eq!(ended.kinds(), ["busy", "execute_input", "stream", "idle"]);
}
