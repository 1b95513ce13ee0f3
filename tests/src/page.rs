//! A page with our extension: it holds a notebook, does what the kernel says over the comm, and runs cells by real
//! `execute_request`s.

use std::time::{Duration, Instant};

use datarus_kernel::connection::Channel;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::frontend::{Ended, Frontend};

/// A cell of the page's notebook.
#[derive(Debug, Clone, PartialEq)]
pub struct PageCell {
    /// Its id.
    pub id: String,
    /// `code` or `markdown`.
    pub cell_type: String,
    /// Its source.
    pub source: String,
    /// What the kernel wrote; a source that differs was edited by hand.
    pub written: String,
    /// Its metadata.
    pub metadata: Map<String, Value>,
    /// Its outputs, where the kernel put them there.
    pub outputs: Vec<Value>,
    /// Its `[n]`, where the kernel put it there.
    pub execution_count: Option<u64>,
    /// Whether it is shown rendered.
    pub rendered: bool,
}

/// The page.
#[derive(Debug)]
pub struct Page {
    comm: String,
    /// The notebook.
    pub cells: Vec<PageCell>,
    /// Whether it says what stands in the notebook when a turn begins.
    pub tells: bool,
    /// Whether it runs the steps that it is told to run.
    pub runs: bool,
    /// The steps that it ran: the cell and the request.
    pub ran: Vec<(String, String)>,
    /// All that it was told, in order.
    pub told: Vec<Value>,
    /// When each of it came.
    pub heard: Vec<Instant>,
}

impl Page {
    /// Opens a page; the kernel's `hello` has come.
    pub async fn open(client: &mut Frontend, path: &str, settings: Value) -> Page {
        let mut page =
            Page::knock(client, json!({"v": 1, "path": path, "settings": settings})).await;
        let hello = page.next(client).await;
        assert!(hello["op"] == "hello" && hello["v"] == 1, "{hello}");
        page
    }

    /// Opens a comm with any data.
    pub async fn knock(client: &mut Frontend, data: Value) -> Page {
        let comm = uuid::Uuid::new_v4().simple().to_string();
        let content = json!({"comm_id": comm, "target_name": "datarus", "data": data});
        client.send(Channel::Shell, "comm_open", content).await;
        let (cells, ran, told, heard) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Page { comm, cells, tells: true, runs: true, ran, told, heard }
    }

    /// Opens the comm again, with a kernel that was started anew or for another notebook; the cells stay.
    pub async fn reopen(&mut self, client: &mut Frontend, path: &str) {
        let opened = Page::open(client, path, json!({})).await;
        self.comm = opened.comm;
    }

    /// The id of its comm.
    pub fn comm(&self) -> &str {
        &self.comm
    }

    /// Says something to the kernel.
    pub async fn say(&self, client: &mut Frontend, data: Value) {
        let content = json!({"comm_id": self.comm, "data": data});
        client.send(Channel::Shell, "comm_msg", content).await;
    }

    /// Closes the comm.
    pub async fn close(&self, client: &mut Frontend) {
        let content = json!({"comm_id": self.comm, "data": {}});
        client.send(Channel::Shell, "comm_close", content).await;
    }

    /// Waits for the kernel to close the comm.
    pub async fn closed(&self, client: &mut Frontend) {
        let comm = &self.comm;
        client
            .wait("a comm_close", |message| {
                message.msg_type == "comm_close" && message.content["comm_id"] == **comm
            })
            .await;
    }

    /// Writes a code cell at the end of the notebook.
    pub fn write(&mut self, id: &str, source: &str) {
        let cell = new_cell(id, "code", source, Map::new());
        self.cells.push(cell);
    }

    /// The cell with this id.
    pub fn cell(&mut self, id: &str) -> &mut PageCell {
        let found = self.cells.iter_mut().find(|cell| cell.id == id);
        found.unwrap_or_else(|| panic!("no cell {id}"))
    }

