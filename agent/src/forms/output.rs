//! What can be read off an output by its place.

/// An output as cells in the order in which they are read, and as a table if it is one.
pub(super) struct Output<'t> {
    header: Vec<&'t str>,
    rows: Vec<Vec<&'t str>>,
    cells: Vec<&'t str>,
}

impl<'t> Output<'t> {
    /// Reads an observation.
    pub(super) fn of(text: &'t str) -> Self {
        let mut output = Self { header: Vec::new(), rows: Vec::new(), cells: Vec::new() };
        for line in text.lines().filter(|line| !is_note(line)) {
            let found = cells(line);
            output.cells.extend(found.iter().map(|cell| cell.trim()));
            if line.contains('|') && output.header.is_empty() {
                output.header = found;
            } else if line.contains('|') {
                output.rows.push(found);
            }
        }
        output
    }

    /// The cell at a place, from the first one on.
    pub(super) fn cell(&self, at: usize) -> Option<&'t str> {
        self.cells.get(at).copied()
    }

    /// The cell at a place, from the last one back.
    pub(super) fn last(&self, at: usize) -> Option<&'t str> {
        self.cells.iter().rev().nth(at).copied()
    }

    /// The value of a row below a header cell.
    pub(super) fn below(&self, name: &str, row: usize) -> Option<&'t str> {
        let column = self.header.iter().position(|cell| *cell == name)?;
        self.rows.iter().filter(|row| row.len() > column).nth(row)?.get(column).copied()
    }

    /// Rows of the table.
    pub(super) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// The names of the table's columns, or of the first ones.
    pub(super) fn header(&self, most: usize) -> Option<String> {
        listed(self.header.iter().take(most))
    }

    /// All cells.
    pub(super) fn all(&self) -> Option<String> {
        listed(self.cells.iter())
    }
}

/// What pandas says of a Series below its values.
fn is_note(line: &str) -> bool {
    ["Name:", "dtype:", "Length:", "Freq:"].iter().any(|note| line.starts_with(note))
}

fn cells(line: &str) -> Vec<&str> {
    if line.contains('|') {
        return line.split('|').collect();
    }
    if let Some((label, value)) = line.rsplit_once("  ") {
        return vec![label, value];
    }
    let bare = line.trim_matches(['(', ')']);
    if bare.contains(", ") { bare.split(", ").collect() } else { bare.split_whitespace().collect() }
}

fn listed<'t>(names: impl Iterator<Item = &'t &'t str>) -> Option<String> {
    let quoted: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_in_order() {
        let series = Output::of("city\nNew York  3\nRome  2\nName: n, dtype: int64");
        assert_eq!(series.cells, ["city", "New York", "3", "Rome", "2"]);
        assert_eq!((series.cell(1), series.last(0)), (Some("New York"), Some("2")));
        assert_eq!(Output::of("(32, 6)").cells, ["32", "6"]);
        assert_eq!(Output::of("-9.5 3.0 0.1").cells, ["-9.5", "3.0", "0.1"]);
        assert_eq!(Output::of("New York, Rome").all().as_deref(), Some("\"New York\", \"Rome\""));
    }

    #[test]
    fn a_value_is_found_below_its_header() {
        let table = Output::of("a|b\n1|2\n3|4");
        assert_eq!((table.below("b", 1), table.below("c", 0)), (Some("4"), None));
        assert_eq!(table.header(1).as_deref(), Some("\"a\""));
        assert_eq!(Output::of("1").header(8), None);
    }
}
