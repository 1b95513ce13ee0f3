//! The options that a question of the model's offers, as a page shows them on buttons. Pure.
//!
//! A question that offers some has a list of them: on lines of their own, numbered, lettered or with bullets, or
//! numbered or lettered within a line, as in `Which one, (a) gross or (b) net?`.

/// How many there may be: a longer list is read, not clicked.
const MOST: usize = 9;

/// How long one may be, in characters.
const LONGEST: usize = 120;

/// What stands before an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Bullet(char),
    /// From 1.
    Number(usize),
    /// From 1.
    Letter(usize),
}

impl Mark {
    /// Whether a list begins with it.
    fn is_first(self) -> bool {
        matches!(self, Mark::Bullet(_) | Mark::Number(1) | Mark::Letter(1))
    }

    /// Whether it stands below `before` in one list.
    fn follows(self, before: Mark) -> bool {
        match (before, self) {
            (Mark::Bullet(before), Mark::Bullet(this)) => before == this,
            (Mark::Number(before), Mark::Number(this))
            | (Mark::Letter(before), Mark::Letter(this)) => this == before + 1,
            _ => false,
        }
    }
}

/// The options of the last list of a question, as plain text; empty, where it offers none.
pub(crate) fn options(question: &str) -> Vec<String> {
    let found = on_lines(question).or_else(|| within_lines(question)).unwrap_or_default();
    let options: Vec<String> = found.iter().map(|option| plain(option)).collect();
    let fits = |option: &String| !option.is_empty() && option.chars().count() <= LONGEST;
    let is_choice = (2..=MOST).contains(&options.len()) && options.iter().all(fits);
    if is_choice { options } else { Vec::new() }
}

/// A list in which each option begins a line; a line that is indented goes on with the option above.
fn on_lines(question: &str) -> Option<Vec<String>> {
    let (mut lists, mut last): (Vec<Vec<String>>, Option<Mark>) = (Vec::new(), None);
    for line in question.lines() {
        let is_deep = line.starts_with("   ") || line.starts_with('\t');
        match marked(line.trim_start()).filter(|_| !is_deep || last.is_none()) {
            Some((mark, text)) => {
                if last.is_some_and(|last| mark.follows(last))
                    && let Some(list) = lists.last_mut()
                {
                    list.push(text.trim().to_owned());
                } else if mark.is_first() {
                    lists.push(vec![text.trim().to_owned()]);
                } else {
                    last = None;
                    continue;
                }
                last = Some(mark);
            }
            None if line.trim().is_empty() => {}
            None if is_deep && last.is_some() => {
                if let Some(option) = lists.last_mut().and_then(|list| list.last_mut()) {
                    option.push(' ');
                    option.push_str(line.trim());
                }
            }
            None => last = None,
        }
    }
    lists.into_iter().rfind(|list| list.len() > 1)
}

/// The mark that a line begins with, and what follows it.
fn marked(line: &str) -> Option<(Mark, &str)> {
    let mut rest = line.chars();
    if let Some(bullet) = rest.next().filter(|mark| "-*+•".contains(*mark))
        && rest.as_str().starts_with([' ', '\t'])
    {
        return Some((Mark::Bullet(bullet), rest.as_str()));
    }
    // `**1.** first` is a number, too.
    let bare = line.trim_start_matches('*');
    let (mark, text) = enumerated(bare)?;
    let text = if bare.len() < line.len() { text.trim_start_matches('*') } else { text };
    text.starts_with([' ', '\t']).then_some((mark, text))
}

/// `1.`, `1)`, `(1)`, `a.`, `a)`, `(a)`, and what follows it.
fn enumerated(text: &str) -> Option<(Mark, &str)> {
    let inner = text.strip_prefix('(');
    let rest = inner.unwrap_or(text);
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at_checked(digits.max(1))?;
    let mark = match name.parse() {
        Ok(number) => Mark::Number(number),
        Err(_) => Mark::Letter(letter(name)?),
    };
    let ends: &[char] = if inner.is_some() { &[')'] } else { &['.', ')'] };
    Some((mark, rest.strip_prefix(ends)?))
}

