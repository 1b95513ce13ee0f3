//! The Markdown dialect: what general chat models write.

use super::*;

const STEP: &str = "I load the file first.\n\n```python\nimport pandas as pd\ndf.head()\n```";
const END: &str = "## Answer\n\nThe mean is **2**.";

#[track_caller]
fn check(text: &str, expected: Action) {
    check_in(Dialect::Markdown, Mode::Agentic, text, FinishReason::Stop, expected);
}

#[test]
fn a_block_of_python_is_a_step_and_a_message_without_one_the_answer() {
    check(STEP, run("I load the file first.", "import pandas as pd\ndf.head()"));
    check(END, answer("", "The mean is **2**."));
    check("The mean is **2**.", answer("", "The mean is **2**."));
    let sql = "Ask for it:\n\n```sql\nselect 1\n```";
    check(sql, answer("", sql));
    check("All is known.\n\n**Final answer:**\nIt is 2.", answer("All is known.", "It is 2."));
    let think = "Prices rise.\n\n## Answer\n\nLikely.\n\n```python\nf(1)\n```";
    let expected = answer("Prices rise.", "Likely.\n\n```python\nf(1)\n```");
    check_in(Dialect::Markdown, Mode::Reflection, think, FinishReason::Stop, expected);
}

#[test]
fn what_models_write_around_a_block_is_taken() {
    check("```py\nf(1)\n```", run("", "f(1)"));
    check("Look:\n```Python title=\"a\"\nf(1)\n```\n", run("Look:", "f(1)"));
    check(
        "1. Load:\n   ```python\n   if x:\n     f(1)\n   ```\n",
        run("1. Load:", "if x:\n  f(1)"),
    );
    check("````python\nx = '''\n```\n'''\n````", run("", "x = '''\n```\n'''"));
    check("```python\nx = '''\n```\n'''\n```\n", run("", "x = '''\n```\n'''"));
    // Not closed.
    check("Look:\n```python\nf(1)", run("Look:", "f(1)"));
    check("Look:\n```python\nf(1)\n", run("Look:", "f(1)"));
    // Only the first of several runs, and no result that was invented.
    check("```python\nf(1)\n```\n\nOutput:\n```\n1\n```\n\n```python\ng(2)\n```", run("", "f(1)"));
    // Blocks without Python are text, and what stands in them.
    let tree = "The files:\n\n```text\na.csv\n```\nThat is all.";
    check(tree, answer("", tree));
    check(
        "```sql\nselect 1\n```\nand\n```python\nf(1)\n```",
        run("```sql\nselect 1\n```\nand", "f(1)"),
    );
    check(
        "````text\n```python\nf(1)\n```\n````\nSo.",
        answer("", "````text\n```python\nf(1)\n```\n````\nSo."),
    );
}

#[test]
fn what_was_only_thought_is_no_part_of_the_message() {
    let thought = "<think>\nRun ```python\nf(0)\n``` or not.\n</think>\n\n";
    check(
        &format!("{thought}{STEP}"),
        run("I load the file first.", "import pandas as pd\ndf.head()"),
    );
    check(&format!("{thought}It is 2."), answer("", "It is 2."));
    check("It must be 2.\n</think>\n\nIt is 2.", answer("It must be 2.", "It is 2."));
    check("a < b, a <b, </thin and </p>", answer("", "a < b, a <b, </thin and </p>"));
    let unfinished = malformed("it has neither a block of Python nor an answer");
    check("<think>\nhm", unfinished.clone());
    check("", unfinished.clone());
    check("Well.\n## Answer\n", unfinished);
    check("```python\n\n```", malformed("the block of Python is empty"));
}

#[test]
fn what_follows_the_block_is_not_used_and_its_end_is_put_back() {
    let read = |text: &str| {
        let reading = Dialect::Markdown.parse(Mode::Agentic, text, FinishReason::Stop);
        format!("{}{}", &text[..reading.used], reading.missing)
    };
    assert_eq!(read(&format!("{STEP}\n\nThis prints 7.")), STEP);
    assert_eq!(read(STEP), STEP);
    assert_eq!(read(STEP.strip_suffix("\n```").unwrap()), STEP);
    assert_eq!(read(STEP.strip_suffix("```").unwrap()), STEP);
}

#[test]
fn the_end_of_a_block_that_is_text_is_not_the_end_of_an_answer() {
    let mut reader = Dialect::Markdown.reader(Mode::Agentic);
    assert_eq!(reader.stop(), ["\n```\n\n"]);
    let cut = |reader: &mut Reader, text: &str| {
        reader.push(text, &mut |_, _| ());
        reader.finish(FinishReason::Stop, &mut |_, _| ())
    };
    // With the stop string, and without.
    for (begun, missing) in [("See:\n```\n1\n```\n\n", ""), ("See:\n```\n1", "\n```\n\n")] {
        let mut reader = reader.clone();
        let reading = cut(&mut reader, begun);
        assert_eq!((&reading.action, reading.missing), (&Action::Incomplete, missing));
        assert!(reader.stop().is_empty(), "it is an answer, which may have more blocks");
        let expected = answer("", "See:\n```\n1\n```\n\nSo it is.\n```\n2\n```");
        assert_eq!(cut(&mut reader, "So it is.\n```\n2\n```\n\n").action, expected);
    }
    // A message that ends there is asked for its rest once.
    assert_eq!(cut(&mut reader, "See:\n```\n1\n```\n\n").action, Action::Incomplete);
    assert_eq!(cut(&mut reader, "").action, answer("", "See:\n```\n1\n```"));
    let in_string = "```python\nx = '''\n```\n\n";
    let mut reader = Dialect::Markdown.reader(Mode::Agentic);
    assert_eq!(cut(&mut reader, in_string).action, Action::Incomplete);
    assert_eq!(cut(&mut reader, "'''\n```\n\n").action, run("", "x = '''\n```\n\n'''"));
}

#[test]
fn a_cut_message_is_continued_and_never_run() {
    for (at, _) in STEP.char_indices() {
        let mut reader = Dialect::Markdown.reader(Mode::Agentic);
        reader.push(&STEP[..at], &mut |_, _| ());
        let cut = reader.finish(FinishReason::Length, &mut |_, _| ());
        assert_eq!(cut.action, Action::Incomplete);
        reader.push(&STEP[at..], &mut |_, _| ());
        let whole = reader.finish(FinishReason::Stop, &mut |_, _| ());
        let expected = run("I load the file first.", "import pandas as pd\ndf.head()");
        assert_eq!(whole.action, expected, "cut at {at}");
    }
}

#[test]
fn an_answer_that_is_announced_is_shown_while_it_is_written() {
    let mut shown = Vec::new();
    let mut reader = Dialect::Markdown.reader(Mode::Agentic);
    reader.push("Done.\n\n## Answer\nIt is", &mut |part, text| shown.push((part, text.to_owned())));
    assert_eq!(
        shown,
        [(Part::Thought, String::from("Done.")), (Part::Answer, String::from("It is"))]
    );
}

#[test]
fn parts_do_not_depend_on_how_the_text_is_cut() {
    for text in [
        STEP,
        "  <think>\na </thin </think>\n\n  ```python\n  x = '''\n  ```\n'''\n  ```\nmore",
        "a `b` <c ** d\n* e\n# Ans\n```x\n## Answer\n```\n**Answer**\n\nf\n```python\ng\n```\n\n",
        "é 数 ```\n~~~\n</think>\n``` python\nh(1)\n``",
    ] {
        check_cuts(Dialect::Markdown, Mode::Agentic, text);
        check_cuts(Dialect::Markdown, Mode::Reflection, text);
    }
}
