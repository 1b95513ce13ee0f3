//! Thoughts of trajectories, written anew by a chat model so that they reason in words; what ran stays as it is. Pure but
//! for the model.
//!
//! DeepAnalyze's trajectories were refined with keywords of reasoning ([arXiv 2510.16872](https://arxiv.org/abs/2510.16872));
//! the keywords, the prompt, and what a new thought is held to are ours.

use crate::agent::Outcome;
use crate::dialect::disarm;
use crate::grounding::missing;
use crate::llm::{GenerateRequest, Interrupt, Model, ModelError, Profile, Sampling, Unconstrained};
use crate::observation::{observe, shorten};
use crate::trajectory::{Trajectory, Worth};
use crate::transcript::{ChatMessage, Role, Segment};

/// Words that a thought reasons with, where the caller names none.
pub const KEYWORDS: [&str; 8] =
    ["because", "but", "check", "first", "however", "instead", "since", "therefore"];

/// Tokens that an answer may take: a model may think first.
const MAX_TOKENS: usize = 4_096;

/// Characters of one output that the model sees.
const OUTPUT: usize = 1_500;

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
    /// The model.
    pub model: &'m mut dyn Model,
    /// A new thought has one of these, in lower case.
    pub keywords: &'m [String],
    /// Set from another thread to stop: all thoughts to come are the old ones.
    pub interrupt: &'m Interrupt,
}

impl Refiner<'_> {
    /// Writes the thoughts anew of all steps that are examples, and the last one.
    ///
    /// # Errors
    /// When the model fails. A thought of its that cannot be taken is no error.
    pub fn refine(&mut self, trajectory: &Trajectory) -> Result<Refined, ModelError> {
        let mut new = trajectory.clone();
        let (mut rewritten, mut left) = (0, 0);
        let mut put = |place: &mut String, text: Option<String>| match text {
            Some(text) => {
                *place = text;
                rewritten += 1;
            }
            None => left += 1,
        };
        let mut known = format!("# Question\n{}", trajectory.task.prompt.trim());
        for done in &mut new.steps {
            let step = &mut done.step;
            let (thought, code) = (step.thought.trim().to_owned(), step.code.trim());
            let seen = shorten(&observe(&step.code, &step.execution, Profile::Full), OUTPUT);
            let number = step.number;
            let told = format!("# Step {number}\n{thought}\n\n{code}\n\nOutput:\n{seen}");
            if done.worth == Worth::Example {
                let below = format!("# The code below it\n{code}");
                put(&mut step.thought, self.rewritten(&known, &thought, &below)?);
            }
            known = format!("{known}\n\n{told}");
        }
        if let Outcome::Answered { thought, answer, .. } = &mut new.outcome {
            let below = format!("# The answer below it\n{}", answer.trim());
            let text = self.rewritten(&known, thought.trim(), &below)?;
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

    /// A new thought for what stands below it; none if the model writes none that can be taken.
    fn rewritten(
        &mut self,
        known: &str,
        thought: &str,
        below: &str,
    ) -> Result<Option<String>, ModelError> {
        let keywords = self.keywords.join(", ");
        let told = format!(
            "{known}\n\n# The thought\n{thought}\n\n{below}\n\n# Connecting words\n{keywords}"
        );
        let mut messages = vec![
            message(Role::System, Segment::Markup(include_str!("prompts/refine.md").to_owned())),
            message(Role::User, Segment::Data(disarm(&told))),
        ];
        for _ in 0..TRIES {
            let length = self.model.info().context_length;
            let room = length.saturating_sub(self.model.count_tokens(&messages)?);
            let request = GenerateRequest {
                messages: &messages,
                stop: &[],
                sampling: &Sampling::Greedy,
                seed: 0,
                max_new_tokens: room.min(MAX_TOKENS),
                interrupt: self.interrupt,
            };
            let written = self.model.generate(&request, &mut Unconstrained, &mut |_| ())?.text;
            if self.interrupt.is_set() {
                return Ok(None);
            }
            // Some models think first, between tags.
            let text = written.rsplit("</think>").next().unwrap_or_default().trim();
            let Some(fault) = fault(text, &told, self.keywords) else {
                return Ok(Some(text.to_owned()));
            };
            messages.push(message(Role::Assistant, Segment::Data(disarm(text))));
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

fn message(role: Role, segment: Segment) -> ChatMessage {
    ChatMessage { role, content: vec![segment] }
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
