//! The names that may be written between quotes, and the numbers beside them: what has been seen, spelled as it was
//! seen.
//!
//! A small model garbles a rare name or a number while copying it. Since each name it can mean stands in the
//! question, in the list of files and variables, or in an output, a string that is none of these is a mistake for
//! certain; so is a number in an answer that no cell has printed.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::FileInfo;
use crate::executor::Variable;
use crate::forms::{Demand, Fill, Kind, Pair, Tables, Value, numbers};
use crate::mention::{Question, words};

mod kinds;
mod place;

use kinds::{Kinds, table_cells};
pub use place::Place;

/// Words of the question that one name may have.
const MAX_WORDS: usize = 4;

/// How well a column is mentioned that the question is about.
const MENTIONED: f32 = 0.8;

/// The same of a column that holds a value which the question names.
const HELD: f32 = 0.7;

/// Up to which number code may hold one that was not asked for.
const SMALL: usize = 10;

/// Numbers as questions spell them out, from two on.
const SPELLED: [&str; 9] = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// What a table is called that has no name.
const TABLES: [&str; 5] = ["df", "dataset", "dataframe", "frame", "data set"];

/// Variables of a second table and of two that were put together, as the model was taught to name them.
const SECOND: &str = "other";
const JOINED: &str = "both";

/// What Python says of a file that is not there, before its name in quotes; and before its name alone, as pyarrow does.
const NO_FILE: &str = "No such file or directory: ";
const NO_FILE_BARE: &str = "FileNotFoundError: ";

/// Longest name, in characters: longer text in a table is prose, not a name.
const MAX_CHARACTERS: usize = 80;

/// Known names, as they stand between double quotes in Python, by what they name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    options: BTreeSet<String>,
    files: BTreeSet<String>,
    /// Files that are not there.
    absent: BTreeSet<String>,
    /// Variables that steps have read, with their files.
    read: BTreeMap<String, String>,
    columns: BTreeSet<String>,
    kinds: Kinds,
    /// Columns of which the question names a value.
    holding: BTreeSet<String>,
    /// Cells of tables and words of outputs.
    cells: BTreeSet<String>,
    /// Runs of words of the questions.
    phrases: BTreeSet<String>,
    /// Numbers of the question.
    asked: BTreeSet<String>,
    /// `DataFrames`.
    variables: BTreeSet<String>,
    /// Columns that the table [`SECOND`] has, and another one; whether these are all of both.
    shared: BTreeSet<String>,
    alike: bool,
    question: Question,
    /// The newest output.
    newest: String,
}

impl Names {
    /// Names that the model's file allows always; they are Python already.
    pub fn of_literals(literals: &[String]) -> Self {
        Self { options: literals.iter().cloned().collect(), ..Self::default() }
    }

    /// Learns the names of files.
    pub fn learn_files(&mut self, files: &[FileInfo]) {
        for file in files {
            learn(&mut self.files, &file.name);
        }
    }

    /// Learns the columns of `DataFrames`.
    pub fn learn_variables(&mut self, variables: &[Variable]) {
        self.variables.extend(variables.iter().map(|variable| variable.name.clone()));
        for column in variables.iter().flat_map(|variable| &variable.columns) {
            learn(&mut self.columns, column);
        }
        let (second, others): (Vec<&Variable>, Vec<&Variable>) =
            variables.iter().partition(|variable| variable.name == SECOND);
        let is_elsewhere =
            |column: &&String| others.iter().any(|other| other.columns.contains(column));
        let shared = second.iter().flat_map(|variable| &variable.columns).filter(is_elsewhere);
        shared.for_each(|column| learn(&mut self.shared, column));
        self.alike = second.iter().all(|second| {
            others.iter().any(|other| other.name != JOINED && other.columns == second.columns)
        });
    }

    /// Learns the question that is to be answered, after the files; `words` are those that questions ask with, whatever
    /// they are about.
    pub fn learn_task(&mut self, question: &str, words: &[String]) {
        self.question = Question::new(question, words);
        let files: Vec<&str> = self.files.iter().map(String::as_str).collect();
        let is_asked = |number: &String| !self.question.is_part(number, &files);
        self.asked = numbers(question).filter(is_asked).chain(spelled(question)).collect();
        self.learn_question(question);
    }

