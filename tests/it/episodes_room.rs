//! The room that episodes share: what leads out of it, what breaks in it, and what the next episode finds.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use datarus_agent::executor::Status;
use datarus_agent::llm::Interrupt;
use datarus_agent::observation::observe;
use datarus_agent::trajectory::Trajectory;
use datarus_kernel::training::make::{Job, Made, make};
use serde_json::{Value, json};
use tests::frontend::{config, python};

use crate::episodes::{LOAD, end, step, task, trajectories};

/// Longer than any cell takes that ends, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(120);

/// All that is played of tasks, one after the other in one room; a cell may take so long.
fn played_within(
    cell_timeout: Duration,
    folder: &Path,
    tasks: &[Value],
) -> (Made, Vec<Trajectory>) {
    let path = folder.join("tasks.jsonl");
    let lines: Vec<String> = tasks.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let job = Job {
        tasks: path,
        output: folder.join("out.jsonl"),
        solver: None,
        workers: NonZeroUsize::MIN,
        all: true,
        samples: NonZeroUsize::MIN,
        tokens: false,
    };
    let mut config = config(&python());
    config.limits.cell_timeout = cell_timeout;
    let made = make(&config, &job, &Interrupt::default(), &mut |_, _| ()).unwrap();
    (made, trajectories(&std::fs::read_to_string(job.output).unwrap()))
}

fn played(folder: &Path, tasks: &[Value]) -> (Made, Vec<Trajectory>) {
    played_within(PATIENCE, folder, tasks)
}

fn printed(trajectory: &Trajectory, at: usize) -> Value {
    json!(trajectory.steps[at].step.execution.outputs)[0]["text"].clone()
}

#[test]
fn what_is_removed_lies_in_the_room_even_behind_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine.txt");
    std::fs::write(&mine, "mine").unwrap();
    let mut linked = task("linked", "?", &[], &[step("Look.", "1"), end("1.")]);
    linked["before"] = json!(format!("import os; os.symlink({:?}, \"out\")", folder.path()));
    linked["removed"] = json!(["out/mine.txt"]);
    let (made, _) = played(folder.path(), &[linked]);
    assert_eq!(std::fs::read_to_string(mine).unwrap(), "mine");
    assert_eq!((made.skipped, made.broken), (1, 0), "such a task is none");
    let beside = std::fs::read_to_string(folder.path().join("out.rejected.jsonl")).unwrap();
    assert!(beside.contains("`out/mine.txt` cannot be removed"), "{beside}");
}

#[test]
fn a_cell_that_takes_too_long_or_ends_python_is_a_step_that_says_so() {
    let hard = [
        step("Set.", "x = 1"),
        step("Wait.", "print(\"so far\", flush=True)\nwhile True: pass"),
        step("Look.", "print(\"x\" in dir(), open(\"sales.csv\").readline())"),
        step("End.", "import os\nos._exit(3)"),
        step("Look.", "print(2)"),
        end("It is 2."),
    ];
    let after = [step("Load.", LOAD), end("It is 220.5.")];
    let folder = tempfile::tempdir().unwrap();
    let tasks = [task("hard", "?", &["2"], &hard), task("after", "?", &["220.5"], &after)];
    let (made, all) = played_within(Duration::from_secs(15), folder.path(), &tasks);
    assert_eq!((made.episodes, made.broken), (2, 0));
    let status: Vec<Status> = all[0].steps.iter().map(|done| done.step.execution.status).collect();
    let expected = [Status::Ok, Status::TimedOut, Status::Ok, Status::Died, Status::Ok];
    assert_eq!(status, expected);
    let seen = |at: usize| {
        let step = &all[0].steps[at].step;
        observe(&step.code, &step.execution, datarus_agent::llm::Profile::Full)
    };
    assert!(seen(1).starts_with("so far\nThe Python process was ended, all variables are lost."));
    assert!(seen(3).contains("all variables and imports are lost"), "{}", seen(3));
    assert_eq!(printed(&all[0], 2), "False region,revenue\n\n");
    assert_eq!(all[1].steps[0].step.execution.status, Status::Ok);
}

/// What a cell leaves behind that no variable is.
const DIRTY: &str = "\
import warnings, numpy as np, pandas as pd, matplotlib
warnings.simplefilter(\"error\")
np.set_printoptions(precision=1)
np.seterr(all=\"raise\")
pd.set_option(\"display.max_rows\", 4)
matplotlib.rcParams[\"figure.dpi\"] = 7
print = lambda *_: None
get_ipython = None
warned = warnings.warn
setattr(pd.Series, \"sum\", lambda self: 42)";

const CLEAN: &str = "\
import warnings, numpy as np, pandas as pd, matplotlib
print(np.array([1.2345]), np.geterr()[\"divide\"], pd.get_option(\"display.max_rows\"))
print(matplotlib.rcParams[\"figure.dpi\"] == 7, warnings.filters[0][0] == \"error\")
print(callable(get_ipython), pd.Series([1, 2]).sum())";

#[test]
fn an_episode_begins_as_if_python_were_new() {
    let folder = tempfile::tempdir().unwrap();
    // Without the last line Python is not started anew.
    let kept = DIRTY.rsplit_once('\n').unwrap().0;
    let tasks: Vec<Value> = [("a", CLEAN), ("b", kept), ("c", CLEAN), ("d", DIRTY), ("e", CLEAN)]
        .into_iter()
        .map(|(id, code)| task(id, "?", &[], &[step("Look.", code), end("1.")]))
        .collect();
    let (_, all) = played(folder.path(), &tasks);
    let first = printed(&all[0], 0);
    assert_eq!(first, "[1.2345] warn 60\nFalse False\nTrue 3\n");
    assert_eq!((printed(&all[2], 0), printed(&all[4], 0)), (first.clone(), first));
    let patched = |at: usize| all[at].steps[0].evidence.as_ref().unwrap().patched;
    assert_eq!([0, 1, 3].map(patched), [false, false, true]);
}
