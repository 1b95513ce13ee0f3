//! The loop with a scripted model and a scripted code runner: what is said, what is run, how it ends.

use std::fmt::Write as _;

use datarus_agent::agent::{AgentEvent, Draft, Mode, Outcome, Part, Task};
use datarus_agent::executor::{Execution, Status};
use datarus_agent::llm::Profile;
use expect_test::{Expect, expect};
use tests::doubles::{ended, printed, raised};

use crate::scene::{END, LOOK, MEAN, Scene, outcome, task};

#[track_caller]
fn check(script: &[&str], executions: Vec<Execution>, expected: Expect) {
    let mut scene = Scene::new(Profile::Compact, script, executions);
    let turn = scene.play(&task("What is the mean of a?"));
    expected.assert_eq(&scene.told(&turn));
}

#[test]
fn a_question_is_answered_in_steps() {
    check(
        &[LOOK, MEAN, END],
        vec![printed("a\n1\n3\n"), printed("2.0\n")],
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        <step>
        <thought>Look.</thought>
        <action>python_executor</action>
        <action_input>
        df.head(3)
        </action_input>
        <observation>
        a
        1
        3
        </observation>
        </step>
        [user]
        Continue.
        [assistant]
        <step>
        <thought>Mean.</thought>
        <action>python_executor</action>
        <action_input>
        df["a"].mean()
        </action_input>
        <observation>
        2.0
        </observation>
        </step>
        [user]
        Continue.
        = Found. → It is **2**.
    "#]],
    );
}

#[test]
fn a_step_that_printed_before_it_failed_has_failed() {
    check(
        &[LOOK, END],
        vec![raised("so far\n", "KeyError", "'a'")],
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        <step>
        <thought>Look.</thought>
        <action>python_executor</action>
        <action_input>
        df.head(3)
        </action_input>
        <observation>
        so far
        KeyError: 'a'
        </observation>
        </step>
        [user]
        That failed. Say why and try another way.
        = Found. → It is **2**.
    "#]],
    );
}

#[test]
fn a_message_without_a_step_is_told_and_asked_again() {
    check(
        &["I think it is 2.", END],
        vec![],
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        I think it is 2.
        [user]
        Use the step format.
        ! What the model wrote could not be used: it is neither a <step> nor a <stop_analysis>. It was told so.
        = Found. → It is **2**.
    "#]],
    );
}

#[test]
fn messages_without_a_step_end_the_turn() {
    check(
        &["Hm.", "Well.", "So.", "Never asked."],
        vec![],
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        Hm.
        [user]
        Use the step format.
        ! What the model wrote could not be used: it is neither a <step> nor a <stop_analysis>. It was told so.
        = gave up: the model did not write a step in 2 attempts; the last time it is neither a <step> nor a <stop_analysis>
    "#]],
    );
}

#[test]
fn an_observation_that_the_model_wrote_is_rejected_or_cut_off() {
    let invented = "<step>\n<thought>x</thought>\n<observation>\n99\n</observation>";
    check(
        &[invented, END],
        vec![],
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        <step>
        <thought>x</thought>
        <observation>
        [user]
        Use the step format.
        ! What the model wrote could not be used: only the environment writes <observation>; end a step with </action_input> and wait. It was told so.
        = Found. → It is **2**.
    "#]],
    );
}

#[test]
fn the_same_step_with_the_same_result_is_told_and_then_ended() {
    check(
        &[LOOK, LOOK, LOOK, LOOK],
        (0..4).map(|_| printed("1")).collect(),
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        <step>
        <thought>Look.</thought>
        <action>python_executor</action>
        <action_input>
        df.head(3)
        </action_input>
        <observation>
        1
        </observation>
        </step>
        [user]
        Continue.
        [assistant]
        <step>
        <thought>Look.</thought>
        <action>python_executor</action>
        <action_input>
        df.head(3)
        </action_input>
        <observation>
        1
        </observation>
        </step>
        [user]
        That failed. Say why and try another way.
        = gave up: the model makes the same step again and again
    "#]],
    );
}

