//! The head of a request to the proxy: whom it is for, and what is sent on. Pure.

/// The longest head that is read, in bytes.
pub(super) const LONGEST: usize = 64 << 10;

/// Fields that concern us alone. The connection ends with the answer, so that what follows on it is for the same host.
const FOR_US: &[&str] =
    &["proxy-connection", "proxy-authorization", "connection", "keep-alive", "host"];

/// What is asked of the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// A name or an address, without brackets.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// What the host is sent first; nothing for a tunnel.
    pub(super) first: Option<Vec<u8>>,
}

/// Where the head ends in what was read, if it does.
pub(super) fn end(read: &[u8]) -> Option<usize> {
    read.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a head: `CONNECT host:port` or a method with a whole `http://` address.
///
/// # Source
/// <https://www.rfc-editor.org/rfc/rfc9112#section-3.2>.
pub(super) fn read(head: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(head).ok()?;
    let (line, fields) = text.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with("HTTP/1.") || method.is_empty() {
        return None;
    }
    if method == "CONNECT" {
        let (host, port) = authority(target)?;
        return Some(Asked { host, port: port?, first: None });
    }
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (named, path) = rest.split_at_checked(end)?;
    let (host, port) = authority(named)?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut first =
        format!("{method} {slash}{path} {version}\r\nHost: {named}\r\nConnection: close\r\n");
    for field in fields.split("\r\n").filter(|field| !field.is_empty()) {
        let (name, _) = field.split_once(':')?;
        if !FOR_US.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            first.push_str(field);
            first.push_str("\r\n");
        }
    }
    first.push_str("\r\n");
    Some(Asked { host, port: port.unwrap_or(80), first: Some(first.into_bytes()) })
}

/// The host, without brackets, and the port where one stands. A name and password before it are refused.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']')?,
        None => text.split_at_checked(text.find(':').unwrap_or(text.len()))?,
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    let is_host = crate::sandbox::network::is_name(host.trim_end_matches('.'))
        || host.parse::<std::net::IpAddr>().is_ok();
    is_host.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_and_a_whole_address_are_read() {
        let tunnel = read(b"CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(tunnel, Asked { host: "::1".into(), port: 443, first: None });
        let head = b"GET http://a.example:81?q HTTP/1.1\r\nHost: other\r\nProxy-Authorization: secret\r\nAccept: */*\r\n\r\n";
        let asked = read(head).unwrap();
        assert_eq!((asked.host.as_str(), asked.port), ("a.example", 81));
        let first = String::from_utf8(asked.first.unwrap()).unwrap();
        assert_eq!(
            first,
            "GET /?q HTTP/1.1\r\nHost: a.example:81\r\nConnection: close\r\nAccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn what_is_no_request_to_a_proxy_is_refused_and_does_not_panic() {
        for head in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET ftp://a.example/ HTTP/1.1\r\n\r\n",
            "GET https://a.example/ HTTP/1.1\r\n\r\n",
            "CONNECT a.example HTTP/1.1\r\n\r\n",
            "CONNECT a.example:x HTTP/1.1\r\n\r\n",
            "CONNECT a.example:443:443 HTTP/1.1\r\n\r\n",
            "CONNECT user@a.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT [::1:443 HTTP/1.1\r\n\r\n",
            "CONNECT 127.1:443 HTTP/1.1\r\n\r\n",
            "CONNECT a.example:443 SMTP\r\n\r\n",
            "GET http:///x HTTP/1.1\r\n\r\n",
            "GET http://a.example/ HTTP/1.1\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(read(head.as_bytes()), None, "{head:?}");
        }
        assert_eq!(read(b"\xff\xfe\r\n\r\n"), None);
    }
}
