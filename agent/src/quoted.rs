//! How a name that is open between quotes may go on, and which name is how likely.
//!
//! A small model knows where a name belongs but not always which one. What the question mentions, what the thought
//! has settled and what the newest output shows decide most of it.

use crate::forms::Kind;
use crate::llm::Candidate;
use crate::names::{Names, Place};
use crate::python::Scanner;

/// For a name that the question asks for, by how much of it is mentioned.
const ASKED: f32 = 20.0;

/// For a name that the thought before has settled.
const PLANNED: f32 = 6.0;

/// For the first of two values that are compared, in the order of the question: the difference of A and B is A less B.
const EARLIER: f32 = 10.0;

/// How thoughts begin that compare two values.
const PAIRED: [&str; 2] = ["Difference ", "Compare "];

/// What stands before a name that no column has.
const LACKING: &str = "o column for ";

/// For a name in the newest output.
const NEW: f32 = 3.0;

/// In the thought of a step, where a name of one of `kinds` is expected.
pub(crate) fn in_thought(names: &Names, kinds: &[Kind], thought: &str) -> Vec<Candidate> {
    let Some((before, written)) = open(thought) else { return Vec::new() };
    let place = Place::after(before);
    let mut known = unused(names.beginning(written, place), before);
    if place == Place::File {
        let is_asked = |file: &String| {
            names.asked(std::slice::from_ref(file), place).iter().any(|asked| *asked > 0.0)
        };
        let is_wanted = |file: &String| !names.is_read(file) || is_asked(file);
        if known.iter().any(is_wanted) {
            known.retain(is_wanted);
        }
    }
    let (fit, others): (Vec<String>, Vec<String>) =
        known.into_iter().partition(|name| kinds.iter().any(|kind| names.may_be(name, *kind)));
    let known = if fit.is_empty() { others } else { fit };
    let asked = names.asked(&known, place);
    // A value that the question says is meant; without one, any value that was seen will do.
    if place == Place::Value && asked.iter().any(|asked| *asked > 0.0) {
        let meant = known.into_iter().zip(asked).filter(|(_, asked)| *asked > 0.0);
        let (known, asked): (Vec<String>, Vec<f32>) = meant.unzip();
        let place = |name: &String| names.place_in_question(name);
        let first = known.iter().filter_map(|name| Some((place(name)?, name))).min();
        let first = first.map(|(_, name)| name.clone());
        let is_paired = PAIRED.iter().any(|begins| before.starts_with(begins));
        let bonus = |(name, asked): (&String, f32)| {
            let is_first = is_paired && first.as_ref() == Some(name);
            ASKED * asked + if is_first { EARLIER } else { 0.0 }
        };
        let bonuses = known.iter().zip(asked).map(bonus).collect();
        return candidates(&known, bonuses, written);
    }
    if place == Place::Value {
        let new = |name: &String| if names.is_new_value(name) { NEW } else { 0.0 };
        return candidates(&known, known.iter().map(new).collect(), written);
    }
    // Which column two tables share is nothing that a question asks for.
    let weight = if kinds == [Kind::Key] { 0.0 } else { ASKED };
    let bonuses = asked.into_iter().map(|asked| weight * asked).collect();
    candidates(&known, bonuses, written)
}

/// In code that follows `thought`.
pub(crate) fn in_code(names: &Names, thought: &str, code: &str) -> Vec<Candidate> {
    let mut scanner = Scanner::default();
    scanner.push_str(code);
    let Some(written) = scanner.double_quoted() else { return Vec::new() };
    let before = code.strip_suffix(written).and_then(|code| code.strip_suffix('"'));
    let known = names.beginning(written, Place::after(before.unwrap_or_default()));
    let bonuses = known.iter().map(|name| planned(thought, name)).collect();
    candidates(&known, bonuses, written)
}

/// In an answer that follows `thought`, or in the thought before it, which follows none.
pub(crate) fn in_answer(names: &Names, thought: &str, answer: &str) -> Vec<Candidate> {
    let Some((before, written)) = open(answer) else { return Vec::new() };
    let mut known = unused(names.beginning(written, Place::Any), before);
    if before.ends_with(LACKING) {
        known.retain(|name| !names.is_column(name));
    }
    let asked = names.asked(&known, Place::Any);
    let bonus = |(name, asked): (&String, f32)| {
        let new = if names.is_new(name) { NEW } else { 0.0 };
        planned(thought, name) + new.max(ASKED * asked)
    };
    let bonuses = known.iter().zip(asked).map(bonus).collect();
    candidates(&known, bonuses, written)
}

/// What stands before the quote that is open at the end of `text`, and after it.
fn open(text: &str) -> Option<(&str, &str)> {
    let (before, written) = text.rsplit_once('"')?;
    (before.matches('"').count() % 2 == 0).then_some((before, written))
}

fn quotes(text: &str, name: &str) -> bool {
    text.split('"').skip(1).step_by(2).any(|quoted| quoted == name)
}

/// Without those that the sentence names already, unless nothing else is left.
fn unused(names: Vec<String>, before: &str) -> Vec<String> {
    let (used, unused): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| quotes(before, name));
    if unused.is_empty() { used } else { unused }
}

fn planned(thought: &str, name: &str) -> f32 {
    if quotes(thought, name) { PLANNED } else { 0.0 }
}

