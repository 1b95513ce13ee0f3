//! Which network cells reach: none, all, or that of named hosts. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The ports of a host that is named without one.
const WEB: [u16; 2] = [80, 443];

/// Which network cells reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Network {
    /// None.
    #[default]
    Off,
    /// Named hosts, through a proxy of ours.
    Hosts(Hosts),
    /// All of it.
    On,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        match text.trim() {
            "off" => Ok(Network::Off),
            "on" => Ok(Network::On),
            text => text.parse().map(Network::Hosts),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::Off => f.write_str("off"),
            Network::On => f.write_str("on"),
            Network::Hosts(hosts) => hosts.fmt(f),
        }
    }
}

/// Named hosts, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: Name,
    /// `None` stands for those of the web.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Address(IpAddr),
    /// In lower case.
    Exact(String),
    /// All names that end with a dot and this.
    Below(String),
}

impl Hosts {
    /// Whether a port of a host is among those named. What the host's name leads to is asked later.
    pub(crate) fn name(&self, host: &str, port: u16) -> bool {
        self.naming(host, port).next().is_some()
    }

    /// Whether a host that is named may be reached at an address that its name leads to. A name may lead anywhere, and
    /// whoever owns it decides: so what is this machine's own must be named by its address, or as `localhost`, and what
    /// is private by an address or by its full name.
    pub(crate) fn reach(&self, host: &str, port: u16, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let own = host.eq_ignore_ascii_case("localhost");
        self.naming(host, port).any(|named| match (&named.name, place_of(address)) {
            (Name::Address(named), _) => *named == address,
            (_, Place::Public) | (Name::Exact(_), Place::Private) => true,
            (Name::Exact(_), Place::Own) => own && address.is_loopback(),
            (Name::Below(_), Place::Private | Place::Own) => false,
        }) || self.naming(&address.to_string(), port).next().is_some() && self.name(host, port)
    }

    /// What is not to go through the proxy: Python's own loopback, unless the list means this machine's.
    pub(crate) fn past_proxy(&self) -> String {
        let own = ["localhost", "127.0.0.1", "::1"].into_iter();
        let named = |host: &&str| self.0.iter().any(|named| named.name.fits(host));
        own.filter(|host| !named(host)).collect::<Vec<_>>().join(",")
    }

    /// Whether all of them are among `others`.
    pub(crate) fn are_within(&self, others: &Hosts) -> bool {
        self.0.iter().all(|host| others.0.contains(host))
    }

    fn naming(&self, host: &str, port: u16) -> impl Iterator<Item = &Host> {
        self.0.iter().filter(move |named| {
            named.name.fits(host) && named.port.map_or(WEB.contains(&port), |named| named == port)
        })
    }
}

impl Name {
    fn fits(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match self {
            Name::Address(address) => {
                host.parse().is_ok_and(|host: IpAddr| host.to_canonical() == *address)
            }
            Name::Exact(name) => host == *name,
            Name::Below(name) => host
                .strip_suffix(name.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }
}

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Hosts, String> {
        let hosts: Result<Vec<_>, _> =
            text.split(',').map(str::trim).filter(|host| !host.is_empty()).map(read).collect();
        match hosts? {
            hosts if hosts.is_empty() => Err("expected `off`, `on` or hosts, found nothing".into()),
            hosts => Ok(Hosts(hosts)),
        }
    }
}

/// Reads `example.org`, `*.example.org`, `10.0.0.1`, `[::1]`, each maybe with `:8080`.
fn read(text: &str) -> Result<Host, String> {
    let wrong = || {
        format!(
            "expected a host such as `example.org`, `*.example.org` or `10.0.0.1:8080`, found `{text}`"
        )
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host { name: Name::Address(address.to_canonical()), port: None });
    }
    let (name, port) = match text.rsplit_once(':') {
        // In brackets it is part of an address.
        Some((name, port)) if !text.ends_with(']') => {
            (name, Some(port.parse().map_err(|_| wrong())?))
        }
        Some(_) | None => (text, None),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    let name = match (bare.parse::<IpAddr>(), name.strip_prefix("*.")) {
        (Ok(address), _) => Name::Address(address.to_canonical()),
        (Err(_), Some(name)) if is_name(name) => Name::Below(name.to_owned()),
        // One word may be a slip, such as `yes`; a port says that a host is meant.
        (Err(_), None)
            if is_name(&name) && (name.contains('.') || port.is_some() || name == "localhost") =>
        {
            Name::Exact(name)
        }
        (Err(_), _) => return Err(wrong()),
    };
    Ok(Host { name, port })
}

/// Whether this can be a host's name; one of digits alone would be read as an address.
pub(crate) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(is_label)
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Host { name, port }) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { "," } else { "" })?;
            match name {
                Name::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
                Name::Address(address) => write!(f, "{address}")?,
                Name::Exact(name) => f.write_str(name)?,
                Name::Below(name) => write!(f, "*.{name}")?,
            }
            if let Some(port) = port {
                write!(f, ":{port}")?;
            }
        }
        Ok(())
    }
}

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Anybody's on the network.
    Public,
    /// Somebody's in the network that this machine is in.
    Private,
    /// This machine's, or its link's, where clouds keep keys; or nobody's.
    Own,
}

