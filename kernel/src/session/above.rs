//! What stands above a prompt in the notebook: what was run, as the user has arranged, edited and deleted it since.

use datarus_agent::agent::{Outcome, Past, Step, Turn};
use datarus_agent::executor::{Execution, Output};

use super::{Cell, History, What};
use crate::page::CellState;

/// Told to the model of a step that was edited and not run again.
const STALE: &str = "[edited by the user since it ran; this is the output of the code before]\n";

impl History {
    /// What was run and stands above the cell `prompt`, in the order of the notebook. A turn's steps are those that
    /// still stand, as they stand; steps without their prompt are cells like any other.
    pub(crate) fn above(&self, cells: &[CellState], prompt: &str) -> Vec<Past> {
        let mut pasts: Vec<Past> = self
            .0
            .iter()
            .filter(|entry| entry.cell_id.is_none())
            .map(|entry| entry.what.as_past())
            .collect();
        // The turns whose prompts stand, by the places of their pasts.
        let mut open: Vec<(&str, usize)> = Vec::new();
        for cell in cells.iter().take_while(|cell| cell.id != prompt) {
            if let Some((name, turn)) = self.turn_of_prompt(&cell.id) {
                let Some(name) = name else {
                    pasts.push(Past::Turn(turn.clone()));
                    continue;
                };
                let stands = stands(cells, name, turn);
                if stands != Stands::Nothing {
                    open.push((name, pasts.len()));
                    pasts.push(Past::Turn(without_steps(turn, stands)));
                }
            } else if let Some((name, step)) = self.step_of(cell) {
                let step = self.as_it_stands(step, cell);
                let at = open.iter().find(|(turn, _)| *turn == name).map(|(_, at)| *at);
                match at.and_then(|at| pasts.get_mut(at)) {
                    Some(Past::Turn(turn)) => turn.steps.push(step),
                    _ => pasts.push(Past::Cell { code: step.code, execution: step.execution }),
                }
            } else if let Some(ran) = self.cell_of(&cell.id) {
                pasts.push(Past::Cell { code: ran.code.clone(), execution: ran.execution() });
            }
        }
        pasts
    }

    fn turn_of_prompt(&self, id: &str) -> Option<(Option<&str>, &Turn)> {
        self.0.iter().find_map(|entry| match &entry.what {
            What::Turn(name, turn) if entry.cell_id.as_deref() == Some(id) => {
                Some((name.as_deref(), turn))
            }
            What::Turn(..) | What::Cell(_) => None,
        })
    }

    /// The step whose code the cell holds.
    fn step_of<'a>(&'a self, cell: &'a CellState) -> Option<(&'a str, &'a Step)> {
        let (name, number) = (cell.turn.as_deref()?, cell.step?);
        if cell.role.as_deref() != Some("code") {
            return None;
        }
        let turn = self.0.iter().find_map(|entry| match &entry.what {
            What::Turn(known, turn) if known.as_deref() == Some(name) => Some(turn),
            What::Turn(..) | What::Cell(_) => None,
        });
        Some((name, turn?.steps.iter().find(|step| step.number == number)?))
    }

    fn cell_of(&self, id: &str) -> Option<&Cell> {
        self.0.iter().rev().find_map(|entry| match &entry.what {
            What::Cell(cell) if entry.cell_id.as_deref() == Some(id) => Some(cell),
            What::Cell(_) | What::Turn(..) => None,
        })
    }

    /// The step with what the user made of it and ran.
    fn as_it_stands(&self, step: &Step, cell: &CellState) -> Step {
        let mut step = step.clone();
        if let Some(ran) = self.cell_of(&cell.id) {
            step.code.clone_from(&ran.code);
            step.execution = ran.execution();
        }
        let edited =
            cell.source.as_ref().filter(|source| source.trim_end() != step.code.trim_end());
        if let Some(source) = edited {
            step.code.clone_from(source);
            mark_stale(&mut step.execution);
        }
        step
    }
}

fn mark_stale(execution: &mut Execution) {
    let note = Output::Stream { name: "stdout".into(), text: STALE.into() };
    execution.outputs.insert(0, note);
}

/// What still stands of a turn besides its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Nothing,
    /// Steps, but not the answer that there was.
    NoAnswer,
    Answer,
}

fn stands(cells: &[CellState], name: &str, turn: &Turn) -> Stands {
    let role = |cell: &&CellState| match &cell.role {
        Some(role) if cell.turn.as_deref() == Some(name) && role != "prompt" => Some(role.clone()),
        _ => None,
    };
    let roles: Vec<String> = cells.iter().filter_map(|cell| role(&cell)).collect();
    let answered = matches!(turn.outcome, Outcome::Answered { .. });
    match (roles.is_empty(), !answered || roles.iter().any(|role| role == "answer")) {
        (true, _) => Stands::Nothing,
        (false, true) => Stands::Answer,
        (false, false) => Stands::NoAnswer,
    }
}

fn without_steps(turn: &Turn, stands: Stands) -> Turn {
    let outcome = match stands {
        Stands::NoAnswer => Outcome::GaveUp { reason: "the user deleted the answer".into() },
        Stands::Answer | Stands::Nothing => turn.outcome.clone(),
    };
    Turn { steps: Vec::new(), outcome, ..turn.clone() }
}

#[cfg(test)]
mod tests {
    use datarus_agent::agent::Mode;
    use datarus_agent::executor::Status;
    use datarus_agent::llm::Usage;

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
        };
        let step = |number: usize| Step {
            number,
            thought: "Look.".into(),
            code: format!("step {number}"),
            execution: execution(),
        };
        let turn = Turn {
            prompt: "best?".into(),
            mode: Mode::Agentic,
            steps: vec![step(1), step(2)],
            outcome: Outcome::Answered { thought: "Found.".into(), answer: "North.".into() },
            usage: Usage::default(),
        };
        let mut history = History::default();
        history.begin_cell("1", Some("c".into()), "mine");
        history.add_turn(Some("p".into()), Some("t_1".into()), turn);
        history
    }

    #[track_caller]
    fn check(history: &History, cells: &[CellState], expected: &str) {
        let said: Vec<String> = history
            .above(cells, "now")
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
