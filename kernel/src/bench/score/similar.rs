//! How alike two texts are, as Python's `difflib.SequenceMatcher(None, a, b).ratio()` says.
//!
//! # Source
//! <https://docs.python.org/3/library/difflib.html>: twice the length of what matches over the length of both; what
//! matches is the longest common piece, then, left and right of it, again. Letters that make up more than 1 % of a
//! second text of at least 200 begin no match (`autojunk`).

use std::collections::HashMap;

/// From this length on of the second text, frequent letters begin no match.
const LONG: usize = 200;

/// The ratio, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "lengths of answers")]
pub(super) fn ratio(one: &str, other: &str) -> f64 {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let total = one.len() + other.len();
    if total == 0 {
        return 1.0;
    }
    let mut places: HashMap<char, Vec<usize>> = HashMap::new();
    for (at, letter) in other.iter().enumerate() {
        places.entry(*letter).or_default().push(at);
    }
    if other.len() >= LONG {
        places.retain(|_, at| at.len() <= other.len() / 100 + 1);
    }
    let texts = Texts { one: &one, other: &other, places };
    2.0 * texts.matched((0, one.len()), (0, other.len())) as f64 / total as f64
}

struct Texts<'a> {
    one: &'a [char],
    other: &'a [char],
    /// Where in the other text a letter stands.
    places: HashMap<char, Vec<usize>>,
}

/// Where a common piece begins in both texts, and its length.
#[derive(Clone, Copy, Default)]
struct Piece {
    one: usize,
    other: usize,
    length: usize,
}

impl Texts<'_> {
    /// Letters that match between two stretches. Stretches wait in a list: a hostile text makes no deep recursion.
    fn matched(&self, one: (usize, usize), other: (usize, usize)) -> usize {
        let mut waiting = vec![(one, other)];
        let mut matched = 0;
        while let Some((one, other)) = waiting.pop() {
            let piece = self.longest(one, other);
            if piece.length > 0 {
                matched += piece.length;
                waiting.push(((one.0, piece.one), (other.0, piece.other)));
                waiting.push((
                    (piece.one + piece.length, one.1),
                    (piece.other + piece.length, other.1),
                ));
            }
        }
        matched
    }

    /// The longest common piece; of several the first in the one text, then in the other.
    fn longest(&self, one: (usize, usize), other: (usize, usize)) -> Piece {
        let mut best = Piece { one: one.0, other: other.0, length: 0 };
        // Length of the common piece that ends at the letter before, by its place in the other text.
        let mut ending: HashMap<usize, usize> = HashMap::new();
        for at in one.0..one.1 {
            let mut next = HashMap::new();
            let letter = self.one.get(at);
            let places = letter.and_then(|letter| self.places.get(letter)).into_iter().flatten();
            for &place in places.filter(|&&place| (other.0..other.1).contains(&place)) {
                let before = place.checked_sub(1).and_then(|before| ending.get(&before));
                let length = before.copied().unwrap_or(0) + 1;
                next.insert(place, length);
                if length > best.length {
                    best = Piece { one: at + 1 - length, other: place + 1 - length, length };
                }
            }
            ending = next;
        }
        self.extended(best, one, other)
    }

    /// Letters that begin no match may stand at its ends.
    fn extended(&self, mut piece: Piece, one: (usize, usize), other: (usize, usize)) -> Piece {
        let same = |one: usize, other: usize| self.one.get(one) == self.other.get(other);
        while piece.one > one.0 && piece.other > other.0 && same(piece.one - 1, piece.other - 1) {
            piece = Piece { one: piece.one - 1, other: piece.other - 1, length: piece.length + 1 };
        }
        while piece.one + piece.length < one.1
            && piece.other + piece.length < other.1
            && same(piece.one + piece.length, piece.other + piece.length)
        {
            piece.length += 1;
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_alike_as_pythons_difflib_says() {
        let long = "abcdefghij".repeat(30);
        let (x, ax) = ("x".repeat(250), format!("a{}", "x".repeat(250)));
        // `difflib.SequenceMatcher(None, a, b).ratio()` of Python 3.12.
        for (one, other, expected) in [
            ("", "", 1.0),
            ("abc", "", 0.0),
            ("abcd", "bcde", 0.75),
            ("private thread", "private thread currentthread", 0.666_666_666_666_666_6),
            ("the cat sat", "the bat sat", 0.909_090_909_090_909_1),
            ("qabxcd", "abycdf", 0.666_666_666_666_666_6),
            (&long, &long, 1.0),
            ("abx", &x, 0.0),
            ("xabx", &ax, 0.007_843_137_254_901_96),
            ("übergröße", "uebergroesse", 0.571_428_571_428_571_4),
        ] {
            let found = ratio(one, other);
            assert!((found - expected).abs() < 1e-12, "{one} {other}: {found}");
        }
    }
}
