use super::*;
use crate::bench::Rule;
use crate::bench::score::denotation::Target;

/// A copy of a set, made of files with these contents.
fn copy(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[track_caller]
fn one(suite: Suite, files: &[(&str, &str)], split: Option<&str>) -> Session {
    let folder = copy(files);
    let set = read(suite, folder.path(), split).unwrap();
    assert_eq!(set.sessions.len(), 1);
    set.sessions.into_iter().next().unwrap()
}

#[track_caller]
fn refused(suite: Suite, files: &[(&str, &str)], words: &str) {
    let folder = copy(files);
    let error = read(suite, folder.path(), None).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

const QUESTION: &str = r#"{"id": 0, "question": "Mean fare?", "concepts": [], "constraints": "Round to two.",
    "format": "@mean_fare[x]", "file_name": "a.csv", "level": "easy"}"#;

#[test]
fn dabench_is_read_with_its_labels_and_tables() {
    let question = QUESTION.replace('\n', " ");
    let label = r#"{"id": 0, "common_answers": [["mean_fare", "34.65"]]}"#;
    let files = [("da-dev-questions.jsonl", &*question), ("da-dev-labels.jsonl", label)];
    let session = one(Suite::Dabench, &files, None);
    assert!(session.files[0].0.ends_with("da-dev-tables/a.csv") && session.files[0].1 == "a.csv");
    let asked = &session.questions[0];
    assert_eq!((&*asked.id, &*asked.level), ("0", "easy"));
    assert!(
        asked.text.starts_with("Mean fare?\nRound to two.\n")
            && asked.text.ends_with("@mean_fare[x]")
    );
    let expected = vec![(String::from("mean_fare"), String::from("34.65"))];
    assert_eq!(asked.rule, Rule::Named(expected));
    refused(
        Suite::Dabench,
        &[files[0], ("da-dev-labels.jsonl", "")],
        "line 1: expected a label with this `id`",
    );
    let outside = question.replace("a.csv", "../a.csv");
    refused(
        Suite::Dabench,
        &[("da-dev-questions.jsonl", &outside), files[1]],
        "the name of a table",
    );
    refused(Suite::Dabench, &[], "InfiAgent/InfiAgent on GitHub");
}

#[test]
fn dabstep_is_read_with_all_documents_and_without_hidden_answers() {
    let task = r#"{"task_id": 5, "question": "Which?", "guidelines": "One word.", "level": "hard", "answer": "NL"}"#;
    let files = [("tasks/dev.jsonl", task), ("context/b.md", ""), ("context/a.csv", "")];
    let session = one(Suite::Dabstep, &files, None);
    let names: Vec<&str> = session.files.iter().map(|(_, name)| &**name).collect();
    assert_eq!(names, ["a.csv", "b.md"]);
    assert_eq!(session.questions[0].rule, Rule::Quasi(String::from("NL")));
    let hidden = task.replace("NL", "");
    let files = [("tasks/all.jsonl", &*hidden), ("context/a.csv", "")];
    assert_eq!(one(Suite::Dabstep, &files, Some("all")).questions[0].rule, Rule::Hidden);
}

#[test]
fn ds1000_calls_its_tests() {
    let problem = r#"{"prompt": "Fill [insert]", "code_context": "def test_execution(code): pass",
        "metadata": {"problem_id": 3, "library": "Pandas"}}"#
        .replace('\n', " ");
    let asked = &one(Suite::Ds1000, &[("ds1000.jsonl", &problem)], None).questions[0];
    assert_eq!((&*asked.id, &*asked.level), ("3", "Pandas"));
    let program = "def test_execution(code): pass\ntest_execution(code)\n";
    assert_eq!(asked.rule, Rule::Program(program.to_owned()));
    let with_string = problem.replace("pass", "pass\\ndef test_string(code): pass");
    let asked = &one(Suite::Ds1000, &[("ds1000.jsonl", &with_string)], None).questions[0];
    assert!(
        matches!(&asked.rule, Rule::Program(program) if program.ends_with("\ntest_string(code)\n"))
    );
}

