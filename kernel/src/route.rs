//! Decides what a cell is: a prompt for the agent, or Python for the companion. Pure.
//!
//! In this order: what the front end says; an explicit mark (`>`, `%%ask`, `%%py`, `%datarus`); what was typed.
//! What was typed is a prompt only when two things hold: Python *cannot* accept it, and it reads like
//! prose. All else runs as Python, whose error then says how to ask, so failing code never goes to a
//! model silently. Bare names are decided by the companion: it knows whether they exist.
//!
//! That Python cannot accept a line is judged by tokens, not by a grammar. Three parsers were looked
//! at: `ruff_python_parser` (alive, but an internal crate without stable interface, ahead of our
//! toolchain, and it descends recursively, so a cell of 100,000 brackets ends the process),
//! `rustpython-parser` (no release since 2024), `tree-sitter-python` (C, and accepts Python 2).
//! None is needed: a question has two words side by side, which no Python has, and a parser would
//! not tell a question from a half-written line either.

use lexer::{Line, Scan, Token};
use prose::Reading;

use crate::preset::Preset;
use crate::research::{self, Stage};

mod ipython;
pub(crate) mod lexer;
mod literal;
mod prose;
mod setting;

pub use setting::Setting;

/// What the front end says about a cell, in `metadata.datarus.role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A question.
    Prompt,
    /// Python, also a step of the agent.
    Code,
}

impl Role {
    /// The role by its name in the metadata; `None` for one that no code cell has.
    pub fn named(name: &str) -> Option<Role> {
        match name {
            "prompt" => Some(Role::Prompt),
            "code" => Some(Role::Code),
            _ => None,
        }
    }
}

/// How the user wants a prompt to be answered: the flags of `%%ask`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--think`: answer by reflection alone, run nothing.
    pub think: bool,
    /// `--again`: answer anew, although the question is unchanged.
    pub again: bool,
    /// `--preset NAME`: a ready prompt.
    pub preset: Option<Preset>,
    /// `--research`, `--section` or `--report`: a part of a research run.
    pub stage: Option<Stage>,
    /// What is wrong with the flags, for an error.
    pub wrong: Option<String>,
}

/// A question, freed from its mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// What the user asks.
    pub text: String,
    /// How it is to be answered.
    pub flags: Flags,
}

impl Prompt {
    fn plain(text: &str) -> Prompt {
        Prompt { text: text.trim().into(), flags: Flags::default() }
    }
}

/// What a cell is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Python: the request goes to the companion unchanged.
    Python,
    /// Python after its mark `%%py` was taken off; the mark's line is left empty, so that the lines
    /// of a traceback agree with the cell.
    PythonAs(String),
    /// A question: goes to the agent.
    Prompt(Prompt),
    /// Bare names: Python if the companion knows any of `names`, else a question.
    PromptUnlessDefined {
        /// The names, in order, each once.
        names: Vec<String>,
        /// The question.
        prompt: Prompt,
    },
    /// What Python may reach is to be set; or what is wrong with how that is written.
    Setting(Result<Setting, String>),
}

/// Decides what a cell is.
pub fn route(code: &str, role: Option<Role>) -> Route {
    match (role, marked(code)) {
        (None, None) => typed(code),
        // A mark that agrees with the role is taken off all the same.
        (None, Some(route))
        | (Some(Role::Prompt), Some(route @ Route::Prompt(_)))
        | (Some(Role::Code), Some(route @ (Route::PythonAs(_) | Route::Setting(_)))) => route,
        (Some(Role::Prompt), _) => Route::Prompt(Prompt::plain(code)),
        (Some(Role::Code), _) => Route::Python,
    }
}

/// What an explicit mark says.
fn marked(code: &str) -> Option<Route> {
    let text = code.trim_start();
    if let Some(question) = text.strip_prefix('>').filter(|rest| !rest.starts_with(">>")) {
        return Some(Route::Prompt(Prompt::plain(question)));
    }
    let (mark, rest) =
        text.split_at_checked(text.find(char::is_whitespace).unwrap_or(text.len()))?;
    match mark {
        "%%ask" => Some(Route::Prompt(asked(rest))),
        "%%py" => {
            let line_end = rest.find('\n').unwrap_or(rest.len());
            let above = code.len() - text.len();
            let blank = code.get(..above).unwrap_or_default();
            Some(Route::PythonAs(format!("{blank}{}", rest.get(line_end..).unwrap_or_default())))
        }
        setting::MARK => Some(Route::Setting(setting::read(rest))),
        _ => None,
    }
}

