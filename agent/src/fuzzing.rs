//! What holds for whatever strangers write: the properties that `tests/fuzz` tries and the tests of its corpus check.
//!
//! Each takes any bytes, and panics where the crate breaks its promise.

use serde_json::{Map, json};

use crate::agent::{Mode, Part};
use crate::dialect::{Action, Dialect, Reader, Reading};
use crate::executor::{Execution, Output, Status};
use crate::llm::{FinishReason, Profile};
use crate::observation::observe;

pub use crate::llm::fuzzing::{gguf, template};

/// What an observation may be longer than its limit by: the note of how much was left out.
const NOTE: usize = 64;

/// Completions: read whole and in pieces, ended and cut. What is kept of one reads as the whole did.
pub fn completion(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let modes = [Mode::Agentic, Mode::Reflection];
    for (dialect, mode) in Dialect::ALL.into_iter().flat_map(|of| modes.map(|mode| (of, mode))) {
        let reader = || dialect.reader(mode);
        let (parts, reading) = read(reader(), [&*text].into_iter(), FinishReason::Stop);
        let characters = text.split_inclusive(|_: char| true);
        let piecewise = read(reader(), characters, FinishReason::Stop);
        assert_eq!(piecewise, (parts.clone(), reading.clone()), "pieces make no difference");
        is_sound(&text, mode, &parts, &reading);
        let kept = text.get(..reading.used).unwrap_or_default();
        let again = dialect.parse(mode, kept, FinishReason::Stop).action;
        match (&again, &reading.action) {
            (Action::Incomplete, _) | (Action::Malformed { .. }, Action::Malformed { .. }) => {}
            (again, action) => assert_eq!(again, action, "what is kept"),
        }
        let n_told: usize = parts.iter().map(String::len).sum();
        assert!(n_told <= text.len() || dialect == Dialect::Markdown, "nothing is told twice");
        let (parts, reading) = read(reader(), [&*text].into_iter(), FinishReason::Length);
        is_sound(&text, mode, &parts, &reading);
    }
}

/// Thought, code, answer and understanding as they were handed out, and the reading at the end.
fn read<'a>(
    mut reader: Reader,
    pieces: impl Iterator<Item = &'a str>,
    reason: FinishReason,
) -> ([String; 4], Reading) {
    let mut parts = [const { String::new() }; 4];
    let mut take = |part: Part, text: &str| match part {
        Part::Thought => parts[0].push_str(text),
        Part::Code => parts[1].push_str(text),
        Part::Answer => parts[2].push_str(text),
        Part::Understanding => parts[3].push_str(text),
    };
    for piece in pieces {
        reader.push(piece, &mut take);
    }
    let reading = reader.finish(reason, &mut take);
    (parts, reading)
}

fn is_sound(text: &str, mode: Mode, parts: &[String; 4], reading: &Reading) {
    assert!(text.get(..reading.used).is_some(), "`used` lies between characters");
    match &reading.action {
        Action::Run { understanding, thought, code } => {
            assert_eq!(mode, Mode::Agentic, "reflection runs nothing");
            assert!(!code.trim().is_empty());
            let shown = (&parts[3], &parts[0], &parts[1]);
            assert_eq!(shown, (understanding, thought, code), "what is run was shown");
        }
        Action::Answer { answer, .. } => {
            assert!(!answer.trim().is_empty());
            assert!(&parts[2] == answer || mode == Mode::Reflection && &parts[0] == answer);
        }
        Action::Ask { question, .. } => assert!(!question.trim().is_empty()),
        Action::Malformed { problem } => assert!(!problem.is_empty()),
        Action::Incomplete => {}
    }
}

/// Outputs of cells: as stream, table, error and plain text they are short, without terminal codes, and hold nothing
/// that our own reader takes for a tag.
pub fn observation(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mime = |name: &str| Map::from_iter([(name.to_owned(), json!(text))]);
    let data = |data| Output::DisplayData { data, metadata: Map::new() };
    let (ename, evalue) = (text.clone(), text.clone());
    let traceback = text.lines().map(str::to_owned).collect();
    let outputs = [
        Output::Stream { name: String::from("stdout"), text: text.clone() },
        data(mime("text/html")),
        data(mime("text/plain")),
        Output::Error { ename, evalue, traceback },
    ];
    for output in outputs {
        let status =
            if matches!(output, Output::Error { .. }) { Status::Error } else { Status::Ok };
        let execution = Execution {
            execution_count: Some(1),
            status,
            outputs: vec![output],
            figures: Vec::new(),
            seconds: 0.0,
            lost: false,
        };
        for (profile, limit) in [
            (Profile::Full, crate::observation::FULL_LIMIT),
            (Profile::Compact, crate::observation::COMPACT_LIMIT),
        ] {
            let seen = observe(&text, &execution, profile);
            assert!(!seen.is_empty());
            assert!(seen.chars().count() <= limit + NOTE, "an observation is short");
            assert!(!seen.contains('\u{1b}'), "no terminal codes");
            is_no_tag(&seen);
        }
    }
}

/// Within a thought, foreign text neither ends the thought nor begins anything else.
fn is_no_tag(seen: &str) {
    let step = format!(
        "<step>\n<thought>a{seen}b</thought>\n<action>python_executor</action>\n<action_input>\n1\n</action_input>"
    );
    let parts = format!("<Analyze>a{seen}b</Analyze>\n<Code>\n1\n</Code>");
    for (dialect, written) in [(Dialect::Datarus, step), (Dialect::DeepAnalyze, parts)] {
        let reading = dialect.parse(Mode::Agentic, &written, FinishReason::Stop);
        let Action::Run { thought, code, .. } = reading.action else {
            panic!("foreign text ended a step: {:?}", reading.action)
        };
        assert_eq!((thought.as_str(), code.trim()), (format!("a{seen}b").as_str(), "1"));
    }
}

/// A target: its name, and what holds.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 4] = [
    ("completion", completion),
    ("observation", observation),
    ("gguf", gguf),
    ("template", template),
];

#[cfg(test)]
mod tests;