/// The rest of each name, closing quote included.
fn candidates(names: &[String], bonuses: Vec<f32>, written: &str) -> Vec<Candidate> {
    let rest = |name: &String| name.strip_prefix(written).map(|rest| format!("{rest}\""));
    let made = names.iter().zip(bonuses);
    made.filter_map(|(name, bonus)| Some(Candidate { text: rest(name)?, bonus })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::FileInfo;
    use crate::executor::Variable;

    fn common() -> Vec<String> {
        ["mean", "of", "for", "by", "sold", "best"].map(String::from).to_vec()
    }

    fn known() -> Names {
        let mut names = Names::default();
        names.learn_task("mean revenue of units sold for North Sea by region", &common());
        names.learn_observation("region|revenue|units\nNorth Sea|120.5|3");
        names
    }

    #[track_caller]
    fn likeliest(candidates: Vec<Candidate>, expected: &str) {
        let best = candidates.iter().max_by(|a, b| a.bonus.total_cmp(&b.bonus));
        assert_eq!(best.map(|best| best.text.as_str()), Some(expected), "{candidates:?}");
        let ties = candidates.iter().filter(|other| best.is_some_and(|b| b.bonus <= other.bonus));
        assert_eq!(ties.count(), 1, "{candidates:?}");
    }

    #[test]
    fn a_thought_names_what_is_asked_for_and_nothing_twice() {
        let mut names = known();
        names.learn_task("mean revenue by region", &common());
        likeliest(in_thought(&names, &[Kind::Any], "mean of \"revenue\" by \""), "region\"");
        likeliest(in_thought(&names, &[Kind::Any], "mean of \"region\" by \""), "revenue\"");
    }

    #[test]
    fn a_name_that_was_written_still_accounts_for_its_words() {
        let mut names = Names::default();
        names.learn_task("are rear noise and recipe snow correlated?", &common());
        names.learn_observation("recipe snow|recipe price|rear noise\n1|2|3");
        let written = "correlation of \"recipe snow\" and \"";
        let candidates = in_thought(&names, &[Kind::Any], written);
        let bonus =
            |name: &str| candidates.iter().find(|c| c.text.starts_with(name)).map(|c| c.bonus);
        assert!(bonus("rear noise") > bonus("recipe price").map(|bonus| 3.0 * bonus));
    }

    #[test]
    fn code_follows_its_thought() {
        likeliest(in_code(&known(), "total of \"units\"", "df[\""), "units\"");
    }

    #[test]
    fn a_value_is_what_the_question_says_of_it() {
        likeliest(in_thought(&known(), &[Kind::Any], "rows with \"region\" == \""), "North Sea\"");
    }

    #[test]
    fn two_values_are_compared_in_the_order_of_the_question() {
        let mut names = Names::default();
        names.learn_task("difference between Smith and Chen in mean revenue?", &common());
        names.learn_observation("vendor|revenue\nChen|1.5\nSmith|2.5");
        let of = |begins: &str| {
            in_thought(&names, &[Kind::Any], &format!("{begins} where \"vendor\" == \""))
        };
        likeliest(of("Difference of \"revenue\""), "Smith\"");
        let single = of("mean of \"revenue\"");
        assert!(single.iter().all(|c| (c.bonus - ASKED).abs() < 0.1), "{single:?}");
    }

    #[test]
    fn a_file_that_was_read_is_not_read_again_while_there_is_another() {
        let mut names = Names::default();
        let file = |name: &str| FileInfo { name: String::from(name), bytes: 1 };
        names.learn_files(&[file("a.csv"), file("b.csv")]);
        names.learn_variables(&[Variable { name: String::from("df"), columns: Vec::new() }]);
        names.learn_step("df = pd.read_csv(\"a.csv\")");
        likeliest(in_thought(&names, &[Kind::Any], "Load \""), "b.csv\"");
        names.learn_task("which is the highest in a.csv?", &common());
        likeliest(in_thought(&names, &[Kind::Any], "Load \""), "a.csv\"");
    }

    #[test]
    fn a_value_that_the_question_does_not_say_is_one_that_was_listed() {
        let mut names = Names::default();
        let common = ["do", "the", "two", "differ", "in"].map(String::from);
        names.learn_task("do the two outlets differ in revenue?", &common);
        names.learn_observation("Stock Outlet|revenue|notes\nOslo|1.5|do");
        names.learn_observation("Stock Outlet\nno  71\nVutiv  41\nLondon  7");
        let listed =
            in_thought(&names, &[Kind::Any], "Compare \"revenue\" where \"Stock Outlet\" == \"");
        let is_new = |c: &&Candidate| c.bonus > 0.0;
        let new: Vec<&str> = listed.iter().filter(is_new).map(|c| &*c.text).collect();
        assert_eq!(new, ["London\"", "Vutiv\"", "no\""]);
    }

    #[test]
    fn an_answer_tells_what_was_printed_last() {
        let mut names = known();
        names.learn_observation("East  99.0\nName: revenue, dtype: float64");
        names.learn_task("best?", &common());
        likeliest(in_answer(&names, "", "\"East\" has the highest \"rev"), "enue\"");
    }

    #[test]
    fn outside_of_quotes_nothing_is_limited() {
        assert_eq!(in_thought(&known(), &[Kind::Any], "mean of \"revenue\" by"), []);
        assert_eq!(in_code(&known(), "", "df"), []);
    }
}
