//! Rows in the protocol of tool calls.

use serde_json::{Value, json};

use super::{Settings, meta, said, text};
use crate::observation::observe;
use crate::trajectory::Trajectory;
use crate::transcript::Role;

/// The one tool: it runs a cell.
pub(super) const NAME: &str = "run_cell";

/// The trajectory as calls of one tool and what came back, after those of its episode that were before.
pub(super) fn row(settings: &Settings, trajectory: &Trajectory, before: &[Trajectory]) -> Value {
    let turns = before.iter().chain([trajectory]);
    let messages: Vec<Value> = turns.flat_map(|turn| self::messages(settings, turn)).collect();
    json!({
        "messages": messages,
        "tools": [schema()],
        "task_id": trajectory.task.id,
        "meta": meta(trajectory),
    })
}

/// One turn: the question as it is asked without a past, calls and what they showed, and the answer if there is one.
fn messages(settings: &Settings, trajectory: &Trajectory) -> Vec<Value> {
    let chat = super::opening(settings, trajectory, &[]);
    let asked = chat.messages().iter().filter(|message| message.role != Role::System);
    let mut messages: Vec<Value> = asked.map(|message| said("user", &text(message))).collect();
    for done in &trajectory.steps {
        let step = &done.step;
        messages.push(json!({
            "role": "assistant",
            "content": step.thought,
            "tool_calls": [{"type": "function", "function": {"name": NAME, "arguments": {"code": step.code}}}],
        }));
        let seen = observe(&step.code, &step.execution, settings.profile);
        messages.push(json!({"role": "tool", "name": NAME, "content": seen}));
    }
    messages.extend(trajectory.answer().map(|answer| said("assistant", answer)));
    messages
}

fn schema() -> Value {
    let code = json!({"type": "string", "description": "The cell's source."});
    json!({"type": "function", "function": {
        "name": NAME,
        "description": "Runs Python as the next cell of a notebook, and gives back what it shows. Variables stay.",
        "parameters": {"type": "object", "properties": {"code": code}, "required": ["code"]},
    }})
}
