use super::*;

mod deepanalyze;
mod markdown;

const STEP: &str = "<step>\n<thought>Look at it.</thought>\n<action>python_executor</action>\n<action_input>\nimport pandas as pd\ndf.head()\n</action_input>";
const END: &str = "<stop_analysis>\n<thought>North is first.</thought>\n<answer>North: **120.5**.</answer>\n</stop_analysis>";

fn run(thought: &str, code: &str) -> Action {
    let (understanding, thought) = (String::new(), thought.to_owned());
    Action::Run { understanding, thought, code: code.to_owned() }
}

fn answer(thought: &str, answer: &str) -> Action {
    let (understanding, thought) = (String::new(), thought.to_owned());
    Action::Answer { understanding, thought, answer: answer.to_owned() }
}

fn malformed(problem: &str) -> Action {
    Action::Malformed { problem: problem.to_owned() }
}

#[track_caller]
fn check_in(dialect: Dialect, mode: Mode, text: &str, reason: FinishReason, expected: Action) {
    let reading = dialect.parse(mode, text, reason);
    assert_eq!(reading.action, expected, "{text:?}");
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(streamed(dialect.reader(mode), &letters, reason).1, reading, "{text:?}");
}

#[track_caller]
fn check_mode(mode: Mode, text: &str, reason: FinishReason, expected: Action) {
    check_in(Dialect::Datarus, mode, text, reason, expected);
}

#[track_caller]
fn check(text: &str, expected: Action) {
    check_mode(Mode::Agentic, text, FinishReason::Stop, expected);
}

/// The parts as they come, neighbours of one kind joined, and the reading at the end.
fn streamed(
    mut reader: Reader,
    pieces: &[&str],
    reason: FinishReason,
) -> (Vec<(Part, String)>, Reading) {
    let mut parts: Vec<(Part, String)> = Vec::new();
    let mut take = |part: Part, text: &str| match parts.last_mut() {
        Some((last, joined)) if *last == part => joined.push_str(text),
        _ => parts.push((part, text.to_owned())),
    };
    for piece in pieces {
        reader.push(piece, &mut take);
    }
    let reading = reader.finish(reason, &mut take);
    (parts, reading)
}

#[test]
fn the_literal_formats_are_read() {
    check(STEP, run("Look at it.", "import pandas as pd\ndf.head()"));
    check(END, answer("North is first.", "North: **120.5**."));
    let think = "<think>Prices rise.</think>\n<answer>Likely.</answer>";
    check_mode(Mode::Reflection, think, FinishReason::Stop, answer("Prices rise.", "Likely."));
}

#[test]
fn what_models_get_wrong_is_taken() {
    let step =
        |rest: &str| format!("<step><thought>t</thought><action>python_executor</action>{rest}");
    let one = || run("t", "f(1)");
    // Case and blanks of tags.
    check("<STEP>< Thought >t</THOUGHT ><Action_Input>f(1)</ACTION_INPUT>", one());
    // Missing parts.
    check(
        "<step><action>python_executor</action><action_input>f(1)</action_input>",
        run("", "f(1)"),
    );
    check("<step><thought>t</thought><action></action><action_input>f(1)</action_input>", one());
    check("<step><thought>t</thought><action_input>f(1)</action_input>", one());
    check("<thought>t</thought><action_input>f(1)</action_input>", one());
    check(
        "<step><thought>t<action>python_executor</action><action_input>f(1)</action_input>",
        one(),
    );
    check("<step><thought>t<action_input>f(1)</action_input>", one());
    // Missing closing tags at the end.
    check(&step("<action_input>\nf(1)\n"), one());
    check(&step("<action_input>\nf(1)\n</step>"), one());
    check("<stop_analysis><thought>t</thought><answer>North.", answer("t", "North."));
    check(
        "<stop_analysis><thought>t</thought><answer>North.</stop_analysis>",
        answer("t", "North."),
    );
    check("<thought>t</thought><answer>North.</answer>", answer("t", "North."));
    check("<answer>North.</answer>", answer("", "North."));
    // Fences.
    check(&step("<action_input>\n```python\nf(1)\n```\n</action_input>"), one());
    check(&step("<action_input>```py\nf(1)\n```</action_input>"), one());
    check(&step("<action_input>\n```\nf(1)\n"), one());
    check(&step("<action_input>x = '''\n```\n'''</action_input>"), run("t", "x = '''\n```\n'''"));
    // A stray think.
    check(&format!("<think>\n{STEP}"), run("Look at it.", "import pandas as pd\ndf.head()"));
    check(&format!("Hm.</think>\n\n{STEP}"), run("Look at it.", "import pandas as pd\ndf.head()"));
    check(&format!("<think>hm</think>{END}"), answer("North is first.", "North: **120.5**."));
    // Indentation stays, blank lines around go.
    check(&step("<action_input>\n\n  if x:\n    y\n\n</action_input>"), run("t", "  if x:\n    y"));
}

