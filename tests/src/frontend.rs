//! A client of a real kernel over real sockets: tests that use it read as a conversation.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datarus_agent::agent::Limits;
use datarus_agent::llm::Placement;
use datarus_kernel::bound::MaxText;
use datarus_kernel::cli::TrustOutputs;
use datarus_kernel::config::{Analyst, Config, ModelSource};
use datarus_kernel::connection::{Channel, ConnectionInfo};
use datarus_kernel::message::{NO_PARENT, Session};
use datarus_kernel::place::Place;
use datarus_kernel::prompt::Loader;
use datarus_kernel::sandbox::{Mode, Settings};
use datarus_kernel::server;
use datarus_kernel::wire::{Frames, ReplayGuard};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerSocket, ReqSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage,
};

/// After this a test has failed. It is long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// A message from the kernel.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it came in.
    pub channel: Channel,
    /// Its type.
    pub msg_type: String,
    /// Id of the request that caused it.
    pub parent: Option<String>,
    /// The session that it bears.
    pub session: String,
    /// Its metadata.
    pub metadata: Value,
    /// Its content.
    pub content: Value,
    /// Its attachments.
    pub buffers: Vec<Bytes>,
    /// When it was received.
    pub at: Instant,
}

/// What came of a request that was run to its end.
#[derive(Debug)]
pub struct Ended {
    /// The content of the reply.
    pub reply: Value,
    /// What was published for it, status included, in order.
    pub published: Vec<Message>,
}

impl Ended {
    /// Types of what was published; status by its state.
    pub fn kinds(&self) -> Vec<&str> {
        self.published.iter().map(kind).collect()
    }

    /// The contents of the published messages of one type.
    pub fn contents(&self, msg_type: &str) -> Vec<&Value> {
        let of_type = self.published.iter().filter(|message| message.msg_type == msg_type);
        of_type.map(|message| &message.content).collect()
    }

    /// All text of one stream.
    pub fn text(&self, name: &str) -> String {
        let streams = self.contents("stream");
        let of_name = streams.into_iter().filter(|content| content["name"] == name);
        of_name.filter_map(|content| content["text"].as_str()).collect()
    }
}

fn kind(message: &Message) -> &str {
    message.content["execution_state"].as_str().unwrap_or(&message.msg_type)
}

/// A client with all its sockets, and the kernel that it talks to.
pub struct Frontend {
    /// Makes requests.
    session: Session,
    shell: DealerSocket,
    control: DealerSocket,
    stdin: DealerSocket,
    iopub: SubSocket,
    received: Vec<Message>,
    replays: ReplayGuard,
    connection: ConnectionInfo,
    /// The last status that was published.
    pub state: Option<String>,
    /// The kernel's own process, when it has one.
    pub process: Option<Child>,
    /// Where the kernel's runtime folders are.
    pub folder: TempDir,
}

/// The Python that has ipykernel.
pub fn python() -> PathBuf {
    std::env::var_os("DATARUS_PYTHON").unwrap_or_else(|| "python3".into()).into()
}

/// The best sandbox that works here, unless `DATARUS_SANDBOX` names another.
pub fn sandbox() -> Settings {
    let mode = match std::env::var("DATARUS_SANDBOX").as_deref() {
        Ok("off") => Mode::Off,
        Ok("landlock") => Mode::Landlock,
        Ok("bubblewrap") => Mode::Bubblewrap,
        Ok(_) | Err(_) => Mode::Auto,
    };
    Settings { mode, program: binary(), ..Settings::default() }
}

/// What tests run a kernel with.
pub fn config(python: &Path) -> Config {
    Config {
        python: python.to_owned(),
        companion: Place::Here,
        model: ModelSource::Embedded,
        threads: None,
        placement: Placement::default(),
        folder: PathBuf::from("."),
        state: None,
        weights: None,
        kv_cache: None,
        max_output: MaxText::CELL,
        max_step_output: MaxText::STEP,
        max_cell: MaxText::SOURCE,
        companion_args: vec!["--HistoryManager.hist_file=:memory:".into()],
        sandbox: sandbox(),
        databases: Vec::new(),
        analyst: Analyst::default(),
        limits: Limits {
            max_steps: 8,
            max_errors: 3,
            cell_timeout: Duration::from_secs(60),
            max_new_tokens: 512,
            max_turn_tokens: 4096,
            max_sections: 8,
        },
        sampling: None,
        seed: 0,
        trust_outputs: TrustOutputs::Mine,
    }
}

