//! Outputs of a cell → blocks. Pure.
//!
//! Whatever is displayed passes `sieve` first, a user's own outputs too: a report is read by others.

use datarus_agent::observation::{HtmlCell, HtmlTable, plain, shorten, tables};
use serde_json::{Map, Value};

use super::tree::{Block, Figure, Inline, Table, TableCell, Target};
use super::{Audience, markdown, picture};
use crate::sieve;

/// How pandas opens the table of a `DataFrame`, and the one style that it sets in it.
const DATAFRAME: &str = "class=\"dataframe\"";
const PLAIN: &str = " style=\"text-align: right;\"";

/// How much of one output is shown, in characters, rows and columns.
struct Most {
    text: usize,
    rows: usize,
    columns: usize,
}

impl Most {
    fn of(audience: Audience) -> Most {
        match audience {
            Audience::Reader => Most { text: 6_000, rows: 60, columns: 40 },
            Audience::Reviewer => Most { text: 60_000, rows: 1_000, columns: Table::MOST_COLUMNS },
        }
    }
}

/// The cell whose outputs are read.
pub(super) struct Source<'a> {
    /// What a figure of it shows, in words.
    pub(super) title: String,
    /// Where it stands in the report.
    pub(super) anchor: String,
    /// Its `[n]`.
    pub(super) count: Option<u64>,
    /// For whom.
    pub(super) audience: Audience,
    /// Figures of the report so far.
    pub(super) n_figures: &'a mut usize,
}

/// What a reader sees of the outputs.
pub(super) fn blocks(outputs: &Value, source: Source<'_>) -> Vec<Block> {
    let outputs: Vec<_> = outputs.as_array().into_iter().flatten().map(harmless).collect();
    let draws = outputs.iter().any(|output| picture::of_bundle(&output["data"]).is_some());
    let axes = outputs.iter().find_map(axes);
    let mut made = Made { source, draws, axes, blocks: Vec::new() };
    for output in outputs {
        made.output(&output);
    }
    made.blocks
}

fn harmless(output: &Value) -> Value {
    let mut output = output.clone();
    if let Some(data) = output.get_mut("data").and_then(Value::as_object_mut) {
        *data = sieve::harmless(std::mem::take(data));
    }
    output
}

struct Made<'a> {
    source: Source<'a>,
    draws: bool,
    axes: Option<String>,
    blocks: Vec<Block>,
}

