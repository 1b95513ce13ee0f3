//! Golden tests of the cells made of a turn.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn step(number: u64, code: &str, count: u64, status: &str) -> Value {
    let thought = format!("Thought {number}. More <b>of</b> it </details>.");
    json!({"output_type": "display_data", "metadata": {}, "data": {
        "text/markdown": "…",
        STEP_MIME: {"v": 1, "turn": "t_1", "step": number, "state": "done", "thought": thought, "code": code,
            "execution_count": count, "status": status, "seconds": 0.5},
    }})
}

fn result(text: &str, of: u64) -> Value {
    json!({"output_type": "display_data", "data": {"text/plain": text},
        "metadata": {"datarus": {"turn": "t_1", "step": of, "output_type": "execute_result"}, "width": 3}})
}

fn stream(name: &str, text: &str) -> Value {
    json!({"output_type": "stream", "name": name, "text": text})
}

fn end(outcome: Value) -> Value {
    json!({"output_type": "display_data", "metadata": {}, "data": {"text/markdown": "…", STEP_MIME: {
        "v": 1, "turn": "t_1", "part": "end", "outcome": outcome,
        "usage": {"prompt_tokens": 120, "prefilled_tokens": 80, "completion_tokens": 40, "forced_tokens": 9,
            "prefill_seconds": 0.1, "decode_seconds": 0.2},
        "model": {"name": "mini", "sha256": "ab12", "dialect": "datarus", "profile": "compact"},
        "notices": ["Shortened."], "seed": 7, "sampling": {"kind": "greedy"}, "prompt": "best?", "mode": "agentic", "sandbox": "landlock",
    }}})
}

fn answered() -> Value {
    end(
        json!({"kind": "answered", "thought": "North is first.", "answer": "North: 120.5, not 77."}),
    )
}

fn prompt() -> Value {
    json!({"cell_type": "code", "id": "q", "source": "> best?\n", "execution_count": 3, "outputs": [],
        "metadata": {"tags": ["mine"], "scrolled": true}})
}

fn two_steps() -> Vec<Value> {
    vec![
        stream("stderr", "a warning\n"),
        step(1, "df.nope", 4, "error"),
        stream("stderr", "AttributeError: nope\n"),
        step(2, "df.mean()", 5, "ok"),
        stream("stdout", "printed\n"),
        result("120.5", 2),
        answered(),
    ]
}

