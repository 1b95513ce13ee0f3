//! The program with a model that a server computes, and where the key of that server is not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tests::frontend::{binary, python};
use tests::stand_in::{StandIn, refusal, writes};

const KEY: &str = "sk-stand-in-secret";
/// A step that looks for the key wherever Python may find it.
const LOOKS: &str = "<step>\n<thought>Count.</thought>\n<action>python_executor</action>\n<action_input>\n\
    import os\nprint(6 * 7, [name for name, value in os.environ.items() if \"stand-in-\" + \"secret\" in value])\n";
const TERMINAL: &str =
    "<stop_analysis>\n<thought>Counted.</thought>\n<answer>There are 42.</answer>\n";

/// A script that starts Python, as pyenv has them, and notes beside it when it is given the key.
fn shim(folder: &Path) -> PathBuf {
    let shims = folder.join("shims");
    std::fs::create_dir_all(&shims).unwrap();
    let (shim, given) = (shims.join("python3"), shims.join("given"));
    let script = format!(
        "#!/bin/sh\n[ -z \"$DATARUS_API_KEY\" ] || echo \"$@\" >> '{}'\nexec '{}' \"$@\"\n",
        given.display(),
        python().display()
    );
    std::fs::write(&shim, script).unwrap();
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
    shim
}

/// What a [`shim`] was given the key with.
fn given(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("shims/given")).unwrap_or_default()
}

/// Runs the program with a key, and with proxies that lead nowhere.
fn datarus(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .env("DATARUS_PYTHON", shim(folder))
        .env("DATARUS_API_KEY", KEY)
        .env("DATARUS_LOG", "trace,ureq=trace,ureq_proto::util=trace")
        .env("DATARUS_PASS_ENV", "DATARUS_API_KEY")
        .env("XDG_STATE_HOME", folder.join("state"))
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9")))
        .output()
        .unwrap()
}

#[test]
fn a_question_to_a_server_becomes_a_notebook_and_the_key_is_nowhere() {
    for sandbox in ["auto", "off"] {
        let folder = tempfile::tempdir().unwrap();
        let busy = refusal("503 Service Unavailable", &format!("{} {KEY}", "x".repeat(290)));
        let server = StandIn::start(vec![busy, writes(LOOKS, "stop"), writes(TERMINAL, "stop")]);
        let arguments = [
            "ask",
            "How many are there?",
            "-o",
            "answer.ipynb",
            "--model",
            &server.address,
            "--sandbox",
            sandbox,
        ];
        let output = datarus(folder.path(), &arguments);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "There are 42.");

        let notebook = std::fs::read_to_string(folder.path().join("answer.ipynb")).unwrap();
        let cells = serde_json::from_str::<Value>(&notebook).unwrap();
        let prompt = &cells["cells"][0]["metadata"]["datarus"];
        let at = server.address.trim_end_matches("/v1");
        assert_eq!(
            (&prompt["model"], &prompt["model_served_at"]),
            (&json!("datarus-stand-in"), &json!(at))
        );
        assert!(notebook.contains("42 []"), "the variable has reached Python: {notebook}");
        for (place, text) in [("log", &*log), ("notebook", &notebook)] {
            assert!(!text.contains("sk-st"), "the key is in the {place}");
        }
        assert!(log.contains("asked again") && log.contains("(the key)"), "{log}");
        assert_eq!(given(folder.path()), "", "Python was started with the key");
        // It logs the bytes of requests in short rows, in which the key is cut in two.
        assert!(!log.contains("ureq"), "requests are in the log");
        // What the first step printed is what the model is asked with next.
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        let messages = asked[2].body["messages"].as_array().unwrap();
        let roles: Vec<_> =
            messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
        let step = messages[2]["content"].as_str().unwrap();
        assert!(step.contains("</action_input>\n<observation>\n42 []"), "{step}");
    }
}

#[test]
fn the_program_says_what_a_server_has() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(vec![]);
    let output = datarus(folder.path(), &["model", "info", &server.address]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains(
            "name          datarus-stand-in\narchitecture  endpoint\ncontext       8192 tokens"
        ),
        "{said}"
    );
    assert!(said.trim_end().ends_with("nothing leaves this machine."), "{said}");
    let output = datarus(folder.path(), &["model", "bench", &server.address]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(said.contains("expected a file, found a server"), "{said}");
    let with_password = server.address.replace("://", "://me:pass-word@");
    let output = datarus(folder.path(), &["model", "bench", &with_password]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(said.contains("without a user and a password"), "{said}");
    assert!(!said.contains("pass-word"), "{said}");
}

#[test]
fn the_python_that_is_asked_what_it_has_is_given_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let output = datarus(folder.path(), &["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("ipykernel"), "{said}");
    assert_eq!(given(folder.path()), "");
}
