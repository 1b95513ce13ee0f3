//! Slips of the keys in what an analyst types: two letters swapped, one twice, one left out.
//!
//! A large model reads past them. The embedded one was taught some hundred words, and `avergae` is none of them: it would
//! be taken for something in the data. Real words are to stay, and there is no dictionary here: so only long words are
//! set right, and a letter that is left out only in the middle of a longer one. Of 262,866 English words 15 are then
//! slips of the 658 that the embedded model knows, such as `faction` of `fraction`.

use std::collections::BTreeSet;

/// Of a word in which letters are swapped or twice.
const MIN_LETTERS: usize = 6;
/// Of a word that lacks one: many a short word is a longer one without a letter, as `chat` of `chart`.
const MIN_LETTERS_LACKING: usize = 8;

/// Whether `typed` is `meant` with one slip, both in small letters.
pub(crate) fn is_slip(typed: &str, meant: &str) -> bool {
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    if meant.len() < MIN_LETTERS || !is_word(typed) || !is_word(meant) {
        return false;
    }
    let (typed, meant) = (typed.as_bytes(), meant.as_bytes());
    let start = typed.iter().zip(meant).take_while(|(a, b)| a == b).count();
    let (after, wanted) = (&typed[start..], &meant[start..]);
    let end = after.iter().rev().zip(wanted.iter().rev()).take_while(|(a, b)| a == b).count();
    let (between, wanted) = (&after[..after.len() - end], &wanted[..wanted.len() - end]);
    match (between, wanted) {
        ([a, b], [c, d]) => start > 0 && a == d && b == c,
        ([twice], []) => typed[..start].last() == Some(twice),
        ([], [_]) => start > 0 && end > 0 && meant.len() >= MIN_LETTERS_LACKING,
        _ => false,
    }
}

/// The question with words of `known` in place of slips of them. What is known, quoted, capitalised but for the first
/// word, part of a name or among `names` is as it was, and so is what may be a slip of several.
pub(crate) fn set_right(question: &str, known: &[String], names: &BTreeSet<String>) -> String {
    let mut text = String::with_capacity(question.len());
    let mut rest = question;
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || closing(c).is_some()) {
        let (before, from) = rest.split_at(start);
        text.push_str(before);
        let n_bytes = quoted(from).unwrap_or_else(|| run(from));
        let (word, after) = from.split_at(n_bytes);
        let is_first = text.trim().is_empty();
        match meant(word, is_first, known, names) {
            Some(meant) => text.push_str(&meant),
            None => text.push_str(word),
        }
        rest = after;
    }
    text + rest
}

/// The mark that closes a quote.
fn closing(opening: char) -> Option<char> {
    match opening {
        '"' | '\'' | '`' => Some(opening),
        '“' | '„' => Some('”'),
        '‘' => Some('’'),
        _ => None,
    }
}

/// Length in bytes of the quote that a text begins with, if it does: nothing that stands in it is a word of the question.
fn quoted(text: &str) -> Option<usize> {
    let opening = text.chars().next()?;
    let closing = closing(opening)?;
    let inside = text.get(opening.len_utf8()..)?;
    Some(opening.len_utf8() + inside.find(closing)? + closing.len_utf8())
}

/// Length in bytes of the word or name that a text begins with, such as `total`, `price_eur`, `data.csv` or `it's`; of any
/// other character that.
fn run(text: &str) -> usize {
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let goes_on = characters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        let is_part =
            c.is_alphanumeric() || c == '_' || matches!(c, '.' | '-' | '/' | '\'' | '’') && goes_on;
        if !is_part {
            return at.max(c.len_utf8());
        }
    }
    text.len()
}

fn meant(word: &str, is_first: bool, known: &[String], names: &BTreeSet<String>) -> Option<String> {
    let small = word.to_ascii_lowercase();
    let is_small = word.bytes().skip(usize::from(is_first)).all(|byte| byte.is_ascii_lowercase());
    if !is_small || known.contains(&small) || names.contains(&small) {
        return None;
    }
    let mut slips = known.iter().chain(names).filter(|meant| is_slip(&small, meant));
    let meant = slips.next().filter(|_| slips.next().is_none())?;
    let mut letters = meant.chars();
    Some(match letters.next() {
        Some(first) if !word.starts_with(|c: char| c.is_ascii_lowercase()) => {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        }
        _ => meant.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_two_letters_swapped_one_twice_or_one_left_out_of_a_long_word() {
        for typed in ["avergae", "averrage", "avearge"] {
            assert!(is_slip(typed, "average"), "{typed}");
        }
        for typed in ["average", "averages", "avarage", "vaerage", "averge", "beverage", "", "méan"]
        {
            assert!(!is_slip(typed, "average"), "{typed}");
        }
        assert!(is_slip("corelation", "correlation"));
        assert!(!is_slip("correlatio", "correlation") && !is_slip("orrelation", "correlation"));
    }

    #[test]
    fn words_that_are_one_letter_from_others_are_no_slips_of_them() {
        for (word, known) in [
            ("chat", "chart"),
            ("person", "pearson"),
            ("media", "median"),
            ("tree", "three"),
            ("color", "colour"),
            ("quarter", "quarters"),
            ("paris", "pairs"),
            ("star", "start"),
            ("with", "width"),
            ("count", "county"),
            ("sort", "sport"),
            ("trail", "trial"),
        ] {
            assert!(!is_slip(word, known) && !is_slip(known, word), "{word} {known}");
        }
    }

    #[test]
    fn slips_of_known_words_are_set_right_and_all_else_stays() {
        let known = ["average", "largest", "percent", "correlation", "diagram"];
        let known = known.map(String::from);
        let names = ["largets", "percennt", "diagrams"].map(String::from);
        let names = BTreeSet::from(names);
        for (typed, read) in [
            ("Avergae price by regoin?", "Average price by regoin?"),
            ("the corelation of the avergae, please", "the correlation of the average, please"),
            ("größte avergae — 数 avergae", "größte average — 数 average"),
            // In the data, and one of two.
            ("the largets percennt", "the largets percennt"),
            ("a diagarms", "a diagrams"),
            ("a diagramm", "a diagram"),
            // Names, values and quotes.
            (
                "avergae_price, x-avergae, avergae's in avergae.csv",
                "avergae_price, x-avergae, avergae's in avergae.csv",
            ),
            ("of Avergae and AVERGAE", "of Avergae and AVERGAE"),
            (
                "is 'the avergae one', \"an avergae b\", “avergae” or `x avergae`",
                "is 'the avergae one', \"an avergae b\", “avergae” or `x avergae`",
            ),
            ("it's the avergae 'of", "it's the average 'of"),
            ("", ""),
            ("…'", "…'"),
        ] {
            assert_eq!(set_right(typed, &known, &names), read);
        }
    }
}
