//! How data flows through a trajectory: which steps show what was made from the data, which of them the answer stands
//! on, and which of its numbers were seen.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::checker::{Expected, close, holds_words, number};
use super::source;
use crate::agent::Mode;
use crate::executor::Status;
use crate::grounding::{self, Printed, claims};
use crate::llm::Profile;
use crate::observation::observe;
use crate::trajectory::{Change, Done, Evidence, Trajectory};

/// What is known of all steps of a trajectory.
#[derive(Debug)]
pub(super) struct Flow<'t> {
    pub(super) steps: Vec<Seen<'t>>,
    pub(super) claims: Vec<Claim<'t>>,
    /// Whether there was anything to look at.
    pub(super) has_data: bool,
    told_columns: bool,
    /// Whether a step read a file that was neither given nor made on the way.
    pub(super) reads_foreign_files: bool,
}

/// What is known of a step.
#[derive(Debug)]
pub(super) struct Seen<'t> {
    done: &'t Done,
    evidence: Cow<'t, Evidence>,
    observation: String,
    /// The numbers that it shows, and those that stand in its code, or were given by code to the names that it shows,
    /// but not in the question.
    printed: Printed,
    said: Printed,
    /// To its last line, with nothing silenced.
    pub(super) ran: bool,
    /// Whether what it shows was made from the data.
    pub(super) shows_data: bool,
    /// Whether it does again what an earlier one did, with the same result.
    repeats: bool,
    /// What came of it.
    pub(super) use_made: Use,
}

/// What came of what a step set or showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Nothing.
    Idle,
    /// A later step takes it up.
    Used,
    /// The answer stands on it.
    Needed,
}

/// A number of the answer.
#[derive(Debug)]
pub(super) struct Claim<'t> {
    stated: grounding::Claim<'t>,
    /// The question has it, too, or it need not have been seen: a year, `1 unit`.
    pub(super) is_restated: bool,
    /// The last step that shows it and repeats no other: links of answers lead there, too.
    pub(super) seen_by: Option<usize>,
}

impl<'t> Flow<'t> {
    pub(super) fn of(trajectory: &'t Trajectory) -> Self {
        let asked = Printed::read(&trajectory.task.prompt);
        let steps = trajectory.steps.iter().map(|done| Seen::of(done, &asked)).collect();
        let given = &trajectory.given;
        let has_data = !(given.files.is_empty() && given.variables.is_empty());
        let claims = trajectory.answer().map(claims).unwrap_or_default().into_iter();
        let claims = claims
            .map(|stated| Claim {
                is_restated: stated.may_be_said || asked.has_exactly(&stated),
                seen_by: None,
                stated,
            })
            .collect();
        let told_columns = !given.variables.is_empty();
        let mut flow = Self { steps, claims, has_data, told_columns, reads_foreign_files: false };
        flow.follow_data(trajectory);
        flow.follow_numbers(&asked);
        flow.note_repeats();
        for claim in &mut flow.claims {
            let shows = |step: &Seen<'_>| !step.repeats && step.shows(&claim.stated);
            claim.seen_by = flow.steps.iter().rposition(shows);
        }
        if trajectory.answer().is_some() && trajectory.task.mode == Mode::Agentic {
            flow.follow_back();
        }
        flow
    }

    /// Whether a number was seen: a step that shows data shows it, and does not hold it itself.
    pub(super) fn has_seen(&self, value: &str) -> bool {
        let shown = |wanted: f64| {
            let has = |printed: &Printed| printed.values().any(|found| close(found, wanted));
            self.steps.iter().any(|step| step.shows_data && has(&step.printed) && !has(&step.said))
        };
        number(value).map_or_else(|| self.has_looked(), shown)
    }

    /// Whether anything of the data was seen: a step showed it, or the columns of a table in memory were told.
    pub(super) fn has_looked(&self) -> bool {
        self.told_columns || self.steps.iter().any(|step| step.shows_data)
    }

    /// Whether there is no right answer without a step.
    pub(super) fn needs_a_look(&self, trajectory: &Trajectory) -> bool {
        let checker = trajectory.task.checker.as_ref();
        let is_unrelated = checker.is_some_and(|checker| checker.kind == Expected::Unrelated);
        self.has_data && !self.told_columns && !is_unrelated
    }

