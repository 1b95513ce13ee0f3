//! A model that a server computes: chat completions over HTTP, by the protocol that OpenAI began and vLLM, llama.cpp,
//! Ollama and hosted services speak.
//!
//! The constraint of a request is not enforced there, since no token is seen: the reader of the dialect repairs what it
//! can, and stop strings end what only the environment may write. A message in progress is continued where the server
//! is known to do so (vLLM, SGLang, llama.cpp), and else asked for by a message of ours. Text of others is disarmed by
//! its spelling (`control`). How long a chat is, is estimated (`estimate`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Completion, Constraint, FinishReason, GenerateRequest, Interrupt, Model, ModelError, ModelInfo,
    Profile, Usage, seconds,
};
use crate::transcript::ChatMessage;

mod address;
mod catalogue;
mod control;
mod estimate;
mod events;
mod exchange;
mod key;
mod listening;
mod refusal;
mod reply;
mod request;
mod writing;

pub use address::{Address, AddressError, Reach, Served};
pub use key::{ApiKey, ApiKeyError};
pub(super) use refusal::shown;

use catalogue::{Entry, Server};
use estimate::Estimate;
use exchange::{Ask, Exchange, Trouble, pause};
use listening::{Listening, Outcome};
use refusal::{Refusal, judge};
use reply::Counted;
use request::Manner;
use writing::Writing;

/// The context where neither the server nor the user says how long it is: what most servers are started with at least.
pub const CONTEXT_LENGTH: usize = 8_192;

/// Longest that a server is asked what it has, all tries together.
const LIST: Duration = Duration::from_secs(30);

/// Bytes of a list of models, or of a refusal.
const LONGEST_BODY: usize = 8 << 20;

/// Which server, and how it is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// Name of the model there; without it the only one that it lists.
    pub model: Option<String>,
    /// Sent with each request.
    pub key: Option<ApiKey>,
    /// Longest sequence in tokens; without it what the server says, else [`CONTEXT_LENGTH`].
    pub context_length: Option<usize>,
    /// How long it is waited for.
    pub patience: Patience,
}

/// How long a server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest time in which nothing arrives: the first token of a long chat on a slow machine.
    pub silence: Duration,
    /// Before the second time that the same is asked; each later pause is four times as long.
    pub pause: Duration,
    /// How often the same is asked before any text has arrived.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        let (silence, pause) = (Duration::from_secs(300), Duration::from_millis(500));
        Self { silence, pause, attempts: 4 }
    }
}

/// A model that a server computes.
#[derive(Debug)]
pub struct Endpoint {
    settings: Settings,
    info: ModelInfo,
    manner: Manner,
    estimate: Estimate,
}

/// What became of one request.
enum Attempt {
    Done(Completion),
    /// Nothing was written: it may be asked again.
    Again {
        reason: String,
        after: Option<Duration>,
    },
    Without(&'static str),
}

impl Endpoint {
    /// Asks the server which models it has, and chooses one. Blocks up to half a minute.
    ///
    /// # Errors
    /// When it cannot be reached, refuses, or has several models of which none is named.
    pub fn connect(settings: Settings) -> Result<Self, ModelError> {
        let since = Instant::now();
        let mut entry = chosen(&settings, since)?;
        if entry.server == Server::LlamaCpp && settings.context_length.is_none() {
            let props = get(&settings, settings.address.beside("props"), since).ok();
            let length = props.as_ref().and_then(catalogue::context_of_props);
            entry.context_length = length.or(entry.context_length);
        }
        let manner = Manner {
            model: entry.id.clone(),
            continues: entry.server != Server::Other,
            refused: BTreeSet::new(),
        };
        let context_length = settings.context_length.or(entry.context_length);
        let info = ModelInfo {
            name: refusal::shown(&entry.id, settings.key.as_ref()),
            sha256: None,
            architecture: String::from("endpoint"),
            dialect: None,
            profile: Profile::Full,
            literals: Vec::new(),
            words: Vec::new(),
            forms: Vec::new(),
            context_length: context_length.unwrap_or(CONTEXT_LENGTH),
            continues: manner.continues,
            served: Some(settings.address.served()),
        };
        Ok(Self { settings, info, manner, estimate: Estimate::default() })
    }

