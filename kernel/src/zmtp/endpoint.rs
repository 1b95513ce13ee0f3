//! Where a socket listens: TCP addresses and Unix socket files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::ZmtpError;

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A bound endpoint.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds an endpoint. A socket file that nobody listens on is replaced.
    ///
    /// # Errors
    /// [`ZmtpError::Endpoint`] and [`ZmtpError::Bind`].
    pub(super) async fn bind(endpoint: &str) -> Result<(Listener, Option<SocketFile>), ZmtpError> {
        let bind_error = |source| ZmtpError::Bind { endpoint: endpoint.into(), source };
        if let Some(address) = endpoint.strip_prefix("tcp://") {
            let address = address.replace('*', "0.0.0.0");
            let listener = TcpListener::bind(address).await.map_err(bind_error)?;
            return Ok((Listener::Tcp(listener), None));
        }
        match endpoint.strip_prefix("ipc://") {
            None | Some("") => Err(ZmtpError::Endpoint { found: endpoint.into() }),
            Some(path) => {
                let (listener, file) = bind_unix(Path::new(path)).await.map_err(bind_error)?;
                Ok((Listener::Unix(listener), Some(file)))
            }
        }
    }

    /// The endpoint as it was bound.
    pub(super) fn endpoint(&self, asked: &str) -> String {
        match self {
            Listener::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| asked.to_owned(), |address| format!("tcp://{address}")),
            Listener::Unix(_) => asked.to_owned(),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// What the system says, such as too many open files.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A reply must not wait for the acknowledgement of the one before.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Listener::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// Connects to an endpoint that is bound.
///
/// # Errors
/// [`ZmtpError::Endpoint`] and [`ZmtpError::Io`].
pub(super) async fn connect(endpoint: &str) -> Result<Box<dyn Stream>, ZmtpError> {
    if let Some(path) = endpoint.strip_prefix("ipc://") {
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let Some(address) = endpoint.strip_prefix("tcp://") else {
        return Err(ZmtpError::Endpoint { found: endpoint.into() });
    };
    Ok(Box::new(TcpStream::connect(address).await?))
}

/// A Unix socket's file, removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it; there is nothing left to do then.
        let _ = fs::remove_file(&self.0);
    }
}

async fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path).await?;
    let listener = UnixListener::bind(path)?;
    let file = SocketFile(path.to_owned());
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok((listener, file))
}

/// Removes a socket file that a killed process left; one that answers, or is no socket, stays, and
/// the bind that follows says so.
async fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err() {
        fs::remove_file(path)?;
    }
    Ok(())
}
