//! A notebook → what its report says. Pure.

use std::collections::HashSet;

use datarus_agent::plan::Stage;
use serde_json::Value;

use super::outputs::{self, Source};
use super::tree::{Block, Inline, Report, Style, Target, each_block, each_words, plain};
use super::turns::{Step, Turn, shown_by, source, turns};
use super::{Audience, anchor_of_cell, appendix, markdown};
use crate::cells::{asks, datarus, turn_below};
use crate::notebook::Notebook;

/// Longest first paragraph of an answer that the summary repeats, in characters.
const SHORT: usize = 280;

/// Makes the report of a notebook. `language` is a BCP 47 tag; without it the script of the text decides.
pub fn report(notebook: &Notebook, audience: Audience, language: Option<&str>) -> Report {
    let turns = turns(&notebook.cells);
    let frame = Frame::of(&turns);
    let mut writer = Writer { audience, n_figures: 0, is_framed: frame.is_some() };
    let (mut title, mut inside) = writer.cells(&notebook.cells, &turns);
    let mut blocks = Vec::new();
    match frame {
        Some(frame) => {
            title = title.or(frame.title);
            match audience {
                Audience::Reader => {
                    blocks.extend(frame.before);
                    blocks.extend(appendix::facts(notebook, &turns));
                    blocks.append(&mut inside);
                    blocks.extend(frame.after);
                    blocks.extend(writer.for_reader(frame.turn));
                    blocks.extend(plan(&turns));
                }
                Audience::Reviewer => blocks.extend(appendix::summary(notebook, &turns)),
            }
        }
        None => blocks.extend(appendix::summary(notebook, &turns)),
    }
    blocks.append(&mut inside);
    if audience == Audience::Reviewer {
        blocks.extend(appendix::appendix(notebook, &turns));
    }
    in_order(&mut blocks, &mut 1);
    settle(&mut blocks);
    let title = title.or_else(|| turns.first().map(Turn::title));
    let title = title.unwrap_or_else(|| words("Report"));
    let language = language.map_or_else(|| language_of(&title, &turns).to_owned(), str::to_owned);
    Report { title, language, blocks }
}

/// What the last turn of a research run says around its sections.
struct Frame<'a> {
    turn: &'a Turn<'a>,
    title: Option<Vec<Inline>>,
    /// Its first part, which is the summary.
    before: Vec<Block>,
    /// The rest: limits, what to do next.
    after: Vec<Block>,
}

impl<'a> Frame<'a> {
    /// Of the last report, if it was written.
    fn of(turns: &'a [Turn<'a>]) -> Option<Self> {
        let turn = turns.iter().rfind(|turn| turn.stage == Some(Stage::Report))?;
        let mut before = answer_at(Some(turn).filter(|turn| turn.is_answered())?, 1);
        let level = |block: &Block| match block {
            Block::Heading { level, .. } => Some(*level),
            _ => None,
        };
        let n_highest = before.iter().filter(|block| level(block) == Some(1)).count();
        let title = match before.first() {
            Some(Block::Heading { level: 1, words, .. }) if n_highest == 1 => Some(words.clone()),
            _ => None,
        };
        if title.is_some() {
            before.remove(0);
        }
        let part = before.iter().filter_map(level).min();
        let mut parts = (0..before.len()).filter(|at| before.get(*at).and_then(level) == part);
        let after = match (part, parts.nth(1)) {
            (Some(_), Some(second)) => before.split_off(second),
            _ => Vec::new(),
        };
        Some(Self { turn, title, before, after })
    }
}