#[track_caller]
fn check(outputs: &[Value], expected: Expect) {
    let cells = turn_cells(&prompt(), &TurnRecord::read(outputs).unwrap());
    let mut all = vec![cells.prompt];
    all.extend(cells.below);
    let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn steps_become_cells_with_their_own_counts_and_outputs() {
    check(
        &two_steps(),
        expect![[r#"
            {"cell_type":"code","id":"q","source":"> best?\n","execution_count":3,"outputs":[{"output_type":"stream","name":"stderr","text":"a warning\n"}],"metadata":{"tags":["mine","datarus-prompt","skip-execution"],"scrolled":true,"datarus":{"v":1,"role":"prompt","turn":"t_1","prompt_sha":"7d2a9761abddc135ee9ff3308358e50be690e6bf3af50128e6d29477d3a8a7dc","status":"done","mode":"agentic","model":"mini","model_sha256":"ab12","dialect":"datarus","profile":"compact","seed":7,"sampling":{"kind":"greedy"},"tokens":[120,40],"sandbox":"landlock","notices":["Shortened."]}}}
            {"cell_type":"markdown","id":"t_1-1t","metadata":{"tags":["datarus-thought"],"datarus":{"v":1,"role":"thought","turn":"t_1","step":1,"src_sha":"91c09c9bc184e81ccf9d00cbaec7d897994beacf5225e26aa1503d5f702f095d"}},"source":"<details><summary>Step 1 · Thought 1</summary>\n\nThought 1. More <b>of</b> it &lt;/details>.\n\n</details>"}
            {"cell_type":"code","id":"t_1-1c","metadata":{"tags":["datarus-code","datarus-failed","skip-execution"],"datarus":{"v":1,"role":"code","turn":"t_1","step":1,"src_sha":"fd93c4b91d23bfce2f512510e38d108f83ac062a0d17a20528ca534e0ffbfd4c","status":"error","seconds":0.5},"jupyter":{"source_hidden":true,"outputs_hidden":true}},"source":"df.nope","execution_count":4,"outputs":[{"output_type":"stream","name":"stderr","text":"AttributeError: nope\n"}]}
            {"cell_type":"markdown","id":"t_1-2t","metadata":{"tags":["datarus-thought"],"datarus":{"v":1,"role":"thought","turn":"t_1","step":2,"src_sha":"dd67d6c7105fc69d905ee8cfad97895c33e19c9c50b2de9102e85cb1c2827f36"}},"source":"<details><summary>Step 2 · Thought 2</summary>\n\nThought 2. More <b>of</b> it &lt;/details>.\n\n</details>"}
            {"cell_type":"code","id":"t_1-2c","metadata":{"tags":["datarus-code"],"datarus":{"v":1,"role":"code","turn":"t_1","step":2,"src_sha":"8a1d9054af2d7c980c180b655012a936ae39491b676926c10e0de943f3dcc364","status":"ok","seconds":0.5}},"source":"df.mean()","execution_count":5,"outputs":[{"output_type":"stream","name":"stdout","text":"printed\n"},{"output_type":"execute_result","data":{"text/plain":"120.5"},"metadata":{"width":3},"execution_count":5}]}
            {"cell_type":"markdown","id":"t_1-3t","metadata":{"tags":["datarus-thought"],"datarus":{"v":1,"role":"thought","turn":"t_1","step":3,"src_sha":"5ad1aabbb2160126386a177e586b209cc8779651a26ecddc133b5db43325036d"}},"source":"<details><summary>North is first</summary>\n\nNorth is first.\n\n</details>"}
            {"cell_type":"markdown","id":"t_1-a","metadata":{"tags":["datarus-answer"],"datarus":{"v":1,"role":"answer","turn":"t_1","numbers_not_found":["77"],"src_sha":"c77dbe6b34c168ea8414bf763cea32288cc1bb8154413423141fde0263755ccf"}},"source":"North: [120.5](#cell-id=t_1-2c \"cell 5\"), not 77<sup>?</sup>."}
        "#]],
    );
}

#[test]
fn a_turn_without_an_answer_says_why() {
    check(
        &[end(json!({"kind": "gave_up", "reason": "It took more than 12 steps."}))],
        expect![[r#"
            {"cell_type":"code","id":"q","source":"> best?\n","execution_count":3,"outputs":[],"metadata":{"tags":["mine","datarus-prompt","skip-execution"],"scrolled":true,"datarus":{"v":1,"role":"prompt","turn":"t_1","prompt_sha":"7d2a9761abddc135ee9ff3308358e50be690e6bf3af50128e6d29477d3a8a7dc","status":"gave_up","mode":"agentic","model":"mini","model_sha256":"ab12","dialect":"datarus","profile":"compact","seed":7,"sampling":{"kind":"greedy"},"tokens":[120,40],"sandbox":"landlock","notices":["Shortened."]}}}
            {"cell_type":"markdown","id":"t_1-a","metadata":{"tags":["datarus-answer"],"datarus":{"v":1,"role":"answer","turn":"t_1","src_sha":"3c9a09914d1e1efd85087c415821e200ce95943267c5eae6a833a10d7af97775"}},"source":"**No answer.** It took more than 12 steps."}
        "#]],
    );
}

#[test]
fn a_turn_that_was_cut_off_keeps_what_it_has() {
    check(
        &two_steps()[..3],
        expect![[r#"
            {"cell_type":"code","id":"q","source":"> best?\n","execution_count":3,"outputs":[{"output_type":"stream","name":"stderr","text":"a warning\n"}],"metadata":{"tags":["mine","datarus-prompt","skip-execution"],"scrolled":true,"datarus":{"v":1,"role":"prompt","turn":"t_1","prompt_sha":"7d2a9761abddc135ee9ff3308358e50be690e6bf3af50128e6d29477d3a8a7dc","status":"failed"}}}
            {"cell_type":"markdown","id":"t_1-1t","metadata":{"tags":["datarus-thought"],"datarus":{"v":1,"role":"thought","turn":"t_1","step":1,"src_sha":"91c09c9bc184e81ccf9d00cbaec7d897994beacf5225e26aa1503d5f702f095d"}},"source":"<details><summary>Step 1 · Thought 1</summary>\n\nThought 1. More <b>of</b> it &lt;/details>.\n\n</details>"}
            {"cell_type":"code","id":"t_1-1c","metadata":{"tags":["datarus-code","datarus-failed","skip-execution"],"datarus":{"v":1,"role":"code","turn":"t_1","step":1,"src_sha":"fd93c4b91d23bfce2f512510e38d108f83ac062a0d17a20528ca534e0ffbfd4c","status":"error","seconds":0.5},"jupyter":{"source_hidden":true,"outputs_hidden":true}},"source":"df.nope","execution_count":4,"outputs":[{"output_type":"stream","name":"stderr","text":"AttributeError: nope\n"}]}
            {"cell_type":"markdown","id":"t_1-a","metadata":{"tags":["datarus-answer"],"datarus":{"v":1,"role":"answer","turn":"t_1","src_sha":"33ce71af1f4a0922811e0cd4aa22e5f227fb43b42d724baad45ef9f8b3484f9b"}},"source":"**No answer.** The turn ended early."}
        "#]],
    );
}

#[test]
fn what_ran_of_a_failed_step_becomes_a_cell_when_later_steps_need_it() {
    let mut record = TurnRecord::read(&two_steps()).unwrap();
    record.steps[0].kept = Some(String::from("df = 1"));
    record.steps[0].outputs.insert(0, stream("stdout", "before\n"));
    let cells = turn_cells(&prompt(), &record);
    let kept = cells.below.iter().find(|cell| cell["id"] == "t_1-1k").unwrap();
    assert_eq!(
        kept["source"],
        "# What ran of step 1 before it failed: later steps use it.\ndf = 1"
    );
    assert_eq!(kept["outputs"], json!([stream("stdout", "before\n")]));
    assert!(!has_tag(kept, "skip-execution"));
}

#[test]
fn outputs_without_a_step_are_no_turn() {
    assert_eq!(TurnRecord::read(&[stream("stdout", "1\n")]), None);
    assert_eq!(TurnRecord::read(&[]), None);
}

#[test]
fn a_turn_is_found_below_its_prompt_and_stands_while_the_prompt_is_unchanged() {
    let cells = turn_cells(&prompt(), &TurnRecord::read(&two_steps()).unwrap());
    let mut all =
        vec![json!({"cell_type": "markdown", "source": "", "metadata": {}}), cells.prompt];
    all.extend(cells.below);
    let end = all.len();
    all.push(json!({"cell_type": "code", "source": "1", "metadata": {}}));
    assert_eq!(turn_below(&all, 1), 2..end);
    assert!(answer_stands(&all, 1));
    assert_eq!(turn_below(&all, 0), 1..1);
    assert!(!answer_stands(&all, 0));

    let mut changed = all.clone();
    changed[1]["source"] = json!("> worst?");
    assert_eq!(turn_below(&changed, 1), 2..end);
    assert!(!answer_stands(&changed, 1));

    // Half of a question that was split.
    let mut split = all.clone();
    split.insert(
        2,
        json!({"cell_type": "code", "source": "x", "metadata": {"datarus": {"turn": "t_1"}}}),
    );
    assert_eq!(turn_below(&split, 1), 2..2);

    let mut without_answer = all.clone();
    without_answer.remove(end - 1);
    assert!(!answer_stands(&without_answer, 1));
    assert!(!answer_stands(&all, 99));
}

#[test]
fn the_hash_of_a_source_ignores_line_ends_and_trailing_blanks() {
    assert_eq!(source_sha("> a\r\nb \n"), source_sha("> a\nb"));
    assert_ne!(source_sha("> a"), source_sha("> b"));
    assert_eq!(source_sha(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn the_title_of_a_fold_ends_with_the_first_line_whatever_ends_that() {
    let naming = Naming { turn: "t_1", pass: 0 };
    for thought in ["Look.\nAt it.", "Look.\r\r![at](it)"] {
        let cell = thought_cell(naming, 1, thought).unwrap();
        let source = cell["source"].as_str().unwrap();
        assert!(
            source.starts_with("<details><summary>Step 1 · Look</summary>\n\nLook."),
            "{source}"
        );
    }
}
