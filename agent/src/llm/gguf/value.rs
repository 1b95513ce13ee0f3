//! The key-value pairs of a GGUF header.

use std::collections::HashMap;

use crate::llm::refusal::Refusal;

/// A metadata value, in as few kinds as the model host needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Any integer type.
    Integer(i128),
    /// Either float type.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(String),
    /// An array of strings.
    Texts(Vec<String>),
    /// An array of integers of any type.
    Integers(Vec<i64>),
    /// An array of floats or truth values, checked and passed over.
    Skipped,
}

/// The key-value pairs of a header; the getters name the key in their refusals.
#[derive(Debug, Default)]
pub(crate) struct Metadata(pub(super) HashMap<String, Value>);

impl Metadata {
    /// The value of `key`, if it is a string.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of `key`, if it is an array of strings.
    pub(crate) fn texts(&self, key: &str) -> Option<&[String]> {
        match self.0.get(key) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// The value of `key`, if it is an array of integers.
    pub(crate) fn integers(&self, key: &str) -> Option<&[i64]> {
        match self.0.get(key) {
            Some(Value::Integers(integers)) => Some(integers),
            _ => None,
        }
    }

    /// The value of `key` as a size, if it is there.
    ///
    /// # Errors
    /// When it is there and no whole number from 0.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>, Refusal> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => usize::try_from(*number)
                .map(Some)
                .map_err(|_| Refusal::format(format!("`{key}` is {number}: expected a size"))),
            Some(_) => Err(Refusal::format(format!("`{key}` is no whole number"))),
        }
    }

    /// The value of `key` as a size.
    ///
    /// # Errors
    /// When it is missing or no whole number from 0.
    pub(crate) fn required_size(&self, key: &str) -> Result<usize, Refusal> {
        self.size(key)?.ok_or_else(|| Refusal::format(format!("the header lacks `{key}`")))
    }

    /// The value of `key` as a float, if it is a number.
    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        match self.0.get(key) {
            Some(Value::Float(number)) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "such settings are small")]
            Some(Value::Integer(number)) => Some(*number as f64),
            _ => None,
        }
    }
}
