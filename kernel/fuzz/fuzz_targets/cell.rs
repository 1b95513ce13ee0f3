//! Feeds the judgement of cells with any text.

#![no_main]

use datarus_kernel::route::{Route, route};

libfuzzer_sys::fuzz_target!(|code: &str| {
    // A text is never lost on the way to the agent.
    if let Route::PromptUnlessDefined { prompt, .. } = route(code, None) {
        assert_eq!(prompt.text, code.trim());
    }
});
