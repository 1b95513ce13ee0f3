use datarus_agent::executor::Execution;
use expect_test::{Expect, expect};

use super::*;

fn text(step: usize, part: Part, delta: &str) -> AgentEvent {
    AgentEvent::Text { step, part, delta: delta.into() }
}

fn ready(step: usize) -> AgentEvent {
    let (understanding, thought) = (String::new(), "Look.".into());
    AgentEvent::StepReady(Draft { number: step, understanding, thought, code: "df.head()".into() })
}

fn done(number: usize, status: Status) -> AgentEvent {
    let execution = Execution {
        execution_count: Some(8),
        status,
        outputs: vec![],
        figures: vec![],
        seconds: 0.123,
        lost: false,
    };
    AgentEvent::StepDone(Step {
        number,
        understanding: String::new(),
        thought: "Look.".into(),
        code: "df.head()".into(),
        execution,
    })
}

/// What is published: how, under which id, the JSON and the Markdown.
#[track_caller]
fn check(rounds: &[&[AgentEvent]], expected: Expect) {
    let mut view = TurnView::new("t_1".into());
    let mut found = String::new();
    for events in rounds {
        events.iter().for_each(|event| view.on_event(event));
        view.flush().iter().for_each(|shown| found += &described(shown));
    }
    expected.assert_eq(&found);
}

fn described(shown: &Shown) -> String {
    let (how, display) = match shown {
        Shown::New(display) => ("new", display),
        Shown::Update(display) => ("update", display),
    };
    let content = serde_json::to_value(display).unwrap();
    let id = &content["transient"]["display_id"];
    let (json, markdown) =
        (&display.data[STEP_MIME], display.data["text/markdown"].as_str().unwrap());
    format!("{how} {id} {json}\n{markdown}\n\n")
}

#[test]
fn a_step_is_one_display_that_is_updated() {
    check(
        &[
            &[text(1, Part::Thought, "Lo"), text(1, Part::Thought, "ok.")],
            &[text(1, Part::Code, "df.head()\n")],
            &[ready(1), done(1, Status::Ok)],
        ],
        expect![[r#"
            new "t_1-1" {"v":1,"turn":"t_1","step":1,"state":"writing","thought":"Look.","code":"","execution_count":null,"status":null,"seconds":null}
            <details><summary>Step 1</summary>

            Look.

            </details>

            *writing …*

            update "t_1-1" {"v":1,"turn":"t_1","step":1,"state":"writing","thought":"Look.","code":"df.head()","execution_count":null,"status":null,"seconds":null}
            <details><summary>Step 1</summary>

            Look.

            </details>

            ```python
            df.head()
            ```

            *writing …*

            update "t_1-1" {"v":1,"turn":"t_1","step":1,"state":"done","thought":"Look.","code":"df.head()","execution_count":8,"status":"ok","seconds":0.123}
            <details><summary>Step 1</summary>

            Look.

            </details>

            ```python
            df.head()
            ```

            *`[8]` done · 0.12 s*

        "#]],
    );
}

#[test]
fn a_thought_before_the_answer_is_no_step() {
    check(
        &[&[text(1, Part::Thought, "Done.")], &[text(1, Part::Answer, "It is 3.")]],
        expect![[r#"
        new "t_1-1" {"v":1,"turn":"t_1","step":1,"state":"writing","thought":"Done.","code":"","execution_count":null,"status":null,"seconds":null}
        <details><summary>Step 1</summary>

        Done.

        </details>

        *writing …*

        update "t_1-1" {"v":1,"turn":"t_1","step":1,"part":"thought","thought":"Done."}
        <details><summary>Thought</summary>

        Done.

        </details>

        new "t_1-end" {"v":1,"turn":"t_1","part":"answer","text":"It is 3."}
        It is 3.

    "#]],
    );
}

#[test]
fn the_end_tells_outcome_and_cost() {
    let mut view = TurnView::new("t_1".into());
    view.on_event(&done(1, Status::Error));
    view.on_event(&AgentEvent::Notice("An output was shortened.".into()));
    view.flush();
    let outcome = Outcome::GaveUp { reason: "Five steps failed in a row.".into() };
    let facts = Map::from_iter([("seed".to_owned(), json!(1))]);
    let end = TurnEnd { outcome: &outcome, usage: Usage::default(), seconds: 1.5, facts };
    expect![[r#"
        new "t_1-end" {"seed":1,"v":1,"turn":"t_1","part":"end","outcome":{"kind":"gave_up","reason":"Five steps failed in a row."},"usage":{"prompt_tokens":0,"prefilled_tokens":0,"restored_tokens":0,"prefilled_meanwhile":0,"completion_tokens":0,"forced_tokens":0,"guessed_tokens":0,"prefill_seconds":0.0,"decode_seconds":0.0,"choice_seconds":0.0},"notices":["An output was shortened."]}
        **No answer.** Five steps failed in a row.

        *An output was shortened.*

        *1 step · 0 tokens read, 0 written · 1.5 s*

    "#]].assert_eq(&view.end(&end).iter().map(described).collect::<String>());
}

#[test]
fn a_fence_is_longer_than_those_in_the_code() {
    assert_eq!(fence("x"), "```");
    assert_eq!(fence("a = '''```'''"), "````");
}

#[test]
fn markup_in_a_thought_stays_text() {
    assert!(!folded("Step 1", "a </details> <img src=x>").contains("<img"));
}

#[test]
fn terminal_escapes_are_removed() {
    for (text, plain) in [
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}]52;c;Zm9v\u{7}rest", "rest"),
        ("a\u{1b}", "a"),
        ("a\u{1b}[", "a"),
        ("plain", "plain"),
    ] {
        assert_eq!(without_escapes(text), plain);
    }
}
