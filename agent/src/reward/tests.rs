//! Whole trajectories against numbers worked by hand, and against what a model would do to be paid for nothing.

mod hacks;

use super::*;
use crate::agent::{FileInfo, Given, Outcome, Step};
use crate::dialect::Dialect;
use crate::executor::{Execution, Output, Status};
use crate::trajectory::{Change, Done, Evidence, Task, VERSION, Worth};

const EPSILON: f64 = 1e-12;

/// A trajectory about `sales.csv`, whose question is answered by 220.5.
struct Play(Trajectory);

impl Play {
    fn new() -> Self {
        let values = vec![String::from("220.5")];
        let task = Task {
            id: String::from("t"),
            prompt: String::from("What is the total revenue in sales.csv?"),
            checker: Some(Checker { kind: Expected::Number, values }),
            ..Task::default()
        };
        let files = vec![FileInfo { name: String::from("sales.csv"), bytes: 40 }];
        Self(Trajectory {
            v: VERSION,
            id: String::from("a"),
            episode: String::from("a"),
            turn: 0,
            task,
            dialect: Dialect::Datarus,
            given: Given { files, ..Given::default() },
            steps: Vec::new(),
            outcome: Outcome::Interrupted,
            superseded_answer: None,
            written: Vec::new(),
            calls: Vec::new(),
            by: String::from("test"),
        })
    }

    /// A step that printed `shown`; `evidence` as `reads; writes<-sources; shows`.
    fn step(mut self, thought: &str, code: &str, shown: &str, evidence: &str) -> Self {
        let message = format!(
            "<step>\n<thought>{thought}</thought>\n<action>python_executor</action>\n<action_input>\n{code}\n</action_input>"
        );
        self.0.written.push(message);
        let stream = Output::Stream { name: String::from("stdout"), text: shown.to_owned() };
        let execution = Execution {
            execution_count: Some(1),
            status: Status::Ok,
            outputs: if shown.is_empty() { Vec::new() } else { vec![stream] },
            figures: Vec::new(),
            seconds: 0.0,
            lost: false,
        };
        let number = self.0.steps.len() + 1;
        let (understanding, thought, code) = (String::new(), thought.to_owned(), code.to_owned());
        let step = Step { number, understanding, thought, code, execution };
        let evidence = Some(parse(evidence));
        self.0.steps.push(Done { step, evidence, worth: Worth::Example, superseded: None });
        self
    }

    /// The last step raised instead.
    fn raised(mut self) -> Self {
        self.0.steps.last_mut().unwrap().step.execution.status = Status::Error;
        self
    }

    fn load(self) -> Self {
        self.step(
            "Load sales.csv and look.",
            "import pandas as pd\ndf = pd.read_csv(\"sales.csv\")\ndf.head(3)",
            "region  revenue\nNorth  120.5\nSouth  100",
            "; df<-sales.csv, pd<-; sales.csv; sales.csv",
        )
    }

    fn sum(self) -> Self {
        self.step("sum of revenue.", "print(df[\"revenue\"].sum())", "220.5", "df; ; df")
    }

    fn end(mut self, thought: &str, answer: &str) -> Self {
        self.0.written.push(format!(
            "<stop_analysis>\n<thought>{thought}</thought>\n<answer>{answer}</answer>\n</stop_analysis>"
        ));
        self.0.outcome = answered(thought, answer);
        self
    }

    fn scores(&self, progress: f64) -> Scores {
        score(&self.0, &Settings::default(), progress, None)
    }
}

fn answered(thought: &str, answer: &str) -> Outcome {
    let (understanding, thought, answer) = (String::new(), thought.to_owned(), answer.to_owned());
    Outcome::Answered { understanding, thought, answer }
}

fn parse(evidence: &str) -> Evidence {
    let mut parts = evidence.split(';').map(str::trim);
    let mut list = |separator: &str| -> Vec<String> {
        let part = parts.next().unwrap_or_default();
        part.split(separator)
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (reads, writes, shows, opens) = (list(" "), list(","), list(" "), list(" "));
    let writes = writes.iter().map(|text| {
        let (name, sources) = text.split_once("<-").unwrap();
        (name.to_owned(), sources.split_whitespace().map(str::to_owned).collect())
    });
    Evidence { reads, writes: writes.collect(), shows, opens, ..Evidence::default() }
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < EPSILON, "found {found}, expected {expected}");
}

#[test]
fn the_curriculum_goes_from_structure_to_content_along_a_cosine() {
    let settings = Settings::default();
    for (progress, expected) in [(0.0, 0.9), (0.5, 0.5), (1.0, 0.1), (7.0, 0.1), (-1.0, 0.9)] {
        near(settings.lambda(progress), expected);
    }
    // cos(π/3) = ½, so 0.1 + 0.4 · 1.5.
    near(settings.lambda(1.0 / 3.0), 0.7);
}

