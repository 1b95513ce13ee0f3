//! The death of the companion, of the kernel, and the end of both.

use std::path::Path;

use serde_json::json;
use tests::frontend::{Frontend, python};
use tests::processes::{runs, until};

fn kill(pid: i32) {
    std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
}

fn runtime_folders(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("datarus-")).count()
}

/// Runs C code that looks at no signal and holds the interpreter's lock, so that what it prints may never be sent.
async fn occupy(client: &mut Frontend) {
    let begun = client.folder.path().join("begun");
    client
        .send_cell(&format!("open('{}', 'w').close(); sum(range(10**12))", begun.display()))
        .await;
    until("the cell to begin", || begun.exists()).await;
}

#[tokio::test]
async fn a_cell_that_ends_python_is_told_so_and_a_fresh_one_runs() {
    let mut client = Frontend::start_python().await;
    client.run("x = 1").await;
    let fatal = client.send_cell("import os, time; time.sleep(0.5); os._exit(3)").await;
    let behind = client.send_cell("x").await;
    let ended = client.end_of(&fatal).await;
    assert_eq!(ended.reply["ename"], "PythonDied");
    assert_eq!(ended.reply["execution_count"], 2);
    let told = ended.reply["evalue"].as_str().unwrap();
    assert!(told.contains("exit status: 3") && told.contains("all variables are lost"), "{told}");
    assert_eq!(ended.contents("error").len(), 1);
    assert_eq!(client.end_of(&behind).await.reply["status"], "aborted");
    let ended = client.run("x").await;
    assert_eq!(ended.reply["ename"], "NameError");
    assert_eq!(ended.reply["execution_count"], 1);
}

#[tokio::test]
async fn a_companion_killed_at_rest_is_told_of_in_the_next_cell() {
    let mut client = Frontend::start_python().await;
    let pid = client.companion_pid().await;
    kill(pid);
    until("the companion's end", || !runs(pid)).await;
    let mut ended = client.run("1").await;
    if ended.reply["status"] == "error" {
        // The cell was sent before the end was seen: it is told there.
        assert_eq!(ended.reply["ename"], "PythonDied");
        ended = client.run("1").await;
    } else {
        assert!(ended.text("stderr").contains("all variables are lost"), "{ended:?}");
    }
    assert_eq!(ended.reply["status"], "ok");
    assert_eq!(client.run("1").await.text("stderr"), "", "it is told once");
}

#[tokio::test]
async fn a_python_without_ipykernel_gives_one_clear_error_and_the_kernel_stays() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    let script = format!("#!/bin/sh\nexec {} -S -E \"$@\"\n", tests::frontend::python().display());
    std::fs::write(&python, script).unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&python).status().unwrap();
    for (python, expected) in
        [(python.as_path(), "pip install"), (Path::new("/no/python"), "/no/python")]
    {
        let mut client = Frontend::start_with_python(python).await;
        for _ in 0..2 {
            let ended = client.run("1").await;
            assert_eq!(ended.reply["ename"], "NoPython");
            assert!(ended.reply["evalue"].as_str().unwrap().contains(expected), "{}", ended.reply);
            assert_eq!(ended.contents("error").len(), 1);
        }
        let info = json!({});
        client.ask(datarus_kernel::connection::Channel::Shell, "kernel_info_request", info).await;
    }
}

#[tokio::test]
async fn a_shutdown_leaves_no_process_and_no_folder() {
    let mut client = Frontend::start_binary(&python()).await;
    let pid = client.companion_pid().await;
    assert_eq!(runtime_folders(client.folder.path()), 1);
    client.run("import subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid)").await;
    client.shut_down().await;
    let status = client.process.as_mut().unwrap().wait().await.unwrap();
    assert!(status.success(), "{status}");
    assert!(!runs(pid));
    assert_eq!(runtime_folders(client.folder.path()), 0);
}

#[tokio::test]
async fn a_terminated_kernel_leaves_no_process_and_no_folder() {
    let mut client = Frontend::start_binary(&python()).await;
    let pid = client.companion_pid().await;
    let kernel = client.process.as_ref().unwrap().id().unwrap();
    occupy(&mut client).await;
    std::process::Command::new("kill").arg(kernel.to_string()).status().unwrap();
    let status = client.process.as_mut().unwrap().wait().await.unwrap();
    assert!(status.success() && !runs(pid), "{status}");
    assert_eq!(runtime_folders(client.folder.path()), 0);
}

#[tokio::test]
async fn a_killed_kernel_leaves_no_process_and_no_folder() {
    let mut client = Frontend::start_binary(&python()).await;
    let pid = client.companion_pid().await;
    let code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)";
    let child: i32 = client.run(code).await.text("stdout").trim().parse().unwrap();
    let child = client.pid_here(child).await;
    occupy(&mut client).await;
    client.process.as_mut().unwrap().start_kill().unwrap();
    until("the end of the companion and its child", || !runs(pid) && !runs(child)).await;
    until("an empty folder", || runtime_folders(client.folder.path()) == 0).await;
}
