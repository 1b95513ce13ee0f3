//! Packages that a step wants: asked for, then installed outside of the model's reach.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::frontend::{Ended, Frontend, binary, python};
use tests::http::http_head;
use tests::page::Page;
use tests::processes::until;
use tokio::process::Command;

/// Makes the wheel of a package with one module, in which `NAME` is its name.
const WHEEL: &str = "
import sys, zipfile
folder, name = sys.argv[1:]
with zipfile.ZipFile(f'{folder}/{name}-1.0-py3-none-any.whl', 'w') as wheel:
    info = f'{name}-1.0.dist-info/'
    wheel.writestr(f'{name}.py', f'NAME = {name!r}')
    wheel.writestr(info + 'METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
";

fn wheel(folder: &Path, name: &str) -> PathBuf {
    let mut command = std::process::Command::new(python());
    command.args(["-c", WHEEL]).arg(folder).arg(name);
    assert!(command.status().unwrap().success());
    folder.join(format!("{name}-1.0-py3-none-any.whl"))
}

/// An index of packages on loopback: what it is asked for, and what it sends.
struct Index {
    port: u16,
    asked: mpsc::Receiver<String>,
}

/// Serves one wheel; what is asked for with `slow` in its name gets no answer, and its end is told as `gone`.
fn serve(wheel: &Path) -> Index {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = mpsc::channel();
    let name = wheel.file_name().unwrap().to_string_lossy().into_owned();
    let bytes = std::fs::read(wheel).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = http_head(&mut stream);
            let head = String::from_utf8_lossy(&head);
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = tell.send(path.clone());
            if path.contains("slow") {
                while stream.read(&mut [0]).is_ok_and(|read| read > 0) {}
                let _ = tell.send("gone".to_owned());
                continue;
            }
            let list =
                format!("<a href='{name}'>{name}</a><a href='slow-1.0-py3-none-any.whl'>slow</a>");
            let (kind, body) = if path.contains(".whl") {
                ("application/octet-stream", bytes.clone())
            } else {
                ("text/html", list.into_bytes())
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    Index { port, asked }
}

/// A kernel in a sandbox of its own process, whose model writes these steps, and what it works with.
struct Scene {
    client: Frontend,
    index: Index,
    folder: TempDir,
}

impl Scene {
    async fn start(steps: &[&str]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let index = serve(&wheel(folder.path(), "frob"));
        let steps: Vec<_> = steps.iter().map(|code| json!(["Go on.", code])).collect();
        let script = json!({"go": {"steps": steps, "answer": "Done."}}).to_string();
        std::fs::write(folder.path().join("script.json"), script).unwrap();
        let command = Scene::command(&folder, &index);
        let client = Frontend::start_command(command).await;
        Scene { client, index, folder }
    }

    fn command(folder: &TempDir, index: &Index) -> Command {
        let mut command = Command::new(binary().with_file_name("scripted-kernel"));
        // The file is what pip's own sandbox must not read.
        let planted = wheel(folder.path(), "planted");
        let links = format!("http://127.0.0.1:{}/ {}", index.port, planted.display());
        command
            .env("DATARUS_PYTHON", python())
            .env("DATARUS_SCRIPT", folder.path().join("script.json"))
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .env("DATARUS_PASS_ENV", "PIP_FIND_LINKS,PIP_NO_INDEX,PIP_RETRIES")
            .env("PIP_FIND_LINKS", links)
            .env("PIP_RETRIES", "0")
            .env("PIP_NO_INDEX", "1");
        command
    }

    /// Asks in a page; the kernel's question about the step is answered with `choice`.
    async fn go(&mut self, choice: Value) -> (Page, Value, String) {
        let settings = json!({"review": "off"});
        let mut page = Page::open(&mut self.client, "a.ipynb", settings).await;
        page.write("p", "> go");
        let prompt = page.run(&mut self.client, "p").await;
        let ask = page.until(&mut self.client, "ask").await;
        let mut said = json!({"op": "choice", "turn": ask["turn"], "id": ask["id"]});
        said.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        page.say(&mut self.client, said).await;
        (page, ask, prompt)
    }

    async fn end(&mut self, page: &mut Page, prompt: &str) -> Ended {
        page.until(&mut self.client, "done").await;
        self.client.end_of(prompt).await
    }

    async fn until_told(&self, word: &str) {
        until(word, || self.index.asked.try_iter().any(|told| told.contains(word))).await;
    }

    fn asked(&self) -> Vec<String> {
        self.index.asked.try_iter().collect()
    }
}

/// What stands in the cells that the kernel put there.
fn shown(page: &Page) -> String {
    json!(page.cells.iter().map(|cell| &cell.outputs).collect::<Vec<_>>()).to_string()
}

#[tokio::test]
async fn after_a_yes_a_package_is_there_to_be_read_and_stays() {
    let code = "import sys\n%pip install -q 'frob>=1'\nimport frob\nname = frob.NAME";
    let mut scene = Scene::start(&[code]).await;
    assert_eq!(scene.client.run("import frob").await.reply["ename"], "ModuleNotFoundError");
    let (mut page, ask, prompt) = scene.go(json!({"choice": "run"})).await;
    assert_eq!(ask["why"], json!(["installs packages: frob>=1"]), "whatever review is chosen");
    assert!(scene.asked().is_empty() || page.ran.is_empty(), "first the yes");
    scene.end(&mut page, &prompt).await;
    assert_eq!(page.ran.len(), 1, "{}", shown(&page));
    let (_, request) = page.ran[0].clone();
    assert_eq!(scene.client.end_of(&request).await.reply["status"], "ok");
    assert_eq!(scene.client.run("print(name)").await.text("stdout"), "frob\n");
    let ended = scene.client.run("open(frob.__file__, 'a')").await;
    assert_eq!(ended.reply["status"], "error", "cells only read it: {ended:?}");
    assert!(scene.asked().iter().any(|path| path.contains("frob-1.0-py3")));

    let command = Scene::command(&scene.folder, &scene.index);
    scene.client.restart(command).await;
    assert_eq!(scene.client.run("import frob").await.reply["status"], "ok", "also later");
}

#[tokio::test]
async fn what_the_user_changes_or_leaves_out_holds() {
    let mut scene = Scene::start(&["%pip install frob"]).await;
    let (mut page, _, prompt) = scene.go(json!({"choice": "skip"})).await;
    scene.end(&mut page, &prompt).await;
    assert!(shown(&page).contains("Skipped: "), "{}", shown(&page));
    assert_eq!(scene.asked(), Vec::<String>::new());
    assert_eq!(page.ran.len(), 0);

    let mut scene = Scene::start(&["%pip install planted"]).await;
    let edited = json!({"choice": "edit", "source": "%pip install frob\nimport frob"});
    let (mut page, _, prompt) = scene.go(edited).await;
    scene.end(&mut page, &prompt).await;
    assert_eq!(page.ran.len(), 1, "{}", shown(&page));
    assert_eq!(scene.client.run("frob.NAME").await.reply["status"], "ok");
}

#[tokio::test]
async fn pip_reads_no_file_of_the_user_and_what_it_cannot_install_ends_the_step() {
    let mut scene = Scene::start(&["%pip install planted\nran = 1"]).await;
    let (mut page, _, prompt) = scene.go(json!({"choice": "run"})).await;
    scene.end(&mut page, &prompt).await;
    let said = shown(&page);
    assert!(said.contains("Not installed: ") && said.contains("planted"), "{said}");
    assert_eq!(page.ran.len(), 0, "the rest of the step does not run");
    assert_eq!(scene.client.run("ran").await.reply["ename"], "NameError");
}

#[tokio::test]
async fn where_nobody_can_be_asked_and_for_anything_but_names_pip_does_not_run() {
    let code = "%pip install frob\nran = 1";
    let mut scene = Scene::start(&[code]).await;
    let ended = scene.client.run("> go").await;
    let said = ended.text("stderr");
    assert!(said.contains("only after a yes") && said.contains("-m pip install frob"), "{said}");
    assert_eq!(scene.client.run("ran").await.reply["ename"], "NameError");
    assert_eq!(scene.asked(), Vec::<String>::new());

    let mut scene =
        Scene::start(&["%pip install --index-url http://a.example frob\nran = 1"]).await;
    let mut page = Page::open(&mut scene.client, "a.ipynb", json!({})).await;
    page.write("p", "> go");
    let prompt = page.run(&mut scene.client, "p").await;
    scene.end(&mut page, &prompt).await;
    assert!(shown(&page).contains("installed by name"), "{}", shown(&page));
    assert_eq!((page.ran.len(), scene.asked()), (0, Vec::new()));
}

#[tokio::test]
async fn pip_ends_when_its_turn_is_stopped() {
    let mut scene = Scene::start(&["%pip install slow"]).await;
    let (mut page, ask, prompt) = scene.go(json!({"choice": "run"})).await;
    scene.until_told("slow").await;
    page.say(&mut scene.client, json!({"op": "stop", "turn": ask["turn"]})).await;
    assert_eq!(page.until(&mut scene.client, "done").await["status"], "interrupted");
    scene.client.end_of(&prompt).await;
    scene.until_told("gone").await;
}
