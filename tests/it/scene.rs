//! Scenes for the loop: a scripted model and a scripted code runner play one turn.

use std::fmt::Write as _;
use std::time::Duration;

use datarus_agent::agent::{Agent, AgentEvent, DataNotes, Limits, Mode, Outcome, Task, Turn};
use datarus_agent::dialect::Dialect;
use datarus_agent::executor::{Execution, Namespace};
use datarus_agent::llm::{Interrupt, Profile, Sampling};
use datarus_agent::transcript::{ChatMessage, Role};
use tests::doubles::{ScriptedExecutor, ScriptedModel};

pub(crate) const LOOK: &str = "<step>\n<thought>Look.</thought>\n<action>python_executor</action>\n<action_input>\ndf.head(3)\n</action_input>";
pub(crate) const MEAN: &str = "<step>\n<thought>Mean.</thought>\n<action>python_executor</action>\n<action_input>\ndf[\"a\"].mean()\n</action_input>";
pub(crate) const END: &str =
    "<stop_analysis>\n<thought>Found.</thought>\n<answer>It is **2**.</answer>\n</stop_analysis>";

/// A scene: who plays, and what came of it.
pub(crate) struct Scene {
    pub(crate) model: ScriptedModel,
    pub(crate) executor: ScriptedExecutor,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) second_look: bool,
    pub(crate) limits: Limits,
    pub(crate) interrupt: Interrupt,
    pub(crate) events: Vec<AgentEvent>,
}

impl Scene {
    pub(crate) fn new(profile: Profile, script: &[&str], executions: Vec<Execution>) -> Self {
        Self {
            model: ScriptedModel::new(profile, script),
            executor: ScriptedExecutor::new(executions),
            dialect: None,
            second_look: true,
            limits: Limits {
                max_steps: 10,
                max_errors: 5,
                cell_timeout: Duration::from_secs(60),
                max_new_tokens: 2_048,
                max_turn_tokens: 50_000,
                max_sections: 8,
            },
            interrupt: Interrupt::default(),
            events: Vec::new(),
        }
    }

    pub(crate) fn play(&mut self, task: &Task) -> Turn {
        let mut agent = Agent {
            model: &mut self.model,
            executor: &mut self.executor,
            dialect: self.dialect,
            namespace: Namespace::Kept,
            second_look: self.second_look,
            limits: self.limits.clone(),
            sampling: Sampling::Greedy,
            seed: 0,
            interrupt: self.interrupt.clone(),
        };
        let events = &mut self.events;
        agent.run(task, &mut |event| events.push(event)).unwrap()
    }

    /// The last request to the model, without its standing instructions.
    pub(crate) fn said(&self) -> String {
        let messages = self.model.asked.last().unwrap();
        shown(messages.iter().filter(|message| message.role != Role::System))
    }

    /// The last request to the model, what the user was told, and how the turn ended.
    pub(crate) fn told(&self, turn: &Turn) -> String {
        let mut text = self.said();
        for event in &self.events {
            if let AgentEvent::Notice(notice) = event {
                writeln!(text, "! {notice}").unwrap();
            }
        }
        writeln!(text, "= {}", outcome(&turn.outcome)).unwrap();
        text
    }
}

fn shown<'a>(messages: impl Iterator<Item = &'a ChatMessage>) -> String {
    let mut text = String::new();
    for message in messages {
        writeln!(text, "[{}]", message.role.name()).unwrap();
        message.content.iter().for_each(|segment| text.push_str(segment.text()));
        text.push('\n');
    }
    text
}

pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered { thought, answer, .. } => format!("{thought} → {answer}"),
        Outcome::Interrupted => String::from("interrupted"),
        Outcome::GaveUp { reason } => format!("gave up: {reason}"),
    }
}

pub(crate) fn task(prompt: &str) -> Task {
    Task {
        prompt: prompt.to_owned(),
        brief: String::new(),
        mode: Mode::Agentic,
        instructions: String::new(),
        files: Vec::new(),
        variables: Vec::new(),
        data: DataNotes::default(),
        history: Vec::new(),
        stage: None,
        begun: None,
    }
}
