//! Links the numbers of an answer to the cells that printed them, and marks those that no cell did.

use datarus_agent::grounding::{Number, Origin, ground};
use serde::{Deserialize, Serialize};

/// What one cell printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The cell to link to.
    pub cell_id: String,
    /// Its `[n]`, shown as the link's title.
    pub execution_count: Option<u64>,
    /// All text of its outputs.
    pub text: String,
}

/// An answer with its links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Markdown.
    pub text: String,
    /// Numbers of the answer that no cell printed, as written.
    pub missing: Vec<String>,
}

/// In a link between its words and the cell.
const TARGET: &str = "](#cell-id=";

/// Behind a number that no cell printed.
pub(crate) const UNFOUND: &str = "<sup>?</sup>";

/// Makes each number of `answer` that one of `sources` printed, or that one operation makes of what it printed, a link
/// to that cell; the first source wins. What neither a cell printed nor `given` names, the question and the code, is
/// marked.
///
/// The link's form, `#cell-id=…`, is what JupyterLab and the HTML export of nbconvert jump to.
pub fn link_numbers(answer: &str, sources: &[Source], given: &[&str]) -> Linked {
    let outputs: Vec<_> = sources.iter().map(|source| source.text.as_str()).collect();
    let mut linked = Linked { text: String::with_capacity(answer.len()), missing: Vec::new() };
    let mut done = 0;
    for number in ground(answer, &outputs, given) {
        if number.origin == Origin::Nowhere {
            linked.missing.extend(answer.get(number.range).map(str::to_owned));
        }
        let Some(place) = number.place else { continue };
        let text = answer.get(place.clone()).unwrap_or_default();
        linked.text.push_str(answer.get(done..place.start).unwrap_or_default());
        done = place.end;
        let of = |at: usize| sources.get(at);
        match number.origin {
            Origin::Printed(at) => {
                linked.text.extend(of(at).map(|source| link(text, source, "cell")));
            }
            Origin::Derived(at) => {
                linked.text.extend(of(at).map(|source| link(text, source, "from cell")));
            }
            Origin::Given | Origin::Said => linked.text.push_str(text),
            Origin::Nowhere => {
                linked.text.push_str(text);
                linked.text.push_str(UNFOUND);
            }
        }
    }
    linked.text.push_str(answer.get(done..).unwrap_or_default());
    linked
}

/// The numbers of an answer that `sources` printed: each with the first cell that did, as all of its text.
pub(crate) fn numbers_of(answer: &str, sources: &[Source]) -> Vec<Source> {
    let outputs: Vec<_> = sources.iter().map(|source| source.text.as_str()).collect();
    let of = |number: Number| {
        let Origin::Printed(at) = number.origin else { return None };
        let text = as_printed(answer.get(number.range)?);
        Some(Source { text, ..sources.get(at)?.clone() })
    };
    ground(answer, &outputs, &[]).into_iter().filter_map(of).collect()
}

/// A number as Python prints it, which has no minus sign of typography.
pub(crate) fn as_printed(number: &str) -> String {
    number.replace('\u{2212}', "-")
}

/// The cells that the numbers of an answer link to.
pub(crate) fn linked_cells(answer: &str) -> impl Iterator<Item = &str> {
    answer.split(TARGET).skip(1).filter_map(|rest| rest.get(..rest.find([' ', ')'])?))
}

/// A number of an answer that stands in a notebook.
pub(crate) struct Known {
    /// As it is written.
    pub(crate) text: String,
    /// Whether the outputs, the question or the code have it; none where they need not.
    pub(crate) is_found: Option<bool>,
}

/// Looks up the numbers of an answer, as its cell has it, in these outputs. For the same answer there are always equally
/// many, so that two lookups can be laid side by side.
pub(crate) fn in_outputs(source: &str, outputs: &[String], given: &[String]) -> Vec<Known> {
    let answer = unlinked(source);
    let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
    let given: Vec<_> = given.iter().map(String::as_str).collect();
    let known = |number: Number| Known {
        text: answer.get(number.range).unwrap_or_default().to_owned(),
        is_found: match number.origin {
            Origin::Printed(_) | Origin::Derived(_) | Origin::Given => Some(true),
            Origin::Nowhere => Some(false),
            Origin::Said => None,
        },
    };
    ground(&answer, &outputs, &given).into_iter().map(known).collect()
}

