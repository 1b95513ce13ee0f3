//! What stands above a prompt in the notebook: what was run, as the user has arranged, edited and deleted it since,
//! and what this kernel has not run, as the page tells it.

use datarus_agent::agent::{Begun, Draft, Mode, Past, Step, Turn};
use datarus_agent::executor::{Execution, Output, Status};
use datarus_agent::llm::Usage;

use super::standing::{self, Standing, is, is_kept};
use super::{Cell, History, PastTurn, What, key};
use crate::cells::{Naming, source_sha};
use crate::page::CellState;
use crate::page::view::Kept;

/// Told to the model of a step that was edited and not run again.
const STALE: &str = "[edited by the user since it ran; this is the output of the code before]\n";

/// A step as it stands.
struct StandingStep {
    step: Step,
    /// What the model had written, if the user has changed it.
    before: Option<String>,
    /// Whether its outputs are those of the code as it stands, run by this kernel.
    current: bool,
}

impl History {
    /// Those of `cells` of which a page must say what they hold: they were run, if at all, before this kernel was
    /// started, or so long ago that it is forgotten.
    pub(crate) fn unknown(&self, cells: &[CellState]) -> Vec<String> {
        let of_turn =
            |cell: &CellState| cell.turn.as_deref().is_some_and(|name| self.named(name).is_some());
        let is_known = |cell: &&CellState| match cell.role.as_deref() {
            Some("prompt") => cell.turn.is_none() || self.asked_in(&cell.id).is_some(),
            Some("understanding" | "thought" | "answer") => cell.source.is_some() || of_turn(cell),
            // What stands there is what was said.
            Some("asked") => cell.source.is_some(),
            Some("code") if is_kept(cell) => true,
            Some("code") => self.step_of(cell).is_some() || self.cell_of(&cell.id).is_some(),
            _ => cell.cell_type != "code" || self.cell_of(&cell.id).is_some(),
        };
        cells.iter().filter(|cell| !is_known(cell)).map(|cell| cell.id.clone()).collect()
    }

    /// What was run and stands above the cell `prompt`, in the order of the notebook. A turn's steps are those that
    /// still stand, as they stand; steps without their prompt are cells like any other.
    pub(crate) fn above(&self, notebook: &Standing, prompt: &str) -> Vec<Past> {
        let beside = self.entries.iter().filter(|entry| entry.cell_id.is_none());
        let mut pasts: Vec<Past> = beside.map(|entry| entry.what.as_past()).collect();
        // The turns whose prompts stand, by the places of their pasts.
        let mut open: Vec<(&str, usize)> = Vec::new();
        for cell in notebook.cells.iter().take_while(|cell| cell.id != prompt) {
            if let Some(PastTurn { name: None, turn, .. }) = self.asked_in(&cell.id) {
                pasts.push(Past::Turn(turn.clone()));
            } else if let Some((name, turn)) = self.turn_at(notebook, cell) {
                open.push((name, pasts.len()));
                pasts.push(Past::Turn(turn));
            } else if let Some(StandingStep { step, .. }) = self.step_at(notebook, cell) {
                let name = cell.turn.as_deref();
                let at = open.iter().find(|(turn, _)| Some(*turn) == name).map(|(_, at)| *at);
                match at.and_then(|at| pasts.get_mut(at)) {
                    Some(Past::Turn(turn)) => turn.steps.push(step),
                    _ => pasts.push(Past::Cell { code: step.code, execution: step.execution }),
                }
            } else if let Some(asked) = notebook.asked(cell) {
                let mut of_turn =
                    open.iter().filter(|(turn, _)| Some(*turn) == cell.turn.as_deref());
                let at = of_turn.next().map(|(_, at)| *at);
                if let Some(Past::Turn(turn)) = at.and_then(|at| pasts.get_mut(at)) {
                    turn.asked.push(asked);
                }
            } else {
                pasts.extend(self.python_at(notebook, cell));
            }
        }
        pasts
    }

    /// What stands of the turn `name` up to its step in the cell `from`; none, where that cannot be said.
    pub(crate) fn kept(&self, notebook: &Standing, name: &str, from: &str) -> Option<Kept> {
        let pass = notebook.made_by(name).map(|cell| Naming::of(name, &cell.id).pass).max()?;
        let mut kept = Kept {
            begun: Begun { done: Vec::new(), asked: Vec::new(), next: None, before: None },
            cells: Vec::new(),
            asked: Vec::new(),
            from: from.to_owned(),
            failed: false,
            pass: pass.saturating_add(1),
        };
        let mut steps: Vec<(&str, StandingStep)> = Vec::new();
        for cell in notebook.made_by(name) {
            if let Some(step) = self.step_at(notebook, cell) {
                // An undo may have brought back another step of this number.
                steps.retain(|(_, known)| known.step.number != step.step.number);
                steps.push((&cell.id, step));
            } else if let Some(asked) = notebook.asked(cell) {
                kept.begun.asked.push(asked);
                kept.asked.push(cell.id.clone());
            }
            if cell.id == from {
                break;
            }
        }
        let (_, last) = steps.pop().filter(|(id, last)| {
            *id == from && Naming::of(name, id).step(last.step.number) == from
        })?;
        for (id, StandingStep { step, .. }) in steps {
            kept.cells.push(id.to_owned());
            kept.begun.done.push(step);
        }
        kept.begun.before = last.before;
        kept.failed = last.step.execution.status != Status::Ok;
        if last.current {
            kept.cells.push(from.to_owned());
            kept.begun.done.push(last.step);
        } else {
            let Step { number, understanding, thought, code, .. } = last.step;
            kept.begun.next = Some(Draft { number, understanding, thought, code });
        }
        Some(kept)
    }