    /// Asks once.
    fn attempt(
        &mut self,
        request: &GenerateRequest<'_>,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Attempt, ModelError> {
        let start = Instant::now();
        let body = self.manner.body(request).to_string();
        let ask = Ask::Post(self.settings.address.of("chat/completions"), body);
        let exchange = Exchange::begin(&self.settings, ask, self.settings.patience);
        let before = request::open_message(request.messages).unwrap_or_default();
        let writing = Writing::new(request.stop, before, request.max_new_tokens);
        let outcome = Listening::new(writing, &exchange, request.interrupt, on_text).listen();
        Ok(match outcome {
            Outcome::Written { text, finish_reason, counted, first } => {
                let first = first.map_or(Duration::ZERO, |first| first - start);
                let usage = self.usage(request, &text, counted, [first, start.elapsed()]);
                let tokens = Vec::new();
                Attempt::Done(Completion { text, tokens, finish_reason, usage, trace: None })
            }
            Outcome::Refused(refusal) => self.refused(refusal, request)?,
            Outcome::Passing(reason) => Attempt::Again { reason, after: None },
            Outcome::Failed(reason) => return Err(self.error(&reason)),
        })
    }

    fn refused(
        &self,
        refusal: Refusal,
        request: &GenerateRequest<'_>,
    ) -> Result<Attempt, ModelError> {
        match refusal {
            Refusal::Passing { reason, after } => Ok(Attempt::Again { reason, after }),
            Refusal::Without(name) if !self.manner.refused.contains(name) => {
                Ok(Attempt::Without(name))
            }
            Refusal::Without(name) => {
                Err(self.error(&format!("it refused `{name}`, which was not sent")))
            }
            Refusal::Full { tokens, context_length } => Err(ModelError::ContextFull {
                tokens: tokens.unwrap_or_else(|| self.estimated(request.messages)),
                context_length: context_length.unwrap_or(self.info.context_length),
            }),
            Refusal::Final(reason) => Err(self.error(&reason)),
        }
    }

    /// What it cost: as the server counted, else as estimated. Learns from what it counted.
    fn usage(
        &mut self,
        request: &GenerateRequest<'_>,
        text: &str,
        counted: Option<Counted>,
        [first, whole]: [Duration; 2],
    ) -> Usage {
        if let Some(counted) = counted {
            let texts = texts(request.messages);
            self.estimate.learn(texts.iter().map(String::as_str), counted.prompt);
        }
        let counted = counted.unwrap_or_else(|| Counted {
            prompt: self.estimated(request.messages),
            cached: 0,
            completion: self.estimate.tokens([text].into_iter()),
        });
        Usage {
            prompt_tokens: counted.prompt,
            prefilled_tokens: counted.prompt.saturating_sub(counted.cached),
            completion_tokens: counted.completion,
            prefill_seconds: seconds(first),
            decode_seconds: seconds(whole.saturating_sub(first)),
            ..Usage::default()
        }
    }

    fn estimated(&self, messages: &[ChatMessage]) -> usize {
        self.estimate.tokens(texts(messages).iter().map(String::as_str))
    }

    fn error(&self, reason: &str) -> ModelError {
        error(&self.settings, reason)
    }
}

impl Model for Endpoint {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        Ok(self.estimated(messages))
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        _constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let refused = self.manner.refused.clone();
        let outcome = self.ask(request, on_text);
        if outcome.is_err() {
            // What was left out was not to blame.
            self.manner.refused = refused;
        }
        outcome
    }
}

