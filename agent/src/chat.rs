//! The chat of one turn as the model sees it. It only grows at its end, so that the KV-cache is kept, except that old
//! observations are shortened when the context fills.

use std::collections::BTreeSet;

use crate::agent::{Asked, Given, Limits, Mode, Outcome, Past, Step, Task, Turn};
use crate::dialect::{Said, disarm};
use crate::llm::Profile;
use crate::observation::{failed, observe, plain, shorten};
use crate::prompt::{self, Reply, Style};
use crate::transcript::{ChatMessage, Role, Segment};

/// What is left of an observation that had to be shortened, in characters.
const SHORTENED_FULL: usize = 1_000;
const SHORTENED_COMPACT: usize = 240;

/// Output of the analyst's own cells that a model is shown, in characters.
const CELL_OUTPUT: usize = 2_000;

/// Messages for a model, and where the observations stand in them.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    style: Style,
    messages: Vec<ChatMessage>,
    /// Message and segment of each observation that is not shortened yet, oldest first.
    observations: Vec<(usize, usize)>,
    /// What was told of the data so far.
    told: BTreeSet<String>,
}

impl Chat {
    /// The chat up to the question, without the oldest `skip` entries of the notebook.
    pub(crate) fn new(style: Style, limits: &Limits, task: &Task, skip: usize) -> Self {
        let mut chat = Self::empty(style);
        if let Some(instructions) = prompt::system(style, task.mode, limits) {
            chat.say(Role::System, Segment::Markup(instructions));
            chat.say_own_instructions(&task.instructions);
        }
        for past in visible(style.profile, task).iter().skip(skip) {
            if task.stage.is_none() || matches!(past, Past::Turn(_)) {
                chat.past(task, past);
            }
        }
        chat.ask(task);
        if let Some(begun) = &task.begun {
            chat.past_steps(&begun.done, &begun.asked);
        }
        chat
    }

    /// A chat in which nothing was said.
    pub(crate) fn empty(style: Style) -> Self {
        Self { style, messages: Vec::new(), observations: Vec::new(), told: BTreeSet::new() }
    }

    pub(crate) fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// What the model wrote; goes on with its message if that is still open.
    pub(crate) fn wrote(&mut self, segment: Segment) {
        self.say(Role::Assistant, segment);
    }

    /// What a step did, in the model's message or in one of its own.
    pub(crate) fn observed(&mut self, observation: String) {
        self.begin_observation(observation);
        self.remember_observation();
        let after = self.style.dialect.glue(self.style.continues).after;
        self.add(Segment::Markup(after.to_owned()));
    }

    /// The chat as it will begin when a step that runs has ended, of which this much is known.
    pub(crate) fn observing(&self, so_far: String) -> Vec<ChatMessage> {
        let mut chat = self.clone();
        chat.begin_observation(so_far);
        chat.messages
    }

    fn begin_observation(&mut self, text: String) {
        let glue = self.style.dialect.glue(self.style.continues);
        self.say(glue.role, Segment::Markup(glue.before.to_owned()));
        self.add(Segment::Data(self.style.dialect.shown(text)));
    }

    /// What we say to the model after its message; nothing for what a small model has not learnt to hear.
    pub(crate) fn reply(&mut self, reply: Reply<'_>) {
        match (prompt::reply(self.style, reply), reply) {
            (None, _) => {}
            // They quote the notebook and the analyst.
            (Some(text), Reply::Changed { .. } | Reply::Asked { .. }) => {
                self.say(Role::User, Segment::Data(text));
            }
            (Some(text), _) => self.say(Role::User, Segment::Markup(text)),
        }
    }

    /// A step as if the model had just written it. Its code may be another's: it is foreign text.
    pub(crate) fn proposed(&mut self, said: Said<'_>, code: &str) {
        self.spelled(&self.style.dialect.step(said, code));
    }

    /// An end as if the model had just written it.
    pub(crate) fn answered(&mut self, mode: Mode, said: Said<'_>, answer: &str) {
        self.spelled(&self.style.dialect.answer(mode, said, answer));
    }

