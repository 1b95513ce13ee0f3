//! Guesses at what comes next: code repeats names, answers repeat what was printed.
//!
//! A guess is computed with the token before it, for little more than that alone costs, since the weights are read
//! once for all. The model's own choice is made from the same logits as without it, but for the last bits of the sums
//! of attention; so a guess, right or wrong, changes nothing but the time.
//!
//! # Source
//! Prompt lookup, <https://github.com/apoorvumang/prompt-lookup-decoding>

/// A guess has at most so many tokens, as many as are computed with the one before them in one pass over the weights, and
/// no more than stood in this order before: the fewer are alike, the less is to be expected of what followed.
const MOST: usize = 3;

/// What followed when the end of `sequence` stood in it the last time; empty if it never did.
pub(super) fn guess(sequence: &[u32]) -> &[u32] {
    (1..=MOST).rev().find_map(|n| followed(sequence, n)).unwrap_or_default()
}

/// Up to `n` tokens that followed when the last `n` stood there before.
fn followed(sequence: &[u32], n: usize) -> Option<&[u32]> {
    let end = sequence.get(sequence.len().checked_sub(n)?..)?;
    // The end itself is no earlier place, but one that reaches into it is.
    let (_, earlier) = sequence.split_last()?;
    let start = earlier.windows(n).rposition(|window| window == end)?;
    let followed = sequence.get(start + n..)?;
    Some(followed.get(..n).unwrap_or(followed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_what_followed_the_last_time() {
        let check = |sequence: &[u32], expected: &[u32]| {
            assert_eq!(guess(sequence), expected, "{sequence:?}");
        };
        check(&[1, 2, 3, 4, 5, 6, 7, 1, 2, 3], &[4, 5, 6]);
        check(&[1, 2, 3, 4, 1, 2, 3, 9, 1, 2, 3], &[9, 1, 2]);
        check(&[1, 2, 3, 4, 1, 2, 3], &[4, 1, 2]);
        check(&[1, 2, 3, 4, 3, 9, 1, 2, 3], &[4, 3, 9]);
        check(&[5, 5, 5, 5], &[5]);
        check(&[1, 2, 3, 4, 9, 2, 3], &[4, 9]);
        check(&[1, 2, 3, 4, 9, 3], &[4]);
        check(&[1, 1, 5, 9, 1], &[5]);
        check(&[1, 2, 3], &[]);
        check(&[1, 1], &[1]);
        check(&[1], &[]);
        check(&[], &[]);
    }
}
