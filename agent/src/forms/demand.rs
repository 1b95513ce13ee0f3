//! How well a form fits what a question holds.

use std::collections::BTreeSet;

use super::pattern::{DATE, GROUP, MEASURE, NAME, NUMBER, kind_of};

/// What a question holds that the places of a thought should take up.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Its words, in small letters.
    pub(crate) said: BTreeSet<String>,
}

/// What tables and files there are, as far as it matters for bringing data together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Whether a column holds numbers as texts.
    pub(crate) spoilt: bool,
    /// Whether a file may hold what is asked for that was not read.
    pub(crate) unread: bool,
    /// Whether the last step listed the values of a column.
    pub(crate) listed: bool,
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

/// For a drawing where the question speaks of none, and for a test of all groups where it speaks of two.
const UNASKED: f32 = -8.0;
/// For an aggregate where the question asks for a test.
const UNTESTED: f32 = -6.0;

/// How the forms of drawings begin, and how words begin that ask for them besides those that ask for any.
const DRAWINGS: [(&[&str], &[&str]); 3] = [
    (
        &["Bars", "Boxes", "Pie", "Scatter"],
        &["against", "versus", "vs", "distribut", "spread", "point", "cloud", "column"],
    ),
    (&["Histogram"], &["distribut", "spread", "frequen"]),
    (
        &["Line", "Lines", "Moving", "Running"],
        &[
            "over", "along", "time", "date", "day", "week", "month", "year", "develop", "chang",
            "evol", "mov", "went", "course", "trend", "roll", "cum", "accum", "run", "grow",
        ],
    ),
];
/// How words begin that ask for a drawing.
const DRAWN: [&str; 17] = [
    "plot", "draw", "chart", "graph", "bar", "box", "pie", "scatter", "figure", "picture",
    "visual", "diagram", "sketch", "curve", "line", "hist", "dot",
];
/// How words begin that ask whether two groups differ.
const DIFFER: [&str; 6] = ["differ", "compar", "test", "between", "group", "significan"];
/// Words that ask for a number of things.
const COUNTS: [&str; 3] = ["many", "number", "count"];
/// A test of more than two groups.
const ALL_GROUPS: &str = "all groups";

impl Demand {
    /// Whether a word of the question begins with one of these.
    fn says(&self, begins: &[&str]) -> bool {
        self.said.iter().any(|said| begins.iter().any(|begins| said.starts_with(begins)))
    }

    /// Whether it asks how two groups differ, such as "the two regions".
    fn is_of_two(&self) -> bool {
        self.said.contains("two") && self.says(&DIFFER)
    }

    /// What speaks against a form that does what the question does not ask for, and does not do what it asks for.
    fn unasked(&self, form: &str) -> f32 {
        let first = form.split(' ').next().unwrap_or_default();
        let drawing = DRAWINGS.iter().find(|(forms, _)| forms.contains(&first));
        let is_unasked = drawing.is_some_and(|(_, words)| !self.says(&DRAWN) && !self.says(words));
        let asks_for_test = self.said.contains("test") || self.says(&["significan"]);
        if is_unasked || form.contains(ALL_GROUPS) && self.is_of_two() {
            UNASKED
        } else if asks_for_test && form.starts_with(|c: char| c.is_ascii_lowercase()) {
            UNTESTED
        } else {
            0.0
        }
    }

    /// Whether the question is only about things that are not there; what it counts may be the rows, in its own words.
    pub(crate) fn is_elsewhere(&self) -> bool {
        let counts = COUNTS.iter().any(|word| self.said.contains(*word));
        self.nothing && self.value == Value::Perhaps && !counts
    }

