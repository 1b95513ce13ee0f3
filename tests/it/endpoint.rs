//! A model that a server computes, against a stand-in server that breaks in every way that servers break in.

use std::time::Duration;

use datarus_agent::llm::endpoint::{ApiKey, Endpoint, Patience, Reach, Settings};
use datarus_agent::llm::{
    Completion, FinishReason, GenerateRequest, Interrupt, Model as _, ModelError, Sampling,
    Unconstrained,
};
use datarus_agent::transcript::{ChatMessage, Role, Segment};
use serde_json::{Value, json};
use tests::stand_in::{Answer, StandIn, answer, finishes, http, refusal, says, stream, writes};

const KEY: &str = "sk-stand-in-secret";
const STOP: &[&str] = &["</action_input>", "</step>", "</stop_analysis>"];
const STEP: &str = "<step>\n<thought>Grüße 🙂</thought>\n<action>python_executor</action>\n<action_input>\nprint(6 * 7)\n";

fn settings(server: &StandIn) -> Settings {
    Settings {
        address: server.address.parse().unwrap(),
        model: None,
        key: ApiKey::read(KEY).unwrap(),
        context_length: None,
        patience: Patience {
            silence: Duration::from_secs(60),
            pause: Duration::from_millis(1),
            attempts: 3,
        },
    }
}

fn chat(texts: &[(Role, &str)]) -> Vec<ChatMessage> {
    let message = |(role, text): &(Role, &str)| ChatMessage {
        role: *role,
        content: vec![Segment::Data((*text).to_owned())],
    };
    texts.iter().map(message).collect()
}

/// Lets the server write; what is handed out in pieces is what there is in the end.
fn generate(endpoint: &mut Endpoint, messages: &[ChatMessage]) -> Result<Completion, ModelError> {
    generate_until(endpoint, messages, &Interrupt::default(), &mut |_| ())
}

/// As [`generate`], with all that was handed out so far at each piece.
fn generate_until(
    endpoint: &mut Endpoint,
    messages: &[ChatMessage],
    interrupt: &Interrupt,
    on_heard: &mut dyn FnMut(&str),
) -> Result<Completion, ModelError> {
    let request = GenerateRequest {
        messages,
        stop: STOP,
        sampling: &Sampling::Greedy,
        seed: 7,
        max_new_tokens: 100,
        interrupt,
    };
    let mut heard = String::new();
    let completion = endpoint.generate(&request, &mut Unconstrained, &mut |text| {
        heard.push_str(text);
        on_heard(&heard);
    })?;
    assert_eq!(heard, completion.text);
    Ok(completion)
}

fn ask(server: &StandIn) -> Result<Completion, ModelError> {
    let mut endpoint = Endpoint::connect(settings(server)).unwrap();
    generate(&mut endpoint, &chat(&[(Role::User, "How many?")]))
}

/// Text and reason of what comes of these answers.
#[track_caller]
fn check(answers: Vec<Answer>, text: &str, reason: FinishReason) {
    let n_answers = answers.len();
    let server = StandIn::start(answers);
    let completion = ask(&server).unwrap();
    assert_eq!((completion.text.as_str(), completion.finish_reason), (text, reason));
    assert_eq!(server.asked().len(), n_answers);
}

/// What is said of these answers, and how often the server is asked.
#[track_caller]
fn check_error(answers: Vec<Answer>, n_asked: usize, words: &[&str]) {
    let server = StandIn::start(answers);
    let error = ask(&server).unwrap_err().to_string();
    assert!(error.starts_with(&format!("the model server at {}: ", server.address)), "{error}");
    for word in words {
        assert!(error.contains(word), "expected {word:?} in {error:?}");
    }
    assert!(!error.contains("sk-st"), "{error}");
    assert_eq!(server.asked().len(), n_asked, "{error}");
}