impl Made<'_> {
    fn output(&mut self, output: &Value) {
        let text = |field: &str| output[field].as_str().unwrap_or_default();
        match output["output_type"].as_str() {
            Some("stream") if output["name"] == "stderr" => {
                let text = self.shown(text("text"));
                self.blocks.push(Block::Problem(text));
            }
            Some("stream") => self.printed(text("text")),
            Some("error") => {
                let lines = output["traceback"].as_array().into_iter().flatten();
                let lines: Vec<_> = lines.filter_map(Value::as_str).collect();
                let said = if lines.is_empty() {
                    format!("{}: {}", text("ename"), text("evalue"))
                } else {
                    lines.join("\n")
                };
                let text = self.shown(&said);
                self.blocks.push(Block::Problem(text));
            }
            _ => self.bundle(&output["data"]),
        }
    }

    fn bundle(&mut self, data: &Value) {
        let text = |mime: &str| data[mime].as_str();
        if let Some(figure) = picture::of_bundle(data) {
            let figure = self.described(figure);
            self.blocks.push(figure);
        } else if let Some(html) = text("text/html") {
            self.html(html, text("text/plain"));
        } else if let Some(source) = text("text/markdown") {
            self.blocks.extend(markdown::blocks(source, &Value::Null, 4));
        } else if let Some(source) = text("text/latex") {
            self.blocks.push(Block::Code { language: "latex".into(), text: source.to_owned() });
        } else if let Some(value) = data.get("application/json") {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            self.printed(&text);
        } else if let Some(text) = text("text/plain").filter(|text| !self.names_drawing(text)) {
            self.printed(text);
        }
    }

    /// Whether a text only names the object that was drawn beside it.
    fn names_drawing(&self, text: &str) -> bool {
        self.draws
            && (text.contains("<Axes") || text.contains("<Figure") || text.contains("<matplotlib."))
    }

    fn printed(&mut self, text: &str) {
        let text = self.shown(text);
        if !text.trim().is_empty() {
            self.blocks.push(Block::Printed(text));
        }
    }

    fn shown(&self, text: &str) -> String {
        shorten(plain(text).trim_end(), Most::of(self.source.audience).text)
    }

    fn html(&mut self, html: &str, text: Option<&str>) {
        let most = Most::of(self.source.audience);
        let mut tables: Vec<Block> =
            tables(html).into_iter().flat_map(|table| table_blocks(table, &most)).collect();
        let is_plain = html.contains(DATAFRAME) && !html.replace(PLAIN, "").contains("style=");
        if is_plain {
            return self.blocks.append(&mut tables);
        }
        if tables.is_empty() {
            tables.extend(text.map(|text| Block::Printed(self.shown(text))));
        }
        self.blocks.push(Block::Markup { html: html.to_owned(), blocks: tables });
    }

    /// A figure with a number and words.
    fn described(&mut self, figure: Figure) -> Block {
        *self.source.n_figures += 1;
        let number = *self.source.n_figures;
        let title = self.source.title.trim().trim_end_matches('.');
        let axes = self.axes.as_deref().map(|axes| format!(" ({axes})")).unwrap_or_default();
        let mut caption = vec![Inline::Text(format!("Figure {number}. {title}. "))];
        caption.extend(self.source.count.map(|count| Inline::Link {
            target: Target::Here(self.source.anchor.clone()),
            title: String::new(),
            words: vec![Inline::Text(format!("Cell {count}"))],
        }));
        Block::Figure(Figure { number, alt: format!("{title}{axes}"), caption, ..figure })
    }
}

fn table_blocks(table: HtmlTable, most: &Most) -> Vec<Block> {
    let row = |cells: Vec<HtmlCell>, is_head: bool| -> Vec<TableCell> {
        cells.iter().map(|cell| TableCell::text(&cell.text, is_head || cell.is_index)).collect()
    };
    let head = table.head.into_iter().map(|cells| row(cells, true)).collect();
    let body = table.body.into_iter().map(|cells| row(cells, false)).collect();
    let made = Table { head, body, ..Table::default() }
        .within(most.rows, most.columns)
        .with_heads_aligned();
    let note = table.shape.map(|shape| Block::Note(vec![Inline::Text(shape)]));
    std::iter::once(Block::Table(made)).chain(note).collect()
}

/// The names of the axes, from how matplotlib shows them as text.
fn axes(output: &Value) -> Option<String> {
    let text = output["data"]["text/plain"].as_str().filter(|text| text.contains("<Axes"))?;
    let named = |mark: &str| {
        let (_, rest) = text.split_once(&format!("{mark}='"))?;
        rest.split_once('\'').map(|(name, _)| name).filter(|name| !name.is_empty())
    };
    let axes = [("x axis: ", named("xlabel")), ("y axis: ", named("ylabel"))];
    let known = axes.into_iter().filter_map(|(axis, name)| Some(format!("{axis}{}", name?)));
    let known: Vec<_> = known.collect();
    (!known.is_empty()).then(|| known.join(", "))
}

/// Text of the MIME bundle `data` of an attachment, as `sieve` leaves it.
pub(super) fn attachments(cell: &Value) -> Value {
    let all = cell["attachments"].as_object().into_iter().flatten();
    let sifted = all.filter_map(|(name, data)| {
        Some((name.clone(), Value::Object(sieve::harmless(data.as_object()?.clone()))))
    });
    Value::Object(sifted.collect::<Map<_, _>>())
}
