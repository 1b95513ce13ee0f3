use std::fs::{self, File};

use serde_json::json;
use tempfile::TempDir;

use super::*;

#[test]
fn data_files_are_sorted_and_nothing_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["b.csv", "A.XLSX", "notes.md", ".hidden.csv", "c.parquet", "noextension", "d.exe"];
    for name in names {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    let names = |files: Vec<FileInfo>| files.into_iter().map(|file| file.name).collect::<Vec<_>>();
    assert_eq!(names(data_files(folder.path())), ["A.XLSX", "b.csv", "c.parquet", "notes.md"]);
    assert_eq!(names(learnt_files(folder.path())), ["A.XLSX", "b.csv", "c.parquet"]);
    assert!(data_files(&folder.path().join("missing")).is_empty());
}

#[test]
fn every_kind_has_a_reader_and_every_reader_a_kind() {
    let readers = include_str!("../companion/profile/formats.py");
    let (_, table) = readers.split_once("READERS = {").unwrap();
    let (table, _) = table.split_once('}').unwrap();
    let kinds: Vec<_> = table.lines().filter_map(|line| line.trim().split('"').nth(1)).collect();
    let mut expected = KINDS.to_vec();
    let mut found = kinds;
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

/// A folder whose files were written long ago.
struct Scene {
    folder: TempDir,
    sources: Sources,
}

impl Scene {
    fn new() -> Scene {
        Scene { folder: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    fn write(&self, name: &str, text: &str, seconds: u64) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    /// Asks a question: which files are read, and what is told of changes. A content is its text.
    fn ask(&mut self) -> (Vec<String>, DataNotes) {
        let folder = self.folder.path();
        let look = self.sources.look(folder, data_files(folder), &[]);
        let contents: Vec<String> =
            self.sources.contents().into_iter().map(str::to_owned).collect();
        let read = |name: &String| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let notes =
                if contents.contains(&text) { vec![] } else { vec![format!("says {text}")] };
            serde_json::from_value(json!({"content": text, "notes": notes})).unwrap()
        };
        let read = look.unread.iter().map(read).collect();
        self.sources.learn(&look, read);
        let notes = self.sources.notes(&look);
        (look.unread, notes)
    }
}

#[test]
fn an_unchanged_file_is_read_once_and_a_changed_one_again() {
    let mut scene = Scene::new();
    scene.write("a.csv", "1", 1_000);
    scene.write("b.csv", "2", 1_000);
    let (read, notes) = scene.ask();
    assert_eq!((read, notes.changes.as_str()), (vec!["a.csv".into(), "b.csv".into()], ""));
    assert_eq!(notes.profiles, ["a.csv: says 1", "b.csv: says 2"]);
    let (read, same) = scene.ask();
    assert_eq!((read, &same.profiles), (vec![], &notes.profiles));

    scene.write("a.csv", "3", 2_000);
    scene.write("c.csv", "4", 1_000);
    fs::remove_file(scene.folder.path().join("b.csv")).unwrap();
    let (read, notes) = scene.ask();
    assert_eq!(read, ["a.csv", "c.csv"]);
    let said = "Files since the last question: new: c.csv; changed: a.csv; gone: b.csv.";
    assert_eq!((notes.changes.as_str(), notes.profiles[0].as_str()), (said, "a.csv: says 3"));
    assert_eq!(scene.ask().1.changes, "", "news is told once");
}

#[test]
fn a_file_that_was_only_touched_keeps_its_profile_and_is_no_news() {
    let mut scene = Scene::new();
    scene.write("a.csv", "1", 1_000);
    let before = scene.ask().1;
    scene.write("a.csv", "1", 2_000);
    let (read, notes) = scene.ask();
    assert_eq!((read, notes), (vec!["a.csv".into()], before));
}

#[test]
fn the_time_of_a_file_that_was_just_written_proves_nothing() {
    let mut scene = Scene::new();
    fs::write(scene.folder.path().join("a.csv"), "1").unwrap();
    scene.ask();
    assert_eq!(scene.ask().0, ["a.csv"]);
}

#[test]
fn without_profiles_files_are_told_apart_by_size_and_time() {
    let mut scene = Scene::new();
    scene.write("a.csv", "1", 1_000);
    let folder = scene.folder.path().to_owned();
    let mut ask = || {
        let look = scene.sources.look(&folder, data_files(&folder), &[]);
        scene.sources.notes(&look)
    };
    assert_eq!(ask(), DataNotes::default());
    fs::write(folder.join("a.csv"), "22").unwrap();
    assert_eq!(ask().changes, "Files since the last question: changed: a.csv.");
}
