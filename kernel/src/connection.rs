//! The connection file: where the sockets are, and the keys that sign and encrypt what passes over them.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::wire::SigningKey;
use crate::zmtp::{KeyError, Security, ServerKey};

/// The one signature scheme that Jupyter uses.
const SIGNATURE_SCHEME: &str = "hmac-sha256";

/// The longest path that the address of a Unix socket can hold, in bytes.
const LONGEST_SOCKET_PATH: usize = 107;

/// The five sockets of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Requests that run one after another.
    Shell,
    /// Requests that must not wait: interrupt, shutdown, debugger.
    Control,
    /// The kernel asks, the frontend answers: `input()`.
    Stdin,
    /// Outputs and status, to everybody.
    IoPub,
    /// Echoes bytes.
    Heartbeat,
}

/// Why a connection file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The file cannot be read or written.
    #[error("cannot use the connection file `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is no JSON object with the keys of a connection file.
    #[error("expected the JSON object of a connection file with its five ports")]
    Json(#[source] serde_json::Error),
    /// Only HMAC-SHA256 is spoken.
    #[error("expected the signature scheme `hmac-sha256`, found `{found}`")]
    Scheme {
        /// What the file asks for.
        found: String,
    },
    /// The keys for encryption cannot be used.
    #[error(transparent)]
    Curve(#[from] KeyError),
    /// A path of a socket would be too long.
    #[error(
        "expected a socket path of at most 107 bytes, found {found} bytes in `{path}`; use a shorter runtime folder"
    )]
    PathTooLong {
        /// Length of the path.
        found: usize,
        /// The path.
        path: String,
    },
}

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Over TCP, usually on the loopback interface.
    #[default]
    Tcp,
    /// Over Unix sockets; files named `{ip}-{port}`.
    Ipc,
}

/// What a connection file says.
///
/// # Source
/// <https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files>.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConnectionInfo {
    /// How bytes travel.
    #[serde(default)]
    pub transport: Transport,
    /// The address, or with [`Transport::Ipc`] what the socket files' paths begin with.
    #[serde(default = "loopback")]
    pub ip: String,
    /// Port of [`Channel::Shell`].
    pub shell_port: u16,
    /// Port of [`Channel::IoPub`].
    pub iopub_port: u16,
    /// Port of [`Channel::Stdin`].
    pub stdin_port: u16,
    /// Port of [`Channel::Control`].
    pub control_port: u16,
    /// Port of [`Channel::Heartbeat`].
    pub hb_port: u16,
    #[serde(default)]
    key: String,
    #[serde(default = "signature_scheme")]
    signature_scheme: String,
    /// The kernelspec that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_name: Option<String>,
    /// Path of the notebook, where the server knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jupyter_session: Option<String>,
    /// Whether clients have to encrypt: they do where the file has keys for it. Never written, since what we write
    /// is for our own sockets in a private folder.
    #[serde(skip)]
    pub security: Security,
}

/// The keys for encryption, in Z85.
#[derive(Deserialize)]
struct CurveKeys {
    curve_publickey: Option<String>,
    curve_secretkey: Option<String>,
}

impl CurveKeys {
    fn security(&self) -> Result<Security, KeyError> {
        let (public, secret) = (self.curve_publickey.as_deref(), self.curve_secretkey.as_deref());
        let key = ServerKey::from_z85(public, secret)?;
        Ok(key.map_or(Security::Null, |key| Security::Curve(Arc::new(key))))
    }
}

fn loopback() -> String {
    "127.0.0.1".into()
}

fn random_key() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn signature_scheme() -> String {
    SIGNATURE_SCHEME.into()
}

/// Everything but the keys.
impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("shell", &self.endpoint(Channel::Shell))
            .field("key", &self.signing_key())
            .finish_non_exhaustive()
    }
}

impl ConnectionInfo {
    /// Reads a connection file.
    ///
    /// # Errors
    /// [`ConnectionError`]: the file cannot be read, or says what we do not speak.
    pub fn read(path: &Path) -> Result<ConnectionInfo, ConnectionError> {
        let json = fs::read_to_string(path)
            .map_err(|source| ConnectionError::Io { path: path.to_owned(), source })?;
        ConnectionInfo::from_json(&json)
    }

