//! How quickly a model answers on this machine.

use std::path::{Path, PathBuf};
use std::time::Instant;

use datarus_agent::agent::Mode;
use datarus_agent::dialect::Dialect;
use datarus_agent::grammar::Grammar;
use datarus_agent::llm::local::{Foretold, LocalModel, Measure, Speed, Speeds};
use datarus_agent::llm::{
    self, GenerateRequest, Interrupt, Model as _, ModelError, PROCESSOR, Sampling, Usage,
};
use datarus_agent::transcript::{ChatMessage, Role, Segment};
use serde::Serialize;

use super::replay::{self, Episode};
use crate::cli::BenchArgs;
use crate::config::{ModelSource, weights_cache};

/// What an analysis costs, in tokens: a question with its notebook, six steps whose outputs are read, an answer.
const READ: f64 = 2_700.0;
/// As above: thoughts, code and the answer.
const WRITTEN: f64 = 900.0;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// Where it computed: [`PROCESSOR`], or what the GPU is called.
    pub device: String,
    /// Threads that computed on the processor.
    pub threads: usize,
    /// From the start of loading to a model that is ready.
    pub load_seconds: f64,
    /// From the start of loading to the first token.
    pub first_token_seconds: f64,
    /// Size of the file, if it is one.
    pub file_bytes: Option<u64>,
    /// Memory of the KV-cache for each token of a chat.
    pub cache_bytes_per_token: u64,
    /// Memory of the process when all was measured, where the system tells.
    pub resident_bytes: Option<u64>,
    /// The speeds.
    #[serde(flatten)]
    pub speeds: Speeds,
    /// What it takes to choose tokens.
    pub choice: Choice,
    /// How well it foretells the text that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Foretold>,
}

/// What it takes to choose a token in the form of a step, beside the computing; the middle of the repetitions.
#[derive(Debug, Default, Serialize)]
pub struct Choice {
    /// Of the time of writing, in percent.
    pub percent: f64,
    /// For each token that was chosen.
    pub milliseconds: f64,
}

/// The file or folder of a model that can be measured here; none is the embedded one.
///
/// # Errors
/// When it is a server's.
pub fn file_of(source: ModelSource) -> Result<Option<PathBuf>, ModelError> {
    match source {
        ModelSource::Embedded => Ok(None),
        ModelSource::Path(path) => Ok(Some(path)),
        ModelSource::Served(settings) => Err(ModelError::Server {
            at: settings.address.to_string(),
            reason: String::from("expected a file, found a server: its speed is measured there"),
        }),
    }
}

/// Loads the model at `path`, whose chat template `program` renders, and measures it.
///
/// # Errors
/// When it cannot be loaded, or what is asked for does not fit its context.
pub fn run(args: &BenchArgs, path: Option<&Path>, program: &Path) -> Result<Report, ModelError> {
    let (mut model, start) = load(args, path, program)?;
    let load_seconds = llm::seconds(start.elapsed());
    let folder = tempfile::tempdir().map_err(|error| ModelError::Compute(error.to_string()))?;
    let one = Measure {
        prompts: vec![1],
        decode: 0,
        depths: Vec::new(),
        repeat: 1,
        folder: folder.path().to_owned(),
    };
    model.measure(&one)?;
    let first_token_seconds = llm::seconds(start.elapsed());
    let speeds = model.measure(&Measure {
        prompts: args.prompt.iter().map(|tokens| tokens.get()).collect(),
        decode: args.decode.get(),
        depths: args.depth.clone(),
        repeat: args.repeat.get(),
        folder: folder.path().to_owned(),
    })?;
    let choice = choice(&mut model, args)?;
    let text = args.text.as_deref().map(|path| foretell(&mut model, path)).transpose()?;
    let file =
        path.and_then(|path| std::fs::metadata(path).ok()).filter(std::fs::Metadata::is_file);
    Ok(Report {
        model: model.info().name.clone(),
        device: model.device(),
        cache_bytes_per_token: model.cache_bytes_per_token(),
        threads: llm::n_threads(),
        load_seconds,
        first_token_seconds,
        file_bytes: file.map(|file| file.len()),
        resident_bytes: resident_bytes(),
        speeds,
        choice,
        text,
    })
}

fn foretell(model: &mut LocalModel, path: &Path) -> Result<Foretold, ModelError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ModelError::Read { path: path.display().to_string(), source })?;
    model.foretell(&text)
}

/// Loads a model and has it do a recorded analysis again.
///
/// # Errors
/// As [`run`], and when the recording cannot be played.
pub fn replay(
    args: &BenchArgs,
    path: Option<&Path>,
    episode: &Path,
    program: &Path,
) -> Result<replay::Report, ModelError> {
    let episode = Episode::read(episode)?;
    let (mut model, _) = load(args, path, program)?;
    episode.play(&mut model, &args.without)
}

