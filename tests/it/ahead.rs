//! Reading ahead while a step runs.

use std::path::PathBuf;
use std::time::Duration;

use datarus_agent::executor::{Output, Status};
use datarus_agent::llm::{
    Completion, Constraint, GenerateRequest, Interrupt, Model, ModelError, ModelInfo, Profile,
};
use datarus_agent::transcript::{ChatMessage, Segment};
use datarus_kernel::prompt::Loader;
use tests::doubles::{ScriptedModel, ended, printed};
use tests::frontend::{Frontend, config, python};

use crate::prompt_cell::{answer, step};
use crate::scene::{END, LOOK, MEAN, Scene, task};

/// All that is said, in one text.
fn text_of(messages: &[ChatMessage]) -> String {
    messages.iter().flat_map(|message| &message.content).map(Segment::text).collect()
}

#[test]
fn what_is_read_ahead_begins_what_is_asked_next() {
    let many = |text: &str| {
        let lines = (0..40).map(|line| format!("{text} {line}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let stream = |text: &str| printed(&many(text)).outputs.remove(0);
    let shown = Output::DisplayData {
        data: serde_json::from_str(r#"{"text/plain": "a value"}"#).unwrap(),
        metadata: serde_json::Map::new(),
    };
    let done = ended(Status::Ok, vec![stream("before"), shown, stream("after")]);
    let mut scene = Scene::new(Profile::Full, &[LOOK, MEAN, END], vec![done, printed("2.0\n")]);
    scene.play(&task("What is the mean of a?"));
    let read = &scene.model.read_ahead;
    for (n_asked, messages) in read {
        let (ahead, asked) = (text_of(messages), text_of(&scene.model.asked[*n_asked]));
        assert!(asked.starts_with(&ahead), "{ahead}\n is no beginning of\n{asked}");
        assert!(ahead.contains("</action_input>\n<observation>\n"), "{ahead}");
    }
    // When the cell began, and again when it had put out more than a little.
    let times = |n: usize| read.iter().filter(|(n_asked, _)| *n_asked == n).count();
    assert_eq!((times(1), times(2)), (3, 1));
}

/// Reads ahead until it is told to stop; writes the file `go` once it reads of a signal.
struct Reader {
    script: ScriptedModel,
    go: PathBuf,
}

fn reader(script: Vec<String>, go: PathBuf) -> Loader {
    Box::new(move |_| {
        let script: Vec<_> = script.iter().map(String::as_str).collect();
        let script = ScriptedModel::new(Profile::Full, &script);
        Ok(Box::new(Reader { script, go: go.clone() }) as Box<dyn Model>)
    })
}

impl Model for Reader {
    fn info(&self) -> &ModelInfo {
        self.script.info()
    }

    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        self.script.count_tokens(messages)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest<'_>,
        constraint: &mut dyn Constraint,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        self.script.generate(request, constraint, on_text)
    }

    fn read_ahead(&mut self, messages: &[ChatMessage], interrupt: &Interrupt) {
        let text = text_of(messages);
        if text.contains("\n<observation>\nsignal") {
            std::fs::write(&self.go, "").unwrap();
        }
        // The first time there is nothing to read yet.
        while !text.ends_with("\n<observation>\n") && !interrupt.is_set() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

#[tokio::test]
async fn outputs_are_read_while_their_cell_runs_and_its_end_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let code = "import os, time\nprint('signal ' * 20 + '\\nmore')\n\
        while not os.path.exists('go'): time.sleep(0.01)\nprint('went on')";
    let loader = reader(vec![step("Wait.", code), answer("It went on.")], folder.path().join("go"));
    let mut config = config(&python());
    config.folder = folder.path().to_owned();
    let mut client = Frontend::start(config, loader).await;
    let ended = client.run("> Does it go on?").await;
    assert_eq!(ended.reply["status"], "ok", "{}", ended.reply);
    let printed = ended.text("stdout");
    assert!(printed.ends_with("went on\n"), "{printed}");
}

#[tokio::test]
async fn an_interrupt_ends_the_reading_too() {
    let folder = tempfile::tempdir().unwrap();
    let code = "import time\nprint('wait ' * 40 + '\\nmore', flush=True)\ntime.sleep(600)";
    let script = vec![step("Wait.", code), answer("Done.")];
    let loader = reader(script, folder.path().join("go"));
    let mut client = Frontend::start(config(&python()), loader).await;
    let prompt = client.send_cell("> Wait").await;
    client.until_published(&prompt, "stream").await;
    client.interrupt().await;
    assert_eq!(client.end_of(&prompt).await.reply["ename"], "KeyboardInterrupt");
    // The agent's thread is free again.
    assert_eq!(client.run("> And now?").await.reply["status"], "ok");
}
