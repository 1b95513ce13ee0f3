//! `datarus train`: the Python package of `training/`, run by a recipe.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The package, as Python knows it.
const PACKAGE: &str = "datarus_training";

/// What is to be trained.
#[derive(Debug, Clone)]
pub struct Job {
    /// The Python that has the package.
    pub python: PathBuf,
    /// The name of the recipe.
    pub recipe: &'static str,
    /// Where everything goes.
    pub output: PathBuf,
    /// Processors that PyTorch uses.
    pub threads: NonZeroUsize,
    /// This program, which the package has make and score episodes.
    pub program: PathBuf,
}

/// Why nothing is trained.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// There is no such Python.
    #[error(
        "expected a Python at `{python}` (`--training-python`, DATARUS_TRAINING_PYTHON): {source}"
    )]
    Python {
        /// How it was named.
        python: String,
        /// Why.
        source: io::Error,
    },
    /// It lacks the package, or what that needs.
    #[error(
        "expected the package datarus-training in `{python}`, found {found}; in the folder of the sources: `{python} -m pip install ./training`, best in an environment of its own, then name its Python by `--training-python`"
    )]
    Package {
        /// How it was named.
        python: String,
        /// The last line of what it said.
        found: String,
    },
}

/// Trains by a recipe: this process becomes the package's, so that signals reach it and its exit code is ours.
///
/// # Errors
/// When there is no such Python, or it lacks the package.
pub fn run(job: &Job) -> Result<Infallible, RecipeError> {
    let source = command(job)?.exec();
    Err(RecipeError::Python { python: job.python.display().to_string(), source })
}

/// What is run, once it is known that it can be.
fn command(job: &Job) -> Result<Command, RecipeError> {
    let python = job.python.display().to_string();
    let failed = |source| RecipeError::Python { python: python.clone(), source };
    let probe = Command::new(&job.python)
        .args(["-c", &format!("import torch, {PACKAGE}")])
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    if !probe.status.success() {
        let said = String::from_utf8_lossy(&probe.stderr);
        let found = said.trim_end().lines().last().unwrap_or("no word").to_owned();
        return Err(RecipeError::Package { python, found });
    }
    let mut command = Command::new(&job.python);
    command
        .args(["-m", &format!("{PACKAGE}.recipe"), job.recipe, "--out"])
        .arg(&job.output)
        .args(["--threads", &job.threads.to_string(), "--program"])
        .arg(&job.program);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn job(script: &str) -> (tempfile::TempDir, Job) {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python");
        std::fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&python, Permissions::from_mode(0o755)).unwrap();
        let output = folder.path().join("out");
        let program = PathBuf::from("/opt/datarus");
        let job = Job {
            python,
            recipe: "small",
            output,
            threads: NonZeroUsize::new(3).unwrap(),
            program,
        };
        (folder, job)
    }

    #[test]
    fn a_python_without_the_package_is_told_how_to_get_it() {
        let (_folder, job) = job(
            "echo Traceback >&2; echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1",
        );
        let said = command(&job).unwrap_err().to_string();
        assert!(said.contains("found ModuleNotFoundError: No module named 'torch'"), "{said}");
        assert!(said.contains("pip install ./training"), "{said}");
        let nowhere = Job { python: PathBuf::from("/no/python"), ..job };
        let said = command(&nowhere).unwrap_err().to_string();
        assert!(said.starts_with("expected a Python at `/no/python`"), "{said}");
    }

    #[test]
    fn the_package_is_told_where_and_with_which_program() {
        let (folder, job) = job("[ \"$1\" = -c ] || { echo \"$@\" >\"$5.said\"; exit 7; }");
        assert_eq!(command(&job).unwrap().status().unwrap().code(), Some(7));
        let said = std::fs::read_to_string(folder.path().join("out.said")).unwrap();
        let out = folder.path().join("out");
        assert_eq!(
            said.trim(),
            format!(
                "-m datarus_training.recipe small --out {} --threads 3 --program /opt/datarus",
                out.display()
            )
        );
    }
}
