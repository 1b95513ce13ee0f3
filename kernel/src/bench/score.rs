//! Pure: whether an answer is right, by the rules that each question set was published with.

pub mod denotation;
pub mod named;
pub mod quasi;
mod similar;

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Grade {
    /// Each part of the question: its name, and whether it was answered right.
    pub parts: Vec<(String, bool)>,
}

impl Grade {
    /// Of a question of one part.
    pub fn of(is_right: bool) -> Self {
        Self { parts: vec![(String::from("answer"), is_right)] }
    }

    /// Whether all parts are right; a question without parts is not.
    pub fn is_right(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|(_, is_right)| *is_right)
    }

    /// The share of parts that are right, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a few parts")]
    pub fn share(&self) -> f64 {
        let right = self.parts.iter().filter(|(_, is_right)| *is_right).count();
        right as f64 / self.parts.len().max(1) as f64
    }
}

/// A number as Python's `float` reads it: blanks around it, underscores between digits, `inf` and `nan`.
///
/// # Source
/// <https://docs.python.org/3/library/functions.html#float>
pub(crate) fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    for (at, _) in text.match_indices('_') {
        if at == 0 || !is_digit(at - 1) || !is_digit(at + 1) {
            return None;
        }
    }
    text.replace('_', "").parse().ok()
}

/// What stands in `@answer[…]`, up to the last bracket of its line, and the last such; without one the whole answer.
pub fn answer_in(text: &str) -> &str {
    const MARK: &str = "@answer[";
    let marked = text.rfind(MARK).and_then(|at| text.get(at + MARK.len()..));
    let line = marked.and_then(|rest| rest.lines().next());
    let inner = line.and_then(|line| line.rsplit_once(']')).map(|(inner, _)| inner);
    inner.unwrap_or(text).trim()
}

/// The Python that an answer holds: its last fenced block, or all of it if it has none.
pub fn code_in(text: &str) -> &str {
    let mut rest = text;
    let mut found = None;
    while let Some((_, after)) = rest.split_once("```") {
        let Some((block, behind)) = after.split_once("```") else { break };
        let body = block.split_once('\n').map_or(block, |(_language, body)| body);
        found = Some(body);
        rest = behind;
    }
    found.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        for (text, expected) in [
            (" 1.50 ", Some(1.5)),
            ("1e3", Some(1000.0)),
            ("1_000", Some(1000.0)),
            ("+.5", Some(0.5)),
            ("1,000", None),
            ("_1", None),
            ("1__0", None),
            ("", None),
            ("34%", None),
        ] {
            assert_eq!(python_float(text), expected, "{text:?}");
        }
        assert!(python_float("nan").unwrap().is_nan());
        assert_eq!(python_float("-inf"), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn the_last_marked_answer_counts_and_without_a_mark_all_of_it() {
        for (text, expected) in [
            ("So @answer[ 1 ]. Or rather @answer[a [1], b] it is", "a [1], b"),
            (" plain ", "plain"),
            ("@answer[open", "@answer[open"),
            ("@answer[]", ""),
        ] {
            assert_eq!(answer_in(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_last_block_of_code_counts() {
        assert_eq!(code_in("a ```python\nx = 1\n``` b ```\ny\n```"), "y\n");
        assert_eq!(code_in("x = 1"), "x = 1");
        assert_eq!(code_in("```py\nx"), "```py\nx");
    }

    #[test]
    fn a_question_is_right_when_all_its_parts_are() {
        let grade = |parts: &[bool]| Grade {
            parts: parts.iter().map(|&is_right| (String::from("p"), is_right)).collect(),
        };
        assert!(grade(&[true, true]).is_right());
        assert!(!grade(&[true, false]).is_right());
        assert!(!grade(&[]).is_right());
        assert!((grade(&[true, false, true, false]).share() - 0.5).abs() < 1e-12);
    }
}
