//! Rows for training stacks, made of trajectories: what a model is shown is what the product shows it. Pure.
//!
//! The chat is the loop's own, so prompts, tags and observations are those that users meet. Values whose type would
//! differ from row to row are strings of JSON.

mod preference;
mod tools;

use std::time::Duration;

use serde_json::{Value, json};

use crate::agent::{Limits, Mode, Outcome, Past, Step, Task};
use crate::chat::Chat;
use crate::dialect::{Dialect, Said};
use crate::executor::{Namespace, Status};
use crate::llm::{ModelInfo, Profile};
use crate::observation::{failed, observe};
use crate::prompt::{Reply, Style};
use crate::trajectory::{Trajectory, Worth};
use crate::transcript::{ChatMessage, Segment};

/// Steps of one turn that users have who set none.
const MAX_STEPS: usize = 12;

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One row a trajectory: messages, of which the assistant's are learnt. What the environment says stands in the
    /// user's messages, so that it is masked.
    Messages,
    /// One row for each step that is an example: the chat before it to the letter, and what the model is to write.
    Steps,
    /// One row a trajectory, in the protocol of tool calls.
    Tools,
    /// One row a task, for the GRPO of TRL.
    Grpo,
    /// One row a task, for verl.
    Verl,
    /// A step and what was better in its place.
    Preferences,
}

/// How rows are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much the prompt says.
    pub profile: Profile,
    /// How steps are written.
    pub dialect: Dialect,
    /// Bounds that the prompt names.
    pub limits: Limits,
}

/// The rows of the last trajectory of an episode; those before it are its history. None of a trajectory that gives no
/// such rows: one without an answer is no example, one without a mistake has no preference.
pub fn rows(format: Format, settings: &Settings, episode: &[Trajectory]) -> Vec<Value> {
    let Some((trajectory, before)) = episode.split_last() else { return Vec::new() };
    match format {
        Format::Grpo => vec![grpo(settings, trajectory, before)],
        Format::Verl => vec![verl(settings, trajectory, before)],
        Format::Preferences => preference::rows(trajectory, &played(settings, trajectory, before)),
        _ if trajectory.answer().is_none() => Vec::new(),
        Format::Tools => vec![tools::row(settings, trajectory, before)],
        Format::Messages => vec![messages(trajectory, &played(settings, trajectory, before))],
        Format::Steps => steps(trajectory, &played(settings, trajectory, before)),
    }
}

/// A preference of the last trajectory of one episode, whose answer is right, before that of another one of the same
/// task, whose answer is wrong: the first thing that they wrote differently. None where what they had seen by then
/// differs as well.
pub fn pair(settings: &Settings, right: &[Trajectory], wrong: &[Trajectory]) -> Option<Value> {
    let (right, before_right) = right.split_last()?;
    let (wrong, before_wrong) = wrong.split_last()?;
    let better = played(settings, right, before_right);
    preference::between(right, &better, &played(settings, wrong, before_wrong))
}

impl Settings {
    /// With the bounds that users have who set none but the steps.
    pub fn new(profile: Profile, dialect: Dialect, max_steps: usize) -> Self {
        let limits = Limits {
            max_steps,
            max_errors: 4,
            cell_timeout: Duration::from_secs(300),
            max_new_tokens: 4_096,
            max_turn_tokens: 65_536,
            max_sections: 8,
        };
        Self { profile, dialect, limits }
    }

    /// As rows are made for a model.
    pub(crate) fn of(info: &ModelInfo) -> Self {
        Self::new(info.profile, Dialect::of(info).unwrap_or(Dialect::Datarus), MAX_STEPS)
    }

    /// As a served model is spoken to, whose messages are not gone on with.
    fn style(&self) -> Style {
        let (profile, dialect) = (self.profile, self.dialect);
        Style { profile, dialect, continues: false, namespace: Namespace::Kept }
    }
}

