//! One turn while it runs: what was said, what was done, and how much of the bounds is used.

mod asking;
mod begun;
mod conclusion;

use std::ops::ControlFlow::{self, Break, Continue};

use super::repetition::goes_round;
use super::{
    Agent, AgentError, AgentEvent, Asked, Draft, Given, Outcome, Part, Past, Step, Task, Turn,
};
use crate::chat::{Chat, visible};
use crate::dialect::{Action, Dialect, Reader, Reading};
use crate::executor::{Execution, Status};
use crate::forms::Forms;
use crate::grammar::{Grammar, Known};
use crate::llm::{
    Completion, FinishReason, GenerateRequest, ModelError, ModelInfo, Profile, Usage,
};
use crate::names::Names;
use crate::observation::{failed, observe, observe_so_far};
use crate::prompt::{Reply, Style};
use crate::transcript::Segment;

/// Times that one message is continued after the token limit cut it.
const MAX_CONTINUATIONS: usize = 3;

/// Completions in a row that may be unusable: a model is told once what was wrong. One that did not heed it then does
/// not the second time either, and each try may cost [`MAX_CONTINUATIONS`] times the tokens of a completion.
const MAX_MALFORMED: usize = 2;

/// Times in a row that the same code may have the same result.
const MAX_SAME: usize = 3;

/// Share of the context, in percent, from which on old observations are shortened.
const FULL_PERCENT: usize = 85;

/// Bytes of an output that are worth a pass over a model's weights while its cell runs: some thirty tokens.
const WORTH_READING: usize = 100;

/// Tokens without which a completion is not worth a start.
const MIN_ROOM: usize = 48;

/// A turn that has not ended.
pub(super) struct OpenTurn<'t, 'a, 'm> {
    agent: &'t mut Agent<'m>,
    task: &'a Task,
    on_event: &'t mut dyn FnMut(AgentEvent),
    style: Style,
    chat: Chat,
    names: Names,
    forms: Forms,
    steps: Vec<Step>,
    /// Those of them that were not made before.
    n_made: usize,
    usage: Usage,
    /// Completions asked for: each draws with a seed of its own.
    n_completions: u64,
    n_failed: usize,
    n_malformed: usize,
    n_same: usize,
    /// What the model asked the analyst, before the turn went on, too.
    asked: Vec<Asked>,
    /// How much of that since.
    n_asked: usize,
    /// The first answer, where it stated numbers that no step had printed.
    withdrawn: Option<Outcome>,
    /// Whether the model was told that its answer is no plan.
    told_no_plan: bool,
}

/// Goes on with a value, or ends the turn.
type Flow<T> = Result<ControlFlow<Outcome, T>, AgentError>;

/// The value of a [`ControlFlow`] that goes on; one that ends the turn is returned.
macro_rules! proceed {
    ($flow:expr) => {
        match $flow {
            Continue(value) => value,
            Break(outcome) => return Ok(Break(outcome)),
        }
    };
}

impl<'t, 'a, 'm> OpenTurn<'t, 'a, 'm> {
    /// Puts the question to the model, after as much of the notebook as its context holds.
    pub(super) fn new(
        agent: &'t mut Agent<'m>,
        task: &'a Task,
        on_event: &'t mut dyn FnMut(AgentEvent),
    ) -> Result<Self, AgentError> {
        let info = agent.model.info();
        let style = style(agent, info)?;
        let names = known_names(info, task, style.profile);
        let forms = Forms::new(&info.forms);
        let chat = opening_chat(agent, style, task, on_event)?;
        Ok(Self {
            agent,
            task,
            on_event,
            style,
            chat,
            names,
            forms,
            steps: task.begun.as_ref().map_or_else(Vec::new, |begun| begun.done.clone()),
            n_made: 0,
            usage: Usage::default(),
            n_completions: 0,
            n_failed: 0,
            n_malformed: 0,
            n_same: 0,
            asked: task.begun.as_ref().map_or_else(Vec::new, |begun| begun.asked.clone()),
            n_asked: 0,
            withdrawn: None,
            told_no_plan: false,
        })
    }

