//! A report as one page: pictures and styles in it, no script, nothing that is loaded. Pure.

use std::fmt::Write as _;

use super::picture::data_url;
use super::tree::{Block, Figure, Inline, Report, Style, Table, TableCell, Target, plain};
use crate::terminal::turns_order;

const STYLE: &str = include_str!("style.css");

/// What the page may do, for the browser to hold it to, should something have got through: show what is in it.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Writes the page.
pub(super) fn page(report: &Report) -> String {
    let mut page = Page(String::new());
    page.put(&format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"Datarus {}\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#text\">Skip to the text</a>\n<main id=\"text\">\n<h1 dir=\"auto\">",
        escaped(&report.language),
        env!("CARGO_PKG_VERSION"),
        escaped(&plain(&report.title)),
    ));
    page.words(&report.title);
    page.put("</h1>\n");
    page.blocks(&report.blocks);
    page.put("</main>\n</body>\n</html>\n");
    page.0
}

/// The page so far.
struct Page(String);

impl Page {
    fn put(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading { level, words, anchor } => {
                let id = anchor.as_deref().map_or(String::new(), id);
                self.line(&format!("h{level}"), &format!("{id} dir=\"auto\""), words);
            }
            Block::Paragraph(words) => self.line("p", " dir=\"auto\"", words),
            Block::Note(words) => self.line("p", " class=\"note\" dir=\"auto\"", words),
            Block::List { start, items } => self.list(*start, items),
            Block::Quote(blocks) => self.around("blockquote", "", blocks),
            Block::Code { text, .. } => self.pre("code", "Code", text),
            Block::Printed(text) => self.pre("printed", "Output", text),
            Block::Problem(text) => self.pre("problem", "Error output", text),
            Block::Table(table) => self.table(table),
            Block::Figure(figure) => self.figure(figure),
            Block::Markup { html, .. } => {
                let region =
                    "<div class=\"scroll\" role=\"region\" aria-label=\"Output\" tabindex=\"0\">";
                self.put(&format!("{region}{html}</div>\n"));
            }
            Block::Fold { summary, blocks } => {
                self.put("<details>\n");
                self.line("summary", " dir=\"auto\"", summary);
                self.blocks(blocks);
                self.put("</details>\n");
            }
            Block::Cell { anchor, count, blocks } => self.cell(anchor, *count, blocks),
            Block::Rule => self.put("<hr>\n"),
        }
    }

    fn line(&mut self, element: &str, attributes: &str, words: &[Inline]) {
        self.put(&format!("<{element}{attributes}>"));
        self.words(words);
        self.put(&format!("</{element}>\n"));
    }

    fn around(&mut self, element: &str, attributes: &str, blocks: &[Block]) {
        self.put(&format!("<{element}{attributes}>\n"));
        self.blocks(blocks);
        self.put(&format!("</{element}>\n"));
    }

    fn list(&mut self, start: Option<u64>, items: &[Vec<Block>]) {
        let (element, attributes) = match start {
            Some(1) => ("ol", String::new()),
            Some(start) => ("ol", format!(" start=\"{start}\"")),
            None => ("ul", String::new()),
        };
        self.put(&format!("<{element}{attributes}>\n"));
        for item in items {
            match &item[..] {
                // A tight list.
                [Block::Paragraph(words)] => self.line("li", " dir=\"auto\"", words),
                blocks => self.around("li", " dir=\"auto\"", blocks),
            }
        }
        self.put(&format!("</{element}>\n"));
    }

    /// Text that may be wider than the page: it can be scrolled by keyboard, too.
    fn pre(&mut self, class: &str, label: &str, text: &str) {
        let text = escaped(text);
        self.put(&format!(
            "<pre class=\"{class}\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\"><code>{text}</code></pre>\n"
        ));
    }

    fn cell(&mut self, anchor: &str, count: Option<u64>, blocks: &[Block]) {
        self.put(&format!("<section class=\"cell\"{}>\n", id(anchor)));
        if let Some(count) = count {
            self.put(&format!("<p class=\"count\">Cell {count}</p>\n"));
        }
        self.blocks(blocks);
        self.put("</section>\n");
    }

    fn figure(&mut self, figure: &Figure) {
        let size = figure.size.map_or(String::new(), |(width, height)| {
            format!(" width=\"{width}\" height=\"{height}\"")
        });
        let (url, alt) = (data_url(figure), escaped(&figure.alt));
        self.put(&format!("<figure>\n<img src=\"{url}\" alt=\"{alt}\"{size}>\n"));
        if !figure.caption.is_empty() {
            self.line("figcaption", " dir=\"auto\"", &figure.caption);
        }
        self.put("</figure>\n");
    }

    fn table(&mut self, table: &Table) {
        self.put(
            "<div class=\"scroll\" role=\"region\" aria-label=\"Table\" tabindex=\"0\">\n<table>\n",
        );
        for (part, rows, scope) in [("thead", &table.head, "col"), ("tbody", &table.body, "row")] {
            if rows.is_empty() {
                continue;
            }
            self.put(&format!("<{part}>\n"));
            for row in rows {
                self.put("<tr>");
                for cell in row {
                    self.table_cell(cell, scope);
                }
                self.put("</tr>\n");
            }
            self.put(&format!("</{part}>\n"));
        }
        self.put("</table>\n</div>\n");
        if let Some(said) = table.left_out() {
            self.put(&format!("<p class=\"note\">{said}</p>\n"));
        }
    }

    fn table_cell(&mut self, cell: &TableCell, scope: &str) {
        let (element, mut attributes) = match (cell.is_header, cell.words.is_empty()) {
            // A corner that says nothing names nothing.
            (true, _) if plain(&cell.words).trim().is_empty() => ("td", String::new()),
            (true, _) => ("th", format!(" scope=\"{scope}\"")),
            (false, _) => ("td", String::new()),
        };
        if cell.is_number {
            attributes.push_str(" class=\"number\"");
        }
        if cell.is_header || !cell.is_number {
            attributes.push_str(" dir=\"auto\"");
        }
        self.put(&format!("<{element}{attributes}>"));
        self.words(&cell.words);
        self.put(&format!("</{element}>"));
    }

    fn words(&mut self, words: &[Inline]) {
        for word in words {
            self.word(word);
        }
    }

    fn word(&mut self, word: &Inline) {
        match word {
            Inline::Text(text) => self.put(&escaped(text)),
            Inline::Code(text) => self.put(&format!("<code>{}</code>", escaped(text))),
            Inline::Styled(style, words) => {
                let element = match style {
                    Style::Strong => "strong",
                    Style::Emphasis => "em",
                    Style::Struck => "s",
                    Style::Raised => "sup",
                    Style::Lowered => "sub",
                };
                self.put(&format!("<{element}>"));
                self.words(words);
                self.put(&format!("</{element}>"));
            }
            Inline::Link { target, title, words } => {
                let (class, address) = match target {
                    Target::Here(anchor) if anchor.starts_with("cell-") => (" class=\"source\"", format!("#{anchor}")),
                    Target::Here(anchor) => ("", format!("#{anchor}")),
                    Target::Web(address) => (" rel=\"noopener noreferrer nofollow\"", address.clone()),
                };
                let title = if title.is_empty() { title.clone() } else { format!(" title=\"{}\"", escaped(title)) };
                self.put(&format!("<a href=\"{}\"{class}{title}>", escaped(&address)));
                self.words(words);
                self.put("</a>");
            }
            Inline::Unfound => self.put(
                "<sup class=\"unfound\" title=\"found in no output\">?<span class=\"unseen\"> (found in no output)</span></sup>",
            ),
            Inline::Break => self.put("<br>"),
        }
    }
}

fn id(anchor: &str) -> String {
    format!(" id=\"{}\"", escaped(anchor))
}

/// Text as HTML. What browsers take for no character, they are given the sign for.
fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\'' => made.push_str("&#39;"),
            '\n' | '\t' => made.push(c),
            c if c.is_control() => made.push('\u{fffd}'),
            c if turns_order(c) => {
                let _ = write!(made, "[U+{:04X}]", u32::from(c));
            }
            c => made.push(c),
        }
    }
    made
}
