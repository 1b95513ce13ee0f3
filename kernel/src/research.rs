//! Open research: which question comes next, as the notebook stands. Pure.
//!
//! A run is a chain of prompt cells: `%%ask --research` has the plan for its answer, then a `%%ask --section` for each
//! section of the plan, then `%%ask --report`. Each is a turn like any other, and nothing is remembered outside of the
//! notebook: the plan is read from its cell each time, so whoever edits it decides what is asked next.

pub use datarus_agent::plan::Stage;
use datarus_agent::plan::{Section, sections};
use serde_json::Value;

use crate::cells::{datarus, turn_below};
use crate::markdown::restored;
use crate::route::{Prompt, Role, Route, route};

/// What comes next in a research run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The plan has not been made: its question has no answer, or nobody has asked for one.
    Plan,
    /// The plan's cell names no section.
    NoPlan,
    /// A section of the plan.
    Section {
        /// The source of the cell that asks for it.
        source: String,
        /// Its heading.
        title: String,
        /// From 1 within the plan.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// What frames the sections.
    Report,
    /// Nothing: the report stands below all sections.
    Nothing,
}

/// Says what comes next. Of a plan with more than `max_sections`, the first are worked on.
pub fn next(cells: &[Value], max_sections: usize) -> Next {
    let Some((plan_at, _)) =
        asked(cells).find(|(_, prompt)| prompt.flags.stage == Some(Stage::Plan))
    else {
        return Next::Plan;
    };
    let Some(plan) = answer(cells, plan_at) else { return Next::Plan };
    let mut planned = sections(&restored(plan));
    planned.truncate(max_sections);
    if planned.is_empty() {
        return Next::NoPlan;
    }
    let (mut worked_on, mut is_reported) = (Vec::new(), false);
    for (_, prompt) in asked(cells).filter(|(at, _)| *at > plan_at) {
        match prompt.flags.stage {
            Some(Stage::Section) => {
                worked_on.push(title(&prompt.text));
                is_reported = false;
            }
            Some(Stage::Report) => is_reported = true,
            Some(Stage::Plan) | None => {}
        }
    }
    let is_open = |(_, section): &(usize, &Section)| !worked_on.contains(&section.title);
    match planned.iter().enumerate().find(is_open) {
        Some((at, section)) => Next::Section {
            source: format!("%%ask --section\n{}", spelled(at + 1, section)),
            title: section.title.clone(),
            number: at + 1,
            of: planned.len(),
        },
        None if is_reported => Next::Nothing,
        None => Next::Report,
    }
}

impl Next {
    /// The source of the cell that asks for it, if one can.
    pub fn source(&self) -> Option<String> {
        match self {
            Self::Section { source, .. } => Some(source.clone()),
            Self::Report => Some(String::from("%%ask --report\nWrite the report.")),
            Self::Plan | Self::NoPlan | Self::Nothing => None,
        }
    }
}

/// What is asked where the cell says nothing.
pub fn question(stage: Stage) -> &'static str {
    match stage {
        Stage::Plan => "What do these data tell?",
        Stage::Section => "Work on the next section of the plan.",
        Stage::Report => "Write the report.",
    }
}

/// What a model is told of a question besides its words.
pub fn brief(stage: Stage, max_sections: usize) -> String {
    let text = match stage {
        Stage::Plan => include_str!("research/plan.md"),
        Stage::Section => include_str!("research/section.md"),
        Stage::Report => include_str!("research/report.md"),
    };
    text.trim_end().replace("MAX", &max_sections.to_string())
}

/// The heading of the section that is asked for in these words.
pub fn title(question: &str) -> String {
    let first = || question.lines().next().unwrap_or_default().trim().to_owned();
    sections(question).into_iter().next().map_or_else(first, |section| section.title)
}

/// The stage of a prompt cell.
pub fn stage(cell: &Value) -> Option<Stage> {
    prompt(cell)?.flags.stage
}

fn spelled(number: usize, Section { title, text }: &Section) -> String {
    format!("## {number}. {title}\n{text}").trim_end().to_owned()
}

/// The prompts of a notebook, with their places.
fn asked(cells: &[Value]) -> impl Iterator<Item = (usize, Prompt)> {
    cells.iter().enumerate().filter_map(|(at, cell)| Some((at, prompt(cell)?)))
}

fn prompt(cell: &Value) -> Option<Prompt> {
    if datarus(cell, "role")? != "prompt" {
        return None;
    }
    match route(cell["source"].as_str()?, Some(Role::Prompt)) {
        Route::Prompt(prompt) => Some(prompt),
        _ => None,
    }
}

/// The text of the answer to the prompt at `at`, if it has been answered.
fn answer(cells: &[Value], at: usize) -> Option<&str> {
    let is_done = datarus(cells.get(at)?, "status").is_some_and(|status| status == "done");
    let mut below = cells.get(turn_below(cells, at)).into_iter().flatten();
    let answer = below.find(|cell| datarus(cell, "role").is_some_and(|role| role == "answer"));
    answer.filter(|_| is_done)?["source"].as_str()
}

#[cfg(test)]
mod tests;
