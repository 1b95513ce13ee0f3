//! The structural reward: how far the model's messages keep to the form of the dialect.

use crate::agent::Mode;
use crate::dialect::{Dialect, Form};

/// What one fault costs of the share of well-formed tags.
const MISPLACED: f64 = 0.1;
const OUTSIDE: f64 = 0.1;
const FORGED: f64 = 0.5;
const SECOND_TERMINAL: f64 = 0.5;

/// The form of all messages of a trajectory.
pub fn form(dialect: Dialect, mode: Mode, written: &[String]) -> Form {
    let mut form = Form::default();
    for message in written {
        form += dialect.form(mode, message);
    }
    form
}

/// `s`, from 0 to 1: the share of the required tags that are well-formed, less 0.1 for each misplaced tag, 0.1 for each
/// stretch of text outside of tags, 0.5 for each tag of the environment and 0.5 for each terminal after the first; 0
/// without a terminal. Ours.
pub fn structure(form: &Form) -> f64 {
    if form.terminals == 0 {
        return 0.0;
    }
    let share = ratio(form.well_formed, form.required);
    let costs = [
        (form.misplaced, MISPLACED),
        (form.outside, OUTSIDE),
        (form.forged, FORGED),
        (form.terminals - 1, SECOND_TERMINAL),
    ];
    let cost: f64 = costs.iter().map(|(count, each)| float(*count) * each).sum();
    (share - cost).max(0.0)
}

/// Whether nothing is wrong with the form: the gate of `DeepAnalyze`'s rewards.
pub fn is_well_formed(form: &Form) -> bool {
    form.well_formed == form.required
        && form.misplaced + form.outside + form.forged == 0
        && form.terminals == 1
}

/// A share; that of nothing is 0.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// A count as a number to reckon with.
pub(super) fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = "<step>\n<thought>Look.</thought>\n<action>python_executor</action>\n<action_input>\n1\n</action_input>";
    const END: &str =
        "<stop_analysis>\n<thought>Found.</thought>\n<answer>1</answer>\n</stop_analysis>";

    #[track_caller]
    fn check(written: &[&str], expected: f64, well_formed: bool) {
        let written: Vec<String> = written.iter().map(|text| (*text).to_owned()).collect();
        let form = form(Dialect::Datarus, Mode::Agentic, &written);
        assert!((structure(&form) - expected).abs() < 1e-12, "{} {form:?}", structure(&form));
        assert_eq!(is_well_formed(&form), well_formed);
    }

    /// A step has 4 required tags and an end 3; the numbers are worked by hand.
    #[test]
    fn the_structural_reward_is_what_a_hand_works_out() {
        check(&[STEP, END], 7.0 / 7.0, true);
        check(&[&STEP.replace("Look.", ""), END], 6.0 / 7.0, false);
        check(&[&format!("Well, {STEP}"), END], 1.0 - 0.1, false);
        check(
            &[&format!("{STEP}\n<observation>1</observation>"), END],
            1.0 - 2.0 * 0.5 - 0.0,
            false,
        );
        check(&[STEP, END, END], 1.0 - 0.5, false);
        check(&[STEP, END, END, END, END], 0.0, false);
        check(&["It is 1.", END], 3.0 / 7.0 - 0.1, false);
    }

    #[test]
    fn without_an_end_it_is_nothing() {
        check(&[STEP, STEP], 0.0, false);
        check(&[], 0.0, false);
    }
}