    /// The turn whose question the cell holds, as it stands but for its steps; none, if nothing else stands of it.
    fn turn_at<'a>(&'a self, notebook: &Standing, cell: &'a CellState) -> Option<(&'a str, Turn)> {
        let asked = self.asked_in(&cell.id);
        let name = asked.map_or(cell.turn.as_deref(), |past| past.name.as_deref())?;
        let known = asked.or_else(|| self.named(name)).map(|past| &past.turn);
        let prompt = match asked {
            Some(past) => past.turn.prompt.clone(),
            None if is(cell, "prompt") => notebook.question(&cell.id)?,
            None => return None,
        };
        notebook.made_by(name).next()?;
        let turn = Turn {
            prompt,
            mode: known.map_or(Mode::Agentic, |turn| turn.mode),
            steps: Vec::new(),
            outcome: notebook.outcome(name, known.map(|turn| &turn.outcome)),
            usage: known.map_or_else(Usage::default, |turn| turn.usage),
            given: known.map(|turn| turn.given.clone()).unwrap_or_default(),
            seen_above: Vec::new(),
            asked: Vec::new(),
        };
        Some((name, turn))
    }

    /// The step whose code the cell holds, as it stands.
    fn step_at(&self, notebook: &Standing, cell: &CellState) -> Option<StandingStep> {
        let (name, number) = (cell.turn.as_deref()?, cell.step?);
        if !is(cell, "code") || is_kept(cell) {
            return None;
        }
        let known = self.step_of(cell);
        let told = notebook.text(&cell.id);
        let (code, mut execution) = match (self.cell_of(&cell.id), known, told) {
            (Some(ran), ..) => (ran.code.clone(), ran.execution()),
            (None, Some(step), _) => (step.code.clone(), step.execution.clone()),
            (None, None, Some(text)) => {
                (text.source.clone(), standing::execution(text, !self.has_run(cell)))
            }
            (None, None, None) => return None,
        };
        let mut current = known.is_some() || self.cell_of(&cell.id).is_some();
        let edited = cell.source.as_ref().filter(|source| source.trim_end() != code.trim_end());
        if edited.is_some() {
            current = false;
            mark_stale(&mut execution);
        }
        let code = edited.unwrap_or(&code).clone();
        let wrote = known.map(|step| &step.code);
        let before = wrote.filter(|wrote| wrote.trim_end() != code.trim_end()).cloned();
        let thought = notebook.thought(name, number, known.map(|step| &*step.thought));
        let wrote = known.map(|step| &*step.understanding);
        let understanding = notebook.understanding(name, number, wrote);
        let step = Step { number, understanding, thought, code, execution };
        Some(StandingStep { step, before, current })
    }

    /// What the user ran in a cell that belongs to no turn.
    fn python_at(&self, notebook: &Standing, cell: &CellState) -> Option<Past> {
        if let Some(ran) = self.cell_of(&cell.id) {
            return Some(Past::Cell { code: ran.code.clone(), execution: ran.execution() });
        }
        let text = notebook.text(&cell.id).filter(|text| text.execution_count.is_some())?;
        let is_python = cell.cell_type == "code" && !is(cell, "prompt") && !is_kept(cell);
        let execution = standing::execution(text, !self.has_run(cell));
        is_python.then(|| Past::Cell { code: text.source.clone(), execution })
    }

    fn asked_in(&self, id: &str) -> Option<&PastTurn> {
        self.entries.iter().find_map(|entry| match &entry.what {
            What::Turn(past) if entry.cell_id.as_deref() == Some(id) => Some(&**past),
            What::Turn(_) | What::Cell(_) => None,
        })
    }

    /// The step that made the cell. A cell with another source that was not edited is another step's, of before the
    /// turn went on.
    fn step_of(&self, cell: &CellState) -> Option<&Step> {
        let (name, number) = (cell.turn.as_deref()?, cell.step?);
        let step = self.named(name)?.turn.steps.iter().find(|step| step.number == number)?;
        let same = cell.source.is_some() || source_sha(&step.code).starts_with(&cell.hash);
        same.then_some(step)
    }

    fn cell_of(&self, id: &str) -> Option<&Cell> {
        self.entries.iter().rev().find_map(|entry| match &entry.what {
            What::Cell(cell) if entry.cell_id.as_deref() == Some(id) => Some(cell),
            What::Cell(_) | What::Turn(_) => None,
        })
    }

    /// Whether the source of a cell has run in this kernel, in this cell or in another.
    fn has_run(&self, cell: &CellState) -> bool {
        key(&cell.hash).is_some_and(|key| self.ran.contains(&key))
    }
}

