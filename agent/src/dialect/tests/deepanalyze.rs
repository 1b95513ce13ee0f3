//! The DeepAnalyze dialect: its literal format, and what models make of it.

use super::*;

const STEP: &str = "<Analyze>Load the file.</Analyze>\n<Code>\n```python\nimport pandas as pd\ndf.head()\n```\n</Code>";
const SECOND: &str = "<Understand>North has 3 rows.</Understand>\n<Analyze>Take the mean.</Analyze>\n<Code>\n```python\ndf.mean()\n```\n</Code>";
const END: &str =
    "<Understand>The mean is 2.</Understand>\n<Answer># Report\n\nThe mean is **2**.</Answer>";

fn said(understanding: &str, thought: &str, code: &str) -> Action {
    let [understanding, thought, code] = [understanding, thought, code].map(str::to_owned);
    Action::Run { understanding, thought, code }
}

fn answered(understanding: &str, thought: &str, answer: &str) -> Action {
    let [understanding, thought, answer] = [understanding, thought, answer].map(str::to_owned);
    Action::Answer { understanding, thought, answer }
}

#[track_caller]
fn check(text: &str, expected: Action) {
    check_in(Dialect::DeepAnalyze, Mode::Agentic, text, FinishReason::Stop, expected);
}

#[test]
fn the_literal_format_is_read() {
    check(STEP, said("", "Load the file.", "import pandas as pd\ndf.head()"));
    check(SECOND, said("North has 3 rows.", "Take the mean.", "df.mean()"));
    check(END, answered("The mean is 2.", "", "# Report\n\nThe mean is **2**."));
    let think = "<Analyze>Prices rise.</Analyze>\n<Answer>Likely.</Answer>";
    let (dialect, stop) = (Dialect::DeepAnalyze, FinishReason::Stop);
    check_in(dialect, Mode::Reflection, think, stop, answer("Prices rise.", "Likely."));
}

#[test]
fn parts_come_in_any_order_and_number() {
    check(
        "<Analyze>a</Analyze>\n<Understand>b</Understand>\n<Analyze>c</Analyze>\n<Code>\nf(1)\n</Code>",
        said("b", "a\nc", "f(1)"),
    );
    check("<Code>\nf(1)\n</Code>", said("", "", "f(1)"));
    check("<Answer>Two.</Answer>", answered("", "", "Two."));
}

#[test]
fn what_models_get_wrong_is_taken() {
    // Case and blanks of tags.
    check("<analyze>a</ANALYZE >\n< Code >\nf(1)\n</code>", said("", "a", "f(1)"));
    // A part that is not closed, or closed as another.
    check("<Analyze>a\n<Understand>b\n<Code>\nf(1)\n</Code>", said("b", "a", "f(1)"));
    check("<Analyze>a</Understand>\n<Code>f(1)</Code>", said("", "a", "f(1)"));
    check("<Understand>b</Understand><Answer>It is 2.", answered("b", "", "It is 2."));
    // The server cut the stop string off, or the model forgot it.
    check("<Analyze>a</Analyze>\n<Code>\n```python\nf(1)\n```\n", said("", "a", "f(1)"));
    check(
        "<Analyze>a</Analyze>\n<Code>\n```python\nf(1)\n```\n<Understand>",
        said("", "a", "f(1)"),
    );
    // No fence, another fence, text between the parts, stray thinking.
    check("<Code>f(1)</Code>", said("", "", "f(1)"));
    check(
        "Well:\n<Analyze>a</Analyze> so\n<Code>\n```py\nf(1)\n```\n</Code>",
        said("", "a", "f(1)"),
    );
    check("<think>\nhm\n</think>\n\n<Analyze>a</Analyze><Code>f(1)</Code>", said("", "a", "f(1)"));
    // Elements of HTML are no tags of ours.
    check(
        "<Analyze>Use <code>df</code> here.</Analyze><Code>f(1)</Code>",
        said("", "Use <code>df</code> here.", "f(1)"),
    );
    check("<Answer>Call <code>f</code>.</Answer>", answered("", "", "Call <code>f</code>."));
    check(
        "<Code>\nx = '''\n<code>\n</code>\n'''\n</Code>",
        said("", "", "x = '''\n<code>\n</code>\n'''"),
    );
    // The variant for general models.
    check("<Finish>Two.</Finish>", answered("", "", "Two."));
}

#[test]
fn quoted_tags_are_text() {
    check(
        "<Analyze>I end with `</Analyze>` and `<Execute>`.</Analyze><Code>1</Code>",
        said("", "I end with `</Analyze>` and `<Execute>`.", "1"),
    );
    check("<Code>\nprint(\"</Code>\")\n</Code>", said("", "", "print(\"</Code>\")"));
    check(
        "<Answer>Write `</Answer>` at the end.</Answer>",
        answered("", "", "Write `</Answer>` at the end."),
    );
    check("<Code>\nprint(\"</Code>", Action::Incomplete);
    check("<Analyze>I end with `</Code>", Action::Incomplete);
}

