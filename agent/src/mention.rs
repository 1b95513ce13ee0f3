//! What a question mentions: how well the words of a name fit words of the question.
//!
//! People name columns loosely ("average delay per carrier" for `arr_delay` and `Carrier`). Spelling alone tells most
//! of it, and a small model is bad at spelling.

use std::collections::BTreeSet;

use crate::spelling::is_slip;

/// Shortest beginning of a word that counts as the word: `temp` for `temperature`.
const MIN_PREFIX: usize = 3;

/// How well a name is mentioned that alone has some word of the question.
const ALONE: f32 = 0.9;

/// The words of a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Question {
    words: Vec<String>,
    /// Which of them say what is asked, whatever it is about.
    common: BTreeSet<usize>,
}

/// Runs of words of a question.
pub(crate) struct Left<'q>(Vec<&'q [String]>);

impl Left<'_> {
    /// Whether `text` is one of them, whole.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let wanted = words(text);
        self.0.iter().any(|run| *run == wanted)
    }
}

/// Where a name was found.
struct Mention {
    /// Words of the question.
    places: BTreeSet<usize>,
    /// Of the name's words that were found.
    share: f32,
}

impl Question {
    /// Reads a question; `common` are words that say what is asked about any table. A capital alone (`group A`) is
    /// a name, but for the first word.
    pub(crate) fn new(text: &str, common: &[String]) -> Self {
        let spelled = split(text);
        let is_name = |at: usize, word: &str| at > 0 && is_capital(word);
        let is_common = |(at, word): &(usize, &&str)| {
            !is_name(*at, word) && common.contains(&word.to_lowercase())
        };
        let places = spelled.iter().enumerate().filter(is_common).map(|(at, _)| at);
        Self { common: places.collect(), words: words(text) }
    }

    /// How well the question mentions each of `names`, from 0 (not at all) to 1 (all of its words).
    ///
    /// A name whose words are also those of a longer mention (`mass` beside `body_mass`, for "body mass") counts half;
    /// one that alone has some word of the question is meant ([`ALONE`]).
    pub(crate) fn mentions(&self, names: &[&str]) -> Vec<f32> {
        let found: Vec<Mention> = names.iter().map(|name| self.mention(name)).collect();
        let is_part = |one: &Mention| {
            found.iter().any(|other| {
                one.places.len() < other.places.len() && one.places.is_subset(&other.places)
            })
        };
        let is_alone = |one: &Mention| {
            one.places
                .iter()
                .any(|place| found.iter().filter(|other| other.places.contains(place)).count() == 1)
        };
        let share = |one: &Mention| {
            if is_part(one) {
                one.share / 2.0
            } else if is_alone(one) {
                one.share.max(ALONE)
            } else {
                one.share
            }
        };
        found.iter().map(share).collect()
    }

    /// Its words, in small letters.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        self.words.iter().cloned().collect()
    }

    /// Places of the words of the question that are not common and are words of one of `names`.
    pub(crate) fn told_by<'n>(&self, names: impl Iterator<Item = &'n str>) -> BTreeSet<usize> {
        let told: BTreeSet<usize> = names.flat_map(|name| self.mention(name).places).collect();
        told.difference(&self.common).copied().collect()
    }

    /// Whether `text` stands in the question, word by word, and is more than common words.
    pub(crate) fn quotes(&self, text: &str) -> bool {
        let wanted = words(text);
        let mut runs = self.words.windows(wanted.len().max(1)).enumerate();
        runs.any(|(at, run)| {
            run == wanted && (at..at + wanted.len()).any(|at| !self.common.contains(&at))
        })
    }

    /// Where the words of `text` first stand in the question, one after the other.
    pub(crate) fn place(&self, text: &str) -> Option<usize> {
        let wanted = words(text);
        self.words.windows(wanted.len().max(1)).position(|run| run == wanted)
    }

    /// The runs of words of the question that are neither common nor part of one of `names`: what is left when all
    /// else is understood, such as a value that no output has shown.
    pub(crate) fn left(&self, names: &[&str]) -> Left<'_> {
        let taken = self.taken(names);
        let is_left = |at: &usize| !self.common.contains(at) && !taken.contains(at);
        let left: Vec<usize> = (0..self.words.len()).filter(is_left).collect();
        let runs = left.chunk_by(|a, b| a + 1 == *b);
        Left(runs.filter_map(|run| self.words.get(*run.first()?..=*run.last()?)).collect())
    }

    /// Whether a word stands in the question beside another word of one of `names`: `2022` in "the laps 2022 data",
    /// for `laps_2022.csv`.
    pub(crate) fn is_part(&self, word: &str, names: &[&str]) -> bool {
        let Some(at) = self.words.iter().position(|asked| asked == word) else { return false };
        names.iter().any(|name| {
            let places = self.mention(name).places;
            let beside = |at: usize| places.contains(&at);
            beside(at) && (at.checked_sub(1).is_some_and(beside) || beside(at + 1))
        })
    }

    /// Places of the words of `names`, wherever they stand.
    fn taken(&self, names: &[&str]) -> BTreeSet<usize> {
        let wanted: Vec<String> =
            names.iter().flat_map(|name| words(without_brackets(name))).collect();
        let is_taken = |&(at, asked): &(usize, &String)| {
            wanted.iter().any(|word| is_same(word, asked) || self.is_slip(at, word))
        };
        self.words.iter().enumerate().filter(is_taken).map(|(at, _)| at).collect()
    }

    /// Whether a word that does not say what is asked is a slip of a name's word.
    fn is_slip(&self, at: usize, word: &str) -> bool {
        !self.common.contains(&at) && self.words.get(at).is_some_and(|asked| is_slip(asked, word))
    }

    fn mention(&self, name: &str) -> Mention {
        let wanted = words(without_brackets(name));
        let place = |word: &String| {
            let same = self.words.iter().position(|asked| is_same(word, asked));
            same.or_else(|| (0..self.words.len()).find(|&at| self.is_slip(at, word)))
        };
        let places: BTreeSet<usize> = wanted.iter().filter_map(place).collect();
        #[expect(clippy::cast_precision_loss, reason = "names have few words")]
        let share = places.len() as f32 / wanted.len().max(1) as f32;
        Mention { places, share }
    }
}