    /// Runs a cell of the notebook and returns the id of the request.
    pub async fn run(&self, client: &mut Frontend, id: &str) -> String {
        self.run_with(client, id, Map::new()).await
    }

    /// Runs a prompt so that its turn goes on from the step in the cell `from`.
    pub async fn go_on(&self, client: &mut Frontend, id: &str, from: &str) -> String {
        let cell = self.cells.iter().find(|cell| cell.id == id).expect("the cell");
        let mut facts = cell.metadata["datarus"].clone();
        facts["go_on"] = json!(from);
        self.run_with(client, id, Map::from_iter([("datarus".to_owned(), facts)])).await
    }

    async fn run_with(&self, client: &mut Frontend, id: &str, more: Map<String, Value>) -> String {
        let cell = self.cells.iter().find(|cell| cell.id == id).expect("the cell");
        let mut metadata = cell.metadata.clone();
        metadata.extend(more);
        metadata.insert("cellId".into(), json!(id));
        let content = json!({"code": cell.source, "allow_stdin": true, "stop_on_error": true});
        let metadata = Value::Object(metadata);
        client.send_with(Channel::Shell, "execute_request", content, metadata, Vec::new()).await
    }

    /// Writes a question, runs it, and does what the kernel says until the turn is over.
    pub async fn ask(&mut self, client: &mut Frontend, id: &str, question: &str) -> Ended {
        self.write(id, question);
        let prompt = self.run(client, id).await;
        self.until(client, "done").await;
        client.end_of(&prompt).await
    }

    /// Does what the kernel says until it says this; returns that message.
    pub async fn until(&mut self, client: &mut Frontend, op: &str) -> Value {
        loop {
            let data = self.next(client).await;
            if data["op"] == op {
                return data;
            }
        }
    }

    /// Waits for the kernel's next word and does what it says.
    pub async fn next(&mut self, client: &mut Frontend) -> Value {
        let comm = self.comm.clone();
        let message = client
            .wait("a word of the kernel", |message| {
                message.msg_type == "comm_msg" && message.content["comm_id"] == *comm
            })
            .await;
        let data = message.content["data"].clone();
        self.told.push(data.clone());
        self.heard.push(message.at);
        self.take(client, &data).await;
        data
    }

    /// From the first word of the model to the end of the step in the cell `id`, of what was told since `from`.
    pub fn time_of_step(&self, id: &str, from: usize) -> Option<Duration> {
        let told = || self.told.iter().zip(&self.heard).skip(from);
        let (_, begun) = told().find(|(data, _)| data["phase"] == "thinking")?;
        let (_, ended) = told().find(|(data, _)| data["op"] == "patch" && data["id"] == id)?;
        Some(*ended - *begun)
    }

    /// How many words of the kernel were received and not heard yet.
    pub fn waiting(&self, client: &Frontend) -> usize {
        let comm = &self.comm;
        client
            .count(|message| message.msg_type == "comm_msg" && message.content["comm_id"] == **comm)
    }

    async fn take(&mut self, client: &mut Frontend, data: &Value) {
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        let id = text("id");
        match data["op"].as_str().unwrap_or_default() {
            "begin" => {
                let gone = data["remove"].as_array().expect("a list");
                self.cells.retain(|cell| !gone.contains(&json!(cell.id)));
                if self.tells {
                    let state = self.state(&text("turn"));
                    self.say(client, state).await;
                }
            }
            "read" if self.tells => {
                let texts = self.texts(data);
                self.say(client, texts).await;
            }
            "insert" => self.insert(data),
            "append" => {
                let cell = self.cell(&id);
                cell.source += &text("text");
                cell.written.clone_from(&cell.source);
                cell.rendered = false;
            }
            "replace" => {
                let cell = self.cell(&id);
                cell.source = text("source");
                cell.written = text("source");
                cell.rendered = false;
            }
            "render" => self.cell(&id).rendered = true,
            "patch" => {
                let fields = data["metadata"].as_object().expect("an object").clone();
                let metadata = &mut self.cell(&id).metadata;
                metadata.extend(fields);
                metadata.retain(|_, value| !value.is_null());
            }
            "upsert" => self.upsert(data),
            "remove" => {
                let gone = data["ids"].as_array().expect("a list");
                self.cells.retain(|cell| !gone.contains(&json!(cell.id)));
            }
            "restore" => {
                let gone = data["remove"].as_array().expect("a list");
                self.cells.retain(|cell| !gone.contains(&json!(cell.id)));
                let cell = self.cell(&text("prompt"));
                cell.outputs.clone_from(data["outputs"].as_array().expect("a list"));
                cell.execution_count = data["execution_count"].as_u64();
            }
            "execute" if self.runs => {
                let request = self.run(client, &id).await;
                self.ran.push((id, request));
            }
            _ => {}
        }
    }

