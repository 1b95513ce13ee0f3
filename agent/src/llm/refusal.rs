//! Why a model is refused, before it is known where it lies.

use std::path::Path;

use crate::llm::ModelError;

/// A reason not to load a model; [`Refusal::at`] adds the place.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Reading failed.
    Read(std::io::Error),
    /// The contents are not what they should be: expected, found, what to do.
    Format(String),
    /// The GPU that was asked for cannot be used: expected, found, what to do.
    Device(String),
    /// The machine is too small.
    Memory {
        /// Needed.
        needed_mib: u64,
        /// There.
        available_mib: u64,
    },
}

impl Refusal {
    /// A refusal of contents.
    pub(crate) fn format(reason: impl Into<String>) -> Self {
        Self::Format(reason.into())
    }

    /// The reason alone, where there is no file yet.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Format(reason) | Self::Device(reason) => reason,
            other => other.at(Path::new("model")).to_string(),
        }
    }

    /// The error that the caller of the model host sees.
    pub(crate) fn at(self, path: &Path) -> ModelError {
        let path = path.display().to_string();
        match self {
            Self::Read(source) => ModelError::Read { path, source },
            Self::Format(reason) => ModelError::Format { path, reason },
            Self::Device(reason) => ModelError::Device(reason),
            Self::Memory { needed_mib, available_mib } => {
                ModelError::Memory { needed_mib, available_mib }
            }
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Self::format("the file ends too early: download or copy it again")
            }
            _ => Self::Read(error),
        }
    }
}

impl From<candle_core::Error> for Refusal {
    fn from(error: candle_core::Error) -> Self {
        Self::Format(format!("the weights cannot be used: {error}"))
    }
}
