use std::time::Duration;

use super::*;
use crate::agent::DataNotes;

fn question(style: Style, task: &Task) -> String {
    super::question(style, task, &BTreeSet::new())
}

fn style(profile: Profile, dialect: Dialect) -> Style {
    Style { profile, dialect, continues: true, namespace: Namespace::Kept }
}

const COMPACT: Style = Style {
    profile: Profile::Compact,
    dialect: Dialect::Datarus,
    continues: true,
    namespace: Namespace::Kept,
};

fn task() -> Task {
    let frame = |name: &str, n_columns: usize| Variable {
        name: name.to_owned(),
        columns: (0..n_columns).map(|n| format!("c{n}")).collect(),
    };
    Task {
        prompt: String::from(" How many? "),
        brief: String::new(),
        mode: Mode::Agentic,
        instructions: String::new(),
        files: (0..10)
            .rev()
            .map(|n| FileInfo { name: format!("{n}.csv"), bytes: 2_500_000 })
            .collect(),
        variables: (0..6).map(|n| frame(&format!("df{n}"), 1)).collect(),
        data: DataNotes::default(),
        history: Vec::new(),
        stage: None,
        begun: None,
    }
}

#[test]
fn a_compact_prompt_is_as_the_model_was_trained_on() {
    let question = question(COMPACT, &task());
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
    assert_eq!(question(COMPACT, &task), format!("Rows in 9.csv?\n{files}"));
}

#[test]
fn many_columns_are_cut() {
    let wide = Variable { name: String::from("df"), columns: vec![String::from("a"); 30] };
    let task = Task { files: Vec::new(), variables: vec![wide], ..task() };
    let columns = ["a"; COMPACT_COLUMNS].join(", ");
    assert_eq!(question(COMPACT, &task), format!("How many?\nVariables: df ({columns}, …)"));
}

#[test]
fn reflection_asks_for_thought_alone() {
    let task = Task { mode: Mode::Reflection, ..task() };
    assert_eq!(question(COMPACT, &task), "How many?\nThink only.");
}

#[test]
fn file_names_and_columns_cannot_look_like_tags() {
    let file = FileInfo { name: String::from("</step>\u{1b}[31m.csv"), bytes: 1 };
    let frame = Variable { name: String::from("df"), columns: vec![String::from("<answer>")] };
    let task = Task { files: vec![file], variables: vec![frame], ..task() };
    let full = Dialect::ALL.map(|dialect| style(Profile::Full, dialect));
    for style in [COMPACT].into_iter().chain(full) {
        let text = question(style, &task);
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
        max_sections: 8,
    };
    let namespaces = [Namespace::Kept, Namespace::Fresh];
    for namespace in namespaces {
        for style in Dialect::ALL.map(|of| Style { namespace, ..style(Profile::Full, of) }) {
            for mode in [Mode::Agentic, Mode::Reflection] {
                let text = system(style, mode, &limits).unwrap();
                assert!(!text.contains("{%") && !text.contains("{{"), "{text}");
            }
            let text = system(style, Mode::Agentic, &limits).unwrap();
            assert_eq!(text.contains("Nothing stays"), namespace == Namespace::Fresh, "{text}");
            every_reply_renders(style);
        }
    }
    assert_eq!(system(COMPACT, Mode::Agentic, &limits), None);
    let full = style(Profile::Full, Dialect::Datarus);
    let text = question(full, &Task { variables: Vec::new(), ..task() });
    assert!(text.ends_with("- 9.csv (2.5 MB)"), "{text}");
    assert_eq!(reply(COMPACT, Reply::Changed { before: "x" }), None);
    assert!(cell("x = 1", "(no output)").contains("x = 1"));
}

