//! How many tokens a text has, for a tokenizer that is not here.

/// More than the first guess: it is to err to the side of a context that is kept.
const MARGIN: f64 = 1.1;

/// What a message costs besides its text: its role, and the tokens around it.
const MESSAGE: f64 = 8.0;

/// From what length of prompt on a server's count is learnt from: in short ones the chat template weighs.
const LEARNT_FROM: f64 = 64.0;

/// An estimate by kinds of characters, corrected by what the server last counted.
///
/// Against the tokenizers of GPT-4o, GPT-4 and Llama 3 the first guess was 1.2 to 2 times the count for prose, code,
/// tables and numbers, and more for alphabets other than Latin; too little only for base64 (0.92). With the tokenizer
/// of Llama 2, which writes each digit alone, it was 0.96 for tables and 0.8 for emoji. After one completion it is the
/// server's own count of that prompt, and a tenth more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate(f64);

impl Default for Estimate {
    fn default() -> Self {
        Self(MARGIN)
    }
}

impl Estimate {
    /// Tokens of messages with these texts.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size")]
    pub(super) fn tokens<'t>(self, texts: impl Iterator<Item = &'t str>) -> usize {
        (weigh_all(texts) * self.0).ceil() as usize
    }

    /// Takes what the server counted for such messages.
    #[expect(clippy::cast_precision_loss, reason = "a number of tokens")]
    pub(super) fn learn<'t>(&mut self, texts: impl Iterator<Item = &'t str>, counted: usize) {
        let weight = weigh_all(texts);
        if weight >= LEARNT_FROM && counted > 0 {
            // A server that counts only what it had not held would make it too small.
            self.0 = (counted as f64 / weight * MARGIN).clamp(0.3, 3.0);
        }
    }
}

fn weigh_all<'t>(texts: impl Iterator<Item = &'t str>) -> f64 {
    texts.map(|text| MESSAGE + weigh(text)).sum()
}

/// Tokens by kinds of characters: a word is one, and more if it is long or has capitals inside; a digit is one; what is
/// not ASCII is about as much as its bytes.
fn weigh(text: &str) -> f64 {
    let mut letters_before = 0;
    let weigh = |character: char| {
        let letter = letters_before;
        letters_before = if character.is_ascii_alphabetic() { letter + 1 } else { 0 };
        match (character, letter) {
            ('A'..='Z' | 'a'..='z', 0) | ('0'..='9', _) => 1.0,
            ('A'..='Z', _) => 0.5,
            ('a'..='z', 4..) => 0.3,
            ('a'..='z', _) => 0.0,
            (' ', _) => 0.15,
            ('\0'..='\x7f', _) => 0.8,
            ('\u{80}'..='\u{7ff}', _) => 0.75,
            ('\u{800}'..='\u{ffff}', _) => 1.35,
            _ => 3.0,
        }
    };
    text.chars().map(weigh).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With what the tokenizers of GPT-4o, GPT-4, Llama 3 and Llama 2 make of it.
    #[track_caller]
    fn check(text: &str, counts: [usize; 4]) {
        let n_repeats = 20;
        let estimate = Estimate::default().tokens([text.repeat(n_repeats).as_str()].into_iter());
        for count in counts.map(|count| count * n_repeats) {
            assert!(estimate >= count * 95 / 100, "{text:?}: {estimate} for {count}");
            assert!(estimate <= count * 3, "{text:?}: {estimate} for {count}");
        }
    }

    #[test]
    fn an_estimate_errs_to_the_side_of_too_many() {
        check("The analyst asks which region has the highest average revenue.\n", [11, 11, 11, 14]);
        check("df.groupby(\"region\")[\"revenue\"].agg([\"mean\", \"count\"])\n", [14, 14, 14, 18]);
        check("   count    mean     std\n0  12345  123.456  78.901\n", [23, 23, 23, 30]);
        check("第三季度北部地区的收入增长了百分之十二。", [13, 22, 15, 24]);
        check("2012-01-01,0.0,12.8,5.0,4.7,drizzle\n", [26, 26, 26, 32]);
        check("Die Erlöse der Region Nord sind größtenteils gestiegen.\n", [14, 16, 16, 17]);
    }

    #[test]
    fn what_a_server_counted_is_what_is_estimated_next() {
        let text = "The analyst asks which region has the highest average revenue.\n".repeat(40);
        let texts = || [text.as_str(), "short"].into_iter();
        let mut estimate = Estimate::default();
        estimate.learn(texts(), 500);
        let is_a_tenth_more = |estimate: Estimate| estimate.tokens(texts()).abs_diff(550) <= 1;
        assert!(is_a_tenth_more(estimate));
        // Counts that cannot be, or say nothing, are not believed.
        estimate.learn(texts(), 0);
        assert!(is_a_tenth_more(estimate));
        estimate.learn(["a"].into_iter(), 5_000);
        assert!(is_a_tenth_more(estimate));
        estimate.learn(texts(), 3);
        assert!(estimate.tokens(texts()) > 150);
    }
}
