//! Prompt cells, with a model that follows a script and a real companion.

use std::time::Duration;

use datarus_agent::llm::{
    Completion, Constraint, FinishReason, GenerateRequest, Model, ModelError, ModelInfo, Profile,
    Usage,
};
use datarus_agent::transcript::{ChatMessage, Segment};
use datarus_kernel::cells::STEP_MIME;
use datarus_kernel::connection::Channel;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{Ended, Frontend, config, python};

pub(crate) fn step(thought: &str, code: &str) -> String {
    format!(
        "<step>\n<thought>{thought}</thought>\n<action>python_executor</action>\n<action_input>\n{code}\n</action_input>"
    )
}

pub(crate) fn answer(text: &str) -> String {
    format!("<stop_analysis>\n<thought>Found.</thought>\n<answer>{text}</answer>\n</stop_analysis>")
}

async fn with_script(script: &[String]) -> Frontend {
    let script = script.to_vec();
    let loader = move |_: &_| {
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        Ok(Box::new(ScriptedModel::new(Profile::Full, &script)) as Box<dyn Model>)
    };
    Frontend::start(config(&python()), Box::new(loader)).await
}

/// The steps' last state and the end, as programs read them.
fn told(ended: &Ended) -> Vec<Value> {
    let mut last: Vec<(Value, Value)> = Vec::new();
    for message in &ended.published {
        let Some(json) = message.content["data"].get(STEP_MIME) else { continue };
        let id = message.content["transient"]["display_id"].clone();
        match (message.msg_type.as_str(), last.iter_mut().find(|(known, _)| *known == id)) {
            ("display_data", None) => last.push((id, json.clone())),
            ("update_display_data", Some((_, known))) => *known = json.clone(),
            found => panic!("a display is shown once and then updated: {found:?}"),
        }
    }
    last.into_iter().map(|(_, json)| json).collect()
}

#[tokio::test]
async fn a_question_is_answered_in_steps() {
    let script = [
        step("Make a table.", "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})\ndf"),
        step("Sum it.", "print('sum'); df['a'].sum()"),
        answer("It is **3**."),
    ];
    let mut client = with_script(&script).await;
    client.run("1").await;
    let ended = client.run("> What is the sum?").await;
    assert_eq!(
        ended.reply,
        json!({"status": "ok", "execution_count": 2, "user_expressions": {}, "payload": []})
    );
    assert_eq!(ended.kinds()[..2], ["busy", "execute_input"]);
    assert_eq!(ended.kinds().iter().filter(|kind| **kind == "idle").count(), 1);
    assert_eq!(ended.contents("execute_input")[0]["code"], "> What is the sum?");

    let told = told(&ended);
    let steps: Vec<_> = told.iter().filter(|json| json["part"].is_null()).collect();
    assert_eq!(steps.len(), 2);
    assert_eq!((&steps[0]["execution_count"], &steps[0]["status"]), (&json!(3), &json!("ok")));
    assert_eq!((&steps[1]["execution_count"], &steps[1]["state"]), (&json!(4), &json!("done")));
    assert_eq!(steps[1]["thought"], "Sum it.");
    let end = told.last().unwrap();
    assert_eq!(
        end["outcome"],
        json!({"kind": "answered", "thought": "Found.", "answer": "It is **3**."})
    );
    assert_eq!(end["model"]["name"], "scripted");

    let table =
        ended.published.iter().find(|message| !message.content["data"]["text/html"].is_null());
    let origin = &table.unwrap().content["metadata"]["datarus"];
    assert_eq!((&origin["step"], &origin["output_type"]), (&json!(1), &json!("execute_result")));
    assert_eq!(ended.text("stdout"), "sum\n");

    let ended = client.run("(In[2], In[4], Out[4], len(In))").await;
    let shown = ended.contents("execute_result")[0]["data"]["text/plain"].as_str().unwrap();
    assert!(shown.starts_with("('> What is the sum?'") && shown.ends_with(", 6)"), "{shown}");
    assert_eq!(ended.reply["execution_count"], 5);
}

