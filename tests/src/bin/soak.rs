//! Plays many turns against one kernel while things go wrong, and says what became of it.
//!
//! `soak [TURNS=150]`: one in twenty turns each has its companion killed, is interrupted, floods its output, or fails; in
//! the first half one in twenty is followed by a restart of the kernel. Every other notebook is shown in a page. The kernel
//! is `scripted-kernel` beside this program (`DATARUS_SCRIPTED_KERNEL` names another). A lost reply, a kernel that stays
//! busy, a notebook that is not valid or memory that grows ends it with an error.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use datarus_kernel::connection::Channel;
use serde_json::json;
use tests::frontend::{Ended, Frontend, python};
use tests::page::Page;
use tests::random::Random;
use tests::soak::{Figures, Notebook, Sample, companion_of};
use tokio::process::Command;

/// Turns in a notebook; then it is saved and looked at, and the kernel measured.
const IN_A_NOTEBOOK: usize = 25;

/// What a turn's one step does, by a word of its question.
const SCRIPT: &str = r#"{
    "soakplain": {"steps": [["Count.", "x = list(range(10))\nprint(sum(x))\nlen(x)"]], "answer": "It is 45."},
    "soakerror": {"steps": [["Fail.", "print('a')\n1/0"], ["Mend.", "print('b')"]], "answer": "It is b."},
    "soakflood": {"steps": [["Print.", "for _ in range(20_000): print('x' * 400)"]], "answer": "Much."},
    "soakwait": {"steps": [["Wait.", "import time\nprint('begun', flush=True)\ntime.sleep(600)"]],
                 "answer": "It was cut short."}
}"#;

/// What happens to a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Plain,
    Error,
    Flood,
    Interrupt,
    Kill,
}

impl Fate {
    fn drawn(random: &mut Random) -> Fate {
        match random.below(20) {
            0 => Fate::Error,
            1 => Fate::Flood,
            2 => Fate::Interrupt,
            3 => Fate::Kill,
            _ => Fate::Plain,
        }
    }

    fn question(self) -> &'static str {
        match self {
            Fate::Plain => "> soakplain",
            Fate::Error => "> soakerror",
            Fate::Flood => "> soakflood",
            Fate::Interrupt | Fate::Kill => "> soakwait",
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let turns = std::env::args().nth(1).map_or(Ok(150), |turns| turns.parse())?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("script.json"), SCRIPT)?;
    let mut player = Player::start(folder).await;
    let began = Instant::now();
    for turn in 0..turns {
        if turn % IN_A_NOTEBOOK == 0 {
            player.begin_notebook(turn / IN_A_NOTEBOOK).await;
        }
        player.play(turn).await;
        if turn < turns / 2 && player.random.below(20) == 0 {
            player.restart().await;
        }
        if turn % IN_A_NOTEBOOK == IN_A_NOTEBOOK - 1 {
            player.check(turn)?;
            let seconds = began.elapsed().as_secs_f64();
            println!("turn {turn} after {seconds:.0} s: {}", player.figures.last());
        }
    }
    player.figures.report(turns);
    player.client.shut_down().await;
    player.figures.judge()
}

struct Player {
    client: Frontend,
    /// Every other notebook is shown in a page.
    page: Option<Page>,
    /// What the page does not hold.
    notebook: Notebook,
    /// Whether Python was started since the last turn.
    fresh: bool,
    random: Random,
    figures: Figures,
    folder: tempfile::TempDir,
    path: String,
}

impl Player {
    async fn start(folder: tempfile::TempDir) -> Player {
        let client = Frontend::start_command(command(&folder)).await;
        let (random, figures, path) = (Random(4), Figures::default(), String::new());
        let notebook = Notebook::default();
        Player { client, page: None, notebook, fresh: true, random, figures, folder, path }
    }

    async fn begin_notebook(&mut self, number: usize) {
        self.path = format!("{number}.ipynb");
        self.notebook = Notebook::default();
        if let Some(page) = self.page.take() {
            page.close(&mut self.client).await;
        } else {
            self.page = Some(Page::open(&mut self.client, &self.path, json!({})).await);
        }
    }

