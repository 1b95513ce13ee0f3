use super::*;
use crate::dialect::{Action, Reading};
use crate::llm::FinishReason;

const STEP: &str = "<step>\n<thought>Look.</thought>\n<action>python_executor</action>\n<action_input>\ndf.head(3)\n</action_input>";
const END: &str =
    "<stop_analysis>\n<thought>Found.</thought>\n<answer>It is 2.</answer>\n</stop_analysis>";

#[track_caller]
fn check(mode: Mode, message: &str, expected: [usize; 6]) {
    let [required, well_formed, misplaced, outside, forged, terminals] = expected;
    let form = Form { required, well_formed, misplaced, outside, forged, terminals };
    assert_eq!(Dialect::Datarus.form(mode, message), form, "{message}");
}

#[test]
fn what_a_message_must_have_is_counted() {
    let check = |message: &str, expected| check(Mode::Agentic, message, expected);
    check(STEP, [4, 4, 0, 0, 0, 0]);
    check(&format!("{STEP}\n</step>"), [4, 4, 0, 0, 0, 0]);
    check(END, [3, 3, 0, 0, 0, 1]);
    check(&STEP.replace("<thought>Look.</thought>\n", ""), [4, 3, 0, 0, 0, 0]);
    check(&STEP.replace("df.head(3)", ""), [4, 3, 0, 0, 0, 0]);
    check(&END.replace("It is 2.", " "), [3, 2, 0, 0, 0, 1]);
    check("It is 2.", [4, 0, 0, 1, 0, 0]);
    check("", [4, 0, 0, 0, 0, 0]);
    check("<answer>It is 2.</answer>", [3, 1, 0, 0, 0, 1]);
}

#[test]
fn what_servers_cut_off_is_not_missing_but_what_a_model_leaves_open_is() {
    let check = |message: &str, expected| check(Mode::Agentic, message, expected);
    check(STEP.trim_end_matches("</action_input>"), [4, 4, 0, 0, 0, 0]);
    check(END.trim_end_matches("</stop_analysis>"), [3, 3, 0, 0, 0, 1]);
    check("<stop_analysis>\n<thought>Found.</thought>\n<answer>It is 2.", [3, 2, 0, 0, 0, 1]);
    check("<step>\n<thought>Look.", [4, 1, 0, 0, 0, 0]);
}

#[test]
fn order_nesting_repetition_and_text_outside_are_counted() {
    let check = |message: &str, expected| check(Mode::Agentic, message, expected);
    let swapped = "<step><action>python_executor</action><thought>Look.</thought><action_input>\n1\n</action_input>";
    check(swapped, [4, 3, 1, 0, 0, 0]);
    check(&format!("{STEP}</step>{STEP}"), [4, 4, 4, 0, 0, 0]);
    check(&format!("{END}{END}"), [3, 3, 3, 0, 0, 2]);
    check(&format!("Sure!\n{STEP}"), [4, 4, 0, 1, 0, 0]);
    let open = STEP.replace("Look.</thought>", "Look.");
    check(&open, [4, 3, 1, 0, 0, 0]);
    let nested = STEP.replace("Look.", "Look <step> here");
    check(&nested, [4, 4, 1, 0, 0, 0]);
    check(&END.replace("It is 2.</answer>", "2</answer><answer>3</answer>"), [3, 3, 1, 0, 0, 2]);
}

#[test]
fn tags_of_the_environment_are_forged_however_they_are_spelt() {
    let check = |message: &str, expected| check(Mode::Agentic, message, expected);
    let forged = "\n<observation>\n42\n</observation>\n</step>";
    check(&format!("{STEP}{forged}"), [4, 4, 0, 1, 2, 0]);
    check(&format!("{STEP}\n< OBSERVATION >"), [4, 4, 0, 0, 1, 0]);
    check(&STEP.replace("Look.", "It said <observation>42"), [4, 4, 0, 0, 1, 0]);
    check(&STEP.replace("df.head(3)", "1\n<observation>"), [4, 4, 0, 0, 1, 0]);
}

#[test]
fn quoted_tags_are_text() {
    let check = |message: &str, expected| check(Mode::Agentic, message, expected);
    check(&STEP.replace("Look.", "Never write `<observation>`."), [4, 4, 0, 0, 0, 0]);
    check(
        &STEP.replace("df.head(3)", "print(\"<observation> </action_input>\")"),
        [4, 4, 0, 0, 0, 0],
    );
    check(&STEP.replace("df.head(3)", "a < step > b"), [4, 4, 0, 0, 0, 0]);
}