#[test]
fn results_that_the_model_invents_are_refused() {
    let invented = "only the environment writes <Execute>; end the code with </Code> and wait";
    check("<Execute>\n9\n</Execute>", malformed(invented));
    check("<Analyze>a</Analyze>\n<Execute>9</Execute>", malformed(invented));
    check("<Answer>It is <execute>9</execute></Answer>", malformed(invented));
    // Code that is complete runs; what was invented as its result is dropped.
    for text in [
        format!("{STEP}\n<Execute>\n9\n</Execute>\n{END}"),
        STEP.replace("</Code>", "<Execute>\n9\n</Execute>"),
    ] {
        let reading = Dialect::DeepAnalyze.parse(Mode::Agentic, &text, FinishReason::Stop);
        assert_eq!(reading.action, said("", "Load the file.", "import pandas as pd\ndf.head()"));
        let kept = format!("{}{}", &text[..reading.used], reading.missing);
        assert_eq!(kept, STEP);
    }
}

#[test]
fn a_question_to_the_analyst_ends_a_message() {
    let question = |understanding: &str, thought: &str| Action::Ask {
        understanding: understanding.to_owned(),
        thought: thought.to_owned(),
        question: String::from("Which year?"),
    };
    check("<Analyze>a</Analyze>\n<Ask>Which year?</Ask>", question("", "a"));
    check("<Understand>b</Understand>\n<Ask>Which year?", question("b", ""));
    check("<Ask> </Ask>", malformed("the <Ask> is empty"));
}

#[test]
fn what_the_token_limit_cut_is_continued_and_never_run() {
    let expected = said("North has 3 rows.", "Take the mean.", "df.mean()");
    for (at, _) in SECOND.char_indices() {
        let mut reader = Dialect::DeepAnalyze.reader(Mode::Agentic);
        reader.push(&SECOND[..at], &mut |_, _| ());
        let cut = reader.finish(FinishReason::Length, &mut |_, _| ());
        assert_eq!(cut.action, Action::Incomplete);
        reader.push(&SECOND[at..], &mut |_, _| ());
        let whole = reader.finish(FinishReason::Stop, &mut |_, _| ());
        assert_eq!(whole.action, expected, "cut at {at}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_words() {
    check(
        "North.",
        malformed("it has none of the tags <Analyze>, <Understand>, <Code> and <Answer>"),
    );
    check(
        "<Analyze>a</Analyze>",
        malformed("there is neither <Code>…</Code> nor <Answer>…</Answer>"),
    );
    check("<Code>\n```python\n```\n</Code>", malformed("the <Code> is empty"));
    check("<Answer> </Answer>", malformed("the <Answer> is empty"));
    let reflect = |text, problem| {
        let (dialect, stop) = (Dialect::DeepAnalyze, FinishReason::Stop);
        check_in(dialect, Mode::Reflection, text, stop, malformed(problem));
    };
    reflect("<Analyze>t</Analyze>", "there is no <Answer>…</Answer>");
    let nothing =
        "nothing is run in this mode; write <Analyze>…</Analyze> and then <Answer>…</Answer>";
    reflect(STEP, nothing);
}

#[test]
fn parts_do_not_depend_on_how_the_text_is_cut() {
    for text in [
        STEP,
        SECOND,
        END,
        "<Analyze>a `</Analyze>` b < c <An</Analyze>\n\n<Code>\n```python\nx = \"</Code>\"\n\n  y `` z\n```\n<Execute>",
        "<Understand>é ‹x› 数 `</Code>\n</Understand><Answer>a\n\n`b` </Answer",
    ] {
        check_cuts(Dialect::DeepAnalyze, Mode::Agentic, text);
    }
}

#[test]
fn what_was_said_is_spelled_as_the_model_writes_it() {
    let spelled = |parts: Vec<(&str, &str)>| -> String {
        parts.into_iter().flat_map(|(ours, text)| [ours, text]).collect()
    };
    let words = |understanding, thought| Said { understanding, thought };
    let dialect = Dialect::DeepAnalyze;
    assert_eq!(
        spelled(dialect.step(words("", "Load the file."), "import pandas as pd\ndf.head()")),
        STEP
    );
    assert_eq!(
        spelled(dialect.step(words("North has 3 rows.", "Take the mean."), "df.mean()")),
        SECOND
    );
    let end = dialect.answer(
        Mode::Agentic,
        words("The mean is 2.", ""),
        "# Report\n\nThe mean is **2**.",
    );
    assert_eq!(spelled(end), END);
}
