//! Profiles in few words: one text a source, and one for the keys between them, within a bound for all.

use super::links::{Evidence, Link, links};
use super::profile::{Column, Source, Table, Text};

/// Characters of all profiles, and of the keys among them: some 1,700 tokens, since those of Qwen hold 2.4 characters of
/// such text, and each digit is one.
const ALL: usize = 4_000;
const KEYS: usize = 1_000;

/// Characters of a name, and of a note.
const NAME: usize = 60;
const NOTE: usize = 160;

/// Columns that are named where types are not told.
const NAMED: usize = 40;

/// How much is told of a source, from the most to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Types, what is missing, ranges, examples.
    Values,
    /// Types, and what is missing.
    Types,
    /// Names of columns.
    Names,
    /// How large it is.
    Size,
}

/// The profiles of these files, by name.
pub(super) fn profiles(sources: &[(String, &Source)]) -> Vec<String> {
    let keys = keys(&links(sources));
    let mut profiles = within(sources, ALL - keys.chars().count());
    profiles.extend(Some(keys).filter(|keys| !keys.is_empty()));
    profiles
}

/// Each source in as much detail as its share of the bound allows; what small ones leave is shared by the others.
fn within(sources: &[(String, &Source)], bound: usize) -> Vec<String> {
    let whole: Vec<_> =
        sources.iter().map(|(name, source)| told(name, source, Detail::Values)).collect();
    let mut by_length: Vec<usize> = (0..sources.len()).collect();
    by_length.sort_by_key(|at| whole.get(*at).map(|text| text.chars().count()));
    let (mut left, mut n_left) = (bound, sources.len());
    let mut fitting = vec![String::new(); sources.len()];
    for at in by_length {
        let share = left / n_left.max(1);
        let Some(((name, source), text)) = sources.get(at).zip(fitting.get_mut(at)) else {
            continue;
        };
        let details = [Detail::Values, Detail::Types, Detail::Names];
        let mut tried = details.into_iter().map(|detail| told(name, source, detail));
        let fits = tried.find(|text| text.chars().count() <= share);
        *text = fits.unwrap_or_else(|| cut(&told(name, source, Detail::Size), share));
        left -= text.chars().count().min(left);
        n_left -= 1;
    }
    fitting.retain(|text| !text.is_empty());
    fitting
}

/// `orders.csv: 5,000 rows: order_id int key 1…6000; …`: what is wrong first, and a line for each part that has a name.
fn told(name: &str, source: &Source, detail: Detail) -> String {
    let notes = source.notes.iter().map(|note| cut(&one_line(note), NOTE));
    let tables = source.tables.iter().map(|table| (&table.name, of_table(table, detail)));
    let texts = source.texts.iter().map(|text| (&text.name, of_text(text, detail)));
    let (named, whole): (Vec<_>, Vec<_>) =
        tables.chain(texts).partition(|(name, _)| name.is_some());
    let first: Vec<_> = notes.chain(whole.into_iter().map(|(_, said)| said)).collect();
    let lines = named.into_iter().map(|(_, said)| format!("\n  {said}"));
    let between = if first.is_empty() { ":" } else { ": " };
    let beginning = format!("{}{between}{}", cut(&one_line(name), NAME), first.join(". "));
    std::iter::once(beginning).chain(lines).collect()
}

fn of_table(table: &Table, detail: Detail) -> String {
    let name = table.name.as_deref().map(|name| format!("{}: ", shown_name(name)));
    let size = format!("{}{}", name.unwrap_or_default(), rows(table));
    let n_columns = table.columns.len() as u64 + table.more_columns;
    if detail == Detail::Size {
        return format!("{size}, {}", counted(n_columns, "column"));
    }
    let limit = if detail == Detail::Names { NAMED } else { usize::MAX };
    let mut columns: Vec<_> =
        table.columns.iter().take(limit).map(|all| of_column(all, detail)).collect();
    let n_more = n_columns - columns.len() as u64;
    if n_more > 0 {
        columns.push(format!("{} more", counted(n_more, "column")));
    }
    format!("{size}: {}", columns.join("; "))
}

fn rows(table: &Table) -> String {
    if !table.sample {
        return counted(table.read, "row");
    }
    let read = grouped(table.read);
    match table.rows {
        Some(rows) if table.estimate => {
            format!("about {} rows, of which the first {read} were read", grouped(rounded(rows)))
        }
        Some(rows) => format!("{} rows, of which the first {read} were read", grouped(rows)),
        None => format!("more than {read} rows, which were read"),
    }
}

fn of_column(column: &Column, detail: Detail) -> String {
    let mut words = vec![shown_name(&column.name)];
    if detail == Detail::Names {
        return words.concat();
    }
    words.push(column.kind.clone());
    words.extend(column.key.then(|| "key".to_owned()));
    if detail == Detail::Values {
        words.extend(values(column));
    }
    let missing = (column.missing > 0).then(|| format!(", {} missing", grouped(column.missing)));
    words.join(" ") + &missing.unwrap_or_default()
}

/// A range where there is one; all values where they are few; else some.
fn values(column: &Column) -> Option<String> {
    if let (Some(least), Some(most)) = (&column.least, &column.most) {
        return Some(if least == most { least.clone() } else { format!("{least}…{most}") });
    }
    let examples: Vec<_> = column.examples.iter().map(|text| one_line(text)).collect();
    if examples.is_empty() {
        return None;
    }
    let distinct = column.distinct.unwrap_or_default();
    let all = examples.join(", ");
    Some(if distinct > examples.len() as u64 {
        format!("({} values: {all}, …)", grouped(distinct))
    } else {
        format!("({all})")
    })
}

fn of_text(text: &Text, detail: Detail) -> String {
    let name = text.name.as_deref().map(|name| format!("{}: ", shown_name(name)));
    let mut parts = vec![format!("{}{}", name.unwrap_or_default(), one_line(&text.length))];
    let says_more = !matches!(detail, Detail::Names | Detail::Size);
    if says_more && !text.headings.is_empty() {
        let headings: Vec<_> = text.headings.iter().map(|heading| one_line(heading)).collect();
        parts.push(format!("headings: {}", headings.join("; ")));
    }
    if detail == Detail::Values && !text.beginning.is_empty() {
        parts.push(format!("begins: {}", one_line(&text.beginning)));
    }
    parts.join("; ")
}

/// The keys between tables, as far as there is room.
fn keys(links: &[Link]) -> String {
    let said = |link: &Link| {
        let why = match link.evidence {
            Evidence::Declared => " (declared)".to_owned(),
            Evidence::Contained => String::new(),
            Evidence::Mostly(percent) => format!(" ({percent} % of its values)"),
        };
        format!(
            "{} → {}{why}",
            cut(&one_line(&link.from), 2 * NAME),
            cut(&one_line(&link.to), 2 * NAME)
        )
    };
    let mut text = String::new();
    for link in links.iter().map(said) {
        let between = if text.is_empty() { "Keys between tables: " } else { "; " };
        if text.chars().count() + between.len() + link.chars().count() > KEYS {
            break;
        }
        text += between;
        text += &link;
    }
    text
}

/// A name as it is to be spelled, in marks where it could be taken for more than one word.
fn shown_name(name: &str) -> String {
    let text = cut(&one_line(name), NAME);
    let is_plain =
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
    if is_plain { text } else { format!("`{}`", text.replace('`', "'")) }
}

/// Text on one line, with its line ends spelled as in Python.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// Two digits of a number, since the others are guessed.
fn rounded(number: u64) -> u64 {
    let unit = 10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number / unit * unit
}

/// `12,345 rows`.
fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests;
