//! Pure: whether two runs over the same questions differ by more than luck.
//!
//! Differences are paired: each question counts with what both runs made of it. Their intervals are those of a
//! percentile bootstrap over sessions, whose questions depend on each other; for right and wrong McNemar's exact test
//! stands beside it.
//!
//! # Source
//! B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; Q. McNemar, Note on the sampling error of
//! the difference between correlated proportions, 1947.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::results::{Line, Run};

/// Samples that are drawn.
const SAMPLES: usize = 10_000;

/// Two runs, question by question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The models' names.
    pub models: [String; 2],
    /// Questions that both answered.
    pub questions: usize,
    /// Sessions that these are in.
    pub sessions: usize,
    /// Questions that one run alone has.
    pub left_out: usize,
    /// In what the two were not asked alike.
    pub unlike: Vec<String>,
    /// Right in both, in the first alone, in the second alone, in neither.
    pub right: [usize; 4],
    /// Probability of a difference at least as large by luck (McNemar, exact, two-sided).
    pub p: f64,
    /// Share of questions that are right, second less first.
    pub accuracy: Difference,
    /// Mean share of parts that are right.
    pub by_part_of_question: Difference,
    /// Tokens read and written, a question.
    pub tokens: Difference,
    /// Seconds, a question.
    pub seconds: Difference,
    /// Steps of code, a question.
    pub steps: Difference,
}

/// A mean in two runs, and what the second has more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// In the first.
    pub first: f64,
    /// In the second.
    pub second: f64,
    /// At 95 %, of the second less the first.
    pub interval: [f64; 2],
}

/// A run, as it was read.
pub type Read = (Run, BTreeMap<String, Line>);

/// Compares two runs over the questions that both have answered.
///
/// # Errors
/// In words, when they have none in common, or are of two question sets.
pub fn compare(first: &Read, second: &Read, seed: u64) -> Result<Comparison, String> {
    if first.0.suite != second.0.suite {
        return Err(format!(
            "expected two runs of one question set, found `{}` and `{}`",
            first.0.suite, second.0.suite
        ));
    }
    let done = |line: &&Line| !line.is_open() && line.right.is_some();
    let counterpart = |line: &Line| second.1.get(&line.id).filter(done);
    let pairs: Vec<(&Line, &Line)> =
        first.1.values().filter(done).filter_map(|line| Some((line, counterpart(line)?))).collect();
    if pairs.is_empty() {
        return Err(String::from("the two runs have no question in common that both answered"));
    }
    let all = first.1.values().filter(done).count() + second.1.values().filter(done).count();
    let mut right = [0; 4];
    for (one, other) in &pairs {
        let at = match (one.right == Some(true), other.right == Some(true)) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        right[at] += 1;
    }
    let mut by_session: BTreeMap<&str, Vec<(&Line, &Line)>> = BTreeMap::new();
    for pair in &pairs {
        by_session.entry(&pair.0.session).or_default().push(*pair);
    }
    let sessions: Vec<Vec<(&Line, &Line)>> = by_session.into_values().collect();
    let difference = |of: fn(&Line) -> f64| difference(&sessions, of, seed);
    let name = |run: &Run| run.model["name"].as_str().unwrap_or("a model").to_owned();
    Ok(Comparison {
        models: [name(&first.0), name(&second.0)],
        questions: pairs.len(),
        sessions: sessions.len(),
        left_out: all - 2 * pairs.len(),
        unlike: unlike(&first.0, &second.0),
        right,
        p: mcnemar(right[1], right[2]),
        accuracy: difference(|line| f64::from(u8::from(line.right == Some(true)))),
        by_part_of_question: difference(|line| line.share.unwrap_or_default()),
        tokens: difference(|line| count(line.asked.tokens[0] + line.asked.tokens[1])),
        seconds: difference(|line| line.asked.seconds),
        steps: difference(|line| count(line.asked.steps)),
    })
}

