//! What a caller cannot see of a model host.

use std::path::{Path, PathBuf};

use super::*;
use crate::llm::{Candidate, Hardware, Interrupt, Next, Sampling, Usage};
use crate::transcript::Role;

/// Forces a beginning, then leaves two texts, so that what comes next often came before.
struct AOrB;

impl Constraint for AOrB {
    fn next(&mut self, generated: &str) -> Next {
        if generated.is_empty() {
            return Next::Forced(String::from("<step>\n<thought>"));
        }
        Next::Among(["a", "b"].map(Candidate::from).to_vec())
    }
}

pub(super) const EVERYTHING: Reuse =
    Reuse { keep: true, meanwhile: true, forced_batch: true, guesses: true };

pub(super) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models/qwen2-q8_0.gguf")
}

pub(super) fn model(reuse: Reuse) -> LocalModel {
    let mut model = LocalModel::load(&fixture(), Hardware::Auto, None, Renderer::Here).unwrap();
    model.reuse = reuse;
    model
}

pub(super) fn asking(text: &str) -> Vec<ChatMessage> {
    vec![ChatMessage { role: Role::User, content: vec![Segment::Data(String::from(text))] }]
}

pub(super) fn question() -> Vec<ChatMessage> {
    asking("Which region sold most?")
}

pub(super) fn write(
    model: &mut LocalModel,
    messages: &[ChatMessage],
    sampling: &Sampling,
) -> Completion {
    let interrupt = Interrupt::default();
    let request = GenerateRequest {
        messages,
        stop: &[],
        sampling,
        seed: 5,
        max_new_tokens: 120,
        interrupt: &interrupt,
    };
    model.generate(&request, &mut AOrB, &mut |_| {}).unwrap()
}

/// The chat after a completion, whose cell has put out `observation`.
fn observing(completion: &Completion, observation: &str) -> Vec<ChatMessage> {
    let written =
        Segment::Generated { text: completion.text.clone(), tokens: completion.tokens.clone() };
    let glue = Segment::Markup(String::from("\n<observation>\n"));
    let content = vec![written, glue, Segment::Data(String::from(observation))];
    [question(), vec![ChatMessage { role: Role::Assistant, content }]].concat()
}

/// Two completions with a cell between them; `guesses` of what it puts out are read ahead.
fn episode(reuse: Reuse, sampling: &Sampling, guesses: &[&str]) -> (String, Usage) {
    let mut model = model(reuse);
    let first = write(&mut model, &question(), sampling);
    for guess in guesses {
        model.read_ahead(&observing(&first, guess), &Interrupt::default());
    }
    let second = write(&mut model, &observing(&first, "region\nNorth 7\nSouth 9"), sampling);
    assert_eq!(model.tokenizer.decode(&second.tokens), second.text);
    let mut usage = first.usage;
    usage += second.usage;
    (first.text + &second.text, usage)
}

#[test]
fn what_is_spared_changes_nothing_but_the_time() {
    let random = Sampling::Random {
        temperature: 0.6,
        top_k: Some(8),
        top_p: None,
        min_p: None,
        repetition_penalty: None,
    };
    let nothing = Reuse { keep: false, meanwhile: false, forced_batch: false, guesses: false };
    for sampling in [Sampling::Greedy, random] {
        let right = ["", "region\nNorth 7"].as_slice();
        let check = |reuse, guesses: &[&str]| {
            let (plain, _) = episode(nothing, &sampling, &[]);
            let (text, usage) = episode(reuse, &sampling, guesses);
            assert_eq!(text, plain, "{reuse:?}, {sampling:?}");
            usage
        };
        let off = check(nothing, right);
        assert_eq!(
            (off.prefilled_tokens, off.prefilled_meanwhile, off.guessed_tokens),
            (off.prompt_tokens, 0, 0)
        );
        let all = check(EVERYTHING, right);
        assert!(all.guessed_tokens > 0, "{sampling:?}: all guesses were wrong");
        let kept = check(Reuse { meanwhile: false, ..EVERYTHING }, right);
        assert_eq!(kept.prefilled_meanwhile, 0);
        assert_eq!(all.prefilled_tokens + all.prefilled_meanwhile, kept.prefilled_tokens);
        assert!(kept.prefilled_tokens < off.prefilled_tokens);
        assert!(all.prefilled_meanwhile > 10);
        let one = check(Reuse { forced_batch: false, ..EVERYTHING }, right);
        assert_eq!(one.forced_tokens, all.forced_tokens);
        let alone = check(Reuse { guesses: false, ..EVERYTHING }, right);
        assert_eq!(alone.guessed_tokens, 0);
    }
}

#[test]
fn a_wrong_guess_of_an_output_costs_nothing_but_the_time() {
    let (plain, kept) = episode(EVERYTHING, &Sampling::Greedy, &[]);
    for guesses in
        [&["something else"][..], &["region\nNorth 7", "Traceback"], &["region\nNorth 8"]]
    {
        let (text, usage) = episode(EVERYTHING, &Sampling::Greedy, guesses);
        assert_eq!(text, plain, "{guesses:?}");
        // What both begin with is held all the same.
        assert!(usage.prefilled_meanwhile > 0, "{guesses:?}");
        assert_eq!(usage.prefilled_tokens + usage.prefilled_meanwhile, kept.prefilled_tokens);
    }
}

