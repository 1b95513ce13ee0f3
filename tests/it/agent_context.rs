//! What a model is shown of the notebook, and what happens when its context is too short for it.

use datarus_agent::agent::{FileInfo, Outcome, Past, Task, Turn};
use datarus_agent::executor::Variable;
use datarus_agent::llm::Profile;
use datarus_agent::transcript::Role;
use expect_test::expect;
use tests::doubles::{printed, raised};

use crate::scene::{END, LOOK, MEAN, Scene, outcome, task};

fn frame() -> Variable {
    Variable { name: String::from("df"), columns: vec![String::from("a"), String::from("b")] }
}

fn files(names: &[&str]) -> Vec<FileInfo> {
    names.iter().map(|&name| FileInfo { name: name.to_owned(), bytes: 1_234 }).collect()
}

#[test]
fn a_follow_up_question_sees_the_turn_before() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK, END], vec![printed("a\n1")]);
    let first = scene.play(&task("First?"));
    let history = vec![Past::Turn(first.clone()), Past::Turn(first)];
    let second = Task {
        history,
        files: files(&["b.csv", "a.csv"]),
        variables: vec![frame()],
        ..task("And now?")
    };
    let mut scene = Scene::new(Profile::Compact, &[END], vec![]);
    let turn = scene.play(&second);
    expect![[r#"
        [user]
        First?
        Files: a.csv, b.csv
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
        </observation>
        </step>
        [user]
        Continue.
        [assistant]
        <stop_analysis>
        <thought>Found.</thought>
        <answer>It is **2**.</answer>
        </stop_analysis>
        [user]
        And now?
        Files: a.csv, b.csv
        Variables: df (a, b)
        = Found. → It is **2**.
    "#]]
    .assert_eq(&scene.told(&turn));
}

#[test]
fn a_follow_up_question_begins_with_all_that_a_large_model_has_read() {
    let mut scene = Scene::new(Profile::Full, &[LOOK, END], vec![printed("a\n1")]);
    let first = Task { files: files(&["a.csv"]), variables: vec![frame()], ..task("First?") };
    let first = scene.play(&first);
    let read = format!("{}[assistant]\n{END}\n[user]\nAnd now?", scene.said());
    let mut scene = Scene::new(Profile::Full, &[END], vec![]);
    // What there is has changed since.
    let history = vec![Past::Turn(first)];
    scene.play(&Task { history, files: files(&["b.csv"]), ..task("And now?") });
    assert!(scene.said().starts_with(&read), "{}\n---\n{read}", scene.said());
}

#[test]
fn a_large_model_sees_the_whole_notebook() {
    let mut scene = Scene::new(Profile::Full, &[LOOK, END], vec![printed("a\n1")]);
    let first = scene.play(&task("First?"));
    let stopped = Turn { outcome: Outcome::Interrupted, steps: Vec::new(), ..first.clone() };
    let cell = Past::Cell { code: String::from("x = 1\nx"), execution: printed("1\n") };
    let history = vec![Past::Turn(first), cell, Past::Turn(stopped)];
    let mut scene = Scene::new(Profile::Full, &[END], vec![]);
    scene.play(&Task {
        history,
        files: files(&["a.csv"]),
        variables: vec![frame()],
        ..task("And now?")
    });
    expect![[r#"
        [user]
        First?
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
        </observation>
        </step>
        [user]
        Go on with the next step, or end with <stop_analysis> if the question is answered.
        [assistant]
        <stop_analysis>
        <thought>Found.</thought>
        <answer>It is **2**.</answer>
        </stop_analysis>
        [user]
        The analyst ran a cell:

        ```python
        x = 1
        x
        ```

        It printed:

        1

        First?

        (The analyst stopped this turn.)

        And now?

        Files in the working folder:
        - a.csv (1.2 kB)

        DataFrames that exist:
        - df: a, b
    "#]]
    .assert_eq(&scene.said());
}

#[test]
fn a_large_model_is_told_in_words_how_to_go_on() {
    let script = [LOOK, "nothing", MEAN, MEAN, END];
    let failure = raised("", "KeyError", "'a'");
    let mut scene = Scene::new(Profile::Full, &script, vec![failure, printed("2"), printed("2")]);
    scene.limits.max_steps = 4;
    scene.play(&task("What?"));
    let users =
        scene.model.asked.last().unwrap().iter().filter(|message| message.role == Role::User);
    let replies: Vec<&str> = users.map(|message| message.content[0].text()).collect();
    expect![[r#"
        What?
        That step failed. Say in the next thought what went wrong, then try another way.
        That could not be used: it is neither a <step> nor a <stop_analysis>. Write one message in the format that was described, and nothing else.
        Go on with the next step, or end with <stop_analysis> if the question is answered.
        That was the same code with the same result as in the step before. Do something else, or end with <stop_analysis>."#]].assert_eq(&replies.join("\n"));
}

#[test]
fn old_observations_are_shortened_when_the_context_fills() {
    let script = [LOOK, MEAN, LOOK, END];
    let long = |n: usize| printed(&format!("{n}").repeat(1_200));
    let mut scene = Scene::new(Profile::Compact, &script, vec![long(1), long(2), long(3)]);
    scene.model.info.context_length = 4_096;
    let turn = scene.play(&task("What?"));
    let told = scene.told(&turn);
    assert!(told.contains(&"3".repeat(1_200)), "the newest stays whole");
    assert!(!told.contains(&"1".repeat(500)), "the oldest is shortened");
    assert!(told.contains("! The model's context fills"), "and that is said");
}

#[test]
fn a_full_context_ends_the_turn_with_what_to_do() {
    let mut scene = Scene::new(Profile::Compact, &[LOOK], vec![]);
    scene.model.info.context_length = 100;
    let turn = scene.play(&task(&"word ".repeat(30)));
    expect!["gave up: the model's context of 100 tokens is full; ask a smaller question or use a larger model"].assert_eq(&outcome(&turn.outcome));
}

#[test]
fn the_oldest_entries_of_a_long_notebook_are_left_out_and_that_is_said() {
    let cell = |n: usize| Past::Cell { code: format!("{n}"), execution: printed(&"x".repeat(900)) };
    let task = Task { history: (0..40).map(cell).collect(), ..task("What?") };
    let mut scene = Scene::new(Profile::Full, &[END], vec![]);
    scene.model.info.context_length = 12_000;
    let turn = scene.play(&task);
    assert_eq!(outcome(&turn.outcome), "Found. → It is **2**.");
    let told = scene.told(&turn);
    assert!(told.contains("```python\n39\n```") && !told.contains("```python\n0\n```"));
    assert!(told.contains("! The notebook is longer than the model's context"));
}
