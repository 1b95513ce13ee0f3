//! Interrupts of Python cells.

use datarus_kernel::config::Config;
use datarus_kernel::connection::Channel;
use datarus_kernel::prompt::configured_model;
use serde_json::json;
use tempfile::TempDir;
use tests::frontend::{Ended, Frontend, Message, config, python};
use tests::processes::{any_with, state, until};

/// A cell at work: an interrupt that comes earlier is not what is tested.
struct AtWork {
    client: Frontend,
    cell: String,
    /// The companion's process.
    pid: i32,
    /// Where it works.
    _folder: TempDir,
}

/// Runs `code`, which calls `begin` when it is at work. What it prints may be seen only later: libzmq needs the
/// interpreter's lock.
async fn at_work(code: &str) -> AtWork {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("begun");
    let config = Config { folder: folder.path().to_owned(), ..config(&python()) };
    let mut client = Frontend::start(config, configured_model()).await;
    let pid = client.companion_pid().await;
    client
        .run(
            "import asyncio, os, re, signal, subprocess, time\nkept = 1\n\
             def begin(): open('begun', 'w').close()",
        )
        .await;
    let cell = client.send_cell(code).await;
    until("a cell at work", || started.exists()).await;
    AtWork { client, cell, pid, _folder: folder }
}

/// One interrupt stops `code`, and nothing is lost.
async fn is_interrupted(code: &str) -> Ended {
    let AtWork { mut client, cell, _folder, .. } = at_work(code).await;
    client.interrupt().await;
    let ended = client.end_of(&cell).await;
    assert_ne!(ended.reply["ename"], "PythonDied", "{code}");
    assert_eq!(client.run("kept + 0").await.reply["status"], "ok", "{code}");
    ended
}

/// As [`is_interrupted`], with the exception that the user sees.
async fn raises(code: &str, ename: &str) {
    let ended = is_interrupted(code).await;
    assert_eq!(ended.reply["ename"], ename, "{code}: {}", ended.reply);
}

/// What the user reads of a cell that goes on after its interrupt.
const TOLD: &str = "Interrupt it again to end Python";

/// `code` goes on after an interrupt, of which the user is told; another one ends it.
async fn is_ended_by_a_second_interrupt(code: &str) {
    is_ended(at_work(code).await, code).await;
}

async fn is_ended(at_work: AtWork, code: &str) {
    let AtWork { mut client, cell, _folder, .. } = at_work;
    client.interrupt().await;
    let of_cell = |message: &Message| {
        let text = message.content["text"].as_str().unwrap_or_default();
        message.parent.as_deref() == Some(&cell) && text.contains(TOLD)
    };
    client.wait_keeping("the word to the user", of_cell).await;
    // The kernel answers all along.
    client.ask(Channel::Control, "kernel_info_request", json!({})).await;
    client.beat().await;
    client.interrupt().await;
    let ended = client.end_of(&cell).await;
    assert_eq!(ended.reply["ename"], "PythonDied", "{code}");
    let lost = ended.reply["evalue"].as_str().unwrap();
    assert!(lost.contains("all variables are lost"), "{lost}");
    let kept = client.run("kept + 0").await;
    assert_eq!(kept.reply["ename"], "NameError", "{kept:?}");
}

#[tokio::test]
async fn a_sleep_and_a_loop_stop() {
    raises("begin()\ntime.sleep(600)", "KeyboardInterrupt").await;
    raises("begin()\nwhile True: pass", "KeyboardInterrupt").await;
}

#[tokio::test]
async fn children_stop() {
    is_interrupted("!echo > begun; sleep 600").await;
    is_interrupted("os.system('echo > begun; sleep 600')").await;
    is_interrupted("subprocess.run(['sh', '-c', 'echo > begun; sleep 600'])").await;
}

#[tokio::test]
async fn an_await_stops() {
    // What ipykernel makes of it. Without the launcher's help it stops when its time is over.
    raises("begin()\nawait asyncio.sleep(600)", "CancelledError").await;
}

