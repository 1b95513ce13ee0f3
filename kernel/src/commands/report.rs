//! `datarus report`: reads the notebook, has the report made, writes it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

use super::{Failure, MISUSED, print_json, say};
use crate::cli::ReportArgs;
use crate::config::find_python;
use crate::notebook::Notebook;
use crate::report::{self, Audience, Format, Report};
use crate::terminal::terminal_line;
use crate::{disk, typeset};

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    report: PathBuf,
    to: Format,
    audience: Audience,
    questions: usize,
    /// Numbers of answers that link to the cell that printed them.
    numbers_linked: usize,
    /// Numbers of answers that no cell printed, as written.
    numbers_not_found: Vec<String>,
    /// Files that belong to it.
    pictures: Vec<PathBuf>,
}

pub(super) fn report(args: &ReportArgs) -> Result<u8, Failure> {
    let notebook = Notebook::read(&args.notebook).map_err(anyhow::Error::from)?;
    let output = args.output.clone().unwrap_or_else(|| beside(&args.notebook, args.to));
    if is_same(&args.notebook, &output) {
        let cause =
            anyhow!("`{}` is the notebook itself: name another file with `-o`", output.display());
        return Err(Failure { cause, code: MISUSED });
    }
    let pictures = write(args, &notebook, &output)?;
    let numbers = report::numbers(&notebook);
    let written = Written {
        to: args.to,
        audience: args.audience,
        questions: numbers.len(),
        numbers_linked: numbers.iter().map(|of_one| of_one.linked).sum(),
        numbers_not_found: numbers.into_iter().flat_map(|of_one| of_one.missing).collect(),
        pictures,
        report: output,
    };
    say(&format!("wrote {}", written.report.display()));
    if args.json {
        print_json(&written)?;
    }
    Ok(0)
}

/// Writes the report and what belongs to it; says what that is.
fn write(args: &ReportArgs, notebook: &Notebook, output: &Path) -> Result<Vec<PathBuf>> {
    let make = || report::report(notebook, args.audience, args.language.as_deref());
    let mut pictures = Vec::new();
    let bytes = match args.to {
        Format::Html => report::html(&make()).into_bytes(),
        Format::Docx => report::docx(&make()),
        Format::Pdf => pdf(args, &make())?,
        Format::Ipynb => report::clean(notebook, args.audience).to_json().into_bytes(),
        Format::Md => {
            let folder = output.with_file_name(format!("{}_files", stem(output)));
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let document = report::md(&make(), &name);
            if !document.pictures.is_empty() {
                std::fs::create_dir_all(&folder)
                    .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
            }
            for (name, bytes) in document.pictures {
                let file = folder.join(name);
                put(&file, &bytes)?;
                pictures.push(file);
            }
            document.text.into_bytes()
        }
    };
    put(output, &bytes)?;
    Ok(pictures)
}

fn pdf(args: &ReportArgs, report: &Report) -> Result<Vec<u8>> {
    let python = find_python(args.python.as_deref())?;
    let pages = typeset::pages(&python, &report::typst(report))?;
    for name in pages.broken {
        say(&format!(
            "a picture of the notebook cannot be drawn ({name}): its description stands in its place"
        ));
    }
    if let Some(why) = pages.not_ua {
        say(&terminal_line(&why));
    }
    Ok(pages.pdf)
}

fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    disk::write(file, bytes, None).with_context(|| format!("cannot write `{}`", file.display()))
}

/// `sales-report.html` for `sales.ipynb`: what people write themselves beside a notebook is not named so.
fn beside(notebook: &Path, to: Format) -> PathBuf {
    notebook.with_file_name(format!("{}-report.{}", stem(notebook), to.ending()))
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}
