//! Has Typst set a report as pages of PDF, by the Python package `typst` in the Python that the kernel knows.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::report::Typst;

const SCRIPT: &str = include_str!("report/pdf.py");

/// How long Typst may take: a long report takes seconds, a picture or a table of a foreign notebook may take for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many letters without a font are named.
const MOST_LETTERS: usize = 5;

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
    /// Typst does not come to an end.
    #[error(
        "setting the report as pages took longer than {} s and was stopped: a picture or a table in it is too large, try `--to html`",
        .0.as_secs()
    )]
    TooLong(Duration),
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
    not_ua: Option<NotUa>,
}

/// Why pages are not PDF/UA.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotUa {
    /// What no font has, as Typst spells it.
    letters: Vec<String>,
    /// What Typst says.
    why: String,
}

impl NotUa {
    fn as_text(&self) -> String {
        let shown = self.letters.iter().take(MOST_LETTERS);
        let shown: Vec<_> = shown.map(|letter| format!("`{letter}`")).collect();
        let more = match self.letters.len().saturating_sub(MOST_LETTERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if shown.is_empty() {
            let why = self.why.trim_start_matches("PDF/UA-1 error: ");
            return format!("the PDF is not PDF/UA: {why}");
        }
        format!("the PDF is not PDF/UA: no font here has {}{more}", shown.join(", "))
    }
}

/// Pages, and the pictures that could not be drawn.
#[derive(Debug)]
pub struct Pages {
    /// The file.
    pub pdf: Vec<u8>,
    /// Names of pictures in whose place their description stands.
    pub broken: Vec<String>,
    /// In one line, why they are not PDF/UA, if they are not.
    pub not_ua: Option<String>,
}

/// Sets the pages. Blocks, for about a second, two minutes at the most.
///
/// # Errors
/// When the package or a font is missing, or Typst fails or does not come to an end.
pub fn pages(python: &Path, typst: &Typst) -> Result<Pages, TypesetError> {
    let folder = tempfile::Builder::new().prefix("datarus-").tempdir()?;
    std::fs::write(folder.path().join("main.typ"), &typst.source)?;
    for (name, bytes) in &typst.pictures {
        std::fs::write(folder.path().join(name), bytes)?;
    }
    let families = typst.scripts.iter().map(|script| script.families.join("|"));
    let (said, problem) = (folder.path().join("said"), folder.path().join("problem"));
    let mut command = crate::python::command(python);
    command
        // Without the folder itself, in which nothing of Python's lies.
        .args(["-P", "-c", SCRIPT])
        .args(families)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        // Files, which take whatever is said while nobody reads.
        .stdout(File::create(&said)?)
        .stderr(File::create(&problem)?);
    run_within(PATIENCE, &mut command)?;
    let Ok(said) = serde_json::from_slice::<Said>(&std::fs::read(&said)?) else {
        let problem = std::fs::read(&problem)?;
        let problem = String::from_utf8_lossy(&problem);
        return Err(TypesetError::Failed(
            problem.trim().lines().last().unwrap_or_default().to_owned(),
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
    let pdf = std::fs::read(folder.path().join("report.pdf"))?;
    Ok(Pages { pdf, broken: said.broken, not_ua: said.not_ua.map(|why| why.as_text()) })
}

/// Runs a program to its end, or ends it.
fn run_within(patience: Duration, command: &mut Command) -> Result<(), TypesetError> {
    let begun = Instant::now();
    let mut child = command.spawn()?;
    while child.try_wait()?.is_none() {
        if begun.elapsed() >= patience {
            child.kill()?;
            child.wait()?;
            return Err(TypesetError::TooLong(patience));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_to_an_end_is_ended() {
        // A pipe of which nobody closes the other end.
        let (reader, _writer) = std::io::pipe().unwrap();
        let ended = run_within(Duration::from_millis(20), Command::new("cat").stdin(reader));
        assert!(matches!(ended, Err(TypesetError::TooLong(_))), "{ended:?}");
        run_within(PATIENCE, Command::new("cat").stdin(Stdio::null())).unwrap();
    }

    #[test]
    fn why_pages_are_not_pdf_ua_is_one_line() {
        let not_ua = |letters: &[&str], why: &str| {
            let letters = letters.iter().map(|&letter| letter.to_owned()).collect();
            NotUa { letters, why: why.to_owned() }.as_text()
        };
        assert_eq!(not_ua(&["✅"], ""), "the PDF is not PDF/UA: no font here has `✅`");
        assert!(not_ua(&["a", "b", "c", "d", "e", "f", "g"], "").ends_with("`d`, `e` and 2 more"));
        let said = not_ua(&[], "PDF/UA-1 error: a picture has no words");
        assert_eq!(said, "the PDF is not PDF/UA: a picture has no words");
    }
}