#[test]
fn a_stream_becomes_a_completion_with_its_end_and_what_it_cost() {
    let server = StandIn::start(vec![writes(STEP, "stop")]);
    let completion = ask(&server).unwrap();
    assert_eq!(completion.text, format!("{STEP}</action_input>"));
    assert_eq!(completion.finish_reason, FinishReason::Stop);
    let usage = completion.usage;
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (321, 12));
    let asked = server.asked().remove(0);
    assert!(asked.head.contains(&format!("authorization: Bearer {KEY}\r\n")), "{}", asked.head);
    assert_eq!(asked.body["model"], "datarus-stand-in");
    assert_eq!(asked.body["messages"], json!([{"role": "user", "content": "How many?"}]));
    assert_eq!(asked.body["stop"], json!(STOP));
}

#[test]
fn each_closing_tag_that_a_server_cuts_off_is_put_back() {
    let terminal = "<stop_analysis>\n<thought>x</thought>\n<answer>42</answer>\n";
    check(
        vec![writes(terminal, "stop")],
        &format!("{terminal}</stop_analysis>"),
        FinishReason::Stop,
    );
    let thought = "<step>\n<thought>x</thought>\n";
    check(vec![writes(thought, "stop")], &format!("{thought}</step>"), FinishReason::Stop);
    // A server that says which, where it could not be guessed.
    let code = "<step><action_input>\nprint(\"";
    let mut end = finishes("stop");
    end["choices"][0]["stop_reason"] = json!("</step>");
    let named = Answer::Bytes(stream(&[says(code), end]));
    check(vec![named], &format!("{code}</step>"), FinishReason::Stop);
}

#[test]
fn a_server_that_does_not_stop_is_stopped() {
    let whole = format!("{STEP}</action_input>");
    let more = format!("{whole}\n<observation>\n43\n</observation>");
    let server = StandIn::start(vec![Answer::Hold(stream(&[says(&more), says("and on")]))]);
    assert_eq!(ask(&server).unwrap().text, whole);
    server.closed.recv().unwrap();
}

#[test]
fn a_server_that_does_not_stream_or_gives_thoughts_apart_is_understood() {
    let whole = json!({"choices": [{"message": {"content": STEP}, "finish_reason": "stop"}]});
    check(vec![answer(&whole)], &format!("{STEP}</action_input>"), FinishReason::Stop);
    let thinks = |text: &str| json!({"choices": [{"delta": {"reasoning_content": text}}]});
    let events = [thinks("A <step>"), thinks("?"), says("<answer>"), finishes("stop")];
    let expected = "<think>\nA ‹step>?\n</think>\n<answer>";
    check(vec![Answer::Bytes(stream(&events))], expected, FinishReason::Stop);
}

#[test]
fn what_breaks_off_in_the_middle_can_be_continued() {
    let mut cut = stream(&[says("<step>"), says("🙂🙂")]);
    let text = "<step>🙂🙂";
    check(vec![Answer::Bytes(cut.clone())], text, FinishReason::Length);
    // In the middle of a character of an event that does not count.
    cut.extend("data: {\"choices\":[{\"delta\":{\"content\":\"🙂".as_bytes());
    cut.pop();
    check(vec![Answer::Bytes(cut)], text, FinishReason::Length);
    check(
        vec![Answer::Bytes(stream(&[says(text), finishes("length")]))],
        text,
        FinishReason::Length,
    );
    // Closed without the last word, but with a reason.
    check(vec![Answer::Bytes(stream(&[says("Hi"), finishes("stop")]))], "Hi", FinishReason::Stop);
    // The length that was announced does not arrive.
    let short = http(
        "200 OK",
        "content-length: 999\r\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",
    );
    check(vec![Answer::Bytes(short)], "Hi", FinishReason::Length);
    // Nor does what was to follow the end.
    let ended = format!("data: {}\n\ndata: {}\n\n", says("Hi"), finishes("stop"));
    let ended = http("200 OK", "content-length: 999\r\n", &ended);
    check(vec![Answer::Bytes(ended)], "Hi", FinishReason::Stop);
}

