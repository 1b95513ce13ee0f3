//! Models from a hub: which files a repository has, and those that are wanted, whole and checked.
//!
//! The protocol is that of the hub that `huggingface_hub` speaks with. A listing (`listing`) names a commit and the
//! files of it with their sizes and hashes; a file (`transfer`) comes from the hub or from a host that it leads to, is
//! taken up where it broke off, and has its name only once its hash is right. The token goes to the hub alone.
//!
//! # Source
//! <https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/file_download.py> and `hf_api.py`
//! there.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::endpoint::{Address, ApiKey, Reach, shown};
use super::web::{self, Fault};

mod listing;
mod refusal;
mod transfer;
mod wanted;

pub use listing::{Check, File, Listing, Selection};
pub use wanted::Wanted;

/// How long nothing may arrive.
const SILENCE: Duration = Duration::from_secs(60);

/// How often the same is asked before any of it has arrived.
const ATTEMPTS: u32 = 5;

/// Before the second time; each later pause is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Hosts that one file may be looked for at.
const HOPS: usize = 5;

/// Bytes of a listing.
const LONGEST_LISTING: u64 = 64 << 20;

/// Bytes of a refusal that are looked at.
const LONGEST_REFUSAL: u64 = 4 << 10;

/// A hub of models.
#[derive(Debug)]
pub struct Hub {
    address: Address,
    token: Option<ApiKey>,
    agent: Agent,
}

/// Why a model does not come from a hub. Each says what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The id of a repository cannot be read.
    #[error(
        "expected a repository as `owner/name`, `owner/name:Q4_K_M` or `owner/name:file.gguf`, found `{0}`"
    )]
    Id(String),
    /// The hub, or a host that it leads to, does not give what was asked for.
    #[error("the hub at {at}: {reason}")]
    Refused {
        /// Its address.
        at: String,
        /// What was found, and what to do.
        reason: String,
    },
    /// It is not clear which file is meant, or none can be used.
    #[error("{repository}: {reason}")]
    Choice {
        /// The repository.
        repository: String,
        /// What there is, and what to do.
        reason: String,
    },
    /// Others could read the token.
    #[error(
        "expected an address with https for the token in the variable HF_TOKEN, found {at}, to where others can read it: \
         use https, or set HF_TOKEN to nothing if the model is public"
    )]
    Readable {
        /// The hub's address.
        at: String,
    },
    /// What came is not what the hub promised.
    #[error(
        "`{file}` came with the hash {found}, the hub says {expected}: what came is deleted; add the model again, and \
         if it happens again do not trust what is between"
    )]
    Hash {
        /// The file.
        file: String,
        /// By the hub.
        expected: String,
        /// Of the bytes.
        found: String,
    },
    /// The disk is too small.
    #[error(
        "expected room for {needed_mib} MiB in `{}`, found {available_mib} MiB: free some, or set XDG_DATA_HOME to \
         another disk", folder.display()
    )]
    Space {
        /// Still to come.
        needed_mib: u64,
        /// Free.
        available_mib: u64,
        /// Where.
        folder: PathBuf,
    },
    /// The system refuses.
    #[error("cannot write `{}`: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Hub {
    /// The hub at an address, asked with a token if there is one.
    ///
    /// # Errors
    /// When the token would leave this machine unencrypted.
    pub fn new(address: Address, token: Option<ApiKey>) -> Result<Self, HubError> {
        let is_here = address.reach() == Reach::Here;
        if token.is_some() && !is_here && !address.served().encrypted {
            return Err(HubError::Readable { at: address.origin().to_owned() });
        }
        Ok(Self { agent: web::agent(is_here, SILENCE), address, token })
    }

    /// The files of a repository at a branch, tag or commit. Blocks until the hub has answered.
    ///
    /// # Errors
    /// When the hub does not answer or refuses, or what it says is no listing.
    pub fn list(&self, repository: &str, revision: &str) -> Result<Listing, HubError> {
        let resource = format!("api/models/{repository}/revision/{}?blobs=true", encoded(revision));
        let at = self.address.of(&resource);
        persistently(|| {
            let response = self.call(&at, &[], true)?;
            let mut text = String::new();
            let body = response.into_body().into_reader();
            let read = body.take(LONGEST_LISTING).read_to_string(&mut text);
            read.map_err(|error| self.fault(&ureq::Error::from(error)))?;
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            Listing::read(&value).map_err(|reason| Fault { passes: false, reason })
        })
        .map_err(|fault| self.refused(fault))
    }

    /// Brings a file of a repository, as a commit has it, into a folder, under its own path. What is there already is
    /// kept, a part of it taken up. `tell` hears how many bytes of the file are there. Blocks until it is whole.
    ///
    /// # Errors
    /// When it does not come, cannot be written, or is not what the hub promised.
    pub fn fetch(
        &self,
        repository: &str,
        commit: &str,
        file: &File,
        folder: &Path,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), HubError> {
        let path: Vec<String> = file.path.split('/').map(encoded).collect();
        let resource = format!("{repository}/resolve/{}/{}", encoded(commit), path.join("/"));
        transfer::Transfer { hub: self, at: self.address.of(&resource), file, folder }.run(tell)
    }

    /// One request, over as many hosts as it leads to; the token goes to the hub's own. `is_hub_alone` when it must lead
    /// nowhere.
    fn call(
        &self,
        at: &str,
        headers: &[(&str, &str)],
        is_hub_alone: bool,
    ) -> Result<Response<Body>, Fault> {
        let mut at = at.to_owned();
        for _ in 0..HOPS {
            let is_hub = transfer::origin_of(&at) == Some(self.address.origin());
            // A compressed body would have another length than the file.
            let mut request = self.agent.get(&at).header("accept-encoding", "identity");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(token) = self.token.as_ref().filter(|_| is_hub) {
                request = request.header("authorization", token.authorization());
            }
            let response = request.call().map_err(|error| self.fault(&error))?;
            match response.status().as_u16() {
                200 | 206 => return Ok(response),
                301 | 302 | 303 | 307 | 308 if !is_hub_alone => {
                    at = transfer::next_place(&at, header(&response, "location"))
                        .map_err(|reason| Fault { passes: false, reason })?;
                }
                _ => return Err(self.judged(response)),
            }
        }
        Err(Fault { passes: false, reason: format!("it leads on more than {HOPS} times") })
    }

    /// What an answer with another status means.
    fn judged(&self, response: Response<Body>) -> Fault {
        let said = refusal::Said {
            status: response.status().as_u16(),
            code: header(&response, "x-error-code").unwrap_or_default().to_owned(),
            message: header(&response, "x-error-message").map(str::to_owned),
            has_token: self.token.is_some(),
        };
        let mut body = Vec::new();
        let _ = response.into_body().into_reader().take(LONGEST_REFUSAL).read_to_end(&mut body);
        refusal::judge(&said, &shown(&String::from_utf8_lossy(&body), self.token.as_ref()))
    }

    fn fault(&self, error: &ureq::Error) -> Fault {
        let silent = format!("nothing arrived for {} seconds: try again later", SILENCE.as_secs());
        let mut fault = web::fault(error, &|text| shown(text, self.token.as_ref()), &silent);
        fault.passes |= matches!(error, ureq::Error::Timeout(_));
        fault
    }

    fn refused(&self, fault: Fault) -> HubError {
        HubError::Refused { at: self.address.origin().to_owned(), reason: fault.reason }
    }
}

