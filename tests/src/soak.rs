//! What a long run of turns leaves: a notebook that is looked at, and figures that are judged.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::frontend::Message;
use crate::page::{Page, PageCell};

/// Python's own judgement of a notebook file.
const VALIDATE: &str = "import sys, nbformat; nbformat.validate(nbformat.read(sys.argv[1], 4))";

/// So many samples make a slope; fewer only a difference.
const SLOPE_FROM: usize = 10;

/// The most that memory may grow, in MiB per 1,000 turns.
const SLOPE: f64 = 1.0;

/// The most that memory may grow in a short run, in MiB: buffers reach their size.
const GROWTH: f64 = 32.0;

/// Threads may come and go by so many.
const THREADS: u64 = 2;

/// Descriptors too: files of what was left out stay open for the newest 64 cells, of which one in twenty printed much.
const DESCRIPTORS: u64 = 12;

/// What a page does not hold of its notebook: the outputs of what it ran, and cells of clients without a page.
#[derive(Debug, Default)]
pub struct Notebook {
    cells: Vec<Value>,
    outputs: BTreeMap<String, (Vec<Value>, Option<u64>)>,
}

impl Notebook {
    /// A cell that was run without a page.
    pub fn add_cell(&mut self, id: &str, cell_type: &str, source: &str, published: &[Message]) {
        self.add_outputs(id, published);
        self.cells
            .push(json!({"id": id, "cell_type": cell_type, "source": source, "metadata": {}}));
    }

    /// The outputs of a cell, as a front end keeps them.
    pub fn add_outputs(&mut self, id: &str, published: &[Message]) {
        let mut outputs: Vec<(Value, Value)> = Vec::new();
        let mut count = None;
        for message in published {
            let (content, id) = (&message.content, &message.content["transient"]["display_id"]);
            match message.msg_type.as_str() {
                "execute_input" => count = content["execution_count"].as_u64(),
                "update_display_data" => {
                    for (known, output) in outputs.iter_mut().filter(|(known, _)| known == id) {
                        *output = output_of("display_data", content);
                        *known = id.clone();
                    }
                }
                "stream" | "display_data" | "execute_result" | "error" => {
                    outputs.push((id.clone(), output_of(&message.msg_type, content)));
                }
                _ => {}
            }
        }
        let outputs = outputs.into_iter().map(|(_, output)| output).collect();
        self.outputs.insert(id.to_owned(), (outputs, count));
    }

    /// Saves the notebook as the page sees it, and has Python and ourselves read it.
    ///
    /// # Errors
    /// When it is not valid, or a step that was run is not in it.
    pub fn save(
        &self,
        page: Option<&Page>,
        file: &Path,
        python: &Path,
    ) -> Result<(), Box<dyn Error>> {
        let mut cells = self.cells.clone();
        cells.extend(page.into_iter().flat_map(|page| &page.cells).map(of_page));
        for cell in &mut cells {
            self.fill(cell)?;
        }
        let document = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5});
        let notebook = datarus_kernel::notebook::Notebook::parse(&document.to_string())?;
        notebook.write(file)?;
        let read = std::process::Command::new(python).args(["-c", VALIDATE]).arg(file).output()?;
        if !read.status.success() {
            return Err(String::from_utf8_lossy(&read.stderr).into());
        }
        if datarus_kernel::notebook::Notebook::read(file)? != notebook {
            return Err("the notebook is not what was written".into());
        }
        Ok(())
    }

    fn fill(&self, cell: &mut Value) -> Result<(), String> {
        if cell["cell_type"] != "code" {
            return Ok(());
        }
        let kept = cell["id"].as_str().and_then(|id| self.outputs.get(id));
        if let Some((outputs, count)) = kept {
            (cell["outputs"], cell["execution_count"]) = (json!(outputs), json!(count));
        }
        let facts = &cell["metadata"]["datarus"];
        if facts["role"] == "code" && facts["status"] == "ok" && !cell["execution_count"].is_u64() {
            return Err(format!("a step that was run has no outputs: {cell:#}"));
        }
        Ok(())
    }
}

fn of_page(cell: &PageCell) -> Value {
    let mut document = json!({
        "id": cell.id, "cell_type": cell.cell_type, "source": cell.source, "metadata": cell.metadata,
    });
    if cell.cell_type == "code" {
        (document["outputs"], document["execution_count"]) =
            (json!(cell.outputs), json!(cell.execution_count));
    }
    document
}

fn output_of(output_type: &str, content: &Value) -> Value {
    let mut output: Map<String, Value> = content.as_object().cloned().unwrap_or_default();
    output.remove("transient");
    output.insert("output_type".into(), json!(output_type));
    Value::Object(output)
}

