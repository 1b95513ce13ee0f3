//! A `DataFrame`'s HTML as rows of cells joined by `|`: a fifth of the tokens of its padded text.

/// How pandas opens the table of a `DataFrame`.
const DATAFRAME: &str = "<table border=\"1\" class=\"dataframe\">";

/// Cells of one part of a table that are read: more than an observation shows, and a bound on foreign HTML.
const MAX_CELLS: usize = 100_000;

/// Rows or columns that one cell may span.
const MAX_SPAN: usize = 100;

/// A table of HTML as a reader sees it: a cell that spans rows or columns stands in each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct HtmlTable {
    /// Rows that name the columns.
    pub head: Vec<Vec<HtmlCell>>,
    /// The others.
    pub body: Vec<Vec<HtmlCell>>,
    /// What pandas says of a table that it cut: `[150 rows x 4 columns]`.
    pub shape: Option<String>,
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct HtmlCell {
    /// Without tags, entities decoded.
    pub text: String,
    /// Whether it names its row or column.
    pub is_index: bool,
}

/// All tables in `html`, with one row of names for the two that pandas writes, and without an index that only counts.
pub fn tables(html: &str) -> Vec<HtmlTable> {
    html.split("<table")
        .skip(1)
        .map(|rest| table(rest.split_once('>').map_or("", |(_, on)| on)))
        .collect()
}

/// The table whose tag has ended where `html` begins.
fn table(html: &str) -> HtmlTable {
    let (table, after) = html.split_once("</table>").unwrap_or((html, ""));
    let (head, body) = table.split_once("</thead>").unwrap_or(("", table));
    let mut head = named_index_merged(grid(head));
    let mut body = grid(body);
    if index_says_nothing(&head, &body) {
        for row in head.iter_mut().chain(&mut body) {
            if !row.is_empty() {
                row.remove(0);
            }
        }
    }
    HtmlTable { head, body, shape: shape(after) }
}

/// The rows of the first `DataFrame` in `html`, or `None` if there is none.
pub(super) fn rows(html: &str) -> Option<String> {
    let (_, rest) = html.split_once(DATAFRAME)?;
    let table = table(rest);
    let mut lines: Vec<String> =
        table.head.iter().chain(&table.body).map(|row| joined(row)).collect();
    lines.extend(table.shape);
    Some(lines.join("\n"))
}

/// HTML without its tags, entities decoded.
pub(super) fn text(html: &str) -> String {
    let mut visible = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        visible.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    visible.push_str(rest);
    decoded(visible.trim())
}

fn joined(row: &[HtmlCell]) -> String {
    row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("|")
}

/// The rows of a part of a table; a cell that spans rows or columns is repeated.
fn grid(html: &str) -> Vec<Vec<HtmlCell>> {
    let mut rows: Vec<Vec<HtmlCell>> = Vec::new();
    // Cells that reach down from earlier rows: for each column, how many rows more, and what.
    let mut reaching: Vec<(usize, HtmlCell)> = Vec::new();
    let mut n_cells = 0;
    for row in html.split("<tr").skip(1) {
        if n_cells > MAX_CELLS {
            break;
        }
        let mut cells = Vec::new();
        for (attributes, cell) in cells_of(row) {
            take_reaching(&mut cells, &mut reaching);
            let columns = span(attributes, "colspan");
            let down = span(attributes, "rowspan") - 1;
            for _ in 0..columns {
                remember(&mut reaching, cells.len(), down, &cell);
                cells.push(cell.clone());
            }
        }
        take_reaching(&mut cells, &mut reaching);
        n_cells += cells.len();
        rows.push(cells);
    }
    rows
}

fn take_reaching(cells: &mut Vec<HtmlCell>, reaching: &mut [(usize, HtmlCell)]) {
    while let Some((left, cell)) = reaching.get_mut(cells.len()).filter(|(left, _)| *left > 0) {
        *left -= 1;
        cells.push(cell.clone());
    }
}

fn remember(reaching: &mut Vec<(usize, HtmlCell)>, column: usize, down: usize, cell: &HtmlCell) {
    while reaching.len() <= column {
        reaching.push((0, HtmlCell { text: String::new(), is_index: false }));
    }
    if let Some(slot) = reaching.get_mut(column) {
        *slot = (down, cell.clone());
    }
}

/// The cells of one row with the attributes of their tags.
fn cells_of(row: &str) -> impl Iterator<Item = (&str, HtmlCell)> {
    let mut rest = row;
    std::iter::from_fn(move || {
        let start = [rest.find("<th"), rest.find("<td")].into_iter().flatten().min()?;
        let is_index = rest.get(start..)?.starts_with("<th");
        let (attributes, after) = rest.get(start + 3..)?.split_once('>')?;
        let end = if is_index { "</th>" } else { "</td>" };
        let (content, after) = after.split_once(end).unwrap_or((after, ""));
        rest = after;
        let text = text(content).replace('\n', " ");
        Some((attributes, HtmlCell { text, is_index }))
    })
}

/// A span as written, within reason.
fn span(attributes: &str, name: &str) -> usize {
    let digits = |rest: &str| rest.split('"').nth(1).and_then(|number| number.parse().ok());
    let written = attributes.split_once(name).and_then(|(_, rest)| digits(rest));
    written.unwrap_or(1_usize).clamp(1, MAX_SPAN)
}

/// For a named index pandas writes two header rows, `|a|b` and `name||`; they say one thing.
fn named_index_merged(mut header: Vec<Vec<HtmlCell>>) -> Vec<Vec<HtmlCell>> {
    let Some([columns, names]) = header.last_chunk::<2>() else { return header };
    let blank = |cell: &HtmlCell| cell.text.is_empty();
    let n_names = names.iter().take_while(|cell| !blank(cell)).count();
    let only_names = n_names > 0 && names.iter().skip(n_names).all(blank);
    if !only_names || n_names == names.len() || columns.len() != names.len() {
        return header;
    }
    let merge = |(name, column): (&HtmlCell, &HtmlCell)| {
        if blank(name) { column.clone() } else { name.clone() }
    };
    let merged = names.iter().zip(columns).map(merge).collect();
    header.truncate(header.len() - 2);
    header.push(merged);
    header
}

/// An unnamed index that only counts rows is noise.
fn index_says_nothing(header: &[Vec<HtmlCell>], body: &[Vec<HtmlCell>]) -> bool {
    let unnamed = header.iter().all(|row| row.first().is_none_or(|cell| cell.text.is_empty()));
    let counts = |cell: &HtmlCell| cell.text == "..." || cell.text.parse::<i64>().is_ok();
    let one_level = |row: &Vec<HtmlCell>| row.get(1).is_none_or(|cell| !cell.is_index);
    let counted =
        |row: &Vec<HtmlCell>| row.first().is_none_or(|cell| cell.is_index && counts(cell));
    unnamed && body.iter().all(|row| counted(row) && one_level(row))
}

/// `<p>150 rows × 4 columns</p>` of a table that pandas cut.
fn shape(after: &str) -> Option<String> {
    let (_, rest) = after.split_once("<p>")?;
    let (sentence, _) = rest.split_once("</p>")?;
    Some(format!("[{}]", decoded(sentence).replace('×', "x").replace(',', "")))
}

fn decoded(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let entity =
            after.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        let (decoded, after) = entity.unwrap_or(('&', after));
        text.push(decoded);
        rest = after;
    }
    text.push_str(rest);
    text
}

/// The entities that pandas and Python's `html.escape` write, and numeric ones.
fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "times" => Some('×'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
