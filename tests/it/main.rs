//! The integration tests of the whole workspace, in one binary.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod agent_begun;
mod agent_context;
mod agent_loop;
mod ahead;
mod analyst;
mod asked;
mod bench;
mod command_line;
mod death;
mod dialects;
mod endpoint;
mod episodes;
mod episodes_commands;
mod episodes_cut;
mod episodes_room;
mod go_on;
mod grounding;
mod headless;
mod hostile_data;
mod interrupt;
mod leaks;
mod live;
mod models;
mod network;
mod observations;
mod packages;
mod page_report;
mod parts;
mod phases;
mod prompt_cell;
mod python_cell;
mod recovery;
mod review;
mod sandbox;
mod scene;
mod seen;
mod served;
mod setting;
mod sources;
mod step_outputs;
mod templates;
mod tidy;
mod ungrounded;
