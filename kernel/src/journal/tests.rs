//! Tests of the journals on disk.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn step(number: usize, text: &str) -> StepRecord {
    StepRecord {
        number,
        understanding: String::new(),
        pass: 0,
        thought: "Look.".into(),
        code: "df".into(),
        execution_count: Some(3),
        status: "ok".into(),
        seconds: Some(0.5),
        outputs: vec![json!({"output_type": "stream", "name": "stdout", "text": text})],
        kept: None,
    }
}

struct Place {
    folder: tempfile::TempDir,
    journals: Journals,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let journals = Journals::new(Some(folder.path().join("state/journal")));
    Place { folder, journals }
}

impl Place {
    fn turn(&self, turn: &str, texts: &[&str]) {
        self.journals.begin("a.ipynb", TurnRecord::new(turn), json!({"id": "p"}), Vec::new());
        for (at, text) in texts.iter().enumerate() {
            self.journals.step("a.ipynb", turn, step(at + 1, text));
        }
    }

    fn file(&self) -> PathBuf {
        self.journals.file("a.ipynb").unwrap()
    }

    /// Turns by name, with the number of their steps.
    fn turns(&self) -> Vec<(String, usize)> {
        let turns = self.journals.turns("a.ipynb").into_iter();
        turns.map(|kept| (kept.record.turn, kept.record.steps.len())).collect()
    }
}

fn named(turns: &[(&str, usize)]) -> Vec<(String, usize)> {
    turns.iter().map(|(turn, steps)| ((*turn).to_owned(), *steps)).collect()
}

#[test]
fn a_turn_that_goes_on_is_noted_anew_from_its_beginning() {
    let place = place();
    place.turn("t_1", &["1\n", "2\n", "3\n"]);
    let steps = vec![step(1, "1\n")];
    let record = TurnRecord { pass: 1, steps, ..TurnRecord::new("t_1") };
    place.journals.begin("a.ipynb", record, json!({"id": "p"}), vec!["t_1-2c".into()]);
    place.journals.step("a.ipynb", "t_1", StepRecord { pass: 1, ..step(2, "two\n") });
    let [kept] = &place.journals.turns("a.ipynb")[..] else { panic!("one turn") };
    let texts: Vec<_> = kept.record.steps.iter().map(StepRecord::printed).collect();
    assert_eq!((kept.record.pass, &kept.removed[..]), (1, &["t_1-2c".to_owned()][..]));
    assert_eq!(texts, ["1\n\n", "two\n\n"]);
}

#[test]
fn what_was_noted_is_read_by_the_notebook_and_goes_with_its_last_turn() {
    let place = place();
    place.turn("t_1", &["1\n", "2\n"]);
    place.turn("t_2", &[]);
    let outputs = vec![json!({"output_type": "display_data"})];
    let end = TurnEnd { outputs: outputs.clone(), ..TurnEnd::default() };
    place.journals.end("a.ipynb", "t_1", end);
    let turns = place.journals.turns("a.ipynb");
    assert_eq!((&turns[0].prompt, &turns[0].outputs), (&json!({"id": "p"}), &outputs));
    assert_eq!(turns[0].record.steps, [step(1, "1\n"), step(2, "2\n")]);
    assert!(place.journals.turns("b.ipynb").is_empty());
    place.journals.forget("a.ipynb", "t_1");
    place.journals.forget("a.ipynb", "t_none");
    assert_eq!(place.turns(), named(&[("t_2", 0)]));
    place.journals.forget("a.ipynb", "t_2");
    assert!(!place.file().exists());
}

#[test]
fn only_its_owner_can_read_a_journal() {
    let place = place();
    place.turn("t_1", &["1\n"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.file()), mode(place.file().parent().unwrap())), (0o600, 0o700));
    place.turn("t_2", &["1\n"]);
    place.journals.forget("a.ipynb", "t_1");
    assert_eq!(mode(&place.file()), 0o600);
}

#[test]
fn damaged_lines_are_passed_over_and_swallow_no_other() {
    let place = place();
    place.turn("t_1", &["1\n"]);
    let mut file = OpenOptions::new().append(true).open(place.file()).unwrap();
    file.write_all(
        b"\xff\xfe\n{\"line\": \"dance\"}\n[[[[\n{\"line\":\"step\",\"turn\":\"t_1\",\"st",
    )
    .unwrap();
    place.journals.step("a.ipynb", "t_1", step(2, "2\n"));
    assert_eq!(place.turns(), named(&[("t_1", 2)]));
    std::fs::write(place.file(), b"\0\0\0").unwrap();
    assert!(place.turns().is_empty());
}

#[test]
fn a_journal_is_bounded_in_turns_and_bytes() {
    let place = place();
    for turn in 0..=MAX_TURNS {
        place.turn(&format!("t_{turn}"), &[]);
    }
    assert_eq!(place.turns().len(), MAX_TURNS);
    assert_eq!(place.turns()[0].0, "t_1");
    let large = "x".repeat(MAX_LINE / 2);
    for turn in 0..10 {
        place.turn(&format!("t_large{turn}"), &[&large, &"y".repeat(2 * MAX_LINE)]);
    }
    assert!(std::fs::metadata(place.file()).unwrap().len() <= MAX_BYTES);
    let turns = place.journals.turns("a.ipynb");
    let last = &turns.last().unwrap().record;
    assert_eq!((last.turn.as_str(), last.steps.len()), ("t_large9", 2));
    assert!(last.steps[1].outputs[0]["text"].as_str().unwrap().contains("too large"));
}

#[test]
fn journals_of_long_ago_go_when_there_are_many() {
    let place = place();
    for n in 0..MAX_FILES + 5 {
        place.journals.begin(&format!("{n}.ipynb"), TurnRecord::new("t_1"), json!({}), Vec::new());
    }
    let count = std::fs::read_dir(place.file().parent().unwrap()).unwrap().count();
    assert!(count <= MAX_FILES + 1, "{count}");
}

#[test]
fn without_a_folder_or_a_path_nothing_is_kept_and_nothing_fails() {
    let nowhere = Journals::new(None);
    nowhere.begin("a.ipynb", TurnRecord::new("t_1"), json!({}), Vec::new());
    assert!(nowhere.turns("a.ipynb").is_empty());
    let place = place();
    place.journals.begin("", TurnRecord::new("t_1"), json!({}), Vec::new());
    std::fs::write(place.folder.path().join("state"), "a file where a folder should be").unwrap();
    place.turn("t_1", &["1\n"]);
    assert!(place.turns().is_empty());
}

#[test]
fn what_cannot_be_kept_is_said_once() {
    let journals = Journals::new(Some(PathBuf::from("/proc/no-such-folder")));
    journals.begin("a.ipynb", TurnRecord::new("t_1"), json!({"id": "p"}), Vec::new());
    journals.step("a.ipynb", "t_1", step(1, "1\n"));
    assert!(journals.take_trouble().is_some());
    assert_eq!(journals.take_trouble(), None);
    let place = place();
    place.turn("t_1", &["1\n"]);
    assert_eq!(place.journals.take_trouble(), None);
}