    /// The figures that steps drew of the data.
    pub(super) fn figures(&self) -> Vec<&'t str> {
        let steps = self.steps.iter().filter(|step| step.shows_data);
        steps.flat_map(|step| step.done.step.execution.figures.iter().map(String::as_str)).collect()
    }

    /// Whether the last thing that was shown has this word.
    pub(super) fn last_shows(&self, word: &str) -> bool {
        let last = self.steps.iter().rev().find(|step| step.shows_data);
        last.is_some_and(|step| step.observation.to_lowercase().contains(word))
    }

    /// Marks the steps that show what was made from the data: from a file or variable that was given, by way of any
    /// names and files.
    fn follow_data(&mut self, trajectory: &Trajectory) {
        let given = &trajectory.given;
        let files = given.files.iter().map(|file| file.name.clone());
        let mut data: HashSet<String> =
            files.chain(given.variables.iter().map(|variable| variable.name.clone())).collect();
        let mut made: HashSet<String> = HashSet::new();
        for step in &mut self.steps {
            let evidence = &step.evidence;
            let is_data = |sources: &[String], data: &HashSet<String>| {
                sources.iter().any(|source| data.contains(source))
            };
            let shows = is_data(&evidence.shows, &data);
            let reads = is_data(&evidence.reads, &data) || is_data(&evidence.opens, &data);
            let (from_data, plain): (Vec<_>, Vec<_>) =
                evidence.writes.iter().partition(|(_, sources)| is_data(sources, &data));
            data.extend(from_data.into_iter().map(|(name, _)| name.clone()));
            step.shows_data = step.ran && (shows || is_data(&evidence.shows, &data));
            for (name, sources) in plain {
                if !sources.contains(name) {
                    data.remove(name);
                }
            }
            let changed = evidence.changes.iter().filter(|(_, change)| **change != Change::Deleted);
            for (file, _) in changed {
                made.insert(file.clone());
                if reads {
                    data.insert(file.clone());
                }
            }
            let is_known = |file: &&String| {
                made.contains(*file) || given.files.iter().any(|given| given.name == **file)
            };
            self.reads_foreign_files |= !evidence.opens.iter().all(|file| is_known(&file));
        }
    }

    /// Follows numbers that code holds from the names and files that were given them to the steps that show these. What
    /// was made from the data is given only what stands outside of brackets: an argument or a place becomes no value. After
    /// a library was changed its numbers may come out of anything.
    fn follow_numbers(&mut self, asked: &Printed) {
        let asked: Vec<_> = asked.values().collect();
        let mut held: HashMap<String, Vec<f64>> = HashMap::new();
        let mut patched: Vec<f64> = Vec::new();
        for step in &mut self.steps {
            let of = |sources: &[String]| -> Vec<f64> {
                sources.iter().filter_map(|source| held.get(source)).flatten().copied().collect()
            };
            let evidence = &step.evidence;
            let mut new = Vec::new();
            for (name, sources) in &evidence.writes {
                let mut numbers = source::given(&step.done.step.code, name, !sources.is_empty());
                numbers.retain(|number| !asked.contains(number));
                numbers.extend(of(sources));
                new.push((name.clone(), numbers));
            }
            let changed = evidence.changes.iter().filter(|(_, change)| **change != Change::Deleted);
            let mut said: Vec<_> = step.said.values().collect();
            for (file, _) in changed {
                let own = said.iter().copied();
                new.push((file.clone(), own.chain(of(&evidence.reads)).collect()));
            }
            let inherited = of(&evidence.shows);
            if evidence.patched {
                patched.extend(&said);
            }
            said.extend(inherited.iter().chain(&patched));
            step.said = Printed::of(&said);
            held.extend(new);
        }
    }

    /// Words that an answer names although others are wanted: they stand where the wanted ones do in what the data
    /// showed, such as the other regions of a table, the wanted ones included.
    pub(super) fn named(&self, wanted: &[&str], question: &str, answer: &str) -> usize {
        let mut named = HashSet::new();
        for step in self.steps.iter().filter(|step| step.shows_data) {
            let rows: Vec<Vec<String>> = step.observation.lines().map(cells).collect();
            let is_wanted = |cell: &String| wanted.iter().any(|word| word.to_lowercase() == *cell);
            let columns: HashSet<usize> = rows
                .iter()
                .flat_map(|row| row.iter().enumerate())
                .filter(|(_, cell)| is_wanted(cell))
                .map(|(at, _)| at)
                .collect();
            let beside = rows.iter().flat_map(|row| columns.iter().filter_map(|at| row.get(*at)));
            named.extend(
                beside
                    .filter(|cell| {
                        number(cell).is_none()
                            && !holds_words(question, cell)
                            && holds_words(answer, cell)
                    })
                    .cloned(),
            );
        }
        named.len()
    }

    fn note_repeats(&mut self) {
        let mut known = HashSet::new();
        for step in &mut self.steps {
            let code = source::normalised(&step.done.step.code);
            step.repeats = !known.insert((code, step.observation.clone()));
        }
    }

    /// From the answer back: marks the steps that it stands on, and those that anything came of.
    fn follow_back(&mut self) {
        let mut roots: Vec<usize> = self.claims.iter().filter_map(|claim| claim.seen_by).collect();
        roots.extend(
            self.steps
                .iter()
                .position(|step| step.shows_data && !step.done.step.execution.figures.is_empty()),
        );
        if self.claims.iter().all(|claim| claim.is_restated) && roots.is_empty() {
            roots.extend(self.steps.iter().rposition(|step| step.shows_data && !step.repeats));
        }
        for root in roots {
            if let Some(step) = self.steps.get_mut(root) {
                step.use_made = Use::Needed;
            }
        }
        for at in (0..self.steps.len()).rev() {
            let Some(step) = self.steps.get(at) else { continue };
            if !step.ran || step.repeats {
                continue;
            }
            let made = step.use_made.max(Use::Used);
            for before in self.sources_of(at) {
                if let Some(step) = self.steps.get_mut(before).filter(|step| !step.repeats) {
                    step.use_made = step.use_made.max(made);
                }
            }
        }
    }

    /// The earlier steps whose names a step reads, or whose output has a text that it quotes.
    fn sources_of(&self, at: usize) -> Vec<usize> {
        let Some((earlier, step)) = self
            .steps
            .split_at_checked(at)
            .and_then(|(earlier, rest)| Some((earlier, rest.first()?)))
        else {
            return Vec::new();
        };
        let evidence = &step.evidence;
        let set = |name: &String| {
            earlier.iter().rposition(|step| step.evidence.writes.contains_key(name))
        };
        let files = evidence.opens.iter();
        let made = files.filter_map(|file| {
            earlier.iter().rposition(|step| step.evidence.changes.contains_key(file))
        });
        let told = source::texts(&step.done.step.code)
            .filter_map(|text| earlier.iter().position(|step| step.observation.contains(text)));
        evidence.reads.iter().filter_map(set).chain(made).chain(told).collect()
    }
}

