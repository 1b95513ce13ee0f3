//! The chat template of a model: messages to one text, without losing who wrote what.
//!
//! The template never sees what a message says. It sees a sentinel of private-use characters in its place, and the
//! segments are put back afterwards: so foreign text stays foreign, and generated text keeps its tokens.

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};

use crate::llm::ModelError;
use crate::transcript::{ChatMessage, Role, Segment};

/// Instructions of the template machine for one rendering; real templates take a few thousand per message.
const FUEL: u64 = 5_000_000;
/// Bound on what a template may write around the messages.
const MAX_BYTES: usize = 1 << 20;
/// Around the number of a message, in private use plane 15.
const OPEN: char = '\u{f0000}';
const CLOSE: char = '\u{f0001}';

/// Qwen's own turn format, for files without a template.
///
/// # Source
/// `ChatML`, <https://qwen.readthedocs.io/en/latest/getting_started/concepts.html>
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// A compiled template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles the template `source`, [`CHATML`] where there is none.
    ///
    /// # Errors
    /// When it is no valid Jinja.
    pub(crate) fn new(
        source: Option<&str>,
        bos_token: String,
        eos_token: String,
    ) -> Result<Self, ModelError> {
        let mut environment = Environment::new();
        // As `transformers` sets its own up.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        let source = String::from(source.unwrap_or(CHATML));
        environment.add_template_owned(NAME, source).map_err(|error| refuse(&error))?;
        Ok(Self { environment, bos_token, eos_token })
    }

    /// The whole chat as segments. If the last message is the assistant's, it is left open after its content; else
    /// the opening of an assistant message is added.
    ///
    /// # Errors
    /// When the template refuses the messages, runs too long, writes too much, or drops the message to continue.
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
        let messages: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| {
                // An empty message has nothing to protect, and templates ask whether content is empty.
                let empty = message.content.iter().all(|segment| segment.text().is_empty());
                let content = if empty { String::new() } else { format!("{OPEN}{index}{CLOSE}") };
                context! { role => message.role.name(), content => content }
            })
            .collect();
        let template = self.environment.get_template(NAME).map_err(|error| refuse(&error))?;
        let mut output = Bounded(Vec::new());
        template
            .render_captured_to(
                context! {
                    messages => messages,
                    add_generation_prompt => add_generation_prompt,
                    bos_token => self.bos_token,
                    eos_token => self.eos_token,
                },
                &mut output,
            )
            .map_err(|error| refuse(&error))?;
        String::from_utf8(output.0).map_err(|error| ModelError::Template(error.to_string()))
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

fn refuse(error: &Error) -> ModelError {
    let reason = match error.kind() {
        ErrorKind::OutOfFuel => String::from("it runs too long"),
        // The only way in which our own writer fails.
        ErrorKind::WriteFailure => String::from("it writes too much"),
        // The kind alone says little; the detail is the template's own message.
        _ => format!("{error}"),
    };
    ModelError::Template(reason)
}

/// `raise_exception(message)`, by which templates refuse messages.
fn raise_exception(message: String) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `strftime_now(format)`: today in UTC, for the `%`-fields that templates use.
fn strftime_now(format: String) -> String {
    let days = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs() / 86_400);
    strftime(&format, days)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Formats the day `days` after 1970-01-01.
fn strftime(format: &str, days: u64) -> String {
    let (year, month, day) = date(days);
    let name = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"");
    format
        .replace("%Y", &year.to_string())
        .replace("%m", &format!("{month:02}"))
        .replace("%d", &format!("{day:02}"))
        .replace("%B", name)
        .replace("%b", name.get(..3).unwrap_or(name))
}

/// Year, month and day of the day `days` after 1970-01-01.
///
/// # Source
/// `civil_from_days`, <https://howardhinnant.github.io/date_algorithms.html>
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// A writer that fails before it fills the memory.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
