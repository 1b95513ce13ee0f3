use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use datarus_agent::transcript::{Role, Segment};

use super::super::{Placement, describe};
use super::*;

/// Panics when it counts nothing.
struct Fragile {
    info: ModelInfo,
    number: usize,
}

impl Model for Fragile {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Which of the models that were made this one is.
    fn count_tokens(&self, messages: &[ChatMessage]) -> Result<usize, ModelError> {
        assert!(!messages.is_empty(), "an empty chat");
        Ok(self.number)
    }

    fn generate(
        &mut self,
        _: &GenerateRequest<'_>,
        _: &mut dyn Constraint,
        _: &mut dyn FnMut(&str),
    ) -> Result<Completion, ModelError> {
        Err(ModelError::Compute(String::from("only counting is tried")))
    }
}

#[test]
fn a_model_that_panicked_is_made_anew_for_all_who_share_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let info = describe(&ModelSource::Embedded, Placement::default()).unwrap();
    let numbers = Arc::clone(&made);
    let pool = Pool::of(1, move || {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Fragile { info: info.clone(), number }))
    });
    let [shared] = <[_; 1]>::try_from(pool.unwrap().models).ok().unwrap();
    let count = |messages: &[ChatMessage]| shared.with(|model| model.count_tokens(messages));
    let content = vec![Segment::Data(String::from("How many?"))];
    let chat = [ChatMessage { role: Role::User, content }];
    assert_eq!(count(&chat).unwrap(), 0);
    catch_unwind(AssertUnwindSafe(|| count(&[]))).unwrap_err();
    assert_eq!(count(&chat).unwrap(), 1);
    assert_eq!(count(&chat).unwrap(), 1);
    assert_eq!(made.load(Ordering::Relaxed), 2);
}
