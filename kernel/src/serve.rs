//! `datarus serve`: the analyst for programs, by the protocol that OpenAI began: files, chat completions, threads.
//!
//! A thread ([`threads`]) is a kernel with a folder, on a thread of this process ([`worker`]); a chat completion
//! ([`chat`]) asks it the last message of the user. Files ([`files`]) are uploaded once and copied into the folder of
//! each thread that names them ([`workspace`]). Who knows no token gets nothing.

use std::fs::Permissions;
use std::future::IntoFuture as _;
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::model::pool::Pool;

mod chat;
mod error;
mod files;
mod threads;
mod told;
mod unread;
mod worker;
mod workspace;

use error::{ApiError, At};
use files::Files;
use threads::Threads;

/// Longest file that is taken, in bytes, with the form around it.
const LONGEST_FILE: usize = 1 << 30;

/// Longest chat that is taken, in bytes.
const LONGEST_CHAT: usize = 4 << 20;

/// How long clients have to hear of the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// For whom it serves, and how much.
#[derive(Debug)]
pub struct Settings {
    /// What each request has to bring.
    pub token: String,
    /// Threads at a time.
    pub max_threads: usize,
}

/// All that a request may need.
struct Shared {
    /// Of the token: what is compared says nothing of how long the other is.
    token: [u8; 32],
    /// Whether nobody but this machine can reach it.
    is_local: bool,
    model: String,
    created: i64,
    files: Files,
    threads: Threads,
}

/// Takes an address; clients that come before [`run`] wait.
///
/// # Errors
/// When it is taken or none of this machine's.
pub fn listen(host: IpAddr, port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((host, port))
}

/// Serves until the process is told to end; then no process and no folder is left.
///
/// # Errors
/// When there is no place for files, or the listener is of no use.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    config: Config,
    pool: Pool,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let folder = work_folder()?;
    let shared = Arc::new(Shared {
        token: Sha256::digest(settings.token.as_bytes()).into(),
        is_local: listener.local_addr()?.ip().is_loopback(),
        model: pool.info().name.clone(),
        created: jiff::Timestamp::now().as_second(),
        files: Files::in_folder(folder.path().join("files"))?,
        threads: Threads::new(folder.path().join("threads"), config, pool, settings.max_threads)?,
    });
    let end = told_to_end()?;
    let (ends, ended) = oneshot::channel::<()>();
    let stopped = {
        let shared = Arc::clone(&shared);
        async move {
            end.await;
            shared.threads.close();
            drop(ends);
        }
    };
    let served = axum::serve(listener, router(Arc::clone(&shared))).with_graceful_shutdown(stopped);
    // A client that neither reads nor goes does not hold up the end.
    let late = async {
        let _ = ended.await;
        tokio::time::sleep(PATIENCE).await;
    };
    let served = tokio::select! {
        served = served.into_future() => served,
        () = late => Ok(()),
    };
    shared.threads.close();
    shared.threads.join();
    served
}

/// Waits for a signal that asks for the end. Each kernel listens to some of them, too, so that none ends the process by
/// itself.
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// A folder that only this user can enter, by its real path, since cells are held to paths.
fn work_folder() -> std::io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("datarus-serve-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(std::fs::canonicalize(std::env::temp_dir())?)
}

fn router(shared: Arc<Shared>) -> Router {
    let upload = Router::new()
        .route("/v1/files", post(files::upload).get(files::list))
        .layer(DefaultBodyLimit::max(LONGEST_FILE));
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{*id}", get(model))
        .route("/v1/files/{id}", get(files::retrieve).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/threads", post(threads::create))
        .route("/v1/threads/{id}", get(threads::retrieve).delete(threads::delete))
        .route("/v1/threads/{id}/messages", get(threads::messages))
        .route("/v1/threads/{id}/files", get(workspace::list))
        .route("/v1/threads/{id}/files/{name}/content", get(workspace::content))
        .route("/v1/chat/completions", post(chat::complete))
        .layer(DefaultBodyLimit::max(LONGEST_CHAT))
        .merge(upload)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), authorise))
        .layer(middleware::from_fn(unread::told))
        .with_state(shared)
}

/// Lets nobody through who does not bring the token.
async fn authorise(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    // A page whose name was made to lead here calls us by its own.
    if shared.is_local && !is_called_local(headers) {
        return Err(ApiError::host());
    }
    let given: [u8; 32] = Sha256::digest(token_in(headers).as_bytes()).into();
    if !bool::from(given.ct_eq(&shared.token)) {
        return Err(ApiError::token());
    }
    Ok(next.run(request).await)
}

/// Whether the client calls us by a name or an address of this machine.
fn is_called_local(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return false };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// The token that a request brings, or nothing.
fn token_in(headers: &HeaderMap) -> &str {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|given| given.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

/// `GET /v1/models`.
async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({"object": "list", "data": [described(&shared)]}))
}

/// `GET /v1/models/{id}`.
async fn model(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    if id != shared.model {
        let message = format!("no model `{id}`: `{}` answers", shared.model);
        return Err(ApiError::not_found(Some("model"), message));
    }
    Ok(Json(described(&shared)))
}

fn described(shared: &Shared) -> Value {
    json!({
        "id": shared.model, "object": "model", "created": shared.created, "owned_by": "datarus",
    })
}

async fn unknown() -> ApiError {
    let message =
        "no such resource: models, files, threads and chat/completions are served under /v1";
    ApiError::not_found(None, message)
}

async fn wrong_method() -> ApiError {
    ApiError::unreadable(StatusCode::METHOD_NOT_ALLOWED, "this resource has no such method")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_static(value));
        values.map(|value| (name.clone(), value)).fold(
            HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        )
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        let cases: [(&[&'static str], bool); 12] = [
            (&["127.0.0.1:8765"], true),
            (&["127.0.0.1"], true),
            (&["127.8.8.8:1"], true),
            (&["localhost:8765"], true),
            (&["LOCALHOST"], true),
            (&["[::1]:8765"], true),
            (&["evil.example:8765"], false),
            (&["127.0.0.1.evil.example"], false),
            (&["localhost.evil.example"], false),
            (&["192.168.0.1:8765"], false),
            (&["localhost", "evil.example"], false),
            (&[], false),
        ];
        for (hosts, is_local) in cases {
            assert_eq!(is_called_local(&headers(HOST, hosts)), is_local, "{hosts:?}");
        }
    }

    #[test]
    fn a_token_is_what_a_bearer_brings() {
        for (value, token) in [
            ("Bearer abc", "abc"),
            ("bearer  abc", "abc"),
            ("Basic abc", ""),
            ("Bearer", ""),
            ("abc", ""),
            ("", ""),
        ] {
            assert_eq!(token_in(&headers(AUTHORIZATION, &[value])), token, "{value:?}");
        }
        assert_eq!(token_in(&HeaderMap::new()), "");
    }
}