/// A step as a model writes it.
pub fn step_text(dialect: Dialect, said: Said<'_>, code: &str) -> String {
    let mut chat = nothing_said(dialect);
    chat.proposed(said, code);
    last_text(&chat)
}

/// The end of a turn as a model writes it.
pub fn end_text(dialect: Dialect, mode: Mode, said: Said<'_>, answer: &str) -> String {
    let mut chat = nothing_said(dialect);
    chat.answered(mode, said, answer);
    last_text(&chat)
}

fn nothing_said(dialect: Dialect) -> Chat {
    let (profile, namespace) = (Profile::Full, Namespace::Kept);
    Chat::empty(Style { profile, dialect, continues: false, namespace })
}

/// A trajectory put through the loop's chat.
struct Played {
    /// The messages up to the question, as roles and texts.
    opening: Vec<Value>,
    /// The steps, then the answer.
    moves: Vec<Move>,
}

/// One message of the model.
struct Move {
    /// All messages before it.
    prompt: Vec<Value>,
    /// What it wrote.
    written: String,
    /// What the environment put behind it, inside the same message, and then said; empty after an answer.
    observed: String,
    said: String,
}

fn played(settings: &Settings, trajectory: &Trajectory, before: &[Trajectory]) -> Played {
    play(settings, trajectory, before, |_| ())
}

/// Shows the chat each time the analyst has written something.
fn play(
    settings: &Settings,
    trajectory: &Trajectory,
    before: &[Trajectory],
    mut show: impl FnMut(&Chat),
) -> Played {
    let mut chat = opening(settings, trajectory, before);
    let opening = shown(chat.messages());
    let mut moves = Vec::new();
    for (at, done) in trajectory.steps.iter().enumerate() {
        let step = &done.step;
        let prompt = shown(chat.messages());
        chat.proposed(said_of(step), &step.code);
        let place = chat.messages().len().saturating_sub(1);
        let written = last_text(&chat);
        show(&chat);
        chat.observed(observe(&step.code, &step.execution, settings.profile));
        chat.reply(if failed(&step.execution) {
            Reply::Failed
        } else {
            Reply::Continue { steps_left: settings.limits.max_steps.saturating_sub(at + 1) }
        });
        let at = |place: usize| chat.messages().get(place).map(text).unwrap_or_default();
        let (observed, said) = (at(place).split_off(written.len()), at(place + 1));
        moves.push(Move { prompt, written, observed, said });
    }
    if let Outcome::Answered { understanding, thought, answer } = &trajectory.outcome {
        let prompt = shown(chat.messages());
        chat.answered(trajectory.task.mode, Said { understanding, thought }, answer);
        let written = last_text(&chat);
        show(&chat);
        moves.push(Move { prompt, written, observed: String::new(), said: String::new() });
    }
    Played { opening, moves }
}

/// The chats that end with what the analyst wrote: one for each step, then one for the answer.
pub(crate) fn chats(settings: &Settings, episode: &[Trajectory]) -> Vec<Vec<ChatMessage>> {
    let Some((trajectory, before)) = episode.split_last() else { return Vec::new() };
    let mut chats = Vec::new();
    let _ = play(settings, trajectory, before, |chat| chats.push(chat.messages().to_vec()));
    chats
}

fn opening(settings: &Settings, trajectory: &Trajectory, before: &[Trajectory]) -> Chat {
    let task = Task {
        prompt: trajectory.task.prompt.clone(),
        brief: trajectory.given.brief.clone(),
        mode: trajectory.task.mode,
        instructions: String::new(),
        files: trajectory.given.files.clone(),
        variables: trajectory.given.variables.clone(),
        data: trajectory.given.data.clone(),
        history: before.iter().map(|trajectory| Past::Turn(trajectory.as_turn())).collect(),
        stage: None,
        begun: None,
    };
    Chat::new(settings.style(), &settings.limits, &task, 0)
}