#[test]
fn a_flawless_trajectory_is_worth_everything() {
    let scores =
        Play::new().load().sum().end("Printed.", "The total revenue is 220.5.").scores(0.3);
    assert_eq!((scores.structure, scores.correct), (Some(1.0), Some(1.0)));
    assert_eq!(scores.steps, [1.0, 1.0]);
    near(scores.reward, 1.0);
    near(scores.deepanalyze.unwrap(), 1.0);
}

/// One step of three failed, the answer is wrong but was seen: `h = 0.4·⅔ + 0.6·0.2`, in the middle of training
/// `R = ½·1 + ½·h`.
#[test]
fn an_honest_failure_is_worth_what_a_hand_works_out() {
    let scores = honest_failures()[1].scores(0.5);
    assert_eq!(scores.steps, [1.0, 0.0, 1.0]);
    near(scores.content, 0.4 * 2.0 / 3.0 + 0.6 * 0.2);
    near(scores.reward, 0.5 + 0.5 * (0.4 * 2.0 / 3.0 + 0.12));
    near(scores.deepanalyze.unwrap(), 1.0 / 3.0);
}

/// A look that nothing comes of: two of three steps are sound, and economy allows it. A half-used step sets a name that
/// is read where the answer does not stand on it.
#[test]
fn steps_are_sound_if_they_ran_were_used_and_were_needed() {
    let aside = Play::new().load().step("Shape.", "print(df.shape)", "(2, 2)", "df; ; df").sum();
    let scores = aside.end("Printed.", "The total revenue is 220.5.").scores(1.0);
    assert_eq!(scores.steps, [1.0, 0.0, 1.0]);
    near(scores.content, 0.4 * 2.0 / 3.0 + 0.6);
    let half = Play::new()
        .load()
        .step("Mean.", "m = df[\"revenue\"].mean()", "", "df; m<-df; ")
        .step("Show it.", "print(m)", "110.25", "m; ; m")
        .sum();
    let scores = half.end("Printed.", "The total revenue is 220.5.").scores(1.0);
    assert_eq!(scores.steps, [1.0, 0.5, 0.0, 1.0]);
}

/// Seven steps of which two are needed: `e = (2 + 4)/7`. 6,000 characters where (2 + 1)·1,000 are free: `b = ½`.
#[test]
fn waste_and_many_words_make_the_content_worth_less() {
    let mut play = Play::new().load();
    for n in 0..5 {
        play = play.step("Again.", &format!("df.sample({n})"), "North", "df; ; df");
    }
    let scores = play.sum().end("Printed.", "The total revenue is 220.5.").scores(1.0);
    near(scores.economy, 6.0 / 7.0);
    near(scores.content, 6.0 / 7.0 * (0.4 * 2.0 / 7.0 + 0.6));
    let answer = "The total revenue is 220.5.";
    let thoughts = "Load sales.csv and look.".len() + "sum of revenue.".len();
    let long: String = (0..6_000 - thoughts - answer.len())
        .map(|n| if n % 5 == 0 { ' ' } else { char::from(b'a' + u8::try_from(n % 23).unwrap()) })
        .collect();
    let scores = Play::new().load().sum().end(&long, answer).scores(1.0);
    near(scores.brevity, 0.5);
}

#[test]
fn numbers_that_were_not_seen_are_not_grounded_and_those_of_the_question_do_not_count() {
    let scores = Play::new().load().sum().end("Printed.", "It is 220.5, or 12 % of 7.").scores(1.0);
    near(scores.grounded, 1.0 / 3.0);
    let mut play = Play::new().load().sum().end("Printed.", "Of the 2 rows the total is 220.5.");
    play.0.task.prompt.push_str(" There are 2 rows.");
    near(play.scores(1.0).grounded, 1.0);
}

/// Eight names where one is wanted: `f = 2/8`; with a number each they are the table that was asked for, but for the
/// numbers beyond six: `f = 6/8`.
#[test]
fn a_list_of_names_is_out_of_focus_and_a_table_is_not() {
    let regions: Vec<String> = (1..=8).map(|n| format!("Area{}", "x".repeat(n))).collect();
    let table: Vec<String> = regions.iter().map(|name| format!("{name}  220.5")).collect();
    let focus = |answer: &str| {
        let play = Play::new().load().step("By region.", "s", &table.join("\n"), "df; ; df");
        let mut play = play.end("Printed.", answer);
        let values = vec![regions[0].clone()];
        play.0.task.checker = Some(Checker { kind: Expected::Text, values });
        play.scores(1.0).focus
    };
    near(focus(&regions.join(", ")), 2.0 / 8.0);
    near(focus(&table.join(", ")), 6.0 / 8.0);
    near(focus("It is Areax, ahead of Areaxx."), 1.0);
}