    /// How many of the columns that the question mentions no place of a form can name.
    fn lost(&self, form: &str) -> usize {
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
    fn prepares(&self, form: &str) -> Option<bool> {
        match form.split(' ').next()? {
            "Make" => Some(self.tables.spoilt),
            "Join" => Some(self.tables.pair == Pair::Linked),
            "Stack" => Some(self.tables.pair == Pair::Alike),
            "Load" => Some(self.tables.unread),
            // The values of the two groups, which it does not name.
            "Which" if self.is_of_two() => Some(!self.tables.listed),
            _ => None,
        }
    }

    /// How well the places of a thought's form fit, 0 at best; nothing where the form asks for a value, a number or
    /// a column of true and false, and the question gives none.
    pub(super) fn fit(&self, form: &str) -> Option<f32> {
        if let Some(fits) = self.prepares(form) {
            return fits.then_some(0.0);
        }
        let is_compared = form.contains("== \"");
        let is_flag = form.contains("== True") || form.contains("== False");
        let lacks_number = form.contains(NUMBER) && !self.number;
        let is_told = self.tables.listed && self.is_of_two() && form.starts_with("Compare ");
        let lacks_value = is_compared && self.value == Value::No && !is_told;
        if lacks_number || lacks_value || is_flag && !self.flag {
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
        Some(columns + value + self.unasked(form))
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
            tables: Tables { spoilt: false, unread: true, listed: false, pair: Pair::Linked },
            nothing: false,
            said: BTreeSet::new(),
        };
        let fit = |form: &str| demand.fit(&form.replace('N', "\u{e000}").replace('#', "\u{e001}"));
        assert_eq!(fit("\"N\" and \"N\" > #"), None);
        assert_eq!(fit("mean of \"N\" where \"N\" == \"N\""), None);
        let by = fit("mean of \"N\" by \"N\".");
        assert!(by > fit("mean of \"N\"."));
        assert_eq!(fit("Join both on \"N\"."), Some(0.0));
        assert_eq!(fit("Make \"N\" a number."), None);
        let measure = Demand { columns: 1, ..demand.clone() };
        let kinds =
            |form: &str| measure.fit(&form.replace('M', "\u{e007}").replace('G', "\u{e008}"));
        assert!(kinds("model \"M\".") > kinds("classify \"G\"."));
        let known = Demand { value: Value::Printed, ..demand.clone() };
        assert!(known.fit("rows") < demand.fit("rows"));
    }

    fn of_two_columns(said: &str) -> Demand {
        Demand {
            columns: 2,
            measures: 1,
            groups: 1,
            value: Value::No,
            number: false,
            flag: false,
            tables: Tables { spoilt: false, unread: false, listed: false, pair: Pair::None },
            nothing: false,
            said: said.split(' ').map(String::from).collect(),
        }
    }

    #[test]
    fn what_is_drawn_was_asked_for() {
        for (said, form, is_asked) in [
            ("show the total per", "Bars of sum \"\u{e007}\" by \"\u{e008}\".", false),
            ("visualize the total per", "Bars of sum \"\u{e007}\" by \"\u{e008}\".", true),
            ("how is distributed", "Histogram of \"\u{e007}\".", true),
            ("the quartiles of", "Histogram of \"\u{e007}\".", false),
            ("how does develop", "Line of \"\u{e007}\" over \"\u{e009}\".", true),
            ("median per", "Line of \"\u{e007}\" over \"\u{e009}\".", false),
            ("median per", "median of \"\u{e007}\" by \"\u{e008}\".", true),
        ] {
            assert_eq!(of_two_columns(said).unasked(form) > -1.0, is_asked, "{said}: {form}");
        }
    }

    #[test]
    fn where_a_test_is_asked_for_a_test_comes_first() {
        let all = "Test \"\u{e007}\" between all groups of \"\u{e008}\".";
        let mean = "mean of \"\u{e007}\" by \"\u{e008}\".";
        let demand = of_two_columns("test whether the mean differs across");
        assert!(demand.fit(all) > demand.fit(mean));
        let demand = of_two_columns("the mean per");
        assert_eq!(demand.fit(all), demand.fit(mean));
        let people = of_two_columns("how many people tested positive");
        assert!(people.unasked(mean) > -1.0, "no test is asked for");
    }

    #[test]
    fn two_groups_are_looked_up_and_compared() {
        let asked = of_two_columns("do the two groups differ");
        let all = "Test \"\u{e007}\" between all groups of \"\u{e008}\".";
        let which = "Which values \"\u{e008}\" has.";
        let compare =
            "Compare \"\u{e007}\" where \"\u{e008}\" == \"\u{e008}\" and == \"\u{e008}\".";
        let fits = |demand: &Demand| [which, compare].map(|form| demand.fit(form).is_some());
        assert_eq!(fits(&asked), [true, false]);
        let listed = Tables { listed: true, ..asked.tables };
        for value in [Value::No, Value::Perhaps] {
            assert_eq!(fits(&Demand { tables: listed, value, ..asked.clone() }), [false, true]);
        }
        assert!(asked.fit(which) > asked.fit(all));
        let highest = of_two_columns("which two cities have the highest");
        assert!(highest.fit(which) < Some(0.0), "nothing is compared");
        assert_eq!(asked.fit(which), Some(0.0));
        assert!(of_two_columns("do the groups differ").fit(all).is_some());
    }
}