/// Asks again, after a while, what did not come for a reason that may pass.
fn persistently<T>(mut ask: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match ask() {
            Err(fault) if fault.passes => {
                tracing::info!(reason = fault.reason, "asked again");
                std::thread::sleep(pause);
                pause *= 2;
            }
            done => return done,
        }
    }
    ask()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// A segment of a path as an address holds it.
fn encoded(segment: &str) -> String {
    use std::fmt::Write as _;
    segment.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("a string takes all that is written"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_encoded_so_that_it_stays_one() {
        assert_eq!(encoded("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(encoded("a b?é.gguf"), "a%20b%3F%C3%A9.gguf");
    }

    #[test]
    fn a_token_goes_to_no_place_where_others_can_read_it() {
        for (address, token, is_taken) in [
            ("https://example.org", "hf_secret", true),
            ("http://localhost:8080", "hf_secret", true),
            ("http://127.0.0.1:8080", "hf_secret", true),
            ("http://gpu", "hf_secret", false),
            ("http://10.0.0.1", "hf_secret", false),
            ("http://example.org", "hf_secret", false),
            ("http://example.org", "", true),
        ] {
            let hub = Hub::new(address.parse().unwrap(), ApiKey::read(token).unwrap());
            assert_eq!(hub.is_ok(), is_taken, "{address}");
            if let Err(error) = hub {
                let said = error.to_string();
                assert!(said.contains(address) && !said.contains("hf_secret"), "{said}");
            }
        }
    }
}
