//! The model host as its callers see it, on small random models.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

use datarus_agent::llm::chat_template::Renderer;
use datarus_agent::llm::local::LocalModel;
use datarus_agent::llm::{
    Candidate, Completion, Constraint, FinishReason, GenerateRequest, Hardware, Interrupt, Model,
    ModelError, Next, Profile, Sampling, Unconstrained,
};
use datarus_agent::transcript::{ChatMessage, Role, Segment};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models").join(name)
}

fn load(path: &Path) -> Result<LocalModel, ModelError> {
    LocalModel::load(path, Hardware::Auto, None, Renderer::Here)
}

/// The fixture with a tokenizer like the embedded model's.
fn model() -> LocalModel {
    load(&fixture("qwen2-q8_0.gguf")).unwrap()
}

fn message(role: Role, content: Vec<Segment>) -> ChatMessage {
    ChatMessage { role, content }
}

fn question() -> Vec<ChatMessage> {
    vec![message(Role::User, vec![Segment::Data(String::from("Which region sold most?"))])]
}

/// What a call asks for, where tests differ.
struct Ask<'a> {
    stop: &'a [&'a str],
    sampling: Sampling,
    seed: u64,
    max_new_tokens: usize,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { stop: &[], sampling: Sampling::Greedy, seed: 0, max_new_tokens: 40 }
    }
}

/// Runs a call and checks what holds for every completion: the pieces make the text.
fn generate(
    model: &mut LocalModel,
    messages: &[ChatMessage],
    ask: &Ask<'_>,
    constraint: &mut dyn Constraint,
) -> Completion {
    let mut pieces = String::new();
    let interrupt = Interrupt::default();
    let request = GenerateRequest {
        messages,
        stop: ask.stop,
        sampling: &ask.sampling,
        seed: ask.seed,
        max_new_tokens: ask.max_new_tokens,
        interrupt: &interrupt,
    };
    let completion =
        model.generate(&request, constraint, &mut |piece| pieces.push_str(piece)).unwrap();
    assert_eq!(pieces, completion.text);
    assert_eq!(completion.usage.completion_tokens, completion.tokens.len());
    completion
}

/// Answers from a list, then lets the model do what it likes.
struct Script(std::vec::IntoIter<Next>);

fn script(steps: impl IntoIterator<Item = Next>) -> Script {
    Script(steps.into_iter().collect::<Vec<_>>().into_iter())
}

impl Constraint for Script {
    fn next(&mut self, _generated: &str) -> Next {
        self.0.next().unwrap_or(Next::Free)
    }
}

fn forced(text: &str) -> Next {
    Next::Forced(String::from(text))
}

fn among(texts: &[&str]) -> Next {
    Next::Among(texts.iter().map(|text| Candidate::from(*text)).collect())
}

#[test]
fn what_the_file_says_of_itself_is_known() {
    let model = model();
    let info = model.info();
    assert_eq!((info.name.as_str(), info.architecture.as_str()), ("tiny-qwen2", "qwen2"));
    assert_eq!(info.dialect.as_deref(), Some("datarus"));
    assert_eq!(
        (info.profile, info.literals.as_slice()),
        (Profile::Compact, ["\\t", "%Y"].map(String::from).as_slice())
    );
    assert_eq!(info.context_length, 512);
    assert_eq!(info.sha256.as_ref().map(String::len), Some(64));
    let folder = load(&fixture("qwen3")).unwrap();
    assert_eq!((folder.info().name.as_str(), folder.info().profile), ("qwen3", Profile::Full));
    assert_eq!(folder.info().sha256, None);
}

#[test]
fn a_second_step_computes_only_what_is_new() {
    let mut model = model();
    let mut messages = question();
    let ask = Ask { stop: &["</thought>"], ..Ask::default() };
    let mut steps =
        script([forced("<step>\n<thought>"), Next::Free, Next::Free, forced("</thought>")]);
    let first = generate(&mut model, &messages, &ask, &mut steps);
    assert_eq!(first.finish_reason, FinishReason::Stop);
    assert_eq!(first.usage.prompt_tokens, model.count_tokens(&messages).unwrap());
    assert_eq!(first.usage.prefilled_tokens, first.usage.prompt_tokens);
    let tokens = first.tokens.clone();
    messages.push(message(
        Role::Assistant,
        vec![Segment::Generated { text: first.text.clone(), tokens: tokens.clone() }],
    ));
    messages.push(message(Role::User, vec![Segment::Markup(String::from("Continue."))]));
    let second = generate(&mut model, &messages, &ask, &mut Unconstrained);
    let total = second.usage.prompt_tokens;
    assert_eq!(total, model.count_tokens(&messages).unwrap());
    // Nothing was chosen after the last two tokens, so they are computed with what follows them.
    let held = first.usage.prompt_tokens + tokens.len() - 2;
    assert_eq!(second.usage.prefilled_tokens, total - held);
    let again = generate(&mut model, &messages, &ask, &mut Unconstrained);
    assert_eq!((again.usage.prefilled_tokens, again.text), (1, second.text));
}

