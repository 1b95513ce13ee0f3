//! Answers whose numbers no step printed: a large model is told once, and may make its answer better.

use datarus_agent::agent::{AgentEvent, Outcome, Past, Task};
use datarus_agent::executor::Execution;
use datarus_agent::llm::Profile;
use expect_test::expect;
use tests::doubles::printed;

use crate::scene::{END, LOOK, MEAN, Scene, task};

const MADE_UP: &str = "<stop_analysis>\n<thought>Guess.</thought>\n<answer>The mean is 2.75, the slope 0.482 (p = 0.003).</answer>\n</stop_analysis>";
const MENDED: &str = "<stop_analysis>\n<thought>Printed.</thought>\n<answer>The mean is 2.75; I computed no slope.</answer>\n</stop_analysis>";

fn played(profile: Profile, script: &[&str], executions: Vec<Execution>) -> (Scene, Outcome) {
    let mut scene = Scene::new(profile, script, executions);
    let outcome = scene.play(&task("What is the mean of a?")).outcome;
    (scene, outcome)
}

fn answer(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Answered { answer, .. } => answer,
        other => panic!("expected an answer, found {other:?}"),
    }
}

#[test]
fn a_large_model_is_told_which_numbers_no_step_printed_and_answers_anew() {
    let script = [LOOK, MADE_UP, MEAN, MENDED];
    let (scene, outcome) =
        played(Profile::Full, &script, vec![printed("a\n1\n4\n"), printed("2.75\n")]);
    assert_eq!(answer(&outcome), "The mean is 2.75; I computed no slope.");
    let said = scene.said();
    let told = said.lines().find(|line| line.starts_with("No step of this turn")).unwrap();
    expect!["No step of this turn printed these numbers of your answer: 2.75, 0.482, 0.003. Do not answer from memory or by mental arithmetic. Run a step that prints what is missing, or write the answer again with numbers that were printed; what cannot be found out, say so."]
        .assert_eq(told);
    let withdrawn = scene.events.iter().filter(|event| **event == AgentEvent::Withdrawn).count();
    assert_eq!(withdrawn, 1);
}

#[test]
fn it_is_told_once_and_an_answer_that_is_not_made_better_stands() {
    let other = MADE_UP.replace("Guess", "Again");
    let (scene, outcome) = played(Profile::Full, &[LOOK, MADE_UP, &other], vec![printed("1\n")]);
    assert_eq!(answer(&outcome), "The mean is 2.75, the slope 0.482 (p = 0.003).");
    assert_eq!(scene.model.asked.len(), 3);
    // One that then writes nothing of use has answered all the same.
    let script = [LOOK, MADE_UP, "nothing", "nothing"];
    let (_, outcome) = played(Profile::Full, &script, vec![printed("1\n")]);
    assert_eq!(answer(&outcome), "The mean is 2.75, the slope 0.482 (p = 0.003).");
}

#[test]
fn an_answer_stands_when_the_second_look_at_it_breaks_off() {
    // The script ends, as a server does that is gone.
    let (scene, outcome) = played(Profile::Full, &[LOOK, MADE_UP], vec![printed("1\n")]);
    assert_eq!(answer(&outcome), "The mean is 2.75, the slope 0.482 (p = 0.003).");
    let told = scene.events.iter().any(|event| {
        matches!(event, AgentEvent::Notice(text) if text.contains("broke off (the model failed while computing: the script"))
    });
    assert!(told, "{:?}", scene.events);
}

#[test]
fn nobody_is_told_where_a_second_look_is_not_wanted() {
    let mut scene = Scene::new(Profile::Full, &[LOOK, MADE_UP], vec![printed("1\n")]);
    scene.second_look = false;
    let turn = scene.play(&task("What is the mean of a?"));
    assert_eq!(answer(&turn.outcome), "The mean is 2.75, the slope 0.482 (p = 0.003).");
    assert!(!scene.events.contains(&AgentEvent::Withdrawn));
}

#[test]
fn what_was_printed_or_asked_is_not_asked_after() {
    let fine = "<stop_analysis>\n<thought>.</thought>\n<answer>Of 412 rows 36% are above 3.5; in 2015 there were 2 kinds.</answer>\n</stop_analysis>";
    let mut scene = Scene::new(Profile::Full, &[LOOK, fine], vec![printed("412\n0.3612\n")]);
    let turn = scene.play(&task("How many are above 3.5?"));
    assert_eq!(scene.model.asked.len(), 2);
    assert!(turn.seen_above.is_empty(), "{:?}", turn.seen_above);
}

#[test]
fn what_the_notebook_above_printed_is_not_asked_after_rounded_or_not() {
    let from_above = "<stop_analysis>\n<thought>.</thought>\n<answer>The mean was 3.142 of 271 rows, at a rate of 0.0375.</answer>\n</stop_analysis>";
    for profile in [Profile::Full, Profile::Compact] {
        let mut before = Scene::new(Profile::Compact, &[LOOK, END], vec![printed("3.14159\n")]);
        let turn = before.play(&task("What is the mean?"));
        let cell = Past::Cell {
            code: String::from("RATE = 0.0375\nlen(df)"),
            execution: printed("271\n"),
        };
        let mut scene = Scene::new(profile, &[from_above], Vec::new());
        let history = vec![Past::Turn(turn), cell];
        let turn = scene.play(&Task { history, ..task("What was it again?") });
        assert_eq!(scene.model.asked.len(), 1);
        assert_eq!(turn.seen_above, ["3.142", "271", "0.0375"], "{profile:?}");
    }
}

#[test]
fn a_small_model_is_not_told() {
    let (scene, outcome) = played(Profile::Compact, &[LOOK, MADE_UP], vec![printed("1\n")]);
    assert_eq!(answer(&outcome), "The mean is 2.75, the slope 0.482 (p = 0.003).");
    assert_eq!(scene.model.asked.len(), 2);
}
