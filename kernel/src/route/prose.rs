//! Weighs whether a line reads like prose. It is asked only about lines that Python rejects.
//!
//! Points for prose: words side by side, function words, a sentence's beginning, a question mark,
//! runs of a script that has no spaces. Against it: what looks like code and is only half written.

use super::lexer::is_keyword;

/// How a line reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Prose,
    Code,
    /// A single word, a bullet: the next line tells.
    Neither,
}

/// A piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Word(&'a str),
    Number,
    /// A quotation; what is in it does not count.
    Quoted,
    Sign(char),
    Space,
}

/// How a line reads that Python rejects.
pub(super) fn read(line: &str) -> Reading {
    let pieces = pieces(line);
    let words = words(&pieces);
    let signs = code_signs(line, &pieces);
    if words.len() < 2 && signs == 0 && spaceless_runs(&words) == 0 {
        return Reading::Neither;
    }
    let leading = starts_with_two_words(&pieces);
    let points = points(line, &pieces, &words, leading);
    let needed = if leading { 2 + 2 * signs } else { 2 + 4 * signs };
    if points >= needed { Reading::Prose } else { Reading::Code }
}

/// How a line reads that Python might accept: code, unless it is a single word.
pub(super) fn read_accepted(line: &str) -> Reading {
    let pieces = pieces(line);
    let single = words(&pieces).len() < 2 && code_signs(line, &pieces) == 0 && !line.contains('.');
    if single { Reading::Neither } else { Reading::Code }
}

fn points(line: &str, pieces: &[Piece], words: &[&str], leading: bool) -> usize {
    let question = words.len() >= 2 && line.trim_end().ends_with(['?', '？', '؟', '⸮']);
    let sentence = leading && words.first().is_some_and(|word| is_capitalised(word));
    let function_words = words.iter().filter(|word| is_function_word(word)).count();
    pairs(pieces)
        + function_words
        + 4 * (spaceless_runs(words) + usize::from(sentence))
        + 6 * usize::from(question)
}

/// Two points for two words side by side, one where either is a keyword of Python or a number.
fn pairs(pieces: &[Piece]) -> usize {
    let solid: Vec<_> = pieces.iter().filter(|piece| **piece != Piece::Space).copied().collect();
    let weight = |place: usize, piece: Piece| match piece {
        Piece::Word(word) if is_letter(word) && !between_words(&solid, place) => 0,
        Piece::Word(word) if is_keyword(word) => 1,
        Piece::Word(_) => 2,
        Piece::Number | Piece::Quoted => 1,
        Piece::Sign(_) | Piece::Space => 0,
    };
    let weights: Vec<_> =
        solid.iter().enumerate().map(|(place, piece)| weight(place, *piece)).collect();
    // Two keywords side by side, as in `is not`, say nothing.
    let pair = |pair: &[usize]| match pair {
        [2, 2] => 2,
        [1, 2] | [2, 1] => 1,
        _ => 0,
    };
    weights.windows(2).map(pair).sum()
}

/// A single ASCII letter is a variable, unless longer words stand on both sides (`a`, `y`, `e`).
fn is_letter(word: &str) -> bool {
    word.len() == 1
}

fn between_words(solid: &[Piece], place: usize) -> bool {
    let long = |piece: Option<&Piece>| matches!(piece, Some(Piece::Word(word)) if !is_letter(word));
    place > 0 && long(solid.get(place - 1)) && long(solid.get(place + 1))
}

fn starts_with_two_words(pieces: &[Piece]) -> bool {
    let mut solid = pieces.iter().skip_while(|piece| {
        matches!(
            piece,
            Piece::Space | Piece::Number | Piece::Sign('-' | '*' | '•' | '.' | ')' | '¿' | '¡')
        )
    });
    let [first, gap, second] = [solid.next(), solid.next(), solid.next()];
    matches!(gap, Some(Piece::Space))
        && matches!((first, second), (Some(Piece::Word(first)), Some(Piece::Word(_) | Piece::Number | Piece::Quoted))
            if !begins_code(first))
}

fn is_capitalised(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.all(|c| !c.is_uppercase())
}

/// How many words hold two or more characters of a script that writes without spaces.
fn spaceless_runs(words: &[&str]) -> usize {
    words.iter().filter(|word| word.chars().filter(|c| is_spaceless(*c)).count() >= 2).count()
}

/// Han, Kana, Thai, Lao, Khmer, Burmese.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

/// What looks like code.
fn code_signs(line: &str, pieces: &[Piece]) -> usize {
    let attached = pieces.windows(2).filter(|pair| {
        matches!(pair, [Piece::Word(_) | Piece::Sign(')' | ']'), Piece::Sign('(' | '[')])
    });
    let assigned = pieces.windows(2).any(|pair| {
        matches!(pair, [Piece::Sign(before), Piece::Sign('=')] if !"=<>!".contains(*before))
            || matches!(
                pair,
                [Piece::Word(_) | Piece::Space | Piece::Sign(')' | ']'), Piece::Sign('=')]
            )
    });
    let braces = pieces.iter().filter(|piece| matches!(piece, Piece::Sign('{' | '}'))).count();
    let first = pieces.iter().find_map(|piece| match piece {
        Piece::Word(word) => Some(*word),
        _ => None,
    });
    let begins = first.is_some_and(begins_code);
    // `form` is a word, and a slip.
    let imports = pieces.contains(&Piece::Word("import"));
    let slipped = imports && first.is_some_and(|word| is_slip(word, "from"));
    let end = line.trim_end();
    attached.count().min(3)
        + 2 * usize::from(assigned)
        + braces.min(2)
        + usize::from(begins)
        + 3 * usize::from(slipped)
        + 2 * usize::from(begins && end.ends_with(':'))
        + 2 * usize::from(end.ends_with(['(', '[', '{', '=', '\\']))
        + usize::from(line.contains("->"))
        + 2 * usize::from(line.trim_start().starts_with('@'))
}

