//! The tokens of a chat that were worked out before.

use crate::transcript::{ChatMessage, Role, Segment};

/// A chat and its tokens: it is counted before it is continued, and what follows a completion is often known.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    messages: Vec<ChatMessage>,
    tokens: Vec<u32>,
    /// Whether the chat template wrote all of it: put to it with what the model wrote since, it may trim some of that.
    by_template: bool,
}

impl Encoded {
    /// The tokens of these messages.
    pub(super) fn new(messages: &[ChatMessage], tokens: Vec<u32>) -> Self {
        Self { messages: messages.to_vec(), tokens, by_template: true }
    }

    /// Whether the tokens are those of just these messages.
    pub(super) fn is_of(&self, messages: &[ChatMessage]) -> bool {
        self.by_template && self.messages == messages
    }

    /// The tokens.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Adds what the model wrote; all of the chat is `tokens` then.
    pub(super) fn wrote(&mut self, text: &str, written: &[u32], tokens: Vec<u32>) {
        let segment = Segment::Generated { text: text.to_owned(), tokens: written.to_vec() };
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => last.content.push(segment),
            _ => {
                let content = vec![segment];
                self.messages.push(ChatMessage { role: Role::Assistant, content });
            }
        }
        self.tokens = tokens;
        self.by_template = false;
    }

    /// What `messages` say beyond these, if they only go on with what the model said last.
    pub(super) fn rest<'a>(&self, messages: &'a [ChatMessage]) -> Option<&'a [Segment]> {
        let (last, before) = messages.split_last()?;
        let (known, known_before) = self.messages.split_last()?;
        let goes_on = last.role == Role::Assistant && known.role == last.role;
        if !goes_on || before != known_before {
            return None;
        }
        last.content.strip_prefix(known.content.as_slice())
    }
}
