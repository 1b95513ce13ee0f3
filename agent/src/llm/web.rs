//! HTTP as this machine's other programs speak it: with its certificates, through its proxies, to no place that nobody
//! named.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Proxy, Timeout};

/// To find a host, and to connect to it.
const CONNECT: Duration = Duration::from_secs(10);

/// A client that follows no redirects and takes every status as an answer. It waits `silence` for the next byte.
pub fn agent(is_here: bool, silence: Duration) -> Agent {
    let tls = TlsConfig::builder()
        // As this machine's other programs do: a company's own authority counts.
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    // What is on this machine is never asked by way of another one.
    let proxy = if is_here { None } else { Proxy::try_from_env() };
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        // A key that is sent to one host is not carried to another one.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence))
        .user_agent(concat!("datarus/", env!("CARGO_PKG_VERSION")))
        .build();
    config.new_agent()
}

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether it may pass by itself: nothing listens, or the connection ended.
    pub passes: bool,
    /// What was found, and what to do.
    pub reason: String,
}

/// What an error means. `shown` makes foreign words fit to be shown, `silent` says what it means that nothing came.
pub fn fault(error: &Error, shown: &dyn Fn(&str) -> String, silent: &str) -> Fault {
    let passing = |reason: &str| Fault { passes: true, reason: reason.to_owned() };
    let stays = |reason: String| Fault { passes: false, reason };
    match error {
        Error::Io(io) => match io.kind() {
            io::ErrorKind::ConnectionRefused => {
                passing("nothing listens there: is the server running?")
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => {
                passing("it closed the connection: look at what it says itself")
            }
            // What `rustls` finds wrong with a certificate, or with a server that does not encrypt.
            io::ErrorKind::InvalidData => stays(unencrypted(&shown(&io.to_string()))),
            _ => stays(format!("it cannot be reached ({})", shown(&io.to_string()))),
        },
        Error::BodyStalled => passing("it closed the connection in the middle of its answer"),
        Error::HostNotFound => {
            stays(String::from("no such host is known here: look at the address"))
        }
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => stays(format!(
            "no connection within {} seconds: look at the address and at what is between",
            CONNECT.as_secs()
        )),
        Error::Timeout(_) => stays(silent.to_owned()),
        Error::Rustls(reason) => stays(unencrypted(&shown(&reason.to_string()))),
        Error::InvalidProxyUrl | Error::ConnectProxyFailed(_) => stays(format!(
            "the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY failed ({})",
            shown(&error.to_string())
        )),
        other => {
            stays(format!("expected HTTP, found something else ({})", shown(&other.to_string())))
        }
    }
}

fn unencrypted(reason: &str) -> String {
    format!(
        "the encrypted connection failed ({reason}): does it speak https, with a certificate that this machine \
         trusts? SSL_CERT_FILE names others"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays_and_each_says_what_to_do() {
        let check = |error: Error, passes: bool, words: &str| {
            let found = fault(&error, &str::to_owned, "silence");
            assert!(found.passes == passes && found.reason.contains(words), "{error}: {found:?}");
        };
        let io = |kind: io::ErrorKind| Error::Io(io::Error::new(kind, "reason"));
        check(io(io::ErrorKind::ConnectionRefused), true, "is the server running?");
        check(io(io::ErrorKind::ConnectionReset), true, "closed the connection");
        check(io(io::ErrorKind::UnexpectedEof), true, "closed the connection");
        check(io(io::ErrorKind::InvalidData), false, "(reason): does it speak https");
        check(io(io::ErrorKind::NetworkUnreachable), false, "(reason)");
        check(Error::HostNotFound, false, "look at the address");
        check(Error::Timeout(Timeout::Connect), false, "no connection within 10 seconds");
        check(Error::Timeout(Timeout::PerRead), false, "silence");
        check(Error::InvalidProxyUrl, false, "the proxy of HTTPS_PROXY");
    }
}
