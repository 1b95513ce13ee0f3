//! Ready prompts: what an analyst asks for again and again, worked out once. Pure.
//!
//! A preset has a question, which stands where the cell has none, and a brief, which a model is told besides the words.
//! A model that was trained on questions alone is told no brief.

use clap::ValueEnum;

use crate::page::Ready;

/// A ready prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A first look: what the data hold, what is odd, what is worth a question
    Exploration,
    /// Find what is wrong in the data, mend it step by step, save the result as new files
    Cleaning,
    /// A report told by figures
    VisualReport,
    /// One hypothesis, the fitting test with its assumptions, effect size and interval
    StatisticalTest,
    /// The same answered in SQL, with each query shown
    SqlAnalysis,
    /// Which columns tell something about a target, and which leak it
    FeatureReview,
    /// One page for people who decide
    ExecutiveSummary,
}

impl Preset {
    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|preset| preset.name() == name)
    }

    /// Its name, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exploration => "exploration",
            Self::Cleaning => "cleaning",
            Self::VisualReport => "visual-report",
            Self::StatisticalTest => "statistical-test",
            Self::SqlAnalysis => "sql-analysis",
            Self::FeatureReview => "feature-review",
            Self::ExecutiveSummary => "executive-summary",
        }
    }

    /// As a page offers it.
    pub(crate) fn ready(self) -> Ready {
        let help =
            self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        Ready {
            name: self.name().to_owned(),
            title: help.unwrap_or_default(),
            question: self.question().to_owned(),
        }
    }

    /// All names, for a sentence.
    pub fn names() -> String {
        let names: Vec<&str> = Self::value_variants().iter().map(|preset| preset.name()).collect();
        names.join("`, `")
    }

    /// What is asked where the cell says nothing.
    pub fn question(self) -> &'static str {
        match self {
            Self::Exploration => "What do these data hold?",
            Self::Cleaning => "Clean these data.",
            Self::VisualReport => "Report on these data in figures.",
            Self::StatisticalTest => {
                "Which difference in these data is worth a test, and does it hold?"
            }
            Self::SqlAnalysis => "Analyse these data in SQL.",
            Self::FeatureReview => "Which columns of these data are useful features?",
            Self::ExecutiveSummary => "Summarise these data for people who decide.",
        }
    }

    /// What a model is told besides.
    pub fn brief(self) -> &'static str {
        match self {
            Self::Exploration => include_str!("preset/exploration.md"),
            Self::Cleaning => include_str!("preset/cleaning.md"),
            Self::VisualReport => include_str!("preset/visual-report.md"),
            Self::StatisticalTest => include_str!("preset/statistical-test.md"),
            Self::SqlAnalysis => include_str!("preset/sql-analysis.md"),
            Self::FeatureReview => include_str!("preset/feature-review.md"),
            Self::ExecutiveSummary => include_str!("preset/executive-summary.md"),
        }
        .trim_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_in_a_cell_and_on_the_command_line_has_one_name() {
        for preset in Preset::value_variants() {
            let typed = preset.to_possible_value().unwrap();
            assert_eq!(typed.get_name(), preset.name());
            assert!(typed.get_help().is_some(), "{preset:?}");
            assert_eq!(Preset::named(preset.name()), Some(*preset));
            assert!(preset.brief().lines().count() >= 4 && preset.question().len() > 10);
        }
        assert_eq!(Preset::named("dance"), None);
    }
}
