//! A report as Markdown, its pictures as files beside it. Pure.

use super::tree::{Block, Figure, Inline, Report, Style, Table, Target, plain};

/// A report in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markdown {
    /// The text.
    pub text: String,
    /// Name, in the folder beside it, and content of each picture.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// Writes the document; pictures are to lie in `folder`.
pub(super) fn document(report: &Report, folder: &str) -> Markdown {
    let mut writer = Writer { folder, pictures: Vec::new() };
    let mut text = format!("# {}\n\n", writer.words(&report.title));
    text.push_str(&writer.blocks(&report.blocks));
    Markdown { text: text.trim_end().to_owned() + "\n", pictures: writer.pictures }
}

struct Writer<'a> {
    folder: &'a str,
    pictures: Vec<(String, Vec<u8>)>,
}

impl Writer<'_> {
    fn blocks(&mut self, blocks: &[Block]) -> String {
        blocks.iter().map(|block| self.block(block)).collect()
    }

    fn block(&mut self, block: &Block) -> String {
        match block {
            Block::Heading { level, words, anchor } => {
                let anchor = anchor
                    .as_ref()
                    .map_or(String::new(), |name| format!("<a id=\"{name}\"></a>\n\n"));
                format!(
                    "{anchor}{} {}\n\n",
                    "#".repeat(usize::from(*level)),
                    self.words(words).replace('\n', " ")
                )
            }
            Block::Paragraph(words) => format!("{}\n\n", unmarked(self.words(words))),
            Block::Note(words) => format!("*{}*\n\n", escaped(&plain(words))),
            Block::List { start, items } => self.list(*start, items),
            Block::Quote(blocks) => indented(&self.blocks(blocks), "> ", "> "),
            Block::Code { language, text } => fenced(language, text),
            Block::Printed(text) | Block::Problem(text) => fenced("text", text),
            Block::Table(table) => self.table(table),
            Block::Figure(figure) => self.figure(figure),
            Block::Markup { blocks, .. } => self.blocks(blocks),
            Block::Fold { summary, blocks } => {
                let (summary, inside) = (escaped(&plain(summary)), self.blocks(blocks));
                format!("<details><summary>{summary}</summary>\n\n{inside}</details>\n\n")
            }
            Block::Cell { anchor, count, blocks } => {
                let count = count.map_or(String::new(), |count| format!("Cell {count}:\n\n"));
                format!("<a id=\"{anchor}\"></a>\n\n{count}{}", self.blocks(blocks))
            }
            Block::Rule => "---\n\n".into(),
        }
    }

    fn list(&mut self, start: Option<u64>, items: &[Vec<Block>]) -> String {
        let mut made = String::new();
        for (number, item) in (start.unwrap_or(1)..).zip(items) {
            let mark = start.map_or_else(|| "- ".into(), |_| format!("{number}. "));
            let blank = " ".repeat(mark.len());
            made.push_str(indented(&self.blocks(item), &mark, &blank).trim_end());
            made.push('\n');
        }
        made + "\n"
    }

    fn table(&mut self, table: &Table) -> String {
        let width = table.width();
        let mut rows: Vec<_> = table
            .head
            .iter()
            .chain(&table.body)
            .map(|row| {
                let mut cells: Vec<_> = row
                    .iter()
                    .map(|cell| {
                        self.words(&cell.words).replace(['\n', '\r'], " ").replace('|', "\\|")
                    })
                    .collect();
                cells.resize(width, String::new());
                format!("| {} |\n", cells.join(" | "))
            })
            .collect();
        let columns = (0..width).map(|at| if table.holds_numbers(at) { "---:" } else { "---" });
        let rule = format!("| {} |\n", columns.collect::<Vec<_>>().join(" | "));
        // Markdown knows one row of names.
        rows.insert(usize::from(!rows.is_empty()), rule);
        if table.head.is_empty() {
            rows.insert(0, format!("|{}\n", " |".repeat(width)));
            rows.swap(1, 2);
        }
        let more = table.left_out().map_or(String::new(), |said| format!("*{said}*\n\n"));
        format!("{}\n{more}", rows.concat())
    }

    fn figure(&mut self, figure: &Figure) -> String {
        let ending = match figure.mime.as_str() {
            "image/jpeg" => "jpg",
            "image/svg+xml" => "svg",
            "image/gif" => "gif",
            "image/webp" => "webp",
            _ => "png",
        };
        let name = format!("figure-{}.{ending}", self.pictures.len() + 1);
        self.pictures.push((name.clone(), figure.bytes.clone()));
        let alt = escaped(&figure.alt).replace(['\n', '\r'], " ");
        let folder = self.folder.replace(' ', "%20");
        let caption = self.words(&figure.caption);
        format!("![{alt}]({folder}/{name})\n\n{caption}\n\n")
    }

    fn words(&mut self, words: &[Inline]) -> String {
        words.iter().map(|word| self.word(word)).collect()
    }

    fn word(&mut self, word: &Inline) -> String {
        match word {
            Inline::Text(text) => escaped(text),
            Inline::Code(text) => {
                let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
                let ticks = "`".repeat(longest + 1);
                let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
                format!("{ticks}{blank}{}{blank}{ticks}", text.replace(['\n', '\r'], " "))
            }
            Inline::Styled(style, words) => {
                let inside = self.words(words);
                match style {
                    Style::Strong => format!("**{inside}**"),
                    Style::Emphasis => format!("*{inside}*"),
                    Style::Struck => format!("~~{inside}~~"),
                    Style::Raised => format!("<sup>{inside}</sup>"),
                    Style::Lowered => format!("<sub>{inside}</sub>"),
                }
            }
            Inline::Link { target, words, .. } => {
                let address = match target {
                    Target::Here(anchor) => format!("#{anchor}"),
                    Target::Web(address) => {
                        address.replace(' ', "%20").replace('(', "%28").replace(')', "%29")
                    }
                };
                format!("[{}]({address})", self.words(words))
            }
            Inline::Unfound => "<sup>?</sup>".into(),
            Inline::Break => "\\\n".into(),
        }
    }
}

/// Text that stays text, and that nothing is loaded for.
fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                made.push('\\');
                made.push(c);
            }
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '&' => made.push_str("&amp;"),
            c => made.push(c),
        }
    }
    made
}

/// A paragraph whose beginning makes it no list and no heading.
fn unmarked(text: String) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let after = text.get(digits..).unwrap_or_default();
    match text.chars().next() {
        Some('-' | '+' | '#' | '=') => format!("\\{text}"),
        _ if digits > 0 && after.starts_with(['.', ')']) => {
            format!("{}\\{after}", text.get(..digits).unwrap_or_default())
        }
        _ => text,
    }
}

/// A block of code that its text cannot end.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let is_name = language.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+'));
    let language = if is_name { language } else { "" };
    format!("{fence}{language}\n{text}\n{fence}\n\n")
}

/// `text` with `first` before its first line and `others` before the others.
fn indented(text: &str, first: &str, others: &str) -> String {
    let lines = text.trim_end().lines().enumerate();
    let made: String = lines
        .map(|(at, line)| {
            format!("{}{line}", if at == 0 { first } else { others }).trim_end().to_owned() + "\n"
        })
        .collect();
    made + "\n"
}