impl<'t> Seen<'t> {
    fn of(done: &'t Done, asked: &Printed) -> Self {
        let step = &done.step;
        let evidence = match &done.evidence {
            Some(evidence) => Cow::Borrowed(evidence),
            None => Cow::Owned(source::evidence(&step.code, &step.execution)),
        };
        let observation = observe(&step.code, &step.execution, Profile::Full);
        let mut said = source::numbers(&step.code);
        let asked: Vec<_> = asked.values().collect();
        said.retain(|number| !asked.contains(number));
        let ran = step.execution.status == Status::Ok && !source::silences(&step.code);
        Self {
            done,
            evidence,
            printed: Printed::read(&observation),
            observation,
            said: Printed::of(&said),
            ran,
            shows_data: false,
            repeats: false,
            use_made: Use::Idle,
        }
    }

    fn shows(&self, claim: &grounding::Claim<'_>) -> bool {
        let has = |printed: &Printed| printed.find(claim).is_some();
        self.shows_data && has(&self.printed) && !has(&self.said)
    }
}

/// The cells of a line of a table, in lower case.
fn cells(line: &str) -> Vec<String> {
    let cells = line.split(['|', '\t']).flat_map(|part| part.split("  ")).map(str::trim);
    cells.filter(|cell| !cell.is_empty()).map(str::to_lowercase).collect()
}
