//! Pure: what the refusals of a hub mean.

use super::Fault;

/// An answer with another status than one that brings something.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// Of HTTP.
    pub(super) status: u16,
    /// `X-Error-Code`.
    pub(super) code: String,
    /// `X-Error-Message`.
    pub(super) message: Option<String>,
    /// Whether it was asked with a token.
    pub(super) has_token: bool,
}

/// What an answer means; `body` is what it says, fit to be shown.
///
/// # Source
/// `hf_raise_for_status` in
/// <https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/utils/_http.py>: a repository that
/// does not exist is refused with 401, as a private one is.
pub(super) fn judge(said: &Said, body: &str) -> Fault {
    let stays = |reason: &str| Fault { passes: false, reason: reason.to_owned() };
    let invalid = "Invalid credentials in Authorization header";
    match (said.code.as_str(), said.status) {
        ("GatedRepo", _) if said.has_token => stays(
            "the repository is gated, and the account of the token has no access: accept its conditions on its page",
        ),
        ("GatedRepo", _) => stays(
            "the repository is gated: accept its conditions on its page with your account, and put a token of that \
             account into the variable HF_TOKEN",
        ),
        ("RevisionNotFound", _) => {
            stays("it has no such revision: name a branch, a tag or a commit with `--revision`")
        }
        ("EntryNotFound", _) => stays("the repository has no such file any more: add it again"),
        (_, 401) if said.message.as_deref() == Some(invalid) => stays(
            "it does not take the token in the variable HF_TOKEN: make a new one, or unset it",
        ),
        ("RepoNotFound", _) | (_, 401) if said.has_token => stays(
            "no such repository, or a private one that the token in HF_TOKEN does not reach: look at its name",
        ),
        ("RepoNotFound", _) | (_, 401) => stays(
            "no such repository, or a private one: look at its name, and for a private one put a token into the \
             variable HF_TOKEN",
        ),
        (_, 403) => {
            stays(&format!("it forbids that ({body}): what the token may do is set on the hub"))
        }
        (_, 404) => stays(
            "expected the listing of a repository, found nothing: is it the address of a model hub?",
        ),
        (_, status @ (408 | 425 | 429 | 500..=599)) => Fault {
            passes: true,
            reason: format!("it is busy (status {status}: {body}): try again later"),
        },
        (_, status) => stays(&format!("expected a file, found status {status} ({body})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, code: &str, has_token: bool, passes: bool, words: &str) {
        let said = Said { status, code: code.to_owned(), message: None, has_token };
        let found = judge(&said, "body");
        assert!(found.passes == passes && found.reason.contains(words), "{found:?}");
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        check(
            401,
            "GatedRepo",
            false,
            false,
            "put a token of that account into the variable HF_TOKEN",
        );
        check(403, "GatedRepo", true, false, "accept its conditions on its page");
        check(401, "RepoNotFound", false, false, "for a private one put a token");
        check(404, "RepoNotFound", true, false, "that the token in HF_TOKEN does not reach");
        check(401, "", false, false, "no such repository");
        check(404, "RevisionNotFound", false, false, "`--revision`");
        check(404, "EntryNotFound", false, false, "no such file");
        check(403, "", true, false, "forbids that (body)");
        check(404, "", false, false, "is it the address of a model hub?");
        check(429, "", false, true, "busy (status 429: body)");
        check(503, "", false, true, "busy");
        check(418, "", false, false, "found status 418");
        let message = Some(String::from("Invalid credentials in Authorization header"));
        let said = Said { status: 401, message, has_token: true, ..Said::default() };
        assert!(judge(&said, "").reason.contains("does not take the token"));
    }
}
