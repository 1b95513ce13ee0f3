//! What a report says, apart from how a format spells it: blocks of inlines. Pure.
//!
//! Whatever is foreign (a user's Markdown, a model's answer, an output) becomes values of these types, so a writer
//! escapes text in one place and can neither load nor run anything that a notebook names.

use std::collections::HashSet;

/// A report: what all formats say.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its title.
    pub title: Vec<Inline>,
    /// BCP 47 tag of the language that it is written in.
    pub language: String,
    /// The text, below the title; headings begin at level 2, and none leaves out a level.
    pub blocks: Vec<Block>,
}

/// Something that stands on lines of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading.
    Heading {
        /// From 2, the title being 1.
        level: u8,
        /// Its words.
        words: Vec<Inline>,
        /// What links lead to, if any do.
        anchor: Option<String>,
    },
    /// Running text.
    Paragraph(Vec<Inline>),
    /// A list.
    List {
        /// The number of its first item, if it is numbered.
        start: Option<u64>,
        /// Its items.
        items: Vec<Vec<Block>>,
    },
    /// What somebody else said.
    Quote(Vec<Block>),
    /// Source text.
    Code {
        /// Such as `python`; empty if it is not known.
        language: String,
        /// The source.
        text: String,
    },
    /// What a cell printed.
    Printed(String),
    /// What a cell printed to its error stream: a warning, a traceback.
    Problem(String),
    /// Rows and columns.
    Table(Table),
    /// A picture.
    Figure(Figure),
    /// HTML of an output, as `sieve` leaves it, and the same in blocks for what is no page.
    Markup {
        /// Harmless HTML.
        html: String,
        /// For other formats.
        blocks: Vec<Block>,
    },
    /// What a reader opens on demand, or looks up at the end where nothing can be opened.
    Fold {
        /// What is in it.
        summary: Vec<Inline>,
        /// It.
        blocks: Vec<Block>,
    },
    /// A cell, or what is shown of it: a place that numbers link to.
    Cell {
        /// The cell's id.
        anchor: String,
        /// Its `[n]`.
        count: Option<u64>,
        /// What is shown.
        blocks: Vec<Block>,
    },
    /// A remark of ours.
    Note(Vec<Inline>),
    /// A line across.
    Rule,
}

/// Something in a line of text.
#[derive(Debug, Clone, PartialEq)]
pub enum Inline {
    /// Plain text.
    Text(String),
    /// Source text.
    Code(String),
    /// Set in another way.
    Styled(Style, Vec<Inline>),
    /// Leads somewhere.
    Link {
        /// Where.
        target: Target,
        /// Said where the pointer rests; may be empty.
        title: String,
        /// Its words.
        words: Vec<Inline>,
    },
    /// A number that no cell printed.
    Unfound,
    /// A new line.
    Break,
}

/// How a stretch of text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bold.
    Strong,
    /// Italic.
    Emphasis,
    /// Struck out.
    Struck,
    /// Superscript.
    Raised,
    /// Subscript.
    Lowered,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To an anchor of the report.
    Here(String),
    /// To the web or to a mailbox.
    Web(String),
}

/// Rows and columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Rows that name the columns.
    pub head: Vec<Vec<TableCell>>,
    /// The others.
    pub body: Vec<Vec<TableCell>>,
    /// Rows of the body that are not shown.
    pub n_left_out: usize,
    /// Columns that are not shown.
    pub n_columns_left_out: usize,
}

