//! Asks the questions: each session in a kernel and a folder of its own, several at a time.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::{JoinSet, LocalSet};

use super::reference::Reference;
use super::results::{Line, Results, ResultsError};
use super::score::{Grade, answer_in, code_in, denotation, named, quasi};
use super::{Question, Rule, Session};
use crate::config::Config;
use crate::headless::session::{Asked, Session as Kernel};
use crate::headless::{Ending, HeadlessError, Progress};
use crate::model::pool::Pool;

const CHECK: &str = include_str!("check.py");

/// Longest that a check or a program that tests code may take.
const LONGEST_CHECK: Duration = Duration::from_secs(120);

/// So many sessions in a row that failed, not by their answers, end the run: the model server is gone, or the like.
const MANY: usize = 3;

/// Why the questions cannot be asked. What was answered until then is kept.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The results cannot be kept.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A kernel cannot run.
    #[error(transparent)]
    Headless(#[from] HeadlessError),
    /// A file of the set is missing, or cannot be put into a session's folder.
    #[error("cannot copy `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The model or its server is gone.
    #[error(
        "{MANY} sessions in a row failed, the last with: {0}; the same command goes on once that is mended"
    )]
    Failing(String),
    /// A session ended by a defect of this program.
    #[error(
        "a session ended unexpectedly ({0}): its questions are open, the same command asks them again"
    )]
    Panicked(String),
}

/// Asks what has not been answered yet, `jobs` sessions at a time. Work that a user stops is no error.
///
/// # Errors
/// When it cannot go on; what was answered is kept.
pub async fn run(
    sessions: Vec<Session>,
    config: &Config,
    pool: &Pool,
    results: &mut Results,
    jobs: usize,
) -> Result<Ending, WorkError> {
    let total: usize = sessions.iter().map(|session| session.questions.len()).sum();
    let is_open = |session: &Session| {
        let kept =
            |question: &Question| results.get(&question.id).is_some_and(|line| !line.is_open());
        !session.questions.iter().all(kept)
    };
    let open: Vec<Session> = sessions.into_iter().filter(|session| is_open(session)).collect();
    let left: usize = open.iter().map(|session| session.questions.len()).sum();
    let mut teller = Teller { progress: Progress::on_stderr(), done: total - left, total };
    if left < total {
        teller.progress.tell(&format!("{} of {total} were answered before", total - left));
    }
    let notebooks = results.notebooks();
    let ask = |place, session| {
        let (config, pool, notebooks) = (config.clone(), pool.clone(), notebooks.clone());
        Job { config, pool, place, notebooks }.run(session)
    };
    LocalSet::new().run_until(ask_all(open, results, jobs, &mut teller, ask)).await
}

/// Has sessions asked by `ask`, at places from 0 to `jobs`, and keeps what comes of them.
async fn ask_all<Asking>(
    open: Vec<Session>,
    results: &mut Results,
    jobs: usize,
    teller: &mut Teller,
    ask: impl Fn(usize, Session) -> Asking,
) -> Result<Ending, WorkError>
where
    Asking: Future<Output = Result<Vec<Line>, WorkError>> + 'static,
{
    let mut open = open.into_iter();
    let mut free: Vec<usize> = (0..jobs.max(1)).collect();
    let mut asked = JoinSet::new();
    let mut failed_in_a_row = 0;
    let (mut stopped, mut trouble) = (false, None);
    loop {
        while let (false, Some(place)) = (stopped || trouble.is_some(), free.pop()) {
            let Some(session) = open.next() else { break };
            let lines = ask(place, session);
            asked.spawn_local(async move { (place, lines.await) });
        }
        let Some(ended) = asked.join_next().await else { break };
        let ended = match ended {
            Ok((place, ended)) => {
                free.push(place);
                ended
            }
            Err(panicked) => Err(WorkError::Panicked(panicked.to_string())),
        };
        match ended {
            Ok(lines) => {
                stopped |= lines.iter().any(|line| line.asked.status == "interrupted");
                let lines: Vec<Line> =
                    lines.into_iter().filter(|line| line.asked.status != "interrupted").collect();
                failed_in_a_row =
                    if lines.iter().any(|line| !line.is_open()) { 0 } else { failed_in_a_row + 1 };
                teller.tell(&lines);
                let last = lines.last().map(|line| line.asked.answer.clone());
                results.keep(lines)?;
                if failed_in_a_row >= MANY && !stopped {
                    trouble.get_or_insert(WorkError::Failing(last.unwrap_or_default()));
                }
            }
            // What runs beside it is let come to its end, and kept.
            Err(error) => drop(trouble.get_or_insert(error)),
        }
    }
    match trouble {
        Some(error) => Err(error),
        None if stopped => Ok(Ending::Interrupted),
        None => Ok(Ending::Done),
    }
}

