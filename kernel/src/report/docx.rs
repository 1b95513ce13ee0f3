//! A report as `WordprocessingML`, what Word and `LibreOffice` read. Pure.
//!
//! # Source
//! ECMA-376, part 1: the elements of `word/document.xml` and the order of their children.

mod parts;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::paper::{is_rtl, unfolded};
use super::tree::{Block, Figure, Inline, Report, Style, Table, TableCell, Target, plain};
use crate::cells::hex;
use crate::terminal::turns_order;
use parts::Package;

/// EMU of a CSS pixel: 914,400 in an inch, which has 96 pixels.
const EMU: u64 = 9_525;

/// Widest and highest picture in EMU: what is left of a page of A4 beside its margins and a caption.
const WIDEST: u64 = 5_900_000;
const HIGHEST: u64 = 7_600_000;

/// Width of the text in twentieths of a point.
const TEXT_WIDTH: usize = 9_300;

/// Writes the file.
pub(super) fn document(report: &Report) -> Vec<u8> {
    let mut writer =
        Writer { package: Package::default(), body: String::new(), n_ids: 0, list: None, depth: 0 };
    writer.paragraph("Title", &report.title, None);
    writer.blocks(&unfolded(&report.blocks));
    let Writer { package, body, .. } = writer;
    package.zipped(&body, &plain(&report.title), &report.language)
}

struct Writer {
    package: Package,
    body: String,
    /// Ids of bookmarks and pictures so far.
    n_ids: usize,
    /// The list whose item begins: its number, and how deep it is.
    list: Option<(usize, usize)>,
    /// Lists around.
    depth: usize,
}

impl Writer {
    fn put(&mut self, xml: &str) {
        self.body.push_str(xml);
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading { level, words, anchor } => {
                self.paragraph(&format!("Heading{level}"), words, anchor.as_deref());
            }
            Block::Paragraph(words) => self.paragraph("Normal", words, None),
            Block::Note(words) => self.paragraph("Note", words, None),
            Block::List { start, items } => self.list(*start, items),
            Block::Quote(blocks) => {
                for block in blocks {
                    match block {
                        Block::Paragraph(words) => self.paragraph("Quote", words, None),
                        other => self.block(other),
                    }
                }
            }
            Block::Code { text, .. } => self.lines("Code", text),
            Block::Printed(text) => self.lines("Output", text),
            Block::Problem(text) => self.lines("Problem", text),
            Block::Table(table) => self.table(table),
            Block::Figure(figure) => self.figure(figure),
            Block::Markup { blocks, .. } | Block::Fold { blocks, .. } => self.blocks(blocks),
            Block::Cell { anchor, count, blocks } => {
                let label = count.map_or(String::new(), |count| format!("Cell {count}"));
                self.paragraph("Count", &[Inline::Text(label)], Some(anchor));
                self.blocks(blocks);
            }
            Block::Rule => self.put(
                "<w:p><w:pPr><w:pBdr><w:bottom w:val=\"single\" w:sz=\"4\" w:space=\"1\" w:color=\"BBBBBB\"/></w:pBdr></w:pPr></w:p>",
            ),
        }
    }

    fn paragraph(&mut self, style: &str, words: &[Inline], anchor: Option<&str>) {
        let rtl = is_rtl(&plain(words));
        let numbering = self.list.take().map_or(String::new(), |(number, depth)| {
            format!("<w:numPr><w:ilvl w:val=\"{depth}\"/><w:numId w:val=\"{number}\"/></w:numPr>")
        });
        // What follows in an item stands below its first line.
        let indent = match (numbering.is_empty(), self.depth) {
            (true, depth @ 1..) if style == "Normal" => {
                format!("<w:ind w:left=\"{}\"/>", 360 * depth)
            }
            _ => String::new(),
        };
        let bidi = if rtl { "<w:bidi/>" } else { "" };
        self.put(&format!(
            "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/>{numbering}{bidi}{indent}</w:pPr>"
        ));
        if let Some(anchor) = anchor {
            self.n_ids += 1;
            let (id, name) = (self.n_ids, bookmark(anchor));
            self.put(&format!(
                "<w:bookmarkStart w:id=\"{id}\" w:name=\"{name}\"/><w:bookmarkEnd w:id=\"{id}\"/>"
            ));
        }
        self.words(words, if rtl { "<w:rtl/>" } else { "" });
        self.put("</w:p>");
    }

    fn list(&mut self, start: Option<u64>, items: &[Vec<Block>]) {
        let number = self.package.list(start, self.depth);
        self.depth += 1;
        for item in items {
            self.list = Some((number, (self.depth - 1).min(8)));
            self.blocks(item);
            self.list = None;
        }
        self.depth -= 1;
    }

    /// Text whose lines stay as they are.
    fn lines(&mut self, style: &str, text: &str) {
        self.put(&format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r>"));
        for (at, line) in text.lines().enumerate() {
            let line = escaped(line);
            let begin = if at > 0 { "<w:br/>" } else { "" };
            self.put(&format!("{begin}<w:t xml:space=\"preserve\">{line}</w:t>"));
        }
        self.put("</w:r></w:p>");
    }

    fn table(&mut self, table: &Table) {
        let width = table.width();
        if width == 0 {
            return;
        }
        let of_one = TEXT_WIDTH / width;
        self.put("<w:tbl><w:tblPr><w:tblStyle w:val=\"Rows\"/><w:tblW w:w=\"0\" w:type=\"auto\"/><w:tblLook w:firstRow=\"1\" w:firstColumn=\"0\" w:noHBand=\"1\" w:noVBand=\"1\"/></w:tblPr><w:tblGrid>");
        self.put(&format!("<w:gridCol w:w=\"{of_one}\"/>").repeat(width));
        self.put("</w:tblGrid>");
        for (rows, is_head) in [(&table.head, true), (&table.body, false)] {
            for row in rows {
                let header = if is_head { "<w:tblHeader/>" } else { "" };
                self.put(&format!("<w:tr><w:trPr><w:cantSplit/>{header}</w:trPr>"));
                for cell in row {
                    self.table_cell(cell);
                }
                self.put(&"<w:tc><w:p/></w:tc>".repeat(width - row.len().min(width)));
                self.put("</w:tr>");
            }
        }
        self.put("</w:tbl>");
        let more = table.left_out().unwrap_or_default();
        // A table that follows would become one with this.
        self.paragraph("Note", &[Inline::Text(more)], None);
    }

    fn table_cell(&mut self, cell: &TableCell) {
        let align = if cell.is_number { "<w:jc w:val=\"right\"/>" } else { "" };
        self.put(&format!("<w:tc><w:p><w:pPr><w:pStyle w:val=\"Cell\"/>{align}</w:pPr>"));
        self.words(&cell.words, if cell.is_header { "<w:b/>" } else { "" });
        self.put("</w:p></w:tc>");
    }

    fn figure(&mut self, figure: &Figure) {
        let Some(relation) = self.package.picture(&figure.mime, &figure.bytes) else {
            let said = format!("[a picture that Word cannot show: {}]", figure.alt);
            return self.paragraph("Note", &[Inline::Text(said)], None);
        };
        let (width, height) = figure.size.unwrap_or((640, 480));
        let (width, height) = (u64::from(width) * EMU, u64::from(height) * EMU);
        let (width, height) = fitted(width, height);
        self.n_ids += 1;
        let (id, alt) = (self.n_ids, escaped(&figure.alt));
        self.put(&parts::drawing(relation, id, width, height, &alt));
        self.paragraph("Caption", &figure.caption, None);
    }

    fn words(&mut self, words: &[Inline], properties: &str) {
        for word in words {
            self.word(word, properties);
        }
    }

    /// `properties` are those of the run, in the order of the schema: each style adds one of its own.
    fn word(&mut self, word: &Inline, properties: &str) {
        match word {
            Inline::Text(text) => self.run(properties, text),
            Inline::Code(text) => self.run(&named("Typed", properties), text),
            Inline::Styled(style, words) => {
                let own = match style {
                    Style::Strong => "<w:b/>",
                    Style::Emphasis => "<w:i/>",
                    Style::Struck => "<w:strike/>",
                    Style::Raised => "<w:vertAlign w:val=\"superscript\"/>",
                    Style::Lowered => "<w:vertAlign w:val=\"subscript\"/>",
                };
                let all = if properties.contains(own) {
                    properties.to_owned()
                } else {
                    ordered(properties, own)
                };
                self.words(words, &all);
            }
            Inline::Link { target, words, .. } => {
                let begin = match target {
                    Target::Here(anchor) => {
                        format!("<w:hyperlink w:anchor=\"{}\">", bookmark(anchor))
                    }
                    Target::Web(address) => {
                        format!("<w:hyperlink r:id=\"{}\">", self.package.address(address))
                    }
                };
                self.put(&begin);
                self.words(words, &named("Hyperlink", properties));
                self.put("</w:hyperlink>");
            }
            Inline::Unfound => self
                .run("<w:b/><w:color w:val=\"8A2A0B\"/><w:vertAlign w:val=\"superscript\"/>", "?"),
            Inline::Break => self.put("<w:r><w:br/></w:r>"),
        }
    }

    fn run(&mut self, properties: &str, text: &str) {
        if !text.is_empty() {
            let text = escaped(text);
            self.put(&format!(
                "<w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>"
            ));
        }
    }
}