    /// Learns each run of one to four words, as spelled, without the punctuation around it; one with a dot inside
    /// may be a file.
    pub fn learn_question(&mut self, question: &str) {
        let words: Vec<&str> = question.split_whitespace().collect();
        for first in 0..words.len() {
            for n_words in 1..=MAX_WORDS.min(words.len() - first) {
                let run = words.iter().skip(first).take(n_words).copied();
                learn_run(&mut self.phrases, &run.collect::<Vec<_>>().join(" "));
            }
        }
        self.learn_paths(question);
    }

    /// Learns the header of a table as columns; its cells, the words of printed lines, and what stands in quotes.
    pub fn learn_observation(&mut self, observation: &str) {
        observation.clone_into(&mut self.newest);
        let mut in_table = false;
        for line in observation.lines() {
            let header = line.contains('|') && !in_table;
            in_table = line.contains('|');
            for cell in line.split(['|', ';']).flat_map(|cell| cell.split("  ")) {
                learn(if header { &mut self.columns } else { &mut self.cells }, cell.trim());
            }
            // Words of a cell are no names by themselves, but a printed line may be a list of names.
            if !in_table && !line.contains("  ") && !self.columns.contains(line.trim()) {
                let bare = |word: &str| word.trim_matches(is_mark).to_owned();
                line.split_whitespace().for_each(|word| learn(&mut self.cells, &bare(word)));
                line.split(", ").for_each(|part| learn(&mut self.cells, part));
            }
            if let Some(file) = line.strip_prefix(NO_FILE_BARE) {
                learn(&mut self.absent, file);
            }
            // `['a', 'b']`: a list of columns, as Python prints it.
            let set = if line.contains(NO_FILE) {
                &mut self.absent
            } else if line.starts_with('[') {
                &mut self.columns
            } else {
                &mut self.cells
            };
            for quote in ['\'', '"'] {
                line.split(quote).skip(1).step_by(2).for_each(|quoted| learn(set, quoted));
            }
        }
        self.learn_table(observation);
        self.learn_paths(observation);
        let Self { files, absent, .. } = self;
        files.retain(|file| !absent.contains(file));
    }

    /// Learns which file a step has read, and into which variable.
    pub(crate) fn learn_step(&mut self, code: &str) {
        let assigned = code.lines().filter_map(|line| line.split_once(" = "));
        for (variable, reader) in assigned.filter(|(_, reader)| reader.contains(".read_")) {
            let is_named = |file: &&String| reader.contains(&format!("\"{file}\""));
            if let Some(file) = self.files.iter().find(is_named) {
                self.read.insert(variable.trim().to_owned(), file.clone());
            }
        }
    }

    /// Learns what the columns of a table hold, if one was printed: also of an output that the model does not read again.
    pub fn learn_table(&mut self, observation: &str) {
        self.kinds.learn(observation);
        for (column, cell) in table_cells(observation) {
            if cell.parse::<f64>().is_err() && self.question.quotes(cell) {
                learn(&mut self.holding, column);
            }
        }
    }

    /// The names that a string may become that holds `written` so far, as they stand between double quotes. Where no
    /// name of the place is known, any known name may stand.
    pub fn beginning(&self, written: &str, place: Place) -> Vec<String> {
        let all: &[_] = &[&self.options, &self.files, &self.columns, &self.cells, &self.phrases];
        let sets: &[&BTreeSet<String>] = match place {
            Place::File => &[&self.files],
            Place::Column => &[&self.columns],
            Place::Value => &[&self.cells, &self.phrases, &self.columns],
            Place::Option => &[&self.options],
            Place::Any => all,
        };
        let is_unknown = sets.first().is_none_or(|set| set.is_empty());
        let known = if is_unknown && place != Place::Value { all } else { sets };
        let names: BTreeSet<&String> =
            known.iter().flat_map(|set| beginning(set, written)).collect();
        // `Rome.` at the end of a question is `Rome`.
        let is_twice = |name: &str| {
            let bare = name.trim_end_matches(['.', ',', '?', '!', ':', ';']);
            bare.len() < name.len() && known.iter().any(|set| set.contains(bare))
        };
        // A file that the question names is no value of a column.
        let is_file = |name: &str| {
            place == Place::Value && (self.files.contains(name) || self.absent.contains(name))
        };
        names.into_iter().filter(|name| !is_twice(name) && !is_file(name)).cloned().collect()
    }

