//! `NO_PROXY`: which hosts are reached straight, as curl reads it, and where curl has no meaning for
//! an entry, as Go's `httpproxy` does.
//!
//! What neither can read is an error: an entry that is passed over would send calls by a way that
//! nobody meant. `fixtures/no_proxy.tsv` holds what curl does.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use url::Host;

/// The hosts of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bypass(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// `None`: every port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// `*`.
    All,
    /// Addresses whose first bits are these.
    Net(IpAddr, u8),
    /// A name, lower case, and what ends with a dot and it; of `*.name` only the latter.
    Domain { name: String, itself: bool },
}

impl Bypass {
    /// Reads a list: entries behind commas or blanks.
    ///
    /// # Errors
    /// Which entry cannot be read, and why.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        let entries = entries.filter(|entry| !entry.is_empty());
        let read = |entry: &str| {
            // Whoever puts an address of a proxy here must not find its password in a log.
            let shown = || match entry.contains('@') {
                true => "an entry with `@`".to_owned(),
                false => format!("`{}`", entry.escape_debug()),
            };
            Entry::parse(entry).map_err(|why| format!("{}: {why}", shown()))
        };
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether every host is reached straight.
    pub(crate) fn covers_all(&self) -> bool {
        self.0.iter().any(|entry| entry.hosts == Hosts::All)
    }

    /// Whether `target` is reached straight.
    pub(crate) fn covers(&self, target: &Uri) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let usual = if target.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let port = target.port_u16().unwrap_or(usual);
        let text = target.host().unwrap_or_default();
        let text = text.strip_suffix('.').unwrap_or(text);
        // Addresses have many spellings, as 127.1 for 127.0.0.1.
        let host = match Host::parse(text) {
            Ok(Host::Ipv4(address)) => Ok(IpAddr::V4(address)),
            Ok(Host::Ipv6(address)) => Ok(IpAddr::V6(address)),
            Ok(Host::Domain(name)) => Err(name),
            Err(_) => Err(text.to_ascii_lowercase()),
        };
        self.0.iter().any(|entry| entry.covers(host.as_ref().map_err(String::as_str), port))
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self { hosts: Hosts::All, port: None });
        }
        if let Some((address, bits)) = text.split_once('/') {
            return Ok(Self { hosts: net(address, bits)?, port: None });
        }
        if let Some(address) = ip(text) {
            return Ok(Self { hosts: Hosts::Net(address, bits_of(address)), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            None => (text, None),
            Some((host, port)) => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (host, Some(port.ok_or("expected a port behind the colon, as in host:8080")?))
            }
        };
        let hosts = match ip(host) {
            Some(address) => Hosts::Net(address, bits_of(address)),
            None => domain(host)?,
        };
        Ok(Self { hosts, port })
    }

    fn covers(&self, host: Result<&IpAddr, &str>, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match (&self.hosts, host) {
            (Hosts::All, _) => true,
            (Hosts::Net(net, bits), Ok(address)) => is_within(*address, *net, *bits),
            (Hosts::Domain { name, itself }, Err(host)) => match host.strip_suffix(&**name) {
                Some("") => *itself,
                Some(start) => start.ends_with('.'),
                None => false,
            },
            (Hosts::Net(..), Err(_)) | (Hosts::Domain { .. }, Ok(_)) => false,
        }
    }
}

fn domain(text: &str) -> Result<Hosts, &'static str> {
    // curl takes a leading dot off, so that the name itself is meant as well.
    let (name, itself) = match text.strip_prefix("*.") {
        Some(name) => (name, false),
        None => (text.strip_prefix('.').unwrap_or(text), true),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name.contains('*') {
        return Err("`*` stands alone or before a dot, as in *.example.com");
    }
    if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err("a part of an address; write a network as 10.0.0.0/8");
    }
    let is_sound = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    if !name.split('.').all(|label| !label.is_empty() && label.chars().all(is_sound)) {
        return Err("expected a host, .domain, *.domain, host:port, an address or a network");
    }
    Ok(Hosts::Domain { name, itself })
}

fn net(address: &str, bits: &str) -> Result<Hosts, &'static str> {
    let address = ip(address).ok_or("expected an address before the slash, as in 10.0.0.0/8")?;
    let bits = bits.parse().ok().filter(|bits| *bits <= bits_of(address));
    Ok(Hosts::Net(address, bits.ok_or("expected a number of bits behind the slash")?))
}

fn ip(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_within(address: IpAddr, net: IpAddr, bits: u8) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    // IPv4 within IPv6 is the same server.
    let address = address.to_canonical();
    let net = if bits == bits_of(net) { net.to_canonical() } else { net };
    let rest = u32::from(bits_of(net).saturating_sub(bits));
    address.is_ipv4() == net.is_ipv4()
        && (number(address) ^ number(net)).checked_shr(rest).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(list: &str, url: &str) -> &'static str {
        match Bypass::parse(list) {
            Err(_) => "error",
            Ok(bypass) if bypass.covers(&url.parse().unwrap()) => "direct",
            Ok(_) => "proxy",
        }
    }

    /// What differs from curl has the reason beside it.
    #[test]
    fn lists_are_read_as_curl_reads_them() {
        let table = include_str!("../../fixtures/no_proxy.tsv");
        let mut lines = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<_> = line.split('\t').collect();
            let [list, url, curl, weir, ..] = columns[..] else { panic!("{line}") };
            let list = list.trim_matches('"').replace("\\t", "\t");
            let expected = if weir == "=" { curl } else { weir };
            assert_eq!(way(&list, url), expected, "NO_PROXY={list:?} {url}");
            assert_eq!(columns.len(), if weir == "=" { 4 } else { 5 }, "{line}");
            lines += 1;
        }
        assert!(lines > 85, "{lines}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for list in ["a.test,10.0.0.0/33", "a.test;b.test", "10.", "host:", "host:0", "[::1", "::g"]
        {
            let why = Bypass::parse(list).unwrap_err();
            assert!(why.starts_with('`'), "{why}");
        }
        assert!(Bypass::parse("a.test, 10.0.0.0/33").unwrap_err().contains("`10.0.0.0/33`"));
        assert!(!Bypass::parse("http://user:hunter22@p:1").unwrap_err().contains("hunter22"));
    }
}