/// What a process holds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    turn: usize,
    resident_kib: u64,
    threads: u64,
    descriptors: u64,
}

impl Sample {
    /// Of the process `pid`, after so many turns.
    ///
    /// # Errors
    /// When it is gone, or the system has no `/proc`.
    pub fn of(pid: u32, turn: usize) -> Result<Sample, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().unwrap_or_default().parse()
        };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        let (resident_kib, threads) = (field("VmRSS:")?, field("Threads:")?);
        Ok(Sample { turn, resident_kib, threads, descriptors })
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes of a process")]
    fn mib(self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }
}

/// The Python process of the kernel `pid`, by its number out here: in a sandbox it has another.
pub fn companion_of(pid: u32) -> Option<u32> {
    let runs_python = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        !program.ends_with(b"bwrap") && words.any(|word| word.ends_with(b"/launch.py"))
    };
    let children = children_of(pid);
    let found = children.iter().copied().find(runs_python);
    found.or_else(|| children.into_iter().find_map(companion_of))
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let parsed = |list: String| list.split_whitespace().map(str::parse).collect::<Vec<_>>();
    listed.flat_map(parsed).flatten().collect()
}

/// What is counted and measured.
#[derive(Debug, Default)]
pub struct Figures {
    fates: BTreeMap<String, usize>,
    /// What a step took, from the model's first word of it to its end in the page, beyond its time on the companion.
    pub overheads: Vec<Duration>,
    /// Since the kernel was last restarted.
    pub samples: Vec<Sample>,
}

impl Figures {
    /// Counts something that happened.
    pub fn count(&mut self, what: &str) {
        *self.fates.entry(what.to_owned()).or_default() += 1;
    }

    /// What the kernel held when it was last looked at.
    pub fn last(&self) -> String {
        let shown = |sample: &Sample| {
            let Sample { threads, descriptors, .. } = sample;
            format!("{:.1} MiB, {descriptors} descriptors, {threads} threads", sample.mib())
        };
        self.samples.last().map(shown).unwrap_or_default()
    }

    /// MiB per 1,000 turns, by least squares.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand turns")]
    fn slope(&self) -> f64 {
        let points: Vec<_> =
            self.samples.iter().map(|sample| (sample.turn as f64, sample.mib())).collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        if below > 0.0 { above / below * 1_000.0 } else { 0.0 }
    }

    /// Prints them.
    #[expect(clippy::print_stdout, reason = "the figures are what it is for")]
    pub fn report(&mut self, turns: usize) {
        let fates: Vec<_> = self.fates.iter().map(|(fate, n)| format!("{n} {fate}")).collect();
        println!("{turns} turns: {}", fates.join(", "));
        println!("every reply and idle status came, every notebook was valid");
        self.overheads.sort();
        let count = self.overheads.len();
        if let Some(longest) = self.overheads.last() {
            let at = |percent: usize| self.overheads[(count * percent / 100).min(count - 1)];
            println!(
                "a step in a page, beyond its time in Python: {:.1} ms (median), {:.1} ms (99 %), {:.1} ms \
                 at most, of {count}",
                at(50).as_secs_f64() * 1e3,
                at(99).as_secs_f64() * 1e3,
                longest.as_secs_f64() * 1e3
            );
        }
        if let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) {
            println!(
                "the kernel from turn {} to turn {}: {:.1} to {:.1} MiB ({:+.2} MiB per 1,000 turns), {} to {} \
                 descriptors, {} to {} threads",
                first.turn,
                last.turn,
                first.mib(),
                last.mib(),
                self.slope(),
                first.descriptors,
                last.descriptors,
                first.threads,
                last.threads
            );
        }
    }

    /// Whether the kernel holds no more at the end than at the beginning.
    ///
    /// # Errors
    /// When it does.
    pub fn judge(&self) -> Result<(), Box<dyn Error>> {
        let [first, .., last] = &self.samples[..] else { return Ok(()) };
        if self.samples.len() >= SLOPE_FROM && self.slope() > SLOPE {
            return Err(format!("memory grows by more than {SLOPE} MiB per 1,000 turns").into());
        }
        if last.mib() - first.mib() > GROWTH {
            return Err(format!("memory grew by more than {GROWTH} MiB").into());
        }
        let flat = last.threads <= first.threads + THREADS
            && last.descriptors <= first.descriptors + DESCRIPTORS;
        if !flat {
            return Err("descriptors or threads grew".into());
        }
        Ok(())
    }
}
