//! The forms that a small model was taught: sentences and code with places for names, numbers and a variable.
//!
//! A model of some million parameters knows which form a question asks for long before it writes every token of it
//! without a slip. So its file lists the forms, and decoding keeps to them: the model chooses among forms and among
//! what may fill their places, and everything between costs it nothing.

use std::collections::{BTreeMap, BTreeSet};

mod before;
mod demand;
mod output;
mod pattern;

use before::{Before, Parts};
pub(crate) use demand::{Demand, Pair, Tables, Value};
pub(crate) use pattern::{Kind, numbers};
use pattern::{NAME, NUMBER, Rest, is_of, rest, segment};

/// Between the parts of a form.
const SEPARATOR: char = '\u{1f}';
/// What an end follows that may be told only where neither a file nor a table is.
const NOTHING: &str = "\u{e00b}";

/// Forms by what they follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forms {
    steps: Vec<StepForm>,
    ends: Vec<EndForm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StepForm {
    thought: String,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct EndForm {
    /// Code of the last step; empty where none was made, [`NOTHING`] where there is nothing to make one with.
    after: String,
    thought: String,
    answer: String,
}

/// What the end of a turn follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done<'t> {
    /// Of the last step; empty where none was made.
    pub(crate) code: &'t str,
    /// What that code printed.
    pub(crate) output: &'t str,
    /// Whether a file or a table is known.
    pub(crate) has_data: bool,
}

/// What may fill the places of a form, but for names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fill {
    pub(crate) numbers: BTreeSet<String>,
    pub(crate) variables: BTreeSet<String>,
}

/// What may follow a text that keeps to some form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Following {
    /// No form begins like this.
    Unknown,
    /// A name is open that may be of one of these kinds.
    Name(Vec<Kind>),
    /// One of these texts, each with what is added to its likelihood.
    Among(BTreeMap<String, f32>),
}

impl Forms {
    /// Reads the forms of a model's file: thought and code of a step, or what a turn's end follows, its thought and
    /// its answer, with U+001F between the parts.
    pub fn new(texts: &[String]) -> Self {
        let mut forms = Self::default();
        for text in texts {
            let parts: Vec<&str> = text.split(SEPARATOR).collect();
            if let [thought, code] = parts[..] {
                forms.steps.push(StepForm { thought: thought.to_owned(), code: code.to_owned() });
            } else if let [after, thought, answer] = parts[..] {
                let [after, thought, answer] = [after, thought, answer].map(str::to_owned);
                forms.ends.push(EndForm { after, thought, answer });
            }
        }
        forms
    }

    /// What may follow the thought of a step so far; `end` closes it. With a demand, forms that fit it come first;
    /// `fits` tells whether a name may be of a kind.
    pub(crate) fn thought(
        &self,
        written: &str,
        end: &str,
        fill: &Fill,
        demand: Option<Demand>,
        fits: impl Fn(Kind, &str) -> bool,
    ) -> Following {
        let fit = |form: &str| demand.as_ref().map_or(Some(0.0), |demand| demand.fit(form));
        let thoughts = || {
            let thoughts = self.steps.iter().map(|form| form.thought.as_str());
            thoughts.filter_map(|thought| Some((thought, fit(thought)?)))
        };
        match following(thoughts(), written, end, fill, fits) {
            Following::Unknown => following(thoughts(), written, end, fill, any),
            known => known,
        }
    }

    /// What may follow the code so far of a step with this thought.
    pub(crate) fn code(&self, thought: &str, written: &str, end: &str, fill: &Fill) -> Following {
        let fits = |form: &&StepForm| is_of(&form.thought, thought) && reads(&form.code, thought);
        let before = Before { code: Parts::of(thought), ..Before::step("", "") };
        let put = |form: &StepForm| before.put(&form.code);
        let codes: Vec<String> = self.steps.iter().filter(fits).filter_map(put).collect();
        following(alike(&codes), written, end, fill, any)
    }

    /// What may follow the last thought so far; `lacking` speaks for one that names what is not there, where a step was
    /// made: of a question that needs none the model knows best whether it is about data at all.
    pub(crate) fn last_thought(
        &self,
        done: Done<'_>,
        written: &str,
        end: &str,
        lacking: f32,
    ) -> Following {
        let before = Before::step(done.code, done.output);
        let put = |form: &EndForm| before.put(&form.thought);
        let thoughts: Vec<String> = self.ends_after(done).filter_map(put).collect();
        let lacking = if done.code.is_empty() { lacking.min(0.0) } else { lacking };
        let bonus = |thought: &str| if thought.contains(NAME) { lacking } else { 0.0 };
        let thoughts = thoughts.iter().map(|thought| (thought.as_str(), bonus(thought)));
        following(thoughts, written, end, &Fill::default(), any)
    }