impl Frontend {
    /// A kernel in this process, whose model is made by `loader`.
    pub async fn start(config: Config, loader: Loader) -> Frontend {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let connection = ConnectionInfo::new_ipc(folder.path()).expect("a short path");
        let served = connection.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(server::run_with(served, config, loader)).expect("a kernel");
        });
        Frontend::connect(folder, connection, None).await
    }

    /// A kernel that is asked no questions.
    pub async fn start_python() -> Frontend {
        Frontend::start_with_python(&python()).await
    }

    /// A kernel that is asked no questions, on the given Python.
    pub async fn start_with_python(python: &Path) -> Frontend {
        Frontend::start(config(python), datarus_kernel::prompt::configured_model()).await
    }

    /// The real binary as a process of its own, over TCP, on the given Python. Its runtime folders are made in `folder`.
    pub async fn start_binary(python: &Path) -> Frontend {
        let mut command = Command::new(binary());
        command.arg("kernel").env("DATARUS_PYTHON", python);
        let folder = tempfile::tempdir().expect("a temporary folder");
        Frontend::start_process(command, folder, tcp_connection()).await
    }

    /// A kernel as a process of its own, which `command` starts when it is given a connection file.
    async fn start_process(
        mut command: Command,
        folder: TempDir,
        connection: ConnectionInfo,
    ) -> Frontend {
        let file = folder.path().join("kernel.json");
        if !file.exists() {
            connection.write(&file).expect("a new file");
        }
        let process = command
            .arg("-f")
            .arg(&file)
            .env("XDG_RUNTIME_DIR", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect(
                "the kernel's program beside this one; build it with `cargo build --workspace`",
            );
        Frontend::connect(folder, connection, Some(process)).await
    }

    /// A kernel that `command` starts.
    pub async fn start_command(command: Command) -> Frontend {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Frontend::start_process(command, folder, tcp_connection()).await
    }

    /// Restarts the kernel as a manager does: the process ends, and a new one gets the same connection file.
    pub async fn restart(&mut self, command: Command) {
        let ended = self.ask(Channel::Control, "shutdown_request", json!({"restart": true})).await;
        assert_eq!(ended.reply, json!({"status": "ok", "restart": true}));
        let mut process = self.process.take().expect("a process of its own");
        let gone = tokio::time::timeout(PATIENCE, process.wait()).await;
        gone.expect("a kernel that ends").expect("a process");
        let empty = tempfile::tempdir().expect("a temporary folder");
        let folder = std::mem::replace(&mut self.folder, empty);
        *self = Frontend::start_process(command, folder, self.connection.clone()).await;
    }

    /// Another client of the same kernel, with a session of its own.
    pub async fn beside(&self) -> Frontend {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Frontend::connect(folder, self.connection.clone(), None).await
    }

    async fn connect(
        folder: TempDir,
        connection: ConnectionInfo,
        process: Option<Child>,
    ) -> Frontend {
        let mut iopub = SubSocket::new();
        iopub.subscribe("").await.expect("a subscription");
        until_connected(&mut iopub, &connection.endpoint(Channel::IoPub)).await;
        let session = Session::new(connection.signing_key());
        let dealer = async |channel: Channel| {
            let mut options = SocketOptions::default();
            let identity = PeerIdentity::try_from(Bytes::from(session.id.clone()));
            options.peer_identity(identity.expect("a short id"));
            let mut socket = DealerSocket::with_options(options);
            until_connected(&mut socket, &connection.endpoint(channel)).await;
            socket
        };
        let (shell, control) = (dealer(Channel::Shell).await, dealer(Channel::Control).await);
        let stdin = dealer(Channel::Stdin).await;
        let received = Vec::new();
        let mut frontend = Frontend {
            session,
            shell,
            control,
            stdin,
            iopub,
            received,
            replays: ReplayGuard::default(),
            connection,
            state: None,
            process,
            folder,
        };
        frontend.wait("the welcome", |message| message.msg_type == "iopub_welcome").await;
        frontend
    }

    /// Sends a request and returns its id.
    pub async fn send(&mut self, channel: Channel, msg_type: &str, content: Value) -> String {
        self.send_with(channel, msg_type, content, json!({}), Vec::new()).await
    }

    /// Sends a request with metadata and attachments.
    pub async fn send_with(
        &mut self,
        channel: Channel,
        msg_type: &str,
        content: Value,
        metadata: Value,
        buffers: Vec<Bytes>,
    ) -> String {
        let frames = self.session.message(msg_type, &NO_PARENT, &content, &metadata);
        let msg_id = frames.header().expect("a header").msg_id;
        let multipart = Frames { buffers, ..frames }.into_multipart();
        self.send_raw(channel, multipart).await;
        msg_id
    }

    /// Sends frames as they are.
    pub async fn send_raw(&mut self, channel: Channel, multipart: Vec<Bytes>) {
        let message = ZmqMessage::try_from(multipart).expect("at least one frame");
        let socket = match channel {
            Channel::Control => &mut self.control,
            Channel::Stdin => &mut self.stdin,
            Channel::Shell | Channel::IoPub | Channel::Heartbeat => &mut self.shell,
        };
        socket.send(message).await.expect("an open socket");
    }

    /// Sends a cell and returns its id.
    pub async fn send_cell(&mut self, code: &str) -> String {
        let content = json!({ "code": code, "allow_stdin": true, "stop_on_error": true });
        self.send(Channel::Shell, "execute_request", content).await
    }

    /// Runs a cell to its end.
    pub async fn run(&mut self, code: &str) -> Ended {
        let msg_id = self.send_cell(code).await;
        self.end_of(&msg_id).await
    }

    /// Sends a request and waits for its end.
    pub async fn ask(&mut self, channel: Channel, msg_type: &str, content: Value) -> Ended {
        let msg_id = self.send(channel, msg_type, content).await;
        self.end_of(&msg_id).await
    }

    /// Waits for the reply and the idle status of a request.
    pub async fn end_of(&mut self, msg_id: &str) -> Ended {
        let of = |message: &Message| message.parent.as_deref() == Some(msg_id);
        let reply = self
            .wait("a reply", |message| {
                of(message)
                    && message.msg_type.ends_with("_reply")
                    && message.channel != Channel::IoPub
            })
            .await;
        self.wait_keeping("an idle status", |message| of(message) && kind(message) == "idle").await;
        let (published, others) = std::mem::take(&mut self.received)
            .into_iter()
            .partition(|message| of(message) && message.channel == Channel::IoPub);
        self.received = others;
        Ended { reply: reply.content, published }
    }

    /// Interrupts, and waits for the reply.
    pub async fn interrupt(&mut self) {
        let ended = self.ask(Channel::Control, "interrupt_request", json!({})).await;
        assert_eq!(ended.reply["status"], "ok");
    }

    /// Has the kernel's heart answer.
    pub async fn beat(&self) {
        let mut heart = ReqSocket::new();
        until_connected(&mut heart, &self.connection.endpoint(Channel::Heartbeat)).await;
        heart.send(ZmqMessage::from("ping")).await.expect("an open socket");
        let answer = tokio::time::timeout(PATIENCE, heart.recv()).await.expect("a heartbeat");
        assert_eq!(answer.expect("an open socket").into_vec(), ["ping"]);
    }

    /// Waits until a request is at work: something has been published that is not its busy status.
    pub async fn until_published(&mut self, msg_id: &str, msg_type: &str) -> Message {
        self.wait_keeping(msg_type, |message| {
            message.parent.as_deref() == Some(msg_id) && message.msg_type == msg_type
        })
        .await
    }

    /// Waits for a message and takes it out of what was received.
    pub async fn wait(&mut self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        self.wait_keeping(what, &fits).await;
        let at = self.received.iter().position(fits).expect("it was found");
        self.received.remove(at)
    }

    /// Waits for a message that may have been received before.
    pub async fn wait_keeping(&mut self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.received.iter().find(|message| fits(message)) {
                return found.clone();
            }
            let next = tokio::time::timeout_at(deadline, self.receive()).await;
            let Ok(message) = next else {
                panic!("expected {what}, received {:#?}", self.received)
            };
            self.received.push(message);
        }
    }

    /// How many messages that were received and not taken fit.
    pub fn count(&self, fits: impl Fn(&Message) -> bool) -> usize {
        self.received.iter().filter(|message| fits(message)).count()
    }

    async fn receive(&mut self) -> Message {
        let (channel, message) = tokio::select! {
            message = self.iopub.recv() => (Channel::IoPub, message),
            message = self.shell.recv() => (Channel::Shell, message),
            message = self.control.recv() => (Channel::Control, message),
            message = self.stdin.recv() => (Channel::Stdin, message),
        };
        let multipart = message.expect("an open socket").into_vec();
        let key = self.connection.signing_key();
        let frames = Frames::parse_verified(multipart, &key, &mut self.replays);
        let frames = frames.expect("a message of Jupyter, signed and never sent before");
        let header = frames.header().expect("a header");
        let content: Value = frames.content().expect("a content");
        if let Some(state) = content["execution_state"].as_str() {
            self.state = Some(state.to_owned());
        }
        Message {
            channel,
            msg_type: header.msg_type,
            session: header.session,
            parent: frames.parent().ok().map(|parent| parent.msg_id),
            metadata: frames.metadata().expect("metadata"),
            content,
            buffers: frames.buffers,
            at: Instant::now(),
        }
    }

    /// Shuts the kernel down and waits for the reply.
    pub async fn shut_down(&mut self) {
        let ended = self.ask(Channel::Control, "shutdown_request", json!({"restart": false})).await;
        assert_eq!(ended.reply, json!({"status": "ok", "restart": false}));
    }

    /// The pid of the companion, as it is here.
    pub async fn companion_pid(&mut self) -> i32 {
        let ended = self.run("import os; print(os.getpid())").await;
        let inside = ended.text("stdout").trim().parse().expect("a number");
        self.pid_here(inside).await
    }

    /// The pid here of a process that has the pid `inside` where the companion is.
    pub async fn pid_here(&mut self, inside: i32) -> i32 {
        let ended = self.run("import os; print(os.readlink('/proc/self/ns/pid'))").await;
        let namespace = ended.text("stdout");
        let namespace = Path::new(namespace.trim());
        let is_it = |pid: &i32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            let last = numbers.and_then(|numbers| numbers.split_whitespace().last()?.parse().ok());
            last == Some(inside)
                && std::fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|it| it == namespace)
        };
        let entries = std::fs::read_dir("/proc").expect("a list of processes").flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
        pids.find(is_it).expect("the process")
    }
}

