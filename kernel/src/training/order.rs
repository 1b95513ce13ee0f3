//! What is to be made: tasks with their data, one line of JSON each, and the moves of who solves them.

use std::path::{Component, Path, PathBuf};

use datarus_agent::reward::Checker;
use datarus_agent::trajectory::{Task, Worth};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A task and what it needs. Lines of the same episode that follow each other are one chat: the first brings the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The question and how it is checked.
    pub task: Task,
    /// The episode, if there are several questions in one.
    #[serde(default)]
    pub episode: String,
    /// What lies in the working folder.
    #[serde(default)]
    pub files: Vec<FileOrder>,
    /// Code that has run before the first question and that nobody sees: a table in memory, a file of another kind.
    #[serde(default)]
    pub before: String,
    /// Files that are gone again after that.
    #[serde(default)]
    pub removed: Vec<String>,
    /// How it is solved, if that is known beforehand.
    #[serde(default)]
    pub solution: Vec<Move>,
    /// For the program that solves it; nobody else reads it.
    #[serde(default)]
    pub solver: Value,
    /// Which sample of its task it is, from 0 (`--samples`).
    #[serde(default)]
    pub sample: u64,
}

/// Far apart, so that no two samples of tasks with neighbouring seeds draw alike: 2⁶⁴ over the golden ratio.
const APART: u64 = 0x9E37_79B9_7F4A_7C15;

impl Order {
    /// A task about files, which somebody else solves.
    pub(super) fn of(task: Task, files: Vec<FileOrder>) -> Self {
        Self {
            task,
            episode: String::new(),
            files,
            before: String::new(),
            removed: Vec::new(),
            solution: Vec::new(),
            solver: Value::Null,
            sample: 0,
        }
    }

    /// The seed of what a model draws in it.
    pub(super) fn draw_seed(&self, seed: u64) -> u64 {
        let of_task = seed.wrapping_add(self.task.seed.unwrap_or_default());
        of_task.wrapping_add(self.sample.wrapping_mul(APART))
    }

    /// The name of its trajectory: the task's, and which sample it is.
    pub(super) fn trajectory_id(&self) -> String {
        self.named(&self.task.id)
    }

    /// The name of its episode: the same.
    pub(super) fn episode_name(&self) -> String {
        self.named(&self.episode)
    }

    fn named(&self, name: &str) -> String {
        if self.sample == 0 { name.to_owned() } else { format!("{name}.{}", self.sample) }
    }
}

/// Each episode so many times, one after the other, so that one worker that plays them reads the prompt once.
pub(super) fn sampled(episodes: Vec<Vec<Order>>, samples: u64) -> Vec<Vec<Order>> {
    let sample = |orders: &[Order], sample: u64| -> Vec<Order> {
        orders.iter().map(|order| Order { sample, ..order.clone() }).collect()
    };
    let each = |orders: Vec<Order>| (0..samples).map(move |at| sample(&orders, at));
    episodes.into_iter().flat_map(each).collect()
}

/// A file of the working folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileOrder {
    /// Its path in the working folder.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub content: Content,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// This text.
    Text(String),
    /// What the file at this path holds, from the folder of the file of tasks.
    Path(PathBuf),
}

/// What a solver does next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Move {
    /// A step.
    Step {
        /// Why.
        thought: String,
        /// What to run.
        code: String,
        /// Whether it is an example to follow.
        #[serde(default)]
        worth: Worth,
    },
    /// The end.
    End {
        /// The last thought.
        thought: String,
        /// The answer.
        answer: String,
        /// What a right answer is, where only the solver can say.
        #[serde(default)]
        checker: Option<Checker>,
    },
    /// The task turns out to be none: the data do not fit it.
    Skip {
        /// Why.
        skip: String,
    },
}

