//! Thoughts of trajectories, written anew by a chat model so that they reason in words; what ran stays as it is.
//!
//! DeepAnalyze's trajectories were refined with keywords of reasoning ([arXiv 2510.16872](https://arxiv.org/abs/2510.16872));
//! the keywords, the prompt, and what a new thought is held to are ours.

use crate::agent::{Mode, Outcome};
use crate::aside::{ask, message, told};
use crate::dialect::disarm;
use crate::grounding::missing;
use crate::llm::{FinishReason, Interrupt, Model, ModelError};
use crate::observation::failed;
use crate::trajectory::{Trajectory, Worth};
use crate::transcript::{Role, Segment};

/// Words that a thought reasons with, where the caller names none.
pub const KEYWORDS: [&str; 8] =
    ["because", "but", "check", "first", "however", "instead", "since", "therefore"];

/// Characters of a thought.
const THOUGHT: usize = 1_200;

/// Times that a thought is asked for before the old one stays.
const TRIES: usize = 2;

/// A trajectory with other thoughts.
#[derive(Debug, Clone, PartialEq)]
pub struct Refined {
    /// The trajectory. The words that the model had written are gone from it, since they say something else.
    pub trajectory: Trajectory,
    /// Thoughts that are new.
    pub rewritten: usize,
    /// Thoughts that are the old ones, since none could be taken.
    pub left: usize,
}

/// A chat model, local or served, that writes thoughts anew.
pub struct Refiner<'m> {
    model: &'m mut dyn Model,
    keywords: &'m [String],
    interrupt: &'m Interrupt,
    /// The episode of the trajectory before, and what was asked and answered in it.
    episode: (String, String),
}

impl<'m> Refiner<'m> {
    /// Each new thought has one of the keywords, which are in lower case. Once the interrupt is set, all thoughts are the
    /// old ones.
    pub fn new(model: &'m mut dyn Model, keywords: &'m [String], interrupt: &'m Interrupt) -> Self {
        Self { model, keywords, interrupt, episode: Default::default() }
    }

    /// Writes the thoughts anew of all steps that are examples and ran, and the last one. Where nothing runs, the thought
    /// is the work, and stays.
    ///
    /// # Errors
    /// When the model fails. A thought of its that cannot be taken is no error.
    pub fn refine(&mut self, trajectory: &Trajectory) -> Result<Refined, ModelError> {
        let mut new = trajectory.clone();
        let mut known = self.begun(trajectory);
        if trajectory.task.mode == Mode::Reflection {
            return Ok(Refined { trajectory: new, rewritten: 0, left: 0 });
        }
        let (mut rewritten, mut left) = (0, 0);
        let mut put = |place: &mut String, text: Option<String>| match text {
            Some(text) => {
                *place = text;
                rewritten += 1;
            }
            None => left += 1,
        };
        for done in &mut new.steps {
            if done.worth == Worth::Example && !failed(&done.step.execution) {
                let below = format!("# The code below it\n{}", done.step.code.trim());
                let text = self.rewritten(&known, &done.step.thought, &below)?;
                put(&mut done.step.thought, text);
            }
            known = format!("{known}\n\n{}", told(done));
        }
        if let Outcome::Answered { thought, answer, .. } = &mut new.outcome {
            let below = format!("# The answer below it\n{}", answer.trim());
            let text = self.rewritten(&known, thought, &below)?;
            put(thought, text);
        }
        if rewritten > 0 {
            let refiner = format!("thoughts by {}", self.model.info().name);
            let by = [&*new.by, &*refiner].into_iter().filter(|name| !name.is_empty());
            new.by = by.collect::<Vec<_>>().join(", ");
            new.written.clear();
            new.calls.clear();
        }
        Ok(Refined { trajectory: new, rewritten, left })
    }

    /// What the model knows of a trajectory before its first step; notes it for the next one of its episode.
    fn begun(&mut self, trajectory: &Trajectory) -> String {
        let (episode, earlier) = &mut self.episode;
        if *episode != trajectory.episode {
            *earlier = String::new();
            episode.clone_from(&trajectory.episode);
        }
        let question = trajectory.task.prompt.trim();
        let known = format!("{earlier}# Question\n{question}");
        let answer = trajectory.answer().unwrap_or("(none)").trim();
        for part in ["# An earlier question\n", question, "\n\n# Its answer\n", answer, "\n\n"] {
            earlier.push_str(part);
        }
        known
    }