    /// What thoughts and code may hold besides names: numbers of the question, or else small ones.
    pub(crate) fn fill(&self) -> Fill {
        let most = if self.asked.is_empty() { SMALL } else { 0 };
        let small = (1..=most).map(|number| number.to_string());
        Fill {
            numbers: self.asked.iter().cloned().chain(small).collect(),
            variables: self.variables(),
        }
    }

    /// What a thought about the question should take up; nothing while no column is known.
    pub(crate) fn demand(&self) -> Option<Demand> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let mentions = self.question.mentions(&columns);
        let is_printed = self.cells.iter().any(|cell| self.is_quoted_value(cell));
        let tables = self.variables.iter().map(String::as_str).chain(TABLES);
        let left = self.question.left(&self.named().into_iter().chain(tables).collect::<Vec<_>>());
        let is_mentioned = |(_, mention): &(&&str, &f32)| **mention > MENTIONED;
        let mentioned: Vec<&str> =
            columns.iter().zip(&mentions).filter(is_mentioned).map(|(name, _)| *name).collect();
        // A value alone tells its column, too.
        let told = usize::from(
            !self.holding.is_empty() && !mentioned.iter().any(|name| self.holding.contains(*name)),
        );
        let only = |kind: Kind, other: Kind| {
            let is_only =
                |name: &&&str| self.kinds.may_be(name, kind) && !self.kinds.may_be(name, other);
            mentioned.iter().filter(is_only).count()
        };
        let no_mention = mentions.iter().all(|mention| *mention == 0.0);
        // A column that the question does not speak of may stay as it is.
        let mentions_spoilt = columns
            .iter()
            .zip(&mentions)
            .any(|(name, mention)| *mention > 0.0 && self.kinds.may_be(name, Kind::Spoilt));
        (!columns.is_empty()).then(|| Demand {
            columns: mentioned.len() + told,
            measures: only(Kind::Measure, Kind::Group),
            groups: only(Kind::Group, Kind::Measure) + told,
            value: if is_printed {
                Value::Printed
            } else if self.phrases.iter().any(|phrase| left.holds(phrase)) {
                Value::Perhaps
            } else {
                Value::No
            },
            number: !self.asked.is_empty(),
            tables: Tables {
                spoilt: self.kinds.has_spoilt() && (no_mention || mentions_spoilt),
                unread: self.has_unread(),
                listed: false,
                pair: self.pair(),
            },
            flag: mentioned.iter().any(|name| self.kinds.is_flag(name)),
            nothing: no_mention,
            said: self.question.words(),
        })
    }

    /// How the first table and the second one go together.
    fn pair(&self) -> Pair {
        if self.shared.is_empty() || self.variables.contains(JOINED) {
            Pair::None
        } else if self.alike {
            Pair::Alike
        } else {
            Pair::Linked
        }
    }

    /// Whether a file, a table or a column is known.
    pub(crate) fn has_data(&self) -> bool {
        !self.variables.is_empty() || !self.named().is_empty()
    }

    /// Whether a table is there that a step has read from a file.
    pub(crate) fn is_read(&self, file: &str) -> bool {
        self.read.iter().any(|(variable, of)| of == file && self.variables.contains(variable))
    }

    /// Whether a file that was not read may hold what is asked for. The only one may be where the user's table is from,
    /// unless the question names it.
    pub(crate) fn has_unread(&self) -> bool {
        let unread: Vec<&str> =
            self.files.iter().map(String::as_str).filter(|file| !self.is_read(file)).collect();
        let is_named = || self.question.mentions(&unread).iter().any(|mention| *mention > 0.0);
        unread.len() > 1 || !unread.is_empty() && (unread.len() < self.files.len() || is_named())
    }

    /// All columns and files.
    fn named(&self) -> Vec<&str> {
        self.columns.iter().chain(&self.files).map(String::as_str).collect()
    }

    /// Whether a printed cell stands in the question and is no name of a column.
    fn is_quoted_value(&self, cell: &str) -> bool {
        let is_name = || self.columns.contains(cell) || self.files.contains(cell);
        self.question.quotes(cell) && cell.parse::<f64>().is_err() && !is_name()
    }

    /// What an answer may hold besides names: numbers that were asked for or printed last.
    pub(crate) fn fill_answer(&self) -> Fill {
        let newest = numbers(&self.newest);
        let told = self.asked.iter().cloned().chain(newest);
        Fill { numbers: told.collect(), variables: self.variables() }
    }

    fn variables(&self) -> BTreeSet<String> {
        let usual = || BTreeSet::from([String::from("df")]);
        if self.variables.is_empty() { usual() } else { self.variables.clone() }
    }

    /// How strongly the question asks for each of `names`, from 0 to 1.
    pub fn asked(&self, names: &[String], place: Place) -> Vec<f32> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = self.named();
        let left = self.question.left(&known);
        // Beside all others: one that is no candidate accounts for words of the question, too.
        let others = known.iter().filter(|name| !names.contains(name));
        let all: Vec<&str> = names.iter().chain(others).copied().collect();
        let mentions = self.question.mentions(&all);
        let share = |(&name, mention): (&&str, f32)| {
            let is_name = self.columns.contains(name) || self.files.contains(name);
            if is_name && place != Place::Value {
                let held = if self.holding.contains(name) { HELD } else { 0.0 };
                mention.max(held)
            } else if name.parse::<f64>().is_ok() {
                0.0
            } else if self.cells.contains(name) && self.question.quotes(name) {
                1.0
            } else if left.holds(name) {
                0.75
            } else {
                0.0
            }
        };
        names.iter().zip(mentions).map(share).collect()
    }

    /// Where the question says a text.
    pub(crate) fn place_in_question(&self, text: &str) -> Option<usize> {
        self.question.place(text)
    }

    /// The newest output.
    pub(crate) fn newest(&self) -> &str {
        &self.newest
    }

    /// Whether a table has a column of this name.
    pub(crate) fn is_column(&self, name: &str) -> bool {
        self.columns.contains(name)
    }

    /// Whether a text is a cell of the newest output, and neither a number nor a word of a column's name.
    pub(crate) fn is_new_value(&self, text: &str) -> bool {
        let mut cells = self.newest.lines().flat_map(|line| line.split('|'));
        let is_cell = |cell: &str| cell.split("  ").next().is_some_and(|cell| cell.trim() == text);
        let is_word = |column: &String| words(column).contains(&text.to_lowercase());
        text.parse::<f64>().is_err() && cells.any(is_cell) && !self.columns.iter().any(is_word)
    }

    /// Whether a text stands in the newest output.
    pub fn is_new(&self, text: &str) -> bool {
        self.newest.contains(text)
    }

    /// Whether a name may name what is expected, by the values that were seen. A value that the question names is
    /// compared with a column that holds it.
    pub(crate) fn may_be(&self, name: &str, kind: Kind) -> bool {
        let is_elsewhere = || !self.holding.is_empty() && !self.holding.contains(name);
        match kind {
            Kind::Key => self.shared.contains(name),
            _ => self.kinds.may_be(name, kind) && !(kind == Kind::Compared && is_elsewhere()),
        }
    }

    fn learn_paths(&mut self, text: &str) {
        for word in text.split_whitespace() {
            let path = word.trim_matches(is_mark);
            if path.rsplit_once('.').is_some_and(|(stem, kind)| {
                !stem.is_empty() && kind.starts_with(|c: char| c.is_ascii_alphabetic())
            }) {
                learn(&mut self.files, path);
            }
        }
    }
}

/// A run of words, both as spelled and without the punctuation around it.
fn learn_run(set: &mut BTreeSet<String>, run: &str) {
    learn(set, run);
    learn(set, run.trim_matches(is_mark));
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && c != '_'
}

/// The numbers that a question spells out.
fn spelled(question: &str) -> impl Iterator<Item = String> {
    let words = question.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words
        .filter_map(|word| SPELLED.iter().position(|name| *name == word))
        .map(|at| (at + 2).to_string())
}

/// The texts that begin with `start`.
fn beginning<'t>(set: &'t BTreeSet<String>, start: &'t str) -> impl Iterator<Item = &'t String> {
    set.range(start.to_owned()..).take_while(move |text| text.starts_with(start))
}

fn learn(set: &mut BTreeSet<String>, name: &str) {
    let usable = !name.trim().is_empty() && name.chars().count() <= MAX_CHARACTERS;
    if usable && !name.chars().any(char::is_control) {
        set.insert(name.replace('\\', "\\\\").replace('"', "\\\""));
    }
}

#[cfg(test)]
mod tests;
