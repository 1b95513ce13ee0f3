//! Foreign text loses the power to look like one of our tags.

/// The names of all tags of all dialects, in lower case.
const NAMES: [&str; 14] = [
    "step",
    "thought",
    "action",
    "action_input",
    "observation",
    "stop_analysis",
    "answer",
    "think",
    "analyze",
    "understand",
    "code",
    "execute",
    "ask",
    "finish",
];

/// `text` with the `<` of everything that reads like one of our tags written as `‹`.
///
/// Blanks and upper case make no difference; the tag need not be closed, since the rest of it could follow later.
pub fn disarm(text: &str) -> String {
    let mut disarmed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        disarmed.push_str(before);
        disarmed.push(if reads_like_a_tag(after) { '‹' } else { '<' });
        rest = after;
    }
    disarmed.push_str(rest);
    disarmed
}

fn reads_like_a_tag(after: &str) -> bool {
    let name = after.trim_start_matches([' ', '\t', '/']);
    let end = name.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(name.len());
    let name = name.get(..end).unwrap_or_default();
    NAMES.iter().any(|tag| tag.eq_ignore_ascii_case(name))
}