/// The properties of a run in a style; a run has one at most, the outermost.
fn named(style: &str, properties: &str) -> String {
    if properties.starts_with("<w:rStyle") {
        return properties.to_owned();
    }
    format!("<w:rStyle w:val=\"{style}\"/>{properties}")
}

/// The properties of a run with one more, in the order that the schema demands.
fn ordered(properties: &str, own: &str) -> String {
    const ORDER: [&str; 6] =
        ["<w:rStyle", "<w:b/>", "<w:i/>", "<w:strike/>", "<w:vertAlign", "<w:rtl/>"];
    let mut all: Vec<String> = properties.split_inclusive("/>").map(str::to_owned).collect();
    all.push(own.to_owned());
    let place = |property: &String| ORDER.iter().position(|start| property.starts_with(start));
    all.sort_by_key(place);
    all.concat()
}

/// A size within the page.
fn fitted(width: u64, height: u64) -> (u64, u64) {
    let (width, height) =
        if width > WIDEST { (WIDEST, height * WIDEST / width) } else { (width, height) };
    if height > HIGHEST {
        ((width * HIGHEST / height).max(1), HIGHEST)
    } else {
        (width, height.max(1))
    }
}

/// The name of a bookmark: at most 40 characters, letters and digits.
fn bookmark(anchor: &str) -> String {
    let hash = hex(&Sha256::digest(anchor.as_bytes()));
    format!("at{}", hash.get(..16).unwrap_or_default())
}

/// Text as XML 1.0, which has no control characters.
fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\n' | '\t' => made.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c if turns_order(c) => {
                let _ = write!(made, "[U+{:04X}]", u32::from(c));
            }
            c => made.push(c),
        }
    }
    made
}
