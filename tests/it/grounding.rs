//! How well numbers that were printed are told from numbers that were not: labelled answers, precision and recall.
//!
//! `cargo test -p tests --test it grounding -- --nocapture` prints the figures.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use datarus_agent::grounding::{Number, Origin, ground, missing};

/// A labelled answer.
struct Case {
    name: String,
    question: String,
    code: String,
    outputs: Vec<String>,
    answer: String,
    labels: Vec<(Range<usize>, Label)>,
}

/// What is true of a number of an answer.
#[derive(Debug, Clone, PartialEq)]
enum Label {
    /// One of these outputs printed it, or it is made of what they printed.
    Supported(Vec<usize>),
    /// Nothing supports it.
    Unsupported,
    /// The question or the code names it.
    Given,
    /// It claims nothing.
    NoClaim,
    /// Either may be said.
    Open,
}

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/grounding").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n=== ").map(|case| case_of(case.trim_start_matches("=== "))).collect()
}

fn case_of(text: &str) -> Case {
    let mut parts = text.split("\n--- ");
    let (name, question) = parts.next().unwrap().split_once('\n').unwrap();
    let mut case = Case {
        name: name.to_owned(),
        question: question.trim_start_matches("? ").to_owned(),
        code: String::new(),
        outputs: Vec::new(),
        answer: String::new(),
        labels: Vec::new(),
    };
    for part in parts {
        let (kind, body) = part.split_once('\n').unwrap();
        match kind {
            "code" => body.clone_into(&mut case.code),
            "answer" => (case.answer, case.labels) = labelled(body.trim_end()),
            _ => case.outputs.push(body.to_owned()),
        }
    }
    assert!(!case.answer.is_empty(), "{name} has no answer");
    case
}

fn labelled(marked: &str) -> (String, Vec<(Range<usize>, Label)>) {
    let (mut text, mut labels) = (String::new(), Vec::new());
    let mut rest = marked;
    while let Some((before, after)) = rest.split_once('⟦') {
        let (inside, behind) = after.split_once('⟧').unwrap();
        let (number, label) = inside.rsplit_once('|').unwrap();
        text.push_str(before);
        labels.push((text.len()..text.len() + number.len(), label_of(label)));
        text.push_str(number);
        rest = behind;
    }
    (text + rest, labels)
}

fn label_of(label: &str) -> Label {
    match label {
        "x" => Label::Unsupported,
        "q" => Label::Given,
        "-" => Label::NoClaim,
        _ if label.contains('x') => Label::Open,
        _ => Label::Supported(
            label
                .split(',')
                .map(|output| output.trim_end_matches('+').parse::<usize>().unwrap() - 1)
                .collect(),
        ),
    }
}

/// Right and wrong answers to the two questions: is it linked, and rightly so; is it marked, and rightly so.
#[derive(Debug, Default)]
struct Figures {
    n_labels: usize,
    n_supported: usize,
    n_unsupported: usize,
    n_links: usize,
    n_right_links: usize,
    n_marks: usize,
    n_right_marks: usize,
    wrong: Vec<String>,
}

impl Figures {
    fn of(file: &str) -> Figures {
        let mut figures = Figures::default();
        for case in cases(file) {
            figures.add(&case);
        }
        figures
    }

    fn add(&mut self, case: &Case) {
        let outputs: Vec<_> = case.outputs.iter().map(String::as_str).collect();
        let mut numbers = ground(&case.answer, &outputs, &[&case.question, &case.code]);
        numbers.retain(|number| number.origin != Origin::Said);
        let overlaps = |one: &Range<usize>, other: &Range<usize>| {
            one.start < other.end && other.start < one.end
        };
        for number in &numbers {
            if !case.labels.iter().any(|(range, _)| overlaps(range, &number.range)) {
                self.judge(case, &number.range, &Label::NoClaim, Some(number));
            }
        }
        for (range, label) in &case.labels {
            self.n_labels += 1;
            let number = numbers.iter().find(|number| overlaps(range, &number.range));
            self.judge(case, range, label, number);
        }
    }

