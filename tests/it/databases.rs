//! Databases that a user names: real cells read a real server, and never hold its password.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::frontend::{binary, python};
use tests::stand_in::{StandIn, answer as lists, writes};

/// The password.
const PASSWORD: &str = "hunter2secret";

/// A server that ends with this.
struct Server {
    process: Child,
    port: u16,
    /// Where connections are encrypted; of a server that has such a port.
    encrypted: u16,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts a script of `fixtures/databases`; `None`, and a word on it, where its package is not there.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn start(script: &str) -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        let script = fixture(script);
        let mut command = Command::new(python());
        command.arg(&script);
        if script.ends_with("postgres.py") {
            command.arg(folder.path());
        }
        let mut process =
            command.arg(PASSWORD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map_while(|port| port.parse().ok()).collect();
        let Some(&port) = ports.first() else {
            let _ = process.wait();
            assert!(line.contains(" is not there"), "{line}");
            eprintln!("skipped: {}", line.trim());
            return None;
        };
        let encrypted = ports.get(1).copied().unwrap_or_default();
        Some(Server { process, port, encrypted, _folder: folder })
    }

    /// A connection string for this server.
    fn url(&self, dialect: &str, rest: &str) -> String {
        format!("{dialect}://analyst:{PASSWORD}@127.0.0.1:{}/shop{rest}", self.port)
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/databases").join(name)
}

/// What came of a notebook.
struct Ran {
    /// All text outputs of each cell.
    texts: Vec<String>,
    /// What a model was asked each time.
    asked: Vec<String>,
    /// All that the program wrote anywhere.
    all: String,
}

/// Runs cells in a folder whose settings name the database `sales`, with a model that says these things.
fn run(url: &str, cells: &[&str], said: &[&str]) -> Ran {
    run_with(url, cells, said, &[])
}

fn run_with(url: &str, cells: &[&str], said: &[&str], variables: &[(&str, &Path)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings/datarus");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings).unwrap();
    let file = settings.join("databases");
    std::fs::write(&file, format!("# mine\nsales = {url}\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let cell = |source: &&str| json!({"cell_type": "code", "metadata": {}, "source": source, "execution_count": null, "outputs": []});
    let cells: Vec<_> = cells.iter().map(cell).collect();
    let notebook = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4});
    std::fs::write(folder.path().join("in.ipynb"), notebook.to_string()).unwrap();
    let models = lists(&json!({"data": [{"id": "gpt-4o-mini", "owned_by": "openai"}]}));
    let said = if said.is_empty() { &["unasked"] } else { said };
    let server =
        StandIn::with_models(models, said.iter().map(|text| writes(text, "stop")).collect());
    let output = Command::new(binary())
        .args(["run", "in.ipynb", "-o", "out.ipynb", "--allow-errors", "--model", &server.address])
        .current_dir(&folder)
        .env("DATARUS_PYTHON", python())
        .env("DATARUS_LOG", "trace")
        .env("XDG_STATE_HOME", folder.path().join("state"))
        .env("XDG_CONFIG_HOME", folder.path().join("settings"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let written = std::fs::read_to_string(folder.path().join("out.ipynb")).unwrap();
    let notebook: Value = serde_json::from_str(&written).unwrap();
    let asked: Vec<String> =
        server.asked().iter().map(|asked| asked.body["messages"].to_string()).collect();
    let streams = [output.stdout, output.stderr].concat();
    let all = format!("{written}{}{}", String::from_utf8_lossy(&streams), asked.concat());
    let texts = notebook["cells"].as_array().unwrap().iter().map(text).collect();
    Ran { texts, asked, all }
}

/// The text outputs of a cell, errors with their message.
fn text(cell: &Value) -> String {
    let outputs = cell["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let joined = |value: &Value| match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().unwrap_or_default().to_owned(),
    };
    let of = |output: &Value| {
        [&output["text"], &output["data"]["text/plain"], &output["evalue"]].map(joined).concat()
    };
    outputs.iter().map(of).collect()
}

/// Looks for the password wherever Python can look: in all that is in its memory, and in what the system says of it.
const SEARCH: &str = r#"
import gc, glob, os, sys
pd_ready = __import__("pandas").read_sql("SELECT 1 AS one", sales)
word = "hunter2" + "secret"
seen, found, waiting = set(), [], gc.get_objects() + [vars(sales), sales.url, sales.pool]
while waiting:
    thing = waiting.pop()
    if id(thing) in seen:
        continue
    seen.add(id(thing))
    if isinstance(thing, (str, bytes, bytearray)):
        text = thing if isinstance(thing, str) else bytes(thing).decode("latin-1")
        if word in text and thing is not word:
            found.append(text[:60])
    else:
        waiting.extend(gc.get_referents(thing))
for file in ["/proc/self/environ", "/proc/self/cmdline", *glob.glob("/proc/[0-9]*/cmdline")]:
    try:
        found += [file] * (word.encode() in open(file, "rb").read())
    except OSError:
        pass
# The parts above are of this search.
print(len(seen) > 10_000, [text for text in found if "pd_ready" not in text], sales, sales.url)
"#;

#[test]
fn a_database_is_read_by_cells_and_by_the_analyst_and_its_password_reaches_neither() {
    let Some(server) = Server::start("postgres.py") else { return };
    let step = "I count.\n\n```python\nimport pandas as pd\npd.read_sql(\"SELECT count(*) AS n FROM orders\", sales)\n```";
    let cells = [SEARCH, "%datarus", "> How many orders are there?"];
    let ran =
        run(&server.url("postgresql", ""), &cells, &[step, "## Answer\n\nThere are 5000 orders."]);
    assert!(ran.texts[0].starts_with("True [] Engine(postgresql+"), "{}", ran.texts[0]);
    assert!(
        ran.texts[1].ends_with("Database: sales (PostgreSQL, read only).\n"),
        "{}",
        ran.texts[1]
    );
    let told = ran.asked[0].replace("\\n", "\n").replace("\\\"", "\"");
    for expected in [
        "- sales: PostgreSQL, read only; the SQLAlchemy engine `sales` reads it: `pd.read_sql(\"SELECT …\", sales)`. \
         views: dear",
        "  customers: 300 rows: id int key 1…300; name text key (300 values: Name 1, Name 2, Name 3, …); \
         joined date 2024-01-02…2024-10-27",
        "  orders: 5,000 rows, of which the first 2,000 were read: id int key 1…2000; customer int 1…300; \
         amount float 0.13…250",
        "Keys between tables: sales orders.customer → sales customers.id (declared)",
    ] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    assert!(ran.all.contains("5000"), "{}", ran.all);
    assert!(!ran.all.contains(PASSWORD), "the password is in what was written");
}

#[test]
fn cells_read_and_do_not_write_unless_the_user_says_so() {
    let Some(server) = Server::start("postgres.py") else { return };
    let delete = "import sqlalchemy\nwith sales.begin() as connection:\n    \
                  print(connection.execute(sqlalchemy.text('DELETE FROM orders WHERE id = 1')).rowcount)";
    let ran = run(&server.url("postgresql", ""), &[delete], &[]);
    assert!(ran.texts[0].contains("read-only transaction"), "{}", ran.texts[0]);
    let ran = run(&server.url("postgresql", "?write=on"), &[delete, "%datarus"], &[]);
    assert_eq!(ran.texts[0], "1\n");
    assert!(ran.texts[1].contains("sales (PostgreSQL, with writing)"), "{}", ran.texts[1]);
}

#[test]
fn a_database_that_does_not_open_says_why_in_the_cell() {
    let Some(server) = Server::start("postgres.py") else { return };
    let read = "import pandas as pd\npd.read_sql('SELECT 1', sales)";
    let wrong = server.url("postgresql", "").replace(PASSWORD, "other1word");
    let ran = run(&wrong, &[read], &[]);
    assert!(ran.texts[0].contains("password authentication failed"), "{}", ran.texts[0]);
    assert!(!ran.all.contains("other1word"));
    let ran = run(&server.url("postgresql", "?sslmode=require"), &[read], &[]);
    assert!(ran.texts[0].contains("`sales`: the server does not encrypt"), "{}", ran.texts[0]);
    let port = server.port;
    drop(server);
    let url = format!("postgresql://analyst:{PASSWORD}@127.0.0.1:{port}/shop");
    let ran = run(&url, &[read], &[]);
    assert!(ran.texts[0].contains("the server does not answer"), "{}", ran.texts[0]);
}

#[test]
fn a_connection_is_encrypted_and_its_certificate_looked_at_where_that_is_asked() {
    let Some(server) = Server::start("postgres.py") else { return };
    let read = "import pandas as pd\nprint(len(pd.read_sql('SELECT * FROM customers', sales)))";
    let url = |rest: &str| {
        format!("postgresql://analyst:{PASSWORD}@localhost:{}/shop{rest}", server.encrypted)
    };
    assert_eq!(run(&url("?sslmode=require"), &[read], &[]).texts[0], "300\n");
    let strict = url("?sslmode=verify-full");
    let ran = run(&strict, &[read], &[]);
    assert!(ran.texts[0].contains("the encrypted connection failed"), "{}", ran.texts[0]);
    let trusted = fixture("certificate.pem");
    let ran = run_with(&strict, &[read], &[], &[("SSL_CERT_FILE", &trusted)]);
    assert_eq!(ran.texts[0], "300\n");
}

#[test]
fn a_server_of_mysql_is_read_and_the_password_reaches_nobody() {
    let Some(server) = Server::start("mysql.py") else { return };
    let read = "import pandas as pd\nprint(len(pd.read_sql('SELECT * FROM customers', sales)))";
    let ran = run(&server.url("mysql", ""), &[read], &[]);
    assert_eq!(ran.texts[0], "30\n");
    assert!(!ran.all.contains(PASSWORD), "the password is in what was written");
    let ran = run(&server.url("mysql", "?sslmode=require"), &[read], &[]);
    assert!(ran.texts[0].contains("`sales`: the server does not encrypt"), "{}", ran.texts[0]);
    let wrong = server.url("mysql", "").replace(PASSWORD, "other1word");
    let ran = run(&wrong, &[read], &[]);
    assert!(ran.texts[0].contains("Access denied"), "{}", ran.texts[0]);
}
