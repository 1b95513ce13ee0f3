//! How well a form fits what a question holds.

use super::pattern::{NUMBER, kind_of};

/// What a question holds that the places of a thought should take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Columns that it mentions.
    pub(crate) columns: usize,
    /// Whether some words of it may be a value.
    pub(crate) value: bool,
    /// Whether a value that was printed stands in it.
    pub(crate) known_value: bool,
    /// Whether a number stands in it.
    pub(crate) number: bool,
    /// Whether it mentions no column, not even a part of one's name.
    pub(crate) nothing: bool,
}

/// For each column that the question mentions and the thought would not, or the other way round.
const COLUMN_OFF: f32 = -2.0;
/// For a value or a number that the question does not give, or a known value that the thought would not take up.
const VALUE_OFF: f32 = -15.0;
const VALUE_LOST: f32 = -3.0;

impl Demand {
    /// How well the places of a thought's form fit, 0 at best.
    pub(super) fn fit(self, form: &str) -> f32 {
        let n_names = form.chars().filter(|c| kind_of(*c).is_some()).count();
        let n_values = form.match_indices("== ").count();
        let columns = n_names.saturating_sub(form.match_indices("== \"").count());
        #[expect(clippy::cast_precision_loss, reason = "a form has few places")]
        let mut fit = COLUMN_OFF * columns.abs_diff(self.columns) as f32;
        if form.contains(NUMBER) && !self.number {
            fit += VALUE_OFF;
        }
        if form.contains("== \"") && !self.value {
            fit += VALUE_OFF;
        }
        if n_values == 0 && self.known_value {
            fit += VALUE_LOST;
        }
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_takes_up_what_the_question_holds() {
        let demand =
            Demand { columns: 2, value: false, known_value: false, number: false, nothing: false };
        let fit = |form: &str| demand.fit(&form.replace('N', "\u{e000}").replace('#', "\u{e001}"));
        let by = fit("mean of \"N\" by \"N\".");
        assert!(by > fit("mean of \"N\"."));
        assert!(by > fit("\"N\" by \"N\" where \"N\" == \"N\""));
        assert!(by > fit("\"N\" and \"N\" > #"));
        let known = Demand { value: true, known_value: true, ..demand };
        assert!(known.fit("rows") < demand.fit("rows"));
    }
}
