//! What `companion/profile` says of a file. All of it is foreign: a cell could say the same.

use serde::Deserialize;

/// What one file holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Source {
    /// Hash of the file and its ending; none of a file that is too large, or could not be read.
    pub(crate) content: Option<String>,
    pub(super) tables: Vec<Table>,
    pub(super) texts: Vec<Text>,
    /// What is wrong with it, and what was left out.
    pub(super) notes: Vec<String>,
}

/// A table, a sheet, or the records of a file of nested values.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Table {
    /// None where the file is the table.
    pub(super) name: Option<String>,
    /// None where there are more than were read, and nobody knows how many.
    pub(super) rows: Option<u64>,
    /// Whether the number of rows is computed from the size of the file.
    pub(super) estimate: bool,
    /// Rows that were read.
    pub(super) read: u64,
    /// Whether those are not all.
    pub(super) sample: bool,
    pub(super) columns: Vec<Column>,
    /// How many columns are not described.
    pub(super) more_columns: u64,
    /// Column, table and column there, as the file declares it.
    pub(super) references: Vec<(String, String, String)>,
}

/// A column, as far as its table was read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) missing: u64,
    /// Different values; none where they cannot be compared.
    pub(super) distinct: Option<u64>,
    /// Whether its values tell the rows apart.
    pub(super) key: bool,
    pub(super) least: Option<String>,
    pub(super) most: Option<String>,
    /// The smallest hashes of its values, in order.
    pub(super) sketch: Vec<u64>,
    /// All values where those are few, else some.
    pub(super) examples: Vec<String>,
}

/// A text.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Text {
    /// None where the file is the text.
    pub(super) name: Option<String>,
    /// In lines or pages.
    pub(super) length: String,
    pub(super) headings: Vec<String>,
    pub(super) beginning: String,
}

impl Source {
    /// Names of its columns, and the values of those that have few.
    pub(super) fn words(&self) -> Vec<String> {
        let columns = self.tables.iter().flat_map(|table| &table.columns);
        let words = |column: &Column| {
            let is_listed = column.kind == "text"
                && column.distinct.is_some_and(|distinct| {
                    u64::try_from(column.examples.len()).is_ok_and(|listed| listed >= distinct)
                });
            let values = if is_listed { column.examples.clone() } else { Vec::new() };
            std::iter::once(column.name.clone()).chain(values)
        };
        columns.flat_map(words).collect()
    }

    /// The same with a note before all others.
    pub(super) fn with_first_note(mut self, note: &str) -> Source {
        self.notes.insert(0, note.to_owned());
        self
    }

    /// Whether it says nothing: so does a file whose content is known.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.texts.is_empty() && self.notes.is_empty()
    }
}
