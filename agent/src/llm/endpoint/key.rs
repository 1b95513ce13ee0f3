//! The key of a model server.

use std::fmt;

/// Backslashes before a letter: what is escaped three times has seven.
const ESCAPES: usize = 7;

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
    pub(in crate::llm) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// `text` without the key, also where it stands escaped in JSON.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        let mut without = String::with_capacity(text.len());
        let mut rest = text;
        loop {
            if let Some(after) = self.0.chars().try_fold(rest, after) {
                without.push_str("(the key)");
                rest = after;
                continue;
            }
            let mut letters = rest.chars();
            let Some(letter) = letters.next() else { return without };
            without.push(letter);
            rest = letters.as_str();
        }
    }
}

/// What follows in `text` after a letter that it begins with, as it is or escaped.
fn after(text: &str, letter: char) -> Option<&str> {
    if let Some(after) = text.strip_prefix(letter) {
        return Some(after);
    }
    let mut bare = text;
    for _ in 0..ESCAPES {
        bare = bare.strip_prefix('\\')?;
        let number = bare.strip_prefix('u').and_then(|digits| digits.split_at_checked(4));
        if let Some((number, after)) = number
            && u32::from_str_radix(number, 16) == Ok(letter.into())
        {
            return Some(after);
        }
        if let Some(after) = bare.strip_prefix(letter) {
            return Some(after);
        }
    }
    None
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
    fn a_key_is_taken_out_however_it_is_escaped() {
        let key = ApiKey::read(r#"u"1\/<"#).unwrap().unwrap();
        let mut said = format!("[{}]", key.0);
        for times in 0..4 {
            assert_eq!(key.taken_out_of(&said).matches("(the key)").count(), 1, "{times}: {said}");
            said = serde_json::to_string(&said).unwrap();
        }
        let said = r#"sk\u002Fb, \u0075\u00221\\/\u003c, u"1\/>, \u00"#;
        assert_eq!(key.taken_out_of(said), r#"sk\u002Fb, (the key), u"1\/>, \u00"#);
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