    /// Reads what a connection file holds.
    ///
    /// # Errors
    /// [`ConnectionError`]: it says what we do not speak.
    pub fn from_json(json: &str) -> Result<ConnectionInfo, ConnectionError> {
        let mut info: ConnectionInfo = serde_json::from_str(json).map_err(ConnectionError::Json)?;
        let keys: CurveKeys = serde_json::from_str(json).map_err(ConnectionError::Json)?;
        info.security = keys.security()?;
        if info.signature_scheme != SIGNATURE_SCHEME && !info.key.is_empty() {
            return Err(ConnectionError::Scheme { found: info.signature_scheme });
        }
        info.check_socket_paths()?;
        Ok(info)
    }

    /// A connection of our own over Unix sockets in `folder`, with a random key: for the
    /// companion, and for a client in this process. `folder` should be ours alone (mode 0700).
    ///
    /// # Errors
    /// [`ConnectionError::PathTooLong`].
    pub fn new_ipc(folder: &Path) -> Result<ConnectionInfo, ConnectionError> {
        let info = ConnectionInfo {
            transport: Transport::Ipc,
            ip: folder.join("s").to_string_lossy().into_owned(),
            shell_port: 1,
            iopub_port: 2,
            stdin_port: 3,
            control_port: 4,
            hb_port: 5,
            key: random_key(),
            signature_scheme: signature_scheme(),
            kernel_name: None,
            jupyter_session: None,
            security: Security::Null,
        };
        info.check_socket_paths()?;
        Ok(info)
    }

    /// A connection over the loopback interface, with a random key: for a kernel of a kernelspec. The ports are those of
    /// shell, `IOPub`, stdin, control and heartbeat.
    pub fn new_loopback(ports: [u16; 5]) -> ConnectionInfo {
        let [shell_port, iopub_port, stdin_port, control_port, hb_port] = ports;
        ConnectionInfo {
            transport: Transport::Tcp,
            ip: loopback(),
            shell_port,
            iopub_port,
            stdin_port,
            control_port,
            hb_port,
            key: random_key(),
            signature_scheme: signature_scheme(),
            kernel_name: None,
            jupyter_session: None,
            security: Security::Null,
        }
    }

    /// The same sockets without signatures: for the companion, whose sockets only this user reaches, and whose
    /// process must not hold a key with which a client could be forged.
    #[must_use]
    pub fn without_key(mut self) -> ConnectionInfo {
        self.key.clear();
        self
    }

