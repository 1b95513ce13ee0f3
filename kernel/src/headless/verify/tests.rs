use super::parts::Part;
use super::*;
use crate::cells::STEP_MIME;

/// A code cell with this metadata of ours, these tags, and one output, if any.
fn cell(source: &str, datarus: &Value, tags: &[&str], output: &Value) -> Value {
    let outputs = if output.is_null() { json!([]) } else { json!([output]) };
    json!({"cell_type": "code", "id": "c", "execution_count": 3, "source": source, "outputs": outputs,
        "metadata": {"datarus": datarus, "tags": tags}})
}

fn shown() -> Value {
    json!({"output_type": "execute_result", "data": {"text/plain": "999"}})
}

fn nothing_found() -> Verified {
    Verified {
        holds: true,
        data: Vec::new(),
        versions: Vec::new(),
        cells: 0,
        unreached: 0,
        outputs: Vec::new(),
        not_run: Vec::new(),
        failed: Vec::new(),
        numbers_held: 0,
        numbers_lost: Vec::new(),
        numbers_never_found: 0,
        seconds: 0.0,
        ending: Ending::Done,
    }
}

#[test]
fn a_cell_is_judged_as_the_kernel_judges_it() {
    let (none, said) = (Value::Null, json!({"output_type": "stream", "text": "no model"}));
    let turn = json!({"output_type": "display_data", "data": {STEP_MIME: {}, "text/plain": "…"}});
    let check = |cell: Value, part: Part| assert_eq!(part_of(&cell), part, "{cell}");
    check(cell("1 + 1", &none, &[], &shown()), Part::Code);
    check(cell("%%py\nnot python", &none, &[], &none), Part::Code);
    check(cell("total", &json!("odd"), &[], &none), Part::Code);
    // Typed where no page notes what a cell is.
    check(cell("> compare the regions", &none, &[], &turn), Part::Silent);
    check(cell("> compare the regions", &none, &[], &said), Part::Silent);
    check(cell("Hello, world", &none, &[], &turn), Part::Silent);
    check(cell("Hello, world", &none, &[], &none), Part::Code);
    check(cell("%datarus sandbox off", &none, &[], &said), Part::Silent);
    check(cell("x y z", &json!({"role": "prompt"}), &["skip-execution"], &said), Part::Silent);
    check(cell("1 / 0", &none, &["datarus-failed", "skip-execution"], &said), Part::Silent);
    check(cell("1", &none, &["skip-execution"], &none), Part::Silent);
}

#[test]
fn what_is_shown_and_was_not_run_is_told() {
    let none = Value::Null;
    let check = |cell: Value| assert!(matches!(part_of(&cell), Part::Unchecked(_)), "{cell}");
    check(cell("1", &none, &["skip-execution"], &shown()));
    check(cell(" ", &none, &[], &shown()));
    check(cell("> How much was it?", &none, &[], &shown()));
    check(cell("%datarus sandbox off", &none, &[], &shown()));
}

#[test]
fn a_cell_that_runs_is_python_whatever_its_metadata_say() {
    let mut notebook = Notebook::default();
    notebook.cells = vec![cell("total", &json!(5), &[], &Value::Null)];
    let made = only_code(&notebook, &[Part::Code]);
    assert_eq!(datarus(&made.cells[0], "role"), Some(&json!("code")));
    assert_eq!(only_code(&notebook, &[Part::Silent]).cells[0]["cell_type"], "raw");
}

#[test]
fn what_was_not_there_is_not_counted_as_held() {
    let text = nothing_found().as_text();
    assert_eq!(text, "holds: no cell ran, no answer with numbers, no data files are named");
}

#[test]
fn a_file_that_cells_may_not_read_is_named_with_what_lets_them() {
    let missed = |file: &str| Failed {
        id: String::from("a"),
        execution_count: None,
        ename: String::from("FileNotFoundError"),
        evalue: format!("[Errno 2] No such file or directory: '{file}'"),
    };
    for (state, file, said) in [
        (DataState::Same, "../x.csv", true),
        (DataState::Same, "other.csv", false),
        (DataState::Missing, "../x.csv", false),
    ] {
        let data = vec![DataFile { path: String::from("../x.csv"), state }];
        let found = Verified { data, failed: vec![missed(file)], holds: false, ..nothing_found() };
        assert_eq!(found.as_text().contains("`--readable`"), said, "{file}");
    }
}

#[test]
fn an_interrupted_check_does_not_say_that_it_holds() {
    let interrupted =
        Verified { ending: Ending::Interrupted, holds: false, unreached: 3, ..nothing_found() };
    assert!(interrupted.as_text().starts_with("interrupted with 3 of 3 cells left: no cell ran, "));
}

#[test]
fn an_answer_is_not_judged_by_outputs_of_before() {
    let of = |role: &str, kind: &str, source: &str| {
        json!({"cell_type": kind, "id": role, "source": source, "outputs": [shown()],
            "metadata": {"datarus": {"role": role, "turn": "t_1"}}})
    };
    let cells = [
        of("prompt", "code", "?"),
        of("code", "code", "f()"),
        of("answer", "markdown", "It is 999."),
    ];
    assert_eq!(numbers(&cells, &cells).held, 1);
    for reached in 0..3 {
        let (was, _) = cells.split_at(reached);
        assert_eq!(numbers(was, was).held, 0);
    }
}

#[test]
fn text_of_a_notebook_says_to_a_terminal_nothing_but_itself() {
    let odd = "\u{1b}]0;x\u{7}a\r\nholds: \u{202e}b";
    let text = || odd.to_owned();
    let found = Verified {
        data: vec![DataFile { path: text(), state: DataState::Missing }],
        versions: vec![Changed { name: text(), was: text(), is: text() }],
        not_run: vec![NotRun { id: text(), execution_count: None, why: "has no code" }],
        failed: vec![Failed { id: text(), execution_count: None, ename: text(), evalue: text() }],
        ..nothing_found()
    };
    let said = found.as_text();
    assert_eq!(said.lines().count(), 5);
    assert!(!said.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{said:?}");
}

#[test]
fn a_question_that_is_asked_all_the_same_is_refused_without_a_panic() {
    let config = Config::resolve(&crate::cli::EngineArgs::default(), Vec::new());
    if let Ok(config) = config {
        assert!(no_model()(&config).is_err());
    }
}
