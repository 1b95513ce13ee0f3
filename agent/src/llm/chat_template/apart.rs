//! A foreign template apart from this process: what is asked about it, and what is answered.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::jinja::{Jinja, MAX_BYTES, Outline};

/// Bound on the bytes of an answer: what a template may write, escaped, and a little around it.
pub const MAX_ANSWER: u64 = 6 * MAX_BYTES as u64 + 1024;

/// Where the template of a model file is compiled and rendered, which may ask for any amount of memory and time.
pub enum Renderer {
    /// In this process, which such a template can exhaust: for our own, and for tests.
    Here,
    /// Wherever this has [`answer`] called, which is to be a process that gets little memory and time.
    Apart(Box<Ask>),
}

/// Takes a job to where [`answer`] is called, and returns its answer, at most [`MAX_ANSWER`] bytes, or a reason why
/// there is none, as the predicate of a sentence about the template.
pub type Ask = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send;

/// A template, and the chat that it is to render; it is only compiled without one.
#[derive(Serialize, Deserialize)]
struct Job<'a> {
    source: Cow<'a, str>,
    outline: Option<Cow<'a, Outline>>,
}

/// The text of a chat, or why there is none.
type Answer = Result<String, String>;

/// Asks for a chat as text, or only whether the template compiles.
///
/// # Errors
/// A reason, as the predicate of a sentence about the template.
pub(super) fn ask(how: &Ask, source: &str, outline: Option<&Outline>) -> Answer {
    let job = Job { source: Cow::Borrowed(source), outline: outline.map(Cow::Borrowed) };
    let job = serde_json::to_vec(&job).map_err(|error| error.to_string())?;
    let answer = how(&job)?;
    serde_json::from_slice(&answer)
        .unwrap_or_else(|error| Err(format!("what rendered it gave no answer ({error})")))
}

/// Compiles or renders as the bytes of `job` say. For the process that is held: a hostile template exhausts it.
pub fn answer(job: &[u8]) -> Vec<u8> {
    let answer = serde_json::from_slice::<Job<'_>>(job).map_err(|error| error.to_string());
    let answer: Answer = answer.and_then(|job| {
        let jinja = Jinja::compile(&job.source)?;
        job.outline.map_or_else(|| Ok(String::new()), |outline| jinja.render(&outline))
    });
    serde_json::to_vec(&answer).expect("texts are JSON")
}
