//! Where a model is served.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

/// The base of an OpenAI-compatible server, such as `http://127.0.0.1:8080/v1`. It holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    origin: String,
    reach: Reach,
    encrypted: bool,
}

/// How far away a server is, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// This machine: nothing leaves it.
    Here,
    /// A private address, or a name that only a private network knows.
    Nearby,
    /// Anywhere else.
    Away,
}

/// Who computes a model that this process does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Scheme, host and port.
    pub at: String,
    /// How far away.
    pub reach: Reach,
    /// Whether what is said is encrypted on its way.
    pub encrypted: bool,
}

impl Address {
    /// Whether a text is meant as an address rather than as a path.
    pub fn is_meant_by(text: &str) -> bool {
        ["http://", "https://"].iter().any(|scheme| {
            text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
    }

    /// The address of a resource of the protocol, such as `chat/completions`.
    pub(in crate::llm) fn of(&self, resource: &str) -> String {
        format!("{}/{resource}", self.base)
    }

    /// The address of a resource beside the protocol, such as `props` of llama.cpp.
    pub(super) fn beside(&self, resource: &str) -> String {
        format!("{}/{resource}", self.base.strip_suffix("/v1").unwrap_or(&self.base))
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How far away it is.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What is told and noted of it.
    pub fn served(&self) -> Served {
        Served { at: self.origin.clone(), reach: self.reach, encrypted: self.encrypted }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// Why a text is no address; it is never quoted, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error(
        "expected an address such as `http://127.0.0.1:8080/v1`, found one that cannot be read"
    )]
    Unreadable,
    /// It has a user or a password.
    #[error(
        "expected an address without a user and a password: put the key into the variable DATARUS_API_KEY"
    )]
    Credentials,
    /// It has a query.
    #[error("expected an address without `?`, such as `http://127.0.0.1:8080/v1`")]
    Query,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.trim().parse().map_err(|_| AddressError::Unreadable)?;
        let authority = uri.authority().ok_or(AddressError::Unreadable)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(AddressError::Query);
        }
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(AddressError::Unreadable),
        };
        if authority.host().is_empty() {
            return Err(AddressError::Unreadable);
        }
        let scheme = if encrypted { "https" } else { "http" };
        let origin = format!("{scheme}://{authority}");
        let base = format!("{origin}{}", uri.path().trim_end_matches('/'));
        Ok(Self { base, origin, reach: reach(authority.host()), encrypted })
    }
}

fn reach(host: &str) -> Reach {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return reach_of_address(address);
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |end: &str| name.ends_with(end);
    if name == "localhost" || is_below(".localhost") {
        Reach::Here
    } else if !name.contains('.')
        || [".local", ".lan", ".internal", ".home.arpa"].iter().any(|end| is_below(end))
    {
        Reach::Nearby
    } else {
        Reach::Away
    }
}

fn reach_of_address(address: IpAddr) -> Reach {
    let address = address.to_canonical();
    let is_nearby = match address {
        // 100.64.0.0/10 is what private networks between machines use.
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    match address {
        _ if address.is_loopback() => Reach::Here,
        _ if is_nearby => Reach::Nearby,
        _ => Reach::Away,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_its_resources_with_and_without_a_slash_at_its_end() {
        for text in
            ["http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/", "HTTP://127.0.0.1:8080/v1"]
        {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.of("models"), "http://127.0.0.1:8080/v1/models", "{text}");
            assert_eq!(address.beside("props"), "http://127.0.0.1:8080/props", "{text}");
            assert_eq!(address.origin(), "http://127.0.0.1:8080", "{text}");
        }
        let address: Address = "https://example.org/openai".parse().unwrap();
        assert_eq!(address.of("models"), "https://example.org/openai/models");
    }

    #[test]
    fn what_may_hold_a_secret_is_refused_and_not_repeated() {
        for text in [
            "https://me:secret@example.org/v1",
            "https://secret@example.org/v1",
            "https://example.org/v1?key=secret",
            "https://example.org/v1#secret",
            "http://secret secret/",
            "ftp://secret/v1",
            "http://",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(
                error.starts_with("expected an address") && !error.contains("secret"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn how_far_a_server_is_follows_from_its_name() {
        let check = |expected: Reach, hosts: &[&str]| {
            for host in hosts {
                let address: Address = format!("http://{host}:1/v1").parse().unwrap();
                assert_eq!(address.reach(), expected, "{host}");
            }
        };
        check(
            Reach::Here,
            &[
                "localhost",
                "LOCALHOST",
                "a.localhost",
                "127.0.0.1",
                "127.9.9.9",
                "[::1]",
                "[::ffff:127.0.0.1]",
            ],
        );
        check(
            Reach::Nearby,
            &[
                "10.1.2.3",
                "192.168.0.9",
                "172.16.0.1",
                "100.64.0.1",
                "169.254.1.1",
                "[fd00::1]",
                "[fe80::1]",
                "gpu",
                "gpu.local",
                "gpu.lan",
                "gpu.internal",
            ],
        );
        check(
            Reach::Away,
            &[
                "example.org",
                "8.8.8.8",
                "172.32.0.1",
                "100.128.0.1",
                "[2001:db8::1]",
                "localhost.example.org",
                "127.0.0.1.example.org",
            ],
        );
    }

    #[test]
    fn a_path_is_no_address() {
        for (text, expected) in [
            ("http://x", true),
            ("HTTPS://x", true),
            ("model.gguf", false),
            ("/http://x", false),
            ("http", false),
        ] {
            assert_eq!(Address::is_meant_by(text), expected, "{text}");
        }
    }
}
