//! Trajectories for training: made, taken from notebooks, scored, and handed on as rows.
//!
//! Reading order: [`order`] (tasks and the moves of who solves them) → `room` (a companion that episodes share) →
//! [`solver`] → `play` (one episode) → [`make`](mod@make) (many at once). Beside it [`questioner`] (a model
//! thinks up tasks), [`from_notebook`], [`reward`], [`export`](mod@export), and [`recipe`], which has the Python package
//! train. Rules are the agent's
//! (`datarus_agent::{trajectory, reward, inspector, rows}`); here are files and processes.

pub mod export;
pub mod from_notebook;
pub mod lines;
pub mod make;
pub mod order;
mod play;
pub mod questioner;
pub mod recipe;
pub mod reward;
mod room;
mod samples;
pub mod solver;
