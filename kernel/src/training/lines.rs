//! Files of trajectories, one line of JSON each.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
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
