//! The turns of a notebook as its cells hold them. Pure.

use std::collections::HashSet;

use datarus_agent::agent::Asked;
use datarus_agent::plan::Stage;
use serde::Deserialize as _;
use serde_json::Value;

use super::build::words;
use super::markdown;
use super::tree::{Block, Inline, is_blank, n_links};
use crate::cells::asked::asked_in;
use crate::cells::{asks, datarus, reading, turn_below};
use crate::markdown::restored;
use crate::research;
use crate::route::{Prompt, Role, Route, route};

/// A prompt and the cells made of it.
pub(super) struct Turn<'a> {
    /// From 1.
    pub(super) number: usize,
    /// The cell that asks.
    pub(super) prompt: &'a Value,
    /// The question, freed from its mark and flags.
    pub(super) question: String,
    /// Which part of a research run it is, if it is one.
    pub(super) stage: Option<Stage>,
    /// Its steps in order.
    pub(super) steps: Vec<Step<'a>>,
    /// What the last outputs meant, where that was said.
    pub(super) last_understanding: String,
    /// The thought that led to the answer, or all thought there was.
    pub(super) last_thought: String,
    /// The cell with the answer.
    pub(super) answer: Option<&'a Value>,
    /// The cells down to the answer.
    cells: &'a [Value],
}

/// One step of a turn.
pub(super) struct Step<'a> {
    /// What the outputs before it meant, where that was said.
    pub(super) understanding: String,
    /// Why.
    pub(super) thought: String,
    /// Its cell.
    pub(super) cell: &'a Value,
}

/// What lines of code that draw hold.
const DRAWING: [&str; 8] =
    [".plot", "scatter(", "hist(", "bar(", "boxplot(", "heatmap(", "imshow(", "pie("];

/// How many numbers of an answer were found in outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Linked to a cell.
    pub(crate) linked: usize,
    /// Printed by none, as written.
    pub(crate) missing: Vec<String>,
}

/// All turns, in order.
pub(super) fn turns(cells: &[Value]) -> Vec<Turn<'_>> {
    let prompts = cells.iter().enumerate().filter(|(_, cell)| asks(cell));
    let turn = |(number, (at, prompt)): (usize, (usize, _))| {
        let below = turn_below(cells, at);
        let down_to = cells.get(..below.end).unwrap_or_default();
        turn(number + 1, prompt, cells.get(below).unwrap_or_default(), down_to)
    };
    prompts.enumerate().map(turn).collect()
}

fn turn<'a>(number: usize, prompt: &'a Value, below: &'a [Value], cells: &'a [Value]) -> Turn<'a> {
    let typed = match route(source(prompt), Some(Role::Prompt)) {
        Route::Prompt(prompt) => prompt,
        _ => Prompt::default(),
    };
    let mut turn = Turn {
        number,
        prompt,
        question: typed.text,
        stage: datarus(prompt, "stage")
            .and_then(|stage| Stage::deserialize(stage).ok())
            .or(typed.flags.stage),
        steps: Vec::new(),
        last_understanding: String::new(),
        last_thought: String::new(),
        answer: None,
        cells,
    };
    for cell in below {
        match role(cell) {
            "thought" => turn.last_thought = reading::thought_in(source(cell)),
            "understanding" => turn.last_understanding.push_str(&restored(source(cell))),
            "asked" => turn.last_understanding.push_str(&asked(source(cell))),
            "code" => {
                let understanding = std::mem::take(&mut turn.last_understanding);
                let thought = std::mem::take(&mut turn.last_thought);
                turn.steps.push(Step { understanding, thought, cell });
            }
            "answer" => turn.answer = Some(cell),
            _ => {}
        }
    }
    turn
}

/// What the model asked the user, for those who read on.
fn asked(source: &str) -> String {
    asked_in(source, 0, 0).map_or_else(String::new, |Asked { question, answer, .. }| {
        let answer = answer.unwrap_or_else(|| "nothing".to_owned());
        format!("Datarus asked: {question}\n\nThe answer was: {answer}\n\n")
    })
}

