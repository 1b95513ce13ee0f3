//! Who solves tasks: the order itself, a program, or a model.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;

use super::order::{Move, Order};

/// What a step has shown, as a solver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The observation.
    pub text: String,
    /// Whether the step failed.
    pub failed: bool,
}

/// What a program is asked: one line of JSON.
#[derive(Debug, Serialize)]
struct Question<'a> {
    order: &'a Order,
    shown: &'a [Shown],
}

/// Why a task is not solved.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// The program cannot be spoken to.
    #[error("the solver `{command}` cannot be spoken to: {source}")]
    Io {
        /// How it was started.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It said something that is no move.
    #[error(
        "expected a move of the solver `{command}` as one line of JSON (docs/rewards.md), found `{found}`"
    )]
    NoMove {
        /// How it was started.
        command: String,
        /// The beginning of what it said.
        found: String,
    },
    /// The solution of an order ends without an answer.
    #[error("the solution of the task `{0}` ends without an answer")]
    NoEnd(String),
}

/// A program that answers each line on its standard input with a line on its standard output.
#[derive(Debug)]
pub struct Program {
    command: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts a command as a shell does.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn start(command: &str) -> Result<Self, SolverError> {
        let failed = |source| SolverError::Io { command: command.to_owned(), source };
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let closed = || failed(std::io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(closed)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(closed)?);
        Ok(Self { command: command.to_owned(), child, input, output })
    }

    /// What it does next, given what its steps have shown.
    ///
    /// # Errors
    /// When it has ended, or says what is no move.
    pub fn next(&mut self, order: &Order, shown: &[Shown]) -> Result<Move, SolverError> {
        let failed = |source| SolverError::Io { command: self.command.clone(), source };
        let mut line = serde_json::to_string(&Question { order, shown }).unwrap_or_default();
        line.push('\n');
        self.input.write_all(line.as_bytes()).map_err(failed)?;
        self.input.flush().map_err(failed)?;
        line.clear();
        self.output.read_line(&mut line).map_err(failed)?;
        serde_json::from_str(&line).map_err(|_| SolverError::NoMove {
            command: self.command.clone(),
            found: line.trim().chars().take(80).collect(),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next move of a solution that the order brings along.
pub(crate) fn known(order: &Order, n_shown: usize) -> Result<Move, SolverError> {
    let next = order.solution.get(n_shown).cloned();
    next.ok_or_else(|| SolverError::NoEnd(order.task.id.clone()))
}

#[cfg(test)]
mod tests {
    use datarus_agent::trajectory::Task;

    use super::*;

    fn order() -> Order {
        let task = Task { id: String::from("t"), ..Task::default() };
        serde_json::from_value(serde_json::json!({ "task": task })).unwrap()
    }

    #[test]
    fn a_program_answers_line_by_line() {
        let echo = r#"while read -r line; do echo '{"thought":"Look.","code":"1"}'; done"#;
        let mut program = Program::start(echo).unwrap();
        for _ in 0..3 {
            let next = program.next(&order(), &[]).unwrap();
            assert!(matches!(next, Move::Step { ref code, .. } if code == "1"));
        }
    }

    #[test]
    fn a_program_that_ends_or_speaks_of_something_else_is_told() {
        let mut ended = Program::start("exit 3").unwrap();
        let said = ended.next(&order(), &[]).unwrap_err().to_string();
        assert!(said.contains("the solver `exit 3`"), "{said}");
        let mut wrong = Program::start("read -r line; echo hello").unwrap();
        let said = wrong.next(&order(), &[]).unwrap_err().to_string();
        assert!(said.ends_with("found `hello`"), "{said}");
    }

    #[test]
    fn a_solution_without_an_end_is_told() {
        let said = known(&order(), 0).unwrap_err().to_string();
        assert_eq!(said, "the solution of the task `t` ends without an answer");
    }
}