    fn judge(&mut self, case: &Case, range: &Range<usize>, label: &Label, number: Option<&Number>) {
        self.n_supported += usize::from(matches!(label, Label::Supported(_)));
        self.n_unsupported += usize::from(*label == Label::Unsupported);
        let origin = number.map(|number| number.origin);
        let is_right = match (label, origin) {
            (Label::Supported(of), Some(Origin::Printed(at) | Origin::Derived(at))) => {
                self.n_links += 1;
                self.n_right_links += usize::from(of.contains(&at));
                of.contains(&at)
            }
            (Label::Unsupported, Some(Origin::Printed(_) | Origin::Derived(_))) => {
                self.n_links += 1;
                false
            }
            (Label::Unsupported, Some(Origin::Nowhere)) => {
                self.n_marks += 1;
                self.n_right_marks += 1;
                true
            }
            (Label::Supported(_) | Label::Given | Label::NoClaim, Some(Origin::Nowhere)) => {
                self.n_marks += 1;
                false
            }
            (Label::Supported(_) | Label::Unsupported, _) => false,
            (Label::Given | Label::NoClaim | Label::Open, _) => true,
        };
        if !is_right {
            let text = &case.answer[range.clone()];
            self.wrong.push(format!("{}: `{text}` is {label:?}, found {origin:?}", case.name));
        }
    }

    fn shares(&self) -> [f64; 4] {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        [
            share(self.n_right_links, self.n_links),
            share(self.n_right_links, self.n_supported),
            share(self.n_right_marks, self.n_marks),
            share(self.n_right_marks, self.n_unsupported),
        ]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [links, found, marks, caught] = self.shares();
        writeln!(
            f,
            "{} labelled numbers, {} supported, {} not",
            self.n_labels, self.n_supported, self.n_unsupported
        )?;
        writeln!(
            f,
            "links  precision {links:.3}  recall {found:.3}  ({} of {} links right)",
            self.n_right_links, self.n_links
        )?;
        writeln!(
            f,
            "marks  precision {marks:.3}  recall {caught:.3}  ({} of {} marks right)",
            self.n_right_marks, self.n_marks
        )?;
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "  {wrong}"))
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn numbers_that_were_printed_are_told_from_those_that_were_not() {
    let (mut n_labels, mut below) = (0, Vec::new());
    for (file, bar) in [("tuning.txt", 0.95), ("held.txt", 0.9), ("fresh.txt", 0.8)] {
        let figures = Figures::of(file);
        println!("{file}: {figures}");
        n_labels += figures.n_labels;
        below.extend(figures.shares().iter().any(|share| *share < bar).then_some(file));
    }
    assert!(below.is_empty(), "{below:?} are below their bar");
    assert!(n_labels >= 300, "{n_labels} labelled numbers");
}

/// Every figure of a table that no cell printed is marked: coefficient, error, statistic, probability, goodness of fit.
#[test]
fn a_regression_that_no_cell_ran_is_marked_number_by_number() {
    let all: Vec<_> = ["tuning.txt", "held.txt"].into_iter().flat_map(cases).collect();
    for name in ["a regression that no cell ran", "nothing ran"] {
        let case = all.iter().find(|case| case.name == name).unwrap();
        let outputs: Vec<_> = case.outputs.iter().map(String::as_str).collect();
        let found = missing(&case.answer, &outputs, &[&case.question, &case.code]);
        let wanted = case.labels.iter().filter(|(_, label)| *label == Label::Unsupported);
        let wanted: Vec<_> =
            wanted.map(|(range, _)| case.answer[range.clone()].to_owned()).collect();
        let caught = wanted.iter().filter(|number| found.contains(number)).count();
        assert_eq!(caught, wanted.len(), "{name}: {found:?}");
    }
}
