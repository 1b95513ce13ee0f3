//! Interrupts of Python cells.

use datarus_kernel::connection::Channel;
use serde_json::json;
use tests::frontend::Frontend;

/// `code` prints when it is at work: an interrupt that comes earlier is not what is tested.
async fn is_interrupted(code: &str) {
    let mut client = Frontend::start_python().await;
    client.run("import os, time").await;
    let cell = client.send_cell(code).await;
    client.until_published(&cell, "stream").await;
    client.interrupt().await;
    let ended = client.end_of(&cell).await;
    let (status, ename) = (&ended.reply["status"], &ended.reply["ename"]);
    assert!(status == "ok" || ename == "KeyboardInterrupt", "{code}: {}", ended.reply);
    assert_eq!(client.run("1").await.reply["status"], "ok", "{code}");
}

#[tokio::test]
async fn a_sleep_and_a_loop_stop() {
    is_interrupted("print('begun', flush=True)\ntime.sleep(600)").await;
    is_interrupted("print('begun', flush=True)\nwhile True: pass").await;
}

#[tokio::test]
async fn children_stop() {
    is_interrupted("!echo begun; sleep 600").await;
    is_interrupted("os.system('echo begun; sleep 600')").await;
}

#[tokio::test]
async fn an_idle_kernel_takes_an_interrupt() {
    let mut client = Frontend::start_python().await;
    client.interrupt().await;
    client.run("x = 1").await;
    client.interrupt().await;
    assert_eq!(client.run("x").await.reply["status"], "ok");
}

#[tokio::test]
async fn a_cell_that_waits_for_python_to_come_up_is_interrupted() {
    // A companion that never comes up.
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    std::fs::write(&python, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&python).status().unwrap();
    let mut client = Frontend::start_with_python(&python).await;
    let cells = [client.send_cell("input()").await, client.send_cell("1").await];
    // Answered at once while Python is starting, and after the cells have come in.
    client.ask(Channel::Shell, "kernel_info_request", json!({})).await;
    client.interrupt().await;
    assert_eq!(client.end_of(&cells[0]).await.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.end_of(&cells[1]).await.reply["status"], "aborted");
}