#[tokio::test]
async fn a_failed_step_is_text_and_the_next_one_mends_it() {
    let script = [step("Try.", "1/0"), step("Again.", "print(7)"), answer("Seven.")];
    let mut client = with_script(&script).await;
    let ended = client.run("> Try it").await;
    assert_eq!(ended.reply["status"], "ok");
    assert!(ended.contents("error").is_empty(), "an error output would fail a whole papermill run");
    let text = ended.text("stderr");
    assert!(text.contains("ZeroDivisionError") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(told(&ended)[0]["status"], "error");
    assert_eq!(told(&ended)[1]["status"], "ok");
}

#[tokio::test]
async fn names_that_exist_are_python_and_others_are_a_question() {
    let mut client = with_script(&[answer("A summary.")]).await;
    let ended = client.run("summary").await;
    assert_eq!(told(&ended).last().unwrap()["outcome"]["answer"], "A summary.");
    client.run("summary = 5").await;
    let ended = client.run("summary").await;
    assert_eq!(ended.kinds(), ["busy", "execute_input", "execute_result", "idle"]);
}

#[tokio::test]
async fn python_waits_for_the_prompt_and_completion_does_not() {
    let script =
        [step("Wait.", "print('begun', flush=True)\nimport time; time.sleep(2)"), answer("Done.")];
    let mut client = with_script(&script).await;
    let prompt = client.send_cell("> Wait a moment").await;
    let after = client.send_cell("'after'").await;
    client.until_published(&prompt, "stream").await;
    let info = client.ask(Channel::Shell, "kernel_info_request", json!({})).await;
    assert_eq!(info.kinds(), ["busy", "idle"]);
    let ended = client.end_of(&prompt).await;
    assert_eq!(
        ended.kinds().iter().filter(|kind| **kind == "busy").count(),
        2,
        "busy again after another's idle"
    );
    let after = client.end_of(&after).await;
    assert_eq!(
        (&after.reply["status"], &after.reply["execution_count"]),
        (&json!("ok"), &json!(3))
    );
}

#[tokio::test]
async fn a_step_is_interrupted_with_its_turn_and_what_waits_is_aborted() {
    let script = [step("Sleep.", "import time; print('begun', flush=True)\ntime.sleep(600)")];
    let mut client = with_script(&script).await;
    let prompt = client.send_cell("> Sleep").await;
    let behind = client.send_cell("1").await;
    client.until_published(&prompt, "stream").await;
    client.interrupt().await;
    let ended = client.end_of(&prompt).await;
    assert_eq!(
        (&ended.reply["status"], &ended.reply["ename"]),
        (&json!("error"), &json!("KeyboardInterrupt"))
    );
    assert!(ended.contents("error").is_empty());
    assert_eq!(told(&ended).last().unwrap()["outcome"]["kind"], "interrupted");
    assert_eq!(client.end_of(&behind).await.reply["status"], "aborted");
    let ended = client.run("time.sleep(0); 1").await;
    assert_eq!(ended.reply["status"], "ok", "the companion is as before: {}", ended.reply);
}

/// A model that another one succeeds after so many completions.
pub(crate) fn in_turn(
    first: Box<dyn Model>,
    n_first: usize,
    then: Box<dyn Model>,
) -> Box<dyn Model> {
    Box::new(InTurn { first, n_first, then })
}

struct InTurn {
    first: Box<dyn Model>,
    n_first: usize,
    then: Box<dyn Model>,
}

impl Model for InTurn {
    fn info(&self) -> &ModelInfo {
        self.first.info()
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.first.count_tokens(messages)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let model = if self.n_first > 0 { &mut self.first } else { &mut self.then };
        self.n_first = self.n_first.saturating_sub(1);
        model.generate(request, constraint, on_text)
    }
}

/// Answers with all that it was told.
pub(crate) struct Parrot(ModelInfo);

impl Parrot {
    pub(crate) fn loader() -> datarus_kernel::prompt::Loader {
        let info = ScriptedModel::new(Profile::Full, &[]).info;
        Box::new(move |_| Ok(Box::new(Parrot(info.clone())) as Box<dyn Model>))
    }
}

impl Model for Parrot {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn count_tokens(&self, _: &[ChatMessage]) -> Result<usize, ModelError> {
        Ok(0)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        _: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let told = request.messages.iter().flat_map(|message| &message.content);
        let text = answer(&told.map(Segment::text).collect::<String>().replace('<', "‹"));
        on_text(&text);
        let finish_reason = FinishReason::Stop;
        Ok(Completion {
            text,
            tokens: Vec::new(),
            finish_reason,
            usage: Usage::default(),
            trace: None,
        })
    }
}

#[tokio::test]
async fn the_agent_is_told_of_variables_cells_and_turns_so_far() {
    let mut client = Frontend::start(config(&python()), Parrot::loader()).await;
    client.run("import pandas as pd\nsold = pd.DataFrame({'region': ['N'], 'revenue': [7]})").await;
    client.run("print('a printed line')").await;
    client.run("> the first question").await;
    let ended = client.run("> and a second one").await;
    let end = told(&ended).pop().unwrap();
    let heard = end["outcome"]["answer"].as_str().unwrap();
    for part in ["region", "revenue", "a printed line", "the first question", "and a second one"] {
        assert!(heard.contains(part), "expected {part} in {heard}");
    }
}

#[tokio::test]
async fn a_flag_that_does_not_exist_is_named() {
    let mut client = with_script(&[]).await;
    let ended = client.run("%%ask --loud\nWhat is this?").await;
    assert_eq!(ended.reply["ename"], "UnknownFlag");
    assert!(ended.reply["evalue"].as_str().unwrap().contains("--loud"));
}

/// Writes until it is told to stop; or, when it is stubborn, for ever.
pub(crate) struct Endless {
    info: ModelInfo,
    stubborn: bool,
}

impl Endless {
    pub(crate) fn loader(stubborn: bool) -> datarus_kernel::prompt::Loader {
        let info = ScriptedModel::new(Profile::Full, &[]).info;
        Box::new(move |_| Ok(Box::new(Endless { info: info.clone(), stubborn }) as Box<dyn Model>))
    }
}

impl Model for Endless {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, _: &[ChatMessage]) -> Result<usize, ModelError> {
        Ok(0)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        _: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let mut text = String::from("<step>\n<thought>");
        on_text(&text);
        while self.stubborn || !request.interrupt.is_set() {
            on_text("hm ");
            text += "hm ";
            std::thread::sleep(Duration::from_millis(5));
        }
        let finish_reason = FinishReason::Cancelled;
        Ok(Completion {
            text,
            tokens: Vec::new(),
            finish_reason,
            usage: Usage::default(),
            trace: None,
        })
    }
}

