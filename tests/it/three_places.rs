//! One notebook, three ways to compute it: the embedded model, a model that a server computes, and Python behind a
//! Jupyter Server. They are one setting apart.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tests::frontend::{binary, python};
use tests::jupyter::{JupyterServer, TOKEN};
use tests::stand_in::{StandIn, writes};

const STEP: &str = "<step>\n<thought>Add up.</thought>\n<action>python_executor</action>\n<action_input>\n\
    print(sales[\"revenue\"].sum())\n";
const TERMINAL: &str =
    "<stop_analysis>\n<thought>Found.</thought>\n<answer>The total revenue is 220.5.</answer>\n";

/// A folder with data and a notebook of one Python cell and one question.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = "region,revenue\nNorth,120.5\nSouth,100\n";
    std::fs::write(folder.path().join("sales.csv"), data).unwrap();
    let cell = |id: &str, source: &str| json!({"cell_type": "code", "id": id, "source": source, "metadata": {}, "outputs": [], "execution_count": null});
    let load = "import pandas as pd\nsales = pd.read_csv('sales.csv')\nprint(sales)";
    let notebook = json!({
        "nbformat": 4, "nbformat_minor": 5, "metadata": {},
        "cells": [cell("load", load), cell("ask", "> What is the total revenue?"), cell("after", "print(len(sales))")],
    });
    std::fs::write(folder.path().join("n.ipynb"), notebook.to_string()).unwrap();
    folder
}

/// Runs the notebook with one setting more.
fn run(folder: &Path, setting: &[&str]) -> (Output, String) {
    let output = Command::new(binary())
        .args(["run", "n.ipynb", "-o", "out.ipynb"])
        .args(setting)
        .current_dir(folder)
        .env("DATARUS_PYTHON", python())
        .env("DATARUS_COMPANION_TOKEN", TOKEN)
        .env("DATARUS_LOG", "trace")
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CONFIG_HOME", folder.join("settings"))
        .output()
        .unwrap();
    let written = std::fs::read_to_string(folder.join("out.ipynb")).unwrap_or_default();
    (output, written)
}

/// The cell that begins with these words, or the answer.
fn cell(notebook: &Value, fits: impl Fn(&Value) -> bool) -> &Value {
    notebook["cells"].as_array().unwrap().iter().find(|cell| fits(cell)).unwrap()
}

fn check(setting: &[&str], model: &str, sandbox: &str) {
    let folder = project();
    let (output, written) = run(folder.path(), setting);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let notebook: Value = serde_json::from_str(&written).unwrap();
    let said = |id: &str| cell(&notebook, |cell| cell["id"] == id)["outputs"].to_string();
    assert!(said("load").contains("120.5") && said("after").contains(r"2\n"), "{written}");
    let answer = cell(&notebook, |cell| cell["metadata"]["datarus"]["role"] == "answer");
    assert!(answer["source"].to_string().contains("220.5"), "{answer}");
    let asked = &cell(&notebook, |cell| cell["id"] == "ask")["metadata"]["datarus"];
    assert!(asked["model"].to_string().contains(model), "{asked}");
    for facts in [asked, &notebook["metadata"]["datarus"]] {
        assert!(facts["sandbox"].to_string().contains(sandbox), "{facts}");
    }
    for (place, text) in [("log", &*log), ("notebook", &*written)] {
        assert!(!text.contains(TOKEN), "the token is in the {place}");
    }
}

#[tokio::test]
async fn one_notebook_runs_in_three_places_one_setting_apart() {
    let here = if std::env::var("DATARUS_SANDBOX").as_deref() == Ok("off") { "none" } else { "" };
    check(&[], "datarus", here);
    let model = StandIn::start(vec![writes(STEP, "stop"), writes(TERMINAL, "stop")]);
    check(&["--model", &model.address], "datarus-stand-in", here);
    let server = JupyterServer::start(&[]).await;
    let place = format!("http://127.0.0.1:{}/", server.port);
    let words = format!("not sandboxed by Datarus: the code ran at the Jupyter Server at {place}");
    check(&["--companion", &place], "datarus", &words);
    assert!(server.kernels().is_empty(), "the kernel there has ended");
}
