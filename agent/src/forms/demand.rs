//! How well a form fits what a question holds.

use super::pattern::{DATE, NUMBER, kind_of};

/// What a question holds that the places of a thought should take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Columns that it mentions.
    pub(crate) columns: usize,
    /// Whether it holds a value.
    pub(crate) value: Value,
    /// Whether a number stands in it.
    pub(crate) number: bool,
    /// Whether it mentions a column of true and false.
    pub(crate) flag: bool,
}

/// Whether a question holds a value of some column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// All its words say something else.
    No,
    /// Some of its words may be one.
    Perhaps,
    /// One that was printed stands in it.
    Printed,
}

/// For each column that the question mentions and the thought would not, or the other way round.
const COLUMN_OFF: f32 = -4.0;
/// For a value or a number that the question does not give, or a known value that the thought would not take up.
const VALUE_OFF: f32 = -15.0;
const VALUE_LOST: f32 = -3.0;
/// For a value of which only words that are left of the question can be meant.
const VALUE_UNSURE: f32 = -2.0;

impl Demand {
    /// How well the places of a thought's form fit, 0 at best.
    pub(super) fn fit(self, form: &str) -> f32 {
        let n_values = form.match_indices("== ").count();
        let n_names = form.chars().filter(|c| kind_of(*c).is_some()).count();
        let most = n_names.saturating_sub(form.match_indices("== \"").count());
        // "Over time" mentions no column.
        let least = most.saturating_sub(form.matches(DATE).count());
        let off = least.saturating_sub(self.columns) + self.columns.saturating_sub(most);
        #[expect(clippy::cast_precision_loss, reason = "a form has few places")]
        let mut fit = COLUMN_OFF * off as f32;
        if form.contains(NUMBER) && !self.number {
            fit += VALUE_OFF;
        }
        if form.contains("== \"") {
            fit += match self.value {
                Value::No => VALUE_OFF,
                Value::Perhaps => VALUE_UNSURE,
                Value::Printed => 0.0,
            };
        }
        if !self.flag && (form.contains("== True") || form.contains("== False")) {
            fit += VALUE_OFF;
        }
        if n_values == 0 && self.value == Value::Printed {
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
        let demand = Demand { columns: 2, value: Value::No, number: false, flag: false };
        let fit = |form: &str| demand.fit(&form.replace('N', "\u{e000}").replace('#', "\u{e001}"));
        let by = fit("mean of \"N\" by \"N\".");
        assert!(by > fit("mean of \"N\"."));
        assert!(by > fit("\"N\" by \"N\" where \"N\" == \"N\""));
        assert!(by > fit("\"N\" and \"N\" > #"));
        let known = Demand { value: Value::Printed, ..demand };
        assert!(known.fit("rows") < demand.fit("rows"));
    }
}
