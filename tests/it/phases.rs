//! An interrupt in each phase of a prompt, at a place that a seed chooses: it is answered, nothing is left half done, and
//! the next cell works. `DATARUS_SEEDS` says how many seeds; with `--nocapture` the times to the reply are printed.

use std::time::{Duration, Instant};

use datarus_kernel::connection::Channel;
use serde_json::{Value, json};
use tests::frontend::{Ended, Frontend, config, python};
use tests::gate::{Gate, Hold};
use tests::page::Page;
use tests::random::Random;

use crate::prompt_cell::{answer, step};

/// A reply that takes longer is a defect on any machine; the promise is half a second on a quiet one.
const LONGEST: Duration = Duration::from_secs(10);

const QUESTION: &str = "> What is it?";

/// A kernel whose model stands at a gate, and a page where there is one.
struct Stage {
    client: Frontend,
    page: Option<Page>,
    gate: Gate,
    random: Random,
    number: usize,
    /// From the interrupt to the reply and the idle status.
    times: Vec<Duration>,
    /// Where the journal is.
    _state: tempfile::TempDir,
}

impl Stage {
    async fn without_page() -> Stage {
        let state = tempfile::tempdir().unwrap();
        let mut config = config(&python());
        config.state = Some(state.path().to_owned());
        let (gate, loader) = Gate::new();
        let mut client = Frontend::start(config, loader).await;
        client.run("import os, subprocess, time").await;
        let (page, random) = (None, Random(1));
        Stage { client, page, gate, random, number: 0, times: Vec::new(), _state: state }
    }

    async fn with_page(settings: Value) -> Stage {
        let mut stage = Stage::without_page().await;
        stage.page = Some(Page::open(&mut stage.client, "a.ipynb", settings).await);
        stage
    }

    /// Asks the next question; the model does as planned.
    async fn ask(&mut self, hold: Hold, script: &[String]) -> String {
        self.gate.plan(hold, script);
        self.number += 1;
        let Some(page) = &mut self.page else { return self.client.send_cell(QUESTION).await };
        let id = format!("p{}", self.number);
        page.write(&id, QUESTION);
        page.run(&mut self.client, &id).await
    }

    /// Does what the kernel says until it says this.
    async fn until(&mut self, op: &str) -> Value {
        self.page.as_mut().unwrap().until(&mut self.client, op).await
    }

    /// Does what the kernel says until the model stands at the gate.
    async fn until_reached(&mut self) {
        let Some(page) = &mut self.page else { return self.gate.reached().await };
        loop {
            tokio::select! {
                () = self.gate.reached() => return,
                // What it has taken in stays, should it be dropped here: only waiting is.
                _ = page.next(&mut self.client) => {}
            }
        }
    }

    /// Interrupts, and waits for the end of a cell.
    async fn interrupt(&mut self, cell: &str) -> Ended {
        let before = Instant::now();
        self.client.interrupt().await;
        if self.page.is_some() {
            // Heard before the reply is taken, which takes all that belongs to the prompt.
            assert_eq!(self.until("done").await["status"], "interrupted");
        }
        let ended = self.client.end_of(cell).await;
        self.times.push(before.elapsed());
        ended
    }

    /// Interrupts a prompt: it is told that it was stopped, its cells are whole, and the next cell works.
    async fn interrupt_prompt(&mut self, prompt: &str) {
        let ended = self.interrupt(prompt).await;
        assert_eq!(ended.reply["ename"], "KeyboardInterrupt", "{}", ended.reply);
        if self.page.is_some() {
            self.is_whole();
        }
        self.goes_on().await;
    }

    async fn goes_on(&mut self) {
        let next = self.client.run("40 + 2").await;
        assert_eq!(next.reply["status"], "ok", "{}", next.reply);
        assert_eq!(next.contents("execute_result")[0]["data"]["text/plain"], "42");
    }

    /// No cell of the page is half done: texts are rendered, and code says what became of it.
    fn is_whole(&self) {
        for cell in &self.page.as_ref().unwrap().cells {
            let facts = cell.metadata.get("datarus").cloned().unwrap_or_default();
            match cell.cell_type.as_str() {
                "markdown" => assert!(cell.rendered, "{cell:#?}"),
                _ if facts["role"] == "prompt" => assert_eq!(facts["status"], "interrupted"),
                _ => assert!(facts["status"].is_string(), "{cell:#?}"),
            }
        }
    }

