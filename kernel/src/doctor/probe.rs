//! Tries the sandbox: a real kernel, whose Python tries to get out in some fifty ways.
//!
//! What is to be found is planted first, so that each try can succeed: without a sandbox they do, which a test shows.

use std::fmt::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::client::{Client, ClientError, ExecuteRequest, Outputs};
use crate::config::COMPANION;
use crate::connection::{ConnectionError, ConnectionInfo};

const SCRIPT: &str = include_str!("probe.py");

/// A variable as a key of an endpoint would be one.
const VARIABLE: &str = "DATARUS_PROBE_API_KEY";

/// The probe whose outcome is looked at from outside, since a sandbox may have a home of its own.
const HOME: &str = "write into the home";

/// What is said of the last probe, which is tried from outside.
const ORPHAN: &str = "leave a process behind when the kernel is killed";

/// How long what must end may take to.
const PATIENCE: Duration = Duration::from_secs(10);

/// What each tier is known not to hold; the README of its tier says so too.
const GAPS: &[(&str, &[&str])] = &[
    (
        "landlock",
        &["see the size of a file outside of the workspace", "see another process", ORPHAN],
    ),
    ("seatbelt", &["see the size of a file outside of the workspace", ORPHAN]),
];

/// What came of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was refused, or there was nothing to be found.
    Held,
    /// It succeeded.
    Reached,
    /// It succeeded, as this tier is known to allow.
    KnownGap,
    /// It cannot be told here.
    Unknown,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What was tried.
    pub name: String,
    /// Whether it could.
    pub outcome: Outcome,
    /// What it found, or why it could not.
    pub found: String,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the kernel says of its sandbox.
    pub sandbox: Value,
    /// The probes, in order.
    pub rows: Vec<Row>,
}

/// Why the probes cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No place or no socket for what is planted.
    #[error("cannot prepare the probes: {0}")]
    Io(#[from] std::io::Error),
    /// No place for the kernel's sockets.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The kernel cannot be spoken to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cell said something else.
    #[error("the probes did not run: {0}")]
    Silent(String),
}

/// What is there to be found, outside of the workspace.
struct Planted {
    folder: TempDir,
    victim: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    abstract_name: String,
    _sockets: (UnixListener, UnixDatagram, Option<UnixListener>),
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

impl Planted {
    fn plant() -> Result<Planted, ProbeError> {
        let folder = tempfile::Builder::new().prefix("datarus-probe-").tempdir()?;
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside)?;
        std::fs::create_dir(folder.path().join("workspace"))?;
        std::fs::create_dir(folder.path().join("sockets"))?;
        std::fs::write(outside.join("secret"), "the secret")?;
        std::fs::write(outside.join("expendable"), "")?;
        let name = uuid::Uuid::new_v4().simple().to_string();
        let abstract_name = format!("datarus-probe-{name}");
        Ok(Planted {
            tcp: TcpListener::bind("127.0.0.1:0")?,
            udp: UdpSocket::bind("127.0.0.1:0")?,
            _sockets: (
                UnixListener::bind(outside.join("stream"))?,
                UnixDatagram::bind(outside.join("datagram"))?,
                without_file(&abstract_name),
            ),
            victim: Command::new("sleep").arg("86400").stdin(Stdio::null()).spawn()?,
            abstract_name,
            folder,
        })
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// A file that is not there.
    fn file_in_home(&self) -> PathBuf {
        home().join(format!(".{}", self.abstract_name))
    }

    /// Says of what was written into the home whether it is there.
    fn look_into_home(&self, row: &mut Row) {
        if row.name == HOME
            && row.outcome == Outcome::Reached
            && std::fs::remove_file(self.file_in_home()).is_err()
        {
            (row.outcome, row.found) = (Outcome::Held, "written into a private one".to_owned());
        }
    }

