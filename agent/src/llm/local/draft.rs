//! Guesses at what comes next: code repeats names, answers repeat what was printed.
//!
//! A guess is computed with the token before it, for little more than that alone costs, since the weights are read
//! once for all. The model's own choice is made from the same logits as without it, but for the last bits of the sums
//! of attention; so a guess, right or wrong, changes nothing but the time.
//!
//! # Source
//! Prompt lookup, <https://github.com/apoorvumang/prompt-lookup-decoding>

/// The most tokens of a guess: with the token before it as many as are computed in one pass over the weights.
const MOST: usize = 3;
/// A guess is made where so many tokens stood in this order before.
const ALIKE: usize = 3;

/// What followed when the end of `sequence` stood in it the last time; empty if it never did.
pub(super) fn guess(sequence: &[u32]) -> &[u32] {
    let (Some(end), Some((_, earlier))) = (sequence.last_chunk::<ALIKE>(), sequence.split_last())
    else {
        return &[];
    };
    // The end itself is no earlier place, but one that reaches into it is.
    let Some(start) = earlier.windows(ALIKE).rposition(|window| window == end) else { return &[] };
    let followed = sequence.get(start + ALIKE..).unwrap_or_default();
    followed.get(..MOST).unwrap_or(followed)
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
        check(&[5, 5, 5, 5], &[5]);
        check(&[1, 2, 3, 4, 9, 2, 3], &[]);
        check(&[1, 2, 3], &[]);
        check(&[1, 2], &[]);
        check(&[], &[]);
    }
}