#[test]
fn a_death_of_the_code_runner_is_told_to_the_model() {
    check(
        &[LOOK, END],
        vec![ended(Status::Died, vec![])],
        expect![[r#"
        [user]
        What is the mean of a?
        [assistant]
        <step>
        <thought>Look.</thought>
        <action>python_executor</action>
        <action_input>
        df.head(3)
        </action_input>
        <observation>
        (the Python process died and was started afresh: all variables and imports are lost, load the data again)
        </observation>
        </step>
        [user]
        That failed. Say why and try another way.
        = Found. → It is **2**.
    "#]],
    );
}

#[test]
fn tags_that_a_server_cut_off_are_put_back() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK, END], vec![printed("1")]);
    scene.model.cuts_stop_strings = true;
    let turn = scene.play(&task("What?"));
    expect![[r#"
        [user]
        What?
        [assistant]
        <step>
        <thought>Look.</thought>
        <action>python_executor</action>
        <action_input>
        df.head(3)
        </action_input>
        <observation>
        1
        </observation>
        </step>
        [user]
        Continue.
        = Found. → It is **2**.
    "#]]
    .assert_eq(&scene.told(&turn));
}

#[test]
fn code_cut_by_the_token_limit_is_continued_and_run_once() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK, END], vec![printed("1")]);
    scene.limits.max_new_tokens = 80;
    let turn = scene.play(&task("What?"));
    assert_eq!(scene.executor.ran, ["df.head(3)"]);
    assert_eq!(outcome(&turn.outcome), "Found. → It is **2**.");
    let again = &scene.model.asked[1];
    assert_eq!(again.len(), 2, "the assistant's message is left open");
}

#[test]
fn what_never_ends_is_not_run() {
    let endless: String =
        LOOK.replace("df.head(3)", &(0..9_999).map(|n| n.to_string()).collect::<String>());
    let mut scene = Scene::new(Profile::Compact, &[&endless], vec![]);
    scene.limits.max_new_tokens = 100;
    scene.model.script.extend((0..3).map(|_| endless.clone()));
    let turn = scene.play(&task("What?"));
    assert!(scene.executor.ran.is_empty());
    expect!["gave up: the model did not write a step in 2 attempts; the last time it was too long and had no end"].assert_eq(&outcome(&turn.outcome));
}

#[test]
fn a_model_that_never_comes_to_an_end_costs_two_messages_at_most() {
    let numbers: Vec<_> = (0..200_000).map(|n| n.to_string()).collect();
    let numbers = numbers.join(" ");
    let thought = format!("<step>\n<thought>{numbers}");
    for endless in [numbers.clone(), thought, " \n\t".repeat(400_000), "<step>".repeat(200_000)] {
        assert!(endless.len() > 1_000_000);
        let mut scene = Scene::new(Profile::Full, &[&endless, &endless], vec![]);
        scene.limits.max_new_tokens = 1_000;
        let turn = scene.play(&task("What?"));
        assert!(matches!(turn.outcome, Outcome::GaveUp { .. }), "{:?}", turn.outcome);
        assert!(turn.usage.completion_tokens <= 8_000, "{}", turn.usage.completion_tokens);
        assert!(scene.executor.ran.is_empty());
        assert!(!scene.interrupt.is_set());
    }
}

#[test]
fn the_budget_of_a_turn_ends_it() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK, MEAN, END], vec![]);
    scene.limits.max_turn_tokens = 200;
    let turn = scene.play(&task("What?"));
    expect!["gave up: the turn's budget of 200 tokens is used up"]
        .assert_eq(&outcome(&turn.outcome));
}

#[test]
fn no_step_is_made_beyond_the_limit() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK, MEAN, LOOK], vec![]);
    scene.limits.max_steps = 2;
    let turn = scene.play(&task("What?"));
    assert_eq!(scene.executor.ran.len(), 2);
    expect!["gave up: no answer after 2 steps"].assert_eq(&outcome(&turn.outcome));
}

