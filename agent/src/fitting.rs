//! Which of several files a question is about, by what they hold.
//!
//! A small model is told names of files alone, and takes the one whose name looks right: "which store sold most?" is then
//! put to `stores.csv`, though `orders.csv` has what was sold.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::{FileInfo, Task};
use crate::mention::Question;

/// Whether it is left open which file is meant: there are several, none was read yet, and the question names none.
pub(crate) fn is_open(task: &Task) -> bool {
    let is_named = |file: &FileInfo| task.prompt.contains(&file.name);
    task.files.len() > 1 && task.variables.is_empty() && !task.files.iter().any(is_named)
}

/// The files of which most words of the question tell, and those that tell of others of its words, in their order; all,
/// where none does. `held` has the columns and values of files by their names; `common` are words that questions ask
/// with, whatever they are about.
pub(crate) fn fitting(
    task: &Task,
    held: &BTreeMap<String, Vec<String>>,
    common: &[String],
) -> Vec<FileInfo> {
    let question = Question::new(&task.prompt, common);
    let told = |file: &FileInfo| {
        let stem = file.name.rsplit_once('.').map_or(&*file.name, |(stem, _)| stem);
        let held = held.get(&file.name).into_iter().flatten().map(String::as_str);
        question.told_by(held.chain([stem]))
    };
    let told: Vec<BTreeSet<usize>> = task.files.iter().map(told).collect();
    let most = told.iter().map(BTreeSet::len).max().unwrap_or_default();
    let by_most: BTreeSet<usize> =
        told.iter().filter(|told| told.len() == most).flatten().copied().collect();
    let is_told = |told: &BTreeSet<usize>| told.len() == most || !told.is_subset(&by_most);
    task.files
        .iter()
        .zip(&told)
        .filter(|(_, told)| is_told(told))
        .map(|(file, _)| file.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::DataNotes;
    use crate::agent::Mode;
    use crate::executor::Variable;

    fn task(prompt: &str) -> Task {
        let file = |name: &str| FileInfo { name: name.to_owned(), bytes: 1 };
        Task {
            prompt: prompt.to_owned(),
            brief: String::new(),
            mode: Mode::Agentic,
            stage: None,
            instructions: String::new(),
            files: vec![file("orders.csv"), file("stores.csv"), file("notes.txt")],
            variables: Vec::new(),
            data: DataNotes::default(),
            history: Vec::new(),
            begun: None,
        }
    }

    #[test]
    fn a_question_is_about_the_file_that_holds_most_of_its_words() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let held = BTreeMap::from([
            (
                String::from("orders.csv"),
                words(&["order_date", "store", "units", "unit_price", "category", "Toys", "Halle"]),
            ),
            (String::from("stores.csv"), words(&["store", "manager", "opened", "Halle"])),
        ]);
        let common: Vec<String> =
            words(&["which", "sold", "the", "most", "in", "how", "is", "this"]);
        for (prompt, files) in [
            ("Which store sold the most units?", &["orders.csv"][..]),
            ("Which manager is in Halle?", &["stores.csv"]),
            ("Units of Toys by manager", &["orders.csv", "stores.csv"]),
            ("Toys", &["orders.csv"]),
            ("How many orders?", &["orders.csv"]),
            ("Halle?", &["orders.csv", "stores.csv"]),
            ("What is this?", &["orders.csv", "stores.csv", "notes.txt"]),
        ] {
            let found = fitting(&task(prompt), &held, &common);
            let names: Vec<&str> = found.iter().map(|file| &*file.name).collect();
            assert_eq!(names, files, "{prompt}");
        }
    }

    #[test]
    fn it_is_open_which_file_is_meant_while_none_is_named_or_read() {
        assert!(is_open(&task("Which store?")));
        assert!(!is_open(&task("Which store of stores.csv?")));
        let frame = Variable { name: String::from("df"), columns: Vec::new() };
        assert!(!is_open(&Task { variables: vec![frame], ..task("Which store?") }));
        assert!(!is_open(&Task { files: Vec::new(), ..task("Which store?") }));
    }
}
