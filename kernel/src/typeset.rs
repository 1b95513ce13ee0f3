//! Has Typst set a report as pages of PDF, by the Python package `typst` in the Python that the kernel knows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::config::API_KEY;
use crate::report::Typst;

const SCRIPT: &str = include_str!("report/pdf.py");

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum TypesetError {
    /// Python has no Typst.
    #[error("PDF needs the Python package typst: run `{} -m pip install typst`", python.display())]
    NoTypst {
        /// The Python.
        python: PathBuf,
    },
    /// No font has the letters.
    #[error(
        "the report has {script} text and no font for it is here: install one, such as `apt install {package}`"
    )]
    NoFont {
        /// Which letters.
        script: &'static str,
        /// What brings a font.
        package: &'static str,
    },
    /// Python does not run, or Typst fails.
    #[error("cannot set the report as pages: {0}")]
    Failed(String),
    /// No place for the files.
    #[error("cannot set the report as pages: {0}")]
    Io(#[from] std::io::Error),
}

/// What the script says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    missing: Option<String>,
    without_font: Vec<usize>,
    error: Option<String>,
    broken: Vec<String>,
}

/// Pages, and the pictures that could not be drawn.
#[derive(Debug)]
pub struct Pages {
    /// The file.
    pub pdf: Vec<u8>,
    /// Names of pictures in whose place their description stands.
    pub broken: Vec<String>,
}

/// Sets the pages. Blocks, for about a second.
///
/// # Errors
/// When the package or a font is missing, or Typst fails.
pub fn pages(python: &Path, typst: &Typst) -> Result<Pages, TypesetError> {
    let folder = tempfile::Builder::new().prefix("datarus-").tempdir()?;
    std::fs::write(folder.path().join("main.typ"), &typst.source)?;
    for (name, bytes) in &typst.pictures {
        std::fs::write(folder.path().join(name), bytes)?;
    }
    let families = typst.scripts.iter().map(|script| script.families.join("|"));
    let output = Command::new(python)
        // Without the folder itself, in which nothing of Python's lies.
        .args(["-P", "-c", SCRIPT])
        .args(families)
        .current_dir(folder.path())
        .env_remove(API_KEY)
        .stdin(Stdio::null())
        .output()?;
    let Ok(said) = serde_json::from_slice::<Said>(&output.stdout) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(TypesetError::Failed(
            said.trim().lines().last().unwrap_or_default().to_owned(),
        ));
    };
    if said.missing.is_some() {
        return Err(TypesetError::NoTypst { python: python.to_owned() });
    }
    if let Some(script) = said.without_font.first().and_then(|&at| typst.scripts.get(at)) {
        return Err(TypesetError::NoFont { script: script.name, package: script.package });
    }
    if let Some(error) = said.error {
        return Err(TypesetError::Failed(error));
    }
    Ok(Pages { pdf: std::fs::read(folder.path().join("report.pdf"))?, broken: said.broken })
}