#[test]
fn text_that_goes_round_is_stopped_early() {
    let circle = format!("<step>\n<thought>{}", "Load it again. ".repeat(1_000));
    let mut scene = Scene::new(Profile::Compact, &[&circle], vec![]);
    let turn = scene.play(&task("What?"));
    expect!["gave up: the model repeats the same words again and again; ask in other words"]
        .assert_eq(&outcome(&turn.outcome));
    assert!(!scene.interrupt.is_set());
}

#[test]
fn an_interrupt_anywhere_ends_the_turn_within_a_token() {
    let n_characters = LOOK.chars().count() + END.chars().count();
    for after in 1..n_characters {
        let mut scene = Scene::new(Profile::Compact, &[LOOK, END], vec![printed("1")]);
        scene.model.interrupt_after = Some(after);
        let turn = scene.play(&task("What?"));
        assert_eq!(turn.outcome, Outcome::Interrupted, "after {after} tokens");
        assert!(turn.usage.completion_tokens <= after + 1, "after {after} tokens");
    }
}

#[test]
fn an_interrupt_of_a_cell_ends_the_turn() {
    let interrupted = ended(Status::Interrupted, vec![]);
    let mut scene = Scene::new(Profile::Compact, &[LOOK, END], vec![interrupted]);
    let turn = scene.play(&task("What?"));
    assert_eq!((turn.outcome, turn.steps.len()), (Outcome::Interrupted, 1));
}

#[test]
fn events_tell_the_turn_as_it_happens() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK, END], vec![printed("1")]);
    scene.play(&task("What?"));
    let mut text = String::new();
    let mut last = None;
    for event in &scene.events {
        match event {
            AgentEvent::Text { step, part, delta } => {
                if last != Some((*step, *part)) {
                    write!(text, "\n{step} {part:?}: ").unwrap();
                }
                last = Some((*step, *part));
                text.push_str(delta);
            }
            AgentEvent::StepReady(Draft { number, thought, code, .. }) => {
                write!(text, "\n{number} ready: {thought} | {code}").unwrap();
            }
            AgentEvent::StepDone(step) => write!(text, "\n{} done", step.number).unwrap(),
            AgentEvent::Asking(asked) => write!(text, "\n? {}", asked.question).unwrap(),
            AgentEvent::Asked(asked) => write!(text, "\n= {:?}", asked.answer).unwrap(),
            AgentEvent::Withdrawn => write!(text, "\n(withdrawn)").unwrap(),
            AgentEvent::Notice(notice) => write!(text, "\n! {notice}").unwrap(),
        }
    }
    expect![[r#"

        1 Thought: Look.
        1 Code: df.head(3)
        1 ready: Look. | df.head(3)
        1 done
        2 Thought: Found.
        2 Answer: It is **2**."#]]
    .assert_eq(&text);
    assert!(matches!(last, Some((2, Part::Answer))));
}

#[test]
fn reflection_runs_nothing() {
    let script = ["<think>Prices rise.</think>\n<answer>Likely.</answer>"];
    let mut scene = Scene::new(Profile::Compact, &script, vec![]);
    let turn = scene.play(&Task { mode: Mode::Reflection, ..task("Why?") });
    assert!(scene.executor.ran.is_empty());
    expect![[r#"
        [user]
        Why?
        Think only.
        = Prices rise. → Likely.
    "#]]
    .assert_eq(&scene.told(&turn));
}

#[test]
fn failures_in_a_row_end_the_turn() {
    let other = LOOK.replace("head", "tail");
    let failure = || raised("", "NameError", "name 'df' is not defined");
    let executions = (0..6).map(|_| failure()).collect();
    let script = [LOOK, &other, LOOK, &other, LOOK, &other];
    let mut scene = Scene::new(Profile::Compact, &script, executions);
    let turn = scene.play(&task("What?"));
    assert_eq!((turn.steps.len(), scene.executor.ran.len()), (5, 5), "each failed step is kept");
    expect![["gave up: 5 steps in a row failed"]].assert_eq(&outcome(&turn.outcome));
}
