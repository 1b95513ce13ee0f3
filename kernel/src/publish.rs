//! Reports as files: reads a notebook, has its report made, and set where that takes Typst, and writes it.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::config::find_python;
use crate::notebook::Notebook;
use crate::report::{self, Audience, Format, Report};
use crate::terminal::terminal_line;
use crate::{disk, typeset};

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Order {
    /// The notebook's file.
    pub notebook: PathBuf,
    /// What it becomes.
    pub to: Format,
    /// For whom.
    pub audience: Audience,
    /// The language of its text, as in `en`; none, to go by the text.
    pub language: Option<String>,
    /// Where it goes; none is beside the notebook, under a name of its own.
    pub output: Option<PathBuf>,
    /// The Python that sets pages; none is the one that a kernel would take.
    pub python: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Published {
    /// The file.
    pub report: PathBuf,
    to: Format,
    audience: Audience,
    questions: usize,
    /// Numbers of answers that link to the cell that printed them.
    numbers_linked: usize,
    /// Numbers of answers that no cell printed, as written.
    numbers_not_found: Vec<String>,
    /// Files that belong to it.
    pictures: Vec<PathBuf>,
    /// What is to be said of it, a line each.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The report would take the notebook's place.
    #[error("`{}` is the notebook itself: name another file with `-o`", .0.display())]
    Notebook(PathBuf),
    /// Whatever else there was.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Writes a report. Blocks: pages take about a second.
///
/// # Errors
/// When the notebook cannot be read, Typst or a font is missing, or the file cannot be written.
pub fn publish(order: &Order) -> Result<Published, PublishError> {
    let notebook = Notebook::read(&order.notebook).map_err(anyhow::Error::from)?;
    let report = match &order.output {
        Some(output) => output.clone(),
        None => beside(&order.notebook, order.to),
    };
    if is_same(&order.notebook, &report) {
        return Err(PublishError::Notebook(report));
    }
    let mut notes = Vec::new();
    let pictures = write(order, &notebook, &report, &mut notes)?;
    let numbers = report::numbers(&notebook);
    Ok(Published {
        to: order.to,
        audience: order.audience,
        questions: numbers.len(),
        numbers_linked: numbers.iter().map(|of_one| of_one.linked).sum(),
        numbers_not_found: numbers.into_iter().flat_map(|of_one| of_one.missing).collect(),
        pictures,
        report,
        notes,
    })
}

/// Writes the report and what belongs to it; says what that is.
fn write(
    order: &Order,
    notebook: &Notebook,
    output: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<PathBuf>> {
    let make = || report::report(notebook, order.audience, order.language.as_deref());
    let mut pictures = Vec::new();
    let bytes = match order.to {
        Format::Html => report::html(&make()).into_bytes(),
        Format::Docx => report::docx(&make()),
        Format::Pdf => pdf(order, &make(), notes)?,
        Format::Ipynb => report::clean(notebook, order.audience).to_json().into_bytes(),
        Format::Md => {
            let folder = output.with_file_name(format!("{}_files", stem(output)));
            let name = folder.file_name().unwrap_or_default();
            let document = report::md(&make(), &name.to_string_lossy());
            if !document.pictures.is_empty() {
                let place = open(output)
                    .and_then(|beside| disk::folder_inside(beside, Path::new(name)))
                    .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
                for (name, bytes) in document.pictures {
                    let file = folder.join(&name);
                    disk::put_inside(&place, Path::new(&name), &bytes)
                        .with_context(|| format!("cannot write `{}`", file.display()))?;
                    pictures.push(file);
                }
            }
            document.text.into_bytes()
        }
    };
    let written = match &order.output {
        Some(output) => disk::write(output, &bytes, None).map_err(anyhow::Error::from),
        // A name that we chose: a cell could have made a link of it, or could do so now.
        None => open(output)
            .and_then(|folder| {
                disk::put_inside(folder, Path::new(output.file_name().unwrap_or_default()), &bytes)
            })
            .map_err(anyhow::Error::from),
    };
    written.with_context(|| format!("cannot write `{}`", output.display()))?;
    Ok(pictures)
}

fn pdf(order: &Order, report: &Report, notes: &mut Vec<String>) -> Result<Vec<u8>> {
    let python = find_python(order.python.as_deref())?;
    let pages = typeset::pages(&python, &report::typst(report))?;
    notes.extend(pages.broken.into_iter().map(|name| {
        format!(
            "a picture of the notebook cannot be drawn ({name}): its description stands in its place"
        )
    }));
    notes.extend(pages.not_ua.map(|why| terminal_line(&why)));
    Ok(pages.pdf)
}

/// The folder in which a file is to lie.
fn open(file: &Path) -> std::io::Result<File> {
    File::open(disk::folder_of(file))
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

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}"#;

    #[test]
    fn a_report_is_not_written_through_a_link_that_bears_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = folder.path().join("a.ipynb");
        std::fs::write(&notebook, EMPTY).unwrap();
        let kept = folder.path().join("kept");
        std::fs::write(&kept, "mine").unwrap();
        std::os::unix::fs::symlink(&kept, folder.path().join("a-report.html")).unwrap();
        let mut order = Order {
            notebook,
            to: Format::Html,
            audience: Audience::Reader,
            language: None,
            output: None,
            python: None,
        };
        let written = publish(&order).unwrap().report;
        assert!(!written.is_symlink());
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
        std::fs::remove_file(&written).unwrap();
        std::os::unix::fs::symlink(&kept, &written).unwrap();
        // One that the user names is the user's.
        order.output = Some(written);
        publish(&order).unwrap();
        assert!(std::fs::read_to_string(&kept).unwrap().starts_with("<!"));
    }
}
