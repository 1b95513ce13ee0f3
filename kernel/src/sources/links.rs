//! Keys between tables: a column whose values are all found in a column that tells the rows of another table apart.

use super::profile::{Column, Source, Table};

/// Hashes that stand for a column with more values; as in `companion/profile/columns.py`.
const SKETCH: usize = 1_024;

/// Columns that are compared with each other, and links that are told.
const MAX_COLUMNS: usize = 400;
const MAX_LINKS: usize = 24;

/// Values that a text column must have for its values alone to tell that it refers to another.
const TELLING: u64 = 3;

/// The share of values, in percent, that must be found where the names say that a column refers to another.
const MOST_PERCENT: usize = 90;

/// Names of keys that say nothing of what they are keys of.
const BARE: [&str; 8] = ["id", "key", "code", "no", "nr", "number", "index", "name"];

/// A column that refers to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) evidence: Evidence,
}

/// Why it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The file says so.
    Declared,
    /// All values are found, as far as they were looked at.
    Contained,
    /// This share of the values, in percent, is found.
    Mostly(usize),
}

/// Where a column stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    n_tables: usize,
    table: &'a Table,
    column: &'a Column,
}

/// The links between the tables of these files, those that files declare first.
pub(super) fn links(sources: &[(String, &Source)]) -> Vec<Link> {
    let mut links: Vec<Link> =
        sources.iter().flat_map(|(file, source)| declared(file, source)).collect();
    let places = places(sources);
    for key in places.iter().filter(|place| place.column.key) {
        for from in places.iter().filter(|from| !std::ptr::eq(from.table, key.table)) {
            let Some(evidence) = evidence(from, key) else { continue };
            let link = Link { from: from.named(), to: key.named(), evidence };
            let is_known = |other: &Link| {
                (&other.from, &other.to) == (&link.from, &link.to)
                    || (&other.from, &other.to) == (&link.to, &link.from)
            };
            if !links.iter().any(is_known) {
                links.push(link);
            }
        }
    }
    links.truncate(MAX_LINKS);
    links
}