/// The plan of a research run, folded: the sections are the report.
fn plan(turns: &[Turn<'_>]) -> Option<Block> {
    let turn = turns.iter().find(|turn| turn.stage == Some(Stage::Plan))?;
    let question = vec![Block::Paragraph(turn.title())];
    let blocks = question.into_iter().chain(turn.answer(3)).collect();
    Some(Block::Fold { summary: words("The question, and the plan that was worked on"), blocks })
}

/// The beginning of an answer, if it is short: what a summary can say of it.
pub(super) fn beginning(turn: &Turn<'_>) -> Option<Vec<Inline>> {
    match turn.answer(3).into_iter().next()? {
        Block::Paragraph(words) if plain(&words).chars().count() <= SHORT => Some(words),
        _ => None,
    }
}

struct Writer {
    audience: Audience,
    n_figures: usize,
    /// Whether a reader is given plan and report apart from the sections.
    is_framed: bool,
}

impl Writer {
    /// The first heading of the highest level, and all cells.
    fn cells(&mut self, cells: &[Value], turns: &[Turn<'_>]) -> (Option<Vec<Inline>>, Vec<Block>) {
        let (mut title, mut blocks) = (None, Vec::new());
        let (mut at, mut turns) = (0, turns.iter());
        while let Some(cell) = cells.get(at) {
            match cell["cell_type"].as_str() {
                _ if asks(cell) => {
                    blocks.extend(turns.next().map(|turn| self.turn(turn)).unwrap_or_default());
                    at = turn_below(cells, at).end;
                    continue;
                }
                Some("markdown") => blocks.extend(Self::text(cell, &mut title, at == 0)),
                Some("code") => blocks.extend(self.python(cell)),
                _ => {}
            }
            at += 1;
        }
        (title, blocks)
    }

    fn text(cell: &Value, title: &mut Option<Vec<Inline>>, is_first: bool) -> Vec<Block> {
        let attachments = outputs::attachments(cell);
        if !is_first {
            return markdown::blocks(source(cell), &attachments, 2);
        }
        let mut blocks = markdown::blocks(source(cell), &attachments, 1);
        if let Some(Block::Heading { level: 1, words, .. }) = blocks.first() {
            *title = Some(words.clone());
            blocks.remove(0);
        }
        blocks
    }

    /// A cell of the user's.
    fn python(&mut self, cell: &Value) -> Vec<Block> {
        let code = source(cell);
        let shown = self.outputs(cell, shown_by(code));
        if code.trim().is_empty() && shown.is_empty() {
            return Vec::new();
        }
        let code = Block::Code { language: "python".into(), text: code.to_owned() };
        let inside = match self.audience {
            Audience::Reader => {
                let fold = Block::Fold { summary: words("Python"), blocks: vec![code] };
                shown.into_iter().chain([fold]).collect()
            }
            Audience::Reviewer => std::iter::once(code).chain(shown).collect(),
        };
        vec![place(cell, inside)]
    }

    fn outputs(&mut self, cell: &Value, title: String) -> Vec<Block> {
        let source = Source {
            title,
            anchor: anchor_of_cell(cell["id"].as_str().unwrap_or_default()),
            count: cell["execution_count"].as_u64(),
            audience: self.audience,
            n_figures: &mut self.n_figures,
        };
        outputs::blocks(&cell["outputs"], source)
    }

    fn turn(&mut self, turn: &Turn<'_>) -> Vec<Block> {
        let frames = matches!(turn.stage, Some(Stage::Plan | Stage::Report));
        if self.is_framed && frames && self.audience == Audience::Reader {
            return Vec::new();
        }
        let anchor = Some(turn.anchor());
        let mut blocks = vec![Block::Heading { level: 2, words: turn.title(), anchor }];
        match self.audience {
            Audience::Reader => {
                blocks.extend(answer(turn));
                blocks.extend(self.for_reader(turn));
            }
            Audience::Reviewer => {
                turn.steps.iter().for_each(|step| blocks.extend(self.step(step)));
                blocks.extend(last_thought(turn));
                blocks.push(heading(3, "Answer"));
                blocks.extend(answer(turn));
            }
        }
        blocks
    }

    /// Figures, the last tables, and the rest in a fold.
    fn for_reader(&mut self, turn: &Turn<'_>) -> Vec<Block> {
        let (mut shown, mut last_tables, mut folded) = (Vec::new(), Vec::new(), Vec::new());
        let worked: Vec<_> = turn.steps.iter().filter(|step| step.worked()).collect();
        for step in &worked {
            let outputs = self.outputs(step.cell, step.caption());
            let is_figure = |block: &Block| matches!(block, Block::Figure(_));
            let is_table = |block: &Block| matches!(block, Block::Table(_) | Block::Markup { .. });
            let (mut figures, rest): (Vec<_>, Vec<_>) = outputs.into_iter().partition(is_figure);
            shown.append(&mut figures);
            if rest.iter().any(is_table) {
                last_tables = rest.iter().filter(|block| is_table(block)).cloned().collect();
            }
            let code =
                Block::Code { language: "python".into(), text: source(step.cell).to_owned() };
            let inside = std::iter::once(code).chain(rest).collect();
            folded.push(Block::Paragraph(words(&step.title())));
            folded.push(place(step.cell, inside));
        }
        shown.append(&mut last_tables);
        if !folded.is_empty() {
            let steps =
                if worked.len() == 1 { "1 step" } else { &format!("{} steps", worked.len()) };
            let summary = words(&format!("How this was computed: {steps} of Python"));
            shown.push(Block::Fold { summary, blocks: folded });
        }
        shown
    }

    /// A step as it was made.
    fn step(&mut self, step: &Step<'_>) -> Vec<Block> {
        let number = datarus(step.cell, "step").and_then(Value::as_u64).unwrap_or_default();
        let code = Block::Code { language: "python".into(), text: source(step.cell).to_owned() };
        let mut inside = vec![code];
        inside.extend(self.outputs(step.cell, step.caption()));
        let place = place(step.cell, inside);
        let is_said = step.thought.trim().trim_end_matches('.') == step.title();
        let thought = if is_said { "" } else { step.thought.as_str() };
        let mut said = markdown::blocks(&step.understanding, &Value::Null, 4);
        said.extend(markdown::blocks(thought, &Value::Null, 4));
        if step.worked() {
            let heading = heading(3, &format!("Step {number}: {}", step.title()));
            return std::iter::once(heading).chain(said).chain([place]).collect();
        }
        let summary = words(&format!("Step {number} failed: {}", step.title()));
        vec![Block::Fold { summary, blocks: said.into_iter().chain([place]).collect() }]
    }
}

/// The answer, and how much of it was printed.
fn answer(turn: &Turn<'_>) -> Vec<Block> {
    answer_at(turn, 3)
}

/// The same, its highest heading being of `level`.
fn answer_at(turn: &Turn<'_>, level: u8) -> Vec<Block> {
    let mut blocks = turn.answer(level);
    if blocks.is_empty() {
        blocks.push(Block::Note(words("This question has not been answered.")));
    }
    let numbers = turn.numbers();
    if !numbers.missing.is_empty() {
        let (missing, all) = (numbers.missing.len(), numbers.missing.len() + numbers.linked);
        let were = if missing == 1 { "was" } else { "were" };
        blocks.push(Block::Note(vec![
            Inline::Styled(
                Style::Strong,
                words(&format!("{missing} of {all} numbers {were} found in no output")),
            ),
            Inline::Text(format!(" of this question's steps: {}.", numbers.missing.join(", "))),
        ]));
    }
    blocks
}

fn last_thought(turn: &Turn<'_>) -> Vec<Block> {
    let mut said = markdown::blocks(&turn.last_understanding, &Value::Null, 4);
    said.extend(markdown::blocks(&turn.last_thought, &Value::Null, 4));
    if said.is_empty() { said } else { vec![Block::Quote(said)] }
}

fn place(cell: &Value, blocks: Vec<Block>) -> Block {
    let anchor = anchor_of_cell(cell["id"].as_str().unwrap_or_default());
    Block::Cell { anchor, count: cell["execution_count"].as_u64(), blocks }
}

/// A heading of plain words.
pub(super) fn heading(level: u8, text: &str) -> Block {
    Block::Heading { level, words: words(text), anchor: None }
}

/// Plain words.
pub(super) fn words(text: &str) -> Vec<Inline> {
    vec![Inline::Text(text.to_owned())]
}

/// A link to a place of the report.
pub(super) fn link(anchor: String, words: Vec<Inline>) -> Inline {
    Inline::Link { target: Target::Here(anchor), title: String::new(), words }
}

/// Makes each heading at most one level deeper than the one before it: who listens goes from one to the next.
pub(super) fn in_order(blocks: &mut [Block], level: &mut u8) {
    for block in blocks {
        match block {
            Block::Heading { level: own, .. } => {
                *own = (*own).clamp(2, *level + 1);
                *level = *own;
            }
            Block::Quote(blocks) | Block::Fold { blocks, .. } | Block::Cell { blocks, .. } => {
                in_order(blocks, level);
            }
            Block::List { items, .. } => items.iter_mut().for_each(|item| in_order(item, level)),
            _ => {}
        }
    }
}

/// Takes away links to what the report does not show.
fn settle(blocks: &mut [Block]) {
    let mut anchors = HashSet::new();
    each_block(blocks, &mut |block| match block {
        Block::Heading { anchor: Some(anchor), .. } | Block::Cell { anchor, .. } => {
            anchors.insert(anchor.clone());
        }
        _ => {}
    });
    each_words(blocks, &mut |words| unlink(words, &anchors));
}

fn unlink(words: &mut Vec<Inline>, anchors: &HashSet<String>) {
    for word in std::mem::take(words) {
        match word {
            Inline::Link { target: Target::Here(anchor), words: inside, .. }
                if !anchors.contains(&anchor) =>
            {
                words.extend(inside);
            }
            Inline::Styled(style, mut inside) => {
                unlink(&mut inside, anchors);
                words.push(Inline::Styled(style, inside));
            }
            word => words.push(word),
        }
    }
}

/// The language whose script the title and the questions are written in; Latin script is taken for English.
fn language_of(title: &[Inline], turns: &[Turn<'_>]) -> &'static str {
    let asked: String = turns.iter().map(|turn| turn.question.as_str()).collect();
    super::paper::scripts(&(plain(title) + &asked)).first().map_or("en", |script| script.language)
}
