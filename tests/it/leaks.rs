//! What a kernel holds after many companions is what it held after one.

use std::path::Path;

use tests::frontend::{Frontend, python};
use tests::processes::{children, until};

/// How many companions come and go; `DATARUS_RESTARTS` names another number.
fn restarts(usual: usize) -> usize {
    let named = std::env::var("DATARUS_RESTARTS").ok();
    named.map_or(usual, |number| number.parse().expect("a number of restarts"))
}

/// Descriptors, threads, children, and files of a kernel in its own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held([usize; 4]);

impl Held {
    fn by(client: &Frontend) -> Held {
        let pid = client.process.as_ref().unwrap().id().unwrap();
        let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
        let of = |name: &str| count(Path::new(&format!("/proc/{pid}/{name}")));
        let children = children(pid.cast_signed()).len();
        let folder = client.folder.path();
        let folders = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let files = folders.filter(|path| path.is_dir()).map(|path| count(&path)).sum::<usize>();
        Held([of("fd"), of("task"), children, count(folder) + files])
    }

    fn is_near(self, other: Held) -> bool {
        self.0.iter().zip(other.0).all(|(one, other)| one.abs_diff(other) <= 2)
    }
}

#[expect(clippy::print_stderr, reason = "the figures are asked for with `--nocapture`")]
async fn holds_nothing_more(mut client: Frontend, code: &str, ename: &str, times: usize) {
    client.run(code).await;
    client.run("1").await;
    let before = Held::by(&client);
    for _ in 0..times {
        assert_eq!(client.run(code).await.reply["ename"], ename);
    }
    client.run("1").await;
    // What ends does so on a task of its own.
    let mut held = before;
    until("as little to be held as before", || {
        held = Held::by(&client);
        held.is_near(before)
    })
    .await;
    eprintln!("{times} companions: {before:?} before, {held:?} after");
}

#[tokio::test]
async fn companions_that_end_leave_nothing() {
    let client = Frontend::start_binary(&python()).await;
    holds_nothing_more(client, "import os; os._exit(0)", "PythonDied", restarts(25)).await;
}

#[tokio::test]
async fn companions_that_do_not_come_up_leave_nothing() {
    let client = Frontend::start_binary(Path::new("/bin/false")).await;
    holds_nothing_more(client, "1", "NoPython", restarts(25)).await;
}
