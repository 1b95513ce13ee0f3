//! What holds for every text that a model may write, checked by the fuzz target and by an ordinary test.

use datarus_agent::agent::{Mode, Part};
use datarus_agent::dialect::{Action, Dialect, Reading};
use datarus_agent::llm::FinishReason;

/// Reads `text` whole and in pieces, ended and cut; panics where the reader breaks its promises.
pub(crate) fn holds(text: &str, mode: Mode) {
    let (parts, reading) = read([text].into_iter(), mode, FinishReason::Stop);
    let characters = text.split_inclusive(|_: char| true);
    assert_eq!(read(characters, mode, FinishReason::Stop), (parts.clone(), reading.clone()));
    is_sound(text, mode, &parts, &reading);
    let (parts, reading) = read([text].into_iter(), mode, FinishReason::Length);
    is_sound(text, mode, &parts, &reading);
}

/// Thought, code and answer as they were handed out, and the reading at the end.
fn read<'a>(
    pieces: impl Iterator<Item = &'a str>,
    mode: Mode,
    reason: FinishReason,
) -> ([String; 3], Reading) {
    let mut reader = Dialect::Datarus.reader(mode);
    let mut parts = [const { String::new() }; 3];
    let mut take = |part: Part, text: &str| match part {
        Part::Thought => parts[0].push_str(text),
        Part::Code => parts[1].push_str(text),
        Part::Answer => parts[2].push_str(text),
    };
    for piece in pieces {
        reader.push(piece, &mut take);
    }
    let reading = reader.finish(reason, &mut take);
    (parts, reading)
}

fn is_sound(text: &str, mode: Mode, parts: &[String; 3], reading: &Reading) {
    assert!(text.get(..reading.used).is_some(), "`used` lies between characters");
    match &reading.action {
        Action::Run { thought, code } => {
            assert_eq!(mode, Mode::Agentic, "reflection runs nothing");
            assert!(!code.trim().is_empty());
            assert_eq!((&parts[0], &parts[1]), (thought, code), "what is run was shown");
        }
        Action::Answer { answer, .. } => {
            assert!(!answer.trim().is_empty());
            assert!(&parts[2] == answer || mode == Mode::Reflection && &parts[0] == answer);
        }
        Action::Malformed { problem } => assert!(!problem.is_empty()),
        Action::Incomplete => {}
    }
}
