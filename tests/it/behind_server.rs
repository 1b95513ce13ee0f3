//! A companion behind a real Jupyter Server: REST for its life, a WebSocket for its messages.

use std::process::Command;

use datarus_kernel::connection::Channel;
use serde_json::json;
use tests::frontend::{Frontend, binary};
use tests::jupyter::{JupyterServer, Passage, TOKEN};
use tests::processes::{runs, until};

use crate::elsewhere::{check_cells, check_interrupt, kernel_at, number, pid, place};
use crate::prompt_cell::{answer, step};

async fn kernel(address: &str) -> Frontend {
    let folder = tempfile::tempdir().unwrap();
    kernel_at(place(address), &folder.keep(), &[]).await
}

/// Cells of every kind, over the protocol that the server speaks.
async fn check_protocol(server: JupyterServer) {
    let mut client = kernel(&server.address()).await;
    check_cells(&mut client).await;
    check_interrupt(&mut client).await;
    // Binary buffers, as of widgets.
    let code =
        "from comm import create_comm\nc = create_comm('t', data={}, buffers=[b'\\x00\\xff'])";
    let ended = client.run(code).await;
    let opened = ended.published.iter().find(|message| message.msg_type == "comm_open");
    assert_eq!(opened.unwrap().buffers, [&b"\x00\xff"[..]]);
    let pid = pid(&mut client).await;
    client.shut_down().await;
    until("the end of the kernel there", || server.kernels().is_empty() && !runs(pid)).await;
}

#[tokio::test]
async fn cells_run_behind_a_server_and_their_kernel_ends_with_ours() {
    check_protocol(JupyterServer::start(&[]).await).await;
}

#[tokio::test]
async fn an_older_server_speaks_json() {
    check_protocol(JupyterServer::start(&["--ServerApp.kernel_ws_protocol="]).await).await;
}

#[tokio::test]
async fn a_gateway_runs_cells_as_a_server_does() {
    check_protocol(JupyterServer::start_gateway().await).await;
}

#[tokio::test]
async fn an_encrypted_server_is_used_where_its_certificate_is_trusted() {
    let fixture = |name: &str| format!("{}/fixtures/databases/{name}", env!("CARGO_MANIFEST_DIR"));
    let certificate = fixture("certificate.pem");
    let server = JupyterServer::start(&[
        &format!("--ServerApp.certfile={certificate}"),
        &format!("--ServerApp.keyfile={}", fixture("key.pem")),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let run = |trusted: Option<&str>| {
        Command::new(binary())
            .args(["run", "n.ipynb", "-o", "out.ipynb", "--companion"])
            .arg(format!("https://localhost:{}/", server.port))
            .current_dir(folder.path())
            .env("DATARUS_COMPANION_TOKEN", TOKEN)
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .envs(trusted.map(|file| ("SSL_CERT_FILE", file)))
            .output()
            .unwrap()
    };
    let cell = json!({
        "cell_type": "code", "id": "a", "source": "print(6 * 7)", "metadata": {}, "outputs": [], "execution_count": null,
    });
    let notebook = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]});
    std::fs::write(folder.path().join("n.ipynb"), notebook.to_string()).unwrap();
    let refused = run(None);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("certificate"), "{told}");
    let ran = run(Some(&certificate));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let written = std::fs::read_to_string(folder.path().join("out.ipynb")).unwrap();
    assert!(written.contains("42") && !written.contains(TOKEN), "{written}");
}

#[tokio::test]
async fn a_kernel_of_a_server_is_joined_by_its_id_and_left_alive() {
    let server = JupyterServer::start(&[]).await;
    let id = server.ask("POST", "api/kernels").unwrap()["id"].as_str().unwrap().to_owned();
    let address = format!("http://127.0.0.1:{}/api/kernels/{id}?token={TOKEN}", server.port);
    let mut client = kernel(&address).await;
    client.run("kept = 7").await;
    check_interrupt(&mut client).await;
    client.shut_down().await;
    assert_eq!(server.kernels(), [id]);
    let mut again = kernel(&address).await;
    assert_eq!(number(&mut again, "kept").await, 7);
}

