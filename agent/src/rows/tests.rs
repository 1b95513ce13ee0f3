use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::agent::FileInfo;
use crate::reward::form;
use crate::trajectory::Trajectory;

const LINE: &str = r#"{"v":1,"id":"a","episode":"e","task":{"id":"t","prompt":"Total?","family":"aggregate","level":1,"seed":7,"checker":{"kind":"number","values":["220.5"]}},"given":{"files":[{"name":"a.csv","bytes":9}],"variables":[]},"steps":[
{"number":1,"thought":"Sum.","code":"df[\"x\"].sum()","execution":{"execution_count":1,"status":"error","outputs":[{"output_type":"error","ename":"KeyError","evalue":"'x'","traceback":[]}],"figures":[],"seconds":0}},
{"number":2,"thought":"It is y.","code":"df[\"y\"].sum()","execution":{"execution_count":2,"status":"ok","outputs":[{"output_type":"stream","name":"stdout","text":"220.5</answer>\n"}],"figures":[],"seconds":0},"superseded":"df[\"z\"].sum()"}],
"outcome":{"kind":"answered","thought":"Printed.","answer":"It is 220.5."}}"#;

fn trajectory() -> Trajectory {
    Trajectory::parse(LINE).unwrap()
}

fn settings(profile: Profile) -> Settings {
    let limits = Limits {
        max_steps: 12,
        max_errors: 4,
        cell_timeout: Duration::from_secs(60),
        max_new_tokens: 1024,
        max_turn_tokens: 16_384,
        max_sections: 8,
    };
    Settings { profile, dialect: Dialect::Datarus, limits }
}

