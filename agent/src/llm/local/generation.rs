//! One completion: prompt in, tokens out, under a constraint.

use std::time::Instant;

use super::replay::Recorded;
use super::{Reuse, draft, guard};
use crate::llm::choice::{Branches, Choice};
use crate::llm::device;
use crate::llm::kv_cache::KvCache;
use crate::llm::memory;
use crate::llm::packed::Phase;
use crate::llm::qwen::Qwen;
use crate::llm::sampler::Sampler;
use crate::llm::tokenizer::{TextStream, Tokenizer};
use crate::llm::{
    Candidate, Completion, Constraint, Decision, FinishReason, GenerateRequest, ModelError, Next,
    Trace, Usage, seconds,
};

/// A completion in the making.
pub(super) struct Generation<'a> {
    model: &'a Qwen,
    tokenizer: &'a Tokenizer,
    cache: &'a mut KvCache,
    request: &'a GenerateRequest<'a>,
    sampler: Sampler,
    /// Prompt and completion; what the cache does not hold of it yet is computed when logits are needed.
    sequence: Vec<u32>,
    n_prompt: usize,
    /// Of the token after the sequence, if computed.
    logits: Option<Vec<f32>>,
    reuse: Reuse,
    /// What is to be written whatever the model would choose, where a recording is played.
    recorded: Option<&'a mut Recorded>,
    /// The same as `logits` for longer sequences, which were guessed: valid as long as the cache holds what was written.
    ahead: Vec<(usize, Vec<f32>)>,
    /// The tag up to which text is written now.
    within: Option<&'static str>,
    /// A tag, and the tokens that may not stand before it.
    forbidden: Option<(&'static str, Vec<u32>)>,
    stream: TextStream,
    text: String,
    decisions: Vec<Decision>,
    usage: Usage,
    /// Seconds of writing that went into computing.
    computing: f64,
}

/// Whether the completion goes on.
enum Flow {
    On,
    End(FinishReason),
}

impl<'a> Generation<'a> {
    /// Prepares to continue `prompt`, keeping what the cache holds of its beginning.
    ///
    /// # Errors
    /// When the prompt leaves no room in the context.
    pub(super) fn new(
        model: &'a Qwen,
        tokenizer: &'a Tokenizer,
        cache: &'a mut KvCache,
        request: &'a GenerateRequest<'a>,
        prompt: Vec<u32>,
        reuse: Reuse,
        recorded: Option<&'a mut Recorded>,
    ) -> Result<Self, ModelError> {
        let context_length = model.config().context_length;
        if prompt.is_empty() {
            return Err(ModelError::Template(String::from("it writes nothing for these messages")));
        }
        if prompt.len() >= context_length {
            return Err(ModelError::ContextFull { tokens: prompt.len(), context_length });
        }
        // The last token is computed again if need be, since its logits are not held.
        let held = common(cache.tokens(), &prompt).min(prompt.len() - 1);
        cache.truncate(held.min(cache.n_reusable()));
        let usage = Usage {
            prompt_tokens: prompt.len(),
            prefilled_tokens: prompt.len() - cache.len(),
            ..Usage::default()
        };
        Ok(Self {
            model,
            tokenizer,
            cache,
            request,
            sampler: Sampler::new(request.sampling, request.seed),
            n_prompt: prompt.len(),
            sequence: prompt,
            logits: None,
            reuse,
            recorded,
            ahead: Vec::new(),
            within: None,
            forbidden: None,
            stream: TextStream::default(),
            text: String::new(),
            decisions: Vec::new(),
            usage,
            computing: 0.0,
        })
    }

    /// Writes to the end.
    ///
    /// # Errors
    /// When the computation fails or memory runs out.
    pub(super) fn run(
        &mut self,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let start = Instant::now();
        let done = self.compute()?;
        self.usage.prefill_seconds = seconds(start.elapsed());
        self.computing = 0.0;
        let start = Instant::now();
        let finish_reason =
            if done { self.write(constraint, on_text)? } else { FinishReason::Cancelled };
        let known = self.text.len();
        self.stream.finish(&mut self.text);
        if let Some(held) = self.text.get(known..).filter(|held| !held.is_empty()) {
            on_text(held);
        }
        let tokens = self.completion().to_vec();
        self.usage.completion_tokens = tokens.len();
        self.usage.decode_seconds = seconds(start.elapsed());
        self.usage.choice_seconds = self.usage.decode_seconds - self.computing;
        let trace = Trace {
            prompt: self.sequence.get(..self.n_prompt).unwrap_or_default().to_vec(),
            tokens: tokens.clone(),
            decisions: std::mem::take(&mut self.decisions),
        };
        Ok(Completion {
            text: std::mem::take(&mut self.text),
            tokens,
            finish_reason,
            usage: self.usage,
            trace: Some(trace),
        })
    }