fn mark_stale(execution: &mut Execution) {
    let note = Output::Stream { name: "stdout".into(), text: STALE.into() };
    execution.outputs.insert(0, note);
}

#[cfg(test)]
mod tests {
    use datarus_agent::agent::{Given, Outcome};

    use super::*;

    fn state(id: &str, role: &str, turn: Option<&str>, step: Option<usize>) -> CellState {
        CellState {
            id: id.into(),
            cell_type: "code".into(),
            role: Some(role.into()),
            turn: turn.map(str::to_owned),
            step,
            hash: String::new(),
            source: None,
        }
    }

    fn code(step: usize) -> CellState {
        state(&format!("t_1-{step}c"), "code", Some("t_1"), Some(step))
    }

    fn prompt() -> CellState {
        state("p", "prompt", Some("t_1"), None)
    }

    fn answer() -> CellState {
        state("t_1-a", "answer", Some("t_1"), None)
    }

    /// Two steps and an answer under the prompt `p`, and the cell `c` that the user ran before.
    fn history() -> History {
        let execution = || Execution {
            execution_count: Some(2),
            status: Status::Ok,
            outputs: Vec::new(),
            figures: Vec::new(),
            seconds: 0.0,
            lost: false,
        };
        let step = |number: usize| Step {
            number,
            understanding: String::new(),
            thought: "Look.".into(),
            code: format!("step {number}"),
            execution: execution(),
        };
        let turn = Turn {
            prompt: "best?".into(),
            mode: Mode::Agentic,
            steps: vec![step(1), step(2)],
            outcome: Outcome::Answered {
                understanding: String::new(),
                thought: "Found.".into(),
                answer: "North.".into(),
            },
            usage: Usage::default(),
            given: Given::default(),
            seen_above: Vec::new(),
            asked: Vec::new(),
        };
        let mut history = History::default();
        history.begin_cell("1", Some("c".into()), "mine");
        let cells = vec!["t_1-1c".into(), "t_1-2c".into()];
        history.add_turn(Some("p".into()), PastTurn { name: Some("t_1".into()), cells, turn });
        history
    }

    #[track_caller]
    fn check(history: &History, cells: &[CellState], expected: &str) {
        let said: Vec<String> = history
            .above(&Standing { cells: cells.to_vec(), texts: Vec::new() }, "now")
            .iter()
            .map(|past| match past {
                Past::Cell { code, execution } => format!("{code}{}", mark(execution)),
                Past::Turn(turn) => {
                    let code = |step: &Step| step.code.clone() + mark(&step.execution);
                    let steps: Vec<_> = turn.steps.iter().map(code).collect();
                    let answered = matches!(turn.outcome, Outcome::Answered { .. });
                    let end = if answered { "answer" } else { "none" };
                    format!("{} [{}] {end}", turn.prompt, steps.join(", "))
                }
            })
            .collect();
        assert_eq!(said.join("; "), expected);
    }

    fn mark(execution: &Execution) -> &'static str {
        if execution.outputs.is_empty() { "" } else { "*" }
    }

    #[test]
    fn what_the_user_deleted_or_moved_is_seen_as_it_stands() {
        let (history, mine) = (history(), state("c", "python", None, None));
        let all = [mine.clone(), prompt(), code(1), code(2), answer()];
        check(&history, &all, "mine; best? [step 1, step 2] answer");
        check(
            &history,
            &[prompt(), code(2), code(1), answer(), mine],
            "best? [step 2, step 1] answer; mine",
        );
        check(&history, &[prompt(), code(2)], "best? [step 2] none");
        check(&history, &[prompt()], "");
        check(&history, &[code(1), answer()], "step 1");
        check(&history, &[state("now", "prompt", None, None), prompt(), code(1), answer()], "");
    }

    #[test]
    fn an_edited_step_is_told_with_what_it_printed_before_or_since() {
        let mut history = history();
        let edited = CellState { source: Some("step 1b".into()), ..code(1) };
        check(&history, &[prompt(), edited.clone(), answer()], "best? [step 1b*] answer");
        history.begin_cell("9", Some("t_1-1c".into()), "step 1b");
        check(&history, &[prompt(), edited, answer()], "best? [step 1b] answer");
    }

    #[test]
    fn a_turn_that_was_taken_back_is_forgotten_with_what_was_run_of_it() {
        let mut history = history();
        history.begin_cell("9", Some("t_1-1c".into()), "step 1b");
        history.forget_turn("t_1");
        check(&history, &[prompt(), code(1), state("c", "python", None, None)], "mine");
        assert_eq!(history.pasts().len(), 1);
    }
}
