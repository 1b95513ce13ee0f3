//! Pure: what a run comes to, in all and by level.

use std::collections::BTreeMap;

use serde::Serialize;

use super::results::{Line, Run};

/// 97.5 % of the standard normal distribution lie below it.
const Z: f64 = 1.959_963_984_540_054;

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// What was asked of whom.
    pub run: Run,
    /// Of the questions that were chosen now, those that were not asked yet, or failed for another reason than their
    /// answer.
    pub open: usize,
    /// All questions that the run has asked, chosen now or before.
    pub all: Count,
    /// By level, where there is more than one.
    pub levels: BTreeMap<String, Count>,
}

/// What some questions come to; means are over those that were answered or given up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Count {
    /// Questions.
    pub questions: usize,
    /// Of these, those that can be graded.
    pub graded: usize,
    /// Of these, those that were answered right.
    pub right: usize,
    /// Their share.
    pub accuracy: f64,
    /// In what interval it lies, at 95 % (Wilson).
    pub interval: [f64; 2],
    /// Mean share of a question's parts that are right.
    pub by_part_of_question: f64,
    /// Share of all parts that are right.
    pub by_part: f64,
    /// Questions without an answer.
    pub gave_up: usize,
    /// Tokens read, a question.
    pub tokens_read: f64,
    /// Tokens written, a question.
    pub tokens_written: f64,
    /// Seconds, a question.
    pub seconds: f64,
    /// Steps of code, a question.
    pub steps: f64,
    /// Share of steps that failed.
    pub failed_steps: f64,
    /// Share of the numbers in answers that an output holds; none where no answer has a number.
    pub grounded: Option<f64>,
}

impl Summary {
    /// Counts lines of a run in which these questions were to be asked now.
    pub fn of(run: &Run, lines: &BTreeMap<String, Line>, chosen: &[String]) -> Self {
        let done: Vec<&Line> = lines.values().filter(|line| !line.is_open()).collect();
        let mut by_level: BTreeMap<String, Vec<&Line>> = BTreeMap::new();
        for line in &done {
            by_level.entry(line.level.clone()).or_default().push(line);
        }
        let levels = if by_level.len() > 1 {
            by_level.into_iter().map(|(level, lines)| (level, Count::of(&lines))).collect()
        } else {
            BTreeMap::new()
        };
        let is_closed = |id: &&String| lines.get(*id).is_some_and(|line| !line.is_open());
        let open = chosen.iter().filter(|id| !is_closed(id)).count();
        Self { run: run.clone(), open, all: Count::of(&done), levels }
    }