/// How a session is asked.
struct Job {
    config: Config,
    pool: Pool,
    /// Which of the pool's models it is lent.
    place: usize,
    /// The folder for its notebook.
    notebooks: PathBuf,
}

impl Job {
    /// Asks all questions; of a session that is stopped the last line says so.
    async fn run(self, session: Session) -> Result<Vec<Line>, WorkError> {
        let folder = work_folder()?;
        for (from, name) in &session.files {
            let to = folder.path().join(name);
            let made = to.parent().map_or(Ok(()), std::fs::create_dir_all);
            made.and_then(|()| std::fs::copy(from, to))
                .map_err(|source| WorkError::File { path: from.clone(), source })?;
        }
        let files: Vec<String> = session.files.iter().map(|(_, name)| name.clone()).collect();
        let mut kernel = self.kernel_in(&folder).await?;
        let mut lines = Vec::new();
        for question in &session.questions {
            let asked = match prepared(question, &mut kernel).await? {
                Some(asked) => asked,
                None => kernel.ask(&question.text, &files, None, &mut |_, _| ()).await?,
            };
            let mut line = line(&session, question, asked);
            let is_over = line.is_open();
            if !is_over && let Some(grade) = self.grade(&question.rule, &line, &mut kernel).await? {
                line.graded(grade);
            }
            lines.push(line);
            if is_over {
                break;
            }
        }
        let notebook = kernel.notebook(folder.path(), &files).await?;
        kernel.end().await?;
        let path = self.notebooks.join(format!("{}.ipynb", file_name(&session.id)));
        notebook.write(&path).map_err(HeadlessError::from)?;
        Ok(lines)
    }

    async fn kernel_in(&self, folder: &TempDir) -> Result<Kernel, WorkError> {
        let folder = folder.path().to_owned();
        let config = Config { folder, state: None, ..self.config.clone() };
        Ok(Kernel::start(config, self.pool.loader(self.place)).await?)
    }

    /// The grade of an answer, where it can be graded.
    async fn grade(
        &self,
        rule: &Rule,
        line: &Line,
        kernel: &mut Kernel,
    ) -> Result<Option<Grade>, WorkError> {
        let answer = line.asked.answer.as_str();
        if let Rule::Reference(_) = rule {
            return Ok(Some(compared(kernel, line.asked.status == "done").await?));
        }
        if line.asked.status != "done" || is_empty(rule, answer) {
            return Ok(unanswered(rule));
        }
        Ok(match rule {
            Rule::Named(expected) => Some(named::grade(answer, expected)),
            Rule::Quasi(expected) => Some(Grade::of(quasi::is_right(answer_in(answer), expected))),
            Rule::Denotation(expected) => {
                Some(Grade::of(denotation::is_right(answer_in(answer), expected)))
            }
            Rule::Check(check) => {
                let given = json!({"answer": answer_in(answer)});
                let code = call(check, &given, "get_ipython().user_ns", false);
                Some(Grade::of(kernel.ask_python(&code).await?["right"] == true))
            }
            Rule::Program(program) => Some(self.tested(program, code_in(answer)).await?),
            Rule::Reference(_) | Rule::Hidden => None,
        })
    }

