//! The agent on a thread of its own: tasks go in, events come out.
//!
//! The model is made on that thread at the first prompt and kept; it is never called from the event loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as blocking;
use std::time::Duration;

use datarus_agent::agent::{Agent, AgentError, AgentEvent, Task, Turn};
use datarus_agent::dialect::Dialect;
use datarus_agent::executor::{
    Execution, Executor, ExecutorError, Meanwhile, Namespace, Output, Survey, Variable,
};
use datarus_agent::llm::{self, Interrupt, Model, ModelError, ModelInfo, Profile, Sampling};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::event::Event;
use crate::model::{self, Kept};

/// Makes the model, on the agent's thread.
pub type Loader = Box<dyn Fn(&Config) -> Result<Box<dyn Model>, ModelError> + Send>;

/// The loader of the product: the model that the configuration names.
pub fn configured_model() -> Loader {
    Box::new(|config| {
        if let Some(threads) = config.threads {
            llm::limit_threads(threads.get());
        }
        let kept = Kept { weights: config.weights.as_ref(), kv: config.kv_cache.as_ref() };
        model::load(&config.model, config.placement, kept, &config.sandbox.program)
    })
}

/// What the agent's thread says to the event loop.
#[derive(Debug)]
pub(crate) enum FromAgent {
    /// The model is being made.
    Loading,
    /// The model is there.
    Loaded,
    /// Something to show.
    Event(AgentEvent),
    /// Run this cell.
    Execute {
        /// The cell.
        code: String,
        /// How long it may take.
        timeout: Duration,
        /// Where its outcome goes; dropped when there is nobody who runs it.
        outcome: Outcome,
    },
    /// Say what that cell puts out beyond what was said.
    More,
    /// Put a question to the user.
    Ask {
        /// In the model's words.
        question: String,
        /// Where the answer goes; dropped when there is nobody to ask.
        answer: blocking::Sender<String>,
    },
    /// Name the DataFrames.
    Variables(blocking::Sender<Vec<Variable>>),
    /// Say what the data hold.
    Survey(blocking::Sender<Survey>),
    /// The turn is over.
    Ended(Result<Box<Ended>, Failure>),
}

/// Where the agent's thread waits for a step. It reads meanwhile, and stops that when this is gone.
#[derive(Debug)]
pub(crate) struct Outcome {
    news: blocking::Sender<News>,
    over: Interrupt,
    /// Whether it waits for outputs.
    listens: bool,
}

/// What is said of a step.
#[derive(Debug)]
enum News {
    SoFar(Vec<Output>),
    Ended(Result<Execution, ExecutorError>),
}

impl Outcome {
    /// Says how the step ended. The agent is gone when its turn was given up.
    pub(crate) fn end(self, outcome: Result<Execution, ExecutorError>) {
        let _ = self.news.send(News::Ended(outcome));
    }

    /// Says what there is so far, if that is waited for: once until it is [asked for](FromAgent::More) again, so that
    /// nothing piles up.
    pub(crate) fn tell(&mut self, so_far: impl FnOnce() -> Vec<Output>) -> bool {
        std::mem::take(&mut self.listens) && self.news.send(News::SoFar(so_far())).is_ok()
    }

    /// Notes that outputs are waited for.
    pub(crate) fn listen(&mut self) {
        self.listens = true;
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.over.set();
    }
}

/// A turn that came to an end, and who answered.
#[derive(Debug)]
pub(crate) struct Ended {
    /// All that was done.
    pub(crate) turn: Turn,
    /// The model.
    pub(crate) model: ModelInfo,
}

/// Why a turn could not be done at all.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For programs: `ModelError`, `ExecutorError`, `AgentPanic`.
    pub(crate) name: &'static str,
    /// For the user.
    pub(crate) reason: String,
}

/// A handle on the thread; it ends when this is dropped and its turn is over.
#[derive(Debug)]
pub(crate) struct AgentThread {
    jobs: blocking::Sender<Job>,
    /// Set while a job waits.
    wanted: Interrupt,
}

#[derive(Debug)]
struct Job {
    number: u64,
    task: Task,
    interrupt: Interrupt,
}

impl AgentThread {
    /// Starts the thread. It waits; the model is made when the first task comes.
    pub(crate) fn start(
        config: Config,
        loader: Loader,
        events: mpsc::UnboundedSender<Event>,
    ) -> AgentThread {
        let (jobs, inbox) = blocking::channel();
        let wanted = Interrupt::default();
        let worker = Worker { config, loader, events, model: None, wanted: wanted.clone() };
        // Without the thread the first task is answered with an error, see `run`.
        let spawned = std::thread::Builder::new().name("agent".into()).spawn(|| worker.work(inbox));
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start the agent's thread");
        }
        AgentThread { jobs, wanted }
    }

    /// Runs a task as turn `number`; says false when the thread is gone.
    pub(crate) fn run(&self, number: u64, task: Task, interrupt: Interrupt) -> bool {
        self.wanted.set();
        self.jobs.send(Job { number, task, interrupt }).is_ok()
    }
}

/// The name of the error of a model that is asked for research and is too small for it.
pub(crate) const CANNOT_PLAN: &str = "CannotPlan";

/// What it says.
const TOO_SMALL: &str = "the embedded model answers one question about tables at a time and cannot plan research: name \
                         a larger one with `--model MODEL` or `DATARUS_MODEL` (docs/models.md lists some)";

