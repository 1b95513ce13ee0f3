//! What a report says, for a reader and for a reviewer, as Markdown: the most legible of the formats.

use expect_test::{Expect, expect, expect_file};
use serde_json::{Value, json};

use super::*;

fn cell(kind: &str, id: &str, source: &str, datarus: Value) -> Value {
    let mut metadata = json!({});
    if !datarus.is_null() {
        metadata["datarus"] = datarus;
    }
    json!({"cell_type": kind, "id": id, "metadata": metadata, "source": source, "outputs": [], "execution_count": 4})
}

fn of_turn(role: &str, more: Value) -> Value {
    let mut facts = json!({"role": role, "turn": "t_1"});
    facts.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    facts
}

/// A question, a step that failed, one that worked, and an answer with a number that none printed.
fn notebook() -> Notebook {
    let mut notebook = Notebook::default();
    let facts = json!({"model": "mini", "model_sha256": "ab12", "seed": 7, "sampling": {"kind": "top_p", "p": 0.9},
        "tokens": [120, 40], "status": "done", "prompt_sha": "cd34",
        "data": {"changes": "Files since the last question: new: sales.csv.",
            "profiles": ["sales.csv: 2 rows: region text (North)", "shop.db:\n  a: 1 row: id int"]}});
    let mut failed =
        cell("code", "t_1-1c", "df.nope", of_turn("code", json!({"step": 1, "status": "error"})));
    failed["metadata"]["tags"] = json!(["datarus-code", "datarus-failed", "skip-execution"]);
    failed["outputs"] =
        json!([{"output_type": "stream", "name": "stderr", "text": "AttributeError: nope\n"}]);
    let mut worked =
        cell("code", "t_1-2c", "df.mean()", of_turn("code", json!({"step": 2, "seconds": 0.5})));
    worked["outputs"] = json!([{"output_type": "stream", "name": "stdout", "text": "120.5\n"}]);
    let thought = |step: u64, text: &str| {
        let source = format!("<details><summary>Step {step}</summary>\n\n{text}\n\n</details>");
        cell(
            "markdown",
            &format!("t_1-{step}t"),
            &source,
            of_turn("thought", json!({"step": step})),
        )
    };
    let answer =
        "North: [120.5](#cell-id=t_1-2c \"cell 4\"), not 77<sup>?</sup> ([1](#cell-id=gone)).";
    notebook.cells = vec![
        cell("markdown", "m", "# Sales\n\nOf *one* year.", Value::Null),
        cell("code", "q", "> best?", of_turn("prompt", facts)),
        thought(1, "Try a name."),
        failed,
        thought(2, "Then the mean. It is short."),
        worked,
        cell("markdown", "t_1-a", answer, of_turn("answer", json!({"numbers_not_found": ["77"]}))),
    ];
    let data = json!({"path": "sales.csv", "rows": 2, "sha256": "ef56"});
    let env = json!({"python": "3.11.7", "packages": {"pandas": "3.1.1"}});
    notebook
        .metadata
        .insert("datarus".into(), json!({"version": "0.1.0", "datasets": [data], "env": env}));
    notebook
}

#[track_caller]
fn check(expected: Expect) {
    expected.assert_eq(&md(&report(&notebook(), Audience::Reader, None), "files").text);
}

