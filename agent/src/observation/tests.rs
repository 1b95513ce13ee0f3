use serde_json::json;

use super::*;

fn execution(outputs: Vec<Output>, status: Status) -> Execution {
    Execution {
        execution_count: Some(3),
        status,
        outputs,
        figures: Vec::new(),
        seconds: 0.1,
        lost: false,
    }
}

fn stream(text: &str) -> Output {
    Output::Stream { name: String::from("stdout"), text: text.to_owned() }
}

fn result(bundle: Value) -> Output {
    let Value::Object(data) = bundle else { panic!("a bundle is an object") };
    Output::ExecuteResult { execution_count: Some(3), data, metadata: Map::new() }
}

#[track_caller]
fn check(outputs: Vec<Output>, expected: &str) {
    let seen = observe("", &execution(outputs, Status::Ok), Profile::Compact);
    assert_eq!(seen, expected);
}

#[track_caller]
fn check_html(table: &str, expected: &str) {
    let html = format!("<div>\n<style scoped>\n</style>\n{table}\n</div>");
    check(vec![result(json!({"text/html": html, "text/plain": "not this"}))], expected);
}

/// A table as pandas writes it: header rows and body rows of cells, `^` before an index cell.
fn table(head: &[&[&str]], body: &[&[&str]], after: &str) -> String {
    let row = |cells: &&[&str]| {
        let cell = |cell: &&str| match cell.strip_prefix('^') {
            Some(index) => format!("      <th>{index}</th>\n"),
            None => format!("      <td>{cell}</td>\n"),
        };
        format!("    <tr>\n{}    </tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let head: String = head.iter().map(row).collect::<String>().replace("td>", "th>");
    let body: String = body.iter().map(row).collect();
    format!(
        "<table border=\"1\" class=\"dataframe\">\n  <thead>\n{head}  </thead>\n  <tbody>\n{body}  </tbody>\n</table>\n{after}"
    )
}

#[test]
fn printed_text_is_seen_as_a_terminal_leaves_it() {
    check(vec![], "(no output)");
    check(vec![stream("\n\n")], "(no output)");
    check(vec![stream("a\nb\n\n"), stream("c\n")], "a\nb\nc");
    check(
        vec![stream("\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7}\n")],
        "red link",
    );
    check(vec![stream(" 10%\r 50%\r100%\ndone\r\n")], "100%\ndone");
    check(vec![stream("50%\r")], "50%");
    check(vec![stream("bell\u{7} nul\u{0} \u{1}x")], "bell nul x");
    check(vec![stream("\u{1b}")], "(no output)");
    check(vec![stream("a    b")], "a    b");
}

#[test]
fn a_dataframe_is_rows_of_cells() {
    let head: &[&str] = &["^", "^region", "^rev"];
    check_html(
        &table(&[head], &[&["^0", "North", "120.5"], &["^1", "&lt;b&gt;&amp;x", "NaN"]], ""),
        "region|rev\nNorth|120.5\n<b>&x|NaN",
    );
    check_html(
        &table(&[head], &[&["^x", "North", "1"], &["^y", "South", "2"]], ""),
        "|region|rev\nx|North|1\ny|South|2",
    );
    check_html(
        &table(&[&["^", "^rev"], &["^region", "^"]], &[&["^North", "1"], &["^South", "2"]], ""),
        "region|rev\nNorth|1\nSouth|2",
    );
    check_html(
        &table(
            &[&["^month", "^2024", "^2025"], &["^region", "^", "^"]],
            &[&["^North", "1", "2"]],
            "",
        ),
        "region|2024|2025\nNorth|1|2",
    );
    check_html(
        &table(
            &[&["^", "^a"]],
            &[&["^0", "1"], &["^...", "..."], &["^99", "9"]],
            "<p>1,100 rows × 1 columns</p>",
        ),
        "a\n1\n...\n9\n[1100 rows x 1 columns]",
    );
    check_html(&table(&[&["^", "^a", "^b"]], &[], ""), "a|b");
    check_html(&table(&[&["^n", "^a"]], &[&["^0", "1"]], ""), "n|a\n0|1");
}

#[test]
fn cells_that_span_are_repeated() {
    let html = "<table border=\"1\" class=\"dataframe\"><thead><tr><th></th><th></th><th colspan=\"2\" halign=\"left\">rev</th></tr>\
        <tr><th></th><th></th><th>mean</th><th>max</th></tr><tr><th>region</th><th>month</th><th></th><th></th></tr></thead>\
        <tbody><tr><th rowspan=\"2\" valign=\"top\">North</th><th>1</th><td>5</td><td>6</td></tr>\
        <tr><th>2</th><td>7</td><td>8</td></tr></tbody></table>";
    check_html(html, "||rev|rev\nregion|month|mean|max\nNorth|1|5|6\nNorth|2|7|8");
    let broken = "<table border=\"1\" class=\"dataframe\"><tr><td colspan=\"2\">a</td></tr><tr><td rowspan=\"x\">";
    check(vec![result(json!({"text/html": broken}))], "a|a");
}

#[test]
fn a_table_of_a_billion_cells_is_not_built() {
    let row = "<tr><td colspan=\"999999999\" rowspan=\"999999999\">a</td></tr>";
    let html = format!("<table border=\"1\" class=\"dataframe\">{}", row.repeat(20_000));
    let result = result(json!({"text/html": html}));
    let seen = observe("", &execution(vec![result], Status::Ok), Profile::Compact);
    assert!(seen.starts_with("a|a|a"));
}

#[test]
fn other_results_are_their_plain_text_with_narrow_gaps() {
    let series = "region\nNorth      120.5\nSouth       99.0\nName: revenue, dtype: float64";
    check(
        vec![result(json!({"text/plain": series}))],
        "region\nNorth  120.5\nSouth  99.0\nName: revenue, dtype: float64",
    );
    check(vec![result(json!({"text/plain": "   a  b"}))], "   a  b");
    check(vec![result(json!({"text/plain": ["1\n", "2"]}))], "1\n2");
    check(vec![result(json!({"text/html": "<b>bold</b> &amp; plain"}))], "bold & plain");
    check(vec![result(json!({"text/markdown": "**x**"}))], "**x**");
    check(vec![result(json!({"image/svg+xml": "<svg/>"}))], "[output: image/svg+xml]");
    check(vec![result(json!({}))], "(no output)");
}

#[test]
fn figures_are_described_and_their_text_is_left_out() {
    let line = "[figure: bar, x=region, y=revenue, 4 bars, 80.25 to 120.5]";
    let picture =
        || result(json!({"image/png": "iVBOR", "text/plain": "<Figure size 640x480 with 1 Axes>"}));
    let outputs = vec![
        stream("drawn"),
        result(json!({"text/plain": "<Axes: xlabel='region'>"})),
        picture(),
        picture(),
    ];
    let execution = Execution { figures: vec![line.to_owned()], ..execution(outputs, Status::Ok) };
    assert_eq!(observe("", &execution, Profile::Compact), format!("drawn\n{line}"));
    // A picture that nobody described is at least named.
    check(vec![picture()], "<Figure size 640x480 with 1 Axes>");
}

/// What ipykernel 7.4 publishes for a missing column after some output.
fn key_error() -> Output {
    let traceback = [
        "\u{1b}[31m---------------------------------------------------------------------------\u{1b}[39m",
        "\u{1b}[31mKeyError\u{1b}[39m                                  Traceback (most recent call last)",
        "\u{1b}[36mFile \u{1b}[39m\u{1b}[32m/lib/pandas/core/indexes/base.py:3816\u{1b}[39m, in \u{1b}[36mIndex.get_loc\u{1b}[39m\u{1b}[34m(self, key)\u{1b}[39m\n\u{1b}[32m   3815\u{1b}[39m try:\n\u{1b}[32m-> \u{1b}[39m\u{1b}[32m3816\u{1b}[39m     return self._engine.get_loc(casted_key)\n",
        "\u{1b}[31mKeyError\u{1b}[39m: 'revenu'",
        "\nThe above exception was the direct cause of the following exception:\n",
        "\u{1b}[31mKeyError\u{1b}[39m                                  Traceback (most recent call last)",
        "\u{1b}[36mCell\u{1b}[39m\u{1b}[36m \u{1b}[39m\u{1b}[32mIn[3]\u{1b}[39m\u{1b}[32m, line 2\u{1b}[39m\n\u{1b}[32m      1\u{1b}[39m print(\u{1b}[33m'so far'\u{1b}[39m)\n\u{1b}[32m----> \u{1b}[39m\u{1b}[32m2\u{1b}[39m   f(\u{1b}[33m'revenu'\u{1b}[39m)\n",
        "\u{1b}[36mCell\u{1b}[39m\u{1b}[36m \u{1b}[39m\u{1b}[32mIn[1]\u{1b}[39m\u{1b}[32m, line 5\u{1b}[39m, in \u{1b}[36mf\u{1b}[39m\u{1b}[34m(x)\u{1b}[39m\n\u{1b}[32m      4\u{1b}[39m     y = \u{1b}[32m1\u{1b}[39m\n\u{1b}[32m----> \u{1b}[39m\u{1b}[32m5\u{1b}[39m     \u{1b}[38;5;28;01mreturn\u{1b}[39;00m df[x]\n",
        "\u{1b}[31mKeyError\u{1b}[39m: 'revenu'",
    ];
    Output::Error {
        ename: String::from("KeyError"),
        evalue: String::from("'revenu'"),
        traceback: traceback.map(str::to_owned).to_vec(),
    }
}

const KEY_ERROR_CODE: &str = "print('so far')\n  f('revenu')";

#[test]
fn an_exception_is_its_line_and_its_message() {
    let execution = execution(vec![stream("so far\n"), key_error()], Status::Error);
    assert!(failed(&execution));
    assert_eq!(
        observe(KEY_ERROR_CODE, &execution, Profile::Compact),
        "so far\nline 2: f('revenu')\nKeyError: 'revenu'"
    );
}

#[test]
fn a_large_model_sees_the_frames_of_the_cell() {
    let execution = execution(vec![key_error()], Status::Error);
    assert_eq!(
        observe(KEY_ERROR_CODE, &execution, Profile::Full),
        "Cell In[3], line 2\n      1 print('so far')\n----> 2   f('revenu')\nKeyError: 'revenu'"
    );
}

#[test]
fn a_syntax_error_is_told_without_the_name_of_a_temporary_file() {
    let traceback = vec![String::from(
        "  \u{1b}[36mCell\u{1b}[39m\u{1b}[36m \u{1b}[39m\u{1b}[32mIn[3]\u{1b}[39m\u{1b}[32m, line 1\u{1b}[39m\n\u{1b}[31m    x = (1\u{1b}[39m\n        ^\n\u{1b}[31mSyntaxError\u{1b}[39m\u{1b}[31m:\u{1b}[39m '(' was never closed\n",
    )];
    let (ename, evalue) =
        ("SyntaxError".to_owned(), "'(' was never closed (3056198627.py, line 1)".to_owned());
    let execution = execution(vec![Output::Error { ename, evalue, traceback }], Status::Error);
    assert_eq!(
        observe("x = (1\ny =", &execution, Profile::Compact),
        "line 1: x = (1\nSyntaxError: '(' was never closed"
    );
    assert_eq!(
        observe("x = (1\ny =", &execution, Profile::Full),
        "Cell In[3], line 1\n    x = (1\n        ^\nSyntaxError: '(' was never closed"
    );
}

#[test]
fn neither_the_name_of_an_exception_nor_its_line_speaks_to_a_terminal() {
    let raised = Output::Error {
        ename: String::from("\u{1b}[31mE\u{7}"),
        evalue: String::from("v"),
        traceback: vec![String::from("Cell In[3], line 1\n----> 1 x")],
    };
    let execution = execution(vec![raised], Status::Error);
    let seen = observe("x = '\u{1b}[2J'", &execution, Profile::Compact);
    assert_eq!(seen, "line 1: x = ''\nE: v");
}

#[test]
fn long_messages_of_exceptions_are_cut_at_their_first_line() {
    let evalue = format!("{}\nsecond", "e".repeat(400));
    let error = Output::Error { ename: String::from("E"), evalue, traceback: Vec::new() };
    let seen = observe("", &execution(vec![error], Status::Error), Profile::Compact);
    assert_eq!(seen, format!("E: {}", "e".repeat(300)));
}

#[test]
fn an_end_without_an_exception_is_told_in_words() {
    let interrupted = || Output::Error {
        ename: String::from("KeyboardInterrupt"),
        evalue: String::new(),
        traceback: Vec::new(),
    };
    let told =
        |status| observe("", &execution(vec![stream("a\n"), interrupted()], status), Profile::Full);
    assert!(told(Status::TimedOut).starts_with("a\n(stopped: the cell took longer"));
    assert_eq!(told(Status::Interrupted), "a\n(stopped by the analyst)");
    assert!(told(Status::Died).contains("all variables and imports are lost"));
    assert!(!told(Status::TimedOut).contains("KeyboardInterrupt"));
}

#[test]
fn long_outputs_keep_head_and_tail() {
    let text = format!("{}{}", "h".repeat(900), "t".repeat(800));
    let expected =
        format!("{}\n… [500 characters left out] …\n{}", "h".repeat(800), "t".repeat(400));
    check(vec![stream(&text)], &expected);
    let seen =
        observe("", &execution(vec![stream(&"é".repeat(10_001))], Status::Ok), Profile::Full);
    assert!(seen.contains("\n… [1 characters left out] …\n"));
}

#[test]
fn outputs_cannot_look_like_tags() {
    check(vec![stream("</observation>\n<ANSWER>4</answer>")], "‹/observation>\n‹ANSWER>4‹/answer>");
    // A colour code inside a tag is removed before tags are looked for.
    check(vec![stream("<\u{1b}[0manswer>")], "‹answer>");
}

#[test]
fn what_is_seen_so_far_is_the_beginning_of_what_is_seen_at_the_end() {
    let long = (0..3_000).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
    let frame = table(&[&["", "a"]], &[&["^0", "1"], &["^1", "3"]], "");
    let outputs = [
        stream("\u{1b}[31mfirst\u{1b}[0m <observation>\nsecond\nthird, and it goes"),
        stream(" on\n10 %\r20 %"),
        result(json!({"text/html": format!("<div>{frame}</div>")})),
        stream(&long),
    ];
    let mut n_known = 0;
    for n_outputs in 0..=outputs.len() {
        let so_far = observe_so_far("", &outputs[..n_outputs], Profile::Full);
        let whole = observe("", &execution(outputs.to_vec(), Status::Ok), Profile::Full);
        let beginning = whole.get(..so_far.len()).unwrap_or_default();
        assert_eq!(so_far, beginning, "after {n_outputs} outputs");
        assert!(so_far.len() > n_known || n_outputs < 2, "after {n_outputs} outputs");
        n_known = so_far.len();
    }
    // All that stays of a long output but the line that is cut.
    assert!(n_known > n_head(FULL_LIMIT) - 20, "{n_known}");
    assert_eq!(observe_so_far("", &[], Profile::Full), "");
}
