//! Turns that go on from one of their steps, over real sockets: what gives way, what runs, what the model is told.

use std::sync::{Arc, Mutex};

use datarus_agent::llm::{
    Completion, Constraint, GenerateRequest, Model, ModelError, ModelInfo, Profile,
};
use datarus_agent::transcript::{ChatMessage, Role, Segment};
use datarus_kernel::config::Config;
use datarus_kernel::prompt::Loader;
use serde_json::{Value, json};
use tests::doubles::ScriptedModel;
use tests::frontend::{Ended, Frontend, config, python};
use tests::page::Page;

use crate::prompt_cell::{answer, step};

/// What a model was told, request by request, without the standing instructions.
pub(crate) type Heard = Arc<Mutex<Vec<String>>>;

/// Follows a script and notes what it was told.
struct Listener(ScriptedModel, Heard);

impl Model for Listener {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.0.count_tokens(messages)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let messages = request.messages.iter().filter(|message| message.role != Role::System);
        let told = messages.flat_map(|message| &message.content).map(Segment::text).collect();
        self.1.lock().unwrap().push(told);
        self.0.generate(request, constraint, on_text)
    }
}

pub(crate) fn listener(script: &[String]) -> (Loader, Heard) {
    let (script, heard) = (script.to_vec(), Heard::default());
    let noted = heard.clone();
    let loader = move |_: &Config| {
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        let model = ScriptedModel::new(Profile::Full, &script);
        Ok(Box::new(Listener(model, noted.clone())) as Box<dyn Model>)
    };
    (Box::new(loader), heard)
}

/// A notebook in which a turn of two steps and an answer stands.
struct Scene {
    client: Frontend,
    page: Page,
    heard: Heard,
    turn: String,
}

impl Scene {
    /// `script` comes after the first turn.
    async fn new(script: &[String]) -> Scene {
        let first = [
            step("Make a number.", "x = 20\nprint('made')"),
            step("Double it.", "print(x * 2)"),
            answer("It is 40."),
        ];
        Scene::after(&[&first, script].concat()).await
    }

    /// The whole script.
    async fn after(script: &[String]) -> Scene {
        let (loader, heard) = listener(script);
        let mut client = Frontend::start(config(&python()), loader).await;
        let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
        page.ask(&mut client, "p", "> What is twice 20?").await;
        let turn = page.cell("p").metadata["datarus"]["turn"].as_str().unwrap().to_owned();
        page.ran.clear();
        page.told.clear();
        Scene { client, page, heard, turn }
    }

    fn id(&self, part: &str) -> String {
        format!("{}-{part}", self.turn)
    }

    fn edit(&mut self, part: &str, source: &str) {
        let id = self.id(part);
        self.page.cell(&id).source = source.into();
    }

    /// Goes on from a step to the end of the turn.
    async fn go_on(&mut self, part: &str) -> Ended {
        let id = self.id(part);
        let prompt = self.page.go_on(&mut self.client, "p", &id).await;
        self.page.until(&mut self.client, "done").await;
        self.client.end_of(&prompt).await
    }

    /// Ids without the turn's name.
    fn parts(&self) -> Vec<String> {
        let name = format!("{}-", self.turn);
        let ids = self.page.cells.iter().map(|cell| cell.id.replace(&name, ""));
        ids.collect()
    }

    fn facts(&mut self, part: &str) -> Value {
        let id = self.id(part);
        self.page.cell(&id).metadata["datarus"].clone()
    }

    /// The steps that the page ran.
    fn ran(&self) -> Vec<String> {
        let name = format!("{}-", self.turn);
        self.page.ran.iter().map(|(id, _)| id.replace(&name, "")).collect()
    }