    /// For people.
    pub fn as_text(&self) -> String {
        let mut lines = vec![
            format!(
                "{} with {}: {}",
                self.run.suite,
                self.run.model["name"].as_str().unwrap_or("a model"),
                self.all.verdict()
            ),
            String::new(),
            format!(
                "{:<16} {:>9} {:>8} {:>15} {:>8} {:>7} {:>6} {:>8} {:>9}",
                "level",
                "questions",
                "right",
                "95 %",
                "tokens",
                "seconds",
                "steps",
                "failed",
                "grounded"
            ),
        ];
        lines.extend(self.levels.iter().map(|(level, count)| count.row(level)));
        lines.push(self.all.row("all"));
        let of = self.run.copy.questions;
        if self.all.questions < of {
            lines.push(format!("these are {} of the set's {of} questions", self.all.questions));
        }
        for differs in &self.run.copy.differs {
            lines.push(format!("not comparable with published scores: {differs}"));
        }
        if self.open > 0 {
            lines.push(format!("{} questions are open: the same command asks them", self.open));
        }
        lines.join("\n")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn share(some: usize, of: usize) -> f64 {
    some as f64 / of.max(1) as f64
}

impl Count {
    fn of(lines: &[&Line]) -> Self {
        let graded: Vec<&&Line> = lines.iter().filter(|line| line.right.is_some()).collect();
        let right = graded.iter().filter(|line| line.right == Some(true)).count();
        let parts = graded.iter().flat_map(|line| &line.parts);
        let right_parts = parts.clone().filter(|(_, is_right)| *is_right).count();
        let sum = |of: fn(&Line) -> usize| lines.iter().map(|line| of(line)).sum::<usize>();
        let mean = |of: fn(&Line) -> usize| share(sum(of), lines.len());
        let shares: f64 = graded.iter().filter_map(|line| line.share).sum();
        let seconds: f64 = lines.iter().map(|line| line.asked.seconds).sum();
        let (found, missing) =
            (sum(|line| line.asked.numbers[0]), sum(|line| line.asked.numbers[1]));
        Self {
            questions: lines.len(),
            graded: graded.len(),
            right,
            accuracy: share(right, graded.len()),
            interval: wilson(right, graded.len()),
            by_part_of_question: shares * share(1, graded.len()),
            by_part: share(right_parts, parts.count()),
            gave_up: lines.iter().filter(|line| line.asked.status != "done").count(),
            tokens_read: mean(|line| line.asked.tokens[0]),
            tokens_written: mean(|line| line.asked.tokens[1]),
            seconds: seconds * share(1, lines.len()),
            steps: mean(|line| line.asked.steps),
            failed_steps: share(sum(|line| line.asked.failed_steps), sum(|line| line.asked.steps)),
            grounded: (found + missing > 0).then(|| share(found, found + missing)),
        }
    }

    fn verdict(&self) -> String {
        if self.graded == 0 {
            return format!("{} answers, none of which can be graded here", self.questions);
        }
        format!(
            "{} of {} right, {:.1} % ({:.1} to {:.1} at 95 %)",
            self.right,
            self.graded,
            self.accuracy * 1e2,
            self.interval[0] * 1e2,
            self.interval[1] * 1e2
        )
    }

    fn row(&self, level: &str) -> String {
        let grounded =
            self.grounded.map_or(String::from("–"), |share| format!("{:.0} %", share * 1e2));
        let interval = format!("{:.1} to {:.1}", self.interval[0] * 1e2, self.interval[1] * 1e2);
        let level = if level.is_empty() { "–" } else { level };
        format!(
            "{level:<16} {:>9} {:>6.1} % {interval:>15} {:>8.0} {:>7.1} {:>6.1} {:>6.1} % {grounded:>9}",
            self.questions,
            self.accuracy * 1e2,
            self.tokens_read + self.tokens_written,
            self.seconds,
            self.steps,
            self.failed_steps * 1e2
        )
    }
}

/// The interval of a share at 95 %.
///
/// # Source
/// E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn wilson(right: usize, of: usize) -> [f64; 2] {
    if of == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (of as f64, share(right, of));
    let z2 = Z * Z;
    let middle = p + z2 / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    [((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{line, run};
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    #[test]
    fn what_was_chosen_before_closes_nothing_that_is_chosen_now() {
        let lines: BTreeMap<String, Line> =
            ["1", "2"].map(|id| (id.to_owned(), line(id, true))).into();
        let open = |chosen: &[&str]| Summary::of(&run(), &lines, &ids(chosen)).open;
        assert_eq!([open(&["3"]), open(&["2", "3", "4"]), open(&["1"])], [1, 2, 0]);
        let told = Summary::of(&run(), &lines, &ids(&["1"])).as_text();
        assert!(told.contains("2 of 2 right") && told.contains("these are 2 of the set's 3"));
    }

    #[test]
    fn questions_are_counted_in_all_and_by_level() {
        let mut lines: BTreeMap<String, Line> = [("1", true), ("2", false), ("3", true)]
            .map(|(id, right)| (id.to_owned(), line(id, right)))
            .into();
        let hard = lines.get_mut("2").unwrap();
        hard.level = String::from("hard");
        hard.asked.numbers = [0, 3];
        let summary = Summary::of(&run(), &lines, &ids(&["1", "2", "3"]));
        let all = &summary.all;
        assert_eq!((all.questions, all.graded, all.right, summary.open), (3, 3, 2, 0));
        assert!((all.accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert!((all.tokens_read - 100.0).abs() < 1e-12 && (all.seconds - 1.5).abs() < 1e-12);
        assert!((all.failed_steps - 0.5).abs() < 1e-12);
        assert!((all.grounded.unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(summary.levels["easy"].right, 2);
        assert_eq!(summary.levels["hard"].grounded, Some(0.0));
        assert!(
            summary
                .as_text()
                .starts_with("questions with m: 2 of 3 right, 66.7 % (20.8 to 93.9 at 95 %)")
        );
    }

    #[test]
    fn what_failed_is_open_and_what_is_hidden_is_not_graded() {
        let mut lines: BTreeMap<String, Line> =
            [("1", true), ("2", false)].map(|(id, right)| (id.to_owned(), line(id, right))).into();
        lines.get_mut("1").unwrap().asked.status = String::from("failed");
        let hidden = lines.get_mut("2").unwrap();
        (hidden.right, hidden.share) = (None, None);
        hidden.parts.clear();
        let summary = Summary::of(&run(), &lines, &ids(&["1", "2", "3"]));
        assert_eq!((summary.open, summary.all.questions, summary.all.graded), (2, 1, 0));
        assert!(summary.as_text().contains("none of which can be graded here"));
    }

    #[test]
    fn the_interval_is_wilsons() {
        // R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3.
        for (right, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [found_low, found_high] = wilson(right, of);
            assert!((found_low - low).abs() < 5.1e-5, "{right}/{of}: {found_low}");
            assert!((found_high - high).abs() < 5.1e-5, "{right}/{of}: {found_high}");
        }
    }
}