/// Reads what follows `%%ask`: flags on its line, then the question.
fn asked(rest: &str) -> Prompt {
    let mut flags = Flags::default();
    let mut text = rest;
    loop {
        let (flag, after) = word(text);
        let Some(name) = flag.strip_prefix("--").filter(|name| !name.is_empty()) else { break };
        text = after;
        match name {
            "think" => flags.think = true,
            "again" => flags.again = true,
            "research" => flags.stage = Some(Stage::Plan),
            "section" => flags.stage = Some(Stage::Section),
            "report" => flags.stage = Some(Stage::Report),
            "preset" => {
                let (name, rest) = word(after);
                flags.preset = Preset::named(name);
                if flags.preset.is_none() {
                    let wrong =
                        || format!("`--preset` is one of `{}`, not `{name}`", Preset::names());
                    flags.wrong.get_or_insert_with(wrong);
                }
                text = rest;
            }
            _ => {
                let known = "it has `--think`, `--again`, `--preset NAME`, and for research `--research`, \
                             `--section` and `--report`";
                let wrong = || format!("`%%ask` has no flag `{flag}`: {known}");
                flags.wrong.get_or_insert_with(wrong);
            }
        }
    }
    let mut prompt = Prompt { flags, ..Prompt::plain(text) };
    if prompt.text.is_empty() {
        let ready = prompt.flags.preset.map(Preset::question);
        let ready = prompt.flags.stage.map(research::question).or(ready);
        ready.unwrap_or_default().clone_into(&mut prompt.text);
    }
    prompt
}

/// The first word of the line that `text` begins with, if it has one, and what follows.
fn word(text: &str) -> (&str, &str) {
    let trimmed = text.trim_start_matches([' ', '\t']);
    let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
    trimmed.split_at_checked(end).unwrap_or((trimmed, ""))
}

/// Judges what was typed without a mark.
fn typed(code: &str) -> Route {
    if code.trim() == "continue" {
        // No loop is around it, so Python never runs it; a person who types it means "go on".
        return Route::Prompt(Prompt::plain(code));
    }
    if ipython::is_cell(code) || ipython::is_automagic(code) {
        return Route::Python;
    }
    let scan = lexer::scan(code);
    if scan.lines.iter().any(|line| line.rejected) {
        let prose = reads_like_prose(code, &scan.lines);
        return if prose { Route::Prompt(Prompt::plain(code)) } else { Route::Python };
    }
    match bare_names(code, &scan) {
        Some(names) => Route::PromptUnlessDefined { names, prompt: Prompt::plain(code) },
        None => Route::Python,
    }
}

/// Whether the first line that tells anything is prose.
fn reads_like_prose(code: &str, lines: &[Line]) -> bool {
    for (line, known) in code.split('\n').zip(lines) {
        if known.inside_text || line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let reading = match known {
            Line { magic: true, .. } => Reading::Code,
            Line { rejected: true, .. } => prose::read(line),
            _ => prose::read_accepted(line),
        };
        match reading {
            Reading::Prose => return true,
            Reading::Code => return false,
            Reading::Neither => {}
        }
    }
    false
}

/// The names in a cell that holds nothing but names, commas and words that Python uses as operators
/// (`hello, world`, `not sure`, `What is 3+4`, `分析数据`, `Why?`); `None` for any other cell, and
/// for names that no person would write in a sentence.
fn bare_names(code: &str, scan: &Scan) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !lexer::is_keyword(name) && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    if let Some(name) = asked_for_help(code) {
        add(name);
    } else {
        let says_words = scan.tokens.iter().any(|token| is_word_operator(*token));
        for token in &scan.tokens {
            match token {
                Token::Name(name) if !lexer::is_keyword(name) => add(name),
                Token::Op(",") | Token::NewLine => {}
                Token::Op(".") if code.contains(prose::is_spaceless) => {}
                Token::Number | Token::Op("+" | "-" | "*" | "/" | ".") if says_words => {}
                token if is_word_operator(*token) => {}
                _ => return None,
            }
        }
    }
    let said = match &names[..] {
        [] => false,
        // A short name in lower case is rather a slip than a wish: `df`, `fig`.
        [name] if name.len() < 4 && name.starts_with(|c: char| c.is_ascii_lowercase()) => false,
        names => names.iter().all(|name| is_spoken(name)),
    };
    said.then_some(names)
}

/// The single word that a cell asks `IPython`'s help for.
fn asked_for_help(code: &str) -> Option<&str> {
    let word = ipython::help_target(code)?;
    word.chars().all(char::is_alphanumeric).then_some(word)
}

fn is_word_operator(token: Token) -> bool {
    matches!(token, Token::Name("and" | "or" | "not" | "in" | "is" | "if" | "else"))
}

/// Whether a name could stand in a sentence: letters, more than one, and no capital inside the word.
fn is_spoken(name: &str) -> bool {
    let mut letters = name.chars();
    let capital = letters.next().is_some_and(char::is_uppercase);
    !name.is_ascii()
        || name.len() > 1
            && name.chars().all(|c| c.is_ascii_alphabetic())
            && (letters.clone().all(char::is_lowercase)
                || capital && letters.all(char::is_uppercase))
}

#[cfg(test)]
mod tests;