    fn as_json(&self, kernel: u32, connection_file: &Path) -> Result<Value, ProbeError> {
        let home = home();
        let names = std::fs::read_dir(&home).into_iter().flatten().flatten();
        // The companion has folders of its own by these names, and parts of the home may be granted.
        let known = |name: &String| {
            let granted = [".cache", ".config", ".local", ".ipython", ".pyenv", ".conda"];
            granted.contains(&name.as_str())
        };
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(json!({
            "outside": self.outside(),
            "home": home,
            "file_in_home": self.file_in_home(),
            "names_in_home": names.filter(|name| !known(name)).collect::<Vec<_>>(),
            "connection_file": connection_file,
            "variable": VARIABLE,
            "kernel": kernel,
            "victim": self.victim.id(),
            "tcp": self.tcp.local_addr()?.port(),
            "udp": self.udp.local_addr()?.port(),
            "abstract": self.abstract_name,
        }))
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}

#[cfg(target_os = "linux")]
fn without_file(name: &str) -> Option<UnixListener> {
    use std::os::linux::net::SocketAddrExt as _;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).ok()?;
    UnixListener::bind_addr(&address).ok()
}

#[cfg(not(target_os = "linux"))]
fn without_file(_name: &str) -> Option<UnixListener> {
    None
}

/// Runs the probes in the sandbox of a kernel that is started with these arguments.
///
/// # Errors
/// When they cannot be run.
pub async fn run(program: &Path, arguments: &[String]) -> Result<Report, ProbeError> {
    let planted = Planted::plant()?;
    let connection = ConnectionInfo::new_ipc(&planted.folder.path().join("sockets"))?;
    let file = planted.folder.path().join("outside/kernel.json");
    connection.write(&file)?;
    let mut kernel = tokio::process::Command::new(program)
        .args(["kernel", "-f"])
        .arg(&file)
        .args(arguments)
        .env(VARIABLE, "a key")
        // What is tried is the sandbox here.
        .env_remove(COMPANION)
        .current_dir(planted.folder.path().join("workspace"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut client = Client::connect(&connection).await?;
    let facts = planted.as_json(kernel.id().unwrap_or_default(), &file)?;
    let code = format!("exec({}, {{'PLANTED': {facts}}})", json!(SCRIPT));
    let said = printed(&mut client, &code).await?;
    let tried: Vec<(String, String, String)> =
        serde_json::from_str(&said).map_err(|_| ProbeError::Silent(said))?;
    let sandbox = client.info["sandbox"].clone();
    let tier = sandbox["tier"].as_str().unwrap_or_default().to_owned();
    let mut rows: Vec<_> = tried
        .into_iter()
        .map(|(name, outcome, found)| Row { outcome: known(&tier, &name, &outcome), name, found })
        .collect();
    for row in &mut rows {
        planted.look_into_home(row);
    }
    rows.push(orphan(&mut client, &mut kernel, &tier).await?);
    Ok(Report { sandbox, rows })
}

fn known(tier: &str, name: &str, outcome: &str) -> Outcome {
    let is_gap = GAPS.iter().any(|(of, names)| *of == tier && names.contains(&name));
    match outcome {
        "held" => Outcome::Held,
        "reached" if is_gap => Outcome::KnownGap,
        "reached" => Outcome::Reached,
        _ => Outcome::Unknown,
    }
}

async fn printed(client: &mut Client, code: &str) -> Result<String, ProbeError> {
    let mut outputs = Outputs::default();
    // Python, whatever it looks like.
    let metadata = Map::from_iter([("datarus".to_owned(), json!({ "role": "code" }))]);
    let request = ExecuteRequest::silent(code);
    let reply = client.execute(&request, &metadata, &mut outputs, &mut |_, _, _| ()).await?;
    if reply.status != "ok" {
        return Err(ProbeError::Silent(reply.evalue.unwrap_or(reply.status)));
    }
    let text = outputs.list().iter().filter_map(|output| output["text"].as_str());
    Ok(text.collect::<String>())
}

/// Starts a process in a session of its own, kills the kernel, and looks for it.
async fn orphan(
    client: &mut Client,
    kernel: &mut tokio::process::Child,
    tier: &str,
) -> Result<Row, ProbeError> {
    let mark = format!("86400.{}", std::process::id());
    let code = format!(
        "import subprocess; subprocess.Popen(['sleep', '{mark}'], start_new_session=True); print('begun')"
    );
    printed(client, &code).await?;
    let begun = processes_with(&mark);
    kernel.kill().await?;
    let killed = Instant::now();
    while !processes_with(&mark).is_empty() && killed.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = processes_with(&mark);
    for process in &left {
        let process = rustix::process::Pid::from_raw(*process);
        let _ = process
            .map(|process| rustix::process::kill_process(process, rustix::process::Signal::KILL));
    }
    let (outcome, found) = match (begun.is_empty(), left.is_empty()) {
        (true, _) => ("unknown", "no process was seen".to_owned()),
        (false, true) => ("held", format!("gone after {} ms", killed.elapsed().as_millis())),
        (false, false) => ("reached", "still there".to_owned()),
    };
    Ok(Row { name: ORPHAN.to_owned(), outcome: known(tier, ORPHAN, outcome), found })
}

/// Processes with this word on their command line.
fn processes_with(word: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |name: &str| name.parse::<i32>().ok();
    entries
        .filter_map(|entry| number(&entry.file_name().to_string_lossy()))
        .filter(|process| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|found| found == word.as_bytes())
        })
        .collect()
}

impl Report {
    /// Whether all held that should.
    pub fn is_well(&self) -> bool {
        self.sandbox["tier"] != "none"
            && self.rows.iter().all(|row| row.outcome != Outcome::Reached)
    }

    /// A table for people.
    pub fn as_text(&self) -> String {
        let tier = self.sandbox["tier"].as_str().unwrap_or("none");
        let mut text = format!("sandbox: {tier}\nCan code in a cell …\n");
        for row in &self.rows {
            let outcome = match row.outcome {
                Outcome::Held => "no",
                Outcome::Reached => "YES",
                Outcome::KnownGap => "yes (known)",
                Outcome::Unknown => "?",
            };
            let _ = writeln!(text, "  {outcome:<11} {:<55} {}", row.name, row.found);
        }
        let count = |wanted| self.rows.iter().filter(|row| row.outcome == wanted).count();
        let (held, reached) = (count(Outcome::Held), count(Outcome::Reached));
        let (gaps, unknown) = (count(Outcome::KnownGap), count(Outcome::Unknown));
        let _ = write!(
            text,
            "{held} held, {reached} reached, {gaps} known gaps of this tier, {unknown} cannot be told here"
        );
        text
    }
}