    /// What may follow the answer so far.
    pub(crate) fn answer(
        &self,
        done: Done<'_>,
        thought: &str,
        written: &str,
        end: &str,
        fill: &Fill,
    ) -> Following {
        let step = Before::step(done.code, done.output);
        let before = Before { thought: Parts::of(thought), ..step };
        let fits = |form: &&EndForm| before.put(&form.thought).is_some_and(|f| is_of(&f, thought));
        let ends: Vec<&EndForm> = self.ends_after(done).filter(fits).collect();
        let answers = |leaves_out: bool| {
            let wanted = ends.iter().filter(|form| before.leaves_out(&form.answer) == leaves_out);
            wanted.filter_map(|form| before.put(&form.answer)).collect::<Vec<_>>()
        };
        // A list that is cut off is better than none.
        let answers =
            Some(answers(false)).filter(|all| !all.is_empty()).unwrap_or_else(|| answers(true));
        following(alike(&answers), written, end, fill, any)
    }

    fn ends_after<'s>(&'s self, done: Done<'s>) -> impl Iterator<Item = &'s EndForm> {
        let is_bare = done.code.is_empty() && !done.has_data;
        let follows = move |form: &&EndForm| match form.after.as_str() {
            NOTHING => is_bare,
            after => is_of(after, done.code),
        };
        let is_known = self.ends.iter().any(|form| follows(&form));
        let may = move |form: &&EndForm| follows(form) || (!is_known && form.after != NOTHING);
        self.ends.iter().filter(may)
    }
}

/// Whether code that reads a file fits the file that `thought` names: a reader knows its own endings.
fn reads(code: &str, thought: &str) -> bool {
    let Some(file) = Parts::of(thought).names.first().copied() else { return true };
    let ending = file.rsplit('.').next().unwrap_or_default().to_lowercase();
    let wanted = match ending.as_str() {
        "parquet" => "read_parquet(",
        "xlsx" | "xls" => "read_excel(",
        "tsv" => "sep=\"\\t\"",
        "csv" | "txt" => "read_csv(",
        _ => return true,
    };
    !code.contains(".read_") || code.contains(wanted)
}

fn alike(forms: &[String]) -> impl Iterator<Item = (&str, f32)> {
    forms.iter().map(|form| (form.as_str(), 0.0))
}

/// Any name may stand anywhere: what has been said and done is not weighed again.
fn any(_: Kind, _: &str) -> bool {
    true
}