#[test]
fn what_passes_is_asked_again_as_long_as_nothing_is_written() {
    let good = || writes("Hi", "stop");
    for passing in [
        refusal("429 Too Many Requests", "slow down"),
        refusal("503 Service Unavailable", ""),
        refusal("500 Internal Server Error", "<html>"),
        Answer::Bytes(Vec::new()),
        Answer::Bytes(stream(&[])),
    ] {
        check(vec![passing.clone(), good()], "Hi", FinishReason::Stop);
        check_error(vec![passing], 3, &[]);
    }
    check_error(
        vec![refusal("503 Service Unavailable", "loading")],
        3,
        &["status 503: loading", "try again later"],
    );
}

#[test]
fn what_stays_is_said_with_what_to_do_and_not_asked_again() {
    let repeats = json!({"error": {"message": format!("no such key: {KEY}")}}).to_string();
    check_error(
        vec![refusal("401 Unauthorized", &repeats)],
        1,
        &["no such key: (the key)", "set DATARUS_API_KEY"],
    );
    let straddles = format!("{}{KEY}", "x".repeat(290));
    check_error(vec![refusal("418 I'm a teapot", &straddles)], 1, &["status 418: xxx"]);
    check_error(vec![refusal("404 Not Found", "<html>")], 1, &["is `/v1` missing"]);
    check_error(
        vec![refusal("400 Bad Request", r#"{"error": {"message": "odd"}}"#)],
        1,
        &["refused the request: odd"],
    );
    check_error(vec![refusal("307 Temporary Redirect", "")], 1, &["another place"]);
    let page = http("200 OK", "content-type: text/html\r\n", "<html><body>Log in</body></html>");
    check_error(vec![Answer::Bytes(page)], 1, &["found a web page", "`/v1`"]);
    let garbage = http("200 OK", "", "data: {\"choices\": [}\n\n");
    check_error(vec![Answer::Bytes(garbage)], 1, &["expected events with JSON"]);
    check_error(vec![Answer::Bytes(b"SSH-2.0-x\r\n\r\n".to_vec())], 1, &["expected HTTP"]);
    let giant = http("200 OK", "", &format!("data: {}", "x".repeat(2 << 20)));
    check_error(vec![Answer::Bytes(giant)], 1, &["without end"]);
    let fails = stream(&[says("Hi"), json!({"error": {"message": "out of memory", "code": 500}})]);
    check_error(vec![Answer::Bytes(fails)], 1, &["it failed: out of memory"]);
    check_error(vec![Answer::Bytes(stream(&[finishes("content_filter")]))], 1, &["filter"]);
}

#[test]
fn a_chat_that_is_too_long_for_the_server_is_told_as_such() {
    let body = r#"{"error":{"message":"x","type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}"#;
    let server = StandIn::start(vec![refusal("400 Bad Request", body)]);
    let error = ask(&server).unwrap_err();
    assert!(
        matches!(error, ModelError::ContextFull { tokens: 5000, context_length: 4096 }),
        "{error}"
    );
}

#[test]
fn a_parameter_that_a_server_does_not_know_is_left_out_from_then_on() {
    let refuse = |name: &str| {
        let error = json!({"error": {"message": "Unsupported parameter", "param": name}});
        refusal("400 Bad Request", &error.to_string())
    };
    let server = StandIn::start(vec![refuse("max_tokens"), refuse("seed"), writes("Hi", "stop")]);
    let mut endpoint = Endpoint::connect(settings(&server)).unwrap();
    for _ in 0..2 {
        let messages = chat(&[(Role::User, "q")]);
        assert_eq!(generate(&mut endpoint, &messages).unwrap().text, "Hi");
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 4, "two refusals, and two answers");
    for body in asked[2..].iter().map(|asked| asked.body.as_object().unwrap()) {
        assert_eq!(
            (body.get("max_completion_tokens"), body.get("seed")),
            (Some(&json!(100)), None)
        );
        assert!(!body.contains_key("max_tokens"));
    }
}

#[test]
fn what_was_left_out_is_sent_again_when_the_request_failed_all_the_same() {
    let unknown = refusal("400 Bad Request", r#"{"error": {"message": "no", "param": "seed"}}"#);
    let odd = refusal("400 Bad Request", r#"{"error": {"message": "odd"}}"#);
    let server = StandIn::start(vec![unknown, odd, writes("Hi", "stop")]);
    let mut endpoint = Endpoint::connect(settings(&server)).unwrap();
    let messages = chat(&[(Role::User, "q")]);
    assert!(generate(&mut endpoint, &messages).is_err());
    assert_eq!(generate(&mut endpoint, &messages).unwrap().text, "Hi");
    let asked = server.asked();
    let seeds: Vec<_> = asked.iter().map(|asked| asked.body.get("seed").is_some()).collect();
    assert_eq!(seeds, [true, false, true]);
}

#[test]
fn a_server_that_says_nothing_of_use_is_not_waited_for() {
    let impatient = |server: &StandIn| {
        let mut settings = settings(server);
        settings.patience.silence = Duration::from_secs(2);
        settings
    };
    let drips = |begins: &[Value], drop: &str| Answer::Drip(stream(begins), drop.into());
    let blank = format!("data: {}\n\n", says(" "));
    std::thread::scope(|scope| {
        for (answer, text) in [
            (drips(&[], ": still here\n\n"), ""),
            (drips(&[], &blank), ""),
            (drips(&[], " "), ""),
            (drips(&[says("Hi")], ": still here\n\n"), "Hi"),
            (Answer::Hold(stream(&[says("Hi")])), "Hi"),
            (Answer::Drip(http("200 OK", "", "{"), b" ".to_vec()), ""),
            (Answer::Drip(http("503 Service Unavailable", "", ""), b" ".to_vec()), ""),
        ] {
            scope.spawn(move || {
                let server = StandIn::start(vec![answer]);
                let mut endpoint = Endpoint::connect(impatient(&server)).unwrap();
                match generate(&mut endpoint, &chat(&[(Role::User, "q")])) {
                    Ok(completion) => {
                        assert!(completion.text.starts_with(text) && !text.is_empty());
                        assert_eq!(completion.finish_reason, FinishReason::Length);
                    }
                    Err(error) => assert!(text.is_empty(), "{error}"),
                }
            });
        }
        scope.spawn(|| {
            let models = Answer::Drip(http("200 OK", "", ""), b" ".to_vec());
            let error = Endpoint::connect(impatient(&StandIn::with_models(models, vec![])));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("nothing of use for 2 seconds"), "{error}");
        });
    });
}

#[test]
fn a_message_in_progress_is_continued() {
    let models = |owner: &str| answer(&json!({"data": [{"id": "m", "owned_by": owner}]}));
    let messages = chat(&[(Role::User, "q"), (Role::Assistant, "<step>\n<thought>so")]);
    // vLLM writes what is new, llama.cpp the whole message.
    for (owner, said) in
        [("vllm", " far</thought>\n"), ("llamacpp", "<step>\n<thought>so far</thought>\n")]
    {
        let server = StandIn::with_models(models(owner), vec![writes(said, "stop")]);
        let mut endpoint = Endpoint::connect(settings(&server)).unwrap();
        let completion = generate(&mut endpoint, &messages).unwrap();
        assert_eq!(completion.text, " far</thought>\n</step>", "{owner}");
        let body = &server.asked()[0].body;
        assert_eq!(body["continue_final_message"], true);
        assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    }
    let server = StandIn::start(vec![writes(" far</thought>\n", "stop")]);
    let mut endpoint = Endpoint::connect(settings(&server)).unwrap();
    let completion = generate(&mut endpoint, &messages).unwrap();
    assert_eq!(completion.text, " far</thought>\n</step>");
    let last = server.asked()[0].body["messages"][2].clone();
    assert_eq!(last["role"], "user");
    assert!(last["content"].as_str().unwrap().starts_with("Your last message was cut off"));
}

#[test]
fn an_interrupt_ends_each_phase_and_closes_the_connection() {
    for (held, text) in [
        (Vec::new(), ""),
        (stream(&[]), ""),
        (stream(&[says("Hi"), says(" there")]), "Hi there"),
        (http("200 OK", "", "{\"choices\": ["), ""),
        (http("401 Unauthorized", "content-length: 99\r\n", "no"), ""),
    ] {
        let server = StandIn::start(vec![Answer::Hold(held)]);
        let completion = interrupted(&server, text, || server.held.recv().unwrap());
        assert_eq!(completion.text, text);
        server.closed.recv().unwrap();
    }
    // While it waits to ask again.
    let later = http("503 Service Unavailable", "retry-after: 60\r\ncontent-length: 0\r\n", "");
    let server = StandIn::start(vec![Answer::Bytes(later), writes("late", "stop")]);
    interrupted(&server, "", || {
        while server.asked().is_empty() {
            std::thread::yield_now();
        }
    });
    assert_eq!(server.asked().len(), 1);
}

/// Interrupts a completion when its text is `text` and `stalls` has returned.
fn interrupted(server: &StandIn, text: &str, stalls: impl FnOnce()) -> Completion {
    let interrupt = Interrupt::default();
    let mut endpoint = Endpoint::connect(settings(server)).unwrap();
    let messages = chat(&[(Role::User, "q")]);
    let (tells, told) = std::sync::mpsc::channel();
    let completion = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let tell = &mut |heard: &str| tells.send(heard.to_owned()).unwrap();
            tell("");
            generate_until(&mut endpoint, &messages, &interrupt, tell)
        });
        stalls();
        while told.recv().unwrap() != text {}
        interrupt.set();
        writer.join().unwrap().unwrap()
    });
    assert_eq!(completion.finish_reason, FinishReason::Cancelled);
    completion
}

