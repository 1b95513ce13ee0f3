//! What a notebook was made with: data files, Python, packages.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{HeadlessError, Kernel};
use crate::disk::sha256;
use crate::sources::is_data;

const SCRIPT: &str = include_str!("facts.py");

/// Files larger than this are not counted, in bytes: it would take longer than the analysis.
const COUNTED: u64 = 1 << 28;

/// What a notebook was made with.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// `path`, `sha256`, `rows` of each data file.
    pub(crate) datasets: Vec<Value>,
    /// Version of Python.
    pub(crate) python: Value,
    /// Version by package, of those that were used.
    pub(crate) packages: Value,
}

/// Asks the companion. `files` are paths from `folder`, where it runs; one that is not there is left out.
pub(crate) async fn gather(
    kernel: &mut Kernel,
    folder: &Path,
    files: &[String],
) -> Result<Facts, HeadlessError> {
    let hash = |file| Some((file, sha256(&folder.join(file)).ok()?));
    let hashed: Vec<_> = files.iter().filter_map(hash).collect();
    let is_counted =
        |file: &str| std::fs::metadata(folder.join(file)).is_ok_and(|data| data.len() <= COUNTED);
    let counted: Vec<_> =
        hashed.iter().map(|(file, _)| if is_counted(file) { file.as_str() } else { "" }).collect();
    let code = format!("exec({}, {{\"PATHS\": {}}})", json!(SCRIPT), json!(counted));
    let said = kernel.ask_python(&code).await?;
    let datasets = hashed
        .iter()
        .enumerate()
        .map(|(at, (file, sha256))| json!({"path": file, "sha256": sha256, "rows": said["rows"][at]}))
        .collect();
    let packages = match &said["packages"] {
        Value::Object(packages) => Value::Object(packages.clone()),
        _ => Value::Object(Map::new()),
    };
    Ok(Facts { datasets, python: said["python"].clone(), packages })
}

/// Names of files in `folder` that the sources mention in quotes, in order, each once.
pub(crate) fn mentioned_files<'a>(
    folder: &Path,
    sources: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for name in sources.flat_map(quoted) {
        let is_new = is_data(name) && !files.iter().any(|file| file == name);
        if is_new && folder.join(name).is_file() {
            files.push(name.to_owned());
        }
    }
    files
}

/// Sources of the code cells.
pub(super) fn code(cells: &[Value]) -> impl Iterator<Item = &str> {
    let code = cells.iter().filter(|cell| cell["cell_type"] == "code");
    code.filter_map(|cell| cell["source"].as_str())
}

/// What stands between two quotes on one line; also what stands between two strings, which names no file.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source.lines().flat_map(|line| line.split(['"', '\'']).skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_between_quotes() {
        let found: Vec<_> = quoted("pd.read_csv(\"a b.csv\", sep='x')\nz = \"c\"").collect();
        assert_eq!(found, ["a b.csv", ", sep=", "x", ")", "c", ""]);
    }
}