#[tokio::test]
async fn code_that_keeps_the_interpreters_lock_and_looks_at_signals_stops() {
    // It hears no message: the signal stops it, and the message that is read afterwards does no harm.
    raises("begin()\nre.match('(a+)+b', 'a' * 60)", "KeyboardInterrupt").await;
}

#[tokio::test]
async fn numbers_that_are_crunched_stop() {
    let code = "import numpy\na = numpy.ones((300, 300))\nbegin()\nwhile True: a = a @ a / 300";
    raises(code, "KeyboardInterrupt").await;
}

#[tokio::test]
async fn a_cell_that_begins_to_wait_as_it_is_interrupted_stops() {
    // What Python sees of a signal that comes just before the wait: its handler is due, and the wait is not cut off. Here
    // the main thread is kept from the signal, so that another one takes it.
    let code =
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nbegin()\ntime.sleep(600)";
    raises(code, "KeyboardInterrupt").await;
}

#[tokio::test]
async fn a_cell_that_is_about_to_run_or_has_just_run_stops() {
    // What ipykernel does around a cell's code: an interrupt there would end the cell without a reply.
    let around = "get_ipython().input_transformers_cleanup.append(\n\
        \x20   lambda lines: (begin(), time.sleep(600)) if 'now' in lines[0] else lines)";
    let AtWork { mut client, _folder: folder, .. } = at_work(&format!("{around}\nbegin()")).await;
    let begun = folder.path().join("begun");
    for silent in [false, true] {
        std::fs::remove_file(&begun).unwrap();
        let code = json!({"code": "now = 1", "silent": silent, "store_history": !silent,
            "user_expressions": {}, "allow_stdin": false, "stop_on_error": true});
        let cell = client.send(Channel::Shell, "execute_request", code).await;
        until("a cell that is about to run", || begun.exists()).await;
        client.interrupt().await;
        let ended = client.end_of(&cell).await;
        assert_eq!(ended.reply["ename"], "KeyboardInterrupt", "{}", ended.reply);
        assert_eq!(ended.contents("error").len(), usize::from(!silent));
        assert_eq!(client.run("kept + 0").await.reply["status"], "ok");
    }
}

#[tokio::test]
async fn a_cell_that_catches_its_interrupt_is_interrupted_once() {
    let code = "try:\n    begin()\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    time.sleep(1.5)\n    print('saved')";
    let ended = is_interrupted(code).await;
    assert_eq!((&ended.reply["status"], &*ended.text("stdout")), (&json!("ok"), "saved\n"));
}

#[tokio::test]
async fn a_process_that_stopped_itself_goes_on_and_stops() {
    let code = "begin()\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)";
    let AtWork { mut client, cell, pid, _folder } = at_work(code).await;
    until("a stopped process", || state(pid) == Some('T')).await;
    client.interrupt().await;
    assert_eq!(client.end_of(&cell).await.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.run("kept + 0").await.reply["status"], "ok");
}

#[tokio::test]
async fn c_code_that_looks_at_no_signal_is_ended_by_a_second_interrupt_with_all_its_children() {
    let seconds = format!("600.{}", std::process::id());
    // The child has left the group.
    let code = format!(
        "subprocess.Popen(['sleep', '{seconds}'], start_new_session=True)\nbegin()\nsum(range(10**12))"
    );
    let at_work = at_work(&code).await;
    assert!(any_with(&seconds));
    is_ended(at_work, &code).await;
    until("the end of the child", || !any_with(&seconds)).await;
}

#[tokio::test]
async fn a_loop_that_catches_everything_is_ended_by_a_second_interrupt() {
    let code = "while True:\n    try: begin(); time.sleep(600)\n    except BaseException: pass";
    is_ended_by_a_second_interrupt(code).await;
}

#[tokio::test]
async fn a_loop_that_ignores_signals_is_ended_by_a_second_interrupt() {
    let code = "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\nbegin()\ntime.sleep(600)";
    is_ended_by_a_second_interrupt(code).await;
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