/// `forms` with what is added to their likelihood.
fn following<'f>(
    forms: impl Iterator<Item = (&'f str, f32)>,
    written: &str,
    end: &str,
    fill: &Fill,
    fits: impl Fn(Kind, &str) -> bool,
) -> Following {
    let (mut texts, mut names) = (BTreeMap::new(), Vec::new());
    let mut add = |text: String, fit: f32| {
        let best = texts.entry(text).or_insert(fit);
        *best = best.max(fit);
    };
    let closed = |text: &str, then: Option<char>| match then {
        Some(_) => text.to_owned(),
        None => format!("{text}{end}"),
    };
    for (form, fit) in forms {
        match rest(form, written, &fits) {
            None => {}
            Some(Rest::Name(kind)) if names.contains(&kind) => {}
            Some(Rest::Name(kind)) => names.push(kind),
            Some(Rest::Text { text, then }) => {
                add(closed(text, then), fit);
            }
            Some(Rest::Fill { place, variable, after }) => {
                let (text, then, _) = segment(after);
                let one = variable.map(|variable| BTreeSet::from([variable.to_owned()]));
                let known = if place == NUMBER { Some(&fill.numbers) } else { one.as_ref() };
                let known = known.unwrap_or(&fill.variables);
                for filled in known {
                    add(closed(&format!("{filled}{text}"), then), fit);
                }
            }
        }
    }
    if !names.is_empty() {
        Following::Name(names)
    } else if texts.is_empty() {
        Following::Unknown
    } else {
        Following::Among(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Forms {
        let step = |thought: &str, code: &str| format!("{thought}\u{1f}{code}");
        Forms::new(
            &[
                step("mean of \"N\".", "print(V[\"N\"].mean())"),
                step("mean of \"N\" by \"N\".", "V.groupby(\"N\")[\"N\"].mean()"),
                step("# largest \"N\".", "V.nlargest(#, \"N\")"),
                step("Number of rows.", "print(len(V))"),
                String::from("print(len(V))\u{1f}Printed.\u{1f}There are # rows."),
                String::from("V.nlargest(#, \"N\")\u{1f}Listed.\u{1f}The # largest: #."),
            ]
            .map(|text| {
                text.replace("\"N\"", "\"\u{e000}\"")
                    .replace('#', "\u{e001}")
                    .replace("V.", "\u{e002}.")
                    .replace("V[", "\u{e002}[")
                    .replace("V)", "\u{e002})")
            }),
        )
    }

    fn done<'t>(code: &'t str, output: &'t str) -> Done<'t> {
        Done { code, output, has_data: true }
    }

    fn fill() -> Fill {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Fill { numbers: set(&["3", "120.5"]), variables: set(&["df", "sales"]) }
    }

    fn among(texts: &[&str]) -> Following {
        Following::Among(texts.iter().map(|text| ((*text).to_owned(), 0.0)).collect())
    }

    #[test]
    fn a_thought_is_one_of_the_forms() {
        let check = |written: &str, expected: Following| {
            assert_eq!(forms().thought(written, "</t>", &fill(), None, any), expected, "{written}");
        };
        check(
            "",
            among(&["mean of \"", "Number of rows.</t>", "3 largest \"", "120.5 largest \""]),
        );
        check("mean of \"", Following::Name(vec![Kind::Any]));
        check("mean of \"body", Following::Name(vec![Kind::Any]));
        check("mean of \"body mass\"", among(&[".</t>", " by \""]));
        check("mean of \"body mass\" by \"sex\".", among(&["</t>"]));
        check("3 largest", among(&[" \""]));
        check("median", Following::Unknown);
    }

    #[test]
    fn a_form_ends_where_a_name_does_not_fit() {
        let forms = Forms::new(&[
            String::from("Rows with \"\u{e000}\" == \"\u{e000}\".\u{1f}"),
            String::from("Rows with \"\u{e007}\" > \u{e001}.\u{1f}"),
        ]);
        let fits = |kind: Kind, name: &str| match kind {
            Kind::Compared => name == "city",
            _ => name == "n",
        };
        let check = |written: &str, expected: Following| {
            assert_eq!(forms.thought(written, "</t>", &fill(), None, fits), expected, "{written}");
        };
        check("Rows with \"c", Following::Name(vec![Kind::Compared, Kind::Measure]));
        check("Rows with \"city\"", among(&[" == \""]));
        check("Rows with \"n\"", among(&[" > "]));
        check("Rows with \"other\"", among(&[" == \"", " > "]));
    }

    #[test]
    fn code_follows_its_thought_with_one_variable_throughout() {
        let check = |thought: &str, written: &str, expected: Following| {
            assert_eq!(forms().code(thought, written, "</c>", &fill()), expected, "{written}");
        };
        check("mean of \"a\".", "", among(&["print("]));
        check("mean of \"a\".", "print(", among(&["df[\"", "sales[\""]));
        check("mean of \"a\".", "print(df[\"a\"", among(&["].mean())</c>"]));
        check("mean of \"a\" by \"b\".", "", among(&["df.groupby(\"", "sales.groupby(\""]));
        check("3 largest \"a\".", "df.nlargest(", among(&["3, \"", "120.5, \""]));
        check("mean of \"a", "", Following::Unknown);
    }

    #[test]
    fn the_answer_follows_the_last_step() {
        let forms = forms();
        let thought = |code| forms.last_thought(done(code, ""), "", "</t>", 0.0);
        assert_eq!(thought("print(len(sales))"), among(&["Printed.</t>"]));
        assert_eq!(thought("something else"), among(&["Printed.</t>", "Listed.</t>"]));
        let answer = |written| {
            forms.answer(done("print(len(df))", "7"), "Printed.", written, "</a>", &fill())
        };
        assert_eq!(answer("There are "), among(&["3 rows.</a>", "120.5 rows.</a>"]));
        assert_eq!(answer("There are 3"), among(&[" rows.</a>"]));
    }

    #[test]
    fn that_there_is_no_data_is_said_only_where_there_is_none() {
        let ends = ["\u{1f}Greet.\u{1f}Hello.", "\u{e00b}\u{1f}No file.\u{1f}There is no data."];
        let forms = Forms::new(&ends.map(String::from));
        let thought = |code, has_data| {
            forms.last_thought(Done { has_data, ..done(code, "") }, "", "</t>", 0.0)
        };
        assert_eq!(thought("", true), among(&["Greet.</t>"]));
        assert_eq!(thought("", false), among(&["Greet.</t>", "No file.</t>"]));
        assert_eq!(thought("print(1)", false), among(&["Greet.</t>"]));
    }

    #[test]
    fn a_reader_fits_its_file() {
        let fits = |code: &str| reads(code, "Load \"a.parquet\" and look.");
        assert_eq!(
            ["pd.read_csv(\"", "pd.read_parquet(\"", "df.head()"].map(fits),
            [false, true, true]
        );
    }
}
