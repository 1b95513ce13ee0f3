//! Feeds one of the targets with anything; `DATARUS_FUZZ` names it. Started by `run.sh`.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| TARGET.get_or_init(target)(bytes));

fn target() -> fn(&[u8]) {
    let name = std::env::var("DATARUS_FUZZ").expect("`DATARUS_FUZZ` names a target");
    let targets =
        datarus_agent::fuzzing::TARGETS.into_iter().chain(datarus_kernel::fuzzing::TARGETS);
    let known = targets.clone().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let found = targets.into_iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("expected one of {known}, found `{name}`")).1
}
