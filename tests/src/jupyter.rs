//! A real Jupyter Server on the loopback interface, and a passage to it that a test can break.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::frontend::python;
use crate::processes::until;

/// What proves to it that one may.
pub const TOKEN: &str = "5ecret-of-the-server";

/// A server with a folder of its own; it ends with this.
#[derive(Debug)]
pub struct JupyterServer {
    process: Child,
    /// Where it listens.
    pub port: u16,
    /// Its root, and where it keeps its files.
    pub folder: TempDir,
}

impl JupyterServer {
    /// Starts one, with arguments besides the usual ones.
    pub async fn start(arguments: &[&str]) -> JupyterServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = format!("--ServerApp.root_dir={}", folder.path().display());
        let usual = ["--no-browser", "--allow-root", &root];
        let token = format!("--IdentityProvider.token={TOKEN}");
        let names = ["jupyter_server", "ServerApp", &token];
        Self::start_program(folder, names, &[&usual, arguments].concat()).await
    }

    /// Starts a Jupyter Kernel Gateway, which has kernels and nothing else.
    pub async fn start_gateway() -> JupyterServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let token = format!("--KernelGatewayApp.auth_token={TOKEN}");
        let names = ["kernel_gateway", "KernelGatewayApp", &token];
        let listed = "--JupyterWebsocketPersonality.list_kernels=True";
        Self::start_program(folder, names, &[listed]).await
    }

    async fn start_program(
        folder: TempDir,
        [module, app, token]: [&str; 3],
        arguments: &[&str],
    ) -> JupyterServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let kept = folder.path().join("jupyter");
        let process = Command::new(python())
            .args(["-m", module, &format!("--{app}.ip=127.0.0.1"), token])
            .args([format!("--{app}.port={port}"), format!("--{app}.port_retries=0")])
            .args(arguments)
            .env("JUPYTER_CONFIG_DIR", &kept)
            .env("JUPYTER_DATA_DIR", &kept)
            .env("JUPYTER_RUNTIME_DIR", &kept)
            .env("IPYTHONDIR", kept.join("ipython"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a Python with jupyter_server and its gateway, see requirements-test.txt");
        let server = JupyterServer { process, port, folder };
        // It listens once it can answer.
        until("a server that listens", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        server
    }

    /// Its address, as `--companion` takes it.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={TOKEN}", self.port)
    }

    /// The ids of the kernels that it has.
    pub fn kernels(&self) -> Vec<String> {
        let kernels = self.ask("GET", "api/kernels").expect("an answer");
        let kernels = kernels.as_array().expect("a list").clone();
        kernels.iter().map(|kernel| kernel["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Asks it by REST; none where it says nothing yet.
    pub fn ask(&self, method: &str, resource: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!(
            "{method} /{resource} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 20").then(|| serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for JupyterServer {
    fn drop(&mut self) {
        // Asked, so that it ends its kernels.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.process.wait();
    }
}

/// A way to a port of this machine that can be broken and barred.
#[derive(Debug)]
pub struct Passage {
    /// Where it listens.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    streams: Vec<TcpStream>,
    is_barred: bool,
    passed: usize,
}

impl Passage {
    /// A way to `port`.
    pub fn to(port: u16) -> Passage {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let passage = Passage {
            port: listener.local_addr().expect("an address").port(),
            state: Arc::default(),
        };
        let state = Arc::clone(&passage.state);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let mut state = state.lock().expect("no panic holds it");
                if state.is_barred {
                    continue;
                }
                state.passed += 1;
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let clone = |stream: &TcpStream| stream.try_clone().expect("a stream");
                    let (mut from, mut to) = (clone(from), clone(to));
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                state.streams.extend([near, far]);
            }
        });
        passage
    }

    /// Breaks all connections; others are let through unless it is barred.
    pub fn cut(&self, is_barred: bool) {
        let mut state = self.state.lock().expect("no panic holds it");
        state.is_barred = is_barred;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections went through.
    pub fn passed(&self) -> usize {
        self.state.lock().expect("no panic holds it").passed
    }
}