#[test]
fn quoted_tags_are_text() {
    check(
        "<step><thought>I end with `</thought>` and `</step>`.</thought><action_input>f(1)</action_input>",
        run("I end with `</thought>` and `</step>`.", "f(1)"),
    );
    check(
        "<step><thought>the `a </thought> b` tag</thought><action_input>1</action_input>",
        run("the `a </thought> b` tag", "1"),
    );
    check(
        "<step><thought>an open ` tick</thought>\n<action_input>1</action_input>",
        run("an open ` tick", "1"),
    );
    check(
        "<step><action_input>print(\"</action_input>\")\n</action_input>",
        run("", "print(\"</action_input>\")"),
    );
    check(
        "<step><action_input>x = '''\n<step> </step> <observation>\n'''\n</action_input>",
        run("", "x = '''\n<step> </step> <observation>\n'''"),
    );
    check(
        "<step><action_input>if a </step and b> c: f()</action_input>",
        run("", "if a </step and b> c: f()"),
    );
    check(
        "<answer>Write `</answer>` at the end.</answer>",
        answer("", "Write `</answer>` at the end."),
    );
}

#[test]
fn a_stop_string_inside_a_quote_is_no_end() {
    check("<step><action_input>print(\"</action_input>", Action::Incomplete);
    check("<step><action_input>print(\"<observation>", Action::Incomplete);
    check("<step><action_input>x = '''\n<observation>", Action::Incomplete);
    check("<step><thought>I end with `</step>", Action::Incomplete);
    check("<answer>Write `</stop_analysis>", Action::Incomplete);
    // A string that was never closed does not swallow the end of the code.
    check("<step><action_input>x = '''\nf()\n</action_input>", run("", "x = '''\nf()"));
    check("<step><action_input>x = 'a\nf()</action_input>", run("", "x = 'a\nf()"));
}

#[test]
fn what_the_token_limit_cut_is_incomplete() {
    let text = format!("{STEP}{END}");
    for (at, _) in STEP.char_indices() {
        check_mode(Mode::Agentic, &text[..at], FinishReason::Length, Action::Incomplete);
    }
    check_mode(
        Mode::Agentic,
        STEP,
        FinishReason::Length,
        run("Look at it.", "import pandas as pd\ndf.head()"),
    );
}

#[test]
fn a_cut_completion_is_read_on_where_it_stopped() {
    for (at, _) in STEP.char_indices() {
        let mut reader = Dialect::Datarus.reader(Mode::Agentic);
        reader.push(&STEP[..at], &mut |_, _| ());
        let cut = reader.finish(FinishReason::Length, &mut |_, _| ());
        assert_eq!(cut.action, Action::Incomplete);
        reader.push(&STEP[at..], &mut |_, _| ());
        let whole = reader.finish(FinishReason::Stop, &mut |_, _| ());
        assert_eq!(
            whole.action,
            run("Look at it.", "import pandas as pd\ndf.head()"),
            "cut at {at}"
        );
    }
}

