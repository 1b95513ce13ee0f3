use serde_json::json;

use super::*;

fn prompt_cell(source: &str, turn: &str) -> Value {
    json!({"cell_type": "code", "source": source,
        "metadata": {"datarus": {"role": "prompt", "turn": turn, "status": "done"}}})
}

fn answer_cell(source: &str, turn: &str) -> Value {
    json!({"cell_type": "markdown", "source": source,
        "metadata": {"datarus": {"role": "answer", "turn": turn}}})
}

/// A notebook with this plan, in which these cells have asked since.
fn notebook(plan: &str, asked: &[&str]) -> Vec<Value> {
    let plan = [prompt_cell("%%ask --research\nWhy?", "t_1"), answer_cell(plan, "t_1")];
    plan.into_iter().chain(asked.iter().map(|source| prompt_cell(source, "t_2"))).collect()
}

#[track_caller]
fn check(plan: &str, asked: &[&str], expected: &str) {
    let next = next(&notebook(plan, asked), 3);
    let said = next.source().unwrap_or_else(|| format!("{next:?}"));
    assert_eq!(said, expected);
}

const PLAN: &str = "## 1. Clean\nJoin them.\n\n## 2. Model\nFit.";
const CLEAN: &str = "%%ask --section\n## 1. Clean\nJoin them.";
const MODEL: &str = "%%ask --section\n## 2. Model\nFit.";
const REPORT: &str = "%%ask --report\nWrite the report.";

#[test]
fn sections_come_one_after_the_other_and_then_the_report() {
    check(PLAN, &[], CLEAN);
    check(PLAN, &[CLEAN], MODEL);
    check(PLAN, &[CLEAN, MODEL], REPORT);
    check(PLAN, &[CLEAN, MODEL, REPORT], "Nothing");
}

#[test]
fn the_plan_as_it_stands_decides() {
    check(
        "## 1. Clean\n## 2. Draw it\nA line.",
        &[CLEAN],
        "%%ask --section\n## 2. Draw it\nA line.",
    );
    check("## Look\n## Clean", &[CLEAN], "%%ask --section\n## 1. Look");
    check("## 1. Clean", &[CLEAN, MODEL], REPORT);
    check(PLAN, &[MODEL, "> And why?", CLEAN], REPORT);
    // A section that was put into the plan after the report needs another one.
    check(PLAN, &[CLEAN, REPORT], MODEL);
    check(PLAN, &[CLEAN, REPORT, MODEL], REPORT);
    check("Nothing to do.", &[CLEAN], "NoPlan");
}

#[test]
fn of_a_long_plan_the_first_sections_are_worked_on() {
    let section = |n: usize| format!("%%ask --section\n## {n}. S{n}");
    let asked: Vec<_> = (1..=3).map(section).collect();
    let asked: Vec<_> = asked.iter().map(String::as_str).collect();
    check("## S1\n## S2\n## S3\n## S4", &asked[..2], asked[2]);
    check("## S1\n## S2\n## S3\n## S4", &asked, REPORT);
}

#[test]
fn without_an_answer_there_is_no_plan_yet() {
    assert_eq!(next(&[prompt_cell("> Why?", "t_1")], 3), Next::Plan);
    let mut cells = notebook(PLAN, &[]);
    cells[0]["metadata"]["datarus"]["status"] = json!("gave_up");
    assert_eq!(next(&cells, 3), Next::Plan);
    cells.truncate(1);
    assert_eq!(next(&cells, 3), Next::Plan);
}

#[test]
fn a_section_has_its_heading_for_a_title() {
    assert_eq!(title("## 2. Model\nFit."), "Model");
    assert_eq!(title("look at the weather\nplease"), "look at the weather");
}

#[test]
fn a_brief_names_the_bound() {
    assert!(brief(Stage::Plan, 5).contains("At most 5 sections"));
    for stage in [Stage::Plan, Stage::Section, Stage::Report] {
        assert!(!brief(stage, 5).contains("MAX") && question(stage).len() > 10);
    }
}
