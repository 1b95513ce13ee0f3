//! Whoever looks at a plan before it is worked on: a user at a terminal, or nobody.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::Command;

use crate::terminal::terminal_line;

/// Who looks at the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    /// Nobody: the run goes on by itself.
    Empty,
    /// The user at the terminal that the program runs in.
    Terminal,
}

/// What can be typed.
const CHOICES: &str = "Enter works on this plan; e edits it here, or edit it in the notebook first; q leaves it for later.";

/// What came of a look at the plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// Whether to go on.
    pub(super) goes_on: bool,
    /// The plan that the user made of it.
    pub(super) edited: Option<String>,
}

/// What the user typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    GoOn,
    Edit,
    Leave,
    Unknown,
}

impl Desk {
    /// The terminal, if there is one to read from and to show the plan on, and the user wants to be asked.
    pub fn of_process(asks: bool) -> Self {
        let has_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if asks && has_terminal { Self::Terminal } else { Self::Empty }
    }

    /// Shows the plan and waits for a word about it. Blocks.
    pub(super) fn look_at(self, plan: &str) -> Looked {
        if self == Self::Empty {
            return Looked { goes_on: true, edited: None };
        }
        let mut looked = Looked::default();
        show(plan);
        loop {
            match typed(&line()) {
                Typed::GoOn => return Looked { goes_on: true, ..looked },
                Typed::Leave => return looked,
                Typed::Edit => match in_editor(looked.edited.as_deref().unwrap_or(plan)) {
                    Ok(text) => show(looked.edited.insert(text)),
                    Err(error) => say(&format!("the editor could not be used: {error}\n{CHOICES}")),
                },
                Typed::Unknown => say(CHOICES),
            }
        }
    }
}

fn show(plan: &str) {
    let lines: Vec<_> = plan.lines().map(terminal_line).collect();
    say(&format!("\n{}\n\n{CHOICES}", lines.join("\n")));
}

fn typed(line: &str) -> Typed {
    match line.trim() {
        // Nothing more can be typed.
        "" if line.is_empty() => Typed::Leave,
        "" | "y" | "yes" => Typed::GoOn,
        "e" | "edit" => Typed::Edit,
        "q" | "quit" | "n" | "no" => Typed::Leave,
        _ => Typed::Unknown,
    }
}

fn line() -> String {
    let _ = write!(std::io::stderr(), "> ");
    let mut line = String::new();
    // Without a line there is nobody any more.
    let _ = std::io::stdin().lock().read_line(&mut line);
    line
}

/// Lets the user edit a text in `$VISUAL` or `$EDITOR`.
fn in_editor(text: &str) -> std::io::Result<String> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| String::from("vi"));
    let mut file = tempfile::Builder::new().prefix("plan-").suffix(".md").tempfile()?;
    file.write_all(text.as_bytes())?;
    // As git does it: the variable may hold arguments.
    let status =
        Command::new("sh").args(["-c", &format!("{editor} \"$0\"")]).arg(file.path()).status()?;
    if !status.success() {
        return Err(std::io::Error::other(format!("`{editor}` ended with {status}")));
    }
    std::fs::read_to_string(file.path())
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_about_a_plan_is_understood() {
        let check = |line: &str, expected: Typed| assert_eq!(typed(line), expected, "{line:?}");
        check("\n", Typed::GoOn);
        check(" y \n", Typed::GoOn);
        check("e\n", Typed::Edit);
        check("quit\n", Typed::Leave);
        check("", Typed::Leave);
        check("what?\n", Typed::Unknown);
    }

    #[test]
    fn where_nobody_can_be_asked_the_run_goes_on() {
        assert_eq!(Desk::Empty.look_at("## a"), Looked { goes_on: true, edited: None });
    }
}