    /// A new thought for what stands below it; none if the model writes none that can be taken, or has no room for it.
    fn rewritten(
        &mut self,
        known: &str,
        thought: &str,
        below: &str,
    ) -> Result<Option<String>, ModelError> {
        let (thought, keywords) = (thought.trim(), self.keywords.join(", "));
        let told = format!(
            "{known}\n\n# The thought\n{thought}\n\n{below}\n\n# Connecting words\n{keywords}"
        );
        let mut messages = vec![
            message(Role::System, Segment::Markup(include_str!("prompts/refine.md").to_owned())),
            message(Role::User, Segment::Data(disarm(&told))),
        ];
        for _ in 0..TRIES {
            let completion = match ask(self.model, &messages, self.interrupt) {
                Err(ModelError::ContextFull { .. }) => return Ok(None),
                completion => completion?,
            };
            if self.interrupt.is_set() {
                return Ok(None);
            }
            // Some models think first, between tags.
            let text = completion.text.rsplit("</think>").next().unwrap_or_default().trim();
            let is_cut = completion.finish_reason != FinishReason::Stop;
            let cut = is_cut.then(|| String::from("it was cut off: be brief"));
            let Some(fault) = cut.or_else(|| fault(text, &told, self.keywords)) else {
                return Ok(Some(text.to_owned()));
            };
            // No server is told that its model said nothing.
            let said = if text.is_empty() { "(nothing)" } else { text };
            messages.push(message(Role::Assistant, Segment::Data(disarm(said))));
            let again = format!("It cannot be taken: {fault}. Write the thought again.");
            messages.push(message(Role::User, Segment::Data(again)));
        }
        Ok(None)
    }
}

/// Why a thought cannot be taken, where the model was told so much.
fn fault(text: &str, told: &str, keywords: &[String]) -> Option<String> {
    if text.is_empty() {
        return Some(String::from("it is empty"));
    }
    if text.chars().count() > THOUGHT {
        return Some(format!("it is longer than {THOUGHT} characters"));
    }
    if disarm(text) != text {
        return Some(String::from("it has tags, where plain words are expected"));
    }
    if !keywords.iter().any(|word| has_word(text, word)) {
        return Some(format!("it has none of the words {}", keywords.join(", ")));
    }
    let missing = missing(text, &[told], &[]);
    let named = missing.join(", ");
    (!missing.is_empty()).then(|| format!("numbers of it stand nowhere: {named}"))
}

/// Whether a text has a word, or words, whole and in any case.
fn has_word(text: &str, word: &str) -> bool {
    let text = text.to_lowercase();
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        // Scripts without blanks have no borders of words.
        let goes_on = |next: Option<char>| next.is_some_and(|next| next.is_ascii_alphanumeric());
        !goes_on(before) && !goes_on(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_is_taken_if_it_reasons_in_plain_words_about_what_is_known() {
        let keywords = ["but", "on the other hand", "因为"].map(String::from);
        let told = "# Question\nTotal?\n\n# Step 1\nOutput:\n220.5";
        let check = |text: &str, expected: Option<&str>| {
            let found = fault(text, told, &keywords);
            let is_as_expected = match (&found, expected) {
                (None, None) => true,
                (Some(found), Some(expected)) => found.starts_with(expected),
                _ => false,
            };
            assert!(is_as_expected, "{text}: {found:?}");
        };
        check("The total is 220.5, but of two regions alone.", None);
        check("On the other hand a region may be missing.", None);
        check("因为有缺失值。", None);
        check("", Some("it is empty"));
        check(&"but ".repeat(400), Some("it is longer than 1200 characters"));
        check("But <answer>220.5</answer>", Some("it has tags"));
        check("The butter is left out.", Some("it has none of the words but, on the other hand"));
        check("But it was 317.25 before.", Some("numbers of it stand nowhere: 317.25"));
    }
}