    async fn play(&mut self, turn: usize) {
        let fate = Fate::drawn(&mut self.random);
        let id = format!("p{turn}");
        let told = self.page.as_ref().map_or(0, |page| page.told.len());
        let prompt = match &mut self.page {
            None => self.client.send_cell(fate.question()).await,
            Some(page) => {
                page.write(&id, fate.question());
                page.run(&mut self.client, &id).await
            }
        };
        let step = self.step_of(&prompt).await;
        if matches!(fate, Fate::Interrupt | Fate::Kill) {
            self.disturb(fate, step.as_deref().unwrap_or(&prompt)).await;
        }
        if let Some(page) = &mut self.page {
            let done = page.until(&mut self.client, "done").await;
            let held = json!({"op": "held", "turn": done["turn"]});
            page.say(&mut self.client, held).await;
        }
        let ended = self.client.end_of(&prompt).await;
        let expected = if fate == Fate::Interrupt { "error" } else { "ok" };
        assert_eq!(ended.reply["status"], expected, "turn {turn}, {fate:?}: {}", ended.reply);
        self.figures.count(&format!("{fate:?}"));
        let took = self.page.as_ref().and_then(|page| page.time_of_step(&page.ran.last()?.0, told));
        let ran = self.keep(&id, fate.question(), &ended).await;
        // What waits for a fresh Python is no overhead.
        let fresh = std::mem::replace(&mut self.fresh, fate == Fate::Kill);
        if let (Some(took), Some(ran), Fate::Plain, false) = (took, ran, fate, fresh) {
            self.figures.overheads.push(took.saturating_sub(ran));
        }
        self.is_idle().await;
    }

    /// The page's request for the first step; none without a page.
    async fn step_of(&mut self, prompt: &str) -> Option<String> {
        let Some(page) = &mut self.page else {
            self.client.until_published(prompt, "stream").await;
            return None;
        };
        page.until(&mut self.client, "execute").await;
        let (_, request) = page.ran.last()?.clone();
        self.client.until_published(&request, "stream").await;
        Some(request)
    }

    async fn disturb(&mut self, fate: Fate, cell: &str) {
        if fate == Fate::Interrupt {
            return self.client.interrupt().await;
        }
        self.client.until_published(cell, "stream").await;
        let pid = self.kernel_pid().and_then(companion_of).expect("a companion");
        let killed = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status().await;
        assert!(killed.is_ok_and(|status| status.success()), "killed {pid}");
    }

    fn kernel_pid(&self) -> Option<u32> {
        self.client.process.as_ref()?.id()
    }

    /// Puts the turn into the notebook; says how long its steps ran, where a page has seen that.
    async fn keep(&mut self, id: &str, question: &str, ended: &Ended) -> Option<Duration> {
        let Some(page) = &mut self.page else {
            self.notebook.add_cell(id, "code", question, &ended.published);
            return None;
        };
        let mut ran = Duration::ZERO;
        for (cell, request) in std::mem::take(&mut page.ran) {
            let step = self.client.end_of(&request).await;
            if let (Some(first), Some(last)) = (step.published.first(), step.published.last()) {
                ran += last.at - first.at;
            }
            self.notebook.add_outputs(&cell, &step.published);
        }
        self.notebook.add_outputs(id, &ended.published);
        Some(ran)
    }

    /// Nothing of the kernel's last word says that it is busy.
    async fn is_idle(&mut self) {
        let ended = self.client.ask(Channel::Shell, "kernel_info_request", json!({})).await;
        assert_eq!(ended.reply["status"], "ok");
        assert_eq!(self.client.state.as_deref(), Some("idle"), "stuck busy");
    }

    async fn restart(&mut self) {
        self.client.restart(command(&self.folder)).await;
        self.figures.count("Restart");
        self.figures.samples.clear();
        self.fresh = true;
        if let Some(page) = &mut self.page {
            page.reopen(&mut self.client, &self.path).await;
        }
    }

    /// Saves and reads the notebook, and measures the kernel.
    fn check(&mut self, turn: usize) -> Result<(), Box<dyn Error>> {
        let file = self.folder.path().join(&self.path);
        self.notebook.save(self.page.as_ref(), &file, &python())?;
        let kernel = self.kernel_pid().ok_or("a kernel that runs")?;
        self.figures.samples.push(Sample::of(kernel, turn)?);
        Ok(())
    }
}

fn command(folder: &tempfile::TempDir) -> Command {
    let kernel = std::env::var_os("DATARUS_SCRIPTED_KERNEL").map(PathBuf::from);
    let beside = || std::env::current_exe().expect("a path").with_file_name("scripted-kernel");
    let mut command = Command::new(kernel.unwrap_or_else(beside));
    command
        .env("DATARUS_SCRIPT", folder.path().join("script.json"))
        .env("XDG_STATE_HOME", folder.path())
        .current_dir(folder.path());
    command
}