/// Loads the model; since when.
fn load(
    args: &BenchArgs,
    path: Option<&Path>,
    program: &Path,
) -> Result<(LocalModel, Instant), ModelError> {
    if let Some(threads) = args.threads {
        llm::limit_threads(threads.get());
    }
    let start = Instant::now();
    let cache = weights_cache(args.weights);
    let model = match path {
        Some(path) => {
            let renderer = super::template::apart(program.to_owned());
            LocalModel::load(path, args.device, cache.as_ref(), renderer)?
        }
        None => LocalModel::embedded()?,
    };
    Ok((model, start))
}

/// Has it write in the form of a step.
fn choice(model: &mut LocalModel, args: &BenchArgs) -> Result<Choice, ModelError> {
    let asked = Segment::Data(String::from("What is the mean of each column?"));
    let messages = [ChatMessage { role: Role::User, content: vec![asked] }];
    let mut write = || -> Result<Usage, ModelError> {
        let request = GenerateRequest {
            messages: &messages,
            stop: &[],
            sampling: &Sampling::Greedy,
            seed: 0,
            max_new_tokens: args.decode.get(),
            interrupt: &Interrupt::default(),
        };
        let mut grammar = Grammar::new(Dialect::Datarus, Mode::Agentic, "", None);
        Ok(model.generate(&request, &mut grammar, &mut |_| ())?.usage)
    };
    let mut usages = (0..args.repeat.get()).map(|_| write()).collect::<Result<Vec<_>, _>>()?;
    usages.sort_by(|a, b| a.choice_seconds.total_cmp(&b.choice_seconds));
    let usage = usages.get(usages.len() / 2).copied().unwrap_or_default();
    let n_chosen = usage.completion_tokens.saturating_sub(usage.forced_tokens).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a few tokens")]
    let milliseconds = usage.choice_seconds / n_chosen as f64 * 1e3;
    let percent = usage.choice_seconds / usage.decode_seconds.max(f64::MIN_POSITIVE) * 1e2;
    Ok(Choice { percent, milliseconds })
}

/// `VmRSS` of Linux.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

impl Report {
    /// For people: a verdict, then the figures.
    pub fn as_text(&self) -> String {
        let mut lines = Vec::new();
        if let (Some(read), Some(written)) =
            (self.speeds.prefill.first(), self.speeds.decode.first())
        {
            let taken = READ / read.median() + WRITTEN / written.median();
            let by = match self.device.as_str() {
                PROCESSOR => format!("with {} threads", self.threads),
                gpu => format!("on {gpu}"),
            };
            lines.push(format!(
                "{} answers in about {} on this machine: {READ} tokens read and {WRITTEN} written, as in an analysis \
                 of six steps, {by}; what its code takes comes on top.",
                self.model,
                spoken(taken),
            ));
            lines.push(String::new());
        }
        lines.push(format!("loads in       {:.2} s", self.load_seconds));
        if let Some(bytes) = self.resident_bytes {
            lines.push(format!("memory         {} MiB", bytes >> 20));
        }
        let speeds = [
            ("reads", &self.speeds.prefill),
            ("writes", &self.speeds.decode),
            ("restores", &self.speeds.restore),
        ];
        for (what, speeds) in speeds {
            lines.extend(speeds.iter().map(|speed| line(what, speed)));
        }
        let Choice { percent, milliseconds } = self.choice;
        lines.push(format!(
            "chooses        {milliseconds:.2} ms a token ({percent:.1} % of writing)"
        ));
        if let Some(text) = &self.text {
            lines.push(format!("perplexity     {:.3}", text.perplexity_of_prompts));
        }
        lines.join("\n")
    }
}

fn line(what: &str, speed: &Speed) -> String {
    let Speed { tokens, depth, .. } = speed;
    format!("{what:<14} {:.1} tokens a second ({tokens} behind {depth})", speed.median())
}

/// Seconds as people say them.
fn spoken(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} seconds"),
        ..5_400.0 => format!("{:.0} minutes", seconds / 60.0),
        _ => format!("{:.1} hours", seconds / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(tokens_per_second: f64) -> Speed {
        Speed { tokens: 32, depth: 0, tokens_per_second: vec![tokens_per_second] }
    }

    #[test]
    fn the_verdict_is_in_words_that_fit_the_time() {
        let check = |read, written, expected: &str| {
            let (prefill, decode) = (vec![speed(read)], vec![speed(written)]);
            let speeds = Speeds { prefill, decode, ..Speeds::default() };
            let report = Report {
                model: String::from("small"),
                device: String::from(PROCESSOR),
                cache_bytes_per_token: 2_048,
                threads: 2,
                load_seconds: 0.5,
                first_token_seconds: 0.6,
                file_bytes: None,
                resident_bytes: None,
                speeds,
                choice: Choice::default(),
                text: None,
            };
            let text = report.as_text();
            assert!(text.starts_with(&format!("small answers in about {expected} on")), "{text}");
        };
        check(2_700.0, 900.0, "2 seconds");
        check(100.0, 9.0, "2 minutes");
        check(1.0, 0.1, "3.2 hours");
    }
}