#[test]
fn a_kept_cache_changes_nothing() {
    let ask = Ask::default();
    let mut kept = model();
    generate(&mut kept, &question(), &ask, &mut Unconstrained);
    let other =
        vec![message(Role::User, vec![Segment::Data(String::from("Which region? <step>"))])];
    let warm = generate(&mut kept, &other, &ask, &mut Unconstrained);
    let cold = generate(&mut model(), &other, &ask, &mut Unconstrained);
    assert!(warm.usage.prefilled_tokens < cold.usage.prefilled_tokens);
    assert_eq!((warm.text, warm.tokens), (cold.text, cold.tokens));
}

#[test]
fn forced_text_is_written_as_it_is_without_a_choice() {
    let mut model = model();
    let mut steps = script([forced("<action>python_executor</action>\n"), among(&["<answer>"])]);
    let ask = Ask { stop: &["<answer>"], ..Ask::default() };
    let completion = generate(&mut model, &question(), &ask, &mut steps);
    assert_eq!(completion.text, "<action>python_executor</action>\n<answer>");
    assert_eq!(completion.usage.forced_tokens, completion.tokens.len());
    assert_eq!(completion.finish_reason, FinishReason::Stop);
}

#[test]
fn a_choice_is_one_of_its_candidates_whole() {
    let candidates = ["revenue", "region", "rev", "North", "Grüße 日本", "<step>"];
    for seed in 0..20 {
        let sampling = Sampling::Random {
            temperature: 3.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: None,
        };
        let ask = Ask { seed, sampling, stop: &["</step>"], ..Ask::default() };
        let mut steps = script([forced("\""), among(&candidates), forced("</step>")]);
        let text = generate(&mut model(), &question(), &ask, &mut steps).text;
        let chosen = text.strip_prefix('"').unwrap().strip_suffix("</step>").unwrap();
        assert!(candidates.contains(&chosen), "{text:?}");
    }
}

#[test]
fn a_name_that_spells_a_control_token_stays_text() {
    let mut model = model();
    let mut steps = script([among(&["<|im_end|>"]), forced("</step>")]);
    let ask = Ask { stop: &["</step>"], max_new_tokens: 40, ..Ask::default() };
    let completion = generate(&mut model, &question(), &ask, &mut steps);
    assert_eq!(completion.text, "<|im_end|></step>");
    assert!(completion.tokens.len() > 3, "{:?}", completion.tokens);
}

#[test]
fn nothing_is_left_behind_a_stop_string() {
    let mut model = model();
    let check = |model: &mut LocalModel, text: &str, stop: &[&str], expected: &str| {
        let ask = Ask { stop, max_new_tokens: 40, ..Ask::default() };
        let completion = generate(model, &question(), &ask, &mut script([forced(text)]));
        assert_eq!(completion.text, expected);
        assert_eq!(completion.finish_reason, FinishReason::Stop);
        // The tokens are those of the text, to the last one.
        let generated =
            Segment::Generated { text: completion.text.clone(), tokens: completion.tokens };
        let open = |segment| [question(), vec![message(Role::Assistant, vec![segment])]].concat();
        let by_tokens = model.count_tokens(&open(generated)).unwrap();
        let by_text = model.count_tokens(&open(Segment::Markup(completion.text))).unwrap();
        assert!(by_tokens <= by_text + 2);
    };
    check(&mut model, "one</step>two", &["</step>"], "one</step>");
    check(&mut model, "total return", &["tot"], "tot");
    check(&mut model, "abc", &["c", "b"], "ab");
    check(&mut model, "Grüße", &["ü"], "Grü");
}

#[test]
fn limits_end_a_completion() {
    let mut model = model();
    let ask = Ask { max_new_tokens: 5, ..Ask::default() };
    let short = generate(&mut model, &question(), &ask, &mut Unconstrained);
    assert!(short.tokens.len() <= 5);
    let ask = Ask { max_new_tokens: 10_000, ..Ask::default() };
    let mut endless = std::iter::repeat_with(|| forced("word ")).take(1_000).collect::<Vec<_>>();
    endless.push(Next::Free);
    let long = generate(&mut model, &question(), &ask, &mut script(endless));
    assert_eq!(long.finish_reason, FinishReason::Length);
    assert_eq!(long.usage.prompt_tokens + long.tokens.len(), 512);
}

#[test]
fn a_prompt_larger_than_the_context_is_refused_with_both_numbers() {
    let text = "region ".repeat(600);
    let messages = [message(Role::User, vec![Segment::Data(text)])];
    let interrupt = Interrupt::default();
    let request = GenerateRequest {
        messages: &messages,
        stop: &[],
        sampling: &Sampling::Greedy,
        seed: 0,
        max_new_tokens: 1,
        interrupt: &interrupt,
    };
    let error = model().generate(&request, &mut Unconstrained, &mut |_| ()).unwrap_err();
    assert!(
        matches!(error, ModelError::ContextFull { tokens, context_length: 512 } if tokens > 600)
    );
}

