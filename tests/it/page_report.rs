//! Reports that a page asks for.

use std::path::Path;

use datarus_kernel::config::Config;
use serde_json::{Value, json};
use tests::frontend::{Frontend, config, python};
use tests::page::Page;

use crate::live::scripted;

const NOTEBOOK: &str = r##"{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
    {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Sales by region"}
]}"##;

async fn asked(client: &mut Frontend, page: &mut Page, to: &str) -> Value {
    page.say(client, json!({"op": "report", "to": to})).await;
    page.until(client, "reported").await
}

#[tokio::test]
async fn a_report_that_a_page_asks_for_lies_beside_its_notebook() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { folder: folder.path().to_owned(), ..config(&python()) };
    let mut client = Frontend::start(config, scripted(&[])).await;
    // A page's path begins at the root of its server.
    let mut page = Page::open(&mut client, "analysis/sales.ipynb", json!({})).await;
    let none = asked(&mut client, &mut page, "html").await;
    assert!(none["error"].as_str().unwrap().contains("sales.ipynb"), "{none}");
    assert_eq!(none["file"], Value::Null);

    std::fs::write(folder.path().join("sales.ipynb"), NOTEBOOK).unwrap();
    for (to, file) in [("html", "sales-report.html"), ("ipynb", "sales-report.ipynb")] {
        let told = asked(&mut client, &mut page, to).await;
        assert_eq!(told, json!({"op": "reported", "to": to, "file": file}));
        assert!(read(&folder.path().join(file)).contains("Sales by region"));
    }
    // What is no format is no message, and the page is spoken to as before.
    page.say(&mut client, json!({"op": "report", "to": "exe"})).await;
    assert_eq!(asked(&mut client, &mut page, "md").await["file"], "sales-report.md");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
