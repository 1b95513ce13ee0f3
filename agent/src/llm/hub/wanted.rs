//! Pure: what of which repository is wanted.

use std::fmt;
use std::str::FromStr;

use super::HubError;

/// A repository, and what of it: `owner/name`, `owner/name:Q4_K_M`, `owner/name:file.gguf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `owner/name`.
    pub repository: String,
    /// A file of it, or a quantisation.
    pub part: Option<String>,
}

impl FromStr for Wanted {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let unreadable = || HubError::Id(text.chars().take(200).collect());
        let (repository, part) = match text.split_once(':') {
            Some((repository, part)) => (repository, Some(part)),
            None => (text, None),
        };
        let (owner, name) = repository.split_once('/').ok_or_else(unreadable)?;
        let is_well = is_name(owner) && is_name(name) && part != Some("");
        is_well
            .then(|| Self { repository: repository.to_owned(), part: part.map(str::to_owned) })
            .ok_or_else(unreadable)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Some(part) => write!(f, "{}:{part}", self.repository),
            None => f.write_str(&self.repository),
        }
    }
}

/// Whether the hub takes it as one of the two names of a repository.
///
/// # Source
/// `validate_repo_id` in
/// <https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/utils/_validators.py>.
fn is_name(name: &str) -> bool {
    let is_edge = |c: Option<char>| matches!(c, None | Some('-' | '.'));
    name.len() <= 96
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !is_edge(name.chars().next())
        && !is_edge(name.chars().next_back())
        && !name.contains("--")
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_repository_and_what_of_it() {
        for (text, repository, part) in [
            ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B", None),
            ("a/b:Q4_K_M", "a/b", Some("Q4_K_M")),
            ("a/b:sub/c-q8.gguf", "a/b", Some("sub/c-q8.gguf")),
        ] {
            let wanted: Wanted = text.parse().unwrap();
            assert_eq!((&*wanted.repository, wanted.part.as_deref()), (repository, part), "{text}");
            assert_eq!(wanted.to_string(), text);
        }
    }

    #[test]
    fn what_no_hub_takes_as_an_id_is_refused() {
        for text in
            ["a", "a/", "/b", "a/b/c", "a/..", "a/-b", "a/b--c", "a/b:", "ä/b", "../b", "a b/c"]
        {
            let error = text.parse::<Wanted>().unwrap_err().to_string();
            assert!(error.contains("as `owner/name`") && error.contains(text), "{error}");
        }
    }
}
