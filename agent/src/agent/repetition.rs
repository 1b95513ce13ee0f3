//! Text that goes round in a circle.

/// Characters at the end of a text that are looked at.
const WINDOW: usize = 480;

/// Times that a piece must stand in a row.
const ROUNDS: usize = 8;

/// Whether `text` ends with one piece written again and again, at least [`ROUNDS`] times over [`WINDOW`] characters.
///
/// A long row of zeros in a list is no circle in this sense unless it fills the whole window.
pub(super) fn goes_round(text: &str) -> bool {
    let mut tail: Vec<char> = text.chars().rev().take(WINDOW).collect();
    tail.reverse();
    let repeats_after = |period: usize| {
        let later = tail.iter().skip(period);
        tail.iter().zip(later).all(|(earlier, later)| earlier == later)
    };
    tail.len() == WINDOW && (1..=WINDOW / ROUNDS).any(repeats_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_noticed_and_a_table_is_not() {
        assert!(goes_round(&"I will load it again. ".repeat(40)));
        assert!(goes_round(&format!("{}{}", "once. ".repeat(3), "x".repeat(500))));
        assert!(!goes_round(&"twice ".repeat(20)), "short");
        let rows: Vec<String> = (0..200).map(|n| format!("{n}, {}", n * n)).collect();
        assert!(!goes_round(&rows.join("\n")));
    }
}