#[test]
fn wikitq_unescapes_its_fields_and_takes_canonical_values() {
    let target = |text: &str, canonical: Option<&str>| Target {
        text: text.to_owned(),
        canonical: canonical.map(str::to_owned),
    };
    let plain = "id\tutterance\tcontext\ttargetValue\nnu-1\thow many\tcsv/2-csv/1.csv\ta\\pb|c\n";
    let session = one(Suite::Wikitq, &[("data/t.tsv", plain)], Some("t"));
    assert_eq!(session.files[0].1, "1.csv");
    assert!(session.questions[0].text.starts_with("how many\n"));
    let expected = vec![target("a|b", None), target("c", None)];
    assert_eq!(session.questions[0].rule, Rule::Denotation(expected));
    let tagged =
        "id\tutterance\tcontext\ttargetValue\ttargetCanon\nnu-1\tq\tcsv/1.csv\t1,000\t1000.0\n";
    let session = one(Suite::Wikitq, &[("data/t.tsv", tagged)], Some("t"));
    let expected = vec![target("1,000", Some("1000.0"))];
    assert_eq!(session.questions[0].rule, Rule::Denotation(expected));
    let folder = copy(&[("data/t.tsv", "id\tutterance\n")]);
    let error = read(Suite::Wikitq, folder.path(), Some("t")).unwrap_err().to_string();
    assert!(error.contains("line 1: expected a column `context`"), "{error}");
    let error = read(Suite::Wikitq, folder.path(), Some("../t")).unwrap_err().to_string();
    assert!(error.contains("expected a split as pristine-unseen-tables"), "{error}");
}

