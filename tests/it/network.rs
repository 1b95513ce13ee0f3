//! A network of named hosts: what cells reach through the proxy, and what they do not. All servers are on loopback.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use datarus_kernel::config::Config;
use datarus_kernel::sandbox::{Mode, Network};
use serde_json::json;
use tests::frontend::{Frontend, config, python, sandbox};
use tests::http::http_head;
use tests::processes::until;

use crate::live::scripted;

/// A server that answers each request with what it was sent.
fn serve(ip: &str) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = http_head(&mut stream);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", head.len());
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&head));
        }
    });
    address
}

async fn start(mode: Mode, network: &str, folder: &Path) -> Frontend {
    let mut config = Config { folder: folder.to_owned(), ..config(&python()) };
    config.sandbox = sandbox();
    config.sandbox.mode = mode;
    config.sandbox.network = network.parse::<Network>().unwrap();
    Frontend::start(config, scripted(&[])).await
}

/// A kernel with bubblewrap; `None`, and a word, where that does not work.
async fn in_bubblewrap(network: &str, folder: &Path) -> Option<Frontend> {
    let mut client = start(Mode::Bubblewrap, network, folder).await;
    if client.run("1").await.reply["ename"] == "NoPython" {
        let mut told = std::io::stderr();
        writeln!(told, "NOT RUN: hosts in bubblewrap, which does not work here").unwrap();
        return None;
    }
    Some(client)
}

#[tokio::test]
async fn cells_reach_the_hosts_that_are_named_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (named, other) = (serve("127.0.0.2"), serve("127.0.0.3"));
    let local = serve("127.0.0.1").port();
    let network = format!("{named},localhost:{local},*.example.org");
    let Some(mut client) = in_bubblewrap(&network, folder.path()).await else { return };
    client.run("import http.client, os, socket, subprocess, sys, urllib.request").await;

    let get = |url: &str| format!("print(urllib.request.urlopen('{url}').read().decode())");
    let head = client.run(&get(&format!("http://{named}/a?b"))).await.text("stdout");
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("Host: {named}\r\n")), "{head}");
    let head = client.run(&get(&format!("http://localhost:{local}/"))).await.text("stdout");
    assert!(head.starts_with("GET / "), "{head}");
    let tunnel = format!(
        "proxy = os.environ['HTTPS_PROXY'].removeprefix('http://')\n\
         line = http.client.HTTPConnection(proxy)\n\
         line.set_tunnel('{}', {})\n\
         line.request('GET', '/tunnel')\n\
         print(line.getresponse().read().decode())",
        named.ip(),
        named.port()
    );
    let head = client.run(&tunnel).await.text("stdout");
    assert!(head.starts_with("GET /tunnel "), "{head}");
    let by_child = format!(
        "print(subprocess.run([sys.executable, '-c', 'import urllib.request as r; print(r.urlopen(\"http://{named}/child\").status)'], capture_output=True, text=True).stdout)"
    );
    assert_eq!(client.run(&by_child).await.text("stdout").trim(), "200");

    let refused = client.run(&get(&format!("http://{other}/"))).await;
    assert_eq!(refused.reply["ename"], "HTTPError", "{refused:?}");
    assert!(refused.text("stderr").contains("DATARUS_NETWORK"), "{refused:?}");
    let port = other.port();
    for url in [
        format!("http://{}:{port}/", named.ip()),
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/".to_owned(),
        "http://example.org/".to_owned(),
    ] {
        assert_eq!(client.run(&get(&url)).await.reply["ename"], "HTTPError", "{url}");
    }
    let tunnel = tunnel.replace(&named.port().to_string(), &port.to_string());
    assert_eq!(client.run(&tunnel).await.reply["ename"], "OSError");
    // Past the proxy there is no network.
    for address in [named, other, SocketAddr::from(([127, 0, 0, 1], local))] {
        let direct =
            format!("socket.create_connection(('{}', {}), 5)", address.ip(), address.port());
        assert_eq!(client.run(&direct).await.reply["status"], "error", "{address}");
    }
    let info = json!({});
    let shell = datarus_kernel::connection::Channel::Shell;
    let info = client.ask(shell, "kernel_info_request", info).await.reply;
    assert_eq!(info["sandbox"]["network"], network);
}

#[tokio::test]
async fn the_proxy_answers_what_is_no_request_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let named = serve("127.0.0.2");
    let Some(mut client) = in_bubblewrap(&named.to_string(), folder.path()).await else { return };
    let code = "import os, socket\n\
                host, port = os.environ['HTTP_PROXY'].removeprefix('http://').split(':')\n\
                def say(data):\n    \
                    line = socket.create_connection((host, int(port)))\n    \
                    line.sendall(data)\n    \
                    line.shutdown(socket.SHUT_WR)\n    \
                    return line.makefile('rb').readline().decode().strip()\n\
                junk = [b'', b'\\r\\n\\r\\n', b'\\xff' * 99 + b'\\r\\n\\r\\n', b'GET / HTTP/1.1\\r\\n\\r\\n']\n\
                print({say(data) for data in junk[1:]})";
    assert_eq!(client.run(code).await.text("stdout").trim(), "{'HTTP/1.1 400 Bad Request'}");
    client.run("say(junk[0])").await;
    let last = format!("print(say(b'GET http://{named}/ HTTP/1.1\\r\\n\\r\\n'))");
    assert_eq!(client.run(&last).await.text("stdout").trim(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn an_interrupt_leaves_the_way_to_the_proxy_open_and_an_end_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let named = serve("127.0.0.2");
    let Some(mut client) = in_bubblewrap(&named.to_string(), folder.path()).await else { return };
    let pid = client.companion_pid().await;
    let busy = client.send_cell("print('busy'); import time; time.sleep(600)").await;
    client.until_published(&busy, "stream").await;
    client.interrupt().await;
    assert_eq!(client.end_of(&busy).await.reply["ename"], "KeyboardInterrupt");
    let get = format!("import urllib.request as r; print(r.urlopen('http://{named}/').status)");
    assert_eq!(client.run(&get).await.text("stdout"), "200\n");
    let marks = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    client.shut_down().await;
    let in_it = || {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter_map(|entry| std::fs::read_link(entry.path().join("ns/net")).ok())
            .any(|namespace| namespace == marks)
    };
    until("the end of all in the namespace", || !in_it()).await;
}

#[tokio::test]
async fn a_cell_names_hosts_after_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let named = serve("127.0.0.2");
    let Some(mut client) = in_bubblewrap("off", folder.path()).await else { return };
    let set = client.send_cell(&format!("%datarus network {named}")).await;
    let asked = client.wait("a question", |message| message.msg_type == "input_request").await;
    let question = asked.content["prompt"].as_str().unwrap();
    assert!(question.contains(&named.to_string()), "{question}");
    let stdin = datarus_kernel::connection::Channel::Stdin;
    client.send(stdin, "input_reply", json!({"value": "yes"})).await;
    assert_eq!(client.end_of(&set).await.reply["status"], "ok");
    let get = format!("import urllib.request as r; print(r.urlopen('http://{named}/').status)");
    assert_eq!(client.run(&get).await.text("stdout"), "200\n");
}

#[tokio::test]
async fn where_hosts_cannot_be_held_apart_a_list_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = start(Mode::Landlock, "example.org", folder.path()).await;
    let refused = client.run("1").await.reply;
    assert_eq!(refused["ename"], "NoPython");
    let said = refused["evalue"].as_str().unwrap();
    assert!(said.contains("hosts cannot be held apart: install bubblewrap"), "{said}");
}
