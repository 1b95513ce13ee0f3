//! Says what is missing, and how to mend it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::config::{Config, ConfigError};
use crate::install::{KERNEL_NAME, jupyter_data_dir, labextension};
use crate::place::Place;
use crate::python::{self, PYTHON, Probe, RECOMMENDED, REQUIRED, Version};
use crate::sandbox::{self, Sandbox, Tier};

pub mod probe;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Works, but not everything does.
    Warning,
    /// Nothing works until it is mended.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it stands.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// How to mend it; empty when there is nothing to mend.
    pub mend: String,
}

/// Looks at Python, its packages, the kernelspec, the lab extension and the model. `model` tells what the model file is, or why not.
pub fn examine(
    config: &Result<Config, ConfigError>,
    model: Result<String, String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut prefix = None;
    match config {
        Ok(config) => {
            let (of_python, found) = examine_python(&config.python);
            findings.extend(of_python);
            prefix = found;
            findings.push(if config.companion.is_here() {
                sandbox_finding(sandbox::try_here(&config.sandbox, &config.python))
            } else {
                companion_finding(&config.companion)
            });
        }
        Err(error) => findings.push(missing("settings", error.to_string(), SET_PYTHON)),
    }
    let folders = jupyter_path(prefix.as_deref());
    findings.push(kernelspec_finding(&folders));
    findings.push(labextension_finding(&folders));
    findings.push(match model {
        Ok(found) => ok("model", found),
        Err(found) => missing(
            "model",
            found,
            "name another file with `--model PATH`, or none for the embedded one",
        ),
    });
    findings
}

/// Looks at a Python and its packages; also returns its environment's folder.
pub fn examine_python(path: &Path) -> (Vec<Finding>, Option<PathBuf>) {
    match python::probe(path) {
        Ok(probe) => {
            let mut findings = vec![python_finding(path, &probe)];
            findings.extend(package_findings(path, &probe));
            (findings, Some(probe.prefix))
        }
        Err(error) => (vec![missing("python", error.to_string(), SET_PYTHON)], None),
    }
}

/// Whether everything that must be there is there.
pub fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.health != Health::Missing)
}

/// The findings for people, one or two lines each.
pub fn as_text(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        let mark = match finding.health {
            Health::Ok => "ok      ",
            Health::Warning => "warning ",
            Health::Missing => "MISSING ",
        };
        let _ = writeln!(text, "{mark} {:<13} {}", finding.name, finding.found);
        if !finding.mend.is_empty() {
            let _ = writeln!(text, "         {:<13} → {}", "", finding.mend);
        }
        text
    })
}

const SET_PYTHON: &str = "run install.sh, or name a Python with `--python PYTHON`";

fn ok(name: &str, found: String) -> Finding {
    Finding { name: name.to_owned(), health: Health::Ok, found, mend: String::new() }
}

fn missing(name: &str, found: String, mend: &str) -> Finding {
    Finding { name: name.to_owned(), health: Health::Missing, found, mend: mend.to_owned() }
}

fn python_finding(path: &Path, probe: &Probe) -> Finding {
    let found = format!("{} at {}", probe.version, path.display());
    match Version::parse(&probe.version) {
        Some(version) if version >= PYTHON => ok("python", found),
        _ => missing("python", found, &format!("expected {PYTHON} or newer: {SET_PYTHON}")),
    }
}

fn package_findings(python: &Path, probe: &Probe) -> Vec<Finding> {
    let version = |name: &str| probe.packages.get(name).cloned().flatten();
    let pip = |what: &str| format!("{} -m pip install '{what}'", python.display());
    let required = REQUIRED.iter().map(|&(name, lowest)| {
        let mend = pip(&format!("{name}>={lowest}"));
        match version(name) {
            Some(found) if Version::parse(&found).is_some_and(|found| found >= lowest) => {
                ok(name, found)
            }
            Some(found) => missing(name, format!("{found}, too old"), &mend),
            None => missing(name, String::from("not installed"), &mend),
        }
    });
    let recommended = RECOMMENDED.iter().map(|&name| match version(name) {
        Some(found) => ok(name, found),
        None => Finding {
            health: Health::Warning,
            ..missing(name, String::from("not installed"), &pip(name))
        },
    });
    required.chain(recommended).collect()
}

fn companion_finding(place: &Place) -> Finding {
    let found = format!("cells run at {place}, where Datarus sandboxes nothing");
    let mend = "leave out `--companion` and DATARUS_COMPANION";
    Finding { health: Health::Warning, ..missing("companion", found, mend) }
}

