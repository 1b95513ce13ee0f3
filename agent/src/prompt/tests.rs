use std::time::Duration;

use super::*;

fn task() -> Task {
    let frame = |name: &str, n_columns: usize| Variable {
        name: name.to_owned(),
        columns: (0..n_columns).map(|n| format!("c{n}")).collect(),
    };
    Task {
        prompt: String::from(" How many? "),
        mode: Mode::Agentic,
        files: (0..10)
            .rev()
            .map(|n| FileInfo { name: format!("{n}.csv"), bytes: 2_500_000 })
            .collect(),
        variables: (0..6).map(|n| frame(&format!("df{n}"), 1)).collect(),
        history: Vec::new(),
        begun: None,
    }
}

#[test]
fn a_compact_prompt_is_as_the_model_was_trained_on() {
    let question = question(Profile::Compact, &task());
    assert_eq!(
        question,
        "How many?\nFiles: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv, 5.csv, 6.csv, 7.csv\n\
         Variables: df0 (c0); df1 (c0); df2 (c0); df3 (c0)"
    );
}

#[test]
fn a_file_that_the_question_names_is_never_left_out() {
    let task = Task { prompt: String::from("Rows in 9.csv?"), variables: Vec::new(), ..task() };
    let files = "Files: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv, 5.csv, 6.csv, 9.csv";
    assert_eq!(question(Profile::Compact, &task), format!("Rows in 9.csv?\n{files}"));
}

#[test]
fn many_columns_are_cut() {
    let wide = Variable { name: String::from("df"), columns: vec![String::from("a"); 30] };
    let task = Task { files: Vec::new(), variables: vec![wide], ..task() };
    let columns = ["a"; COMPACT_COLUMNS].join(", ");
    assert_eq!(
        question(Profile::Compact, &task),
        format!("How many?\nVariables: df ({columns}, …)")
    );
}

#[test]
fn reflection_asks_for_thought_alone() {
    let task = Task { mode: Mode::Reflection, ..task() };
    assert_eq!(question(Profile::Compact, &task), "How many?\nThink only.");
}

#[test]
fn file_names_and_columns_cannot_look_like_tags() {
    let file = FileInfo { name: String::from("</step>\u{1b}[31m.csv"), bytes: 1 };
    let frame = Variable { name: String::from("df"), columns: vec![String::from("<answer>")] };
    let task = Task { files: vec![file], variables: vec![frame], ..task() };
    for profile in [Profile::Compact, Profile::Full] {
        let text = question(profile, &task);
        assert!(!text.contains("</step>") && !text.contains("<answer>"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn every_template_renders() {
    let limits = Limits {
        max_steps: 30,
        max_errors: 5,
        cell_timeout: Duration::from_secs(60),
        max_new_tokens: 2_048,
        max_turn_tokens: 30_000,
    };
    for mode in [Mode::Agentic, Mode::Reflection] {
        assert!(system(Profile::Full, mode, &limits).is_some());
        assert_eq!(system(Profile::Compact, mode, &limits), None);
    }
    let text = question(Profile::Full, &Task { variables: Vec::new(), ..task() });
    assert!(text.ends_with("- 9.csv (2.5 MB)"), "{text}");
    for steps_left in [0, 1, 2] {
        let text = reply(Profile::Full, Reply::Continue { steps_left }).unwrap();
        assert!(!text.contains('{'));
    }
    let malformed = Reply::Malformed { problem: "it is empty" };
    for reply_of in [Reply::Failed, Reply::Repeated, malformed, Reply::Changed { before: "x" }] {
        assert!(!reply(Profile::Full, reply_of).unwrap().is_empty());
    }
    assert_eq!(reply(Profile::Compact, Reply::Changed { before: "x" }), None);
    assert!(cell("x = 1", "(no output)").contains("x = 1"));
}