#[test]
fn an_interrupt_stops_within_one_token() {
    let mut model = model();
    let messages = question();
    let interrupt = Interrupt::default();
    let request = GenerateRequest {
        messages: &messages,
        stop: &[],
        sampling: &Sampling::Greedy,
        seed: 0,
        max_new_tokens: 400,
        interrupt: &interrupt,
    };
    let mut n_pieces = 0;
    let mut steps =
        script(std::iter::repeat_with(|| among(&["a", "b"])).take(100).collect::<Vec<_>>());
    let completion = model
        .generate(&request, &mut steps, &mut |_| {
            n_pieces += 1;
            if n_pieces == 3 {
                interrupt.set();
            }
        })
        .unwrap();
    assert_eq!((completion.finish_reason, n_pieces), (FinishReason::Cancelled, 3));
    assert_eq!(completion.tokens.len(), 3);
    // Set before it begins: nothing is computed, and the next call works.
    let none = model.generate(&request, &mut Unconstrained, &mut |_| ()).unwrap();
    assert_eq!((none.finish_reason, none.text.as_str()), (FinishReason::Cancelled, ""));
    interrupt.clear();
    assert_ne!(model.generate(&request, &mut Unconstrained, &mut |_| ()).unwrap().text, "");
}

#[test]
fn a_seed_fixes_what_is_written() {
    let sampling = Sampling::Random {
        temperature: 1.0,
        top_k: Some(50),
        top_p: Some(0.95),
        min_p: Some(0.01),
        repetition_penalty: Some(1.1),
    };
    let text = |seed| {
        let ask = Ask { seed, sampling: sampling.clone(), ..Ask::default() };
        generate(&mut model(), &question(), &ask, &mut Unconstrained).text
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn files_that_cannot_be_used_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("qwen2-f32.gguf")).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let mut bytes = whole.clone();
        let start = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[start..start + to.len()].copy_from_slice(to);
        bytes
    };
    let check = |bytes: &[u8], expected: &str| {
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        let error = load(&path).err().unwrap().to_string();
        assert!(error.contains(expected) && error.contains("model.gguf"), "{error}");
    };
    check(b"", "ends too early");
    check(b"PK\x03\x04 a zip", "begins with `GGUF`");
    check(&whole[..whole.len() - 1], "cut short, download it again");
    check(
        &replaced(b"\x05\0\0\0\0\0\0\0qwen2", b"\x05\0\0\0\0\0\0\0llama"),
        "architecture is `llama`",
    );
    check(
        &replaced(b"blk.1.attn_k.weight", b"blk.1.attn_x.weight"),
        "`blk.1.attn_k.weight` is missing",
    );
    check(&replaced(b"\x04\0\0\0\0\0\0\0gpt2", b"\x04\0\0\0\0\0\0\0bert"), "kind `bert`");
    check(
        &replaced(b"\x05\0\0\0\0\0\0\0qwen2\x15", b"\x05\0\0\0\0\0\0\0qwen9\x15"),
        "rules `qwen9`",
    );
    let missing = load(Path::new("/no/such.gguf")).err().unwrap();
    assert!(matches!(missing, ModelError::Read { .. }));
    let empty = load(folder.path()).err().unwrap().to_string();
    assert!(empty.contains("config.json"), "{empty}");
}

#[test]
fn a_folder_whose_parts_do_not_fit_is_refused() {
    let check = |file: &str, from: &str, to: &str, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(fixture("qwen3")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} lacks {from}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = load(folder.path()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "config.json",
        "\"vocab_size\": 320",
        "\"vocab_size\": 300",
        "belong to different models",
    );
    check("config.json", "\"hidden_size\": 64", "\"hidden_size\": 32", "expected [");
    check("config.json", "\"head_dim\": 32", "\"head_dim\": 31", "do not fit");
    check(
        "config.json",
        "\"rope_theta\"",
        "\"rope_scaling\": {\"rope_type\": \"llama3\"}, \"rope_theta\"",
        "`llama3`",
    );
    check("config.json", "{", "{{", "damaged");
    check("tokenizer_config.json", "{%- endfor %}", "{%- end %}", "template");
}

#[test]
fn an_embedded_file_is_loaded_from_memory() {
    let bytes = std::fs::read(fixture("qwen2-q8_0.gguf")).unwrap();
    let mut embedded = LocalModel::from_bytes(bytes.leak()).unwrap();
    assert_eq!(embedded.info().sha256, model().info().sha256);
    let ask = Ask::default();
    let text = generate(&mut embedded, &question(), &ask, &mut Unconstrained).text;
    assert_eq!(text, generate(&mut model(), &question(), &ask, &mut Unconstrained).text);
}
