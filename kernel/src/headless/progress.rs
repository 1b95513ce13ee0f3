//! Tells on stderr how a turn goes: one line a step, and on a terminal what is being done now.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use serde_json::Value;

use crate::cells::STEP_MIME;
use crate::terminal::terminal_line;

/// Longest line shown, in characters.
const WIDTH: usize = 78;

/// Tells on stderr how things go.
#[derive(Debug)]
pub struct Progress {
    is_terminal: bool,
    /// Whether a line stands that the next one overwrites.
    has_passing_line: bool,
    /// The last step that was told as done.
    told: u64,
    started: Instant,
}

impl Progress {
    /// Begins to measure.
    pub fn on_stderr() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { is_terminal, has_passing_line: false, told: 0, started: Instant::now() }
    }

    /// Whether lines that pass are shown.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Begins a new turn, whose steps count from 1 again.
    pub fn next_turn(&mut self) {
        self.told = 0;
    }

    /// Takes what a cell published, and tells what is new in it.
    pub fn see(&mut self, msg_type: &str, content: &Value) {
        if !matches!(msg_type, "display_data" | "update_display_data") {
            return;
        }
        let Some(json) = content["data"].get(STEP_MIME) else { return };
        match line_of(json) {
            Some(Line::Passing(text)) => self.pass(&text),
            Some(Line::Done(step, text)) if step > self.told => {
                self.told = step;
                self.tell(&text);
            }
            _ => {}
        }
    }

    /// A line that stays.
    pub fn tell(&mut self, text: &str) {
        self.erase();
        // Nobody may be listening; that is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// A line that the next one overwrites; only on a terminal.
    pub fn pass(&mut self, text: &str) {
        if self.is_terminal {
            self.erase();
            let text = shortened(&format!("{text} ({:.0} s)", self.seconds()));
            let _ = write!(std::io::stderr(), "{text}");
            self.has_passing_line = true;
        }
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.has_passing_line) {
            // To the first column, and clear the line.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

enum Line {
    Passing(String),
    Done(u64, String),
}

fn line_of(json: &Value) -> Option<Line> {
    let text = |field: &str| json[field].as_str().unwrap_or_default();
    if json["part"] == "end" {
        return None;
    }
    if json.get("part").is_some() {
        return Some(Line::Passing(String::from("writing the answer …")));
    }
    let step = json["step"].as_u64()?;
    match text("state") {
        "done" => {
            let count =
                json["execution_count"].as_u64().map_or(String::new(), |n| format!("[{n}] "));
            let status = match text("status") {
                "ok" => String::new(),
                status => format!(", {}", terminal_line(&status.replace('_', " "))),
            };
            let seconds = json["seconds"].as_f64().unwrap_or_default();
            let line = format!("step {step}: {count}{}", text("thought").trim());
            Some(Line::Done(step, format!("{} ({seconds:.1} s{status})", shortened(&line))))
        }
        "running" => Some(Line::Passing(format!("step {step}: running {}", text("code").trim()))),
        _ => Some(Line::Passing(format!("step {step}: {} …", text("thought").trim()))),
    }
}

/// One line of at most [`WIDTH`] characters. Cells and models write what they like.
fn shortened(text: &str) -> String {
    let line = terminal_line(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= WIDTH {
        return line;
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(json: Value, expected: &str) {
        let line = match line_of(&json) {
            Some(Line::Passing(text)) => format!("~ {text}"),
            Some(Line::Done(step, text)) => format!("{step} {text}"),
            None => String::new(),
        };
        assert_eq!(line, expected);
    }

    #[test]
    fn a_step_passes_by_and_stays_when_it_is_done() {
        check(json!({"step": 1, "state": "writing", "thought": "Load"}), "~ step 1: Load …");
        check(json!({"step": 1, "state": "running", "code": "a\nb"}), "~ step 1: running a\nb");
        let done = json!({"step": 2, "state": "done", "thought": "Load\nit.", "execution_count": 5,
            "status": "ok", "seconds": 0.25});
        check(done, "2 step 2: [5] Load it. (0.2 s)");
        let failed = json!({"step": 2, "state": "done", "thought": "x", "status": "timed_out"});
        check(failed, "2 step 2: x (0.0 s, timed out)");
        check(json!({"part": "answer", "text": "…"}), "~ writing the answer …");
        check(json!({"part": "end"}), "");
    }

    #[test]
    fn a_step_says_to_a_terminal_nothing_but_itself() {
        let done =
            json!({"step": 2, "state": "done", "thought": "a\u{1b}[2Jb", "status": "c\u{9b}2J"});
        check(done, "2 step 2: a\u{fffd}[2Jb (0.0 s, c\u{fffd}2J)");
        assert_eq!(shortened("> a\u{1b}]0;b\u{7}"), "> a\u{fffd}]0;b\u{fffd}");
    }

    #[test]
    fn a_long_line_is_shortened_by_characters() {
        assert_eq!(shortened(&"ä".repeat(100)).chars().count(), WIDTH);
    }
}