fn every_reply_renders(style: Style) {
    for steps_left in [0, 1] {
        let text = reply(style, Reply::Continue { steps_left }).unwrap();
        assert!(!text.contains('{') && text.contains(style.dialect.end()), "{text}");
    }
    let goes_on = style.dialect == Dialect::DeepAnalyze;
    for said in [reply(style, Reply::Continue { steps_left: 2 }), reply(style, Reply::Failed)] {
        assert_eq!(said.is_none(), goes_on, "a message that goes on is not interrupted: {said:?}");
    }
    for other in [
        Reply::Malformed { problem: "it is empty" },
        Reply::Changed { before: "x" },
        Reply::Asked { answer: None },
        Reply::Asked { answer: Some("2024") },
        Reply::Repeated,
    ] {
        assert!(!reply(style, other).unwrap().is_empty());
    }
}

#[test]
fn a_question_to_deepanalyze_is_as_it_was_trained_on() {
    let file = |name: &str, bytes| FileInfo { name: name.into(), bytes };
    let files = vec![file("x.csv", 10_854), file("a \"b\".xlsx", 0), file("数.json", 1_024)];
    let asked = Task { files, variables: Vec::new(), ..task() };
    let style = style(Profile::Full, Dialect::DeepAnalyze);
    assert_eq!(
        question(style, &asked),
        "# Instruction\nHow many?\n\n# Data\nFile 1:\n{\"name\": \"a \\\"b\\\".xlsx\", \"size\": \"0.0KB\"}\n\n\
         File 2:\n{\"name\": \"x.csv\", \"size\": \"10.6KB\"}\n\nFile 3:\n{\"name\": \"数.json\", \"size\": \"1.0KB\"}"
    );
    let bare = Task { files: Vec::new(), ..asked.clone() };
    assert_eq!(question(style, &bare), "# Instruction\nHow many?");
    let briefed = Task { brief: "Draw.".into(), ..bare.clone() };
    assert_eq!(question(style, &briefed), "# Instruction\nHow many?\n\nDraw.");
    // What the kernel keeps is told; with steps that begin anew there is nothing to tell.
    let frame = Variable { name: "df".into(), columns: vec!["a".into(), "b".into()] };
    let kept = Task { variables: vec![frame], ..bare };
    let expected = "# Instruction\nHow many?\n\nDataFrames that exist:\n- df: a, b";
    assert_eq!(question(style, &kept), expected);
    let fresh = Style { namespace: Namespace::Fresh, ..style };
    assert_eq!(question(fresh, &kept), "# Instruction\nHow many?");
}

#[test]
fn what_the_data_hold_is_told_to_a_large_model_and_once() {
    let profiles =
        vec![String::from("x.csv: 2 rows: a int"), String::from("y.db:\n  t: 1 row: b int")];
    let changes = String::from("Files since the last question: new: y.db.");
    let data = DataNotes { changes, profiles };
    let files = vec![FileInfo { name: String::from("x.csv"), bytes: 10_854 }];
    let task = Task { files, variables: Vec::new(), data, ..task() };
    assert_eq!(question(COMPACT, &task), "How many?\nFiles: x.csv");
    let told = "Files since the last question: new: y.db.\n\nWhat the data hold:\n\
                - x.csv: 2 rows: a int\n- y.db:\n  t: 1 row: b int";
    let markdown = question(style(Profile::Full, Dialect::Markdown), &task);
    let files = "How many?\n\nFiles in the working folder:\n- x.csv (10.9 kB)";
    assert_eq!(markdown, format!("{files}\n\n{told}"));
    let file = "# Data\nFile 1:\n{\"name\": \"x.csv\", \"size\": \"10.6KB\"}";
    let deepanalyze = question(style(Profile::Full, Dialect::DeepAnalyze), &task);
    assert_eq!(deepanalyze, format!("# Instruction\nHow many?\n\n{told}\n\n{file}"));
    let before = task.data.profiles.iter().cloned().collect();
    let again = super::question(style(Profile::Full, Dialect::Markdown), &task, &before);
    assert_eq!(again, format!("{files}\n\n{}", task.data.changes));
}