#[test]
fn a_server_says_which_model_it_is() {
    let connect =
        |models: Value| Endpoint::connect(settings(&StandIn::with_models(answer(&models), vec![])));
    let endpoint = connect(json!({"data": [{"id": "qwen", "max_model_len": 4096}]})).unwrap();
    let info = endpoint.info().clone();
    assert_eq!((info.name.as_str(), info.context_length, info.sha256), ("qwen", 4096, None));
    let place = info.served.unwrap();
    assert!(
        place.at.starts_with("http://127.0.0.1:") && !place.at.ends_with("/v1"),
        "{}",
        place.at
    );
    assert_eq!((place.reach, place.encrypted), (Reach::Here, false));
    assert_eq!(connect(json!({"data": [{"id": "a"}]})).unwrap().info().context_length, 8_192);
    let several = connect(json!({"data": [{"id": "a"}, {"id": "b"}]})).unwrap_err().to_string();
    assert!(several.contains("`a`, `b`: name one with `--endpoint-model NAME`"), "{several}");

    // A server without a list is believed to have what is named.
    let server = StandIn::with_models(refusal("404 Not Found", ""), vec![]);
    let error = Endpoint::connect(settings(&server)).unwrap_err().to_string();
    assert!(error.contains("is `/v1` missing"), "{error}");
    let named =
        Settings { model: Some(String::from("x")), context_length: Some(9), ..settings(&server) };
    let endpoint = Endpoint::connect(named).unwrap();
    assert_eq!((endpoint.info().name.as_str(), endpoint.info().context_length), ("x", 9));
}

#[test]
fn where_nothing_listens_the_error_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{free}/v1").parse().unwrap();
    let settings = Settings { address, ..settings(&StandIn::start(vec![])) };
    let error = Endpoint::connect(settings).unwrap_err().to_string();
    assert!(error.contains("nothing listens there: is the server running?"), "{error}");
    // No name is looked up that a test does not know: this one cannot exist.
    let address = "http://stand-in.invalid/v1".parse().unwrap();
    let settings = Settings { address, ..self::settings(&StandIn::start(vec![])) };
    assert!(Endpoint::connect(settings).is_err());
}
