//! Samples of one task, of which one is right and another wrong: a preference that no single trajectory has.

use std::collections::VecDeque;

use datarus_agent::reward::{Settings, score};
use datarus_agent::trajectory::Trajectory;

/// So many tasks are kept: the samples of one come near each other.
const KEPT: usize = 64;

/// The samples of the last tasks.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Task>);

#[derive(Debug)]
struct Task {
    id: String,
    /// The first one that is right.
    right: Option<Vec<Trajectory>>,
    /// Wrong ones that came before it.
    wrong: Vec<Vec<Trajectory>>,
}

/// The episode of a right answer, and that of a wrong one.
pub(super) type Pair = (Vec<Trajectory>, Vec<Trajectory>);

impl Samples {
    /// Takes an episode; returns the pairs that it makes with those before it. One that no program can judge makes none.
    pub(super) fn take(&mut self, episode: &[Trajectory]) -> Vec<Pair> {
        let Some(last) = episode.last() else { return Vec::new() };
        let Some(correct) = score(last, &Settings::default(), 1.0, None).correct else {
            return Vec::new();
        };
        let (is_right, is_wrong) = (correct >= 1.0, correct <= 0.0);
        if !is_right && !is_wrong {
            return Vec::new();
        }
        let task = self.task(&last.task.id);
        match &task.right {
            Some(right) if is_wrong => vec![(right.clone(), episode.to_vec())],
            Some(_) => Vec::new(),
            None if is_wrong => {
                task.wrong.push(episode.to_vec());
                Vec::new()
            }
            None => {
                task.right = Some(episode.to_vec());
                let pair = |wrong| (episode.to_vec(), wrong);
                std::mem::take(&mut task.wrong).into_iter().map(pair).collect()
            }
        }
    }

    fn task(&mut self, id: &str) -> &mut Task {
        let at = self.0.iter().position(|task| task.id == id).unwrap_or_else(|| {
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            self.0.push_back(Task { id: id.to_owned(), right: None, wrong: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}
