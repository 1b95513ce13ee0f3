//! The agent of Datarus: plain blocking Rust that knows neither Jupyter nor `ZeroMQ` nor an event loop.
//!
//! Reading order: [`transcript`] (what was said) → [`agent`] (the loop) → [`dialect`] (how a step is written, and how
//! it is read) → [`grammar`] and [`names`] (what a model may write next) → [`observation`] (what it sees of an output)
//! → [`grounding`] (whether an answer's numbers were printed) → `prompt` and `chat` (what it is told) → [`executor`]
//! (the seam to whoever runs code) → [`llm`] (the seam to whoever predicts tokens, and the model host on candle). Beside
//! the loop: [`trajectory`] (what was done for a task) → [`reward`] (what it is worth).

pub mod transcript;

pub mod agent;
pub mod dialect;
pub mod fitting;
mod forms;
pub mod grammar;
pub mod grounding;
pub mod inspector;
pub mod names;
pub mod observation;
pub mod plan;
pub mod refine;
pub mod reward;
pub mod rows;
pub mod trajectory;

mod aside;
mod chat;
mod mention;
mod prompt;
mod python;
mod quoted;
mod spelling;

pub mod executor;
pub mod llm;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