/// `Price (EUR)` is asked for as the price.
fn without_brackets(name: &str) -> &str {
    name.split_once(" (").map_or(name, |(before, _)| before)
}

/// Whether a word of a name is meant by a word of a question: the same but for its number, or its beginning.
fn is_same(word: &str, asked: &str) -> bool {
    let is_beginning = word.len() >= MIN_PREFIX && asked.starts_with(word);
    is_beginning || singular(word) == singular(asked)
}

fn singular(word: &str) -> String {
    let ends = [
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("ss", "ss"),
        ("s", ""),
    ];
    let stem = |(end, with): &(&str, &str)| Some(format!("{}{with}", word.strip_suffix(end)?));
    ends.iter().find_map(stem).filter(|stem| stem.len() >= 2).unwrap_or_else(|| word.to_owned())
}

/// Whether a word is one capital letter, but for "I".
fn is_capital(word: &str) -> bool {
    word.len() == 1 && word.starts_with(|c: char| c.is_ascii_uppercase() && c != 'I')
}

/// Words in small letters.
pub(crate) fn words(text: &str) -> Vec<String> {
    split(text).iter().map(|word| word.to_lowercase()).collect()
}

/// The words of `snake_case`, `camelCase` and prose alike.
fn split(text: &str) -> Vec<&str> {
    let (mut starts, mut before) = (Vec::new(), ' ');
    for (at, c) in text.char_indices() {
        let begins = !before.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase());
        if c.is_alphanumeric() && begins {
            starts.push(at);
        }
        before = c;
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let word = |(start, end)| text.get(start..end).unwrap_or_default();
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(word)
        .map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Question {
        Question::new(text, &["how", "many", "rows", "have"].map(String::from))
    }

    #[track_caller]
    fn check(question: &str, names: &[&str], expected: &[f32]) {
        assert_eq!(Question::new(question, &[]).mentions(names), expected, "{question} {names:?}");
    }

    #[test]
    fn a_name_is_mentioned_by_its_words_in_any_spelling() {
        check("body mass?", &["body_mass", "bodyMass", "BODY MASS", "year"], &[1.0, 1.0, 1.0, 0.0]);
        check("by species", &["Species"], &[1.0]);
        check("which cities", &["city"], &[1.0]);
        check("mean of arr_delay", &["arr_delay", "dep_delay"], &[1.0, 0.25]);
        check("the average price", &["Price (EUR)", "age"], &[1.0, 0.0]);
        check("over all temperatures", &["temp_max", "temp_min"], &[0.5, 0.5]);
        check("temperatuer by speceis", &["temperature", "species", "island"], &[1.0, 1.0, 0.0]);
        check("rows with sepal length", &["sepal_width", "sepal_length"], &[0.25, 1.0]);
        check("count by state", &["county", "state"], &[0.0, 1.0]);
        check(
            "mean spread by station",
            &["Field Spread", "Station", "Station Year"],
            &[0.9, 1.0, 0.5],
        );
        check("", &["a"], &[0.0]);
    }

    #[test]
    fn a_longer_mention_of_the_same_words_counts_more() {
        check("body mass", &["body_mass", "mass"], &[1.0, 0.5]);
    }

    #[test]
    fn a_text_is_quoted_as_whole_words() {
        let question = asked("How many rows have region North Sea?");
        let quotes =
            ["North Sea", "north", "Nor", "How many", ""].map(|text| question.quotes(text));
        assert_eq!(quotes, [true, true, false, false, false]);
    }

    #[test]
    fn a_word_of_a_longer_name_is_part_of_it() {
        let question = asked("rows of laps 2022 above 7?");
        let is_part = |word| question.is_part(word, &["laps_2022.csv"]);
        assert_eq!(["2022", "7", "rows"].map(is_part), [true, false, false]);
    }

    #[test]
    fn a_capital_alone_is_a_name() {
        let common = ["a", "is", "which"].map(String::from);
        let question = Question::new("Is a mean of group A above B?", &common);
        assert_eq!(["A", "B", "is"].map(|text| question.quotes(text)), [true, true, false]);
        assert!(!Question::new("A mean", &common).quotes("A"));
    }

    #[test]
    fn what_is_left_of_a_question_may_be_a_value() {
        let question = asked("How many rows have region New Port?");
        let left = question.left(&["region"]);
        assert_eq!(
            ["New Port", "New", "region New Port", "rows"].map(|text| left.holds(text)),
            [true, false, false, false]
        );
        let question = asked("daily oxygen of X3 with daily oxygen of X4");
        let left = question.left(&["daily_oxygen"]);
        assert!(!left.holds("daily oxygen") && left.holds("of X4"));
    }
}
