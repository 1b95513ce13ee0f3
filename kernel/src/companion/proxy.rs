//! The proxy through which a sandbox reaches named hosts and no others.
//!
//! It listens on a socket in the private folder of a companion, which leads into the sandbox; Python's side of it is
//! `forward.py`. It runs on a thread of its own, so that a download does not hold up the event loop, and ends when it is
//! dropped. It resolves names itself, and connects to the very address that it has looked at. What is logged is the host.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream, lookup_host};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::sandbox::Hosts;

mod head;

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 256;

/// How long a request may take to be told.
const HEAD: Duration = Duration::from_secs(30);

/// How long an address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// The proxy; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Proxy(
    #[expect(dead_code, reason = "dropped, it ends the thread")] oneshot::Sender<()>,
);

impl Proxy {
    /// Listens on the socket `path`.
    ///
    /// # Errors
    /// When the socket or the thread cannot be made.
    pub(super) fn start(path: &Path, hosts: Hosts) -> io::Result<Proxy> {
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let serving = async move {
            tokio::select! {
                () = serve(listener, Arc::new(hosts)) => {}
                _ = ended => {}
            }
        };
        std::thread::Builder::new().name("proxy".into()).spawn(move || {
            runtime.block_on(serving);
            // A lookup that hangs is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Proxy(end))
    }
}

async fn serve(listener: std::os::unix::net::UnixListener, hosts: Arc<Hosts>) {
    let Ok(listener) = UnixListener::from_std(listener) else { return };
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(place) = Arc::clone(&free).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Such as too many open files, of which some are closed soon.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let hosts = Arc::clone(&hosts);
        tokio::spawn(async move {
            // Whoever is on the other side sees the connection end.
            let _ = handle(stream, &hosts).await;
            drop(place);
        });
    }
}

async fn handle(mut inside: UnixStream, hosts: &Hosts) -> io::Result<()> {
    let Ok(Some((head, rest))) = timeout(HEAD, read_head(&mut inside)).await.unwrap_or(Ok(None))
    else {
        return refuse(&mut inside, "400 Bad Request", "this is no request to a proxy").await;
    };
    let Some(head::Asked { host, port, first }) = head::read(&head) else {
        return refuse(&mut inside, "400 Bad Request", "this is no request to a proxy").await;
    };
    let mut outside = match reach(hosts, &host, port).await {
        Ok(outside) => outside,
        Err(Unreached::NotNamed) => {
            tracing::info!(%host, "a host is refused");
            let text = format!(
                "cells do not reach {host}, port {port}: they reach only the hosts that `--network` or \
                 `DATARUS_NETWORK` names ({hosts})"
            );
            return refuse(&mut inside, "403 Forbidden", &text).await;
        }
        Err(Unreached::NotThere) => {
            tracing::debug!(%host, "a host does not answer");
            return refuse(&mut inside, "502 Bad Gateway", &format!("{host} does not answer"))
                .await;
        }
    };
    tracing::debug!(%host, "a host is reached");
    match first {
        Some(first) => outside.write_all(&first).await?,
        None => inside.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
    }
    outside.write_all(&rest).await?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}

/// The head of a request, and what came behind it; `None`, if it does not end.
async fn read_head(inside: &mut UnixStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut read = Vec::new();
    while read.len() < head::LONGEST {
        if inside.read_buf(&mut read).await? == 0 {
            break;
        }
        if let Some(end) = head::end(&read) {
            let rest = read.split_off(end);
            return Ok(Some((read, rest)));
        }
    }
    Ok(None)
}

/// Why there is no connection.
enum Unreached {
    /// The host, or all that its name leads to, is not meant.
    NotNamed,
    /// It does not answer.
    NotThere,
}

async fn reach(hosts: &Hosts, host: &str, port: u16) -> Result<TcpStream, Unreached> {
    if !hosts.name(host, port) {
        return Err(Unreached::NotNamed);
    }
    let found = timeout(CONNECT, lookup_host((host, port))).await;
    let found: Vec<SocketAddr> =
        found.ok().and_then(Result::ok).ok_or(Unreached::NotThere)?.collect();
    let meant: Vec<_> =
        found.iter().filter(|address| hosts.reach(host, port, address.ip())).collect();
    if meant.is_empty() && !found.is_empty() {
        return Err(Unreached::NotNamed);
    }
    for address in meant {
        if let Ok(Ok(outside)) = timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(outside);
        }
    }
    Err(Unreached::NotThere)
}

async fn refuse(inside: &mut UnixStream, status: &str, text: &str) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    inside.write_all(answer.as_bytes()).await?;
    inside.shutdown().await
}
