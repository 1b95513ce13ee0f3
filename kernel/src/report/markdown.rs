//! Markdown → blocks. Pure.
//!
//! Of HTML in it only what says how text is set is taken; all other elements are left out and their text stays. A
//! picture that is not in the notebook itself becomes its description.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};
use serde_json::Value;

use super::picture;
use super::tree::{Block, Inline, Style, Table, TableCell, Target, is_blank, plain};

/// Blocks and styles that may stand inside one another; what is deeper joins what it stands in.
const DEEPEST: usize = 24;

/// Reads Markdown. `attachments` are those of its cell; `level` is what its highest heading becomes.
pub(super) fn blocks(text: &str, attachments: &Value, level: u8) -> Vec<Block> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(text, options);
    let mut blocks = Reader { events, attachments, depth: 0, n_flat: 0 }.blocks();
    lower(&mut blocks, level);
    blocks
}

/// Reads Markdown that is to stand in one line.
pub(super) fn words(text: &str) -> Vec<Inline> {
    let mut words = Vec::new();
    for block in blocks(text, &Value::Null, 2) {
        if let Block::Paragraph(more) | Block::Heading { words: more, .. } = block {
            words.extend((!words.is_empty()).then(|| Inline::Text(" ".into())));
            words.extend(more);
        }
    }
    words
}

/// Moves headings so that the highest is of `level`.
fn lower(blocks: &mut [Block], level: u8) {
    let highest = blocks.iter().filter_map(|block| match block {
        Block::Heading { level, .. } => Some(*level),
        _ => None,
    });
    let highest = highest.min().unwrap_or(level);
    for block in blocks {
        if let Block::Heading { level: own, .. } = block {
            *own = (*own + level).saturating_sub(highest).min(6);
        }
    }
}

struct Reader<'a> {
    events: Parser<'a>,
    attachments: &'a Value,
    depth: usize,
    /// Tags that have begun below [`DEEPEST`] and count for nothing.
    n_flat: usize,
}

