//! The form of a message in the DeepAnalyze dialect: parts in any order, up to code or an answer.

use super::{after_tag, among, forced_or};
use crate::llm::{Candidate, Next};

const CODE: &str = "<Code>";
const CODE_HEAD: &str = "\n```python\n";
const ANALYZE: &str = "<Analyze>";
const ANSWER: &str = "\n<Answer>";

/// Opening and closing tags of the parts that a model writes.
const PARTS: [(&str, &str); 4] = [
    (ANALYZE, "</Analyze>"),
    ("<Understand>", "</Understand>"),
    (CODE, "</Code>"),
    ("<Answer>", "</Answer>"),
];

/// What may follow, when steps are made.
pub(super) fn agentic(message: &str) -> Next {
    let mut rest = message;
    loop {
        let part = PARTS.iter().find_map(|(open, close)| {
            let inside = rest.trim_start().strip_prefix(open)?;
            Some((*open, *close, inside))
        });
        let Some((open, close, inside)) = part else { return opening(rest, message) };
        // A completion ends with its code. One that goes on had the tag in a Python string, where it is no end.
        if open == CODE {
            return forced_or(inside, CODE_HEAD, Next::Until(close));
        }
        match after_tag(inside, close) {
            Some(after) => rest = after,
            None => return Next::Until(close),
        }
    }
}

/// One of the parts, on a line of its own; `rest` is what stands of its tag.
fn opening(rest: &str, message: &str) -> Next {
    let is_first = rest.len() == message.len();
    let line = if is_first || rest.starts_with('\n') { "" } else { "\n" };
    let written = rest.trim_start();
    let open = PARTS.iter().filter_map(|(open, _)| open.strip_prefix(written));
    let line = if written.is_empty() { line } else { "" };
    among(open.map(|open| Candidate::from(format!("{line}{open}"))).collect(), Next::Free)
}

/// What may follow, when nothing runs.
pub(super) fn reflection(message: &str) -> Next {
    let Some(inside) = message.strip_prefix(ANALYZE) else {
        return forced_or(message, ANALYZE, Next::Free);
    };
    match after_tag(inside, "</Analyze>") {
        Some(after) => forced_or(after, ANSWER, Next::Until("</Answer>")),
        None => Next::Until("</Analyze>"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Grammar};
    use super::*;
    use crate::agent::Mode;
    use crate::llm::Constraint as _;

    #[track_caller]
    fn check(mode: Mode, message: &str, expected: &Next) {
        // However the message is cut into completions, what may follow is the same.
        for at in (0..=message.len()).filter(|&at| message.is_char_boundary(at)) {
            let (before, generated) = message.split_at(at);
            let next = Grammar::new(Dialect::DeepAnalyze, mode, before, None).next(generated);
            assert_eq!(next, *expected, "{before:?} + {generated:?}");
        }
    }

    fn one_of(texts: &[&str]) -> Next {
        Next::Among(texts.iter().map(|text| Candidate::from(*text)).collect())
    }

    #[test]
    fn parts_come_in_any_order_up_to_code_or_an_answer() {
        let check = |message: &str, expected: Next| check(Mode::Agentic, message, &expected);
        check("", one_of(&["<Analyze>", "<Understand>", "<Code>", "<Answer>"]));
        check("<An", one_of(&["alyze>", "swer>"]));
        check("<Analyze>Load it", Next::Until("</Analyze>"));
        check("<Analyze>I close `</Analyze>`", Next::Until("</Analyze>"));
        let next = ["\n<Analyze>", "\n<Understand>", "\n<Code>", "\n<Answer>"];
        check("<Analyze>Load it</Analyze>", one_of(&next));
        check(
            "<Analyze>x</Analyze>\n",
            one_of(&["<Analyze>", "<Understand>", "<Code>", "<Answer>"]),
        );
        check("<Understand>x</Understand>\n<Analyze>y", Next::Until("</Analyze>"));
        check("<Analyze>x</Analyze>\n<Code>", Next::Forced(String::from(CODE_HEAD)));
        check("<Code>\n```py", Next::Forced(String::from("thon\n")));
        check("<Code>\n```python\ndf.head()\n```\n", Next::Until("</Code>"));
        check("<Code>\n```python\nx = '</Code>", Next::Until("</Code>"));
        check("<Answer>North", Next::Until("</Answer>"));
    }

    #[test]
    fn reflection_analyses_and_then_answers() {
        let check = |message: &str, expected: Next| check(Mode::Reflection, message, &expected);
        check("", Next::Forced(String::from("<Analyze>")));
        check("<Analyze>well", Next::Until("</Analyze>"));
        check("<Analyze>well</Analyze>", Next::Forced(String::from("\n<Answer>")));
        check("<Analyze>well</Analyze>\n<Answer>so", Next::Until("</Answer>"));
    }
}
