//! The sandbox of the companion, tried from inside by the program's own probes (`datarus doctor --probe`).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use datarus_kernel::config::Config;
use datarus_kernel::prompt::configured_model;
use datarus_kernel::sandbox::{Mode, Settings};
use serde_json::Value;
use tests::frontend::{Frontend, binary, config, python};

/// What nothing but its own nature decides, so that it is held without a sandbox too: there is no terminal in tests,
/// and the folder of the sockets is private in any case.
const ALWAYS_HELD: &[&str] = &["type into a terminal", "find its own folder open to other users"];

/// The probes' outcomes by name, and whether all is well; `None` where this tier does not work. With a home of its own:
/// in one that is empty but for what runs beside this there may be nothing to find at one time, and something at another.
fn probe(tier: &str) -> Option<(bool, BTreeMap<String, String>)> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("letter.txt"), "x").unwrap();
    let output = Command::new(binary())
        .args(["doctor", "--probe", "--json", "--sandbox", tier])
        .env("DATARUS_PYTHON", python())
        .env("HOME", home.path())
        .output()
        .unwrap();
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("no sandbox works here"), "{said}");
        return None;
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(text(&report["sandbox"]["tier"]), if tier == "off" { "none" } else { tier });
    let rows = report["rows"].as_array().unwrap();
    let rows = rows.iter().map(|row| (text(&row["name"]), text(&row["outcome"])));
    Some((output.status.success(), rows.collect()))
}

#[test]
fn what_the_sandbox_holds_is_reached_without_it() {
    let (well, open) = probe("off").unwrap();
    assert!(!well, "without a sandbox nothing is well");
    let mut tried = 0;
    for tier in ["bubblewrap", "landlock"] {
        let Some((well, held)) = probe(tier) else {
            writeln!(std::io::stderr(), "NOT RUN: the probes of {tier}, it does not work here")
                .unwrap();
            continue;
        };
        tried += 1;
        let reached: Vec<_> = held.iter().filter(|(_, outcome)| *outcome == "reached").collect();
        assert!(well && reached.is_empty(), "{tier}: {reached:?}");
        assert!(held.len() > 40, "{tier}: {held:?}");
        let proven =
            |name: &&String| open[*name] == "reached" || ALWAYS_HELD.contains(&name.as_str());
        let unproven: Vec<_> = held
            .iter()
            .filter(|(name, outcome)| *outcome == "held" && !proven(name))
            .map(|(name, _)| name)
            .collect();
        // A user who is not root is kept from these by the system itself.
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        assert!(!root || unproven.is_empty(), "held, but never seen to be reached: {unproven:?}");
    }
    assert!(tried > 0, "no sandbox works here");
}

async fn start(change: impl FnOnce(&mut Settings), folder: &Path) -> Frontend {
    let mut config = Config { folder: folder.to_owned(), ..config(&python()) };
    change(&mut config.sandbox);
    Frontend::start(config, configured_model()).await
}

#[tokio::test]
async fn a_file_outside_is_hidden_named_in_a_hint_and_readable_once_it_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let (work, data) = (folder.path().join("work"), folder.path().join("data"));
    std::fs::create_dir(&work).unwrap();
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("a.csv"), "x\n1\n").unwrap();
    let code = "print(open('../data/a.csv').read())";

    let mut client = start(|_| (), &work).await;
    let ended = client.run(code).await;
    assert_eq!(ended.reply["status"], "error");
    assert!(ended.text("stderr").contains("DATARUS_READABLE"), "{ended:?}");

    let granted = std::fs::canonicalize(&data).unwrap();
    let mut client = start(|sandbox| sandbox.readable.push(granted), &work).await;
    assert_eq!(client.run(code).await.text("stdout"), "x\n1\n\n");
    let ended = client.run("open('../data/a.csv', 'w')").await;
    assert_eq!(ended.reply["status"], "error", "it is only to be read");
}

#[tokio::test]
async fn a_history_that_is_named_in_the_arguments_is_the_one() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("history");
    let mut client = start(|settings| settings.history = Some(kept), folder.path()).await;
    let shown = client.run("print(get_ipython().history_manager.hist_file)").await;
    assert_eq!(shown.text("stdout"), ":memory:\n", "{}", shown.reply);
}

#[tokio::test]
async fn without_a_sandbox_that_works_nothing_runs_and_the_cell_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let broken = |sandbox: &mut Settings| sandbox.program = "/no/such/program".into();
    let mut client = start(broken, folder.path()).await;
    let ended = client.run("1").await;
    assert_eq!(ended.reply["ename"], "NoPython");
    let said = ended.reply["evalue"].as_str().unwrap();
    assert!(
        said.contains("no sandbox works here") && said.contains("DATARUS_SANDBOX=off"),
        "{said}"
    );

    let off = |sandbox: &mut Settings| (sandbox.mode, sandbox.program) = (Mode::Off, "/no".into());
    let mut client = start(off, folder.path()).await;
    assert_eq!(client.run("1").await.reply["status"], "ok", "only when it was asked for");
}