#[test]
fn reading_ahead_ends_when_it_is_told_to_and_where_the_context_does() {
    let mut model = model(EVERYTHING);
    let first = write(&mut model, &question(), &Sampling::Greedy);
    let held = model.cache.tokens().to_vec();
    let (go_on, stop) = (Interrupt::default(), Interrupt::default());
    stop.set();
    model.read_ahead(&observing(&first, "region"), &stop);
    assert_eq!(model.cache.tokens(), held);
    model.read_ahead(&observing(&first, &"region ".repeat(600)), &go_on);
    assert_eq!(model.cache.tokens(), held);
    model.read_ahead(&observing(&first, "region"), &go_on);
    assert!(model.cache.len() > held.len());
}

#[test]
fn a_trace_tells_each_choice_and_nothing_that_was_forced() {
    let mut model = model(EVERYTHING);
    let done = write(&mut model, &question(), &Sampling::Greedy);
    let trace = done.trace.unwrap();
    assert_eq!(trace.prompt, model.encode(&question()).unwrap());
    assert_eq!(trace.tokens, done.tokens);
    assert_eq!(trace.decisions.len(), trace.tokens.len() - done.usage.forced_tokens);
    let id = |text: &str| model.tokenizer.encode_markup(text).unwrap()[0];
    let mut among = vec![(id("a"), 0.0), (id("b"), 0.0)];
    among.sort_by_key(|(token, _)| *token);
    for decision in &trace.decisions {
        assert_eq!(decision.token, trace.tokens.get(decision.at).copied());
        assert_eq!((&decision.among, decision.open), (&among, false));
    }
}

#[test]
fn a_trace_tells_what_was_forbidden_and_where_a_choice_ended_without_a_token() {
    struct Scene(usize);
    impl Constraint for Scene {
        fn next(&mut self, _generated: &str) -> Next {
            self.0 += 1;
            match self.0 {
                1 => Next::Until("</thought>"),
                2 => Next::Among(vec![
                    Candidate::from("a"),
                    Candidate { bonus: -1e9, ..Candidate::from("ab") },
                ]),
                _ => Next::Among(["x", "y"].map(Candidate::from).to_vec()),
            }
        }
    }
    let mut model = model(EVERYTHING);
    let interrupt = Interrupt::default();
    let request = GenerateRequest {
        messages: &question(),
        stop: &[],
        sampling: &Sampling::Greedy,
        seed: 5,
        max_new_tokens: 4,
        interrupt: &interrupt,
    };
    let done = model.generate(&request, &mut Scene(0), &mut |_| ()).unwrap();
    let [until, ended, chosen, ..] = &done.trace.unwrap().decisions[..] else {
        panic!("{}", done.text)
    };
    assert!(until.open && until.without.len() > 2, "{until:?}");
    assert!(!until.without.contains(&model.tokenizer.encode_markup("</thought>").unwrap()[0]));
    assert_eq!((ended.token, ended.open, ended.among.len()), (None, true, 1), "{ended:?}");
    assert_eq!((chosen.at, chosen.open), (ended.at, false));
}

#[test]
fn tokens_of_a_chat_are_worked_out_once_and_are_those_of_this_chat() {
    let model = model(EVERYTHING);
    let mut longer = question();
    longer[0].content.push(Segment::Data(String::from(" And which least?")));
    for messages in [question(), question(), longer, question()] {
        let fresh = model.encode_segments(&model.template.render(&messages).unwrap()).unwrap();
        assert_eq!(model.encode(&messages).unwrap(), fresh);
        assert!(model.encoded.borrow().is_of(&messages));
    }
}

/// A text that may end or go on at the price of a bonus, then one of two that begin like its going on.
struct EndedChoice {
    /// What is made unlikely, so that the first choice ends.
    lowered: Option<&'static str>,
}

impl Constraint for EndedChoice {
    fn next(&mut self, generated: &str) -> Next {
        match generated {
            "" => {
                let longer = self
                    .lowered
                    .map(|text| Candidate { text: format!("a{text}"), bonus: -1_000.0 });
                Next::Among([Candidate::from("a")].into_iter().chain(longer).collect())
            }
            "a" => Next::Among([" b", " c"].map(Candidate::from).to_vec()),
            _ => Next::Free,
        }
    }
}

#[test]
fn a_choice_that_ended_leaves_no_bonus_to_what_comes_in_its_place() {
    let interrupt = Interrupt::default();
    let mut model = model(EVERYTHING);
    let mut chosen = |lowered| {
        let messages = question();
        let request = GenerateRequest {
            messages: &messages,
            stop: &[],
            sampling: &Sampling::Greedy,
            seed: 5,
            max_new_tokens: 2,
            interrupt: &interrupt,
        };
        let written = model.generate(&request, &mut EndedChoice { lowered }, &mut |_| {}).unwrap();
        let trace = written.trace.unwrap();
        (written.text, trace.decisions.iter().any(|decision| decision.token.is_none()))
    };
    let (plain, _) = chosen(None);
    for lowered in [" b", " c"] {
        assert_eq!(chosen(Some(lowered)), (plain.clone(), true), "{lowered}");
    }
}
