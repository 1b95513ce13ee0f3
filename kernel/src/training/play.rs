//! Plays one episode in a room: the solver moves, the companion runs, and a trajectory is written down.

use std::path::Path;

use datarus_agent::agent::{self, Agent, AgentError, Mode, Outcome, Past, Step};
use datarus_agent::dialect::{Dialect, Said};
use datarus_agent::llm::{
    Completion, Constraint, GenerateRequest, Interrupt, Model, ModelError, ModelInfo, Profile,
    Sampling, Trace,
};
use datarus_agent::observation::{failed, observe};
use datarus_agent::rows;
use datarus_agent::trajectory::{Done, Task, Trajectory, VERSION, Worth};
use datarus_agent::transcript::ChatMessage;

use super::order::{Move, Order};
use super::room::{Room, RoomError};
use super::solver::{Program, Shown, SolverError, known};
use crate::config::Config;

/// Steps that a program may take before it is taken for one that never ends.
const MAX_MOVES: usize = 64;

/// Who solves tasks, for one worker.
pub(super) enum Solver {
    /// The order brings its solution.
    Known,
    /// A program.
    Program(Program),
    /// A model, in the product's own loop.
    Model(Box<dyn Model>),
}

/// Why an episode is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlayError {
    /// Python cannot be used, or the data cannot be put there.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// The solver cannot be used.
    #[error(transparent)]
    Solver(#[from] SolverError),
    /// The model cannot be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// What came of an episode.
#[derive(Debug)]
pub(super) enum Played {
    /// Its trajectories, in order.
    Done(Vec<Trajectory>),
    /// The solver says that the task is none.
    Skipped(String),
}

impl PlayError {
    /// Whether it lies in the task, which is none, or too long for the model: then it comes to nothing every time.
    pub(super) fn is_of_the_task(&self) -> bool {
        matches!(
            self,
            Self::Room(RoomError::Before(_))
                | Self::Solver(SolverError::NoEnd(_))
                | Self::Agent(AgentError::Model(ModelError::ContextFull { .. }))
        )
    }
}

impl Played {
    /// The same without the model's tokens.
    pub(super) fn without_tokens(mut self) -> Self {
        if let Self::Done(trajectories) = &mut self {
            for trajectory in trajectories {
                trajectory.calls.clear();
            }
        }
        self
    }
}

/// Plays an episode, which is one or more orders; `from` is where paths of files begin. `stop` ends the turn of a model, and the
/// wait for a program.
pub(super) fn play(
    room: &mut Room,
    solver: &mut Solver,
    config: &Config,
    episode: &[Order],
    from: &Path,
    stop: &Interrupt,
) -> Result<Played, PlayError> {
    let Some(first) = episode.first() else { return Ok(Played::Done(Vec::new())) };
    let seed = config.seed ^ first.task.seed.unwrap_or_default();
    room.begin(&first.files, &first.before, &first.removed, from, seed)?;
    let mut done: Vec<Trajectory> = Vec::new();
    for (turn, order) in episode.iter().enumerate() {
        let mut trajectory = blank(order, turn);
        trajectory.given = room.given();
        room.evidence.clear();
        match solver {
            Solver::Model(model) => {
                let seed = order.draw_seed(config.seed);
                ask(room, model.as_mut(), config, (seed, stop), &mut trajectory, &done)?;
            }
            Solver::Known => {
                if let Some(skip) =
                    drive(room, config, order, &mut trajectory, |shown| known(order, shown.len()))?
                {
                    return Ok(Played::Skipped(skip));
                }
            }
            Solver::Program(program) => {
                let next = |shown: &[Shown]| program.next(order, shown, stop);
                if let Some(skip) = drive(room, config, order, &mut trajectory, next)? {
                    return Ok(Played::Skipped(skip));
                }
            }
        }
        done.push(trajectory);
    }
    Ok(Played::Done(done))
}

fn blank(order: &Order, turn: usize) -> Trajectory {
    Trajectory {
        v: VERSION,
        id: order.trajectory_id(),
        episode: order.episode_name(),
        turn,
        task: order.task.clone(),
        dialect: Dialect::Datarus,
        given: agent::Given::default(),
        steps: Vec::new(),
        outcome: Outcome::Interrupted,
        superseded_answer: None,
        written: Vec::new(),
        calls: Vec::new(),
        by: String::from("program"),
    }
}

/// Has the moves of a program run; says why if the task is none.
fn drive(
    room: &mut Room,
    config: &Config,
    order: &Order,
    trajectory: &mut Trajectory,
    mut next: impl FnMut(&[Shown]) -> Result<Move, SolverError>,
) -> Result<Option<String>, PlayError> {
    let mut shown = Vec::new();
    for number in 1..=MAX_MOVES {
        match next(&shown)? {
            Move::Skip { skip } => return Ok(Some(skip)),
            Move::Step { thought, code, worth } => {
                trajectory.written.push(rows::step_text(Dialect::Datarus, said(&thought), &code));
                let (execution, evidence) = room.run(&code, config.limits.cell_timeout)?;
                let text = observe(&code, &execution, Profile::Compact);
                shown.push(Shown { text, failed: failed(&execution) });
                let understanding = String::new();
                let step = Step { number, understanding, thought, code, execution };
                trajectory.steps.push(Done {
                    step,
                    evidence: Some(evidence),
                    worth,
                    superseded: None,
                });
            }
            Move::End { thought, answer, checker } => {
                let mode = trajectory.task.mode;
                trajectory.written.push(rows::end_text(
                    Dialect::Datarus,
                    mode,
                    said(&thought),
                    &answer,
                ));
                let understanding = String::new();
                trajectory.outcome = Outcome::Answered { understanding, thought, answer };
                trajectory.task.checker = trajectory.task.checker.take().or(checker);
                return Ok(None);
            }
        }
    }
    Err(SolverError::NoEnd(order.task.id.clone()).into())
}

/// Puts the question to a model, in the loop that users meet.
fn ask(
    room: &mut Room,
    model: &mut dyn Model,
    config: &Config,
    (seed, stop): (u64, &Interrupt),
    trajectory: &mut Trajectory,
    before: &[Trajectory],
) -> Result<(), PlayError> {
    let mut heard = Heard { model, written: Vec::new(), calls: Vec::new() };
    let task = agent_task(&trajectory.task, trajectory.given.clone(), before);
    let mut agent = Agent {
        model: &mut heard,
        executor: room,
        dialect: config.analyst.dialect,
        namespace: config.analyst.namespace,
        // What is learnt from is what the model does unasked.
        second_look: false,
        limits: config.limits.clone(),
        sampling: config.sampling.clone().unwrap_or(Sampling::Greedy),
        seed,
        interrupt: stop.clone(),
    };
    let turn = agent.run(&task, &mut |_| ())?;
    trajectory.by.clone_from(&heard.info().name);
    let dialect = Dialect::spoken(heard.info(), config.analyst.dialect);
    trajectory.dialect = dialect.unwrap_or(Dialect::Datarus);
    (trajectory.written, trajectory.calls) = (heard.written, heard.calls);
    trajectory.outcome = turn.outcome;
    let evidence = std::mem::take(&mut room.evidence).into_iter().map(Some);
    let steps = turn.steps.into_iter().zip(evidence.chain(std::iter::repeat(None)));
    trajectory.steps = steps
        .map(|(step, evidence)| {
            let worth = if failed(&step.execution) { Worth::Mistake } else { Worth::Example };
            Done { step, evidence, worth, superseded: None }
        })
        .collect();
    Ok(())
}

fn agent_task(task: &Task, given: agent::Given, before: &[Trajectory]) -> agent::Task {
    agent::Task {
        prompt: task.prompt.clone(),
        brief: String::new(),
        mode: task.mode,
        instructions: String::new(),
        files: if task.mode == Mode::Agentic { given.files } else { Vec::new() },
        variables: given.variables,
        data: given.data,
        history: before.iter().map(|trajectory| Past::Turn(trajectory.as_turn())).collect(),
        stage: None,
        begun: None,
    }
}

/// A program has one thought before a step.
fn said(thought: &str) -> Said<'_> {
    Said { understanding: "", thought }
}

/// A model whose words are noted as it wrote them.
struct Heard<'m> {
    model: &'m mut dyn Model,
    written: Vec<String>,
    calls: Vec<Trace>,
}

impl Model for Heard<'_> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.model.count_tokens(messages)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let completion = self.model.generate(request, constraint, on_text)?;
        self.written.push(completion.text.clone());
        self.calls.extend(completion.trace.clone());
        Ok(completion)
    }
}