    fn write(
        &mut self,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<FinishReason, ModelError> {
        loop {
            if let Flow::End(reason) = self.step(constraint, on_text)? {
                return Ok(reason);
            }
        }
    }

    /// Appends a token, or a forced or chosen text.
    fn step(
        &mut self,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Flow, ModelError> {
        if let Some(reason) = self.limit() {
            return Ok(Flow::End(reason));
        }
        // In the middle of a character the text so far says nothing new to the constraint: what held, holds.
        let next = match self.within {
            _ if self.stream.is_settled() => constraint.next(&self.text),
            Some(tag) => Next::Until(tag),
            None => Next::Free,
        };
        self.within = if let Next::Until(tag) = next { Some(tag) } else { None };
        match next {
            Next::Forced(text) if !text.is_empty() => self.force(&text, on_text),
            Next::Among(texts) if texts.iter().any(|next| !next.text.is_empty()) => {
                self.choose(&texts, on_text)
            }
            Next::Until(tag) => self.until(tag, on_text),
            Next::Free | Next::Forced(_) | Next::Among(_) => self.free(Vec::new(), on_text),
        }
    }

    /// Why no more may be written, if so.
    fn limit(&self) -> Option<FinishReason> {
        if self.request.interrupt.is_set() {
            return Some(FinishReason::Cancelled);
        }
        let full = self.sequence.len() >= self.model.config().context_length;
        (full || self.completion().len() >= self.request.max_new_tokens)
            .then_some(FinishReason::Length)
    }

    fn completion(&self) -> &[u32] {
        self.sequence.get(self.n_prompt..).unwrap_or_default()
    }

    /// One token of the model's own choice, which is none of `without`.
    fn free(
        &mut self,
        without: Vec<u32>,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Flow, ModelError> {
        if !self.compute()? {
            return Ok(Flow::End(FinishReason::Cancelled));
        }
        let logits = self.logits.as_deref_mut().unwrap_or_default();
        for id in &without {
            if let Some(logit) = logit_of(logits, *id) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = self.sampler.sample(logits, &self.sequence);
        let at = self.completion().len();
        let decision =
            Decision { at, token: Some(token), open: true, without, ..Decision::default() };
        self.decisions.push(decision);
        if self.tokenizer.is_end(token) {
            return Ok(Flow::End(FinishReason::Stop));
        }
        Ok(self.append(token, on_text))
    }

    /// One token of the model's own choice, of the added ones only `tag`.
    fn until(
        &mut self,
        tag: &'static str,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Flow, ModelError> {
        let known = self.forbidden.take().filter(|(before, _)| *before == tag);
        let (_, forbidden) = if let Some(known) = known {
            self.forbidden.insert(known)
        } else {
            let allowed = self.tokenizer.encode_markup(tag)?;
            self.forbidden.insert((tag, self.tokenizer.added_but(&allowed)))
        };
        let without = forbidden.clone();
        self.free(without, on_text)
    }

    /// A text without choice: its tokens wait to be computed in one batch.
    fn force(&mut self, text: &str, on_text: &mut dyn FnMut(&str)) -> Result<Flow, ModelError> {
        for token in self.tokenizer.encode_markup(text)? {
            if let Flow::End(reason) = self.append_forced(token, on_text)? {
                return Ok(Flow::End(reason));
            }
        }
        Ok(Flow::On)
    }

    /// One of `texts`, whole.
    fn choose(
        &mut self,
        texts: &[Candidate],
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Flow, ModelError> {
        let encoded = |next: &Candidate| Ok((self.encode_candidate(&next.text)?, next.bonus));
        let candidates = texts.iter().map(encoded).collect::<Result<Vec<_>, ModelError>>()?;
        let choice = Choice::new(candidates);
        let mut node = &choice;
        loop {
            let (flow, next) = match node.branches() {
                Branches::None => return Ok(Flow::On),
                Branches::One(token, rest) => (self.append_forced(token, on_text)?, Some(rest)),
                Branches::Many | Branches::OrEnd => {
                    if !self.compute()? {
                        return Ok(Flow::End(FinishReason::Cancelled));
                    }
                    let Some(token) = self.pick(node) else { return Ok(Flow::On) };
                    (self.append(token, on_text), node.after(token))
                }
            };
            match (flow, next) {
                (Flow::On, Some(rest)) => node = rest,
                (flow, _) => return Ok(flow),
            }
        }
    }

    /// The next token of a choice; `None` ends it, where the model would rather go on with something else.
    fn pick(&mut self, node: &Choice) -> Option<u32> {
        let logits = self.logits.as_deref_mut().unwrap_or_default();
        let mut without = Vec::new();
        for (token, bonus) in node.bonuses() {
            if let Some(logit) = logit_of(logits, token) {
                without.push((token, *logit));
                *logit += bonus;
            }
        }
        let open = matches!(node.branches(), Branches::OrEnd);
        let token = if open {
            let token = self.sampler.sample(logits, &self.sequence);
            node.after(token).map(|_| token)
        } else {
            self.sampler.sample_among(logits, node.tokens(), &self.sequence)
        };
        // A choice that ended leaves the logits to what comes in its place, which has no bonus.
        for (token, before) in without {
            if let Some(logit) = logit_of(logits, token) {
                *logit = before;
            }
        }
        let (at, among) = (self.completion().len(), node.bonuses().collect());
        self.decisions.push(Decision { at, token, among, open, without: Vec::new() });
        token
    }

    /// Ids of a candidate: as markup, so that our tags are single tokens, unless that makes a control token, which a
    /// name from somebody's data must not become.
    fn encode_candidate(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let tokens = self.tokenizer.encode_markup(text)?;
        if tokens.iter().any(|&token| self.tokenizer.is_control(token)) {
            return self.tokenizer.encode_data(text);
        }
        Ok(tokens)
    }

    fn append_forced(
        &mut self,
        token: u32,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Flow, ModelError> {
        if self.sequence.len() >= self.model.config().context_length {
            return Ok(Flow::End(FinishReason::Length));
        }
        if !self.reuse.forced_batch && !self.compute()? {
            return Ok(Flow::End(FinishReason::Cancelled));
        }
        self.usage.forced_tokens += 1;
        Ok(self.append(token, on_text))
    }

    /// Takes a token as written: its text goes out, up to a stop string.
    fn append(&mut self, token: u32, on_text: &mut dyn FnMut(&str)) -> Flow {
        self.sequence.push(token);
        self.logits = None;
        let known = self.text.len();
        self.stream.push(self.tokenizer, token, &mut self.text);
        let stop = self.end_of_stop(known);
        if let Some(end) = stop {
            self.cut(end);
        }
        if let Some(new) = self.text.get(known..).filter(|new| !new.is_empty()) {
            on_text(new);
        }
        if stop.is_some() { Flow::End(FinishReason::Stop) } else { Flow::On }
    }

    /// Where the first stop string ends that is complete only by text from `known` on.
    fn end_of_stop(&self, known: usize) -> Option<usize> {
        let stops = self.request.stop.iter().filter(|stop| !stop.is_empty());
        stops
            .filter_map(|stop| {
                let mut from = known.saturating_sub(stop.len() - 1);
                while !self.text.is_char_boundary(from) {
                    from -= 1;
                }
                let start = self.text.get(from..)?.find(stop)?;
                Some(from + start + stop.len())
            })
            .min()
    }

    /// Drops all text from `end` on, and makes the tokens agree with what is left.
    fn cut(&mut self, end: usize) {
        self.stream = TextStream::default();
        if end == self.text.len() && self.tokenizer.decode(self.completion()) == self.text {
            return;
        }
        self.text.truncate(end);
        while self.sequence.len() > self.n_prompt {
            self.sequence.pop();
            let kept = self.tokenizer.decode(self.completion());
            let Some(rest) = self.text.strip_prefix(kept.as_str()) else { continue };
            let n_kept = self.completion().len();
            self.decisions.retain(|decision| decision.at <= n_kept);
            // Text that the stop string's own encoding cannot express is not lost: only its tokens are.
            self.sequence.extend(self.tokenizer.encode_markup(rest).unwrap_or_default());
            return;
        }
    }

    /// Computes whatever of the sequence the cache does not hold, and the logits after it.
    ///
    /// Returns whether it got to the end: an interrupt stops it between two layers.
    fn compute(&mut self) -> Result<bool, ModelError> {
        if self.logits.is_some() {
            return Ok(true);
        }
        let start = Instant::now();
        let whole = self.compute_rest();
        self.computing += seconds(start.elapsed());
        if let Ok(true) = whole {
            self.follow()?;
        }
        whole
    }

    /// Makes the recorded token the likeliest one, if a recording is played: all else goes on as with any token.
    fn follow(&mut self) -> Result<(), ModelError> {
        let Some(recorded) = &mut self.recorded else { return Ok(()) };
        let token = recorded.next(self.tokenizer, &self.text, &self.sequence)?;
        if let Some(logit) = logit_of(self.logits.as_deref_mut().unwrap_or_default(), token) {
            *logit = f32::INFINITY;
        }
        Ok(())
    }

    fn compute_rest(&mut self) -> Result<bool, ModelError> {
        let len = self.sequence.len();
        let held = common(self.cache.tokens(), &self.sequence);
        let guessed = self.ahead.iter().position(|(after, _)| *after == len && held == len);
        if let Some(index) = guessed {
            self.usage.guessed_tokens += 1;
            self.logits = Some(self.ahead.swap_remove(index).1);
            return Ok(true);
        }
        self.ahead.clear();
        // Of the last token the logits are wanted, too.
        self.cache.truncate(held.min(len - 1));
        while self.logits.is_none() {
            let held = self.cache.len();
            let end = len.min(held + self.model.chunk());
            let mut chunk = self.sequence.get(held..end).unwrap_or_default().to_vec();
            let mut guess = if end == len { self.guess(chunk.len()) } else { &[] };
            if self.cache.capacity_for(chunk.len() + guess.len())
                > self.cache.capacity_for(chunk.len())
            {
                // It is not worth memory that may be refused.
                guess = &[];
            }
            let wanted = 1 + guess.len();
            chunk.extend_from_slice(guess);
            require_room(self.model, self.cache, chunk.len())?;
            let (model, cache, interrupt) = (self.model, &mut *self.cache, self.request.interrupt);
            let phase = if end <= self.n_prompt { Phase::Prompt } else { Phase::Completion };
            let vectors =
                guard::computing(|| model.extend(&chunk, wanted, cache, phase, interrupt))?;
            let Some(vectors) = vectors else { return Ok(false) };
            if end == len {
                let logits = guard::computing(|| model.logits(&vectors))?;
                // Embeddings are often padded beyond the ids that the tokenizer knows.
                let known = |mut logits: Vec<f32>| {
                    logits.truncate(self.tokenizer.n_ids());
                    logits
                };
                let mut logits = logits.into_iter().map(known);
                self.logits = logits.next();
                self.ahead = (len + 1..).zip(logits).collect();
            }
        }
        Ok(true)
    }

    /// Tokens that may come next, to be computed with the last `new` ones; none where that costs more than it may
    /// spare.
    fn guess(&self, new: usize) -> &[u32] {
        let context = self.model.config().context_length.saturating_sub(self.sequence.len());
        let wanted = self.request.max_new_tokens.saturating_sub(self.completion().len());
        if new > 1 || !self.reuse.guesses {
            return &[];
        }
        let guess = draft::guess(&self.sequence);
        guess.get(..context.min(wanted)).unwrap_or(guess)
    }
}

fn logit_of(logits: &mut [f32], id: u32) -> Option<&mut f32> {
    usize::try_from(id).ok().and_then(|at| logits.get_mut(at))
}

/// How many tokens `a` and `b` begin with alike.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Refuses to let the cache grow beyond the memory of where the model computes.
pub(super) fn require_room(
    model: &Qwen,
    cache: &KvCache,
    additional: usize,
) -> Result<(), ModelError> {
    let more = cache.capacity_for(additional) - cache.capacity();
    if more == 0 {
        return Ok(());
    }
    let bytes = more as u64 * model.config().cache_bytes_per_token();
    if model.device().is_cpu() {
        return Ok(memory::require(bytes)?);
    }
    device::require(model.device(), bytes).map_err(|refusal| ModelError::Device(refusal.reason()))
}