    /// Runs a program that tests code, in a Python of its own: what the session left does not help it. Its kernel's model
    /// is asked nothing.
    async fn tested(&self, program: &str, code: &str) -> Result<Grade, WorkError> {
        let folder = work_folder()?;
        let mut kernel = self.kernel_in(&folder).await?;
        let said = kernel.ask_python(&call(program, &json!({"code": code}), "{}", true)).await?;
        kernel.end().await?;
        Ok(Grade::of(said["right"] == true))
    }
}

/// Runs what comes before a question; gives what has come of the question if that failed.
async fn prepared(question: &Question, kernel: &mut Kernel) -> Result<Option<Asked>, WorkError> {
    for setup in &question.setup {
        if let Some(prevented) = kernel.set_up(setup).await? {
            return Ok(Some(prevented));
        }
    }
    let Rule::Reference(reference) = &question.rule else { return Ok(None) };
    let said = kernel.ask_python(&reference.before()).await?;
    let error =
        said["error"].as_str().or(said.is_null().then_some("Python did not come to its end"));
    Ok(error.map(|error| Asked::prevented("the reference", error)))
}

/// Compares what a turn did with the reference, after which the namespace is as the reference leaves it, and grades it if
/// the turn was done.
async fn compared(kernel: &mut Kernel, is_done: bool) -> Result<Grade, WorkError> {
    let said = kernel.ask_python(&Reference::after()).await?;
    let parts = said["parts"].as_array().into_iter().flatten();
    let parts = parts.filter_map(|part| Some((part[0].as_str()?.to_owned(), part[1].as_bool()?)));
    let parts: Vec<(String, bool)> = parts.collect();
    let is_known = is_done && said["error"].is_null() && !parts.is_empty();
    Ok(if is_known { Grade { parts } } else { Grade::of(false) })
}

/// Whether an answer says nothing where it is its words that are graded.
fn is_empty(rule: &Rule, answer: &str) -> bool {
    match rule {
        Rule::Named(_) | Rule::Check(_) | Rule::Reference(_) | Rule::Hidden => false,
        Rule::Quasi(_) | Rule::Denotation(_) => answer_in(answer).is_empty(),
        Rule::Program(_) => code_in(answer).trim().is_empty(),
    }
}

/// The grade of a question that got no answer, which is never right, whatever is expected.
fn unanswered(rule: &Rule) -> Option<Grade> {
    match rule {
        Rule::Named(expected) => Some(named::grade("", expected)),
        Rule::Quasi(_)
        | Rule::Denotation(_)
        | Rule::Program(_)
        | Rule::Check(_)
        | Rule::Reference(_) => Some(Grade::of(false)),
        Rule::Hidden => None,
    }
}

fn line(session: &Session, question: &Question, asked: Asked) -> Line {
    Line {
        id: question.id.clone(),
        session: session.id.clone(),
        level: question.level.clone(),
        right: None,
        share: None,
        parts: Vec::new(),
        asked,
    }
}

/// A folder of its own, which is gone afterwards.
fn work_folder() -> Result<TempDir, WorkError> {
    let folder = tempfile::Builder::new().prefix("datarus-bench-").tempdir();
    let path = std::env::temp_dir();
    Ok(folder.map_err(|source| HeadlessError::Folder { path, source })?)
}

/// Python that runs a check, without a trace in the session's names.
fn call(check: &str, given: &serde_json::Value, namespace: &str, is_program: bool) -> String {
    let is_program = if is_program { "True" } else { "False" };
    format!(
        "exec({}, {{\"SOURCE\": {}, \"GIVEN\": __import__(\"json\").loads({}), \"NAMESPACE\": {namespace}, \
         \"IS_PROGRAM\": {is_program}, \"SECONDS\": {}}})",
        json!(CHECK),
        json!(check),
        json!(given.to_string()),
        LONGEST_CHECK.as_secs()
    )
}