    /// Writes the connection file, readable by its owner alone.
    ///
    /// # Errors
    /// [`ConnectionError::Io`], also when the file exists.
    pub fn write(&self, path: &Path) -> Result<(), ConnectionError> {
        let json = serde_json::to_vec_pretty(self).map_err(ConnectionError::Json)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(&json))
            .map_err(|source| ConnectionError::Io { path: path.to_owned(), source })
    }

    /// The endpoint of a channel: `tcp://127.0.0.1:5555` or `ipc:///folder/s-1`.
    pub fn endpoint(&self, channel: Channel) -> String {
        let port = match channel {
            Channel::Shell => self.shell_port,
            Channel::Control => self.control_port,
            Channel::Stdin => self.stdin_port,
            Channel::IoPub => self.iopub_port,
            Channel::Heartbeat => self.hb_port,
        };
        match self.transport {
            Transport::Tcp if self.ip.contains(':') => format!("tcp://[{}]:{port}", self.ip),
            Transport::Tcp => format!("tcp://{}:{port}", self.ip),
            Transport::Ipc => format!("ipc://{}-{port}", self.ip),
        }
    }

    /// The key that signs messages.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::new(&self.key)
    }

    fn check_socket_paths(&self) -> Result<(), ConnectionError> {
        // Ports have up to five digits; one more for the hyphen.
        let found = self.ip.len() + 6;
        if self.transport == Transport::Ipc && found > LONGEST_SOCKET_PATH {
            return Err(ConnectionError::PathTooLong { found, path: self.ip.clone() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4,
        "hb_port": 5, "ip": "127.0.0.1", "key": "a0436f6c-1916", "transport": "tcp",
        "signature_scheme": "hmac-sha256", "kernel_name": "datarus", "jupyter_session": "/n.ipynb"}"#;

    /// With keys for encryption.
    fn with_curve(keys: &str) -> Result<ConnectionInfo, ConnectionError> {
        ConnectionInfo::from_json(&FILE.replace('}', &format!(", {keys}}}")))
    }

    #[test]
    fn a_file_of_jupyter_gives_five_endpoints() {
        let info = ConnectionInfo::from_json(FILE).unwrap();
        assert_eq!(info.endpoint(Channel::Shell), "tcp://127.0.0.1:1");
        assert_eq!(info.endpoint(Channel::IoPub), "tcp://127.0.0.1:2");
        assert_eq!(info.endpoint(Channel::Stdin), "tcp://127.0.0.1:3");
        assert_eq!(info.endpoint(Channel::Control), "tcp://127.0.0.1:4");
        assert_eq!(info.endpoint(Channel::Heartbeat), "tcp://127.0.0.1:5");
        assert_eq!(info.jupyter_session.as_deref(), Some("/n.ipynb"));
    }

    #[test]
    fn the_key_is_never_shown() {
        let info = ConnectionInfo::from_json(FILE).unwrap();
        let shown = format!("{info:?} {:?}", info.signing_key());
        assert!(!shown.contains("a0436f6c") && shown.contains("SigningKey(..)"), "{shown}");
    }

    #[test]
    fn keys_for_encryption_demand_it_and_are_never_shown() {
        let info = with_curve(
            r#""curve_publickey": "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
               "curve_secretkey": "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6""#,
        );
        let info = info.unwrap();
        assert!(matches!(info.security, Security::Curve(_)));
        let shown = format!("{info:?} {:?}", info.security);
        assert!(!shown.contains("rq:rM") && !shown.contains("JTKVS"), "{shown}");
        let written = serde_json::to_string(&info).unwrap();
        assert!(!written.contains("curve"), "{written}");

        let plain = with_curve(r#""curve_publickey": null, "curve_secretkey": null"#).unwrap();
        assert!(matches!(plain.security, Security::Null));
        for keys in [
            r#""curve_publickey": "rq:rM""#,
            r#""curve_secretkey": """#,
            r#""curve_publickey": "", "curve_secretkey": """#,
        ] {
            let refused = with_curve(keys).unwrap_err();
            assert!(matches!(refused, ConnectionError::Curve(_)), "{refused}");
            assert!(!refused.to_string().contains("rq:rM"), "{refused}");
        }
    }

    #[test]
    fn ipc_and_ipv6_have_their_own_forms() {
        let ipc = FILE.replace(r#""tcp""#, r#""ipc""#).replace("127.0.0.1", "/run/k");
        let info = ConnectionInfo::from_json(&ipc).unwrap();
        assert_eq!(info.endpoint(Channel::Heartbeat), "ipc:///run/k-5");
        let info = ConnectionInfo::from_json(&FILE.replace("127.0.0.1", "::1")).unwrap();
        assert_eq!(info.endpoint(Channel::Heartbeat), "tcp://[::1]:5");
    }

    #[test]
    fn what_we_do_not_speak_is_refused_with_its_reason() {
        let refused = |json: &str| ConnectionInfo::from_json(json).unwrap_err().to_string();
        let scheme = refused(&FILE.replace("hmac-sha256", "hmac-md5"));
        assert_eq!(scheme, "expected the signature scheme `hmac-sha256`, found `hmac-md5`");
        for json in ["", "[]", "{}", r#"{"shell_port": 70000}"#] {
            assert!(refused(json).starts_with("expected the JSON object"));
        }
        let long = FILE.replace(r#""tcp""#, r#""ipc""#).replace("127.0.0.1", &"x".repeat(102));
        assert!(refused(&long).starts_with("expected a socket path of at most 107 bytes"));
    }

    #[test]
    fn a_written_file_is_private_and_reads_back() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel.json");
        let info = ConnectionInfo::new_ipc(folder.path()).unwrap();
        info.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = ConnectionInfo::read(&path).unwrap();
        assert_eq!(read.key, info.key);
        assert_eq!(read.endpoint(Channel::Stdin), info.endpoint(Channel::Stdin));
        assert!(info.write(&path).is_err(), "an existing file is not overwritten");
    }
}