/// What makes two runs no fair pair.
fn unlike(first: &Run, second: &Run) -> Vec<String> {
    let mut unlike = Vec::new();
    if first.copy != second.copy {
        unlike.push(String::from("they read two copies of the question set"));
    }
    if first.settings != second.settings {
        unlike.push(format!("settings: {} and {}", first.settings, second.settings));
    }
    if first.datarus != second.datarus {
        unlike.push(format!("datarus {} and {}", first.datarus, second.datarus));
    }
    unlike
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens and steps")]
fn count(of: usize) -> f64 {
    of as f64
}

/// Means, and the bootstrap's interval of their difference: sessions are drawn with replacement, all questions of one
/// together.
fn difference(sessions: &[Vec<(&Line, &Line)>], of: fn(&Line) -> f64, seed: u64) -> Difference {
    // Of each session: its questions, and the sums in both runs.
    let sums: Vec<(f64, f64, f64)> = sessions
        .iter()
        .map(|pairs| {
            let first: f64 = pairs.iter().map(|(line, _)| of(line)).sum();
            let second: f64 = pairs.iter().map(|(_, line)| of(line)).sum();
            (count(pairs.len()), first, second)
        })
        .collect();
    let add = |(n, a, b): (f64, f64, f64), (m, c, d): &(f64, f64, f64)| (n + m, a + c, b + d);
    let (n, first, second) = sums.iter().fold((0.0, 0.0, 0.0), add);
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut drawn: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let sample =
                (0..sums.len()).filter_map(|_| sums.get(random.random_range(0..sums.len())));
            let (n, first, second) = sample.fold((0.0, 0.0, 0.0), add);
            (second - first) / n
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: usize| drawn.get(SAMPLES * share / 1000).copied().unwrap_or_default();
    Difference { first: first / n, second: second / n, interval: [at(25), at(974)] }
}

/// The exact two-sided test of `one` against `other` discordant pairs: the binomial distribution with a half.
fn mcnemar(one: usize, other: usize) -> f64 {
    let n = one + other;
    let mut term = count(n) * -std::f64::consts::LN_2;
    let mut tail = 0.0;
    for at in 0..=one.min(other) {
        tail += term.exp();
        term += (count(n - at) / count(at + 1)).ln();
    }
    (2.0 * tail).min(1.0)
}

impl Comparison {
    /// For people.
    pub fn as_text(&self) -> String {
        let [both, first, second, neither] = self.right;
        let [one, other] = &self.models;
        let mut lines = vec![
            format!("A  {one}\nB  {other}"),
            format!(
                "{} questions in {} sessions; right in both {both}, in A alone {first}, in B alone {second}, in neither \
                 {neither}",
                self.questions, self.sessions
            ),
            String::new(),
            format!("{:<22} {:>10} {:>10} {:>10}   {}", "", "A", "B", "B − A", "95 %"),
            row("right, %", &self.accuracy, 1e2),
            row("parts right, %", &self.by_part_of_question, 1e2),
            row("tokens a question", &self.tokens, 1.0),
            row("seconds a question", &self.seconds, 1.0),
            row("steps a question", &self.steps, 1.0),
            String::new(),
            format!(
                "Intervals: percentile bootstrap over sessions, {SAMPLES} samples. McNemar's exact test of right and \
                 wrong: p = {:.4}.",
                self.p
            ),
        ];
        if self.left_out > 0 {
            lines.push(format!("{} answers have no counterpart and are left out", self.left_out));
        }
        lines.extend(self.unlike.iter().map(|what| format!("not asked alike: {what}")));
        lines.join("\n")
    }
}

fn row(name: &str, difference: &Difference, scale: f64) -> String {
    let Difference { first, second, interval: [low, high] } = difference;
    format!(
        "{name:<22} {:>10.1} {:>10.1} {:>+10.1}   {:+.1} to {:+.1}",
        first * scale,
        second * scale,
        (second - first) * scale,
        low * scale,
        high * scale
    )
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{line, run};
    use super::*;

    fn read(right: &[bool]) -> Read {
        let lines = right.iter().enumerate();
        let lines = lines.map(|(at, &right)| (at.to_string(), line(&at.to_string(), right)));
        (run(), lines.collect())
    }

    #[test]
    fn the_exact_test_is_the_binomial_one() {
        // Python: `min(1, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)`.
        for (one, other, expected) in [
            (0, 0, 1.0),
            (5, 0, 0.0625),
            (1, 9, 0.021_484_375),
            (10, 3, 0.092_285_156_25),
            (6, 6, 1.0),
        ] {
            assert!((mcnemar(one, other) - expected).abs() < 1e-9, "{one} {other}");
        }
        assert!(mcnemar(0, 3_000) < 1e-9);
    }

    #[test]
    fn a_difference_has_an_interval_that_the_seed_alone_decides() {
        let one = read(&[false; 40]);
        let mut other = [false; 40];
        other[..20].fill(true);
        let other = read(&other);
        let compared = compare(&one, &other, 7).unwrap();
        assert_eq!(compared.right, [0, 0, 20, 20]);
        let Difference { first, second, interval: [low, high] } = compared.accuracy;
        assert!(first.abs() < 1e-12 && (second - 0.5).abs() < 1e-12);
        // By the normal distribution ±1.96 · √(0.25 / 40) = ±0.155.
        assert!((low - 0.345).abs() < 0.03 && (high - 0.655).abs() < 0.03, "{low} {high}");
        assert_eq!(compare(&one, &other, 7).unwrap(), compared);
        let seconds = compared.seconds.interval;
        assert!(seconds.iter().all(|end| end.abs() < 1e-12), "what is the same has no spread");
        assert!(compared.as_text().contains("in B alone 20"), "{}", compared.as_text());
    }

    #[test]
    fn questions_of_one_session_are_drawn_together() {
        let one = read(&[false; 40]);
        let mut other = [false; 40];
        other[..20].fill(true);
        let mut other = read(&other);
        let mut together = one.clone();
        // Four sessions of ten: two all right, two all wrong.
        for lines in [&mut together.1, &mut other.1] {
            for (id, line) in lines.iter_mut() {
                line.session = (id.parse::<usize>().unwrap() / 10).to_string();
            }
        }
        let compared = compare(&together, &other, 7).unwrap();
        let [low, high] = compared.accuracy.interval;
        assert_eq!(compared.sessions, 4);
        assert!(low.abs() < 1e-12 && (high - 1.0).abs() < 1e-12, "{low} {high}");
    }

    #[test]
    fn what_has_no_counterpart_is_left_out_and_what_is_unlike_is_told() {
        let (one, mut other) = (read(&[true, true, false]), read(&[true, false]));
        other.0.settings = serde_json::json!({"seed": 9});
        let compared = compare(&one, &other, 0).unwrap();
        assert_eq!((compared.questions, compared.left_out), (2, 1));
        assert!(compared.as_text().contains("not asked alike: settings"), "{}", compared.as_text());
        other.1.clear();
        assert!(compare(&one, &other, 0).unwrap_err().contains("no question in common"));
        other.0.suite = String::from("dabench");
        assert!(compare(&one, &other, 0).unwrap_err().contains("`questions` and `dabench`"));
    }
}
