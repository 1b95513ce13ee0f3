//! Feeds the reader of completions with anything.

#![no_main]

#[path = "../property.rs"]
mod property;

use datarus_agent::agent::Mode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for mode in [Mode::Agentic, Mode::Reflection] {
        property::holds(&text, mode);
    }
});