impl Endpoint {
    /// Asks until there is an answer, each time without what was refused.
    fn ask(
        &mut self,
        request: &GenerateRequest<'_>,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let patience = self.settings.patience;
        let (mut asked, mut wait) = (0, patience.pause);
        loop {
            match self.attempt(request, on_text)? {
                Attempt::Done(completion) => return Ok(completion),
                Attempt::Without(name) => {
                    tracing::info!(name, "the model server does not know a parameter");
                    self.manner.refused.insert(name);
                }
                Attempt::Again { reason, after } => {
                    asked += 1;
                    if asked >= patience.attempts {
                        return Err(self.error(&reason));
                    }
                    tracing::info!(%reason, "the model server is asked again");
                    if !pause(after.unwrap_or(wait), request.interrupt) {
                        return Ok(cancelled());
                    }
                    wait *= 4;
                }
            }
        }
    }
}

fn cancelled() -> Completion {
    let (finish_reason, usage) = (FinishReason::Cancelled, Usage::default());
    Completion { text: String::new(), tokens: Vec::new(), finish_reason, usage, trace: None }
}

fn texts(messages: &[ChatMessage]) -> Vec<String> {
    messages.iter().map(request::text).collect()
}

fn error(settings: &Settings, reason: &str) -> ModelError {
    ModelError::Server { at: settings.address.to_string(), reason: reason.to_owned() }
}

/// The model that is named, or the only one that the server lists. A server without a list may have the one named.
fn chosen(settings: &Settings, since: Instant) -> Result<Entry, ModelError> {
    let wanted = settings.model.as_deref();
    let list = match (get(settings, settings.address.of("models"), since), wanted) {
        (Ok(list), _) => list,
        (Err(Listless::NoList(_)), Some(wanted)) => return Ok(Entry::named(wanted)),
        (Err(Listless::NoList(reason) | Listless::NoAnswer(reason)), _) => {
            return Err(error(settings, &reason));
        }
    };
    Entry::choose(&list, wanted).map_err(|reason| error(settings, &reason))
}

/// Why there is no list.
enum Listless {
    /// The server answers, but not this.
    NoList(String),
    NoAnswer(String),
}

/// Asks for a JSON value, no longer than [`LIST`] after `since`.
fn get(settings: &Settings, at: String, since: Instant) -> Result<Value, Listless> {
    let interrupt = Interrupt::default();
    let silence = settings.patience.silence.min(LIST);
    let patience = Patience { silence, ..settings.patience };
    let key = settings.key.as_ref();
    let mut wait = patience.pause;
    let mut asked = 0;
    loop {
        let exchange = Exchange::begin(settings, Ask::Get(at.clone()), patience);
        let reason = match listening::whole(&exchange, &interrupt, since, LONGEST_BODY) {
            Ok((200, body, _)) => {
                return serde_json::from_str(&body).map_err(|_| {
                    let found = refusal::shown(&body, key);
                    Listless::NoList(format!(
                        "expected its models as JSON, found {found}: is `/v1` missing in the address?"
                    ))
                });
            }
            Ok((status, body, after)) => match judge(status, &body, after.as_deref(), key) {
                Refusal::Passing { reason, .. } => reason,
                Refusal::Final(reason) if matches!(status, 401 | 403) => {
                    return Err(Listless::NoAnswer(reason));
                }
                Refusal::Final(reason) => return Err(Listless::NoList(reason)),
                Refusal::Without(_) | Refusal::Full { .. } => {
                    return Err(Listless::NoList(format!("it answered with status {status}")));
                }
            },
            Err(Trouble::Passing(reason)) => reason,
            Err(Trouble::Final(reason)) => return Err(Listless::NoAnswer(reason)),
            Err(Trouble::Stopped) => {
                return Err(Listless::NoAnswer(String::from("it was stopped")));
            }
        };
        asked += 1;
        if asked >= patience.attempts || since.elapsed() + wait >= silence {
            return Err(Listless::NoAnswer(reason));
        }
        pause(wait, &interrupt);
        wait *= 4;
    }
}
