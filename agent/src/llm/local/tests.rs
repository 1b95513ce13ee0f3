//! What a caller cannot see of a model host.

use std::path::Path;

use super::*;
use crate::llm::{Candidate, Interrupt, Next, Sampling};
use crate::transcript::Role;

/// Leaves two texts, so that what comes next often came before.
struct AOrB;

impl Constraint for AOrB {
    fn next(&mut self, _generated: &str) -> Next {
        Next::Among(["a", "b"].map(Candidate::from).to_vec())
    }
}

fn write(sampling: &Sampling, guesses: bool) -> Completion {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models");
    let mut model = LocalModel::load(&fixtures.join("qwen2-q8_0.gguf"), Renderer::Here).unwrap();
    model.guesses = guesses;
    let content = vec![Segment::Data(String::from("Which?"))];
    let messages = [ChatMessage { role: Role::User, content }];
    let interrupt = Interrupt::default();
    let request = GenerateRequest {
        messages: &messages,
        stop: &[],
        sampling,
        seed: 5,
        max_new_tokens: 120,
        interrupt: &interrupt,
    };
    model.generate(&request, &mut AOrB, &mut |_| {}).unwrap()
}

#[test]
fn guesses_change_nothing_but_the_time() {
    let random = Sampling::Random {
        temperature: 0.6,
        top_k: Some(8),
        top_p: None,
        min_p: None,
        repetition_penalty: None,
    };
    for sampling in [Sampling::Greedy, random] {
        let (without, with) = (write(&sampling, false), write(&sampling, true));
        assert_eq!(without.usage.guessed_tokens, 0);
        assert_eq!((with.tokens, with.text), (without.tokens, without.text), "{sampling:?}");
        assert!(with.usage.guessed_tokens > 0, "{sampling:?}: all guesses were wrong");
    }
}