async fn until_connected(socket: &mut impl Socket, endpoint: &str) {
    // The kernel may still be starting; the socket itself only retries a refused connection.
    while socket.connect(endpoint).await.is_err() {
        tokio::task::yield_now().await;
    }
}

fn tcp_connection() -> ConnectionInfo {
    let ports: Vec<u16> = (0..5)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect::<Vec<_>>()
        .iter()
        .map(|listener| listener.local_addr().expect("an address").port())
        .collect();
    let json = json!({
        "transport": "tcp", "ip": "127.0.0.1", "key": uuid::Uuid::new_v4().to_string(),
        "signature_scheme": "hmac-sha256", "shell_port": ports[0], "iopub_port": ports[1],
        "stdin_port": ports[2], "control_port": ports[3], "hb_port": ports[4],
    });
    ConnectionInfo::from_json(&json.to_string()).expect("a valid connection")
}

/// Runs the program in `folder`, where it keeps its settings and what it remembers, too.
pub fn datarus(folder: &Path, arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .env("DATARUS_PYTHON", python())
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CONFIG_HOME", folder.join("settings"))
        .output()
        .expect("the program of this build")
}

/// The binary of this build: `target/debug/datarus`, above `target/debug/deps/it-…` or beside another program.
pub fn binary() -> PathBuf {
    let this = std::env::current_exe().expect("the path of the tests");
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join("datarus"));
    found.into_iter().find(|program| program.is_file()).unwrap_or_else(|| "datarus".into())
}