fn places<'a>(sources: &'a [(String, &'a Source)]) -> Vec<Place<'a>> {
    let all = sources.iter().flat_map(|(file, source)| {
        source.tables.iter().flat_map(move |table| {
            let columns = table.columns.iter().filter(|column| column.sketch.len() > 1);
            let n_tables = source.tables.len();
            columns.map(move |column| Place { file, n_tables, table, column })
        })
    });
    all.take(MAX_COLUMNS).collect()
}

fn declared(file: &str, source: &Source) -> Vec<Link> {
    let reference = |table: &Table, (column, other, there): &(String, String, String)| {
        let other_table = source.tables.iter().find(|table| table.name.as_ref() == Some(other));
        // A reference may leave out the column: it is the key.
        let key = other_table.and_then(|table| table.columns.iter().find(|column| column.key));
        let there =
            if there.is_empty() { key.map_or("", |key| key.name.as_str()) } else { there.as_str() };
        let name = table.name.as_deref().unwrap_or_default();
        Link {
            from: format!("{file} {name}.{column}"),
            to: format!("{file} {other}.{there}"),
            evidence: Evidence::Declared,
        }
    };
    let of_table = |table: &Table| -> Vec<Link> {
        table.references.iter().map(|all| reference(table, all)).collect()
    };
    source.tables.iter().flat_map(of_table).collect()
}

impl Place<'_> {
    fn named(&self) -> String {
        let column = &self.column.name;
        match &self.table.name {
            Some(table) => format!("{} {table}.{column}", self.file),
            None => format!("{} {column}", self.file),
        }
    }

    /// What the table is called: by itself, or by its file.
    fn subject(&self) -> String {
        let stem = self.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let name = self.table.name.as_deref().filter(|_| self.n_tables > 1);
        singular(&letters(name.unwrap_or(stem)))
    }
}

fn evidence(from: &Place<'_>, key: &Place<'_>) -> Option<Evidence> {
    let is_related = refers(&from.column.name, key);
    let is_text = |column: &Column| matches!(column.kind.as_str(), "text" | "code");
    let is_telling =
        is_text(from.column) && is_text(key.column) && from.column.distinct >= Some(TELLING);
    if !is_related && !is_telling {
        return None;
    }
    let percent = percent_found(&from.column.sketch, &key.column.sketch)?;
    match percent {
        100 => Some(Evidence::Contained),
        _ if is_related && percent >= MOST_PERCENT => Some(Evidence::Mostly(percent)),
        _ => None,
    }
}

/// The share of values that are found in a key, in whole percent, rounded down; `None` where too few can be compared.
///
/// Sketches hold the smallest hashes of all values. Below the largest hash of the key's sketch both know all of theirs,
/// and the values there are a fair sample.
fn percent_found(from: &[u64], key: &[u64]) -> Option<usize> {
    let bound = if key.len() < SKETCH { u64::MAX } else { *key.last()? };
    let compared: Vec<_> = from.iter().filter(|hash| **hash <= bound).collect();
    let n_found = compared.iter().filter(|hash| key.binary_search(hash).is_ok()).count();
    (compared.len() > 1).then(|| n_found * 100 / compared.len())
}

/// Whether a column is named after a key of another table: `customer_id` after `id` of `customers`.
fn refers(column: &str, key: &Place<'_>) -> bool {
    let (column, key_name) = (letters(column), letters(&key.column.name));
    let is_bare = BARE.contains(&key_name.as_str());
    if !is_bare && column.ends_with(&key_name) {
        return true;
    }
    let subject = key.subject();
    let stem = BARE.iter().find_map(|bare| column.strip_suffix(*bare)).unwrap_or(&column);
    !subject.is_empty() && (is_bare || key_name.starts_with(&subject)) && stem.ends_with(&subject)
}

/// A name without its case and what stands between its words.
fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn singular(name: &str) -> String {
    let y = name.strip_suffix("ies").map(|stem| format!("{stem}y"));
    y.unwrap_or_else(|| name.strip_suffix('s').unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str, values: impl Iterator<Item = u64>, key: bool) -> Column {
        let mut sketch: Vec<u64> = values.collect();
        sketch.truncate(SKETCH);
        let distinct = Some(sketch.len() as u64);
        Column { name: name.into(), kind: kind.into(), distinct, key, sketch, ..Column::default() }
    }

    fn source(tables: Vec<(Option<&str>, Vec<Column>)>) -> Source {
        let table = |(name, columns): (Option<&str>, Vec<Column>)| Table {
            name: name.map(str::to_owned),
            columns,
            ..Table::default()
        };
        Source { tables: tables.into_iter().map(table).collect(), ..Source::default() }
    }

    /// Whether a column of `a.csv` is linked with a key of `customers.csv`, and why.
    #[track_caller]
    fn check(from: Column, key: Column, expected: Option<Evidence>) {
        let (orders, customers) =
            (source(vec![(None, vec![from])]), source(vec![(None, vec![key])]));
        let all = [("a.csv".to_owned(), &orders), ("customers.csv".to_owned(), &customers)];
        let found: Vec<_> = links(&all).into_iter().map(|link| link.evidence).collect();
        assert_eq!(found, Vec::from_iter(expected));
    }

    #[test]
    fn a_column_named_after_a_key_refers_to_it_if_its_values_are_there() {
        let key = || column("id", "int", 1..=300, true);
        let contained = Some(Evidence::Contained);
        check(column("customer_id", "int", 5..=50, false), key(), contained);
        check(column("Customer", "int", 5..=50, false), key(), contained);
        check(column("old customer no", "int", 5..=50, false), key(), contained);
        check(column("customer_id", "int", 201..=310, false), key(), Some(Evidence::Mostly(90)));
        check(column("customer_id", "int", 250..=350, false), key(), None);
        check(column("customer_id", "int", 5..=5, false), key(), None);
        let named = || column("customer_id", "int", 1..=300, true);
        check(column("billing_customer_id", "int", 5..=50, false), named(), contained);
    }

    #[test]
    fn small_numbers_that_happen_to_be_there_refer_to_nothing() {
        check(column("quantity", "int", 1..=9, false), column("id", "int", 1..=300, true), None);
        check(column("id", "int", 1..=9, true), column("id", "int", 1..=300, true), None);
    }

    #[test]
    fn texts_refer_by_their_values_alone() {
        let key = || column("iso", "text", 1..=200, true);
        check(column("land", "text", 5..=9, false), key(), Some(Evidence::Contained));
        check(column("land", "text", 5..=6, false), key(), None);
        check(column("land", "text", 190..=202, false), key(), None);
        check(column("land", "int", 5..=9, false), key(), None);
    }

    #[test]
    fn large_columns_are_compared_by_the_part_of_their_hashes_that_both_know() {
        let key: Vec<u64> = (0..5_000).map(|n| n * 10).take(SKETCH).collect();
        assert_eq!(percent_found(&[10, 20, 9_000_000], &key), Some(100));
        assert_eq!(percent_found(&[10, 25], &key), Some(50));
        assert_eq!(percent_found(&[9_000_000, 9_000_001], &key), None);
    }

    #[test]
    fn what_a_file_declares_is_told_first_and_once() {
        let mut shop = source(vec![
            (Some("sales"), vec![column("product_id", "int", 1..=9, false)]),
            (Some("products"), vec![column("id", "int", 1..=50, true)]),
        ]);
        let declared = ("product_id".to_owned(), "products".to_owned(), String::new());
        shop.tables[0].references = vec![declared];
        let found = links(&[("shop.db".to_owned(), &shop)]);
        let (from, to) = ("shop.db sales.product_id".into(), "shop.db products.id".into());
        assert_eq!(found, [Link { from, to, evidence: Evidence::Declared }]);
    }
}