    /// Thinks, acts, looks at what that did.
    pub(super) fn step(&mut self) -> Flow<()> {
        let reading = proceed!(self.write()?);
        match reading.action {
            Action::Run { understanding, thought, code } => {
                let number = self.next_number();
                self.act(Draft { number, understanding, thought, code })
            }
            Action::Ask { understanding, thought, question } => {
                Ok(self.ask(understanding, thought, question))
            }
            Action::Answer { understanding, thought, answer } => {
                Ok(self.conclude(Outcome::Answered { understanding, thought, answer }))
            }
            Action::Malformed { problem } => Ok(self.correct(&problem)),
            Action::Incomplete => Ok(self.correct("it was too long and had no end")),
        }
    }

    /// The record of the turn.
    pub(super) fn end(mut self, outcome: Outcome) -> Turn {
        let outcome = self.standing(outcome);
        let seen_above = self.seen_above(&outcome);
        Turn {
            seen_above,
            prompt: self.task.prompt.clone(),
            mode: self.task.mode,
            steps: self.steps,
            asked: self.asked,
            outcome,
            usage: self.usage,
            given: Given {
                files: self.task.files.clone(),
                variables: self.task.variables.clone(),
                brief: self.task.brief.clone(),
                data: self.task.data.clone(),
            },
        }
    }

    /// Lets the model write one message, and reads it. What the token limit cuts is continued.
    fn write(&mut self) -> Flow<Reading> {
        let mut reader = self.style.dialect.reader(self.task.mode);
        let mut written = String::new();
        let mut reading = None;
        for _ in 0..=MAX_CONTINUATIONS {
            let room = proceed!(self.make_room()?);
            let completion = self.complete(room, &written, &mut reader)?;
            self.usage += completion.usage;
            written.push_str(&completion.text);
            proceed!(self.stopped(&completion, &written));
            let step = self.next_number();
            let on_event = &mut *self.on_event;
            let read = reader.finish(completion.finish_reason, &mut |part, text| {
                on_event(text_event(step, part, text));
            });
            self.record(completion, written.len(), &read);
            let complete = read.action != Action::Incomplete;
            reading = Some(read);
            proceed!(self.within_budget());
            if complete {
                break;
            }
        }
        Ok(Continue(reading.expect("the loop runs at least once")))
    }

    fn complete(
        &mut self,
        room: usize,
        written: &str,
        reader: &mut Reader,
    ) -> Result<Completion, AgentError> {
        let step = self.next_number();
        let agent = &mut *self.agent;
        let code = self.steps.last().map_or("", |step| step.code.as_str());
        let known = Known { names: &self.names, forms: &self.forms, code };
        let known = (self.style.profile == Profile::Compact).then_some(known);
        let mut grammar = Grammar::new(self.style.dialect, self.task.mode, written, known);
        let request = GenerateRequest {
            messages: self.chat.messages(),
            stop: reader.stop(),
            sampling: &agent.sampling,
            seed: agent.seed.wrapping_add(self.n_completions),
            max_new_tokens: agent.limits.max_new_tokens.min(room),
            interrupt: &agent.interrupt,
        };
        self.n_completions += 1;
        let on_event = &mut *self.on_event;
        let mut so_far = written.to_owned();
        Ok(agent.model.generate(&request, &mut grammar, &mut |delta| {
            reader.push(delta, &mut |part, text| on_event(text_event(step, part, text)));
            so_far.push_str(delta);
            if goes_round(&so_far) {
                request.interrupt.set();
            }
        })?)
    }

    /// A cancelled completion ends the turn, whether the user stopped it or it went round in a circle.
    fn stopped(&self, completion: &Completion, written: &str) -> ControlFlow<Outcome> {
        if completion.finish_reason != FinishReason::Cancelled {
            return Continue(());
        }
        if !goes_round(written) {
            return Break(Outcome::Interrupted);
        }
        self.agent.interrupt.clear();
        gave_up("the model repeats the same words again and again; ask in other words")
    }

    /// Adds what the model wrote to the chat, without what it wrote past the end of its action.
    fn record(&mut self, completion: Completion, n_written: usize, reading: &Reading) {
        let n_before = n_written - completion.text.len();
        let kept = completion.text.get(..reading.used.saturating_sub(n_before));
        let segment = match kept {
            Some(kept) if kept.len() < completion.text.len() => Segment::Data(kept.to_owned()),
            _ => Segment::Generated { text: completion.text, tokens: completion.tokens },
        };
        self.chat.wrote(segment);
        if !reading.missing.is_empty() {
            self.chat.wrote(Segment::Markup(reading.missing.to_owned()));
        }
    }

