//! The chat template of a model: messages to one text, without losing who wrote what.
//!
//! The template never sees what a message says. It sees a sentinel of private-use characters in its place, and the
//! segments are put back afterwards: so foreign text stays foreign, and generated text keeps its tokens.

use std::cell::RefCell;

use crate::llm::ModelError;
use crate::llm::tokenizer::Tokenizer;
use crate::transcript::{ChatMessage, Role, Segment};

mod apart;
mod jinja;

use apart::ask;
pub use apart::{Ask, MAX_ANSWER, Renderer, answer};
use jinja::{Jinja, Message, Outline};

/// Around the number of a message, in private use plane 15.
const OPEN: char = '\u{f0000}';
const CLOSE: char = '\u{f0001}';

/// Qwen's own turn format, for files without a template.
///
/// # Source
/// `ChatML`, <https://qwen.readthedocs.io/en/latest/getting_started/concepts.html>
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// The turn format of the models that DeepSeek has distilled, for files without a template.
///
/// # Source
/// `tokenizer_config.json`, <https://huggingface.co/deepseek-ai/DeepSeek-R1-0528-Qwen3-8B>
const DEEPSEEK: &str = "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}<｜User｜>{{ \
    message.content }}{% elif message.role == 'assistant' %}<｜Assistant｜>{{ message.content }}{{ eos_token }}{% else \
    %}{{ message.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜>{% endif %}";

/// The template of a file that has none, by the tokens of its vocabulary.
pub(crate) fn own_template(tokenizer: &Tokenizer) -> &'static str {
    if tokenizer.has_added(&["<｜User｜>", "<｜Assistant｜>"]) { DEEPSEEK } else { CHATML }
}

/// A template that compiles.
pub(crate) struct ChatTemplate {
    engine: Engine,
    bos_token: String,
    eos_token: String,
    /// What was rendered last: a chat is counted before it is continued, and counted again when only texts in it have
    /// become shorter, which the template does not see.
    last: RefCell<Option<(Outline, String)>>,
}

/// What renders.
enum Engine {
    Here(Jinja),
    Apart { source: String, how: Box<Ask> },
}

impl ChatTemplate {
    /// Compiles the template `source` where `renderer` says; where there is none `own`, which is our own.
    ///
    /// # Errors
    /// When it is no valid Jinja, takes too much, or what is to compile it cannot be started.
    pub(crate) fn new(
        source: Option<&str>,
        own: &'static str,
        bos_token: String,
        eos_token: String,
        renderer: Renderer,
    ) -> Result<Self, ModelError> {
        let engine = match (source, renderer) {
            (Some(source), Renderer::Apart(how)) => {
                ask(&how, source, None).map_err(ModelError::Template)?;
                Engine::Apart { source: String::from(source), how }
            }
            (source, _) => {
                let jinja = Jinja::compile(source.unwrap_or(own));
                Engine::Here(jinja.map_err(ModelError::Template)?)
            }
        };
        Ok(Self { engine, bos_token, eos_token, last: RefCell::default() })
    }

    /// The whole chat as segments. If the last message is the assistant's, it is left open after its content; else
    /// the opening of an assistant message is added.
    ///
    /// # Errors
    /// When the template refuses the messages, takes too long or too much, or drops the message to continue.
    pub(crate) fn render(&self, messages: &[ChatMessage]) -> Result<Vec<Segment>, ModelError> {
        let open = messages.last().is_some_and(|message| message.role == Role::Assistant);
        let text = self.text(messages, !open)?;
        let mut segments = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, index, after)) = next_sentinel(rest) {
            let message = messages.get(index).ok_or_else(|| unknown_message(index))?;
            push_markup(&mut segments, before);
            segments.extend(message.content.iter().filter(|part| !part.text().is_empty()).cloned());
            rest = after;
            if open && index + 1 == messages.len() {
                return Ok(segments);
            }
        }
        if open {
            return Err(ModelError::Template(String::from(
                "it leaves out the message that is to be continued",
            )));
        }
        push_markup(&mut segments, rest);
        Ok(segments)
    }

    fn text(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, ModelError> {
        let outline = self.outline(messages, add_generation_prompt);
        let mut last = self.last.borrow_mut();
        if let Some((known, text)) = &*last
            && *known == outline
        {
            return Ok(text.clone());
        }
        let rendered = match &self.engine {
            Engine::Here(jinja) => jinja.render(&outline),
            Engine::Apart { source, how } => ask(how, source, Some(&outline)),
        };
        let text = rendered.map_err(ModelError::Template)?;
        *last = Some((outline, text.clone()));
        Ok(text)
    }

    fn outline(&self, messages: &[ChatMessage], add_generation_prompt: bool) -> Outline {
        let messages = messages.iter().enumerate().map(|(index, message)| {
            // An empty message has nothing to protect, and templates ask whether content is empty.
            let empty = message.content.iter().all(|segment| segment.text().is_empty());
            let content = if empty { String::new() } else { format!("{OPEN}{index}{CLOSE}") };
            Message { role: String::from(message.role.name()), content }
        });
        Outline {
            messages: messages.collect(),
            add_generation_prompt,
            bos_token: self.bos_token.clone(),
            eos_token: self.eos_token.clone(),
        }
    }
}

fn push_markup(segments: &mut Vec<Segment>, text: &str) {
    if !text.is_empty() {
        segments.push(Segment::Markup(String::from(text)));
    }
}

/// What stands before the next sentinel, the index in it, and what stands after it.
fn next_sentinel(text: &str) -> Option<(&str, usize, &str)> {
    let (before, rest) = text.split_once(OPEN)?;
    let (index, after) = rest.split_once(CLOSE)?;
    Some((before, index.parse().ok()?, after))
}

fn unknown_message(index: usize) -> ModelError {
    ModelError::Template(format!("it writes message {index}, which does not exist"))
}

#[cfg(test)]
mod tests;
