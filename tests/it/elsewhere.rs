//! A companion that the launcher did not start, on this machine: of a kernelspec, or one that runs already.

use std::path::{Path, PathBuf};

use datarus_kernel::config::Config;
use datarus_kernel::connection::Channel;
use datarus_kernel::place::Place;
use serde_json::json;
use tempfile::TempDir;
use tests::frontend::{Frontend, config, python};
use tests::processes::{runs, until};

use crate::live::scripted;
use crate::prompt_cell::{answer, step};

/// Where `--companion` leads.
pub(crate) fn place(text: &str) -> Place {
    Place::resolve(Some(&text.parse().unwrap()), "").unwrap()
}

/// A kernel whose cells run at a place; its notebook lies in `folder`.
pub(crate) async fn kernel_at(place: Place, folder: &Path, script: &[String]) -> Frontend {
    let config = Config { companion: place, folder: folder.to_owned(), ..config(&python()) };
    Frontend::start(config, scripted(script)).await
}

pub(crate) async fn number(client: &mut Frontend, code: &str) -> i32 {
    let ended = client.run(&format!("print({code})")).await;
    ended.text("stdout").trim().parse().unwrap_or_else(|_| panic!("{ended:?}"))
}

pub(crate) async fn pid(client: &mut Frontend) -> i32 {
    number(client, "__import__('os').getpid()").await
}

/// Runs what an ordinary notebook runs, and looks at each kind of answer.
pub(crate) async fn check_cells(client: &mut Frontend) {
    let ended = client.run("import sys\nprint('out'); print('err', file=sys.stderr); 6 * 7").await;
    assert_eq!(ended.reply["status"], "ok", "{ended:?}");
    assert_eq!((ended.text("stdout"), ended.text("stderr")), ("out\n".into(), "err\n".into()));
    assert_eq!(ended.contents("execute_result")[0]["data"]["text/plain"], "42");
    let session = ended.published[0].session.clone();
    assert!(ended.published.iter().all(|message| message.session == session), "one session id");

    let failed = client.run("1 / 0").await;
    assert_eq!(failed.reply["ename"], "ZeroDivisionError");
    assert_eq!(failed.contents("error").len(), 1);

    let asking = client.send_cell("print('Hello, ' + input('Who? '))").await;
    client.wait("a question", |message| message.msg_type == "input_request").await;
    client.send(Channel::Stdin, "input_reply", json!({"value": "you"})).await;
    assert_eq!(client.end_of(&asking).await.text("stdout"), "Hello, you\n");

    let completed = json!({"code": "prin", "cursor_pos": 4});
    let completed = client.ask(Channel::Shell, "complete_request", completed).await;
    assert!(completed.reply["matches"].to_string().contains("print"), "{completed:?}");
}

/// An endless cell ends at an interrupt, and the next one runs.
pub(crate) async fn check_interrupt(client: &mut Frontend) {
    let endless = client.send_cell("print('begun', flush=True)\nwhile True: pass").await;
    client.until_published(&endless, "stream").await;
    client.interrupt().await;
    assert_eq!(client.end_of(&endless).await.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.run("1").await.reply["status"], "ok");
}

/// A kernel of somebody else, with its connection file.
struct Theirs {
    process: std::process::Child,
    file: PathBuf,
    _folder: TempDir,
}

impl Theirs {
    async fn start() -> Theirs {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kernel-1.json");
        let process = std::process::Command::new(python())
            .args(["-m", "ipykernel_launcher", "--HistoryManager.hist_file=:memory:", "-f"])
            .arg(&file)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        until("a connection file", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.contains('}'))
        })
        .await;
        Theirs { process, file, _folder: folder }
    }

    fn place(&self) -> Place {
        place(&self.file.display().to_string())
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn cells_run_in_the_kernel_of_a_kernelspec_which_ends_with_ours() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "x\n1\n").unwrap();
    let mut client = kernel_at(place("python3"), folder.path(), &[]).await;
    check_cells(&mut client).await;
    check_interrupt(&mut client).await;
    assert_eq!(number(&mut client, "len(open('a.csv').read())").await, 4, "in the folder");
    assert_eq!(number(&mut client, "len([n for n in dir() if 'datarus' in n])").await, 0);
    let pid = pid(&mut client).await;
    client.shut_down().await;
    until("the kernel's end", || !runs(pid)).await;
}

#[tokio::test]
async fn a_kernel_elsewhere_says_that_nothing_of_ours_sandboxes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = kernel_at(place("python3"), folder.path(), &[]).await;
    client.run("1").await;
    let info = client.ask(Channel::Shell, "kernel_info_request", json!({})).await.reply;
    let words =
        "Not sandboxed by Datarus: the code runs at the kernelspec `python3` on this machine";
    assert!(info["banner"].as_str().unwrap().contains(words), "{info}");
    assert_eq!(info["sandbox"]["tier"], "elsewhere");
    assert_eq!(info["sandbox"]["has_folder"], true);
    let features = info["supported_features"].to_string();
    assert!(features.contains("kernel subshells"), "as the kernel there says: {info}");
    let ended = client.run("%datarus sandbox on").await;
    assert!(ended.reply["evalue"].as_str().unwrap().contains(words), "{ended:?}");
    assert!(client.run("%datarus").await.text("stdout").contains(words));
}

