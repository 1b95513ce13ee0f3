//! Answers of the form `@name[value]`, as InfiAgent-DABench has them.
//!
//! # Source
//! `eval_closed_form.py` of <https://github.com/InfiAgent/InfiAgent> (`examples/DA-Agent`), commit of 2024: a value is
//! right if it is the same text, or a number nearer than 1e-6. Its script leaves out questions without an answer; here
//! they count as wrong.

use super::{Grade, python_float};

/// Two numbers nearer than this are the same.
const NEAR: f64 = 1e-6;

/// Grades an answer by the values that are expected.
pub fn grade(answer: &str, expected: &[(String, String)]) -> Grade {
    let found = values_in(answer);
    let part = |(name, value): &(String, String)| {
        // Of several with one name the last counts.
        let given = found.iter().rev().find(|(found, _)| found == name);
        (name.clone(), given.is_some_and(|(_, given)| is_equal(given, value)))
    };
    Grade { parts: expected.iter().map(part).collect() }
}

fn is_equal(given: &str, expected: &str) -> bool {
    if given == expected {
        return true;
    }
    let both = python_float(given).zip(python_float(expected));
    both.is_some_and(|(given, expected)| (given - expected).abs() < NEAR)
}

/// All `@name[value]`; a value ends at the first bracket, on its line.
fn values_in(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('@') {
        rest = after;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = after.find(|c| !is_word(c)).unwrap_or(after.len());
        let (name, behind) = after.split_at(length);
        let value = behind.strip_prefix('[').and_then(|behind| behind.split_once(']'));
        if let Some((value, behind)) =
            value.filter(|(value, _)| !name.is_empty() && !value.contains('\n'))
        {
            found.push((name, value));
            rest = behind;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // Worked by hand from the published rule.
    #[track_caller]
    fn check(answer: &str, expected: &[(&str, &str)], right: &[bool]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| (String::from(*name), String::from(*value)))
            .collect();
        let grade = grade(answer, &expected);
        let found: Vec<bool> = grade.parts.iter().map(|(_, is_right)| *is_right).collect();
        assert_eq!(found, right, "{answer}");
    }

    #[test]
    fn a_value_is_right_as_the_same_text_or_number() {
        let fare = &[("mean_fare", "34.65")];
        check("The mean is @mean_fare[34.65].", fare, &[true]);
        check("@mean_fare[34.650]", fare, &[true]);
        check("@mean_fare[34.6500009]", fare, &[true]);
        check("@mean_fare[34.650002]", fare, &[false]);
        check("@mean_fare[34.7]", fare, &[false]);
        check("@mean_fare[$34.65]", fare, &[false]);
        check("@mean_fare[ 34.65 ]", fare, &[true]);
        check("mean_fare: 34.65", fare, &[false]);
        check("@Mean_fare[34.65]", fare, &[false]);
        check("@a[yes]", &[("a", "Yes")], &[false]);
        check("@a[nan]", &[("a", "NaN")], &[false]);
        check("@a[nan]", &[("a", "nan")], &[true]);
    }

    #[test]
    fn each_part_is_graded_by_its_name() {
        let two = &[("a", "1"), ("b", "x, y")];
        check("@b[x, y] and @a[1.0]", two, &[true, true]);
        check("@a[1]", two, &[true, false]);
        check("@a[2] no: @a[1]", two, &[true, false]);
        check("@a[1] no: @a[2]", two, &[false, false]);
        check("", two, &[false, false]);
        check("@b[x\ny] @ @[1] @a [1]", two, &[false, false]);
    }
}
