//! A prompt that runs: what the event loop remembers of it.

use std::time::{Duration, Instant};

use datarus_agent::agent::{Given, Mode, Step};
use datarus_agent::executor::Variable;
use datarus_agent::llm::Interrupt;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::live::Live;
use super::question::Question;
use super::request::Request;
use super::step::RunningStep;
use crate::cells::Naming;
use crate::display::TurnView;
use crate::message::content::ErrorContent;
use crate::page::GoOn;
use crate::page::view::Kept;
use crate::research;
use crate::route::{Flags, Prompt};
use crate::sources::Snapshot;

/// The most of a notebook's instructions that a model is told, in characters.
const MAX_INSTRUCTIONS: usize = 20_000;

/// A prompt that runs.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "no two of them are states of one thing")]
pub(super) struct PromptCell {
    /// The `execute_request`.
    pub(super) request: Request,
    /// What is shown in the prompt cell itself.
    pub(super) view: TurnView,
    /// What is shown in a page's cells instead, if the page that asked has our extension.
    pub(super) live: Option<Box<Live>>,
    /// The step that runs now.
    pub(super) step: Option<RunningStep>,
    /// A question of the model's that the user has not answered.
    pub(super) question: Option<Question>,
    /// The DataFrames, where they are known from the last step.
    pub(super) variables: Option<Vec<Variable>>,
    /// Which prompt of this kernel it is.
    pub(super) number: u64,
    /// What is asked.
    pub(super) prompt: Prompt,
    /// The cell's source, where another one was put into it since it was sent.
    pub(super) source: Option<String>,
    /// Whether no other question stands below it in its page.
    pub(super) is_last: bool,
    /// What is to be asked below it where no page asks by itself.
    pub(super) next: Option<String>,
    /// The cell of the step that its turn is to go on from.
    pub(super) go_on: Option<String>,
    /// What the agent was told of besides the question.
    pub(super) given: Given,
    /// What stood beside the notebook when it began.
    pub(super) files: Snapshot,
    /// Whether the clients have been told that it runs.
    pub(super) busy: bool,
    /// Its `[n]`, once it has one.
    pub(super) execution_count: Option<u64>,
    /// For the reply.
    pub(super) started: Timestamp,
    /// For deadlines.
    pub(super) started_at: Instant,
    /// Stops the model.
    pub(super) interrupt: Interrupt,
    /// What the page did to it: then what waits behind it runs all the same.
    pub(super) by_page: Option<ByPage>,
    /// When a stopped turn is not waited for any longer.
    pub(super) give_up_at: Option<Instant>,
    /// When gathered text is shown.
    pub(super) show_at: Option<Instant>,
    /// The steps that are done, also those that it goes on from.
    pub(super) steps: Vec<Step>,
    /// Whether its steps find no variables of one another: the user's wait until it ends.
    pub(super) fresh: bool,
    /// The user was told that its steps are not kept beside the notebook.
    pub(super) told_not_kept: bool,
}

/// How the user ended a turn in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByPage {
    /// The agent alone was to stop.
    Stopped,
    /// The turn was taken back: nothing of it is to stay.
    Undone,
}

impl PromptCell {
    /// A prompt of which nothing has been done.
    pub(super) fn new(request: Request, prompt: Prompt, number: u64) -> PromptCell {
        let before = request.cell().go_on().map(|GoOn { turn, go_on, .. }| (turn, go_on));
        let (turn, go_on) = before.unzip();
        let turn = turn.unwrap_or_else(|| {
            let id = Uuid::new_v4().simple().to_string();
            format!("t_{}", id.get(..8).unwrap_or(&id))
        });
        PromptCell {
            request,
            view: TurnView::new(turn),
            live: None,
            step: None,
            question: None,
            variables: None,
            number,
            prompt,
            source: None,
            is_last: false,
            go_on,
            next: None,
            given: Given::default(),
            files: Snapshot::default(),
            busy: false,
            execution_count: None,
            started: Timestamp::now(),
            started_at: Instant::now(),
            interrupt: Interrupt::default(),
            by_page: None,
            give_up_at: None,
            show_at: None,
            steps: Vec::new(),
            fresh: false,
            told_not_kept: false,
        }
    }

    /// Takes up what stands of its turn.
    pub(super) fn take_up(&mut self, kept: &Kept) {
        self.steps.clone_from(&kept.begun.done);
        if let Some(live) = &mut self.live {
            live.turn.go_on(kept);
        }
    }

    /// The id of a step's cell in a notebook.
    pub(super) fn cell_of(&self, number: usize) -> String {
        match &self.live {
            Some(live) => live.turn.cell_of(number),
            None => Naming { turn: self.view.turn(), pass: 0 }.step(number),
        }
    }

    /// When something is to be done for it next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let step = self.step.as_ref().and_then(RunningStep::deadline);
        let live = self.live.as_deref().and_then(Live::deadline);
        [self.show_at, self.give_up_at, step, live].into_iter().flatten().min()
    }

    /// Whether the user stopped it.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Asks the agent to stop; after `patience` it is not waited for.
    pub(super) fn interrupt(&mut self, patience: Duration) {
        self.interrupt.set();
        self.give_up_at.get_or_insert_with(|| Instant::now() + patience);
    }

    /// Whether it was taken back while it ran: nothing more of it is shown or kept.
    pub(super) fn is_undone(&self) -> bool {
        self.by_page == Some(ByPage::Undone)
    }

    /// The notebook's standing instructions, as far as a model is told them.
    pub(super) fn instructions(&self) -> Option<String> {
        let of_page = self.live.as_ref().map(|live| live.instructions.clone());
        let text = of_page.or_else(|| self.request.cell().instructions())?;
        Some(text.chars().take(MAX_INSTRUCTIONS).collect())
    }

    /// What a ready prompt, or a part of a research run, asks for besides the words.
    pub(super) fn brief(&self, max_sections: usize) -> String {
        let Flags { stage, preset, .. } = self.prompt.flags;
        let of_stage = stage.map(|stage| research::brief(stage, max_sections));
        let of_preset = preset.map(|preset| preset.brief().to_owned());
        [of_stage, of_preset].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }

    /// How it is to be answered.
    pub(super) fn mode(&self) -> Mode {
        if self.prompt.flags.think { Mode::Reflection } else { Mode::Agentic }
    }

    /// The cell as a notebook holds it, as far as the request tells.
    pub(super) fn as_cell(&self) -> Value {
        let sent = self.request.frames.metadata::<Map<String, Value>>().unwrap_or_default();
        let sent_source = || self.request.execute().map(|content| content.code);
        let source = self.source.clone().or_else(sent_source).unwrap_or_default();
        let fields = ["tags", "datarus"].into_iter();
        let metadata: Map<_, _> =
            fields.filter_map(|field| Some((field.to_owned(), sent.get(field)?.clone()))).collect();
        json!({
            "cell_type": "code",
            "id": self.request.cell().cell_id,
            "metadata": metadata,
            "source": source,
            "execution_count": self.execution_count,
            "outputs": [],
        })
    }
}

/// What is wrong with the flags of a prompt.
pub(super) fn wrong_flags(prompt: &Prompt) -> Option<ErrorContent> {
    prompt.flags.wrong.as_ref().map(|text| ErrorContent::new("UnknownFlag", text))
}
