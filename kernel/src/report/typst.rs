//! A report as source for Typst, which sets it as pages. Pure.
//!
//! Foreign text stands in string literals alone: nothing of it is markup or code there.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::paper::{Script, is_rtl, scripts, unfolded};
use super::tree::{Block, Figure, Inline, Report, Style, Table, Target, plain};
use crate::cells::hex;
use crate::terminal::turns_order;

const TEMPLATE: &str = include_str!("template.typ");

/// Widest and highest picture, in points: what is left of a page beside its margins and a caption.
const WIDEST: f64 = 470.0;
const HIGHEST: f64 = 560.0;

/// Points of a CSS pixel.
const POINTS: f64 = 0.75;

/// Characters of a word in a table from which on it may be broken.
const LONG_WORD: usize = 70;

/// Files that Typst makes pages of.
#[derive(Debug, Clone, PartialEq)]
pub struct Typst {
    /// The main file.
    pub source: String,
    /// Names and contents of the pictures that it draws.
    pub pictures: Vec<(String, Vec<u8>)>,
    /// Scripts that it needs fonts for.
    pub scripts: Vec<&'static Script>,
}

/// Writes the files.
pub(super) fn source(report: &Report) -> Typst {
    let mut writer = Writer { pictures: Vec::new() };
    let blocks = unfolded(&report.blocks);
    let body = writer.blocks(&blocks);
    let scripts = scripts(&(plain(&report.title) + &body));
    let families = scripts.iter().flat_map(|script| script.families).map(|family| string(family));
    let fonts: String = families.map(|family| family + ", ").collect();
    let (language, title) = (string(&language(&report.language)), writer.words(&report.title));
    let name = string(&plain(&report.title));
    let source = format!(
        "{TEMPLATE}\n#show: report.with(language: {language}, name: {name}, families: ({fonts}), title: {title})\n\n{body}"
    );
    Typst { source, pictures: writer.pictures, scripts }
}

