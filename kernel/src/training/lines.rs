//! Files of trajectories, one line of JSON each.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use datarus_agent::trajectory::{Trajectory, TrajectoryError};

/// Why trajectories cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no trajectory.
    #[error("`{}`, line {line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What was expected and found.
        source: TrajectoryError,
    },
}

/// The trajectories of a file, or of standard input for `-`, read as they are asked for. Empty lines are passed over.
///
/// # Errors
/// When the file cannot be opened.
pub fn trajectories(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Trajectory, LinesError>>, LinesError> {
    let unread = |source| LinesError::Read { path: path.to_owned(), source };
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unread)?))
    };
    let path = path.to_owned();
    let lines = reader.lines().enumerate();
    Ok(lines.filter_map(move |(at, line)| match line {
        Ok(line) if line.trim().is_empty() => None,
        Ok(line) => Some(Trajectory::parse(&line).map_err(|source| LinesError::Line {
            path: path.clone(),
            line: at + 1,
            source,
        })),
        Err(source) => Some(Err(LinesError::Read { path: path.clone(), source })),
    }))
}

/// Opens a file of trajectories to go on at its end; also the names of those that it has.
///
/// # Errors
/// As [`going_on`].
pub fn trajectories_in(path: &Path) -> io::Result<(File, HashSet<String>)> {
    let is_ours = |line: &str| Trajectory::parse(line).is_ok();
    let (file, text) = going_on(path, "{\"v\":", "lines of trajectories", &is_ours)?;
    let read = text.lines().filter_map(|line| Trajectory::parse(line).ok());
    Ok((file, read.map(|trajectory| trajectory.id).collect()))
}

/// Opens a file of JSON lines to go on at its end; also what it holds. A last line without an end is ended if it is
/// whole, and taken back if it was cut off, which it can only have been if it begins as ours do. A file with any other
/// line than `is_ours` knows is left as it is.
///
/// # Errors
/// When it cannot be read and written, or holds anything else; `expected` names what it should hold.
pub(super) fn going_on(
    path: &Path,
    begin: &str,
    expected: &str,
    is_ours: &dyn Fn(&str) -> bool,
) -> io::Result<(File, String)> {
    let mut bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let foreign = |line: &[u8]| {
        let found: String = String::from_utf8_lossy(line).chars().take(40).collect();
        io::Error::other(format!("expected {expected}, found `{found}`: name another file"))
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let tail = bytes.get(whole..).unwrap_or_default();
    let is_whole = std::str::from_utf8(tail).is_ok_and(is_ours);
    let may_be_cut = tail.starts_with(begin.as_bytes()) || begin.as_bytes().starts_with(tail);
    if !is_whole && !may_be_cut {
        return Err(foreign(tail));
    }
    let is_ended = tail.is_empty() || !is_whole;
    if is_ended {
        bytes.truncate(whole);
    } else {
        bytes.push(b'\n');
    }
    let text = String::from_utf8(bytes).map_err(|error| foreign(error.as_bytes()))?;
    if let Some(line) = text.lines().find(|line| !line.trim().is_empty() && !is_ours(line)) {
        return Err(foreign(line.as_bytes()));
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if is_ended {
        file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))?;
    } else {
        file.write_all(b"\n")?;
    }
    Ok((file, text))
}

/// Whether two paths lead to one file that is there.
pub fn same(one: &Path, other: &Path) -> bool {
    std::fs::canonicalize(one)
        .is_ok_and(|one| std::fs::canonicalize(other).is_ok_and(|other| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_gone_on_with_after_its_last_whole_line_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let is_ours = |line: &str| {
            line.starts_with("{\"v\":") && serde_json::from_str::<serde_json::Value>(line).is_ok()
        };
        let opened = |held: &[u8]| {
            std::fs::write(&path, held).unwrap();
            going_on(&path, "{\"v\":", "lines of ours", &is_ours).map(|(_, text)| text)
        };
        let check = |held: &[u8], expected: &str| {
            assert_eq!(opened(held).unwrap(), expected);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        };
        check(b"", "");
        check(b"{\"v\":1}\n\n{\"v\":2}\n", "{\"v\":1}\n\n{\"v\":2}\n");
        check(b"{\"v\":1}\n{\"v\":2}", "{\"v\":1}\n{\"v\":2}\n");
        check(b"{\"v\":1}\n{\"v\":2,\"a\":\"\xc3", "{\"v\":1}\n");
        check(b"{\"v\":1}\n{\"", "{\"v\":1}\n");
        for held in ["{\"cells\": []}", "a key", "{\"v\":1}\nno\n{\"v\":1}\n", "no\n{\"v\":1"] {
            let said = opened(held.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with("expected lines of ours, found `"), "{said}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), held);
        }
    }
}