#[test]
fn what_cannot_be_done_is_said_in_words() {
    check("North.", malformed("it is neither a <step> nor a <stop_analysis>"));
    check("", malformed("it is neither a <step> nor a <stop_analysis>"));
    check(
        "<step><thought>t</thought></step>",
        malformed("the step has no <action_input>…</action_input>"),
    );
    check("<step><action_input>\n\n</action_input>", malformed("the <action_input> is empty"));
    check("<stop_analysis><answer> </answer>", malformed("the <answer> is empty"));
    check(
        "<stop_analysis>North.</stop_analysis>",
        malformed("<stop_analysis> needs <answer>…</answer>"),
    );
    check(
        "<step><action>bash</action><action_input>ls</action_input>",
        malformed("the only action is python_executor, not `bash`"),
    );
    let reflect = |text, problem| {
        check_mode(Mode::Reflection, text, FinishReason::Stop, malformed(problem));
    };
    reflect("", "there is no <answer>…</answer>");
    reflect("<think>t</think>", "there is no <answer>…</answer>");
    reflect(STEP, datarus_nothing_runs());
}

fn datarus_nothing_runs() -> &'static str {
    "nothing is run in this mode; write <think>…</think> and then <answer>…</answer>"
}

#[test]
fn an_observation_of_the_models_own_is_rejected() {
    let rejected = || {
        malformed(
            "only the environment writes <observation>; end a step with </action_input> and wait",
        )
    };
    check("<step><thought>t</thought><observation>9</observation>", rejected());
    check("<step><thought>t <OBSERVATION>9</observation>", rejected());
    check("<step><action_input>f()\n<observation>\n9\n</observation>", rejected());
    check("<stop_analysis><answer>It is <observation>9</observation></answer>", rejected());
    check("<observation>9</observation>", rejected());
}

#[test]
fn what_follows_the_end_of_an_action_is_not_used() {
    let text = format!("{STEP}\n<observation>\n9\n</observation>\n</step>{END}");
    let reading = Dialect::Datarus.parse(Mode::Agentic, &text, FinishReason::Stop);
    assert_eq!(reading.action, run("Look at it.", "import pandas as pd\ndf.head()"));
    assert_eq!(reading.used, STEP.len());
    let text = format!("{END} Shall I go on? {STEP}");
    let reading = Dialect::Datarus.parse(Mode::Agentic, &text, FinishReason::Stop);
    assert_eq!((reading.used, reading.missing), (END.len(), ""));
}

#[test]
fn tags_behind_a_back_tick_that_stays_alone_are_read_where_they_stand() {
    let step = "<step><thought>a ` b</thought><action_input>f()</action_input>";
    for after in ["\n", "数\n", " <b>数\n数", "<observation>9</observation>\n"] {
        let text = format!("{step}{after}");
        let reading = Dialect::Datarus.parse(Mode::Agentic, &text, FinishReason::Stop);
        assert_eq!((reading.action, reading.used), (run("a ` b", "f()"), step.len()), "{text:?}");
    }
    let question = "<Ask>a ` b";
    let text = format!("{question}<Code> <b>数\n");
    let reading = Dialect::DeepAnalyze.parse(Mode::Agentic, &text, FinishReason::Stop);
    assert_eq!(reading.used, question.len());
    // What is no tag there is said once, and nothing is lost where the message ends.
    check("<answer>a ` <thought>b\nc</answer>", answer("", "a ` <thought>b\nc"));
    check("<thought>a ` b</thought><action_input>f(1 <", run("a ` b", "f(1 <"));
    let quoted = "<thought>a ` b</thought><action_input>print(\"</action_input>";
    check(quoted, Action::Incomplete);
}

#[test]
fn closing_tags_that_a_server_cut_off_are_named() {
    let missing = |mode, text: &str| Dialect::Datarus.parse(mode, text, FinishReason::Stop).missing;
    let cut = |text: &'static str, tag| text.strip_suffix(tag).unwrap();
    let agentic = |text| missing(Mode::Agentic, text);
    assert_eq!(agentic(STEP), "");
    assert_eq!(agentic(cut(STEP, "</action_input>")), "</action_input>");
    assert_eq!(agentic(cut(STEP, "\n</action_input>")), "\n</action_input>");
    assert_eq!(agentic(END), "");
    assert_eq!(agentic(cut(END, "\n</stop_analysis>")), "\n</stop_analysis>");
    assert_eq!(agentic(cut(END, "</answer>\n</stop_analysis>")), "</answer>\n</stop_analysis>");
    assert_eq!(missing(Mode::Reflection, "<think>a</think><answer>b"), "</answer>");
}