#[test]
fn numbers_of_an_answer_are_read_as_its_links_are() {
    for (answer, share) in [
        ("Der Umsatz ist 220,5.", 1.0),
        ("The total revenue is `220.5`.", 1.0),
        ("The total revenue is `221.5`.", 0.0),
        ("In 2015 the total revenue was 0.2205 thousand.", 1.0),
        ("With 95% confidence it is 22050% of one.", 1.0),
        ("As figure 3 shows it is 220.5, not 17.", 0.5),
    ] {
        near(Play::new().load().sum().end("Printed.", answer).scores(1.0).grounded, share);
    }
}

#[test]
fn a_refusal_is_right_only_after_a_look() {
    let refusal = |play: Play| {
        let mut play = play.end("No such column.", "There is no column salary in sales.csv.");
        play.0.task.checker = Some(Checker { kind: Expected::Refusal, values: Vec::new() });
        play
    };
    near(refusal(Play::new().load()).scores(1.0).content, 1.0);
    let blind = refusal(Play::new()).scores(1.0);
    assert_eq!((blind.correct, blind.grounded, blind.content), (Some(0.0), 0.0, 0.0));
    let mut nothing_there = refusal(Play::new());
    nothing_there.0.given.files.clear();
    near(nothing_there.scores(1.0).content, 1.0);
}

#[test]
fn a_notebook_has_no_tags_and_its_names_are_told_by_its_code() {
    let mut play = Play::new().load().sum().end("Printed.", "The total revenue is 220.5.");
    play.0.written.clear();
    play.0.steps.iter_mut().for_each(|done| done.evidence = None);
    let scores = play.scores(0.0);
    assert_eq!(scores.structure, None);
    near(scores.reward, 1.0);
}

#[test]
fn thinking_alone_is_judged_by_its_answer() {
    let mut play = Play::new();
    play.0.task.mode = Mode::Reflection;
    play.0.task.prompt = String::from("What is the median?");
    play.0.task.checker =
        Some(Checker { kind: Expected::Text, values: vec![String::from("middle")] });
    play.0.given.files.clear();
    play.0.written = vec![String::from(
        "<think>Sorted.</think>\n<answer>The median is the middle value.</answer>",
    )];
    play.0.outcome = answered("Sorted.", "The median is the middle value.");
    near(play.scores(0.5).reward, 1.0);
}

/// A report of two turns of which one ran: `⅓(0.8 + 0.2 + ½)`; without a judge there is no such score.
#[test]
fn reports_are_scored_as_deepanalyze_does() {
    let mut play =
        Play::new().load().sum().raised().end("Written.", "A long report about revenue.");
    play.0.task.checker = Some(Checker { kind: Expected::Report, values: Vec::new() });
    assert_eq!(play.scores(0.0).deepanalyze, None);
    let judgement = Judgement { steps: vec![1.0, 0.0], whole: 0.5, report: 0.8 };
    let scores = score(&play.0, &Settings::default(), 0.0, Some(&judgement));
    near(scores.deepanalyze.unwrap(), (0.8 + 0.2 + 0.5) / 3.0);
    play.0.written.push(String::from("Oops"));
    near(play.scores(0.0).deepanalyze.unwrap(), -1.0);
}

/// With a judge a step is worth the mean of what is reckoned and what it says, and so is the whole.
#[test]
fn a_reward_model_counts_half() {
    let play = Play::new().load().sum().end("Printed.", "The total revenue is 220.5.");
    let judgement = Judgement { steps: vec![0.5, 0.0], whole: 0.0, report: 0.0 };
    let scores = score(&play.0, &Settings::default(), 1.0, Some(&judgement));
    assert_eq!(scores.steps, [0.75, 0.5]);
    near(scores.content, 0.4 * 0.625 + 0.6 * 0.5);
}

/// Work done in earnest that comes to a wrong answer: the wrong column, a failed step on the way, a refusal of what
/// could have been answered.
fn honest_failures() -> [Play; 3] {
    let wrong = |play: Play| {
        play.step("count of revenue.", "print(df[\"revenue\"].count())", "2", "df; ; df")
            .end("Printed.", "The total revenue is 2.")
    };
    let failed = Play::new()
        .load()
        .step("Sum.", "print(df[\"revenu\"].sum())", "KeyError: 'revenu'", "df; ; df")
        .raised();
    let refused =
        Play::new().load().end("No such column.", "There is no column for that in sales.csv.");
    [wrong(Play::new().load()), wrong(failed), refused]
}