/// Why tasks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// A line is no task.
    #[error("line {line}: expected a task as JSON (docs/rewards.md), found {source}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file would be put or removed outside of the working folder.
    #[error("line {line}: expected a path inside the working folder, found `{name}`")]
    Outside {
        /// From 1.
        line: usize,
        /// The path.
        name: String,
    },
    /// Two episodes have one name.
    #[error("line {line}: the episode `{name}` is there twice: give each a name of its own")]
    Twice {
        /// From 1.
        line: usize,
        /// The name.
        name: String,
    },
}

/// The episodes in a text, each one or more orders.
///
/// # Errors
/// When a line is no task, names a file outside of the folder, or an episode comes twice.
pub fn episodes(text: &str) -> Result<Vec<Vec<Order>>, OrderError> {
    let mut episodes: Vec<Vec<Order>> = Vec::new();
    let mut names = std::collections::HashSet::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line_number = at + 1;
        let mut order: Order = serde_json::from_str(line)
            .map_err(|source| OrderError::Line { line: line_number, source })?;
        let files = order.files.iter().map(|file| &file.name);
        let mut all_files = files.chain(&order.removed);
        if let Some(name) = all_files.find(|name| !is_inside(Path::new(name))) {
            return Err(OrderError::Outside { line: line_number, name: name.clone() });
        }
        if order.episode.is_empty() {
            order.episode.clone_from(&order.task.id);
        }
        let goes_on = episodes
            .last()
            .and_then(|last| last.first())
            .is_some_and(|first| first.episode == order.episode);
        match episodes.last_mut() {
            Some(last) if goes_on => last.push(order),
            _ if !names.insert(order.episode.clone()) => {
                return Err(OrderError::Twice { line: line_number, name: order.episode });
            }
            _ => episodes.push(vec![order]),
        }
    }
    Ok(episodes)
}

fn is_inside(path: &Path) -> bool {
    let mut components = path.components();
    components.clone().next().is_some()
        && components.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, episode: &str, file: &str) -> String {
        serde_json::json!({
            "task": {"id": id, "prompt": "?"}, "episode": episode,
            "files": [{"name": file, "text": "a\n1\n"}, {"name": "b.csv", "path": "files/b.csv"}],
            "solution": [{"thought": "Look.", "code": "1"}, {"thought": "Seen.", "answer": "1"}, {"skip": "no"}],
        })
        .to_string()
    }

    #[test]
    fn lines_of_one_episode_are_one_chat() {
        let text = [line("1", "", "a.csv"), line("2", "e", "a.csv"), line("3", "e", "d/a.csv")]
            .join("\n\n");
        let found = episodes(&text).unwrap();
        let ids: Vec<Vec<&str>> = found
            .iter()
            .map(|orders| orders.iter().map(|order| &*order.task.id).collect())
            .collect();
        assert_eq!(ids, [vec!["1"], vec!["2", "3"]]);
        assert_eq!(found[0][0].files[1].content, Content::Path("files/b.csv".into()));
        assert!(matches!(
            found[0][0].solution[..],
            [Move::Step { .. }, Move::End { .. }, Move::Skip { .. }]
        ));
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_its_line() {
        let check = |text: &str, said: &str| {
            let error = episodes(text).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        };
        check(
            "{}",
            "line 1: expected a task as JSON (docs/rewards.md), found missing field `task`",
        );
        for outside in ["../a.csv", "/etc/passwd", "", "a/../../b"] {
            check(
                &line("1", "", outside),
                &format!("line 1: expected a path inside the working folder, found `{outside}`"),
            );
            let removed = serde_json::json!({"task": {"id": "1", "prompt": "?"}, "removed": ["a.csv", outside]});
            check(
                &removed.to_string(),
                &format!("line 1: expected a path inside the working folder, found `{outside}`"),
            );
        }
        let twice = [line("1", "e", "a"), line("2", "f", "a"), line("3", "e", "a")].join("\n");
        check(&twice, "line 3: the episode `e` is there twice");
    }
}