#[test]
fn reflection_takes_what_models_leave_out() {
    let check = |text, expected| check_mode(Mode::Reflection, text, FinishReason::Stop, expected);
    check("Prices rise.</think><answer>Likely.", answer("Prices rise.", "Likely."));
    check("<think>Prices rise.</think>\nLikely.", answer("Prices rise.", "Likely."));
    check("Likely.", answer("", "Likely."));
    check("<answer>Likely.</answer>", answer("", "Likely."));
    check("<think>a<answer>b</answer>", answer("a", "b"));
}

/// Every way to cut a text in two, most ways to cut it in three, and single characters give the same parts.
#[track_caller]
fn check_cuts(dialect: Dialect, mode: Mode, text: &str) {
    let read = |pieces: &[&str]| streamed(dialect.reader(mode), pieces, FinishReason::Stop);
    let whole = read(&[text]);
    let cuts: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
    for &first in &cuts {
        let near_or_sampled = |&&at: &&usize| at >= first && (at < first + 9 || at % 11 == 0);
        for &second in cuts.iter().filter(near_or_sampled) {
            let pieces = [&text[..first], &text[first..second], &text[second..]];
            assert_eq!(read(&pieces), whole, "{pieces:?}");
        }
    }
    let characters: Vec<String> = text.chars().map(String::from).collect();
    let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
    assert_eq!(read(&characters), whole);
}

#[test]
fn parts_do_not_depend_on_how_the_text_is_cut() {
    let texts = [
        (Mode::Agentic, STEP),
        (Mode::Agentic, END),
        (
            Mode::Agentic,
            "<step>\n<thought>a `</thought>` b < c <st</thought>\n\n<action_input>\n```python\nx = \"</action_input>\"\n\n  y `` z\n```\n</action_input>\n<observation>",
        ),
        (Mode::Agentic, "<step><thought>é ‹step› 数 `</step>\n</thought><answer>a\n\n`b` </answer"),
        (Mode::Reflection, "hm </think> so\n<answer> it is `<answer>` </answer>"),
    ];
    for (mode, text) in texts {
        check_cuts(Dialect::Datarus, mode, text);
    }
}

#[test]
fn what_is_streamed_is_what_is_read() {
    for (mode, text) in [(Mode::Agentic, STEP), (Mode::Agentic, END)] {
        let reader = Dialect::Datarus.reader(mode);
        let (parts, reading) = streamed(reader, &[text], FinishReason::Stop);
        let of = |wanted: Part| {
            let parts = parts.iter().filter(|(part, _)| *part == wanted);
            parts.map(|(_, text)| text.as_str()).collect::<String>()
        };
        match reading.action {
            Action::Run { thought, code, .. } => {
                assert_eq!((of(Part::Thought), of(Part::Code)), (thought, code));
            }
            Action::Answer { thought, answer, .. } => {
                assert_eq!((of(Part::Thought), of(Part::Answer)), (thought, answer));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[test]
fn foreign_text_cannot_look_like_a_tag() {
    let cases = [
        ("a < b and c </d>", "a < b and c </d>"),
        ("<step>", "‹step>"),
        ("</Step >", "‹/Step >"),
        ("< / OBSERVATION>", "‹ / OBSERVATION>"),
        ("<<answer>", "<‹answer>"),
        ("<answer", "‹answer"),
        ("<answers>", "<answers>"),
        ("<Code>x</Code><Execute>", "‹Code>x‹/Code>‹Execute>"),
        ("<|im_end|>", "<|im_end|>"),
    ];
    for (text, expected) in cases {
        assert_eq!(disarm(text), expected);
    }
}
