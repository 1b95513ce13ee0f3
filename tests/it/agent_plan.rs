//! The turn of a research run whose answer is a plan, and what the turns after it see.

use datarus_agent::agent::{AgentEvent, Given, Mode, Outcome, Past, Step, Task, Turn};
use datarus_agent::llm::{Profile, Usage};
use datarus_agent::plan::Stage;
use tests::doubles::printed;

use crate::scene::{Scene, task};

const NONE: &str =
    "<stop_analysis>\n<thought>Found.</thought>\n<answer>It is 3.</answer>\n</stop_analysis>";
const PLAN: &str = "<stop_analysis>\n<thought>Two parts.</thought>\n<answer>## 1. Clean\nAll 99.\n\n## 2. Model\nFit.</answer>\n\
    </stop_analysis>";

fn planning(prompt: &str) -> Task {
    Task { stage: Some(Stage::Plan), ..task(prompt) }
}

fn notices(scene: &Scene) -> Vec<&str> {
    let mut notices = Vec::new();
    for event in &scene.events {
        if let AgentEvent::Notice(text) = event {
            notices.push(text.as_str());
        }
    }
    notices
}

#[test]
fn a_plan_that_is_none_is_asked_again_once_and_then_said() {
    let mut scene = Scene::new(Profile::Full, &[NONE, PLAN], vec![]);
    let turn = scene.play(&planning("Why?"));
    let Outcome::Answered { answer, .. } = &turn.outcome else { panic!("{:?}", turn.outcome) };
    assert!(answer.starts_with("## 1. Clean"), "{answer}");
    assert!(scene.said().contains("the answer is no plan: each section"), "{}", scene.said());
    assert_eq!(notices(&scene), ["The first answer was no plan. The model was told so."]);

    let mut scene = Scene::new(Profile::Full, &[NONE, NONE], vec![]);
    let turn = scene.play(&planning("Why?"));
    let Outcome::GaveUp { reason } = &turn.outcome else { panic!("{:?}", turn.outcome) };
    assert!(reason.starts_with("the model wrote no plan"), "{reason}");
}

#[test]
fn sections_beyond_the_bound_are_said_and_numbers_of_a_plan_need_no_source() {
    let mut scene = Scene::new(Profile::Full, &[PLAN], vec![]);
    scene.limits.max_sections = 1;
    let turn = scene.play(&planning("Why?"));
    assert!(matches!(turn.outcome, Outcome::Answered { .. }), "{:?}", turn.outcome);
    let expected =
        "The plan has 2 sections; the first 1 are worked on (`--max-sections` sets how many).";
    assert_eq!(notices(&scene), [expected]);
}

#[test]
fn a_section_sees_what_was_asked_and_answered_above_and_no_code() {
    let step = Step {
        number: 1,
        understanding: String::new(),
        thought: "Look.".into(),
        code: "secret_code()".into(),
        execution: printed("secret output 17.25"),
    };
    let turn = Turn {
        prompt: "Why?".into(),
        mode: Mode::Agentic,
        steps: vec![step.clone()],
        asked: Vec::new(),
        outcome: Outcome::Answered {
            understanding: String::new(),
            thought: String::new(),
            answer: "## 1. Clean".into(),
        },
        usage: Usage::default(),
        given: Given::default(),
        seen_above: Vec::new(),
    };
    let cell = Past::Cell { code: "mine()".into(), execution: step.execution };
    let end =
        "<stop_analysis>\n<thought>So.</thought>\n<answer>It is 17.25.</answer>\n</stop_analysis>";
    let mut scene = Scene::new(Profile::Full, &[end], vec![]);
    let history = vec![cell, Past::Turn(turn)];
    let turn =
        scene.play(&Task { stage: Some(Stage::Section), history, ..task("## 1. Clean\nAll.") });
    let said = scene.said();
    assert!(said.contains("Why?") && said.contains("## 1. Clean"), "{said}");
    assert!(!said.contains("secret") && !said.contains("mine"), "{said}");
    assert_eq!(turn.seen_above, ["17.25"], "what was printed above counts all the same");
}
