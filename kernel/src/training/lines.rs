//! Files of trajectories, one line of JSON each.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
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

/// Opens a file of trajectories to go on at its end; also the names of those that are there. A line that was cut off is
/// taken back.
///
/// # Errors
/// When it cannot be read and written, or holds anything else.
pub fn going_on(path: &Path) -> Result<(File, HashSet<String>), LinesError> {
    let failed = |source| LinesError::Read { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut known = HashSet::new();
    for (at, line) in text[..whole].lines().enumerate() {
        let read = Trajectory::parse(line).map_err(|source| LinesError::Line {
            path: path.to_owned(),
            line: at + 1,
            source,
        })?;
        known.insert(read.id);
    }
    let end = u64::try_from(whole).unwrap_or(u64::MAX);
    file.set_len(end).map_err(failed)?;
    file.seek(SeekFrom::End(0)).map_err(failed)?;
    Ok((file, known))
}