    fn insert(&mut self, data: &Value) {
        let text = |field: &str| data[field].as_str().expect("a text");
        let metadata = data["metadata"].as_object().expect("an object").clone();
        let cell = new_cell(text("id"), text("cell_type"), text("source"), metadata);
        assert!(self.cells.iter().all(|known| known.id != cell.id), "{} is there", cell.id);
        let above = self.cells.iter().position(|known| known.id == text("after"));
        let at = above.unwrap_or_else(|| panic!("no cell {} above", text("after")));
        self.cells.insert(at + 1, cell);
    }

    fn upsert(&mut self, data: &Value) {
        let id = data["id"].as_str().expect("an id");
        if self.cells.iter().all(|cell| cell.id != id) {
            self.insert(data);
        }
        let (outputs, count) = (&data["outputs"], data["execution_count"].as_u64());
        let cell = self.cell(id);
        cell.outputs.clone_from(outputs.as_array().expect("a list"));
        cell.execution_count = count;
    }

    /// What the cells hold that the kernel asks for.
    fn texts(&self, data: &Value) -> Value {
        let asked = data["ids"].as_array().expect("a list");
        let cells = self.cells.iter().filter(|cell| asked.contains(&json!(cell.id)));
        let text = |cell: &PageCell| {
            let shown: String =
                cell.outputs.iter().filter_map(|output| output["text"].as_str()).collect();
            let tags = cell.metadata.get("tags").and_then(Value::as_array);
            let failed = tags.is_some_and(|tags| tags.contains(&json!("datarus-failed")));
            json!({
                "id": cell.id,
                "source": cell.source,
                "output": shown,
                "execution_count": cell.execution_count,
                "failed": failed,
            })
        };
        json!({"op": "texts", "turn": data["turn"], "cells": cells.map(text).collect::<Vec<_>>()})
    }

    /// The notebook as the kernel is told of it.
    pub fn state(&self, turn: &str) -> Value {
        let cells: Vec<_> = self.cells.iter().map(state_of).collect();
        json!({"op": "state", "turn": turn, "cells": cells})
    }
}

fn new_cell(id: &str, cell_type: &str, source: &str, metadata: Map<String, Value>) -> PageCell {
    PageCell {
        id: id.to_owned(),
        cell_type: cell_type.to_owned(),
        source: source.to_owned(),
        written: source.to_owned(),
        metadata,
        outputs: Vec::new(),
        execution_count: None,
        rendered: false,
    }
}

fn state_of(cell: &PageCell) -> Value {
    let facts = cell.metadata.get("datarus").cloned().unwrap_or_default();
    let mut hash = datarus_kernel::cells::hex(&Sha256::digest(cell.source.as_bytes()));
    hash.truncate(16);
    let mut state = json!({"id": cell.id, "type": cell.cell_type, "hash": hash});
    state["role"] = facts.get("role").cloned().unwrap_or(json!("python"));
    for field in ["turn", "step"] {
        if let Some(value) = facts.get(field) {
            state[field] = value.clone();
        }
    }
    if facts.get("turn").is_some() && facts["role"] != "prompt" && cell.source != cell.written {
        state["source"] = json!(cell.source);
    }
    state
}