    /// Shortens the oldest observation that is still long; `false` if there is none.
    pub(crate) fn shorten_oldest(&mut self) -> bool {
        let limit = match self.style.profile {
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

    /// Adds to the last message.
    fn add(&mut self, segment: Segment) {
        if let Some(last) = self.messages.last_mut().filter(|_| !segment.text().is_empty()) {
            last.content.push(segment);
        }
    }

    fn say_own_instructions(&mut self, instructions: &str) {
        if !instructions.trim().is_empty() {
            self.add(Segment::Markup(String::from("\n\n## What the analyst asks for\n\n")));
            self.add(Segment::Data(disarm(&plain(instructions.trim()))));
        }
    }

    fn remember_observation(&mut self) {
        if let Some(last) = self.messages.last() {
            self.observations.push((self.messages.len() - 1, last.content.len() - 1));
        }
    }

    /// Puts a question. What a question before it was told of the data stands above.
    fn ask(&mut self, task: &Task) {
        self.say(Role::User, Segment::Data(prompt::question(self.style, task, &self.told)));
        self.told.extend(task.data.profiles.iter().cloned());
    }

    fn past(&mut self, task: &Task, past: &Past) {
        match past {
            Past::Turn(turn) => self.past_turn(task, turn),
            Past::Cell { code, execution } => {
                let observation = observe(code, execution, self.style.profile);
                let observation = shorten(&observation, CELL_OUTPUT);
                self.say(Role::User, Segment::Data(prompt::cell(code, &observation)));
                self.remember_observation();
            }
        }
    }

    /// A turn as it stands in the notebook. Its code may have been edited since: it is foreign text.
    fn past_turn(&mut self, task: &Task, turn: &Turn) {
        let Given { files, variables, brief, data } = match self.style.profile {
            Profile::Compact => Given { files: task.files.clone(), ..Given::default() },
            Profile::Full => turn.given.clone(),
        };
        let (prompt, mode) = (turn.prompt.clone(), turn.mode);
        let (instructions, history) = (String::new(), Vec::new());
        let (stage, begun) = (None, None);
        let asked = Task {
            prompt,
            brief,
            mode,
            stage,
            instructions,
            files,
            variables,
            data,
            history,
            begun,
        };
        self.ask(&asked);
        if task.stage.is_none() {
            self.past_steps(&turn.steps, &turn.asked);
        }
        self.past_outcome(turn);
    }

    /// Steps, and what was asked between them.
    fn past_steps(&mut self, steps: &[Step], asked: &[Asked]) {
        let mut asked = asked.iter().peekable();
        for step in steps {
            while let Some(asked) = asked.next_if(|asked| asked.step <= step.number) {
                self.past_asked(asked);
            }
            self.past_step(step);
        }
        asked.for_each(|asked| self.past_asked(asked));
    }

    /// A small model asks nothing, and has not learnt to hear what another one was told.
    fn past_asked(&mut self, asked: &Asked) {
        if self.style.profile == Profile::Compact {
            return;
        }
        let Asked { understanding, thought, question, answer, .. } = asked;
        let said = Said { understanding, thought };
        if let Some(parts) = self.style.dialect.ask(said, question) {
            self.spelled(&parts);
        } else {
            // Another model has asked.
            let told = format!("(The analyst was asked: {})", disarm(&plain(question)));
            self.say(Role::User, Segment::Data(told));
        }
        self.reply(Reply::Asked { answer: answer.as_deref() });
    }

    fn past_step(&mut self, step: &Step) {
        let said = Said { understanding: &step.understanding, thought: &step.thought };
        self.proposed(said, &step.code);
        self.observed(observe(&step.code, &step.execution, self.style.profile));
        self.reply(if failed(&step.execution) {
            Reply::Failed
        } else {
            Reply::Continue { steps_left: usize::MAX }
        });
    }

    fn past_outcome(&mut self, turn: &Turn) {
        match &turn.outcome {
            Outcome::Answered { understanding, thought, answer } => {
                self.answered(turn.mode, Said { understanding, thought }, answer);
            }
            Outcome::Interrupted => {
                let note = "(The analyst stopped this turn.)";
                self.say(Role::User, Segment::Markup(note.to_owned()));
            }
            Outcome::GaveUp { reason } => {
                let note = format!("(This turn ended without an answer: {})", disarm(reason));
                self.say(Role::User, Segment::Data(note));
            }
        }
    }

    /// Text of ours around text from the notebook.
    fn spelled(&mut self, parts: &[(&str, &str)]) {
        for (ours, text) in parts {
            if !ours.is_empty() {
                self.wrote(Segment::Markup((*ours).to_owned()));
            }
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
