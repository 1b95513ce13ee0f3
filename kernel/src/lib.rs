//! The Jupyter kernel of Datarus: protocol, companion, prompts, notebook files, command line.
//!
//! Reading order of the kernel: [`zmtp`] (bytes on sockets) → [`wire`] (signed frames) → [`message`] (what we say) →
//! [`connection`] (where, and with which key) → [`server`] (the event loop) → `companion` (the Python process, in
//! its [`sandbox`]) →
//! [`route`] (prompt or Python) → [`prompt`] (the agent's thread) → [`display`] (what a turn looks like) →
//! [`page`] (what it looks like in a page with our extension) → `session` (what was run so far) → `sources` (what the data hold).
//!
//! Around it: [`cli`] and [`config`] (what was typed, what holds) → [`commands`] → [`headless`] over [`client`],
//! [`cells`] and [`notebook`]; [`report`] (what people share of a notebook), [`publish`] (written as a file), [`bench`] (question sets), [`research`] (which
//! question of a research run comes next), [`training`] (trajectories and what they are worth).

pub mod bench;
pub mod bound;
pub mod cells;
pub mod cli;
pub mod client;
pub mod commands;
mod companion;
pub mod config;
pub mod connection;
pub mod database;
pub mod disk;
pub mod display;
pub mod doctor;
mod event;
mod excess;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod headless;
pub mod install;
pub mod iopub;
mod journal;
mod markdown;
pub mod message;
pub mod model;
pub mod notebook;
mod outputs;
pub mod page;
pub mod place;
pub mod preset;
pub mod prompt;
pub mod publish;
pub mod python;
pub mod report;
pub mod research;
pub mod route;
pub mod sandbox;
pub mod serve;
pub mod server;
mod session;
mod sieve;
mod sources;
mod terminal;
pub mod training;
pub mod typeset;
pub mod wire;
pub mod zmtp;