/// Typst takes two or three letters.
fn language(tag: &str) -> String {
    let first = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let fits =
        (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    if fits { first } else { "en".into() }
}

struct Writer {
    pictures: Vec<(String, Vec<u8>)>,
}

impl Writer {
    fn blocks(&mut self, blocks: &[Block]) -> String {
        let following = blocks.iter().skip(1).map(Some).chain([None]);
        let pairs: Vec<_> = blocks.iter().zip(following).collect();
        let made = pairs.into_iter().map(|pair| match pair {
            // At the foot of a page, what leads to code would stand alone.
            (Block::Paragraph(words), Some(Block::Code { .. } | Block::Printed(_))) => {
                turned(words, &format!("#lead({})", self.words(words)))
            }
            (block, _) => self.block(block),
        });
        made.collect()
    }

    fn block(&mut self, block: &Block) -> String {
        match block {
            Block::Heading { level, words, anchor } => {
                let label = anchor.as_deref().map_or(String::new(), label);
                let made = format!("#heading(level: {level}, {}){label}", self.words(words));
                turned(words, &made)
            }
            Block::Paragraph(words) => turned(words, &format!("#par({})", self.words(words))),
            Block::Note(words) => turned(words, &format!("#note({})", self.words(words))),
            Block::List { start, items } => {
                let items: Vec<_> =
                    items.iter().map(|item| format!("[{}]", self.blocks(item))).collect();
                let items = items.join(", ");
                match start {
                    Some(start) => format!("#enum(start: {start}, {items})\n\n"),
                    None => format!("#list({items})\n\n"),
                }
            }
            Block::Quote(blocks) => format!("#said[{}]\n\n", self.blocks(blocks)),
            Block::Code { language, text } => {
                format!("#code({}, {})\n\n", string(language), string(text))
            }
            Block::Printed(text) => format!("#printed({})\n\n", string(text)),
            Block::Problem(text) => format!("#problem({})\n\n", string(text)),
            Block::Table(table) => self.table(table),
            Block::Figure(figure) => self.figure(figure),
            Block::Markup { blocks, .. } | Block::Fold { blocks, .. } => self.blocks(blocks),
            Block::Cell { anchor, count, blocks } => {
                let count = count.map_or("none".into(), |count| count.to_string());
                format!("#cell({count}){}\n{}", label(anchor), self.blocks(blocks))
            }
            Block::Rule => "#line(length: 100%, stroke: 0.5pt + luma(80%))\n\n".into(),
        }
    }

    fn table(&mut self, table: &Table) -> String {
        let width = table.width();
        if width == 0 {
            return String::new();
        }
        let mut row = |cells: &[super::tree::TableCell]| -> String {
            let mut made = String::new();
            for cell in cells {
                let words = self.words(&breakable(&cell.words));
                let words = if cell.is_header { format!("strong({words})") } else { words };
                made.push_str(if cell.is_number { "align(right, " } else { "(" });
                made.push_str(&words);
                made.push_str("), ");
            }
            made.push_str(&"[], ".repeat(width - cells.len().min(width)));
            made
        };
        let head: String = table.head.iter().map(|cells| row(cells)).collect();
        let body: String = table.body.iter().map(|cells| row(cells) + "\n").collect();
        let header = if head.is_empty() { head } else { format!("table.header({head}),\n") };
        let note = |said: String| format!("#note({})\n\n", string(&said));
        let more = table.left_out().map_or(String::new(), note);
        format!("#rows({width}, {header}{body})\n\n{more}")
    }

    fn figure(&mut self, figure: &Figure) -> String {
        let ending = figure.mime.trim_start_matches("image/").trim_end_matches("+xml");
        let name = format!("figure-{}.{ending}", self.pictures.len() + 1);
        self.pictures.push((name.clone(), figure.bytes.clone()));
        let size = match figure.size {
            Some((width, height)) => {
                let (width, height) = (f64::from(width) * POINTS, f64::from(height) * POINTS);
                let scale = (WIDEST / width).min(HIGHEST / height).min(1.0);
                format!("width: {:.1}pt", width * scale)
            }
            None => format!("width: {:.0}pt, height: {:.0}pt", WIDEST * 0.8, WIDEST * 0.6),
        };
        let (name, alt, caption) =
            (string(&name), string(&figure.alt), self.words(&figure.caption));
        format!("#picture({name}, {alt}, {caption}, {size})\n\n")
    }

    /// An expression whose value is the words.
    fn words(&mut self, words: &[Inline]) -> String {
        let words: Vec<_> = words.iter().map(|word| self.word(word)).collect();
        if words.is_empty() { "[]".into() } else { format!("({})", words.join(" + ")) }
    }

    fn word(&mut self, word: &Inline) -> String {
        match word {
            Inline::Text(text) => string(text),
            Inline::Code(text) => format!("raw({})", string(text)),
            Inline::Styled(style, words) => {
                let function = match style {
                    Style::Strong => "strong",
                    Style::Emphasis => "emph",
                    Style::Struck => "strike",
                    Style::Raised => "super",
                    Style::Lowered => "sub",
                };
                format!("{function}({})", self.words(words))
            }
            Inline::Link { target: Target::Here(anchor), words, .. } => {
                format!("link({}, {})", label(anchor), self.words(words))
            }
            Inline::Link { target: Target::Web(address), words, .. } => {
                format!("link({}, {})", string(address), self.words(words))
            }
            Inline::Unfound => "unfound".into(),
            Inline::Break => "linebreak()".into(),
        }
    }
}

/// A block whose words may be written from right to left.
fn turned(words: &[Inline], block: &str) -> String {
    if is_rtl(&plain(words)) { format!("#turned[{block}]\n\n") } else { format!("{block}\n\n") }
}

/// Words of a table with places where very long ones may be broken.
fn breakable(words: &[Inline]) -> Vec<Inline> {
    let broken = |text: &str| {
        let mut made = String::with_capacity(text.len());
        for word in text.split_inclusive(' ') {
            let is_long = word.chars().count() > LONG_WORD;
            for (at, c) in word.chars().enumerate() {
                made.extend((is_long && at > 0 && at % 16 == 0).then_some('\u{200b}'));
                made.push(c);
            }
        }
        made
    };
    let each = |word: &Inline| match word {
        Inline::Text(text) => Inline::Text(broken(text)),
        other => other.clone(),
    };
    words.iter().map(each).collect()
}

/// The label of an anchor; an anchor may hold what a label may not.
fn label(anchor: &str) -> String {
    let name = hex(&Sha256::digest(anchor.as_bytes()));
    format!("<at-{}>", name.get(..16).unwrap_or_default())
}

/// A string literal.
///
/// # Source
/// <https://typst.app/docs/reference/foundations/str/>: the escapes of strings.
fn string(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + 2);
    made.push('"');
    for c in text.chars() {
        match c {
            '"' => made.push_str("\\\""),
            '\\' => made.push_str("\\\\"),
            '\n' => made.push_str("\\n"),
            '\t' => made.push_str("    "),
            c if c.is_control() => {}
            c if turns_order(c) => {
                let _ = write!(made, "[U+{:04X}]", u32::from(c));
            }
            c => made.push(c),
        }
    }
    made.push('"');
    made
}
