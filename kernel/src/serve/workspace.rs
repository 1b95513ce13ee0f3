//! The folder of a thread. Cells write there, so that every name in it may be a link, a pipe or a folder: what this
//! process reads or writes there it opens over none.

use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use rustix::fs::OFlags;
use serde_json::{Value, json};

use super::Shared;
use super::error::{ApiError, At};
use super::files::streamed;

/// Files of a folder that are listed.
const MOST_LISTED: usize = 1000;

/// Copies a file to where cells can write, in place of what bears that name.
///
/// # Errors
/// When the disk refuses, or a folder bears that name.
pub(super) fn put(from: &Path, folder: &Path, name: &str) -> io::Result<()> {
    let to = folder.join(name);
    match std::fs::remove_file(&to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    io::copy(&mut std::fs::File::open(from)?, &mut std::fs::File::create_new(to)?)?;
    Ok(())
}

/// Names and lengths in bytes of the files of a folder, by name. Links and folders are not looked into.
fn files_in(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // What a cell removes meanwhile is not there.
        let Ok(metadata) = entry.metadata() else { continue };
        if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
            files.push((name, metadata.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// A file of a folder, opened over no link.
fn open(folder: &Path, name: &str) -> io::Result<std::fs::File> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => {
            crate::disk::open_regular(&folder.join(part), OFlags::NOFOLLOW)
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// `GET /v1/threads/{id}/files`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    let files = files_in(&shared.threads.folder_of(&id)?)?;
    let described = files.iter().take(MOST_LISTED).map(
        |(name, bytes)| json!({"object": "thread.file", "filename": name, "bytes": bytes, "thread_id": id}),
    );
    let described: Vec<Value> = described.collect();
    Ok(Json(json!({"object": "list", "data": described, "has_more": files.len() > MOST_LISTED})))
}

/// `GET /v1/threads/{id}/files/{name}/content`.
pub(super) async fn content(
    State(shared): State<Arc<Shared>>,
    At((id, name)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let opened = open(&shared.threads.folder_of(&id)?, &name);
    let file = opened.map_err(|_| {
        let message =
            format!("no file `{name}` in the folder of `{id}`; links and folders are not read");
        ApiError::not_found(Some("filename"), message)
    })?;
    let bytes = file.metadata()?.len();
    Ok(streamed(tokio::fs::File::from_std(file), bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_put_over_no_link_and_into_no_folder() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mine = other.path().join("mine");
        fs::write(&mine, "mine").unwrap();
        let from = other.path().join("from");
        fs::write(&from, "new").unwrap();
        symlink(&mine, folder.path().join("to")).unwrap();
        put(&from, folder.path(), "to").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("to")).unwrap(), "new");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
        fs::create_dir(folder.path().join("sub")).unwrap();
        put(&from, folder.path(), "sub").unwrap_err();
    }

    #[test]
    fn only_files_of_the_folder_itself_are_read() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        fs::write(other.path().join("secret"), "secret").unwrap();
        fs::write(at("b.csv"), "12").unwrap();
        fs::write(at("a.csv"), "1").unwrap();
        symlink(other.path().join("secret"), at("link")).unwrap();
        symlink(other.path(), at("way")).unwrap();
        fs::create_dir(at("sub")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        let listed = files_in(folder.path()).unwrap();
        assert_eq!(listed, [(String::from("a.csv"), 1), (String::from("b.csv"), 2)]);
        open(folder.path(), "a.csv").unwrap();
        let up = format!("../{}/secret", other.path().file_name().unwrap().display());
        for name in [
            "link",
            "way/secret",
            "sub",
            "pipe",
            "none",
            "",
            ".",
            "..",
            "./a.csv",
            "/etc/passwd",
            &up,
        ] {
            assert!(open(folder.path(), name).is_err(), "{name}");
        }
    }
}
