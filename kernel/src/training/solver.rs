//! Who solves tasks: the order itself, a program, or a model.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use datarus_agent::llm::Interrupt;
use rustix::process::{Pid, Signal, kill_process_group};
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
        source: io::Error,
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
    /// It was told to stop while the program kept silent.
    #[error("it was stopped while the solver kept silent")]
    Stopped,
    /// The solution of an order ends without an answer.
    #[error("the solution of the task `{0}` ends without an answer")]
    NoEnd(String),
}

/// How often it is looked whether a stop was asked for.
const LOOK: Duration = Duration::from_millis(100);

/// A program that answers each line on its standard input with a line on its standard output.
#[derive(Debug)]
pub struct Program {
    command: String,
    child: Child,
    input: ChildStdin,
    /// What it says, read by a thread: a pipe alone would not hear a stop.
    lines: Receiver<io::Result<String>>,
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
            // So that its end reaches what the shell has started.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let closed = || failed(io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(closed)?;
        let output = child.stdout.take().ok_or_else(closed)?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || read(output, &sender));
        Ok(Self { command: command.to_owned(), child, input, lines })
    }

    /// What it does next, given what its steps have shown. Blocks until it says so, or `stop` is set.
    ///
    /// # Errors
    /// When it has ended, or says what is no move, or was stopped.
    pub fn next(
        &mut self,
        order: &Order,
        shown: &[Shown],
        stop: &Interrupt,
    ) -> Result<Move, SolverError> {
        let failed = |source| SolverError::Io { command: self.command.clone(), source };
        let mut line = serde_json::to_string(&Question { order, shown }).unwrap_or_default();
        line.push('\n');
        self.input.write_all(line.as_bytes()).map_err(failed)?;
        self.input.flush().map_err(failed)?;
        let line = loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => break line.map_err(failed)?,
                Err(RecvTimeoutError::Timeout) if stop.is_set() => {
                    return Err(SolverError::Stopped);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // It has ended: no move.
                Err(RecvTimeoutError::Disconnected) => break String::new(),
            }
        };
        serde_json::from_str(&line).map_err(|_| SolverError::NoMove {
            command: self.command.clone(),
            found: line.trim().chars().take(80).collect(),
        })
    }
}

/// Hands on lines until there are no more, or nobody wants them.
fn read(output: ChildStdout, lines: &mpsc::Sender<io::Result<String>>) {
    let _ = BufReader::new(output).lines().try_for_each(|line| lines.send(line));
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
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
            let next = program.next(&order(), &[], &Interrupt::default()).unwrap();
            assert!(matches!(next, Move::Step { ref code, .. } if code == "1"));
        }
    }

    #[test]
    fn a_program_that_ends_or_speaks_of_something_else_is_told() {
        let mut ended = Program::start("exit 3").unwrap();
        let said = ended.next(&order(), &[], &Interrupt::default()).unwrap_err().to_string();
        assert!(said.contains("the solver `exit 3`"), "{said}");
        let mut wrong = Program::start("read -r line; echo hello").unwrap();
        let said = wrong.next(&order(), &[], &Interrupt::default()).unwrap_err().to_string();
        assert!(said.ends_with("found `hello`"), "{said}");
    }

    #[test]
    fn a_program_that_keeps_silent_is_stopped_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let began = folder.path().join("began");
        let silent = format!("(echo > '{}'; sleep 600); echo", began.display());
        let mut program = Program::start(&silent).unwrap();
        let stop = Interrupt::default();
        let said = thread::scope(|scope| {
            let asked = scope.spawn(|| program.next(&order(), &[], &stop));
            while !began.exists() {
                thread::yield_now();
            }
            stop.set();
            asked.join().unwrap().unwrap_err()
        });
        assert!(matches!(said, SolverError::Stopped), "{said}");
        let lines = std::mem::replace(&mut program.lines, mpsc::channel().1);
        assert!(matches!(lines.try_recv(), Err(mpsc::TryRecvError::Empty)), "it runs until then");
        drop(program);
        // The pipe ends with the last that could write to it.
        assert!(lines.recv().is_err());
    }

    #[test]
    fn a_solution_without_an_end_is_told() {
        let said = known(&order(), 0).unwrap_err().to_string();
        assert_eq!(said, "the solution of the task `t` ends without an answer");
    }
}
