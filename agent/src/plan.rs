//! The plan of a research run: a few sections, each with a heading and what is to be found out. Pure.
//!
//! A plan is Markdown that people read and edit. Models write it in two ways, as headings with text below them or as a
//! numbered list, and both are taken.

use serde::{Deserialize, Serialize};

/// Which part of a research run a question is. Such a run is a chain of ordinary turns: one whose answer is the plan,
/// one for each of its sections, one that writes what frames them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The answer is a plan.
    Plan,
    /// The answer is the text of one section.
    Section,
    /// The answer is title, summary and limits of the whole.
    Report,
}

/// What a model is told whose plan has no sections.
pub(crate) const NO_PLAN: &str = "the answer is no plan: each section of a plan begins with a heading such as \
                                  `## 1. Delays by carrier`, and below it stands what is to be found out and how";

/// One section of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading, without mark and number.
    pub title: String,
    /// What is to be found out, and how; may be empty.
    pub text: String,
}

/// The sections of a plan, in order; none, if the text is no plan.
///
/// Sections are the headings of the highest level that has more than one. Without such a level they are the items of a
/// numbered list; without one, a single heading is a section, too.
pub fn sections(plan: &str) -> Vec<Section> {
    let lines = unfenced(plan);
    let headings: Vec<usize> = lines.iter().filter_map(|line| level(line)).collect();
    let count = |level: usize| headings.iter().filter(|found| **found == level).count();
    if let Some(level) = (1..=6).find(|level| count(*level) > 1) {
        return split(&lines, |line| heading(line, level));
    }
    let numbered = split(&lines, item);
    match headings.iter().max() {
        Some(level) if numbered.is_empty() => split(&lines, |line| heading(line, *level)),
        _ => numbered,
    }
}

/// The lines, blocks of code left out: a comment in Python looks like a heading.
fn unfenced(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut is_text = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        inside ^= is_fence;
        !inside && !is_fence
    };
    text.lines().filter(|line| is_text(line)).collect()
}

/// What begins with each line that `title` takes, up to the next.
fn split<'a>(
    lines: &[&'a str],
    title: impl Fn(&'a str) -> Option<(&'a str, &'a str)>,
) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for &line in lines {
        if let Some((title, rest)) = title(line) {
            sections.push(Section { title: title.to_owned(), text: rest.to_owned() });
        } else if let Some(Section { text, .. }) = sections.last_mut() {
            text.push('\n');
            text.push_str(line);
        }
    }
    for section in &mut sections {
        section.text = section.text.trim().to_owned();
    }
    sections
}

/// The level of a heading that says something.
fn level(line: &str) -> Option<usize> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let says = |text: &str| text.starts_with([' ', '\t']) && !text.trim().is_empty();
    (1..=6).contains(&level).then_some(level).filter(|_| line.get(level..).is_some_and(says))
}

fn heading(line: &str, wanted: usize) -> Option<(&str, &str)> {
    let found = level(line).filter(|found| *found == wanted)?;
    let title = line.get(found..)?.trim().trim_end_matches('#');
    Some((named(unnumbered(title).unwrap_or(title)), ""))
}

/// `1. **Title**: text` and `2) Title`.
fn item(line: &str) -> Option<(&str, &str)> {
    let text = unnumbered(line)?;
    let bold = text.strip_prefix("**").and_then(|text| text.split_once("**"));
    let parts = bold.or_else(|| text.split_once(": ")).unwrap_or((text, ""));
    let rest = parts.1.trim_start_matches([':', '.', '–', '—', '-', ' ']);
    Some((named(parts.0), rest)).filter(|(title, _)| !title.is_empty())
}

/// What follows `1. ` or `1) `.
fn unnumbered(line: &str) -> Option<&str> {
    let text = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let rest = text.strip_prefix(['.', ')']).filter(|rest| rest.starts_with([' ', '\t']));
    rest.filter(|_| text.len() < line.len()).map(str::trim)
}

/// A title without the marks around it.
fn named(title: &str) -> &str {
    title.trim_start_matches(['*', ' ']).trim_end_matches(['*', ':', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(plan: &str, expected: &[(&str, &str)]) {
        let sections = sections(plan);
        let found: Vec<_> =
            sections.iter().map(|section| (&*section.title, &*section.text)).collect();
        assert_eq!(found, expected, "{plan}");
    }

    #[test]
    fn sections_are_the_headings_of_the_highest_level_that_has_several() {
        check(
            "# Plan\n\nTwo parts.\n\n## 1. Delays\nHow long?\n\n- by carrier\n\n## 2. **Causes**:\nWhy?\n### Detail\nx",
            &[("Delays", "How long?\n\n- by carrier"), ("Causes", "Why?\n### Detail\nx")],
        );
        check("# A\na\n# B ##\nb\n## C\nc", &[("A", "a"), ("B", "b\n## C\nc")]);
        check("## Only\nthis", &[("Only", "this")]);
        check("## 2024) Sales\n## 3.5 million", &[("Sales", ""), ("3.5 million", "")]);
    }

    #[test]
    fn a_numbered_list_is_a_plan_too() {
        check(
            "Plan:\n1. **Clean** – drop empty rows\n   and more\n2) Model: a line\n3. Draw",
            &[("Clean", "drop empty rows\n   and more"), ("Model", "a line"), ("Draw", "")],
        );
        check("## Plan\n1. Look\n2. Draw", &[("Look", ""), ("Draw", "")]);
    }

    #[test]
    fn what_names_no_sections_is_no_plan() {
        for text in
            ["", "The mean is 3.", "```python\n# a\n# b\n```", "####### a\n#b\n# ", "1.5 a\n- b"]
        {
            check(text, &[]);
        }
        check("~~~\n## a\n~~~\n## b\n## c\n```\n## d", &[("b", ""), ("c", "")]);
    }
}