#[test]
fn own_questions_share_a_kernel_by_their_session_and_have_one_rule() {
    let lines = [
        r#"{"id": "1", "question": "a?", "session": "s", "files": ["a.csv"], "setup": "x = 1", "answer": 3}"#,
        r#"{"id": "2", "question": "b?", "items": ["a", 1]}"#,
        r#"{"id": "3", "question": "c?", "session": "s", "files": ["a.csv"], "named": {"n": 2.5}, "level": "hard"}"#,
        r#"{"id": "4", "question": "d?", "check": "x == 1"}"#,
    ];
    let folder = copy(&[("questions.jsonl", &lines.join("\n"))]);
    let sessions = read(Suite::Questions, folder.path(), None).unwrap().sessions;
    let shape: Vec<(&str, usize, usize)> = sessions
        .iter()
        .map(|session| (&*session.id, session.questions.len(), session.files.len()))
        .collect();
    assert_eq!(shape, [("s", 2, 1), ("2", 1, 0), ("4", 1, 0)]);
    let first = &sessions[0].questions[0];
    assert_eq!(
        (first.setup.first().map(String::as_str), &first.rule),
        (Some("x = 1"), &Rule::Quasi(String::from("3")))
    );
    let named = vec![(String::from("n"), String::from("2.5"))];
    assert_eq!(sessions[0].questions[1].rule, Rule::Named(named));

    let refused =
        |line: &str, words: &str| refused(Suite::Questions, &[("questions.jsonl", line)], words);
    refused(r#"{"question": "a?"}"#, "line 1: expected `id` with a text");
    refused(
        r#"{"id": "1", "question": "a?", "files": ["../a"]}"#,
        "names of files below the folder",
    );
    refused(r#"{"id": "1", "question": "a?", "answer": 1, "check": "x"}"#, "not several");
    refused("[1]", "expected a JSON object");
    refused(r#"{"id": "1", "question": "a?", "items": []}"#, "`items` with a list of texts");
    refused(r#"{"id": "1", "question": "a?", "items": ["a", " "]}"#, "`items` with a list");
    refused(r#"{"id": "1", "question": "a?", "answer": ""}"#, "`answer` with a text or a number");
}

#[test]
fn own_questions_that_would_be_taken_for_each_other_are_refused() {
    let refused = |lines: [&str; 2], words: &str| {
        refused(Suite::Questions, &[("questions.jsonl", &lines.join("\n"))], words);
    };
    let plain = r#"{"id": "1", "question": "a?", "files": ["x/a.csv"]}"#;
    refused([plain, plain], "an id of its own for each question, found `1` twice");
    let in_session = r#"{"id": "2", "question": "b?", "session": "1", "files": ["y/a.csv"]}"#;
    let both = "line 2: expected a `session` that is no `id` of a question without one, found `1`";
    refused([plain, in_session], both);
    refused([in_session, plain], both);
    let same = r#"{"id": "2", "question": "c?", "session": "1"}"#;
    refused([in_session, same], "found `2` twice");
    let other = r#"{"id": "3", "question": "c?", "session": "1", "files": ["z/a.csv"]}"#;
    refused([in_session, other], "line 2: expected `files` of different names");
}

#[test]
fn a_copy_that_is_not_what_was_published_is_told() {
    let question = QUESTION.replace('\n', " ");
    let label = r#"{"id": 0, "common_answers": [["mean_fare", "34.65"]]}"#;
    let folder = copy(&[("da-dev-questions.jsonl", &question), ("da-dev-labels.jsonl", label)]);
    let copy = read(Suite::Dabench, folder.path(), None).unwrap().copy;
    assert_eq!((copy.questions, copy.sha256.len()), (1, 2));
    assert_eq!(
        copy.differs,
        [
            "`da-dev-labels.jsonl` is not the file that was published",
            "`da-dev-questions.jsonl` is not the file that was published",
            "1 questions, 257 were published",
        ]
    );
    let published = [("a", "0"), ("b", "1")].map(|(name, sha)| (name.to_owned(), sha.to_owned()));
    let facts = Facts { hashes: &[("a", "0")], counts: &[("", 7)], ..Suite::Questions.facts() };
    assert!(differs(&facts, None, &published, 7).is_empty());
}

const PROBLEMS: &str = "\"\"\"About it.\"\"\"\n\n# %%\nimport pandas as pd\n\n# %%\n\"\"\"\nquestion: |\n  Load it.\n\nvalidator:\n  namespace_check:\n    a:\ndata:\n  a.csv: https://example.org/a.csv\n\"\"\"\n\na = 1\n\n# %%\nb = 2\n\n# %%\n\"\"\"\nquestion: And now?\nexecution:\n  forbid_names: [b]\n  max_time: 9\n\"\"\"\n\na + 1\n";

#[test]
fn problems_of_dseval_stand_apart_behind_the_references_or_share_a_session() {
    let files = [("so/x.py", PROBLEMS), ("so/_inputs/x/a.csv", "a\n1\n"), ("so/_y.py", "# %%\n1")];
    let folder = copy(&files);
    let set = read(Suite::Dseval, folder.path(), Some("so")).unwrap();
    let ids: Vec<_> = set.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["x-1", "x-2"]);
    let (first, second) = (&set.sessions[0].questions[0], &set.sessions[1].questions[0]);
    assert!(first.text.starts_with("Load it.\n\n"), "{}", first.text);
    assert_eq!(first.setup, ["import pandas as pd"]);
    assert_eq!(second.setup, ["import pandas as pd", "a = 1", "b = 2"]);
    assert_eq!(set.sessions[0].files[0].1, "inputs/a.csv");
    let Rule::Reference(reference) = &second.rule else { panic!("{:?}", second.rule) };
    assert_eq!((&*reference.code, &reference.forbid), ("a + 1", &vec![String::from("b")]));
    let Rule::Reference(reference) = &first.rule else { panic!("{:?}", first.rule) };
    assert_eq!(reference.rules, serde_json::json!({"namespace_check": {"a": null}}));
    let differs = set.copy.differs.join("; ");
    assert!(differs.contains("`so/*.py`") && differs.contains("202 were published"), "{differs}");

    let set = read(Suite::Dseval, folder.path(), Some("so-propagated")).unwrap();
    assert_eq!(set.sessions.len(), 1);
    let setups = |at: usize| set.sessions[0].questions[at].setup.clone();
    assert_eq!((setups(0), setups(1)), (vec!["import pandas as pd".into()], vec!["b = 2".into()]));
}

#[test]
fn a_problem_that_cannot_be_read_is_told_with_its_place() {
    let refused = |problem: &str, words: &str| {
        let folder = copy(&[("kaggle/x.py", problem)]);
        let error = read(Suite::Dseval, folder.path(), None).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(PROBLEMS, "fetch it from https://example.org/a.csv");
    refused(
        "\n# %%\n\"\"\"\nquestion: [\n\"\"\"\n1\n",
        "line 3: expected a problem as DSEval writes it",
    );
    refused("\n# %%\n\"\"\"\nquestoin: a\n\"\"\"\n1\n", "questoin");
}