/// The place of a letter in the alphabet.
fn letter(name: &str) -> Option<usize> {
    let byte = name.bytes().next()?.to_ascii_lowercase();
    byte.is_ascii_lowercase().then(|| usize::from(byte - b'a') + 1)
}

/// A list within the text. Its marks end with `)`: a number with a point may be one of a sentence.
fn within_lines(question: &str) -> Option<Vec<String>> {
    let mut places: Vec<(usize, usize, Mark)> = Vec::new();
    for (at, _) in question.char_indices() {
        let before = question.get(..at).unwrap_or_default();
        if !before.is_empty() && !before.ends_with(char::is_whitespace) {
            continue;
        }
        let text = question.get(at..).unwrap_or_default();
        let Some((mark, rest)) = enumerated(text) else { continue };
        let end = question.len() - rest.len();
        let closed = question.get(..end).is_some_and(|text| text.ends_with(')'));
        let follows = places.last().map_or(mark.is_first(), |(.., last)| mark.follows(*last));
        if closed && follows && rest.starts_with(char::is_whitespace) {
            places.push((at, end, mark));
        }
    }
    let ends = places.iter().skip(1).map(|(at, ..)| *at).chain([question.len()]);
    let text = |(place, end): (&(usize, usize, Mark), usize)| {
        question.get(place.1..end).unwrap_or_default().to_owned()
    };
    let texts: Vec<String> = places.iter().zip(ends).map(text).collect();
    (texts.len() > 1).then(|| texts.iter().map(|text| without_joint(text)).collect())
}

/// An option without what joins it to the next one, or ends the sentence.
fn without_joint(text: &str) -> String {
    let text = text.trim();
    let joint = [" or", " and"].into_iter().find_map(|word| text.strip_suffix(word));
    joint.unwrap_or(text).trim_end_matches([',', ';', '?', '.', ' ']).to_owned()
}

/// Without emphasis and marks of code, which a button would show as they are.
fn plain(option: &str) -> String {
    let text = option.replace("**", "").replace("__", "").replace('`', "");
    datarus_agent::observation::plain(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(question: &str, expected: &[&str]) {
        assert_eq!(options(question), expected, "{question:?}");
    }

    #[test]
    fn a_list_on_lines_is_read_as_options() {
        check("Which year?\n1. 2023\n2. 2024", &["2023", "2024"]);
        check("Which year?\n\n1) 2023\n\n2) 2024\n\n3) both", &["2023", "2024", "both"]);
        check("Which?\n(1) one\n(2) two\nTell me.", &["one", "two"]);
        check("Which?\n  a. gross\n  b. net", &["gross", "net"]);
        check("Which?\nA) gross\nB) net", &["gross", "net"]);
        check("Which?\n- `gross`\n- **net**", &["gross", "net"]);
        check("Which?\n**1.** gross\n**2.** net", &["gross", "net"]);
        check("Welche?\n• brutto\n• netto", &["brutto", "netto"]);
        check(
            "Which?\n- the sum\n   of all rows\n- the mean",
            &["the sum of all rows", "the mean"],
        );
    }

    #[test]
    fn a_list_within_a_line_is_read_as_options() {
        check("Which one, (a) gross or (b) net?", &["gross", "net"]);
        check("Do you mean 1) gross, 2) net, or 3) both?", &["gross", "net", "both"]);
    }

    #[test]
    fn the_last_list_is_the_one_that_is_asked() {
        check("There are:\n- rows\n- columns\n\nKeep\n1. all\n2. some", &["all", "some"]);
    }

    #[test]
    fn what_is_no_choice_offers_none() {
        check("Which year?", &[]);
        check("", &[]);
        check("Only\n- one", &[]);
        check("2. starts late\n3. and goes on", &[]);
        check("It was 3.5 in 1. Is that right? 2. would be odd.", &[]);
        check("See (a) above. Is it right (see b)?", &[]);
        check(&"- x\n".repeat(10), &[]);
        check(&format!("- {}\n- y", "x".repeat(121)), &[]);
        check("-5\n-6", &[]);
        check("é) x\nß) y\n(", &[]);
    }
}
