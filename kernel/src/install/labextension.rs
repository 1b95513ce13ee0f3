//! The lab extension: its files are part of this program and are placed where `JupyterLab` looks for them.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::{is_named, write};

/// Name of the extension, and of its folder.
pub const NAME: &str = "datarus";

const PACKAGE: &str = include_str!("../../../labextension/package.json");

/// The files that a page loads.
const STATIC: &[(&str, &str)] = &[
    ("anchor.js", include_str!("../../../labextension/static/anchor.js")),
    ("cells.js", include_str!("../../../labextension/static/cells.js")),
    ("ease.js", include_str!("../../../labextension/static/ease.js")),
    ("facts.js", include_str!("../../../labextension/static/facts.js")),
    ("live.js", include_str!("../../../labextension/static/live.js")),
    ("menu.js", include_str!("../../../labextension/static/menu.js")),
    ("parts.js", include_str!("../../../labextension/static/parts.js")),
    ("plugin.js", include_str!("../../../labextension/static/plugin.js")),
    ("remoteEntry.js", include_str!("../../../labextension/static/remoteEntry.js")),
    ("reports.js", include_str!("../../../labextension/static/reports.js")),
    ("roles.js", include_str!("../../../labextension/static/roles.js")),
    ("sha256.js", include_str!("../../../labextension/static/sha256.js")),
    ("strings.js", include_str!("../../../labextension/static/strings.js")),
    ("style.css", include_str!("../../../labextension/static/style.css")),
    ("view.js", include_str!("../../../labextension/static/view.js")),
];

/// Places the extension under a Jupyter data folder, and returns its own. What an earlier version left goes.
///
/// # Errors
/// When the folder is somebody else's or cannot be written to.
pub(super) fn place(folder: &Path) -> Result<()> {
    remove(folder)?;
    write(&folder.join("package.json"), PACKAGE.as_bytes())?;
    for (name, text) in STATIC {
        write(&folder.join("static").join(name), text.as_bytes())?;
    }
    let told = json!({
        "packageManager": "datarus",
        "packageName": NAME,
        "uninstallInstructions": "Use `datarus uninstall`.",
    });
    write(&folder.join("install.json"), (told.to_string() + "\n").as_bytes())
}

/// Removes the extension; says whether it was there.
///
/// # Errors
/// When the folder is somebody else's or cannot be removed.
pub(super) fn remove(folder: &Path) -> Result<bool> {
    // A link is a developer's; only the link goes.
    let removed = match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Ok(metadata) if metadata.is_symlink() => std::fs::remove_file(folder),
        _ if !is_named(&folder.join("package.json"), "name", NAME) => {
            bail!("`{}` is not the lab extension of Datarus: left alone", folder.display())
        }
        _ => std::fs::remove_dir_all(folder),
    };
    removed.with_context(|| format!("cannot remove `{}`", folder.display()))?;
    Ok(true)
}

/// Whether the extension in a folder is the one of this program.
pub fn is_current(folder: &Path) -> bool {
    let same =
        |path: PathBuf, text: &str| std::fs::read(path).is_ok_and(|found| found == text.as_bytes());
    same(folder.join("package.json"), PACKAGE)
        && STATIC.iter().all(|(name, text)| same(folder.join("static").join(name), text))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn all_files_that_a_page_loads_are_part_of_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labextension/static");
        let listed = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> =
            listed.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        let known: Vec<_> = STATIC.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(known, names, "list the files of labextension/static in this file, by name");
    }

    #[test]
    fn the_package_says_what_jupyterlab_loads() {
        let package: Value = serde_json::from_str(PACKAGE).unwrap();
        assert_eq!(package["name"], NAME);
        let build = &package["jupyterlab"]["_build"];
        assert_eq!(
            (&build["load"], &build["extension"]),
            (&json!("static/remoteEntry.js"), &json!("./extension"))
        );
        assert!(STATIC.iter().any(|(name, _)| *name == "remoteEntry.js"));
    }

    #[test]
    fn an_older_version_is_replaced_whole_and_a_folder_of_somebody_else_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("labextensions/datarus");
        place(&folder).unwrap();
        assert!(is_current(&folder));
        write(&folder.join("static/old.js"), b"old").unwrap();
        place(&folder).unwrap();
        assert!(is_current(&folder) && !folder.join("static/old.js").exists());
        write(&folder.join("package.json"), br#"{"name": "other"}"#).unwrap();
        assert!(place(&folder).is_err() && remove(&folder).is_err());
        assert!(folder.join("static/live.js").exists());
    }
}