#[tokio::test]
async fn the_death_of_a_kernelspecs_kernel_is_told_and_a_fresh_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = kernel_at(place("python3"), folder.path(), &[]).await;
    client.run("x = 1").await;
    let ended = client.run("import os; os._exit(3)").await;
    assert_eq!(ended.reply["ename"], "PythonDied");
    let told = ended.reply["evalue"].as_str().unwrap();
    assert!(told.contains("exit status: 3") && told.contains("variables are lost"), "{told}");
    assert_eq!(client.run("x").await.reply["ename"], "NameError");
}

#[tokio::test]
async fn a_place_that_is_not_there_is_told_in_the_cell() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("kernel.json");
    let unbound = folder.path().join("unbound.json");
    let ports =
        r#"{"shell_port":1,"iopub_port":1,"stdin_port":1,"control_port":1,"hb_port":1,"key":"k"}"#;
    std::fs::write(&unbound, ports).unwrap();
    for (named, words) in [
        ("no-such-spec", "there are: "),
        (missing.to_str().unwrap(), "cannot use the connection file"),
        (unbound.to_str().unwrap(), "its sockets do not answer"),
        ("http://127.0.0.1:1/?token=0123secret", "nothing listens there"),
    ] {
        let mut client = kernel_at(place(named), folder.path(), &[]).await;
        let ended = client.run("1").await;
        assert_eq!(ended.reply["ename"], "NoPython");
        let told = ended.reply["evalue"].as_str().unwrap();
        assert!(told.contains(words) && !told.contains("0123secret"), "{told}");
    }
}

#[tokio::test]
async fn a_kernel_that_ran_before_is_joined_by_its_connection_file_and_left_alive() {
    let theirs = Theirs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut client = kernel_at(theirs.place(), folder.path(), &[]).await;
    check_cells(&mut client).await;
    check_interrupt(&mut client).await;
    client.run("kept = 7").await;
    let pid = pid(&mut client).await;
    client.shut_down().await;
    let mut again = kernel_at(theirs.place(), folder.path(), &[]).await;
    assert_eq!(number(&mut again, "kept").await, 7);
    assert!(runs(pid));
}

#[tokio::test]
async fn two_may_join_one_kernel_and_each_sees_its_own_outputs() {
    let theirs = Theirs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut one = kernel_at(theirs.place(), folder.path(), &[]).await;
    let mut other = kernel_at(theirs.place(), folder.path(), &[]).await;
    one.run("x = 1").await;
    let ended = other.run("print(x)").await;
    assert_eq!(ended.text("stdout"), "1\n");
    one.run("2").await;
    assert_eq!(one.count(|message| message.msg_type == "stream"), 0);
}

#[tokio::test]
async fn an_interrupt_leaves_alone_what_others_run_in_a_joined_kernel() {
    let theirs = Theirs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (begun, go) = (folder.path().join("begun"), folder.path().join("go"));
    let mut one = kernel_at(theirs.place(), folder.path(), &[]).await;
    let mut other = kernel_at(theirs.place(), folder.path(), &[]).await;
    other.run("1").await;
    let code = format!(
        "import os, time\nopen({begun:?}, 'w').close()\nwhile not os.path.exists({go:?}): time.sleep(0.01)\nprint('whole')"
    );
    let waiting = one.send_cell(&code).await;
    until("the cell to begin", || begun.exists()).await;
    other.interrupt().await;
    std::fs::write(&go, "").unwrap();
    let ended = one.end_of(&waiting).await;
    assert_eq!((&ended.reply["status"], ended.text("stdout")), (&json!("ok"), "whole\n".into()));
}

#[tokio::test]
async fn the_end_of_a_joined_kernel_is_told() {
    let mut theirs = Theirs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut client = kernel_at(theirs.place(), folder.path(), &[]).await;
    client.run("1").await;
    let cell = client.send_cell("import time\nprint('begun', flush=True)\ntime.sleep(600)").await;
    client.until_published(&cell, "stream").await;
    theirs.process.kill().unwrap();
    let ended = client.end_of(&cell).await;
    assert_eq!(ended.reply["ename"], "PythonDied");
    let told = ended.reply["evalue"].as_str().unwrap();
    assert!(told.contains("closed the connection") && told.contains("if it still runs"), "{told}");
}

#[tokio::test]
async fn a_question_is_answered_with_code_that_runs_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sales.csv"), "amount\n40\n2\n").unwrap();
    let code = "import pandas as pd\ndf = pd.read_csv('sales.csv')\nprint(df.amount.sum())";
    let script = [step("Add up.", code), answer("The total is 42.")];
    let mut client = kernel_at(place("python3"), folder.path(), &script).await;
    client.run("x = 1").await;
    let ended = client.run("> What is the total?").await;
    assert_eq!(ended.reply["status"], "ok", "{ended:?}");
    assert_eq!(ended.reply["execution_count"], 2, "in the order of the notebook");
    let shown = format!("{:?}", ended.published);
    assert!(shown.contains("The total is 42.") && shown.contains("the code ran at"), "{shown}");
    assert_eq!(number(&mut client, "len(df)").await, 2);
}