    /// A question that nobody interrupts is answered.
    async fn answers(&mut self) {
        let prompt = self.ask(Hold::Never, &[answer("So.")]).await;
        if self.page.is_some() {
            assert_eq!(self.until("done").await["status"], "done");
        }
        assert_eq!(self.client.end_of(&prompt).await.reply["status"], "ok");
    }

    /// At most so many characters of `text`, by the seed.
    fn some_of(&mut self, text: &str) -> usize {
        usize::try_from(self.random.below(text.chars().count() as u64)).unwrap()
    }

    #[expect(clippy::print_stdout, reason = "the figures are what the command is for")]
    fn report(mut self, phase: &str) {
        self.times.sort();
        let (count, longest) = (self.times.len(), self.times[self.times.len() - 1]);
        let at = |percent: usize| self.times[(count * percent / 100).min(count - 1)].as_millis();
        println!(
            "interrupt while {phase:<10} {count:>4} times: reply and idle after {:>4} ms (median), {:>4} ms (99 %), \
             {:>4} ms at most; aimed at 500 ms",
            at(50),
            at(99),
            longest.as_millis()
        );
        assert!(longest < LONGEST, "{phase}: {longest:?}");
    }
}

fn seeds() -> u64 {
    std::env::var("DATARUS_SEEDS").map_or(10, |seeds| seeds.parse().unwrap())
}

#[tokio::test]
async fn an_interrupt_while_a_prompt_is_queued_aborts_it() {
    let mut stage = Stage::without_page().await;
    for seed in 0..seeds() {
        let before = if seed % 2 == 0 {
            stage.gate.plan(Hold::Never, &[]);
            let cell = stage.client.send_cell("print('begun', flush=True)\ntime.sleep(600)").await;
            stage.client.until_published(&cell, "stream").await;
            cell
        } else {
            let prompt = stage.ask(Hold::Prefill, &[answer("So.")]).await;
            stage.until_reached().await;
            prompt
        };
        let waits = stage.client.send_cell(QUESTION).await;
        // Answered in the order of the channel: what was sent before has come in.
        let barrier = json!({"code": QUESTION});
        stage.client.ask(Channel::Shell, "is_complete_request", barrier).await;
        let aborted = stage.interrupt(&waits).await;
        assert_eq!(aborted.reply["status"], "aborted");
        assert_eq!(stage.client.end_of(&before).await.reply["ename"], "KeyboardInterrupt");
        stage.goes_on().await;
    }
    stage.answers().await;
    stage.report("queued");
}

#[tokio::test]
async fn an_interrupt_while_the_model_is_loaded_ends_the_turn() {
    let mut stage = Stage::with_page(json!({})).await;
    for _ in 0..seeds() {
        let prompt = stage.ask(Hold::Load, &[]).await;
        stage.until_reached().await;
        stage.interrupt_prompt(&prompt).await;
        // It cannot be loaded, so that it is loaded again for the next question.
        stage.gate.open();
    }
    stage.answers().await;
    stage.report("loading");
}

#[tokio::test]
async fn an_interrupt_while_the_model_reads_ends_the_turn() {
    let mut stage = Stage::with_page(json!({})).await;
    for seed in 0..seeds() {
        let hold = if seed % 2 == 0 { Hold::Prefill } else { Hold::Deaf };
        let prompt = stage.ask(hold, &[answer("So.")]).await;
        stage.until_reached().await;
        stage.interrupt_prompt(&prompt).await;
        stage.gate.open();
    }
    stage.answers().await;
    stage.report("prefill");
}

#[tokio::test]
async fn an_interrupt_while_a_step_is_written_ends_the_turn() {
    let written = step("Look at it, and count.", "x = [1, 2, 3]\nprint(len(x))");
    while_written("decode", &written).await;
}

#[tokio::test]
async fn an_interrupt_while_the_answer_is_written_ends_the_turn() {
    let written = answer("It is **3**, as the list shows, and no more than that.");
    while_written("answering", &written).await;
}