/// One cell of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableCell {
    /// What stands in it.
    pub words: Vec<Inline>,
    /// Whether it names its row or column.
    pub is_header: bool,
    /// Whether it holds a number, or names a column of numbers: both are set to the right.
    pub is_number: bool,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/svg+xml`.
    pub mime: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Width and height as shown, in CSS pixels, where the file tells them.
    pub size: Option<(u32, u32)>,
    /// For who does not see it.
    pub alt: String,
    /// From 1 in the whole report.
    pub number: usize,
    /// Below it.
    pub caption: Vec<Inline>,
}

impl TableCell {
    /// A cell of plain text; what reads as a number is one.
    pub fn text(text: &str, is_header: bool) -> Self {
        let unsigned = text.trim().trim_end_matches('%').replace([',', '−', ' '], "");
        let is_number = !is_header && !unsigned.is_empty() && unsigned.parse::<f64>().is_ok();
        Self { words: vec![Inline::Text(text.to_owned())], is_header, is_number }
    }
}

impl Table {
    /// The most columns that are shown: Word takes no more, and a page of more is not legible.
    pub const MOST_COLUMNS: usize = 63;

    /// Whether all that stands in a column is numbers.
    pub fn holds_numbers(&self, column: usize) -> bool {
        self.body.iter().all(|row| row.get(column).is_none_or(|cell| cell.is_number))
    }

    /// Sets what names a column of numbers as these are set.
    #[must_use]
    pub fn with_heads_aligned(mut self) -> Self {
        let mut head = std::mem::take(&mut self.head);
        for (column, cell) in head.iter_mut().flat_map(|row| row.iter_mut().enumerate()) {
            cell.is_number = !self.body.is_empty() && self.holds_numbers(column);
        }
        Self { head, ..self }
    }

    /// Leaves out rows of the body and columns beyond so many.
    #[must_use]
    pub fn within(mut self, rows: usize, columns: usize) -> Self {
        self.n_left_out += self.body.len().saturating_sub(rows);
        self.n_columns_left_out += self.width().saturating_sub(columns);
        self.body.truncate(rows);
        self.head.iter_mut().chain(&mut self.body).for_each(|row| row.truncate(columns));
        self
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        self.head.iter().chain(&self.body).map(Vec::len).max().unwrap_or(0)
    }

    /// Says what of it is not shown, if anything is not.
    pub fn left_out(&self) -> Option<String> {
        let parts = [(self.n_left_out, "rows"), (self.n_columns_left_out, "columns")];
        let parts = parts.iter().filter(|(n, _)| *n > 0);
        let parts: Vec<_> = parts.map(|(n, what)| format!("{n} more {what}")).collect();
        (!parts.is_empty()).then(|| format!("{} are not shown.", parts.join(" and ")))
    }
}

/// The words alone.
pub fn plain(inlines: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Text(text) | Inline::Code(text) => text.clone(),
        Inline::Styled(_, words) | Inline::Link { words, .. } => plain(words),
        Inline::Unfound => "(?)".into(),
        Inline::Break => " ".into(),
    };
    inlines.iter().map(text).collect()
}

/// Whether a reader sees nothing of the words.
pub fn is_blank(inlines: &[Inline]) -> bool {
    plain(inlines).chars().all(|c| c.is_whitespace() || c.is_control())
}

/// Calls `see` with each block, those inside others too, in order.
pub fn each_block(blocks: &[Block], see: &mut dyn FnMut(&Block)) {
    for block in blocks {
        see(block);
        match block {
            Block::List { items, .. } => items.iter().for_each(|item| each_block(item, see)),
            Block::Quote(blocks)
            | Block::Cell { blocks, .. }
            | Block::Fold { blocks, .. }
            | Block::Markup { blocks, .. } => each_block(blocks, see),
            _ => {}
        }
    }
}

/// Calls `change` with each run of inlines of the blocks.
pub fn each_words(blocks: &mut [Block], change: &mut dyn FnMut(&mut Vec<Inline>)) {
    for block in blocks {
        match block {
            Block::Heading { words, .. } | Block::Paragraph(words) | Block::Note(words) => {
                change(words);
            }
            Block::List { items, .. } => items.iter_mut().for_each(|item| each_words(item, change)),
            Block::Quote(blocks) | Block::Cell { blocks, .. } | Block::Markup { blocks, .. } => {
                each_words(blocks, change);
            }
            Block::Fold { summary, blocks } => {
                change(summary);
                each_words(blocks, change);
            }
            Block::Table(table) => {
                let cells = table.head.iter_mut().chain(&mut table.body).flatten();
                cells.for_each(|cell| change(&mut cell.words));
            }
            Block::Figure(figure) => change(&mut figure.caption),
            Block::Code { .. } | Block::Printed(_) | Block::Problem(_) | Block::Rule => {}
        }
    }
}

/// How many links to one of `anchors` there are in the words of the blocks.
pub(crate) fn n_links(blocks: &mut [Block], anchors: &HashSet<String>) -> usize {
    let mut n_links = 0;
    each_words(blocks, &mut |words| n_links += links_in(words, anchors));
    n_links
}

fn links_in(words: &[Inline], anchors: &HashSet<String>) -> usize {
    let links = words.iter().map(|word| match word {
        Inline::Styled(_, words) => links_in(words, anchors),
        Inline::Link { target: Target::Here(anchor), .. } => usize::from(anchors.contains(anchor)),
        _ => 0,
    });
    links.sum()
}
