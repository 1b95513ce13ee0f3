//! `datarus reward`: what trajectories are worth, and how quickly that is known.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use datarus_agent::reward::{Fault, Scores, Settings, form, score, structure};
use datarus_agent::trajectory::Trajectory;
use serde::Serialize;

/// What many trajectories are worth.
#[derive(Debug, Default)]
pub struct Summary {
    families: BTreeMap<String, Family>,
    faults: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Default)]
struct Family {
    count: usize,
    right: f64,
    /// Sums of reward, structure and content; of structure with the number of those that have one.
    reward: f64,
    structure: (f64, usize),
    content: f64,
}

/// The line for people of one trajectory.
pub fn line(scores: &Scores) -> String {
    let form = scores.structure.map_or_else(|| String::from("    -"), |s| format!("{s:5.3}"));
    let right = scores.correct.map_or("?", |c| if c > 0.0 { "right" } else { "wrong" });
    let faults: Vec<&str> = scores.faults.iter().map(|fault| named(*fault)).collect();
    format!(
        "{:5.3}  form {form}  content {:5.3}  {right:5}  {}  {}",
        scores.reward,
        scores.content,
        scores.id,
        faults.join(", ")
    )
}

fn named(fault: Fault) -> &'static str {
    match fault {
        Fault::ForgedObservation => "forged observation",
        Fault::ManyEnds => "many ends",
        Fault::ForeignFile => "foreign file",
    }
}

impl Summary {
    /// Takes one more into account.
    pub fn take(&mut self, trajectory: &Trajectory, scores: &Scores) {
        let family = self.families.entry(trajectory.task.family.clone()).or_default();
        family.count += 1;
        family.right += f64::from(u8::from(scores.correct.is_some_and(|c| c > 0.0)));
        family.reward += scores.reward;
        family.content += scores.content;
        if let Some(structure) = scores.structure {
            family.structure.0 += structure;
            family.structure.1 += 1;
        }
        for fault in &scores.faults {
            *self.faults.entry(named(*fault)).or_default() += 1;
        }
    }

    /// A table by family.
    pub fn as_text(&self) -> String {
        let mut all = Family::default();
        let heads = ["count", "right", "form", "content", "reward"];
        let heads: Vec<String> = heads.iter().map(|head| format!("{head:>7}")).collect();
        let mut lines = vec![format!("{:16} {}", "family", heads.join(" "))];
        for (name, family) in &self.families {
            lines.push(family.row(if name.is_empty() { "(none)" } else { name }));
            all.add(family);
        }
        if self.families.len() != 1 {
            lines.push(all.row("all"));
        }
        lines.extend(self.faults.iter().map(|(fault, count)| format!("{fault}: {count}")));
        lines.join("\n")
    }
}

impl Family {
    fn add(&mut self, other: &Family) {
        self.count += other.count;
        self.right += other.right;
        self.reward += other.reward;
        self.content += other.content;
        self.structure.0 += other.structure.0;
        self.structure.1 += other.structure.1;
    }

    fn row(&self, name: &str) -> String {
        let count = float(self.count.max(1));
        let form = match self.structure {
            (_, 0) => String::from("-"),
            (sum, of) => format!("{:.3}", sum / float(of)),
        };
        format!(
            "{name:16} {:>7} {:>5.1} % {form:>7} {:>7.3} {:>7.3}",
            self.count,
            100.0 * self.right / count,
            self.content / count,
            self.reward / count
        )
    }
}

/// How quickly trajectories are scored on one core.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// Trajectories that were scored in turn.
    pub trajectories: usize,
    /// Bytes that models wrote of them, on average.
    pub written_bytes: f64,
    /// Trajectories a second, by their form alone.
    pub structure_per_second: f64,
    /// Trajectories a second, by all.
    pub score_per_second: f64,
}

impl Speed {
    /// For people.
    pub fn as_text(&self) -> String {
        format!(
            "{} trajectories of {:.0} bytes each, one core\nby their form  {:>9.0} a second\nby all         {:>9.0} a second",
            self.trajectories, self.written_bytes, self.structure_per_second, self.score_per_second
        )
    }
}

/// Scores the trajectories again and again, `seconds` for each measurement.
pub fn bench(trajectories: &[Trajectory], seconds: u64) -> Speed {
    let settings = Settings::default();
    let written = trajectories.iter().flat_map(|trajectory| &trajectory.written);
    let bytes: usize = written.map(String::len).sum();
    let by_form = |trajectory: &Trajectory| {
        structure(&form(trajectory.dialect, trajectory.task.mode, &trajectory.written))
    };
    let seconds = Duration::from_secs(seconds);
    Speed {
        trajectories: trajectories.len(),
        written_bytes: float(bytes) / float(trajectories.len().max(1)),
        structure_per_second: per_second(trajectories, seconds, by_form),
        score_per_second: per_second(trajectories, seconds, |trajectory| {
            score(trajectory, &settings, 1.0, None).reward
        }),
    }
}

fn per_second(
    trajectories: &[Trajectory],
    time: Duration,
    judge: impl Fn(&Trajectory) -> f64,
) -> f64 {
    let start = Instant::now();
    let mut count = 0_usize;
    while start.elapsed() < time && !trajectories.is_empty() {
        for trajectory in trajectories {
            black_box(judge(black_box(trajectory)));
        }
        count += trajectories.len();
    }
    float(count) / start.elapsed().as_secs_f64()
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