/// A name for a file out of an id, which may hold anything; two ids have two names.
fn file_name(id: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !id.is_empty() && id.len() <= 100 && id.chars().all(fits) {
        return id.to_owned();
    }
    let plain: String = id.chars().filter(|&c| fits(c)).take(60).collect();
    let sha = crate::cells::source_sha(id);
    format!("{plain}-{}", sha.get(..8).unwrap_or_default())
}

/// Says on stderr how far it is: one line a question.
struct Teller {
    progress: Progress,
    done: usize,
    total: usize,
}

impl Teller {
    fn tell(&mut self, lines: &[Line]) {
        for line in lines {
            self.done += 1;
            let Asked { status, steps, seconds, .. } = &line.asked;
            let verdict = match (line.right, status.as_str()) {
                (Some(true), _) => "right",
                (Some(false), "done") => "wrong",
                (None, "done") => "answered",
                (_, "gave_up") => "gave up",
                (_, other) => other,
            };
            self.progress.tell(&format!(
                "{}/{} {}: {verdict} ({steps} steps, {seconds:.1} s)",
                self.done, self.total, line.id
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{line, run};
    use super::*;

    fn session(id: &str) -> Session {
        let question = Question {
            id: id.to_owned(),
            text: String::new(),
            level: String::new(),
            setup: Vec::new(),
            rule: Rule::Hidden,
        };
        Session { id: id.to_owned(), files: Vec::new(), questions: vec![question] }
    }

    #[tokio::test]
    async fn a_session_that_ends_unexpectedly_is_told_and_what_ran_beside_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results::open(folder.path(), &run()).unwrap();
        let mut teller = Teller { progress: Progress::on_stderr(), done: 0, total: 2 };
        let ask = |_, session: Session| async move {
            assert_ne!(session.id, "1", "it breaks");
            Ok(vec![line(&session.id, true)])
        };
        let open = vec![session("1"), session("2")];
        let ended =
            LocalSet::new().run_until(ask_all(open, &mut results, 2, &mut teller, ask)).await;
        let told = ended.unwrap_err().to_string();
        assert!(told.contains("it breaks") && told.contains("asks them again"), "{told}");
        assert_eq!(results.lines().keys().collect::<Vec<_>>(), ["2"]);
    }

    #[test]
    fn what_was_not_answered_is_never_right() {
        let rules = [
            Rule::Named(vec![(String::from("a"), String::new())]),
            Rule::Quasi(String::new()),
            Rule::Denotation(Vec::new()),
            Rule::Program(String::new()),
            Rule::Check(String::from("True")),
        ];
        for rule in rules {
            assert!(!unanswered(&rule).unwrap().is_right(), "{rule:?}");
        }
        assert_eq!(unanswered(&Rule::Hidden), None);
        // The published rule forgives punctuation, so that nothing is the same as a dash.
        let dash = Rule::Quasi(String::from("-"));
        assert!(quasi::is_right("", "-") && is_empty(&dash, " @answer[ ] "));
        assert!(!is_empty(&dash, "@answer[-]"));
        let program = Rule::Program(String::new());
        assert!(is_empty(&program, "```python\n```") && !is_empty(&program, "x"));
        // What is in the session's Python may be right without a word.
        assert!(!is_empty(&Rule::Check(String::from("x == 1")), ""));
    }

    #[test]
    fn each_session_has_a_file_of_its_own() {
        assert_eq!(file_name("nu-0"), "nu-0");
        let (one, other) = (file_name("a/b"), file_name("a:b"));
        assert!(one.starts_with("ab-") && one != other, "{one} {other}");
        assert_eq!(file_name("").len(), 9);
        assert!(file_name(&"ä".repeat(300)).is_ascii());
    }
}
