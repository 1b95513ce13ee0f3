//! Doubles for the seams of the workspace.

pub mod doubles;
pub mod frontend;
pub mod gate;
pub mod http;
pub mod hub;
pub mod jupyter;
pub mod page;
pub mod processes;
pub mod random;
pub mod soak;
pub mod stand_in;