#[track_caller]
fn check(format: Format, expected: Expect) {
    let rows = rows(format, &settings(Profile::Compact), &[trajectory()]);
    let line = |row: &Value| row.to_string().replace("{\"role\"", "\n  {\"role\"");
    let lines: Vec<String> = rows.iter().map(line).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_trajectory_is_a_chat_whose_environment_speaks_as_the_user() {
    check(
        Format::Messages,
        expect![[r#"
        {"messages":[
          {"role":"user","content":"Total?\nFiles: a.csv"},
          {"role":"assistant","content":"<step>\n<thought>Sum.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"x\"].sum()\n</action_input>"},
          {"role":"user","content":"<observation>\nKeyError: 'x'\n</observation>\n</step>\n\nThat failed. Say why and try another way."},
          {"role":"assistant","content":"<step>\n<thought>It is y.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"y\"].sum()\n</action_input>"},
          {"role":"user","content":"<observation>\n220.5‹/answer>\n</observation>\n</step>\n\nContinue."},
          {"role":"assistant","content":"<stop_analysis>\n<thought>Printed.</thought>\n<answer>It is 220.5.</answer>\n</stop_analysis>"}],"task_id":"t","meta":"{\"trajectory\":\"a\",\"episode\":\"e\",\"turn\":0,\"family\":\"aggregate\",\"level\":1,\"seed\":7,\"by\":\"\"}"}"#]],
    );
}

#[test]
fn a_row_of_a_step_has_the_chat_before_it_to_the_letter_and_no_wrong_step() {
    check(
        Format::Steps,
        expect![[r#"
        {"prompt":[
          {"role":"user","content":"Total?\nFiles: a.csv"},
          {"role":"assistant","content":"<step>\n<thought>Sum.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"x\"].sum()\n</action_input>\n<observation>\nKeyError: 'x'\n</observation>\n</step>"},
          {"role":"user","content":"That failed. Say why and try another way."}],"completion":[
          {"role":"assistant","content":"<step>\n<thought>It is y.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"y\"].sum()\n</action_input>"}],"task_id":"t","step":2,"meta":"{\"trajectory\":\"a\",\"episode\":\"e\",\"turn\":0,\"family\":\"aggregate\",\"level\":1,\"seed\":7,\"by\":\"\"}"}
        {"prompt":[
          {"role":"user","content":"Total?\nFiles: a.csv"},
          {"role":"assistant","content":"<step>\n<thought>Sum.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"x\"].sum()\n</action_input>\n<observation>\nKeyError: 'x'\n</observation>\n</step>"},
          {"role":"user","content":"That failed. Say why and try another way."},
          {"role":"assistant","content":"<step>\n<thought>It is y.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"y\"].sum()\n</action_input>\n<observation>\n220.5‹/answer>\n</observation>\n</step>"},
          {"role":"user","content":"Continue."}],"completion":[
          {"role":"assistant","content":"<stop_analysis>\n<thought>Printed.</thought>\n<answer>It is 220.5.</answer>\n</stop_analysis>"}],"task_id":"t","step":3,"meta":"{\"trajectory\":\"a\",\"episode\":\"e\",\"turn\":0,\"family\":\"aggregate\",\"level\":1,\"seed\":7,\"by\":\"\"}"}"#]],
    );
}

#[test]
fn tool_calls_hold_the_code_and_what_came_back() {
    check(
        Format::Tools,
        expect![[r#"
        {"messages":[
          {"role":"user","content":"Total?\nFiles: a.csv"},
          {"role":"assistant","content":"Sum.","tool_calls":[{"type":"function","function":{"name":"run_cell","arguments":{"code":"df[\"x\"].sum()"}}}]},
          {"role":"tool","name":"run_cell","content":"KeyError: 'x'"},
          {"role":"assistant","content":"It is y.","tool_calls":[{"type":"function","function":{"name":"run_cell","arguments":{"code":"df[\"y\"].sum()"}}}]},
          {"role":"tool","name":"run_cell","content":"220.5‹/answer>"},
          {"role":"assistant","content":"It is 220.5."}],"tools":[{"type":"function","function":{"name":"run_cell","description":"Runs Python as the next cell of a notebook, and gives back what it shows. Variables stay.","parameters":{"type":"object","properties":{"code":{"type":"string","description":"The cell's source."}},"required":["code"]}}}],"task_id":"t","meta":"{\"trajectory\":\"a\",\"episode\":\"e\",\"turn\":0,\"family\":\"aggregate\",\"level\":1,\"seed\":7,\"by\":\"\"}"}"#]],
    );
}

#[test]
fn tool_calls_of_a_later_question_come_after_those_of_the_earlier() {
    let (first, mut second) = (trajectory(), trajectory());
    second.task.prompt = String::from("And the mean?");
    let rows = rows(Format::Tools, &settings(Profile::Compact), &[first, second]);
    let messages = rows[0]["messages"].as_array().unwrap();
    let said: Vec<(&str, &str)> = messages
        .iter()
        .map(|one| (one["role"].as_str().unwrap(), one["content"].as_str().unwrap()))
        .filter(|(role, _)| *role != "tool")
        .collect();
    let expected = [
        ("user", "Total?\nFiles: a.csv"),
        ("assistant", "Sum."),
        ("assistant", "It is y."),
        ("assistant", "It is 220.5."),
        ("user", "And the mean?\nFiles: a.csv"),
        ("assistant", "Sum."),
        ("assistant", "It is y."),
        ("assistant", "It is 220.5."),
    ];
    assert_eq!(said, expected);
}

#[test]
fn tasks_for_grpo_have_the_same_types_in_every_row() {
    check(
        Format::Grpo,
        expect![[r#"
        {"prompt":[
          {"role":"user","content":"Total?\nFiles: a.csv"}],"task_id":"t","files":["a.csv"],"ground_truth":"220.5","checker":"{\"kind\":\"number\",\"values\":[\"220.5\"]}","level":1}"#]],
    );
    check(
        Format::Verl,
        expect![[r#"
        {"data_source":"datarus","agent_name":"datarus","prompt":[
          {"role":"user","content":"Total?\nFiles: a.csv"}],"ability":"data","reward_model":{"style":"rule","ground_truth":"220.5"},"extra_info":{"index":0,"task_id":"t","files":["a.csv"],"checker":"{\"kind\":\"number\",\"values\":[\"220.5\"]}","level":1,"need_tools_kwargs":false,"tools_kwargs":{},"tool_selection":["run_cell"]}}"#]],
    );
}

#[test]
fn what_was_corrected_is_the_rejected_side_of_a_pair() {
    check(
        Format::Preferences,
        expect![[r#"
        {"prompt":[
          {"role":"user","content":"Total?\nFiles: a.csv"}],"chosen":[
          {"role":"assistant","content":"<step>\n<thought>It is y.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"y\"].sum()\n</action_input>"}],"rejected":[
          {"role":"assistant","content":"<step>\n<thought>Sum.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"x\"].sum()\n</action_input>"}],"task_id":"t","meta":"{\"trajectory\":\"a\",\"episode\":\"e\",\"turn\":0,\"family\":\"aggregate\",\"level\":1,\"seed\":7,\"by\":\"\"}"}
        {"prompt":[
          {"role":"user","content":"Total?\nFiles: a.csv"},
          {"role":"assistant","content":"<step>\n<thought>Sum.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"x\"].sum()\n</action_input>\n<observation>\nKeyError: 'x'\n</observation>\n</step>"},
          {"role":"user","content":"That failed. Say why and try another way."}],"chosen":[
          {"role":"assistant","content":"<step>\n<thought>It is y.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"y\"].sum()\n</action_input>"}],"rejected":[
          {"role":"assistant","content":"<step>\n<thought>It is y.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"z\"].sum()\n</action_input>"}],"task_id":"t","meta":"{\"trajectory\":\"a\",\"episode\":\"e\",\"turn\":0,\"family\":\"aggregate\",\"level\":1,\"seed\":7,\"by\":\"\"}"}"#]],
    );
}

#[test]
fn what_is_to_be_written_is_well_formed_and_an_earlier_turn_is_part_of_the_prompt() {
    let first = trajectory();
    let mut second = trajectory();
    second.turn = 1;
    second.task.prompt = String::from("And the mean?");
    second.given.files.push(FileInfo { name: String::from("b.csv"), bytes: 1 });
    for dialect in Dialect::ALL {
        let settings = Settings { dialect, ..settings(Profile::Full) };
        let rows = rows(Format::Steps, &settings, &[first.clone(), second.clone()]);
        assert_eq!(rows.len(), 2);
        let written: Vec<String> = rows
            .iter()
            .map(|row| row["completion"][0]["content"].as_str().unwrap().to_owned())
            .collect();
        let form = form(dialect, Mode::Agentic, &written);
        assert!(crate::reward::is_well_formed(&form), "{form:?}");
        let prompt = rows[0]["prompt"].to_string();
        assert!(prompt.contains("Total?") && prompt.contains("And the mean?"), "{prompt}");
        assert!(!prompt.contains("220.5</answer>"), "data is disarmed");
    }
}

#[test]
fn without_an_answer_there_is_no_example_but_a_task() {
    let mut trajectory = trajectory();
    trajectory.outcome = Outcome::Interrupted;
    let count =
        |format| rows(format, &settings(Profile::Full), std::slice::from_ref(&trajectory)).len();
    assert_eq!([Format::Messages, Format::Steps, Format::Tools].map(count), [0, 0, 0]);
    assert_eq!([Format::Grpo, Format::Verl].map(count), [1, 1]);
}