impl<'a> Reader<'a> {
    /// The next event of what is open, none at its end.
    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            match self.events.next()? {
                Event::Start(_) if self.depth > DEEPEST => self.n_flat += 1,
                Event::End(_) if self.n_flat > 0 => self.n_flat -= 1,
                Event::End(_) => return None,
                event => return Some(event),
            }
        }
    }

    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let made = read(self);
        self.depth -= 1;
        made
    }

    /// Blocks up to the end of what is open. Words outside of any, as in a tight list, are a paragraph.
    fn blocks(&mut self) -> Vec<Block> {
        let (mut blocks, mut loose) = (Vec::new(), Words::default());
        while let Some(event) = self.next() {
            match event {
                Event::Start(tag) if is_block(&tag) => {
                    loose.end(&mut blocks);
                    self.inside(|reader| reader.block(tag, &mut blocks));
                }
                Event::Rule => {
                    loose.end(&mut blocks);
                    blocks.push(Block::Rule);
                }
                event => self.word(event, &mut loose),
            }
        }
        loose.end(&mut blocks);
        blocks
    }

    fn block(&mut self, tag: Tag<'a>, blocks: &mut Vec<Block>) {
        match tag {
            Tag::Paragraph => {
                let mut words = self.words();
                words.end(blocks);
            }
            Tag::Heading { level, .. } => {
                let Words { set: words, mut figures, .. } = self.words();
                // A `#` alone, or a picture: no reader could find it, and pages must name each heading.
                if !is_blank(&words) {
                    blocks.push(Block::Heading { level: depth_of(level), words, anchor: None });
                }
                blocks.append(&mut figures);
            }
            Tag::BlockQuote(_) => {
                let inner = self.blocks();
                blocks.push(Block::Quote(inner));
            }
            Tag::List(start) => {
                let items = self.groups(Self::blocks);
                blocks.push(Block::List { start, items });
            }
            Tag::CodeBlock(kind) => {
                let language = match &kind {
                    CodeBlockKind::Fenced(info) => info.split_whitespace().next(),
                    CodeBlockKind::Indented => None,
                };
                let text = plain(&self.words().set).trim_end().to_owned();
                blocks.push(Block::Code { language: language.unwrap_or_default().into(), text });
            }
            Tag::Table(_) => {
                let table = self.table();
                blocks.push(Block::Table(table));
            }
            _ => blocks.extend(self.blocks()),
        }
    }

    /// What `read` makes of each thing inside of what is open.
    fn groups<T>(&mut self, read: impl Fn(&mut Self) -> T) -> Vec<T> {
        let mut all = Vec::new();
        while let Some(event) = self.next() {
            if let Event::Start(_) = event {
                all.push(self.inside(&read));
            }
        }
        all
    }

    fn table(&mut self) -> Table {
        let mut table = Table::default();
        while let Some(event) = self.next() {
            let Event::Start(tag) = event else { continue };
            let is_head = matches!(tag, Tag::TableHead);
            let cell = |reader: &mut Self| {
                let words = reader.words().set;
                TableCell { words: words.clone(), ..TableCell::text(&plain(&words), is_head) }
            };
            let row = self.inside(|reader| reader.groups(cell));
            if is_head { &mut table.head } else { &mut table.body }.push(row);
        }
        table.within(usize::MAX, Table::MOST_COLUMNS)
    }

    fn words(&mut self) -> Words {
        let mut words = Words::default();
        while let Some(event) = self.next() {
            self.word(event, &mut words);
        }
        words
    }

    fn word(&mut self, event: Event<'a>, to: &mut Words) {
        match event {
            Event::Text(text) => to.say(Inline::Text(text.into_string())),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                to.say(Inline::Code(text.into_string()));
            }
            Event::SoftBreak => to.say(Inline::Text(" ".into())),
            Event::HardBreak => to.say(Inline::Break),
            Event::TaskListMarker(done) => {
                to.say(Inline::Text(if done { "☑ " } else { "☐ " }.into()));
            }
            Event::InlineHtml(html) | Event::Html(html) => to.element(&html),
            Event::Start(tag) => {
                let made = self.inside(|reader| reader.styled(tag));
                for part in made {
                    to.add(part);
                }
            }
            Event::End(_) | Event::Rule | Event::FootnoteReference(_) => {}
        }
    }

    fn styled(&mut self, tag: Tag<'a>) -> Vec<Part> {
        let words = self.words();
        let style = match tag {
            Tag::Strong => Style::Strong,
            Tag::Emphasis => Style::Emphasis,
            Tag::Strikethrough => Style::Struck,
            Tag::Link { dest_url, title, .. } => {
                let Some(target) = target(&dest_url) else { return words.parts() };
                let link = Inline::Link { target, title: title.into_string(), words: words.set };
                return vec![Part::Word(link)];
            }
            Tag::Image { dest_url, .. } => return vec![self.image(&dest_url, plain(&words.set))],
            _ => return words.parts(),
        };
        vec![Part::Word(Inline::Styled(style, words.set))]
    }

    /// A picture that the notebook holds; of any other one its description.
    fn image(&self, address: &str, alt: String) -> Part {
        let attached = address.strip_prefix("attachment:").map(|name| &self.attachments[name]);
        let found = match attached {
            Some(data) => picture::of_bundle(data),
            None => picture::of_data_url(address),
        };
        match found {
            Some(figure) => Part::Figure(Block::Figure(super::tree::Figure { alt, ..figure })),
            None => Part::Word(Inline::Text(format!("[picture: {alt}]"))),
        }
    }
}

/// A word, or a picture that stood among words.
enum Part {
    Word(Inline),
    Figure(Block),
}

/// Words that are being gathered.
#[derive(Default)]
struct Words {
    set: Vec<Inline>,
    figures: Vec<Block>,
    /// Elements of HTML that have begun, and how many words stood before them.
    open: Vec<(Style, usize)>,
}

impl Words {
    fn say(&mut self, word: Inline) {
        match (self.set.last_mut(), word) {
            (Some(Inline::Text(before)), Inline::Text(more)) if self.open.is_empty() => {
                before.push_str(&more);
            }
            (_, word) => self.set.push(word),
        }
    }

    fn add(&mut self, part: Part) {
        match part {
            Part::Word(word) => self.say(word),
            Part::Figure(figure) => self.figures.push(figure),
        }
    }

    fn parts(self) -> Vec<Part> {
        let figures = self.figures.into_iter().map(Part::Figure);
        self.set.into_iter().map(Part::Word).chain(figures).collect()
    }