#[tokio::test]
async fn the_death_of_a_kernel_behind_a_server_is_told_and_a_fresh_one_runs() {
    let server = JupyterServer::start(&[]).await;
    let mut client = kernel(&server.address()).await;
    client.run("x = 1").await;
    let ended = client.run("import os; os._exit(3)").await;
    assert_eq!(ended.reply["ename"], "PythonDied");
    assert!(ended.reply["evalue"].as_str().unwrap().contains("its process has ended"), "{ended:?}");
    assert_eq!(client.run("x").await.reply["ename"], "NameError");
    until("one kernel there", || server.kernels().len() == 1).await;
}

#[tokio::test]
async fn a_connection_that_breaks_comes_back_with_what_was_said_meanwhile() {
    let server = JupyterServer::start(&[]).await;
    let passage = Passage::to(server.port);
    let address = format!("http://127.0.0.1:{}/?token={TOKEN}", passage.port);
    let folder = tempfile::tempdir().unwrap();
    let mut client = kernel_at(place(&address), folder.path(), &[]).await;
    client.run("x = 41").await;
    let (go, done) = (folder.path().join("go"), folder.path().join("done"));
    let code = format!(
        "import os, time\nprint('before', flush=True)\nwhile not os.path.exists({go:?}): time.sleep(0.01)\n\
         print('meanwhile', flush=True)\nopen({done:?}, 'w').close()\nx + 1"
    );
    let cell = client.send_cell(&code).await;
    client.until_published(&cell, "stream").await;
    let passed = passage.passed();
    passage.cut(true);
    // What is said before the server sees the break, it writes to a connection that is gone.
    let connections =
        || server.ask("GET", "api/kernels").map(|kernels| kernels[0]["connections"].clone());
    until("the server to see the break", || connections() == Some(json!(0))).await;
    std::fs::write(&go, "").unwrap();
    until("the cell to go on", || done.exists()).await;
    passage.cut(false);
    let ended = client.end_of(&cell).await;
    assert!(passage.passed() > passed);
    assert_eq!(ended.reply["status"], "ok", "{ended:?}");
    assert_eq!(ended.text("stdout"), "before\nmeanwhile\n");
    assert_eq!(ended.contents("execute_result")[0]["data"]["text/plain"], "42");
    assert_eq!(number(&mut client, "x").await, 41, "the variables are there");
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_within_a_bound() {
    let server = JupyterServer::start(&[]).await;
    let mut client = kernel(&server.address()).await;
    let cell = client.send_cell("import time\nprint('begun', flush=True)\ntime.sleep(600)").await;
    client.until_published(&cell, "stream").await;
    drop(server);
    let ended = client.end_of(&cell).await;
    assert_eq!(ended.reply["ename"], "PythonDied", "{ended:?}");
}

#[tokio::test]
async fn a_wrong_token_is_told_without_showing_it() {
    let server = JupyterServer::start(&[]).await;
    let address = format!("http://127.0.0.1:{}/lab?token=0123wrong", server.port);
    let mut client = kernel(&address).await;
    let ended = client.run("1").await;
    assert_eq!(ended.reply["ename"], "NoPython");
    let told = ended.reply["evalue"].as_str().unwrap();
    assert!(told.contains("DATARUS_COMPANION_TOKEN") && !told.contains("0123wrong"), "{told}");
}

#[tokio::test]
async fn a_server_that_does_not_share_the_folder_says_so_and_no_files_are_told() {
    let server = JupyterServer::start(&[]).await;
    // What another machine would be: a folder of this path is not what it is here.
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    std::fs::write(gone.join("a.csv"), "x\n1\n").unwrap();
    let script = [step("Look.", "print(1)"), answer("It is 1.")];
    let mut client = kernel_at(place(&server.address()), &gone, &script).await;
    std::fs::rename(&gone, folder.path().join("there")).unwrap();
    client.run("1").await;
    std::fs::rename(folder.path().join("there"), &gone).unwrap();
    let info = client.ask(Channel::Shell, "kernel_info_request", json!({})).await.reply;
    let words = "the files of this folder are not there";
    assert!(info["banner"].as_str().unwrap().contains(words), "{info}");
    let shown = info.to_string() + &format!("{:?}", client.run("> How many?").await.published);
    assert!(shown.contains("the analyst was told of none"), "{shown}");
    assert!(!shown.contains(TOKEN), "{shown}");
}
