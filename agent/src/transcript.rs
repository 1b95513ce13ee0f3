//! What was said: messages made of segments, of which only some may hold control tokens.

/// Who speaks in a [`ChatMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Standing instructions.
    System,
    /// The analyst, or the environment on the analyst's behalf.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name in chat templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A run of text and how far it is trusted.
///
/// Only [`Segment::Markup`] may become control tokens. This is what keeps a CSV cell that holds `<|im_end|>` a
/// piece of text.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// Text of ours: prompts, tags, glue. Added and special tokens are recognised in it.
    Markup(String),
    /// Foreign text: questions, file names, outputs. Tokenised with an empty added vocabulary.
    Data(String),
    /// Text that the model wrote, with the ids it was decoded from: they are never tokenised again.
    Generated {
        /// The text as shown.
        text: String,
        /// The ids as sampled or forced, in order.
        tokens: Vec<u32>,
    },
}

impl Segment {
    /// The text of the segment, whoever wrote it.
    pub fn text(&self) -> &str {
        match self {
            Self::Markup(text) | Self::Data(text) | Self::Generated { text, .. } => text,
        }
    }
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. Neighbouring segments are tokenised apart, so a message that grows at its end
    /// keeps the tokens it had.
    pub content: Vec<Segment>,
}
