//! The chat of one turn as the model sees it. It only grows at its end, so that the KV-cache is kept, except that old
//! observations are shortened when the context fills.

use crate::agent::{Limits, Mode, Outcome, Past, Step, Task, Turn};
use crate::dialect::{Dialect, disarm};
use crate::llm::Profile;
use crate::observation::{failed, observe, shorten};
use crate::prompt::{self, Reply};
use crate::transcript::{ChatMessage, Role, Segment};

/// What is left of an observation that had to be shortened, in characters.
const SHORTENED_FULL: usize = 1_000;
const SHORTENED_COMPACT: usize = 240;

/// Output of the analyst's own cells that a model is shown, in characters.
const CELL_OUTPUT: usize = 2_000;

/// Messages for a model, and where the observations stand in them.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    profile: Profile,
    dialect: Dialect,
    messages: Vec<ChatMessage>,
    /// Message and segment of each observation that is not shortened yet, oldest first.
    observations: Vec<(usize, usize)>,
}

impl Chat {
    /// The chat up to the question, without the oldest `skip` entries of the notebook.
    pub(crate) fn new(
        profile: Profile,
        dialect: Dialect,
        limits: &Limits,
        task: &Task,
        skip: usize,
    ) -> Self {
        let mut chat = Self { profile, dialect, messages: Vec::new(), observations: Vec::new() };
        if let Some(instructions) = prompt::system(profile, task.mode, limits) {
            chat.say(Role::System, Segment::Markup(instructions));
        }
        for past in visible(profile, task).iter().skip(skip) {
            chat.past(task, past);
        }
        chat.say(Role::User, Segment::Data(prompt::question(profile, task)));
        for step in task.begun.iter().flat_map(|begun| &begun.done) {
            chat.past_step(step);
        }
        chat
    }

    pub(crate) fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// What the model wrote; goes on with its message if that is still open.
    pub(crate) fn wrote(&mut self, segment: Segment) {
        self.say(Role::Assistant, segment);
    }

    /// What a step did, inside the model's message.
    pub(crate) fn observed(&mut self, observation: String) {
        self.begin_observation(observation);
        self.remember_observation();
        self.wrote(Segment::Markup(self.dialect.glue().after.to_owned()));
    }

    /// The chat as it will begin when a step that runs has ended, of which this much is known.
    pub(crate) fn observing(&self, so_far: String) -> Vec<ChatMessage> {
        let mut chat = self.clone();
        chat.begin_observation(so_far);
        chat.messages
    }

    fn begin_observation(&mut self, text: String) {
        self.wrote(Segment::Markup(self.dialect.glue().before.to_owned()));
        self.wrote(Segment::Data(text));
    }

    /// What we say to the model after its message; nothing for what a small model has not learnt to hear.
    pub(crate) fn reply(&mut self, reply: Reply<'_>) {
        match (prompt::reply(self.profile, reply), reply) {
            (None, _) => {}
            // It quotes the notebook.
            (Some(text), Reply::Changed { .. }) => self.say(Role::User, Segment::Data(text)),
            (Some(text), _) => self.say(Role::User, Segment::Markup(text)),
        }
    }

    /// A step as if the model had just written it. Its code may be another's: it is foreign text.
    pub(crate) fn proposed(&mut self, thought: &str, code: &str) {
        self.tagged(&[
            ("<step>\n<thought>", thought),
            ("</thought>\n<action>python_executor</action>\n<action_input>\n", code),
            ("\n</action_input>", ""),
        ]);
    }

    /// Shortens the oldest observation that is still long; `false` if there is none.
    pub(crate) fn shorten_oldest(&mut self) -> bool {
        let limit = match self.profile {
            Profile::Full => SHORTENED_FULL,
            Profile::Compact => SHORTENED_COMPACT,
        };
        while !self.observations.is_empty() {
            let (message, segment) = self.observations.remove(0);
            let message = self.messages.get_mut(message);
            let segment = message.and_then(|message| message.content.get_mut(segment));
            let Some(Segment::Data(text)) = segment else { continue };
            let shortened = shorten(text, limit);
            if shortened.len() < text.len() {
                *text = shortened;
                return true;
            }
        }
        false
    }