/// # Source
/// The registries of special-purpose addresses, <https://www.rfc-editor.org/rfc/rfc6890>.
fn place_of(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_of_v4(address),
        IpAddr::V6(address) => place_of_v6(address),
    }
}

fn place_of_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Place::Private,
        [0 | 127 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0 | 2, _] | [198, 18 | 19, ..] => {
            Place::Own
        }
        _ => Place::Public,
    }
}

fn place_of_v6(address: Ipv6Addr) -> Place {
    match address.segments() {
        [0xfc00..=0xfdff, ..] => Place::Private,
        // What leads to an address of the fourth version.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            place_of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        [0x2001, 0 | 0xdb8, ..] => Place::Own,
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Hosts {
        text.parse().unwrap()
    }

    #[test]
    fn a_list_is_read_and_written_as_it_stands() {
        for text in [
            "off",
            "on",
            "localhost",
            "db:5432",
            "example.org",
            "*.example.org,10.0.0.1:8080,[::1]:80,[2001:4860::1]",
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!(
            " A.Example.ORG. , b.example ".parse::<Network>().unwrap().to_string(),
            "a.example.org,b.example"
        );
        for wrong in [
            "",
            ",",
            "http://example.org",
            "a/b",
            "*",
            "*.*",
            "a:b",
            "a b",
            "127.1",
            "2130706433",
            "0x7f.1",
            "-:1",
            "example.org:99999",
            "yes",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_named_hosts_and_ports_are_named() {
        let hosts = hosts("example.org,*.data.example,10.0.0.1:8080,[::1]");
        for (host, port, named) in [
            ("example.org", 443, true),
            ("EXAMPLE.org.", 80, true),
            ("example.org", 22, false),
            ("sub.example.org", 443, false),
            ("notexample.org", 443, false),
            ("a.data.example", 443, true),
            ("a.b.data.example", 443, true),
            ("data.example", 443, false),
            ("xdata.example", 443, false),
            (".data.example", 443, false),
            ("10.0.0.1", 8080, true),
            ("10.0.0.1", 80, false),
            ("::1", 80, true),
        ] {
            assert_eq!(hosts.name(host, port), named, "{host}:{port}");
        }
    }

    #[test]
    fn a_name_leads_to_no_address_that_is_not_meant() {
        let hosts = hosts("example.org,*.data.example,localhost,10.0.0.1,169.254.7.7");
        for (host, address, reached) in [
            ("example.org", "93.184.216.34", true),
            ("example.org", "2606:2800::1", true),
            ("example.org", "192.168.1.1", true),
            ("example.org", "fd00::1", true),
            ("example.org", "127.0.0.1", false),
            ("example.org", "::1", false),
            ("example.org", "::ffff:127.0.0.1", false),
            ("example.org", "64:ff9b::7f00:1", false),
            ("example.org", "2002:7f00:1::", false),
            ("example.org", "0.0.0.0", false),
            ("example.org", "169.254.169.254", false),
            ("example.org", "169.254.7.7", true),
            ("example.org", "fe80::1", false),
            ("a.data.example", "93.184.216.34", true),
            ("a.data.example", "192.168.1.1", false),
            ("a.data.example", "10.0.0.1", true),
            ("localhost", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("localhost", "169.254.169.254", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.2", "10.0.0.2", false),
        ] {
            let found = hosts.reach(host, 443, address.parse().unwrap());
            assert_eq!(found, reached, "{host} at {address}");
        }
    }

    #[test]
    fn the_loopback_of_python_is_not_asked_of_the_proxy_unless_the_machines_is_meant() {
        assert_eq!(hosts("example.org").past_proxy(), "localhost,127.0.0.1,::1");
        assert_eq!(hosts("127.0.0.1:8080").past_proxy(), "localhost,::1");
    }
}
