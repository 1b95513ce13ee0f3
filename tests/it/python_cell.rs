//! Python cells: everything that ipykernel does reaches the client as it was.

use bytes::Bytes;
use datarus_kernel::connection::Channel;
use serde_json::json;
use tests::frontend::Frontend;

const FILE: &str = "from ipykernel.connect import get_connection_file";

#[tokio::test]
async fn a_cell_is_busy_input_outputs_reply_idle() {
    let mut client = Frontend::start_python().await;
    let ended = client.run("print('out')\nimport sys; print('err', file=sys.stderr)\n6 * 7").await;
    assert_eq!(
        ended.kinds(),
        ["busy", "execute_input", "stream", "stream", "execute_result", "idle"]
    );
    assert_eq!((ended.text("stdout"), ended.text("stderr")), ("out\n".into(), "err\n".into()));
    assert_eq!(ended.contents("execute_result")[0]["data"]["text/plain"], "42");
    assert_eq!(
        (&ended.reply["status"], &ended.reply["execution_count"]),
        (&json!("ok"), &json!(1))
    );
    let sessions: Vec<_> = ended.published.iter().map(|message| &message.session).collect();
    assert!(
        sessions.iter().all(|session| *session == sessions[0]),
        "one session in all: {sessions:?}"
    );

    let ended =
        client.run("from IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))").await;
    assert_eq!(ended.contents("display_data")[0]["data"]["text/html"], "<b>x</b>");

    let ended = client.run("1/0").await;
    assert_eq!(ended.contents("error")[0]["ename"], "ZeroDivisionError");
    assert_eq!(ended.reply["status"], "error");
}

