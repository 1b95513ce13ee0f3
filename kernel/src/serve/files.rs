//! Files that clients upload, and their descriptions.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::Shared;
use super::error::{ApiError, At};

/// Files at a time.
const MOST_FILES: usize = 1000;

/// Longest name that a file keeps, in bytes: file systems take 255.
const LONGEST_NAME: usize = 200;

/// Longest text of a field that is no file, in bytes.
const LONGEST_FIELD: usize = 100;

/// What was uploaded, in the order in which it came.
pub(super) struct Files {
    folder: PathBuf,
    known: Mutex<Vec<Uploaded>>,
}

/// A file that was uploaded. It leaves the disk with the last of its clones.
#[derive(Debug, Clone)]
pub(super) struct Uploaded {
    id: String,
    /// As the client calls it; a plain name.
    pub(super) name: String,
    path: Arc<TempPath>,
    bytes: u64,
    purpose: String,
    created: i64,
}

impl Uploaded {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn described(&self) -> Value {
        json!({
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        })
    }
}

impl Files {
    /// In a folder, which is made.
    pub(super) fn in_folder(folder: PathBuf) -> io::Result<Self> {
        crate::disk::private_folder(&folder)?;
        Ok(Self { folder, known: Mutex::default() })
    }

    /// A file by its id.
    pub(super) fn get(&self, id: &str) -> Result<Uploaded, ApiError> {
        self.known().iter().find(|file| file.id == id).cloned().ok_or_else(|| unknown(id))
    }

    /// Refuses what would be too many.
    fn add(&self, file: Uploaded) -> Result<(), ApiError> {
        let mut known = self.known();
        if known.len() >= MOST_FILES {
            let message = format!("expected at most {MOST_FILES} files at a time: delete some");
            return Err(ApiError::invalid(Some("file"), message));
        }
        known.push(file);
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Vec<Uploaded>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(Some("file_id"), format!("no file `{id}`: upload it first"))
}

fn broken(error: MultipartError) -> ApiError {
    ApiError::unreadable(error.status(), error.body_text())
}

/// `POST /v1/files`.
pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, ApiError> {
    let mut form = form.map_err(|error| ApiError::unreadable(error.status(), error.body_text()))?;
    let (mut purpose, mut received) = (String::from("user_data"), None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("file") if received.is_some() => {
                return Err(ApiError::invalid(Some("file"), "expected one file, found several"));
            }
            Some("file") => {
                let name = plain(field.file_name().unwrap_or_default());
                received = Some((name, receive(field, &shared.files.folder).await?));
            }
            Some("purpose") => purpose = short(field).await?,
            _ => {}
        }
    }
    let (name, (path, bytes)) = received.ok_or_else(|| {
        ApiError::invalid(Some("file"), "expected a field `file` with a file, found none")
    })?;
    let id = format!("file-{}", Uuid::new_v4().simple());
    let created = jiff::Timestamp::now().as_second();
    let file = Uploaded { id, name, path: Arc::new(path), bytes, purpose, created };
    let described = file.described();
    shared.files.add(file)?;
    Ok(Json(described))
}

/// Writes what comes to the disk; what breaks off leaves nothing there.
async fn receive(mut field: Field<'_>, folder: &Path) -> Result<(TempPath, u64), ApiError> {
    let (file, path) = NamedTempFile::new_in(folder)?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes = 0;
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        bytes += piece.len() as u64;
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok((path, bytes))
}

async fn short(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        text.extend(piece);
        if text.len() > LONGEST_FIELD {
            let message = format!("expected at most {LONGEST_FIELD} bytes of text, found more");
            return Err(ApiError::invalid(Some("purpose"), message));
        }
    }
    String::from_utf8(text).map_err(|_| ApiError::invalid(Some("purpose"), "expected UTF-8"))
}

/// `GET /v1/files`: newest first, as the protocol has them.
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let files: Vec<Value> = shared.files.known().iter().rev().map(Uploaded::described).collect();
    Json(json!({"object": "list", "data": files, "has_more": false}))
}

/// `GET /v1/files/{id}`.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shared.files.get(&id)?.described()))
}

/// `GET /v1/files/{id}/content`.
pub(super) async fn content(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Response, ApiError> {
    let file = shared.files.get(&id)?;
    Ok(streamed(tokio::fs::File::open(file.path()).await?, file.bytes))
}

/// A file as the body of a response, of which no more than a piece is in memory.
pub(super) fn streamed(file: tokio::fs::File, bytes: u64) -> Response {
    use tokio::io::AsyncReadExt as _;
    let headers = [
        (CONTENT_TYPE, String::from("application/octet-stream")),
        (CONTENT_LENGTH, bytes.to_string()),
    ];
    // What grows meanwhile is cut where its length was promised.
    (headers, Body::from_stream(ReaderStream::new(file.take(bytes)))).into_response()
}

/// `DELETE /v1/files/{id}`. Threads that have it keep their copy.
pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    let mut known = shared.files.known();
    let at = known.iter().position(|file| file.id == id).ok_or_else(|| unknown(&id))?;
    known.remove(at);
    Ok(Json(json!({"id": id, "object": "file", "deleted": true})))
}

/// The last part of a name, without what a folder could be left by, and short enough for a disk.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    if name.trim_matches('.').is_empty() {
        return String::from("file");
    }
    let (stem, end) = match name.rfind('.') {
        // What a file is follows from its end.
        Some(dot) if name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let mut room = LONGEST_NAME - end.len();
    let fits = |c: &char| {
        let left = room.checked_sub(c.len_utf8());
        room = left.unwrap_or(0);
        left.is_some()
    };
    stem.chars().take_while(fits).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_stays_in_its_folder_and_fits_on_a_disk() {
        for (name, expected) in [
            ("a.csv", "a.csv"),
            ("../../a.csv", "a.csv"),
            ("/etc/passwd", "passwd"),
            ("C:\\x\\a.csv", "a.csv"),
            ("..", "file"),
            ("...", "file"),
            ("a/", "file"),
            ("", "file"),
            (" a b.csv ", "a b.csv"),
            ("a\n\0b.csv", "ab.csv"),
            (".env", ".env"),
            ("größe.csv", "größe.csv"),
        ] {
            assert_eq!(plain(name), expected, "{name:?}");
        }
        let long = plain(&format!("{}.csv", "ä".repeat(300)));
        assert!(long.len() <= LONGEST_NAME && long.ends_with("ä.csv"), "{long}");
        assert!(plain(&format!("a.{}", "b".repeat(300))).len() <= LONGEST_NAME);
    }
}