/// What was said before a step.
fn said_of(step: &Step) -> Said<'_> {
    Said { understanding: &step.understanding, thought: &step.thought }
}

fn shown(messages: &[ChatMessage]) -> Vec<Value> {
    messages.iter().map(|message| said(message.role.name(), &text(message))).collect()
}

fn said(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

fn text(message: &ChatMessage) -> String {
    message.content.iter().map(Segment::text).collect()
}

fn last_text(chat: &Chat) -> String {
    chat.messages().last().map(text).unwrap_or_default()
}

/// Which trajectory a row is of, and what is known of it.
fn meta(trajectory: &Trajectory) -> Value {
    let Trajectory { id, episode, turn, task, by, .. } = trajectory;
    let meta = json!({
        "trajectory": id, "episode": episode, "turn": turn, "family": task.family, "level": task.level,
        "seed": task.seed, "by": by,
    });
    json!(meta.to_string())
}

fn messages(trajectory: &Trajectory, played: &Played) -> Value {
    let mut messages = played.opening.clone();
    for one in &played.moves {
        messages.push(said("assistant", &one.written));
        let parts = [one.observed.trim_start(), &one.said];
        let spoken: Vec<&str> = parts.into_iter().filter(|text| !text.is_empty()).collect();
        if !spoken.is_empty() {
            messages.push(said("user", &spoken.join("\n\n")));
        }
    }
    json!({"messages": messages, "task_id": trajectory.task.id, "meta": meta(trajectory)})
}

fn steps(trajectory: &Trajectory, played: &Played) -> Vec<Value> {
    let learnt = trajectory
        .steps
        .iter()
        .map(|done| done.worth == Worth::Example && done.step.execution.status == Status::Ok);
    let moves = played.moves.iter().zip(learnt.chain([true])).enumerate();
    let learnt = moves.filter(|(_, (_, is_learnt))| *is_learnt);
    learnt
        .map(|(at, (one, _))| {
            json!({
                "prompt": one.prompt,
                "completion": [said("assistant", &one.written)],
                "task_id": trajectory.task.id,
                "step": at + 1,
                "meta": meta(trajectory),
            })
        })
        .collect()
}

fn grpo(settings: &Settings, trajectory: &Trajectory, before: &[Trajectory]) -> Value {
    json!({
        "prompt": shown(opening(settings, trajectory, before).messages()),
        "task_id": trajectory.task.id,
        "files": files(trajectory),
        "ground_truth": ground_truth(trajectory),
        "checker": checker(trajectory),
        "level": trajectory.task.level,
    })
}

fn verl(settings: &Settings, trajectory: &Trajectory, before: &[Trajectory]) -> Value {
    let selection: &[&str] =
        if trajectory.task.mode == Mode::Agentic { &[tools::NAME] } else { &[] };
    json!({
        "data_source": "datarus",
        "agent_name": "datarus",
        "prompt": shown(opening(settings, trajectory, before).messages()),
        "ability": "data",
        "reward_model": {"style": "rule", "ground_truth": ground_truth(trajectory)},
        "extra_info": {
            "index": trajectory.turn,
            "task_id": trajectory.task.id,
            "files": files(trajectory),
            "checker": checker(trajectory),
            "level": trajectory.task.level,
            "need_tools_kwargs": false,
            "tools_kwargs": {},
            "tool_selection": selection,
        },
    })
}

fn files(trajectory: &Trajectory) -> Vec<&str> {
    trajectory.given.files.iter().map(|file| file.name.as_str()).collect()
}

/// The values of a right answer, for people and simple rewards.
fn ground_truth(trajectory: &Trajectory) -> String {
    trajectory.task.checker.as_ref().map(|checker| checker.values.join(", ")).unwrap_or_default()
}

fn checker(trajectory: &Trajectory) -> String {
    json!(trajectory.task.checker).to_string()
}

#[cfg(test)]
mod tests;