/// Said of a turn whose steps do not build on one another.
const BEGINS_ANEW: &str =
    "Each step began without the variables of the steps before it (`--stateless`).";

struct Worker {
    config: Config,
    loader: Loader,
    events: mpsc::UnboundedSender<Event>,
    model: Option<Box<dyn Model>>,
    wanted: Interrupt,
}

/// How long nothing was asked when the model may rest: questions often come one after the other.
const PAUSE: Duration = Duration::from_secs(2);

impl Worker {
    fn work(mut self, inbox: blocking::Receiver<Job>) {
        while let Some(job) = self.next(&inbox) {
            self.wanted.clear();
            let number = job.number;
            let ended = catch_unwind(AssertUnwindSafe(|| self.run(job))).unwrap_or_else(|panic| {
                // What a panic left behind in the model is not to be trusted.
                self.model = None;
                Err(Failure { name: "AgentPanic", reason: described(panic.as_ref()) })
            });
            let ended = FromAgent::Ended(ended.map(Box::new));
            if self.events.send(Event::Agent(number, Box::new(ended))).is_err() {
                return;
            }
        }
    }

    /// Waits for a job; the model may rest meanwhile. None when the kernel ends.
    fn next(&mut self, inbox: &blocking::Receiver<Job>) -> Option<Job> {
        match inbox.recv_timeout(PAUSE) {
            Ok(job) => return Some(job),
            Err(blocking::RecvTimeoutError::Disconnected) => return None,
            Err(blocking::RecvTimeoutError::Timeout) => {}
        }
        let rested = catch_unwind(AssertUnwindSafe(|| {
            if let Some(model) = &mut self.model {
                model.rest(&self.wanted);
            }
        }));
        if rested.is_err() {
            self.model = None;
        }
        inbox.recv().ok()
    }

    fn run(&mut self, job: Job) -> Result<Ended, Failure> {
        let tell = |message| self.events.send(Event::Agent(job.number, Box::new(message))).is_ok();
        let model = match &mut self.model {
            Some(model) => model,
            none => {
                tell(FromAgent::Loading);
                let made = (self.loader)(&self.config).map_err(|error| failure(error.into()))?;
                tell(FromAgent::Loaded);
                if let Some(notice) = model::notice(&self.config.model) {
                    tell(FromAgent::Event(AgentEvent::Notice(notice)));
                }
                none.insert(made)
            }
        };
        let mut info = model.info().clone();
        if job.task.stage.is_some() && info.profile == Profile::Compact {
            return Err(Failure { name: CANNOT_PLAN, reason: TOO_SMALL.to_owned() });
        }
        let dialect = Dialect::spoken(&info, self.config.analyst.dialect);
        // What a notebook notes is what was spoken.
        info.dialect = dialect.map(|dialect| dialect.name().to_owned()).or(info.dialect);
        let mut agent = Agent {
            model: model.as_mut(),
            executor: &mut Remote(&tell),
            dialect,
            namespace: self.config.analyst.namespace,
            second_look: true,
            limits: self.config.limits.clone(),
            sampling: self.config.sampling.clone().unwrap_or(Sampling::Greedy),
            seed: self.config.seed,
            interrupt: job.interrupt,
        };
        if agent.namespace == Namespace::Fresh {
            tell(FromAgent::Event(AgentEvent::Notice(String::from(BEGINS_ANEW))));
        }
        let turn = agent.run(&job.task, &mut |event| {
            tell(FromAgent::Event(event));
        });
        Ok(Ended { turn: turn.map_err(failure)?, model: info })
    }
}

/// Runs cells by asking the event loop.
struct Remote<'a>(&'a dyn Fn(FromAgent) -> bool);

impl Executor for Remote<'_> {
    fn execute(
        &mut self,
        code: &str,
        timeout: Duration,
        meanwhile: &mut Meanwhile<'_>,
    ) -> Result<Execution, ExecutorError> {
        let (news, said) = blocking::channel();
        let over = Interrupt::default();
        let outcome = Outcome { news, over: over.clone(), listens: true };
        (self.0)(FromAgent::Execute { code: code.to_owned(), timeout, outcome });
        meanwhile(&[], &over);
        loop {
            match said.recv() {
                Ok(News::SoFar(outputs)) => meanwhile(&outputs, &over),
                Ok(News::Ended(outcome)) => return outcome,
                Err(_) => return Err(ExecutorError { reason: "the turn was stopped".into() }),
            }
            (self.0)(FromAgent::More);
        }
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        let (answer, said) = blocking::channel();
        (self.0)(FromAgent::Ask { question: question.to_owned(), answer });
        said.recv().ok().filter(|said| !said.is_empty())
    }

    fn survey(&mut self) -> Option<Survey> {
        let (answer, said) = blocking::channel();
        (self.0)(FromAgent::Survey(answer));
        said.recv().ok()
    }

    fn variables(&mut self) -> Vec<Variable> {
        let (answer, variables) = blocking::channel();
        (self.0)(FromAgent::Variables(answer));
        variables.recv().unwrap_or_default()
    }
}

fn failure(error: AgentError) -> Failure {
    let name = match error {
        AgentError::Model(_) => "ModelError",
        AgentError::Executor(_) => "ExecutorError",
    };
    Failure { name, reason: error.to_string() }
}

fn described(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the agent failed unexpectedly ({}): ask again; Python cells are not affected",
        text.unwrap_or("no reason given")
    )
}