    /// Adds to the last message if it is of the same role, since many templates want the roles to alternate.
    fn say(&mut self, role: Role, segment: Segment) {
        match self.messages.last_mut() {
            Some(last) if last.role == role => {
                if role == Role::User {
                    last.content.push(Segment::Markup(String::from("\n\n")));
                }
                last.content.push(segment);
            }
            _ => self.messages.push(ChatMessage { role, content: vec![segment] }),
        }
    }

    fn remember_observation(&mut self) {
        if let Some(last) = self.messages.last() {
            self.observations.push((self.messages.len() - 1, last.content.len() - 1));
        }
    }

    fn past(&mut self, task: &Task, past: &Past) {
        match past {
            Past::Turn(turn) => self.past_turn(task, turn),
            Past::Cell { code, execution } => {
                let observation = shorten(&observe(code, execution, self.profile), CELL_OUTPUT);
                self.say(Role::User, Segment::Data(prompt::cell(code, &observation)));
                self.remember_observation();
            }
        }
    }

    /// A turn as it stands in the notebook. Its code may have been edited since: it is foreign text.
    fn past_turn(&mut self, task: &Task, turn: &Turn) {
        let (files, variables) = match self.profile {
            Profile::Compact => (task.files.clone(), Vec::new()),
            Profile::Full => (turn.given.files.clone(), turn.given.variables.clone()),
        };
        let (prompt, mode) = (turn.prompt.clone(), turn.mode);
        let asked = Task { prompt, mode, files, variables, history: Vec::new(), begun: None };
        self.say(Role::User, Segment::Data(prompt::question(self.profile, &asked)));
        for step in &turn.steps {
            self.past_step(step);
        }
        self.past_outcome(turn);
    }

    fn past_step(&mut self, step: &Step) {
        self.proposed(&step.thought, &step.code);
        self.observed(observe(&step.code, &step.execution, self.profile));
        self.reply(if failed(&step.execution) {
            Reply::Failed
        } else {
            Reply::Continue { steps_left: usize::MAX }
        });
    }

    fn past_outcome(&mut self, turn: &Turn) {
        match (&turn.outcome, turn.mode) {
            (Outcome::Answered { thought, answer }, Mode::Agentic) => self.tagged(&[
                ("<stop_analysis>\n<thought>", thought),
                ("</thought>\n<answer>", answer),
                ("</answer>\n</stop_analysis>", ""),
            ]),
            (Outcome::Answered { thought, answer }, Mode::Reflection) => self.tagged(&[
                ("<think>", thought),
                ("</think>\n<answer>", answer),
                ("</answer>", ""),
            ]),
            (Outcome::Interrupted, _) => {
                let note = "(The analyst stopped this turn.)";
                self.say(Role::User, Segment::Markup(note.to_owned()));
            }
            (Outcome::GaveUp { reason }, _) => {
                let note = format!("(This turn ended without an answer: {})", disarm(reason));
                self.say(Role::User, Segment::Data(note));
            }
        }
    }

    /// Tags of ours around text from the notebook.
    fn tagged(&mut self, parts: &[(&str, &str)]) {
        for (tags, text) in parts {
            self.wrote(Segment::Markup((*tags).to_owned()));
            if !text.is_empty() {
                self.wrote(Segment::Data(disarm(text)));
            }
        }
    }
}

/// What of the notebook a model is shown: all of it, or, if it is small, the turn just before if that has an answer and
/// what it made still exists: a small model would build on it whatever it is told.
pub(crate) fn visible(profile: Profile, task: &Task) -> &[Past] {
    let history = task.history.as_slice();
    if profile == Profile::Full {
        return history;
    }
    let answered = |past: &Past| {
        matches!(past, Past::Turn(turn) if matches!(turn.outcome, Outcome::Answered { .. })
            && !turn.steps.iter().any(|step| step.execution.lost))
    };
    let last_turn = history.iter().rposition(|past| matches!(past, Past::Turn(_)));
    let last_turn = last_turn.and_then(|at| history.get(at..=at)).unwrap_or_default();
    if last_turn.iter().all(answered) { last_turn } else { &[] }
}