#[tokio::test]
async fn a_generation_is_interrupted_even_if_the_model_does_not_listen() {
    for stubborn in [false, true] {
        let mut client = Frontend::start(config(&python()), Endless::loader(stubborn)).await;
        let prompt = client.send_cell("> Think").await;
        client.until_published(&prompt, "update_display_data").await;
        client.interrupt().await;
        let ended = client.end_of(&prompt).await;
        assert_eq!(ended.reply["ename"], "KeyboardInterrupt");
        assert_eq!(client.run("1").await.reply["status"], "ok");
    }
}

#[tokio::test]
async fn a_step_beyond_its_time_is_stopped_and_the_turn_goes_on() {
    // C code that never looks at signals.
    let stubborn = "sum(range(10**12))";
    for (code, survives) in [("import time; time.sleep(600)", true), (stubborn, false)] {
        let script = [step("Long.", code), answer("Too long.")];
        let mut config = config(&python());
        config.limits.cell_timeout = Duration::from_secs(1);
        let loader = move |_: &_| {
            let script: Vec<_> = script.iter().map(String::as_str).collect();
            Ok(Box::new(ScriptedModel::new(Profile::Full, &script)) as Box<dyn Model>)
        };
        let mut client = Frontend::start(config, Box::new(loader)).await;
        client.run("kept = 1").await;
        let ended = client.run("> Take long").await;
        assert_eq!(told(&ended)[0]["status"], "timed_out", "{code}");
        assert_eq!(told(&ended).last().unwrap()["outcome"]["kind"], "answered");
        let kept = client.run("kept").await;
        assert_eq!(kept.reply["status"] == "ok", survives, "{:?}", kept.reply);
        // The user reads it where the step stands, the model in what it sees of the step.
        let lost = "all variables are lost";
        assert_eq!(ended.text("stderr").contains(lost), !survives, "{ended:?}");
    }
}

#[tokio::test]
async fn a_companion_that_dies_under_a_step_is_told_to_the_agent() {
    let script =
        [step("Die.", "import os; os._exit(1)"), step("Go on.", "print('alive')"), answer("Ok.")];
    let mut client = with_script(&script).await;
    let ended = client.run("> Die").await;
    assert_eq!(ended.reply["status"], "ok");
    assert_eq!(told(&ended)[0]["status"], "died");
    assert_eq!(ended.text("stdout"), "alive\n");
}

#[tokio::test]
async fn a_model_that_cannot_be_made_or_panics_is_an_error_and_the_kernel_stays() {
    let missing = |_: &_| Err(ModelError::Compute("no such file".into()));
    let panics = |_: &_| -> Result<Box<dyn Model>, ModelError> { panic!("a bug") };
    let loaders: [(datarus_kernel::prompt::Loader, &str); 2] =
        [(Box::new(missing), "ModelError"), (Box::new(panics), "AgentPanic")];
    for (loader, ename) in loaders {
        let mut client = Frontend::start(config(&python()), loader).await;
        for _ in 0..2 {
            let ended = client.run("> A question").await;
            assert_eq!(ended.reply["ename"], ename);
            assert_eq!(ended.contents("error").len(), 1);
        }
        assert_eq!(client.run("1").await.reply["status"], "ok");
    }
}
