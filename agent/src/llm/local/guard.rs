//! Turns a panic in the libraries that compute into an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::llm::ModelError;
use crate::llm::refusal::Refusal;

/// Runs a step of a computation. Whatever state it shares is to be thrown away after an error.
///
/// # Errors
/// What `compute` returns, and a panic in it, as [`ModelError::Compute`].
pub(super) fn computing<T>(
    compute: impl FnOnce() -> candle_core::Result<T>,
) -> Result<T, ModelError> {
    match catch_unwind(AssertUnwindSafe(compute)) {
        Ok(result) => result.map_err(|error| ModelError::Compute(error.to_string())),
        Err(panic) => Err(ModelError::Compute(message(&*panic))),
    }
}

/// Runs the loading of a file.
///
/// # Errors
/// What `load` returns, and a panic in it, as a refusal of the contents.
pub(super) fn loading<T>(load: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(load))
        .unwrap_or_else(|panic| Err(Refusal::format(message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| String::from(*text))
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("internal failure: {}", text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_computing_is_an_error() {
        let result = computing::<()>(|| panic!("shape {}", 3));
        assert_eq!(
            result.unwrap_err().to_string(),
            "the model failed while computing: internal failure: shape 3"
        );
    }
}
