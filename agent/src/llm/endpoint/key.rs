//! The key of a model server.

use std::fmt;

/// A key that a server asks for. It is shown nowhere: not by `Debug`, not in an error that a server repeats it in.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// A key that no HTTP header can hold; it is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a key of visible ASCII characters in DATARUS_API_KEY, found others: copy it again"
)]
pub struct ApiKeyError;

impl ApiKey {
    /// A key as it stands in a variable; blanks around it do not count, and an empty one is none.
    ///
    /// # Errors
    /// When a header cannot hold it.
    pub fn read(text: &str) -> Result<Option<Self>, ApiKeyError> {
        let key = text.trim();
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiKeyError);
        }
        Ok((!key.is_empty()).then(|| Self(key.to_owned())))
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// `text` without the key.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        text.replace(&self.0, "(the key)")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_itself_to_nobody_but_the_server() {
        let key = ApiKey::read(" sk-secret\n").unwrap().unwrap();
        assert_eq!(key.authorization(), "Bearer sk-secret");
        assert_eq!(format!("{key:?} {:#?}", Some(&key)), "ApiKey Some(\n    ApiKey,\n)");
        assert_eq!(key.taken_out_of("wrong key sk-secret."), "wrong key (the key).");
    }

    #[test]
    fn a_key_that_no_header_holds_is_refused_without_being_repeated() {
        assert_eq!(ApiKey::read(" \n"), Ok(None));
        for text in ["sk-\nsecret", "sk secret", "sk-sécret"] {
            let error = ApiKey::read(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("cret"), "{text}");
        }
    }
}