#[tokio::test]
async fn the_companion_signs_nothing_and_knows_no_key() {
    let mut client = Frontend::start_python().await;
    // The frontend checks the signature of all that it receives.
    let ended = client.run("get_ipython().kernel.session.key").await;
    assert_eq!(ended.contents("execute_result")[0]["data"]["text/plain"], "b''");
    let ended = client.run(&format!("{FILE}\nopen(get_connection_file()).read()")).await;
    let file = ended.contents("execute_result")[0]["data"]["text/plain"].to_string();
    assert!(file.contains(r#"\"key\": \"\""#), "{file}");
}

#[tokio::test]
async fn a_cell_that_is_too_long_is_refused_with_the_bound_and_what_to_do() {
    let mut client = Frontend::start_python().await;
    let ended = client.run(&format!("text = '{}'", "x".repeat(9 << 20))).await;
    assert_eq!(ended.reply["ename"], "CellTooLong");
    let told = ended.contents("error")[0]["evalue"].to_string();
    assert!(told.contains("8M") && told.contains("--max-cell"), "{told}");
    let ended = client.run(&format!("len('{}')", "x".repeat(7 << 20))).await;
    assert_eq!(ended.contents("execute_result")[0]["data"]["text/plain"], "7340032");
}

#[tokio::test]
async fn kernel_info_is_answered_before_the_companion_is_up() {
    // A companion that never comes up.
    let mut client = Frontend::start_with_python("/bin/cat".as_ref()).await;
    for channel in [Channel::Shell, Channel::Control] {
        let ended = client.ask(channel, "kernel_info_request", json!({})).await;
        assert_eq!(ended.kinds(), ["busy", "idle"]);
        assert_eq!(ended.reply["implementation"], "datarus");
        assert_eq!(ended.reply["language_info"]["name"], "python");
        assert_eq!(ended.reply["protocol_version"], "5.4");
    }
}

#[tokio::test]
async fn requests_on_shell_are_answered_in_order() {
    let mut client = Frontend::start_python().await;
    let cell = client.send_cell("import time; time.sleep(0.5); 1/0").await;
    client.until_published(&cell, "execute_input").await;
    let info = client.send(Channel::Shell, "kernel_info_request", json!({})).await;
    let comms = client.send(Channel::Shell, "comm_info_request", json!({})).await;
    let mut order = Vec::new();
    for _ in 0..3 {
        let reply = client.wait("a reply", |message| message.channel == Channel::Shell).await;
        order.push(reply.parent.unwrap());
    }
    assert_eq!(order, [cell, info, comms]);
}

#[tokio::test]
async fn input_is_answered() {
    let mut client = Frontend::start_python().await;
    let cell = client.send_cell("print('got', input('name? '))").await;
    let request = client.wait("a question", |message| message.msg_type == "input_request").await;
    assert_eq!((request.channel, &request.content["prompt"]), (Channel::Stdin, &json!("name? ")));
    client.send(Channel::Stdin, "input_reply", json!({"value": "Ada"})).await;
    assert_eq!(client.end_of(&cell).await.text("stdout"), "got Ada\n");
}

#[tokio::test]
async fn comms_carry_bytes_both_ways() {
    let mut client = Frontend::start_python().await;
    let code = "def opened(comm, message):
    comm.on_msg(lambda m: comm.send({'n': len(m['buffers'])}, buffers=[bytes(m['buffers'][0])[::-1]]))
get_ipython().kernel.comm_manager.register_target('echo', opened)";
    assert_eq!(client.run(code).await.reply["status"], "ok");
    let open = json!({"comm_id": "c", "target_name": "echo", "data": {}});
    client.send(Channel::Shell, "comm_open", open).await;
    let bytes = Bytes::from_static(b"\x00\x01\xff");
    let content = json!({"comm_id": "c", "data": {}});
    client.send_with(Channel::Shell, "comm_msg", content, json!({}), vec![bytes]).await;
    let answer = client.wait("an answer", |message| message.msg_type == "comm_msg").await;
    assert_eq!(answer.content["data"]["n"], 1);
    assert_eq!(answer.buffers, [Bytes::from_static(b"\xff\x01\x00")]);
}

#[tokio::test]
async fn completion_inspection_and_completeness_are_the_companions() {
    let mut client = Frontend::start_python().await;
    let content = json!({"code": "zi", "cursor_pos": 2});
    let ended = client.ask(Channel::Shell, "complete_request", content).await;
    assert_eq!(ended.reply["matches"], json!(["zip"]));
    let content = json!({"code": "zip", "cursor_pos": 3, "detail_level": 0});
    let ended = client.ask(Channel::Shell, "inspect_request", content).await;
    assert_eq!(ended.reply["found"], true);
    for (code, status) in [("for i in x:", "incomplete"), ("> which month sells best", "complete")]
    {
        let ended = client.ask(Channel::Shell, "is_complete_request", json!({"code": code})).await;
        assert_eq!(ended.reply["status"], status, "{code}");
    }
}

#[tokio::test]
async fn what_waits_behind_a_failed_cell_is_aborted() {
    let mut client = Frontend::start_python().await;
    client.run("1").await;
    let cells = [
        client.send_cell("import time; time.sleep(0.5); 1/0").await,
        client.send_cell("2").await,
        client.send_cell("> a question").await,
        client.send_cell("3").await,
    ];
    let mut statuses = Vec::new();
    for cell in &cells {
        statuses.push(client.end_of(cell).await.reply["status"].clone());
    }
    assert_eq!(statuses, ["error", "aborted", "aborted", "aborted"]);
    assert_eq!(client.run("4").await.reply["status"], "ok");
}

#[tokio::test]
async fn malformed_requests_are_answered_and_unsigned_ones_dropped() {
    let mut client = Frontend::start_python().await;
    for (msg_type, content) in [
        ("execute_request", json!({"silent": false})),
        ("execute_request", json!({"code": 3})),
        ("complete_request", json!({"code": "x"})),
        ("inspect_request", json!([])),
    ] {
        let ended = client.ask(Channel::Shell, msg_type, content).await;
        assert_eq!(ended.reply["status"], "error", "{msg_type}");
        assert_eq!(ended.reply["ename"], "MalformedRequest");
    }
    let ended = client.ask(Channel::Shell, "unheard_of_request", json!({})).await;
    assert_eq!(ended.reply["ename"], "UnknownRequest");
    for multipart in [
        vec![Bytes::from_static(b"garbage")],
        vec![Bytes::from_static(b"<IDS|MSG>")],
        vec![Bytes::from_static(b"<IDS|MSG>"); 7],
    ] {
        client.send_raw(Channel::Shell, multipart).await;
    }
    assert_eq!(client.run("1").await.reply["status"], "ok");
}

#[tokio::test]
async fn failed_prose_is_told_how_to_ask_and_failed_code_is_not() {
    let mut client = Frontend::start_python().await;
    let ended = client.run("%%py\nplot the sales").await;
    assert_eq!(ended.reply["ename"], "SyntaxError");
    assert!(ended.text("stderr").contains("begin the cell with `>`"));
    for code in ["df.head(", "unknown_name", "x = y z"] {
        let ended = client.run(code).await;
        assert_eq!(
            (&ended.reply["status"], ended.text("stderr")),
            (&json!("error"), String::new())
        );
    }
}

#[tokio::test]
async fn no_line_of_a_flood_is_lost() {
    let mut client = Frontend::start_python().await;
    // Each flush is a hand-over between two threads, which is slow on a busy machine; printing is not.
    let ended = client.run("for i in range(300): print(i, flush=True)").await;
    assert_eq!(ended.text("stdout"), lines(300));
    let ended = client.run("for i in range(30_000): print(i)").await;
    assert_eq!(ended.text("stdout"), lines(30_000));
}

fn lines(n: usize) -> String {
    (0..n).map(|line| line.to_string() + "\n").collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn the_namespace_is_as_under_ipykernel() {
    let mut client = Frontend::start_python().await;
    let code = "import sys; print(sorted(n for n in globals() if 'datarus' in n.lower()), \
                [p for p in sys.path if 'datarus-' in p], 'datarus' in sys.modules)";
    assert_eq!(client.run(code).await.text("stdout"), "[] [] False\n");
}