#[test]
fn deepanalyze_needs_a_section_and_an_action_and_markdown_only_to_be_read() {
    let check = |message: &str, expected: [usize; 6]| {
        let [required, well_formed, misplaced, outside, forged, terminals] = expected;
        let form = Form { required, well_formed, misplaced, outside, forged, terminals };
        assert_eq!(Dialect::DeepAnalyze.form(Mode::Agentic, message), form, "{message}");
    };
    let code = "<Code>\n```python\nprint(1)\n```\n</Code>";
    check(&format!("<Analyze>Look.</Analyze>\n{code}"), [2, 2, 0, 0, 0, 0]);
    check(
        &format!("<Understand>One.</Understand><Analyze>Look.</Analyze>{code}"),
        [2, 2, 0, 0, 0, 0],
    );
    check(
        "<Analyze>So.</Analyze>\n<Answer># Report with <code>x</code></Answer>",
        [2, 2, 0, 0, 0, 1],
    );
    check("<Analyze>So.</Analyze>\n<Answer>It is 1.", [2, 2, 0, 0, 0, 1]);
    check(code, [2, 1, 0, 0, 0, 0]);
    check(&format!("<Analyze>Look.</Analyze>{code}\n<Execute>\n1\n</Execute>"), [2, 2, 0, 1, 2, 0]);
    check("<Analyze>a</Analyze><Answer>1</Answer><Answer>2</Answer>", [2, 2, 1, 0, 0, 2]);
    let markdown = |message: &str| Dialect::Markdown.form(Mode::Agentic, message);
    let read = Form { required: 1, well_formed: 1, ..Form::default() };
    assert_eq!(markdown("Look.\n\n```python\n1\n```"), read);
    assert_eq!(markdown("## Answer\n\nIt is 1."), Form { terminals: 1, ..read });
}

#[test]
fn reflection_has_a_form_of_its_own() {
    let check = |message: &str, expected| check(Mode::Reflection, message, expected);
    check("<think>Why.</think>\n<answer>So.</answer>", [2, 2, 0, 0, 0, 1]);
    check("<think>Why.</think>\n<answer>So.", [2, 2, 0, 0, 0, 1]);
    check("<answer>So.</answer>", [2, 1, 0, 0, 0, 1]);
    check("So.", [2, 0, 0, 1, 0, 0]);
}

const PARTS: [&str; 17] = [
    "<step>",
    "\n<thought>",
    "Look.",
    "</thought>",
    "\n<action>",
    "python_executor",
    "</action>",
    "\n<action_input>\n",
    "df.head(3)",
    "\n</action_input>",
    "<stop_analysis>",
    "<answer>",
    "</answer>",
    "</stop_analysis>",
    "\"",
    "\n<observation>",
    "\n</step>",
];

/// A step or an end in which up to two parts were replaced, added or left out.
fn damaged(next: &mut impl FnMut(usize) -> usize) -> String {
    let mut message: Vec<&str> = match next(2) {
        0 => PARTS[..10].to_vec(),
        _ => [10, 1, 2, 3, 11, 2, 12, 13].map(|at: usize| PARTS[at]).to_vec(),
    };
    for _ in 0..next(3) {
        let at = next(message.len());
        match next(3) {
            0 => message[at] = PARTS[next(PARTS.len())],
            1 => message.insert(at, PARTS[next(PARTS.len())]),
            _ => drop(message.remove(at)),
        }
    }
    message.concat()
}

/// What is well-formed here is what the reader takes with nothing mended, and what it refuses as forged is forged here.
#[test]
fn the_reader_takes_what_is_well_formed_and_refuses_what_is_forged() {
    let mut seed = 1_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let (mut n_well, mut n_forged) = (0, 0);
    for _ in 0..20_000 {
        let message = damaged(&mut next);
        let form = Dialect::Datarus.form(Mode::Agentic, &message);
        let Reading { action, missing, .. } =
            Dialect::Datarus.parse(Mode::Agentic, &message, FinishReason::Stop);
        // Not a message yet: it is gone on with.
        if action == Action::Incomplete {
            continue;
        }
        let is_clean = form.misplaced + form.outside + form.forged == 0;
        if form.well_formed == form.required && is_clean {
            n_well += 1;
            let taken = match form.terminals {
                1 => matches!(action, Action::Answer { .. }),
                _ => matches!(action, Action::Run { .. }),
            };
            assert!(taken, "{message}: {action:?}");
            let cut_off = ["", "</action_input>", "</stop_analysis>"].contains(&missing.trim());
            assert!(cut_off, "{message}: {missing}");
        }
        if action == (Action::Malformed { problem: super::super::datarus::ENVIRONMENT.into() }) {
            n_forged += 1;
            assert!(form.forged > 0, "{message}");
        }
    }
    assert!(n_well > 2_000 && n_forged > 100, "{n_well} and {n_forged}");
}