/// Words that begin a line of code, also with one letter too few or two exchanged.
fn begins_code(word: &str) -> bool {
    const BEGIN: [&str; 13] = [
        "import", "from", "def", "class", "return", "del", "for", "while", "with", "if", "raise",
        "assert", "print",
    ];
    BEGIN.iter().any(|known| *known == word || known.len() > 4 && is_slip(word, known))
}

/// Whether `word` is `known` with one letter left out or two neighbours exchanged.
fn is_slip(word: &str, known: &str) -> bool {
    let (word, known) = (word.as_bytes(), known.as_bytes());
    let same = word.iter().zip(known).take_while(|(a, b)| a == b).count();
    let tail = |text: &'_ [u8], from: usize| text.get(from..).unwrap_or_default().to_vec();
    if word.len() + 1 == known.len() {
        return tail(word, same) == tail(known, same + 1);
    }
    word.len() == known.len()
        && word.get(same) == known.get(same + 1)
        && word.get(same + 1) == known.get(same)
        && tail(word, same + 2) == tail(known, same + 2)
}

/// Words of a sentence that nobody gives to a variable.
fn is_function_word(word: &str) -> bool {
    const WORDS: [&str; 61] = [
        "the", "of", "me", "my", "our", "please", "which", "what", "what's", "how", "why", "when",
        "where", "who", "this", "these", "that", "are", "it", "its", "do", "does", "you", "can",
        "by", "an", "der", "die", "das", "den", "und", "von", "mir", "bitte", "wie", "welche",
        "le", "la", "les", "des", "du", "une", "et", "moi", "el", "los", "las", "del", "una",
        "por", "que", "o", "os", "da", "dos", "em", "gli", "che", "il", "nach", "pro",
    ];
    let word = word.to_lowercase();
    word.len() > 1 && WORDS.contains(&&word[..])
}

fn words<'a>(pieces: &[Piece<'a>]) -> Vec<&'a str> {
    let word = |piece: &Piece<'a>| match piece {
        Piece::Word(word) => Some(*word),
        _ => None,
    };
    pieces.iter().filter_map(word).collect()
}

/// Takes a line apart, up to a comment.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (size, piece) = match first {
            '#' => break,
            first if first.is_whitespace() => (first.len_utf8(), Piece::Space),
            '"' | '\'' | '`' => (quoted(rest, first), Piece::Quoted),
            '“' => {
                (rest.find('”').map_or(first.len_utf8(), |end| end + '”'.len_utf8()), Piece::Quoted)
            }
            first if first.is_numeric() => (number(rest), Piece::Number),
            first if is_word(first) => match word(rest) {
                (size, None) => (size, Piece::Quoted),
                (size, Some(word)) => (size, Piece::Word(word)),
            },
            first => (first.len_utf8(), Piece::Sign(first)),
        };
        if !(piece == Piece::Space && pieces.last() == Some(&Piece::Space)) {
            pieces.push(piece);
        }
        rest = rest.get(size..).unwrap_or_default();
    }
    pieces
}

fn is_word(c: char) -> bool {
    c == '_' || unicode_ident::is_xid_continue(c)
}

fn number(rest: &str) -> usize {
    rest.find(|c: char| !c.is_numeric() && !".,%".contains(c)).unwrap_or(rest.len())
}

/// A word, with apostrophes and hyphens inside it; or a string with its prefix, then `None`.
fn word(rest: &str) -> (usize, Option<&str>) {
    let mut size = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let prefix = rest
        .get(..size)
        .is_some_and(|word| word.len() <= 2 && word.chars().all(|c| "rRbBuUfFtT".contains(c)));
    let tail = |size: usize| rest.get(size..).unwrap_or_default();
    if let Some(quote @ ('"' | '\'')) = tail(size).chars().next()
        && prefix
        && tail(size).get(1..).is_some_and(|rest| rest.contains(quote))
    {
        return (size + quoted(tail(size), quote), None);
    }
    while let Some(joined) = tail(size).strip_prefix(['\'', '’', '-'])
        && joined.starts_with(is_word)
    {
        let joint = tail(size).len() - joined.len();
        size += joint + joined.find(|c| !is_word(c)).unwrap_or(joined.len());
    }
    // The owners are many: `customers' names`.
    if let Some(rest) = tail(size).strip_prefix(['\'', '’'])
        && !rest.contains(['\'', '’'])
    {
        size = size + tail(size).len() - rest.len();
    }
    (size, rest.get(..size))
}

/// The size of what is quoted, to the end of the line where the quote does not end.
fn quoted(rest: &str, quote: char) -> usize {
    rest.get(1..).and_then(|rest| rest.find(quote)).map_or(rest.len(), |end| end + 2)
}