#[test]
fn a_reader_gets_the_answer_and_folded_code() {
    check(expect![[r##"
        # Sales

        *Data: sales.csv (2 rows). 1 of 2 numbers link to the cell that printed them; the others are marked (?).*

        Of *one* year.

        <a id="question-1"></a>

        ## best?

        North: [120.5](#cell-t_1-2c), not 77<sup>?</sup> (1).

        *1 of 2 numbers was found in no output of this question's steps: 77.*

        <details><summary>How this was computed: 1 step of Python</summary>

        Then the mean

        <a id="cell-t_1-2c"></a>

        Cell 4:

        ```python
        df.mean()
        ```

        ```text
        120.5
        ```

        </details>
    "##]]);
}

#[test]
fn a_reviewer_gets_every_step_and_what_it_takes_to_check_them() {
    let text = md(&report(&notebook(), Audience::Reviewer, None), "files").text;
    expect_file!["tests/reviewer.md"].assert_eq(&text);
}

#[test]
fn the_same_notebook_makes_the_same_bytes() {
    for audience in [Audience::Reader, Audience::Reviewer] {
        let made = || report(&notebook(), audience, None);
        assert_eq!(docx(&made()), docx(&made()));
        assert_eq!(html(&made()), html(&made()));
        assert_eq!(typst(&made()), typst(&made()));
    }
}

#[test]
fn the_language_is_that_of_the_script_unless_it_is_named() {
    let mut notebook = notebook();
    let language = |notebook: &Notebook, named| report(notebook, Audience::Reader, named).language;
    assert_eq!(language(&notebook, None), "en");
    notebook.cells[1]["source"] = json!("> どの地域が一番？");
    assert_eq!(language(&notebook, None), "ja");
    assert_eq!(language(&notebook, Some("de")), "de");
}

#[test]
fn a_clean_notebook_has_questions_as_text_and_no_failed_step() {
    let clean = clean(&notebook(), Audience::Reader);
    let cells: Vec<_> = clean
        .cells
        .iter()
        .map(|cell| (cell["cell_type"].as_str().unwrap(), cell["source"].as_str().unwrap()))
        .collect();
    assert_eq!(cells[1..3], [("markdown", "## best?"), ("code", "df.mean()")]);
    assert_eq!(cells.len(), 4);
    assert_eq!(clean.metadata["kernelspec"]["name"], "python3");
}

#[test]
fn a_clean_notebook_keeps_what_it_can_be_checked_by() {
    for audience in [Audience::Reader, Audience::Reviewer] {
        let clean = clean(&notebook(), audience);
        let facts = clean.metadata["datarus"].as_object().unwrap();
        assert_eq!(facts.keys().collect::<Vec<_>>(), ["datasets", "env"]);
        assert_eq!(facts["datasets"], notebook().metadata["datarus"]["datasets"]);
        let role = |cell: &Value| cell["metadata"]["datarus"]["role"].clone();
        let prompt = clean.cells.iter().position(|cell| role(cell) == "question").unwrap();
        // All cells of the turn are still known as its own, and the number that was not found too.
        assert_eq!(crate::cells::turn_below(&clean.cells, prompt).end, clean.cells.len());
        assert_eq!(numbers(&clean), numbers(&notebook()));
    }
}

#[test]
fn a_question_and_a_title_that_say_nothing_are_named() {
    let mut notebook = notebook();
    notebook.cells[0]["source"] = json!("#\n\nOf one year.");
    notebook.cells[1]["source"] = json!("%%ask");
    let text = md(&report(&notebook, Audience::Reader, None), "files").text;
    assert!(text.starts_with("# Question 1\n") && text.contains("## Question 1\n"), "{text}");
    notebook.cells.truncate(1);
    let text = md(&report(&notebook, Audience::Reader, None), "files").text;
    assert!(text.starts_with("# Report\n"), "{text}");
}

#[test]
fn a_table_is_shown_within_bounds_and_says_what_is_left_out() {
    let mut notebook = notebook();
    let row = |cell: &str| format!("<tr>{}</tr>", cell.repeat(100));
    let rows = row("<td>1</td>").repeat(70);
    let html =
        format!("<table class=\"dataframe\"><thead>{}</thead>{rows}</table>", row("<th>n</th>"));
    let shown = json!({"output_type": "display_data", "metadata": {}, "data": {"text/html": html}});
    notebook.cells[5]["outputs"] = json!([shown]);
    let typed = format!("{}|\n{}|\n", "|n".repeat(70), "|-".repeat(70));
    notebook.cells[0] = json!({"cell_type": "markdown", "metadata": {}, "source": typed});
    let made = report(&notebook, Audience::Reader, None);
    let said = "10 more rows and 60 more columns are not shown.";
    for text in [md(&made, "files").text, super::html(&made), typst(&made).source] {
        assert!(text.contains(said) && text.contains("7 more columns are not shown."));
    }
    let reviewed = md(&report(&notebook, Audience::Reviewer, None), "files").text;
    assert!(reviewed.contains("\n*37 more columns are not shown.*\n"));
}

#[test]
fn what_names_a_column_of_numbers_is_set_as_these_are() {
    let mut notebook = notebook();
    let html = "<table class=\"dataframe\"><thead><tr><th></th><th>origin</th><th>late</th></tr></thead>\
        <tbody><tr><th>0</th><td>EWR</td><td>24.2</td></tr><tr><th>1</th><td>JFK</td><td>-2.0</td></tr></tbody></table>";
    let shown = json!({"output_type": "display_data", "metadata": {}, "data": {"text/html": html}});
    notebook.cells[5]["outputs"] = json!([shown]);
    let made = report(&notebook, Audience::Reader, None);
    let page = super::html(&made);
    assert!(page.contains("<th scope=\"col\" class=\"number\" dir=\"auto\">late</th>"), "{page}");
    assert!(page.contains("<th scope=\"col\" dir=\"auto\">origin</th>"), "{page}");
    assert!(typst(&made).source.contains("align(right, strong((\"late\")))"));
}
