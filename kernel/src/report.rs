//! Reports that people share: a notebook → what it says ([`tree`]) → a file. Pure: values in, bytes out.
//!
//! A reader gets answers, figures and tables, the code folded; a reviewer every step, failed ones too, and an appendix
//! with what it takes to check them. PDF is the one format that is not finished here: [`typst`] writes its source, which
//! [`crate::typeset`] has set.

pub mod tree;

mod appendix;
mod build;
mod docx;
mod html;
mod markdown;
mod md;
mod notebook;
mod outputs;
mod paper;
mod picture;
mod turns;
mod typst;

use serde::{Deserialize, Serialize};

use crate::notebook::Notebook;

pub use build::report;
pub use md::Markdown;
pub use notebook::clean;
pub use paper::Script;
pub use tree::Report;
pub use typst::Typst;

/// What a number that no cell printed bears in an answer's Markdown, raised.
const UNFOUND: &str = "?";

/// For whom a report is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Answers, figures and tables; the code is folded
    #[default]
    Reader,
    /// Every step, failed ones too, and an appendix: model, prompts, seed, data, packages
    Reviewer,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One page for a browser, pictures included
    #[default]
    Html,
    /// Markdown; pictures beside it
    Md,
    /// Typeset pages (needs the Python package typst)
    Pdf,
    /// A document for word processors
    Docx,
    /// A notebook for the kernel python3, which replays
    Ipynb,
}

impl Format {
    /// How names of its files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Md => "md",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Ipynb => "ipynb",
        }
    }
}

/// A report as one page.
pub fn html(report: &Report) -> String {
    html::page(report)
}

/// A report as Markdown; its pictures are to lie in `folder` beside it.
pub fn md(report: &Report, folder: &str) -> Markdown {
    md::document(report, folder)
}

/// A report as a file of Word's.
pub fn docx(report: &Report) -> Vec<u8> {
    docx::document(report)
}

/// A report as source for Typst.
pub fn typst(report: &Report) -> Typst {
    typst::source(report)
}

/// What links to a cell lead to.
fn anchor_of_cell(id: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let spelt = id
        .chars()
        .map(|c| if is_plain(c) { c.to_string() } else { format!(".{:x}", u32::from(c)) });
    format!("cell-{}", spelt.collect::<String>())
}

/// Of each question's answer the numbers that link to cells, and those that do not.
pub(crate) fn numbers(notebook: &Notebook) -> Vec<turns::Numbers> {
    turns::turns(&notebook.cells).iter().map(turns::Turn::numbers).collect()
}

#[cfg(test)]
mod tests;
