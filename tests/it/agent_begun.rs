//! Turns that go on from a step that stands already: what the model is shown, what is run, how steps are counted.

use datarus_agent::agent::{AgentEvent, Begun, Draft, Outcome, Step, Task, Turn};
use datarus_agent::executor::Execution;
use datarus_agent::llm::Profile;
use expect_test::expect;
use tests::doubles::{printed, raised};

use crate::scene::{END, LOOK, MEAN, Scene, outcome, task};

fn step(number: usize, thought: &str, code: &str, execution: Execution) -> Step {
    let understanding = String::new();
    Step { number, understanding, thought: thought.into(), code: code.into(), execution }
}

fn draft(code: &str) -> Draft {
    let understanding = String::new();
    Draft { number: 2, understanding, thought: "Mean.".into(), code: code.into() }
}

/// The question with one finished step, `next` and what the model had written in its place.
fn begun(next: Option<Draft>, before: Option<&str>) -> Task {
    let done = vec![step(1, "Look.", "df.head(3)", printed("a\n1\n3\n"))];
    let before = before.map(str::to_owned);
    Task {
        begun: Some(Begun { done, asked: Vec::new(), next, before }),
        ..task("What is the mean of a?")
    }
}

fn numbers(turn: &Turn) -> Vec<usize> {
    turn.steps.iter().map(|step| step.number).collect()
}

#[test]
fn an_edited_step_is_run_first_and_the_model_is_told_what_changed() {
    let executions = vec![printed("2.0\n")];
    let mut scene = Scene::new(Profile::Full, &[END], executions);
    let turn = scene.play(&begun(Some(draft("df.a.mean()")), Some("df.a.sum()")));
    assert_eq!(
        (numbers(&turn), &scene.executor.ran[..]),
        (vec![1, 2], &["df.a.mean()".into()][..])
    );
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
        Go on with the next step, or end with <stop_analysis> if the question is answered.
        [assistant]
        <step>
        <thought>Mean.</thought>
        <action>python_executor</action>
        <action_input>
        df.a.mean()
        </action_input>
        <observation>
        2.0
        </observation>
        </step>
        [user]
        The analyst has changed the code of that step: what stands there is the analyst's. You had written:

        ```python
        df.a.sum()
        ```

        Go on from the step as it stands now.

        Go on with the next step, or end with <stop_analysis> if the question is answered.
        = Found. → It is **2**.
    "#]]
    .assert_eq(&scene.told(&turn));
}

#[test]
fn a_step_that_stands_as_it_ran_is_not_run_again() {
    let mut scene = Scene::new(Profile::Compact, &[MEAN, END], vec![printed("2.0\n")]);
    let turn = scene.play(&begun(None, None));
    assert_eq!(numbers(&turn), [1, 2]);
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
    "#]]
    .assert_eq(&scene.told(&turn));
}

#[test]
fn the_chat_goes_on_word_for_word_as_it_was() {
    let mut scene = Scene::new(Profile::Full, &[LOOK, MEAN, END], vec![printed("1"), printed("2")]);
    let first = scene.play(&task("What?"));
    let before = scene.said();
    let done = first.steps;
    let again = Task {
        begun: Some(Begun { done, asked: Vec::new(), next: None, before: None }),
        ..task("What?")
    };
    let mut scene = Scene::new(Profile::Full, &[END], vec![]);
    scene.play(&again);
    assert_eq!(scene.said(), before);
}

#[test]
fn an_edited_step_that_fails_is_told_as_any_failure() {
    let mut scene = Scene::new(Profile::Full, &[END], vec![raised("", "KeyError", "'b'")]);
    let turn = scene.play(&begun(Some(draft("df['b']")), Some("df.a")));
    let told = scene.told(&turn);
    assert!(told.contains("KeyError: 'b'") && told.contains("That step failed."), "{told}");
}

#[test]
fn steps_that_stood_before_do_not_count_and_gaps_are_left() {
    let mut scene = Scene::new(Profile::Full, &[LOOK, MEAN, END], vec![]);
    scene.limits.max_steps = 2;
    let done = [1, 2, 7].map(|number| step(number, "Look.", "1", printed("1"))).to_vec();
    let begun = Some(Begun { done, asked: Vec::new(), next: None, before: None });
    let turn = scene.play(&Task { begun, ..task("What?") });
    assert_eq!(
        (numbers(&turn), outcome(&turn.outcome)),
        (vec![1, 2, 7, 8, 9], "Found. → It is **2**.".into())
    );
    let texts = scene.events.iter().filter_map(|event| match event {
        AgentEvent::Text { step, .. } => Some(*step),
        _ => None,
    });
    assert_eq!(texts.max(), Some(10), "the answer");
}

#[test]
fn a_stop_while_the_edited_step_runs_ends_the_turn() {
    let mut stopped = printed("");
    stopped.status = datarus_agent::executor::Status::Interrupted;
    let mut scene = Scene::new(Profile::Full, &[], vec![stopped]);
    let turn = scene.play(&begun(Some(draft("wait()")), None));
    assert_eq!((turn.outcome, turn.steps.len()), (Outcome::Interrupted, 2));
}
