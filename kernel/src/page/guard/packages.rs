//! The packages that a step wants: its lines of pip, and the step without them. Pure.

use crate::route::lexer::scan;

/// What follows `pip install` and means nothing for us: pip says little, and installs the newest that fits, in any case.
const WITHOUT_MEANING: &[&str] = &["-q", "-qq", "--quiet", "-U", "--upgrade"];

/// What a step wants to be installed before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Names, with the versions that will do: no address, no file, no option of pip.
    pub(crate) packages: Vec<String>,
    /// The step with its lines of pip left empty, so that the lines of a traceback agree with the cell.
    pub(crate) rest: String,
}

/// What the lines of pip in `code` want; `None` without such a line. A line inside of a block is none: whether it runs
/// is not known before.
///
/// # Errors
/// One sentence, when pip is asked for anything but packages by name.
pub(crate) fn wanted(code: &str) -> Option<Result<Wanted, String>> {
    let known = scan(code).lines;
    let (mut packages, mut rest, mut found) = (Vec::new(), Vec::new(), false);
    for (at, line) in code.split('\n').enumerate() {
        let inside_text = known.get(at).is_some_and(|line| line.inside_text);
        let Some(arguments) = arguments(line).filter(|_| !inside_text) else {
            rest.push(line);
            continue;
        };
        found = true;
        rest.push("");
        for word in arguments.split_whitespace() {
            let word = word.trim_matches(['"', '\'']);
            if WITHOUT_MEANING.contains(&word) {
                continue;
            }
            if !is_requirement(word) {
                let word: String = word.chars().take(60).collect();
                return Some(Err(format!(
                    "Packages are installed by name, with or without a version: `{word}` is none.\n"
                )));
            }
            if !packages.iter().any(|known| known == word) {
                packages.push(word.to_owned());
            }
        }
    }
    if !found {
        return None;
    }
    if packages.is_empty() {
        return Some(Err("pip is to install nothing: name a package.\n".to_owned()));
    }
    Some(Ok(Wanted { packages, rest: rest.join("\n") }))
}

/// What follows `pip install` in a line of `IPython`'s own syntax.
fn arguments(line: &str) -> Option<&str> {
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    let command = line.strip_prefix('%').or_else(|| line.strip_prefix('!')).unwrap_or(line);
    let python = ["python -m ", "python3 -m ", "{sys.executable} -m "];
    let command = python.iter().find_map(|start| command.strip_prefix(start)).unwrap_or(command);
    let command = command.strip_prefix("pip3").or_else(|| command.strip_prefix("pip"))?;
    let arguments = command.trim_start().strip_prefix("install")?;
    let apart = |text: &str| text.is_empty() || text.starts_with(char::is_whitespace);
    (apart(command) && apart(arguments)).then_some(arguments)
}

/// Whether a word is the name of a package, maybe with extras and versions.
///
/// # Source
/// <https://packaging.python.org/en/latest/specifications/dependency-specifiers/>, without addresses and markers.
fn is_requirement(word: &str) -> bool {
    let end = word.find(['[', '=', '<', '>', '!', '~']).unwrap_or(word.len());
    let Some((name, mut rest)) = word.split_at_checked(end) else { return false };
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if let Some(extras) = rest.strip_prefix('[') {
        let Some((extras, after)) = extras.split_once(']') else { return false };
        if !extras.split(',').all(is_name) {
            return false;
        }
        rest = after;
    }
    let is_version = |clause: &str| {
        let version = clause.trim_start_matches(['=', '<', '>', '!', '~']);
        let operator = clause.len() - version.len();
        (1..=3).contains(&operator)
            && !version.is_empty()
            && version.chars().all(|c| c.is_ascii_alphanumeric() || ".*+!-_".contains(c))
    };
    is_name(name) && (rest.is_empty() || rest.split(',').all(is_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, packages: &[&str], rest: &str) {
        let packages = packages.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(wanted(code), Some(Ok(Wanted { packages, rest: rest.to_owned() })), "{code}");
    }

    #[test]
    fn the_packages_are_taken_out_of_a_step_and_its_lines_stay_where_they_are() {
        check("%pip install polars", &["polars"], "");
        check(
            "import os\n!pip install -q polars 'altair>=5,<6'\nx = 1",
            &["polars", "altair>=5,<6"],
            "import os\n\nx = 1",
        );
        check("!{sys.executable} -m pip install polars[all]==1.0 # so", &["polars[all]==1.0"], "");
        check("%pip install a\n%pip install a b", &["a", "b"], "\n");
        check("pip install scikit-learn", &["scikit-learn"], "");
    }

    #[test]
    fn what_installs_nothing_is_none() {
        for code in [
            "x = 1",
            "%pip list",
            "!pipx install a",
            "text = '''\n%pip install a\n'''",
            "if x:\n    %pip install a",
            "%conda install a",
            "%pip installs",
        ] {
            assert_eq!(wanted(code), None, "{code}");
        }
    }

    #[test]
    fn pip_is_asked_for_names_alone() {
        for word in [
            "--index-url",
            "-r",
            "req.txt/",
            "./local",
            "git+ssh://a",
            "a@file:///b",
            "--target=x",
            "a;b",
            "&&",
            "a=",
            "-e",
            "--",
            "a[",
            "a==$(id)",
            "../a",
        ] {
            let found = wanted(&format!("%pip install a {word}"));
            assert!(matches!(found, Some(Err(_))), "{word}: {found:?}");
        }
        assert!(matches!(wanted("%pip install"), Some(Err(_))));
    }
}
