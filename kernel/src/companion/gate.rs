//! The gate between cells and the databases that a user named: it authenticates, so that cells never hold a password.
//!
//! For each database a socket lies in the private folder of a companion. Who connects there, Python's drivers, is asked
//! for no password; the gate connects to the server, proves who the user is, and from then on passes bytes both ways.
//! It leads to these servers and no others, whatever network cells reach. It runs on a thread of its own and ends when
//! it is dropped. What is logged is the name of a database and what went wrong, never what is said.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::runtime::database_socket;
use crate::database::{Database, Dialect};

mod mysql;
mod outside;
mod postgres;

/// Connections to one database at once; more wait.
const MAX_CONNECTIONS: usize = 64;

/// How long it may take until a connection is open, the server's answers included.
const OPENING: Duration = Duration::from_secs(30);

/// The longest message before a connection is open, in bytes.
const LONGEST: usize = 64 << 10;

/// The gate; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Gate(
    #[expect(dead_code, reason = "dropped, it ends the thread")] oneshot::Sender<()>,
);

impl Gate {
    /// Listens on a socket for each database in the folder `runtime`.
    ///
    /// # Errors
    /// When a socket or the thread cannot be made.
    pub(super) fn start(runtime: &Path, databases: &[Database]) -> io::Result<Gate> {
        let listen = |(at, database): (usize, &Database)| {
            let listener = std::os::unix::net::UnixListener::bind(database_socket(runtime, at))?;
            listener.set_nonblocking(true)?;
            Ok((listener, Arc::new(database.clone())))
        };
        let gates = databases.iter().enumerate().map(listen).collect::<io::Result<Vec<_>>>()?;
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let serving = async move {
            let mut serving: JoinSet<()> =
                gates.into_iter().map(|(listener, database)| serve(listener, database)).collect();
            tokio::select! {
                () = async { while serving.join_next().await.is_some() {} } => {}
                _ = ended => {}
            }
        };
        std::thread::Builder::new().name("gate".into()).spawn(move || {
            tokio.block_on(serving);
            // A lookup that hangs is not waited for.
            tokio.shutdown_background();
        })?;
        Ok(Gate(end))
    }
}

async fn serve(listener: std::os::unix::net::UnixListener, database: Arc<Database>) {
    let Ok(listener) = UnixListener::from_std(listener) else { return };
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(place) = Arc::clone(&free).acquire_owned().await {
        let Ok((inside, _)) = listener.accept().await else {
            // Such as too many open files, of which some are closed soon.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let database = Arc::clone(&database);
        tokio::spawn(async move {
            if let Err(error) = handle(inside, &database).await {
                tracing::debug!(database = database.name, %error, "a connection ended");
            }
            drop(place);
        });
    }
}

async fn handle(mut inside: UnixStream, database: &Database) -> io::Result<()> {
    let opening = async {
        match database.dialect {
            Dialect::PostgreSql => postgres::open(&mut inside, database).await,
            Dialect::MySql => mysql::open(&mut inside, database).await,
        }
    };
    // Each side has its own time for what it says.
    let opened = timeout(2 * OPENING, opening).await.unwrap_or_else(|_| Err(Refused::late()));
    let mut outside = match opened {
        Ok(Some(outside)) => outside,
        Ok(None) => return linger(inside).await,
        Err(Refused(why)) => {
            tracing::info!(database = database.name, why, "a database is not opened");
            let why = format!("database `{}`: {why}", database.name);
            match database.dialect {
                Dialect::PostgreSql => postgres::refuse(&mut inside, &why).await?,
                Dialect::MySql => mysql::refuse(&mut inside, &why).await?,
            }
            return linger(inside).await;
        }
    };
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}

/// Waits until who was refused hangs up: a driver that cannot say good-bye takes that for what went wrong.
async fn linger(mut inside: UnixStream) -> io::Result<()> {
    let hung_up = async { tokio::io::copy(&mut inside, &mut tokio::io::sink()).await };
    timeout(OPENING, hung_up).await.unwrap_or(Ok(0)).map(|_| ())
}

/// Why a database is not opened, in words that hold nothing secret.
#[derive(Debug)]
struct Refused(String);

impl Refused {
    fn new(why: &str) -> Refused {
        Refused(why.to_owned())
    }

    fn late() -> Refused {
        Refused(format!("the server does not answer within {} seconds", OPENING.as_secs()))
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused(format!("the connection to the server broke ({error})"))
    }
}