fn sandbox_finding(tried: Result<Sandbox, String>) -> Finding {
    let warning = |found: String, mend: &str| Finding {
        health: Health::Warning,
        ..missing("sandbox", found, mend)
    };
    match tried {
        Err(reason) => {
            missing("sandbox", reason, "install bubblewrap (Debian: `apt install bubblewrap`)")
        }
        Ok(sandbox) => match (sandbox.tier, &sandbox.not_better) {
            (Tier::None, _) => {
                warning(sandbox.in_words(), "leave out `--sandbox off` and DATARUS_SANDBOX")
            }
            (_, Some(reason)) => warning(
                format!("{}; not better, since {reason}", sandbox.in_words()),
                "install bubblewrap (Debian: `apt install bubblewrap`): then cells do not even see your files and processes",
            ),
            (_, None) => ok("sandbox", sandbox.in_words()),
        },
    }
}

fn kernelspec_finding(folders: &[PathBuf]) -> Finding {
    let spec =
        folders.iter().map(|folder| folder.join("kernels").join(KERNEL_NAME)).find(|f| f.exists());
    let Some(folder) = spec else {
        return Finding {
            health: Health::Warning,
            ..missing(
                "kernelspec",
                String::from("Jupyter does not know the kernel yet"),
                "`datarus install` (`ask` and `run` work without it)",
            )
        };
    };
    let found = folder.display().to_string();
    match program_of(&folder) {
        Some(_) => ok("kernelspec", found),
        None => missing(
            "kernelspec",
            format!("{found} names a program that is gone"),
            "`datarus install`",
        ),
    }
}

fn labextension_finding(folders: &[PathBuf]) -> Finding {
    let named = |folder: &PathBuf| folder.join("labextensions").join(labextension::NAME);
    let found = folders.iter().map(named).find(|folder| folder.join("package.json").exists());
    let wrong = match &found {
        Some(folder) if labextension::is_current(folder) => {
            return ok("lab extension", folder.display().to_string());
        }
        Some(folder) => format!("{} is of another version", folder.display()),
        None => "JupyterLab does not know it: answers stand in the prompt's output".to_owned(),
    };
    let mend = "`datarus install`, then reload the page";
    Finding { health: Health::Warning, ..missing("lab extension", wrong, mend) }
}

fn program_of(kernelspec: &Path) -> Option<PathBuf> {
    let spec = std::fs::read(kernelspec.join("kernel.json")).ok()?;
    let spec: Value = serde_json::from_slice(&spec).ok()?;
    crate::config::find_program(Path::new(spec["argv"][0].as_str()?))
}

/// Where Jupyter looks for kernelspecs and lab extensions.
///
/// # Source
/// `jupyter_core.paths.jupyter_path`.
fn jupyter_path(prefix: Option<&Path>) -> Vec<PathBuf> {
    let named = std::env::var_os("JUPYTER_PATH").unwrap_or_default();
    let named: Vec<_> = std::env::split_paths(&named).filter(|path| path.is_absolute()).collect();
    let of_system = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    let of_prefix = prefix.map(|prefix| prefix.join("share/jupyter"));
    named.into_iter().chain(jupyter_data_dir()).chain(of_prefix).chain(of_system).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(version: &str, packages: &[(&str, &str)]) -> Probe {
        let packages = packages.iter().map(|&(name, v)| (name.into(), Some(v.into()))).collect();
        Probe { version: version.into(), prefix: PathBuf::from("/env"), packages }
    }

    #[test]
    fn what_is_missing_or_too_old_comes_with_the_command_that_mends_it() {
        let python = Path::new("/env/bin/python");
        let probe =
            probe("3.9.1", &[("ipykernel", "6.29.5"), ("pandas", "3.0.0"), ("pyarrow", "1")]);
        let mut findings = vec![python_finding(python, &probe)];
        findings.extend(package_findings(python, &probe));
        let expected = "\
MISSING  python        3.9.1 at /env/bin/python
                       → expected 3.10 or newer: run install.sh, or name a Python with `--python PYTHON`
MISSING  ipykernel     6.29.5, too old
                       → /env/bin/python -m pip install 'ipykernel>=7.3'
ok       pandas        3.0.0
warning  matplotlib    not installed
                       → /env/bin/python -m pip install 'matplotlib'
warning  scikit-learn  not installed
                       → /env/bin/python -m pip install 'scikit-learn'
ok       pyarrow       1
warning  openpyxl      not installed
                       → /env/bin/python -m pip install 'openpyxl'
";
        assert_eq!(as_text(&findings), expected);
        assert!(!is_well(&findings));
    }

    #[test]
    fn settings_that_cannot_be_used_are_a_finding_and_no_end() {
        let config = Err(ConfigError::NoPython);
        let findings = examine(&config, Err(String::from("damaged")));
        assert_eq!(findings[0].name, "settings");
        assert_eq!(findings.last().unwrap().health, Health::Missing);
    }
}