/// Interrupts at some character of what the model writes.
async fn while_written(phase: &str, written: &String) {
    let mut stage = Stage::with_page(json!({})).await;
    for _ in 0..seeds() {
        let hold = Hold::Write { completion: 0, characters: stage.some_of(written) };
        let prompt = stage.ask(hold, std::slice::from_ref(written)).await;
        stage.until_reached().await;
        stage.interrupt_prompt(&prompt).await;
    }
    stage.answers().await;
    stage.report(phase);
}

#[tokio::test]
async fn an_interrupt_when_a_step_is_parsed_and_not_begun_runs_nothing() {
    let mut stage = Stage::with_page(json!({})).await;
    stage.page.as_mut().unwrap().runs = false;
    before_it_runs(stage, "parsed", "execute").await;
}

#[tokio::test]
async fn an_interrupt_while_a_step_waits_for_the_user_runs_nothing() {
    let stage = Stage::with_page(json!({"review": "all"})).await;
    before_it_runs(stage, "waiting", "ask").await;
}

/// Interrupts when the kernel has said `op` of a step, which then does not run.
async fn before_it_runs(mut stage: Stage, phase: &str, op: &str) {
    for _ in 0..seeds() {
        let prompt = stage.ask(Hold::Never, &[step("Look.", "seen = 1"), answer("So.")]).await;
        stage.until(op).await;
        stage.interrupt_prompt(&prompt).await;
    }
    assert_eq!(stage.client.run("print(seen)").await.reply["ename"], "NameError");
    stage.answers().await;
    stage.report(phase);
}

#[tokio::test]
async fn an_interrupt_while_a_step_runs_ends_both() {
    const STEPS: [&str; 4] = [
        "print('begun', flush=True)\ntime.sleep(600)",
        "print('begun', flush=True)\nwhile True: pass",
        "os.system('echo begun; sleep 600')",
        "subprocess.run('echo begun; sleep 600', shell=True)",
    ];
    for page in [false, true] {
        let mut stage =
            if page { Stage::with_page(json!({})).await } else { Stage::without_page().await };
        for _ in 0..seeds().div_ceil(2) {
            let code = *stage.random.one_of(&STEPS);
            let prompt = stage.ask(Hold::Never, &[step("Run.", code), answer("So.")]).await;
            let mut cell = prompt.clone();
            if page {
                stage.until("execute").await;
                cell.clone_from(&stage.page.as_ref().unwrap().ran.last().unwrap().1);
            }
            stage.client.until_published(&cell, "stream").await;
            stage.interrupt_prompt(&prompt).await;
        }
        stage.answers().await;
        stage.report("executing");
    }
}

#[tokio::test]
async fn an_interrupt_while_outputs_are_collected_ends_the_turn() {
    let mut stage = Stage::without_page().await;
    for seed in 0..seeds() {
        // As fast as it can, or so that several messages come before as much is shown as is shown of one step.
        let (pause, most) = if seed % 2 == 0 { ("", 1) } else { ("; time.sleep(0.001)", 4) };
        let code = format!("while True: print('x' * 80){pause}");
        let prompt = stage.ask(Hold::Never, &[step("Print.", &code), answer("So.")]).await;
        for _ in 0..=stage.random.below(most) {
            let of_prompt = |message: &tests::frontend::Message| {
                message.parent.as_deref() == Some(&*prompt) && message.msg_type == "stream"
            };
            stage.client.wait("an output", of_prompt).await;
        }
        stage.interrupt_prompt(&prompt).await;
    }
    stage.answers().await;
    stage.report("collecting");
}

#[tokio::test]
async fn an_interrupt_while_a_step_is_saved_ends_the_turn_and_keeps_the_step() {
    let mut stage = Stage::with_page(json!({})).await;
    for _ in 0..seeds() {
        let hold = Hold::Write { completion: 1, characters: 0 };
        let prompt = stage.ask(hold, &[step("Look.", "1 + 1"), answer("So.")]).await;
        stage.until("execute").await;
        let step = stage.page.as_ref().unwrap().ran.last().unwrap().1.clone();
        // With its reply the step goes to the agent, and from there into the journal.
        stage.client.end_of(&step).await;
        for _ in 0..stage.random.below(50) {
            tokio::task::yield_now().await;
        }
        stage.interrupt_prompt(&prompt).await;
    }
    stage.answers().await;
    stage.report("saving");
}
