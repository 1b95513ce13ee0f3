//! A model that stops where a test wants to look at it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datarus_agent::llm::{
    Completion, Constraint, FinishReason, GenerateRequest, Interrupt, Model, ModelError, ModelInfo,
    Profile, Usage,
};
use datarus_agent::transcript::ChatMessage;
use datarus_kernel::prompt::Loader;
use tokio::sync::mpsc;

use crate::doubles::ScriptedModel;

/// How long the model computes before it looks whether it is to stop.
const COMPUTES: Duration = Duration::from_millis(1);

/// Where the model stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nowhere.
    Never,
    /// While it is loaded; then it cannot be loaded.
    Load,
    /// Before the first character of a completion; it looks whether it is to stop after each of its chunks.
    Prefill,
    /// There too, in a chunk that takes until the gate is opened.
    Deaf,
    /// After so many characters of the completion with this number.
    Write {
        /// From 0 within the turn.
        completion: usize,
        /// Of it.
        characters: usize,
    },
}

#[derive(Debug)]
struct Plan {
    turn: u64,
    hold: Hold,
    script: VecDeque<String>,
    written: usize,
}

/// The test's side.
#[derive(Debug)]
pub struct Gate {
    plan: Arc<Mutex<Plan>>,
    /// The turn up to which the gate is open.
    open: Arc<AtomicU64>,
    reached: mpsc::UnboundedReceiver<()>,
}

impl Gate {
    /// A gate, and what makes its model.
    pub fn new() -> (Gate, Loader) {
        let plan = Plan { turn: 0, hold: Hold::Never, script: VecDeque::new(), written: 0 };
        let plan = Arc::new(Mutex::new(plan));
        let open = Arc::new(AtomicU64::new(0));
        let (arrives, reached) = mpsc::unbounded_channel();
        let gate = Gate { plan: Arc::clone(&plan), open: Arc::clone(&open), reached };
        let loader: Loader = Box::new(move |_| {
            let info = ScriptedModel::new(Profile::Full, &[]).info;
            let (plan, open, arrives) = (Arc::clone(&plan), Arc::clone(&open), arrives.clone());
            let model = GatedModel { info, plan, open, arrives };
            if model.lock().hold == Hold::Load {
                model.stop(&Interrupt::default());
                return Err(ModelError::Compute(String::from("the gate was opened")));
            }
            Ok(Box::new(model) as Box<dyn Model>)
        });
        (gate, loader)
    }

    /// What the model writes in the next turn, and where it stops.
    pub fn plan(&mut self, hold: Hold, script: &[String]) {
        while self.reached.try_recv().is_ok() {}
        let script = script.iter().cloned().collect();
        let mut plan = self.plan.lock().expect("no panic holds it");
        *plan = Plan { turn: plan.turn + 1, hold, script, written: 0 };
    }

    /// Waits until the model stands at the gate.
    pub async fn reached(&mut self) {
        self.reached.recv().await.expect("a model");
    }

    /// Lets a model go on that does not look whether it is to stop.
    pub fn open(&self) {
        let turn = self.plan.lock().expect("no panic holds it").turn;
        self.open.store(turn, Ordering::SeqCst);
    }
}

struct GatedModel {
    info: ModelInfo,
    plan: Arc<Mutex<Plan>>,
    open: Arc<AtomicU64>,
    arrives: mpsc::UnboundedSender<()>,
}

impl GatedModel {
    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().expect("no panic holds it")
    }

    /// Stands at the gate until it is opened, or told to stop.
    fn stop(&self, interrupt: &Interrupt) {
        let turn = self.lock().turn;
        let _ = self.arrives.send(());
        while !interrupt.is_set() && self.open.load(Ordering::SeqCst) < turn {
            std::thread::park_timeout(COMPUTES);
        }
    }
}

impl Model for GatedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, _: &[ChatMessage]) -> Result<usize, ModelError> {
        Ok(0)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        _constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let (hold, full, number) = {
            let mut plan = self.lock();
            plan.written += 1;
            let nothing_left = || ModelError::Compute(String::from("the script has ended"));
            (plan.hold, plan.script.pop_front().ok_or_else(nothing_left)?, plan.written - 1)
        };
        match hold {
            Hold::Prefill => self.stop(request.interrupt),
            Hold::Deaf => self.stop(&Interrupt::default()),
            Hold::Never | Hold::Load | Hold::Write { .. } => {}
        }
        let (mut text, mut finish_reason) = (String::new(), FinishReason::Stop);
        for (at, character) in full.chars().enumerate() {
            if hold == (Hold::Write { completion: number, characters: at }) {
                self.stop(request.interrupt);
            }
            if request.interrupt.is_set() {
                finish_reason = FinishReason::Cancelled;
                break;
            }
            text.push(character);
            on_text(character.encode_utf8(&mut [0; 4]));
        }
        Ok(Completion {
            text,
            tokens: Vec::new(),
            finish_reason,
            usage: Usage::default(),
            trace: None,
        })
    }
}