    /// An element of HTML: one tag.
    fn element(&mut self, html: &str) {
        let name = html.trim().trim_start_matches('<').trim_end_matches(['>', '/', ' ']);
        if name.eq_ignore_ascii_case("br") {
            return self.say(Inline::Break);
        }
        match name.strip_prefix('/') {
            None => self.open.extend(style_of(name).map(|style| (style, self.set.len()))),
            Some(name) => {
                let Some(style) = style_of(name) else { return };
                let Some(at) = self.open.iter().rposition(|(open, _)| *open == style) else {
                    return;
                };
                let (_, from) = self.open.remove(at);
                self.open.truncate(at);
                let words = self.set.split_off(from.min(self.set.len()));
                let is_mark = style == Style::Raised && plain(&words) == super::UNFOUND;
                self.set.push(if is_mark { Inline::Unfound } else { Inline::Styled(style, words) });
            }
        }
    }

    /// Ends a paragraph; its pictures stand below it.
    fn end(&mut self, blocks: &mut Vec<Block>) {
        self.open.clear();
        let words = std::mem::take(&mut self.set);
        if !plain(&words).trim().is_empty() {
            blocks.push(Block::Paragraph(words));
        }
        blocks.append(&mut self.figures);
    }
}

fn style_of(element: &str) -> Option<Style> {
    Some(match element.to_ascii_lowercase().as_str() {
        "b" | "strong" => Style::Strong,
        "i" | "em" => Style::Emphasis,
        "s" | "del" => Style::Struck,
        "sup" => Style::Raised,
        "sub" => Style::Lowered,
        _ => return None,
    })
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(
        tag,
        Tag::Strong | Tag::Emphasis | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. }
    )
}

fn depth_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Where an address leads, if it is a cell, a page or a mailbox; anything else could run something.
fn target(address: &str) -> Option<Target> {
    if let Some(cell) = address.strip_prefix("#cell-id=") {
        return Some(Target::Here(super::anchor_of_cell(cell)));
    }
    let lower = address.to_ascii_lowercase();
    let known = ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
    known.then(|| Target::Web(address.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(markdown: &str, expected: &str) {
        assert_eq!(format!("{:?}", blocks(markdown, &Value::Null, 3)), expected);
    }

    #[test]
    fn what_would_run_or_load_something_is_text() {
        check("[x](javascript:f())", r#"[Paragraph([Text("x")])]"#);
        check("![plot](https://host/a.png)", r#"[Paragraph([Text("[picture: plot]")])]"#);
        check("<script>f()</script>", "[]");
        check("a <img src=u onerror=f()> b", r#"[Paragraph([Text("a  b")])]"#);
        check(
            "<div onclick=f()>\n\na *b*",
            r#"[Paragraph([Text("a "), Styled(Emphasis, [Text("b")])])]"#,
        );
    }

    #[test]
    fn headings_begin_where_they_are_to_begin() {
        check(
            "# a\n## b",
            r#"[Heading { level: 3, words: [Text("a")], anchor: None }, Heading { level: 4, words: [Text("b")], anchor: None }]"#,
        );
    }

    #[test]
    fn a_heading_that_says_nothing_is_none() {
        check("#\n\n## <b></b>\n\n# &#7;\n\na", r#"[Paragraph([Text("a")])]"#);
        let attachments = json!({"a.png": {"image/png": "iVBORw0KGgo="}});
        let made = blocks("# ![b](attachment:a.png)", &attachments, 3);
        assert!(matches!(&made[..], [Block::Figure(_)]), "{made:?}");
    }

    #[test]
    fn a_number_that_no_cell_printed_is_marked() {
        check(
            "7<sup>?</sup> m<sup>2</sup>",
            r#"[Paragraph([Text("7"), Unfound, Text(" m"), Styled(Raised, [Text("2")])])]"#,
        );
    }

    #[test]
    fn a_picture_in_the_notebook_is_one() {
        let attachments = json!({"a.png": {"image/png": "iVBORw0KGgo="}});
        let made = blocks("See ![b](attachment:a.png)", &attachments, 3);
        assert!(
            matches!(&made[..], [Block::Paragraph(_), Block::Figure(figure)] if figure.alt == "b"),
            "{made:?}"
        );
    }

    #[test]
    fn what_stands_too_deep_joins_what_it_stands_in() {
        let deep = format!("{}x", "> ".repeat(50_000));
        assert!(format!("{:?}", blocks(&deep, &Value::Null, 2)).contains("Text(\"x\")"));
        let styled = format!("{}x{}", "**a *b ".repeat(5_000), "* **".repeat(5_000));
        assert!(!blocks(&styled, &Value::Null, 2).is_empty());
    }
}