    /// The number of the step after the last one; what the analyst took out leaves a gap.
    fn next_number(&self) -> usize {
        self.steps.iter().map(|step| step.number).max().unwrap_or(0) + 1
    }

    /// Runs the cell that the model wrote and shows it what that did.
    fn act(&mut self, draft: Draft) -> Flow<()> {
        self.n_malformed = 0;
        if self.n_made >= self.agent.limits.max_steps {
            return Ok(gave_up(&format!("no answer after {} steps", self.n_made)));
        }
        let step = proceed!(self.run(draft)?);
        self.look(&step);
        Ok(self.judge(&step))
    }

    /// Runs a cell as a step.
    fn run(&mut self, draft: Draft) -> Flow<Step> {
        (self.on_event)(AgentEvent::StepReady(draft.clone()));
        let Draft { number, understanding, thought, code } = draft;
        let execution = self.execute(&code)?;
        let same = self.same_as_before(&code, &execution);
        self.n_same = if same { self.n_same + 1 } else { 1 };
        let step = Step { number, understanding, thought, code, execution };
        (self.on_event)(AgentEvent::StepDone(step.clone()));
        self.steps.push(step.clone());
        self.n_made += 1;
        if step.execution.status == Status::Interrupted || self.agent.interrupt.is_set() {
            return Ok(Break(Outcome::Interrupted));
        }
        Ok(Continue(step))
    }

    /// Runs a cell; meanwhile the model reads what is known of the observation.
    fn execute(&mut self, code: &str) -> Result<Execution, AgentError> {
        let Agent { model, executor, limits, .. } = &mut *self.agent;
        let (chat, profile) = (&self.chat, self.style.profile);
        let mut n_read = None;
        let execution = executor.execute(code, limits.cell_timeout, &mut |outputs, ended| {
            let so_far = observe_so_far(code, outputs, profile);
            let n_known = so_far.len();
            if n_read.is_none_or(|n_read| n_known >= n_read + WORTH_READING) {
                model.read_ahead(&chat.observing(so_far), ended);
                n_read = Some(n_known);
            }
        })?;
        Ok(execution)
    }

    fn same_as_before(&self, code: &str, execution: &Execution) -> bool {
        let seen = |execution: &Execution, code: &str| {
            // The number of the cell is in the text of a traceback.
            let mut execution = execution.clone();
            execution.execution_count = None;
            observe(code, &execution, Profile::Compact)
        };
        self.steps.last().is_some_and(|last| {
            last.code == code && seen(&last.execution, &last.code) == seen(execution, code)
        })
    }

    /// The observation goes into the chat, and the names in it are known from now on.
    fn look(&mut self, step: &Step) {
        let observation = observe(&step.code, &step.execution, self.style.profile);
        self.names.learn_observation(&observation);
        self.names.learn_variables(&self.agent.executor.variables());
        if !failed(&step.execution) {
            self.names.learn_step(&step.code);
        }
        self.chat.observed(observation);
    }

    /// Says how to go on, unless a bound is reached.
    fn judge(&mut self, step: &Step) -> ControlFlow<Outcome> {
        let failed = failed(&step.execution);
        self.n_failed = if failed { self.n_failed + 1 } else { 0 };
        if self.n_failed >= self.agent.limits.max_errors {
            return gave_up(&format!("{} steps in a row failed", self.n_failed));
        }
        if self.n_same >= MAX_SAME {
            return gave_up("the model makes the same step again and again");
        }
        let steps_left = self.agent.limits.max_steps.saturating_sub(self.n_made);
        self.chat.reply(match failed {
            true => Reply::Failed,
            false if self.n_same > 1 => Reply::Repeated,
            false => Reply::Continue { steps_left },
        });
        Continue(())
    }

    /// Tells the model that its message could not be used.
    fn correct(&mut self, problem: &str) -> ControlFlow<Outcome> {
        self.n_malformed += 1;
        if self.n_malformed >= MAX_MALFORMED {
            return gave_up(&format!(
                "the model did not write a step in {MAX_MALFORMED} attempts; the last time {problem}"
            ));
        }
        (self.on_event)(AgentEvent::Notice(format!(
            "What the model wrote could not be used: {problem}. It was told so."
        )));
        self.chat.reply(Reply::Malformed { problem });
        Continue(())
    }

