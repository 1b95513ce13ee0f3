//! The template machine: compiles a template and renders what it may see of a chat, within bounds.
//!
//! The bounds hold instructions and what is written, not memory: a text that is doubled again and again, a list that
//! holds itself twice, or constants, which are computed while compiling, ask for any amount of it.

use minijinja::{Environment, Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// Instructions of the template machine for one rendering; real templates take a few thousand per message.
const FUEL: u64 = 5_000_000;
/// Bound on what a template may write around the messages.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Bound on the characters of a reason, which may hold the template's own words.
const MAX_REASON: usize = 1_000;

const NAME: &str = "chat";

/// What a template sees of a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outline {
    pub(super) messages: Vec<Message>,
    pub(super) add_generation_prompt: bool,
    pub(super) bos_token: String,
    pub(super) eos_token: String,
}

/// What a template sees of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    /// A sentinel, never what the message says.
    pub(super) content: String,
}

/// A compiled template.
pub(super) struct Jinja(Environment<'static>);

impl Jinja {
    /// Compiles `source`.
    ///
    /// # Errors
    /// When it is no valid Jinja.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        // As `transformers` sets its own up.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        let source = String::from(source);
        environment.add_template_owned(NAME, source).map_err(|error| refusal(&error))?;
        Ok(Self(environment))
    }

    /// Renders a chat.
    ///
    /// # Errors
    /// When the template refuses the messages, runs too long or writes too much.
    pub(super) fn render(&self, outline: &Outline) -> Result<String, String> {
        let template = self.0.get_template(NAME).map_err(|error| refusal(&error))?;
        let mut output = Bounded(Vec::new());
        template.render_captured_to(outline, &mut output).map_err(|error| refusal(&error))?;
        String::from_utf8(output.0).map_err(|error| error.to_string())
    }
}

fn refusal(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => String::from("it runs too long"),
        // The only way in which our own writer fails.
        ErrorKind::WriteFailure => String::from("it writes too much"),
        // The kind alone says little; the detail is the template's own message.
        _ => error.to_string().chars().take(MAX_REASON).collect(),
    }
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
mod tests {
    use super::*;

    #[test]
    fn dates_are_formatted() {
        let check = |days, expected: &str| assert_eq!(strftime("%d %b %Y, %B %m", days), expected);
        check(0, "01 Jan 1970, January 01");
        check(11_016, "29 Feb 2000, February 02");
        check(20_453, "31 Dec 2025, December 12");
    }
}
