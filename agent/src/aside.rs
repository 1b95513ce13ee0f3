//! A chat model that is asked about a trajectory, beside the loop: by a judge, by who writes thoughts anew.

use crate::llm::{
    Completion, GenerateRequest, Interrupt, Model, ModelError, Profile, Sampling, Unconstrained,
};
use crate::observation::{observe, shorten};
use crate::trajectory::Done;
use crate::transcript::{ChatMessage, Role, Segment};

/// Tokens that an answer may take: a model may think first.
const MAX_TOKENS: usize = 4_096;

/// Tokens that it must have room for.
const MIN_TOKENS: usize = 256;

/// Characters of one output that the model sees.
const OUTPUT: usize = 1_500;

/// The likeliest answer.
///
/// # Errors
/// When the model fails, [`ModelError::ContextFull`] where it has no room for an answer.
pub(crate) fn ask(
    model: &mut dyn Model,
    messages: &[ChatMessage],
    interrupt: &Interrupt,
) -> Result<Completion, ModelError> {
    let (tokens, context_length) = (model.count_tokens(messages)?, model.info().context_length);
    let room = context_length.saturating_sub(tokens);
    if room < MIN_TOKENS {
        return Err(ModelError::ContextFull { tokens, context_length });
    }
    let request = GenerateRequest {
        messages,
        stop: &[],
        sampling: &Sampling::Greedy,
        seed: 0,
        max_new_tokens: room.min(MAX_TOKENS),
        interrupt,
    };
    model.generate(&request, &mut Unconstrained, &mut |_| ())
}

/// A message of one segment.
pub(crate) fn message(role: Role, segment: Segment) -> ChatMessage {
    ChatMessage { role, content: vec![segment] }
}

/// A step as such a model reads it.
pub(crate) fn told(done: &Done) -> String {
    let step = &done.step;
    let seen = shorten(&observe(&step.code, &step.execution, Profile::Full), OUTPUT);
    let (thought, code) = (step.thought.trim(), step.code.trim());
    format!("# Step {}\n{thought}\n\n{code}\n\nOutput:\n{seen}", step.number)
}