impl Turn<'_> {
    /// The question in one line; its number, if it says nothing.
    pub(super) fn title(&self) -> Vec<Inline> {
        let title = match self.stage {
            Some(Stage::Section) => markdown::words(&research::title(&self.question)),
            Some(Stage::Report) => words("Report"),
            Some(Stage::Plan) | None => markdown::words(&self.question),
        };
        if is_blank(&title) { words(&format!("Question {}", self.number)) } else { title }
    }

    /// What links to the question lead to.
    pub(super) fn anchor(&self) -> String {
        format!("question-{}", self.number)
    }

    /// The answer, its highest heading being of `level`.
    pub(super) fn answer(&self, level: u8) -> Vec<Block> {
        let Some(cell) = self.answer else { return Vec::new() };
        markdown::blocks(&restored(source(cell)), &Value::Null, level)
    }

    /// Its numbers.
    pub(super) fn numbers(&self) -> Numbers {
        let ids = self.cells.iter().filter_map(|cell| cell["id"].as_str());
        let cells: HashSet<_> = ids.map(super::anchor_of_cell).collect();
        let linked = n_links(&mut self.answer(3), &cells);
        let missing = self.answer.and_then(|cell| datarus(cell, "numbers_not_found")?.as_array());
        let missing = missing.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Numbers { linked, missing: missing.collect() }
    }

    /// Whether it has an answer, and not only the reason why there is none.
    pub(super) fn is_answered(&self) -> bool {
        self.answer.is_some()
            && datarus(self.prompt, "status").is_none_or(|status| status == "done")
    }
}

impl Step<'_> {
    /// Whether it ran to its end. What was kept of a failed one did.
    pub(super) fn worked(&self) -> bool {
        !crate::cells::has_tag(self.cell, "datarus-failed")
    }

    /// What its figure shows: the title that the code gives it, else the title of the step.
    pub(super) fn caption(&self) -> String {
        quoted(source(self.cell), "title").unwrap_or_else(|| self.title())
    }

    /// The first sentence of why it was made, else the last line of its code.
    pub(super) fn title(&self) -> String {
        match crate::cells::title_of(&self.thought) {
            title if title.is_empty() => shown_by(source(self.cell)),
            title => title,
        }
    }
}

/// What a cell is to us.
pub(super) fn role(cell: &Value) -> &str {
    datarus(cell, "role").and_then(Value::as_str).unwrap_or_default()
}

/// Its text.
pub(super) fn source(cell: &Value) -> &str {
    cell["source"].as_str().unwrap_or_default()
}

/// What a figure of this code shows: its title, else its axes, else the last line that draws, else the last that says
/// something.
pub(super) fn shown_by(code: &str) -> String {
    let axes = || Some(format!("{} against {}", quoted(code, "ylabel")?, quoted(code, "xlabel")?));
    quoted(code, "title").or_else(axes).unwrap_or_else(|| {
        let says = |line: &&str| line.len() > 2 && !line.starts_with('#');
        let lines = || code.lines().map(str::trim).filter(says);
        let draws = |line: &&str| DRAWING.iter().any(|word| line.contains(word));
        let line = lines().rfind(draws).or_else(|| lines().next_back()).unwrap_or_default();
        match line.char_indices().nth(100) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None => line.to_owned(),
        }
    })
}

/// What stands in quotes right behind a word: `xlabel="…"`, `set_xlabel("…")`.
fn quoted(code: &str, word: &str) -> Option<String> {
    let value = |rest: &str| {
        let rest = rest.trim_start_matches(['(', '=', ' ']);
        let mark = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest.get(1..)?.split(mark).next().map(str::to_owned)
    };
    code.split(word).skip(1).find_map(value).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tree::plain;
    use super::*;

    #[test]
    fn a_question_is_read_as_the_kernel_reads_it() {
        let check = |source: &str, expected: &str| {
            let cells = [json!({"source": source, "metadata": {"datarus": {"role": "prompt"}}})];
            assert_eq!(plain(&turns(&cells)[0].title()), expected, "{source:?}");
        };
        check("How many *rows*?", "How many rows?");
        check("> How many rows?", "How many rows?");
        check("%%ask\nHow many rows?", "How many rows?");
        check("%%ask How many rows?", "How many rows?");
        check("%%ask --think Why?", "Why?");
        check("%%ask --preset cleaning", "Clean these data.");
        check("%%ask --preset cleaning\nDrop the rest.", "Drop the rest.");
        check("> #", "Question 1");
        check("", "Question 1");
    }

    #[test]
    fn a_figure_is_named_by_its_title_its_axes_or_the_line_that_draws_it() {
        let check = |code: &str, expected: &str| assert_eq!(shown_by(code), expected);
        check("ax.plot(x)\nax.set_title('Growth')\nplt.show()", "Growth");
        check("ax.set(xlabel=\"a\", ylabel='b')\nplt.show()", "b against a");
        check("df.plot.bar(x)\nplt.show()", "df.plot.bar(x)");
        check("# nothing\nplt.show()", "plt.show()");
        check("title(", "title(");
        check("", "");
    }
}
