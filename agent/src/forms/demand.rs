//! How well a form fits what a question holds.

use super::pattern::{DATE, GROUP, MEASURE, NAME, NUMBER, kind_of};

/// What a question holds that the places of a thought should take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Columns that it mentions.
    pub(crate) columns: usize,
    /// Of these, those that can only be numeric, and those that cannot be.
    pub(crate) measures: usize,
    pub(crate) groups: usize,
    /// Whether it holds a value.
    pub(crate) value: Value,
    /// Whether a number stands in it.
    pub(crate) number: bool,
    /// Whether it mentions a column of true and false.
    pub(crate) flag: bool,
    /// What could be done with the tables before it is answered.
    pub(crate) tables: Tables,
    /// Whether it mentions no column, not even a part of one's name.
    pub(crate) nothing: bool,
}

/// What tables and files there are, as far as it matters for bringing data together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Whether a column holds numbers as texts.
    pub(crate) spoilt: bool,
    /// Whether there is more than one file.
    pub(crate) two_files: bool,
    /// Of the table that was read first and the other one.
    pub(crate) pair: Pair,
}

/// How two tables go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    /// There is one table, or they were put together already.
    None,
    /// They share some column.
    Linked,
    /// They have the same columns.
    Alike,
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

/// For each column that the question mentions and the thought would not.
const COLUMN_LOST: f32 = -8.0;
/// For each column that the thought would name besides those that the question mentions.
const COLUMN_MORE: f32 = -6.0;
/// The same where it mentions none: then they are said in other words.
const COLUMN_UNSAID: f32 = -4.0;
/// For a known value that the thought would not take up.
const VALUE_LOST: f32 = -3.0;
/// For a value of which only words that are left of the question can be meant.
const VALUE_UNSURE: f32 = -2.0;

impl Demand {
    /// Whether the question is only about things that are not there.
    pub(crate) fn is_elsewhere(self) -> bool {
        self.nothing && self.value == Value::Perhaps
    }

    /// How many of the columns that the question mentions no place of a form can name.
    fn lost(self, form: &str) -> usize {
        // A place beside `==` holds a value, which is no column.
        let form = form.replace("== \"\u{e000}\"", "").replace("== \"\u{e008}\"", "");
        let count = |marks: &[char]| form.chars().filter(|c| marks.contains(c)).count();
        let (measures, groups, any) = (count(&[MEASURE]), count(&[GROUP, DATE]), count(&[NAME]));
        let without = self.measures.saturating_sub(measures) + self.groups.saturating_sub(groups);
        let left = measures.saturating_sub(self.measures)
            + groups.saturating_sub(self.groups)
            + any.saturating_sub(without);
        let either = self.columns.saturating_sub(self.measures + self.groups);
        without.saturating_sub(any) + either.saturating_sub(left)
    }

    /// Whether there is cause for a thought that only brings data together, of which the question does not speak;
    /// nothing for other thoughts.
    fn prepares(self, form: &str) -> Option<bool> {
        match form.split(' ').next()? {
            "Make" => Some(self.tables.spoilt),
            "Join" => Some(self.tables.pair == Pair::Linked),
            "Stack" => Some(self.tables.pair == Pair::Alike),
            // One was read already, else there were no demand.
            "Load" => Some(self.tables.two_files),
            _ => None,
        }
    }

    /// How well the places of a thought's form fit, 0 at best; nothing where the form asks for a value, a number or
    /// a column of true and false, and the question gives none.
    pub(super) fn fit(self, form: &str) -> Option<f32> {
        if let Some(fits) = self.prepares(form) {
            return fits.then_some(0.0);
        }
        let is_compared = form.contains("== \"");
        let is_flag = form.contains("== True") || form.contains("== False");
        let lacks_number = form.contains(NUMBER) && !self.number;
        if lacks_number || is_compared && self.value == Value::No || is_flag && !self.flag {
            return None;
        }
        let n_names = form.chars().filter(|c| kind_of(*c).is_some()).count();
        let most = n_names.saturating_sub(form.match_indices("== \"").count());
        // "Over time" mentions no column.
        let least = most.saturating_sub(form.matches(DATE).count());
        let (lost, more) = (self.lost(form), least.saturating_sub(self.columns));
        let more_of = if self.columns == 0 { COLUMN_UNSAID } else { COLUMN_MORE };
        #[expect(clippy::cast_precision_loss, reason = "a form has few places")]
        let columns = COLUMN_LOST * lost as f32 + more_of * more as f32;
        let value = match self.value {
            Value::Perhaps if is_compared => VALUE_UNSURE,
            Value::Printed if !form.contains("== ") => VALUE_LOST,
            _ => 0.0,
        };
        Some(columns + value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_takes_up_what_the_question_holds() {
        let demand = Demand {
            columns: 2,
            measures: 1,
            groups: 0,
            value: Value::No,
            number: false,
            flag: false,
            tables: Tables { spoilt: false, two_files: true, pair: Pair::Linked },
            nothing: false,
        };
        let fit = |form: &str| demand.fit(&form.replace('N', "\u{e000}").replace('#', "\u{e001}"));
        assert_eq!(fit("\"N\" and \"N\" > #"), None);
        assert_eq!(fit("mean of \"N\" where \"N\" == \"N\""), None);
        let by = fit("mean of \"N\" by \"N\".");
        assert!(by > fit("mean of \"N\"."));
        assert_eq!(fit("Join both on \"N\"."), Some(0.0));
        assert_eq!(fit("Make \"N\" a number."), None);
        let measure = Demand { columns: 1, ..demand };
        let kinds =
            |form: &str| measure.fit(&form.replace('M', "\u{e007}").replace('G', "\u{e008}"));
        assert!(kinds("model \"M\".") > kinds("classify \"G\"."));
        let known = Demand { value: Value::Printed, ..demand };
        assert!(known.fit("rows") < demand.fit("rows"));
    }
}
