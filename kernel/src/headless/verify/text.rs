//! What was found, for people. Pure.

use super::{DataFile, DataState, Ending, Failed, Verified};
use crate::cells::same::Difference;
use crate::terminal::terminal_line;

impl Verified {
    /// For people: what does not hold, one line each, and how much does.
    pub fn as_text(&self) -> String {
        let mut lines = Vec::new();
        for file in self.data.iter().filter(|file| file.state != DataState::Same) {
            let said =
                if file.state == DataState::Missing { "is not there" } else { "has changed" };
            lines.push(format!("data      {} {said}", file.path));
        }
        for version in &self.versions {
            let is = if version.is.is_empty() { "not used" } else { &version.is };
            lines.push(format!("version   {}: was {}, is {is}", version.name, version.was));
        }
        for failed in &self.failed {
            lines
                .push(format!("failed    cell {}: {}: {}", failed.id, failed.ename, failed.evalue));
        }
        for file in self.data.iter().filter(|file| self.is_out_of_reach(file)) {
            lines.push(format!(
                "data      {} lies where cells may not read: name its folder with `--readable`",
                file.path
            ));
        }
        let named = |id: &str, count: Option<u64>| {
            count.map_or_else(|| id.to_owned(), |count| count.to_string())
        };
        for cell in &self.not_run {
            let (name, why) = (named(&cell.id, cell.execution_count), cell.why);
            lines.push(format!("not run   cell {name} {why}: what it shows was not checked"));
        }
        for output in &self.outputs {
            let cell = named(&output.id, output.execution_count);
            let Difference { was, is } = &output.difference;
            lines.push(format!("output    cell {cell}: was `{was}`, is `{is}`"));
        }
        for lost in &self.numbers_lost {
            lines.push(format!(
                "number    {} of the answer to question {} is printed no more",
                lost.number, lost.question
            ));
        }
        lines.push(self.verdict());
        if self.numbers_never_found > 0 {
            lines.push(format!(
                "{} more numbers were found in no output before, either",
                self.numbers_never_found
            ));
        }
        // Paths, ids and outputs are foreign.
        let lines: Vec<_> = lines.iter().map(|line| terminal_line(line)).collect();
        lines.join("\n")
    }

    /// Whether a file is there for us, and a cell says that it is not.
    fn is_out_of_reach(&self, file: &DataFile) -> bool {
        let is_missed = |failed: &Failed| {
            failed.ename == "FileNotFoundError" && failed.evalue.contains(&file.path)
        };
        file.state == DataState::Same && self.failed.iter().any(is_missed)
    }

    fn verdict(&self) -> String {
        let verdict = match self.ending {
            Ending::Interrupted => {
                let all = self.cells + self.unreached;
                format!("interrupted with {} of {all} cells left", self.unreached)
            }
            _ if self.holds => "holds".to_owned(),
            _ => "does not hold".to_owned(),
        };
        let of = |some: usize, all: usize, what: &str, none: &str| {
            if all == 0 { none.to_owned() } else { format!("{some} of {all} {what}") }
        };
        let same = self.cells.saturating_sub(self.outputs.len());
        let numbers = self.numbers_held + self.numbers_lost.len();
        let files = self.data.iter().filter(|file| file.state == DataState::Same).count();
        format!(
            "{verdict}: {}, {}, {}",
            of(same, self.cells, "cells put out what they did", "no cell ran"),
            of(self.numbers_held, numbers, "numbers hold", "no answer with numbers"),
            of(files, self.data.len(), "data files are the same", "no data files are named"),
        )
    }
}
