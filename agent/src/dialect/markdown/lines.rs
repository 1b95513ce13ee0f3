//! What a line of a message means: a fence, or the heading of the answer.

/// Languages in the info string of a fence whose block is to run.
const LANGUAGES: [&str; 7] = ["python", "py", "python3", "py3", "ipython", "ipython3", "tool_code"];

/// Headings that announce the answer.
const HEADINGS: [&str; 2] = ["answer", "final answer"];

/// What opens a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    /// Its back-ticks: as many close it.
    pub n_ticks: usize,
    /// Blanks before it: as many do not count in each line of the block.
    pub indent: usize,
    /// Whether the block is Python.
    pub runs: bool,
}

/// The fence that a line is, if it opens a block.
///
/// # Source
/// <https://spec.commonmark.org/0.31.2/#fenced-code-blocks>; in lists a fence may stand further to the right.
pub(super) fn fence(line: &str) -> Option<Fence> {
    let rest = line.trim_start();
    let indent = line.len() - rest.len();
    let info = rest.trim_start_matches('`');
    let n_ticks = rest.len() - info.len();
    if n_ticks < 3 || info.contains('`') {
        return None;
    }
    let word = info.trim().trim_start_matches('{').trim_start_matches('.');
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
    let word = word.get(..end).unwrap_or_default();
    let runs = LANGUAGES.iter().any(|language| language.eq_ignore_ascii_case(word));
    Some(Fence { n_ticks, indent, runs })
}

/// Whether a line closes a block that so many back-ticks have opened.
pub(super) fn closes(line: &str, n_ticks: usize) -> bool {
    let line = line.trim();
    line.len() >= n_ticks && line.chars().all(|character| character == '`')
}

/// Whether a line that begins like this may become a fence.
pub(super) fn may_be_fence(start: &str) -> bool {
    let rest = start.trim_start();
    let info = rest.trim_start_matches('`');
    let n_ticks = rest.len() - info.len();
    info.is_empty() || (n_ticks >= 3 && !info.contains('`'))
}

/// Whether a line is the heading of the answer.
pub(super) fn announces(line: &str) -> bool {
    let line = line.trim();
    let is_heading = line.starts_with('#') || (line.starts_with("**") && line.ends_with("**"));
    let words = line.trim_matches(['#', '*', ':', ' ']);
    is_heading && HEADINGS.iter().any(|heading| heading.eq_ignore_ascii_case(words))
}

/// Whether a line that begins like this may become the heading of the answer.
pub(super) fn may_announce(start: &str) -> bool {
    let start = start.trim_start();
    let words = start.trim_start_matches(['#', '*', ' ']).to_ascii_lowercase();
    let may_be = |heading: &str| {
        let after = words.strip_prefix(heading);
        heading.starts_with(&words)
            || after.is_some_and(|after| after.trim_matches(['#', '*', ':', ' ']).is_empty())
    };
    start.starts_with(['#', '*']) && HEADINGS.iter().any(|heading| may_be(heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_python_runs() {
        let runs = |line: &str| fence(line).map(|fence| fence.runs);
        for line in [
            "```python\n",
            "  ```py",
            "````Python3 title=\"a\"",
            "``` python",
            "```{python}",
            "```tool_code",
        ] {
            assert_eq!(runs(line), Some(true), "{line}");
        }
        for line in ["```", "```sql", "```text", "```pycon", "```python-repl\n`"] {
            assert_ne!(runs(line), Some(true), "{line}");
        }
        for line in ["``python", "```python```", "a ```python", "`x`"] {
            assert_eq!(runs(line), None, "{line}");
        }
        assert_eq!(fence("   ````python"), Some(Fence { n_ticks: 4, indent: 3, runs: true }));
    }

    #[test]
    fn a_block_is_closed_by_as_many_ticks_alone() {
        assert!(closes("```\n", 3) && closes("  ````", 3));
        assert!(!closes("```", 4) && !closes("```python", 3) && !closes("", 3));
    }

    #[test]
    fn a_line_is_held_back_only_while_it_may_mean_something() {
        for line in ["## Answer", "**Answer**", "# Final answer:", "**Answer:**", "### ANSWER ###"]
        {
            assert!(announces(line), "{line}");
            let starts = line.char_indices().map(|(at, _)| &line[..at]).skip(1);
            starts.for_each(|start| assert!(may_announce(start), "{start}"));
        }
        for line in ["## Answers", "Answer", "**Answer: 3**", "* Answer", "## The answer", "**a"] {
            assert!(!announces(line), "{line}");
        }
        for start in ["## Answers", "**Answer: 3", "* item", "#!", "x"] {
            assert!(!may_announce(start), "{start}");
        }
        for start in ["", " ", "`", "```", "```python"] {
            assert!(may_be_fence(start), "{start}");
        }
        for start in ["a", "`a", "```a`"] {
            assert!(!may_be_fence(start), "{start}");
        }
    }
}