    /// Tokens that the next completion may have. Shortens old observations when the context fills.
    fn make_room(&mut self) -> Flow<usize> {
        let context_length = self.agent.model.info().context_length;
        let mut n_shortened = 0;
        let n_tokens = loop {
            let n_tokens = self.agent.model.count_tokens(self.chat.messages())?;
            let fits = n_tokens * 100 <= context_length * FULL_PERCENT;
            if fits || !self.chat.shorten_oldest() {
                break n_tokens;
            }
            n_shortened += 1;
        };
        if n_shortened > 0 {
            (self.on_event)(AgentEvent::Notice(format!(
                "The model's context fills: it now sees only the beginning and end of {n_shortened} earlier output(s)."
            )));
        }
        let room = context_length.saturating_sub(n_tokens);
        if room < MIN_ROOM {
            return Ok(gave_up(&format!(
                "the model's context of {context_length} tokens is full; ask a smaller question or use a larger model"
            )));
        }
        Ok(Continue(room))
    }

    fn within_budget(&self) -> ControlFlow<Outcome> {
        let limit = self.agent.limits.max_turn_tokens;
        if self.usage.completion_tokens < limit {
            return Continue(());
        }
        gave_up(&format!("the turn's budget of {limit} tokens is used up"))
    }
}

fn text_event(step: usize, part: Part, text: &str) -> AgentEvent {
    AgentEvent::Text { step, part, delta: text.to_owned() }
}

fn gave_up<T>(reason: &str) -> ControlFlow<Outcome, T> {
    Break(Outcome::GaveUp { reason: reason.to_owned() })
}

fn style(agent: &Agent<'_>, info: &ModelInfo) -> Result<Style, ModelError> {
    let dialect = Dialect::spoken(info, agent.dialect).ok_or_else(|| {
        let found = info.dialect.as_deref().unwrap_or_default();
        let known = Dialect::ALL.map(Dialect::name).join("`, `");
        let reason = format!(
            "expected one of the dialects `{known}`, found `{found}`: set one with `--dialect NAME` or `DATARUS_DIALECT`"
        );
        ModelError::Format { path: info.name.clone(), reason }
    })?;
    let (profile, continues, namespace) = (info.profile, info.continues, agent.namespace);
    Ok(Style { profile, dialect, continues, namespace })
}

/// What the model has seen when it starts to write.
fn known_names(info: &ModelInfo, task: &Task, profile: Profile) -> Names {
    let mut names = Names::of_literals(&info.literals);
    names.learn_files(&task.files);
    names.learn_variables(&task.variables);
    names.learn_task(&task.prompt, &info.words);
    let seen = |step: &Step| observe(&step.code, &step.execution, profile);
    let begun = || task.begun.iter().flat_map(|begun| &begun.done);
    let past = task.history.iter().filter_map(Past::turn).flat_map(|turn| &turn.steps);
    for step in past.chain(begun()).filter(|step| !failed(&step.execution)) {
        names.learn_step(&step.code);
    }
    let shown = visible(profile, task);
    // What a table holds is known also of outputs that are not shown again.
    let hidden = if shown.len() < task.history.len() { task.history.as_slice() } else { &[] };
    for step in hidden.iter().filter_map(Past::turn).flat_map(|turn| &turn.steps) {
        names.learn_table(&seen(step));
    }
    for turn in shown.iter().filter_map(Past::turn) {
        names.learn_question(&turn.prompt);
        turn.steps.iter().for_each(|step| names.learn_observation(&seen(step)));
    }
    begun().for_each(|step| names.learn_observation(&seen(step)));
    names
}

/// The chat up to the question. If the notebook is longer than the context, its oldest entries are left out.
fn opening_chat(
    agent: &Agent<'_>,
    style: Style,
    task: &Task,
    on_event: &mut dyn FnMut(AgentEvent),
) -> Result<Chat, AgentError> {
    let info = agent.model.info();
    let n_pasts = visible(info.profile, task).len();
    let mut skip = 0;
    loop {
        let chat = Chat::new(style, &agent.limits, task, skip);
        let mut shortest = chat.clone();
        while shortest.shorten_oldest() {}
        let n_tokens = agent.model.count_tokens(shortest.messages())?;
        if skip == n_pasts || n_tokens * 100 <= info.context_length * FULL_PERCENT {
            if skip > 0 {
                on_event(AgentEvent::Notice(format!(
                    "The notebook is longer than the model's context: its first {skip} entries are not seen."
                )));
            }
            return Ok(chat);
        }
        skip += (n_pasts - skip).div_ceil(4);
    }
}