    fn heard_last(&self) -> String {
        self.heard.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test]
async fn an_edited_last_step_is_run_and_the_answer_is_made_anew_below_it() {
    let mut scene = Scene::new(&[answer("It is 60.")]).await;
    scene.edit("2c", "print(x * 3)");
    let ended = scene.go_on("2c").await;
    assert_eq!(ended.reply["status"], "ok");
    assert_eq!(scene.parts(), ["p", "1t", "1c", "2t", "2c", "3t_2", "a_2"]);
    assert_eq!(scene.ran(), ["2c"], "the page ran it as any step");
    let last = scene.page.cells.last().unwrap();
    assert!(last.source.contains(&format!("[60](#cell-id={}-2c", scene.turn)), "{}", last.source);
    let facts = scene.facts("2c");
    let sha = datarus_kernel::cells::source_sha("print(x * 3)");
    assert_eq!((&facts["src_sha"], &facts["status"]), (&json!(sha), &json!("ok")));
    assert_eq!(scene.facts("a_2")["turn"], json!(scene.turn));
    let heard = scene.heard_last();
    let order = [
        "What is twice 20?",
        "made",
        "print(x * 3)",
        "60",
        "The analyst has changed",
        "print(x * 2)",
    ];
    let places: Vec<_> = order.iter().map(|words| heard.find(words)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {heard}");
    assert!(!heard.contains("It is 40"), "{heard}");
}

#[tokio::test]
async fn a_turn_goes_on_from_an_edited_step_in_the_middle_and_steps_count_on() {
    let script = [step("Treble it.", "print(x * 3)"), answer("It is 90.")];
    let mut scene = Scene::new(&script).await;
    scene.page.write("mine", "'mine'");
    scene.edit("1c", "x = 30\nprint('made anew')");
    let ended = scene.go_on("1c").await;
    assert_eq!(scene.parts(), ["p", "1t", "1c", "2t_2", "2c_2", "3t_2", "a_2", "mine"]);
    assert_eq!(scene.ran(), ["1c", "2c_2"]);
    assert_eq!(scene.facts("2c_2")["step"], 2);
    let shown = ended.contents("display_data")[0]["data"]["text/markdown"].as_str().unwrap();
    assert!(shown.starts_with("*Answered · 2 steps · "), "{shown}");
    let removed =
        scene.page.told.iter().find(|data| data["op"] == "begin" && data["remove"] != json!([]));
    let removed = removed.unwrap()["remove"].as_array().unwrap().len();
    assert_eq!(removed, 4, "in one step: thought, code, thought, answer");
    let mut again = scene;
    let told = again.page.ask(&mut again.client, "q", "> and?").await;
    assert_eq!(told.reply["ename"], "ModelError", "the script has ended");
    let heard = again.heard_last();
    assert!(
        heard.contains("made anew") && heard.contains("It is 90.") && !heard.contains("It is 40"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_step_that_stands_as_it_ran_is_not_run_again() {
    let mut scene = Scene::new(&[answer("Still 40.")]).await;
    scene.go_on("2c").await;
    assert_eq!((scene.ran().len(), scene.parts().len()), (0, 7));
    assert_eq!(scene.page.cells.last().unwrap().id, scene.id("a_2"));
    assert!(!scene.heard_last().contains("The analyst has changed"));
    scene.edit("2c", "print(x * 5)");
    let id = scene.id("2c");
    let run = scene.page.run(&mut scene.client, &id).await;
    scene.client.end_of(&run).await;
    let ended = scene.go_on("2c").await;
    assert_eq!(ended.reply["ename"], "ModelError", "the script has ended");
    assert_eq!(scene.ran().len(), 0, "the reader has run it");
    let heard = scene.heard_last();
    assert!(heard.contains("100") && heard.contains("The analyst has changed"), "{heard}");
}

#[tokio::test]
async fn the_words_before_the_edit_are_the_same_to_the_letter() {
    let script = [
        step("Make a table.", "import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndf"),
        step("Look.", "print(df.a)"),
        answer("One."),
        answer("Still one."),
    ];
    let mut scene = Scene::after(&script).await;
    scene.edit("2c", "print(df.a + 1)");
    scene.go_on("2c").await;
    let heard = scene.heard.lock().unwrap().clone();
    let (before, after) = (&heard[2], &heard[3]);
    let same = before.find("print(df.a)").unwrap() + "print(df.a".len();
    assert_eq!(before[..same], after[..same]);
}

#[tokio::test]
async fn an_edited_step_that_fails_is_told_and_the_turn_goes_on() {
    let script = [step("Mend it.", "print(21 + 21)"), answer("It is 42.")];
    let mut scene = Scene::new(&script).await;
    scene.edit("2c", "1/0");
    assert_eq!(scene.go_on("2c").await.reply["status"], "ok");
    assert_eq!(scene.parts(), ["p", "1t", "1c", "2t", "2c", "3t_2", "3c_2", "4t_2", "a_2"]);
    let heard = scene.heard_last();
    assert!(heard.contains("ZeroDivisionError") && heard.contains("That step failed"), "{heard}");
    let id = scene.id("2c");
    let tags = json!(["datarus-code", "datarus-failed", "skip-execution"]);
    assert_eq!(scene.page.cell(&id).metadata["tags"], tags);
    // Mended by hand, it is a step as any other.
    scene.edit("2c", "print('mended')");
    assert_eq!(scene.go_on("2c").await.reply["ename"], "ModelError", "the script has ended");
    let metadata = &scene.page.cell(&id).metadata;
    assert_eq!((&metadata["tags"], metadata.get("jupyter")), (&json!(["datarus-code"]), None));
}

#[tokio::test]
async fn stop_while_the_edited_step_runs_keeps_what_stands() {
    let mut scene = Scene::new(&[]).await;
    scene.edit("2c", "print('begun', flush=True)\nimport time; time.sleep(600)");
    let id = scene.id("2c");
    let prompt = scene.page.go_on(&mut scene.client, "p", &id).await;
    scene.page.until(&mut scene.client, "execute").await;
    let step = scene.page.ran[0].1.clone();
    scene.client.until_published(&step, "stream").await;
    scene.page.say(&mut scene.client, json!({"op": "stop", "turn": scene.turn})).await;
    let done = scene.page.until(&mut scene.client, "done").await;
    assert_eq!(done["status"], "interrupted");
    assert_eq!(scene.client.end_of(&step).await.reply["ename"], "KeyboardInterrupt");
    assert_eq!(scene.client.end_of(&prompt).await.reply["status"], "ok");
    assert_eq!(scene.parts(), ["p", "1t", "1c", "2t", "2c", "a_2"]);
    assert_eq!(scene.page.cells.last().unwrap().source, "**Stopped** before an answer.");
    assert_eq!(scene.client.run("x").await.reply["status"], "ok", "the companion stays");
}

#[tokio::test]
async fn cells_that_an_undo_brings_back_never_bear_the_ids_of_new_ones() {
    let script = [answer("It is so."), step("Add.", "print(x + 1)"), answer("It is 21.")];
    let mut scene = Scene::new(&script).await;
    let before = scene.page.cells.clone();
    scene.go_on("2c").await;
    // The reader's undo brings back what gave way.
    scene.page.cells.extend(before.into_iter().skip(5));
    scene.go_on("2c").await;
    assert_eq!(scene.parts(), ["p", "1t", "1c", "2t", "2c", "3t_3", "3c_3", "4t_3", "a_3"]);
}

#[tokio::test]
async fn a_step_that_is_not_in_the_notebook_is_told_and_nothing_is_lost() {
    let mut scene = Scene::new(&[]).await;
    let before = scene.parts();
    let ended = scene.go_on("9c").await;
    assert_eq!(ended.reply["ename"], "UnknownStep");
    assert_eq!(scene.parts(), before);
}

#[tokio::test]
async fn the_page_that_does_not_run_the_edited_step_gets_its_outputs() {
    let mut scene = Scene::new(&[answer("It is 60.")]).await;
    scene.edit("2c", "print(x * 3)");
    scene.page.runs = false;
    assert_eq!(scene.go_on("2c").await.reply["status"], "ok");
    let id = scene.id("2c");
    assert_eq!(scene.page.cell(&id).outputs[0]["text"], "60\n");
    assert!(scene.heard_last().contains("60"));
}

#[tokio::test]
async fn in_review_the_step_that_a_reader_goes_on_from_runs_at_once() {
    let mut scene = Scene::new(&[answer("Gone.")]).await;
    let settings = json!({"op": "settings", "settings": {"review": "all"}});
    scene.page.say(&mut scene.client, settings).await;
    scene.edit("2c", "print('by hand')");
    assert_eq!(scene.go_on("2c").await.reply["status"], "ok");
    assert!(scene.page.told.iter().all(|data| data["op"] != "ask"), "{:?}", scene.page.told);
}