fn link(number: &str, source: &Source, how: &str) -> String {
    let title = source.execution_count.map(|n| format!(" \"{how} {n}\"")).unwrap_or_default();
    format!("[{number}{TARGET}{}{title})", source.cell_id)
}

/// An answer without the links to cells and the marks that were made of its numbers.
pub(crate) fn unlinked(answer: &str) -> String {
    let mut text = String::with_capacity(answer.len());
    let answer = answer.replace(UNFOUND, "");
    let mut rest = answer.as_str();
    while let Some((before, after)) = rest.split_once(TARGET) {
        let (Some((front, number)), Some((_, behind))) =
            (before.rsplit_once('['), after.split_once(')'))
        else {
            text.push_str(before);
            text.push_str(TARGET);
            rest = after;
            continue;
        };
        text.push_str(front);
        text.push_str(number);
        rest = behind;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, printed: &str, expected: &str) {
        let source = Source {
            cell_id: String::from("t-1c"),
            execution_count: Some(8),
            text: printed.to_owned(),
        };
        let linked = link_numbers(answer, &[source], &["over 4000 g"]);
        assert_eq!(unlinked(&linked.text), answer);
        // Short form: `{…}` is a link to the cell, `{{…}}` to that which it is made of, `?` a mark.
        let mut text = linked.text.replace("](#cell-id=t-1c \"cell 8\")", "}");
        text = text.replace("](#cell-id=t-1c \"from cell 8\")", "}}").replace(UNFOUND, "?");
        if text.contains('}') {
            text = text.replace('[', "{");
        }
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_that_were_printed_are_linked() {
        check("North has 120.5.", "North  120.5", "North has {120.5}.");
        check(
            "North has **120.5**, South 99",
            "North 120.5\nSouth 99.0",
            "North has **{120.5}**, South {99}",
        );
        check("| North | 1,234.5 |", "1234.5", "| North | {1,234.5} |");
        check("about 1,235", "1234.6", "about {1,235}");
        check("r = −0.43", "r=-0.4321", "r = {−0.43}");
        check("45.3% of all", "0.4534", "{45.3}% of all");
        check("p = 0.0000002", "1.6e-07", "p = {0.0000002}");
        check("($5)", "[5]", "(${5})");
        check("152 above 4000 g, not 153", "152", "{152} above 4000 g, not 153?");
        check("From 120 to 150: 25% more", "120\n150", "From {120} to {150}: {25}}% more");
    }

    #[test]
    fn a_rounded_number_needs_the_right_digits() {
        check("120.5", "120.449", "120.5?");
        check("120.4", "120.449", "{120.4}");
        check("0 missing", "0.3", "0? missing");
        check("0 missing", "a  0", "{0} missing");
    }

    #[test]
    fn names_dates_code_links_and_list_numbers_stay_as_they_are() {
        for text in [
            "Q3",
            "x_1",
            "2024-01",
            "1.2.3",
            "`x 1`",
            "```\n1\n```",
            "[1](x)",
            "1st",
            "v1",
            "#1",
            "!1",
            "3:1",
            "1/2",
        ] {
            check(text, "1 2 3 2024 01", text);
        }
        check("1. North\n2) South\n  3. East 1", "a 1 2 3", "1. North\n2) South\n  3. East {1}");
        check("[1", "1", "{{1}");
        check("`1", "1", "`{1}");
    }

    #[test]
    fn a_code_span_is_linked_whole_and_a_block_of_text_is_only_counted() {
        check("It is `2.75`.", "2.75", "It is {`2.75`}.");
        check("It is `3.75`.", "2.75", "It is `3.75`?.");
        let block = "```text\n2.75 3.75\n```";
        let linked = link_numbers(block, &[], &[]);
        assert_eq!(
            (linked.text.as_str(), linked.missing),
            (block, vec!["2.75".into(), "3.75".into()])
        );
    }

    #[test]
    fn the_first_source_that_has_it_wins_and_what_none_has_is_told() {
        let source = |cell_id: &str, text: &str| Source {
            cell_id: cell_id.to_owned(),
            execution_count: None,
            text: text.to_owned(),
        };
        let sources = [source("new", "71"), source("old", "71 83")];
        let linked = link_numbers("71 and 83 and 97", &sources, &[]);
        assert_eq!(linked.text, "[71](#cell-id=new) and [83](#cell-id=old) and 97<sup>?</sup>");
        assert_eq!(linked.missing, ["97"]);
    }
}
