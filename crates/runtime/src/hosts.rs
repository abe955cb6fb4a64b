//! Under which names a listener may be asked for, and which pages are its own.
//!
//! A page of anybody's can have the name that it was loaded from point at this machine afterwards (DNS
//! rebinding), and its browser then takes what is answered here for that page's own. What the page
//! cannot change is the name, which stands in `Host`. An IP address there is no name that somebody could
//! move. Knows no route and no setting: names are arguments.

use std::borrow::Cow;
use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Uri};

/// The names of a listener. Ports do not matter: proxies and containers change them.
///
/// Loopback names and addresses, and the address that is listened on, always are; further addresses
/// where the listener can be reached from elsewhere; further names only if they are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    listen: IpAddr,
    given: Vec<Given>,
}

/// A name that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    /// `*`: whatever is asked for.
    All,
    Address(IpAddr),
    Name(String),
    /// `*.example.com`: kept with the dot in front.
    Under(String),
}

impl Given {
    fn new(text: &str) -> Self {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(&text).parse::<IpAddr>() {
            return Self::Address(address.to_canonical());
        }
        match text.strip_prefix('*') {
            Some("") => Self::All,
            Some(end) => Self::Under(end.to_owned()),
            None => Self::Name(text),
        }
    }
}

impl Hosts {
    /// Those of a listener on `listen`; `given` are exact names, addresses, `*.example.com` for all
    /// names under it, or `*` for all there are.
    #[must_use]
    pub fn new(listen: IpAddr, given: &[String]) -> Self {
        let given = given.iter().map(|text| Given::new(text)).collect();
        Self { listen: listen.to_canonical(), given }
    }

    /// The host that a request asks for, if it is none of these. Every place where a request names one
    /// counts: the target of its first line (HTTP/2's `:authority`) and each `Host`. One that names
    /// none comes from no browser.
    #[must_use]
    pub fn stranger<'a>(&self, uri: &'a Uri, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
        let target = uri.authority().map(|authority| authority.as_str().as_bytes());
        let named = headers.get_all(HOST).into_iter().map(HeaderValue::as_bytes);
        let mut named = target.into_iter().chain(named);
        named.find(|host| !self.knows(host)).map(String::from_utf8_lossy)
    }

    fn knows(&self, host: &[u8]) -> bool {
        if host.is_empty() || self.given.contains(&Given::All) || self.is_usual(host) {
            return true;
        }
        match std::str::from_utf8(host).ok().and_then(split) {
            Some((Host::Address(address), _)) => self.knows_address(address),
            Some((Host::Name(name), _)) => self.knows_name(name),
            None => false,
        }
    }

    /// Whether `host` is as clients mostly write it: what the rest comes to is seen at a glance.
    fn is_usual(&self, host: &[u8]) -> bool {
        let name = match host.iter().rposition(|byte| !byte.is_ascii_digit()) {
            // As many digits as the largest port has are less than it, or more, as texts too.
            Some(at) if host.get(at) == Some(&b':') => host
                .get(at + 1..)
                .filter(|port| port.len() < 5 || (port.len() == 5 && *port <= &b"65535"[..]))
                .and_then(|_| host.get(..at)),
            _ => Some(host),
        };
        let is_given = |name: &[u8]| {
            self.given
                .iter()
                .any(|given| matches!(given, Given::Name(own) if own.as_bytes() == name))
        };
        name.is_some_and(|name| name == b"localhost" || name == b"127.0.0.1" || is_given(name))
    }

    fn knows_address(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || address == self.listen
            || !self.listen.is_loopback()
            || self.given.contains(&Given::Address(address))
    }

    fn knows_name(&self, name: &str) -> bool {
        // RFC 6761 §6.3: resolvers keep these to loopback, whoever is asked.
        name.eq_ignore_ascii_case("localhost")
            || ends_with(name, ".localhost")
            || self.given.iter().any(|given| match given {
                Given::Name(own) => own.eq_ignore_ascii_case(name),
                Given::Under(end) => ends_with(name, end),
                Given::All | Given::Address(_) => false,
            })
    }
}

impl Default for Hosts {
    /// Those of a listener on loopback.
    fn default() -> Self {
        Self::new(IpAddr::from([127, 0, 0, 1]), &[])
    }
}

/// Whether `origin` is that of the host and port that the request asks for, as a page has it that was
/// loaded from here. Says something only of a request whose host is known.
#[must_use]
pub fn is_own_origin(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let target = uri.authority().map(|authority| authority.as_str());
    let asked = target.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let (Some(asked), Ok(origin)) = (asked.and_then(split), origin.to_str()) else {
        return false;
    };
    let Some((scheme, origin)) = origin.split_once("://") else {
        return false;
    };
    // Whether clients come by TLS is known to the proxy in front alone.
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some(origin) = split(origin) else {
        return false;
    };
    origin.0.is_same(asked.0) && origin.1.unwrap_or(usual) == asked.1.unwrap_or(usual)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host<'a> {
    Address(IpAddr),
    /// Without the dot that may stand at the end.
    Name(&'a str),
}

impl Host<'_> {
    fn is_same(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(one), Host::Address(other)) => one == other,
            _ => false,
        }
    }
}

/// Host and port of `host`, `host:port` or `[address]:port`; `None`: it is something else.
fn split(text: &str) -> Option<(Host<'_>, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (Host::Address(IpAddr::V6(address.parse().ok()?).to_canonical()), rest)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (host, rest) = text.split_at(end);
            let name = host.strip_suffix('.').unwrap_or(host);
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || !name.bytes().all(sound) {
                return None;
            }
            let address = host.parse().ok().map(IpAddr::V4);
            (address.map_or(Host::Name(name), Host::Address), rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((host, port))
}

fn ends_with(name: &str, end: &str) -> bool {
    let at = name.len().checked_sub(end.len()).filter(|at| *at > 0);
    at.and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, given: &[&str]) -> Hosts {
        let given: Vec<_> = given.iter().map(|&text| text.to_owned()).collect();
        Hosts::new(listen.parse().unwrap(), &given)
    }

    fn headers(hosts: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        headers
    }

    fn knows(hosts: &Hosts, host: &str) -> bool {
        hosts.stranger(&Uri::from_static("/"), &headers(&[host])).is_none()
    }

    const LOOPBACK: [&str; 11] = [
        "localhost",
        "localhost:8080",
        "LOCALHOST.",
        "app.localhost:1",
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.0.0.1:65535",
        "127.8.8.8",
        "[::1]",
        "[::1]:8080",
        "[::ffff:127.0.0.1]:8080",
    ];
    const ADDRESSES: [&str; 4] = ["10.1.2.3", "192.168.0.7:8080", "[fd00::1]:8080", "0.0.0.0:80"];
    const STRANGERS: [&str; 20] = [
        "evil.example",
        "evil.example:8080",
        "evil",
        "localhost.evil.example",
        "evil.example.localhost.evil",
        "evillocalhost",
        ".localhost",
        "127.0.0.1.evil.example",
        "127.1",
        "0x7f000001",
        "2130706433",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "localhost:x",
        "localhost:65536",
        "[::1]evil.example",
        "[::1",
        "localhost/evil",
        "localhost, evil.example",
        "löcalhost",
    ];

    #[test]
    fn loopback_is_known_to_all_and_other_addresses_to_those_that_others_reach() {
        let own = hosts("127.0.0.1", &[]);
        for listen in ["127.0.0.1", "::1", "0.0.0.0", "::", "10.0.0.5"] {
            let hosts = hosts(listen, &[]);
            for host in LOOPBACK {
                assert!(knows(&hosts, host), "{listen}: {host}");
            }
            for host in STRANGERS {
                assert!(!knows(&hosts, host), "{listen}: {host}");
            }
            for host in ADDRESSES {
                assert_eq!(knows(&hosts, host), !hosts.listen.is_loopback(), "{listen}: {host}");
            }
        }
        assert_eq!(own, Hosts::default());
    }

    #[test]
    fn names_are_known_if_they_are_given() {
        let given = ["edge", "Gateway.Example.com.", "*.example.org", "10.9.9.9", "[fd00::9]"];
        let hosts = hosts("127.0.0.1", &given);
        for host in [
            "edge:8080",
            "gateway.example.com",
            "GATEWAY.example.com.:443",
            "a.example.org",
            "a.b.example.org",
            "10.9.9.9:1",
            "[fd00:0::9]",
        ] {
            assert!(knows(&hosts, host), "{host}");
        }
        for host in ["edge.evil", "example.com", "example.org", "evilexample.org", "10.9.9.8"] {
            assert!(!knows(&hosts, host), "{host}");
        }
        for host in STRANGERS {
            assert!(!knows(&hosts, host), "{host}");
            assert!(knows(&Hosts::new(hosts.listen, &["*".to_owned()]), host), "{host}");
        }
    }

    #[test]
    fn every_place_that_names_a_host_counts() {
        let hosts = Hosts::default();
        let stranger = |uri: &'static str, named: &[&str]| {
            let headers = headers(named);
            hosts.stranger(&Uri::from_static(uri), &headers).map(Cow::into_owned)
        };
        assert_eq!(stranger("/", &[]), None, "HTTP/1.0");
        assert_eq!(stranger("/", &[""]), None);
        assert_eq!(stranger("http://localhost/v1", &["localhost"]), None);
        for (uri, named) in [
            ("http://evil.example/v1", vec!["localhost"]),
            ("http://localhost/v1", vec!["evil.example"]),
            ("http://evil.example/v1", vec![]),
            ("/", vec!["localhost", "evil.example"]),
        ] {
            assert_eq!(stranger(uri, &named).as_deref(), Some("evil.example"), "{uri} {named:?}");
        }
    }

    #[test]
    fn a_page_of_the_listeners_own_is_one_with_its_host_and_port() {
        for (origin, host, own) in [
            ("http://localhost:8080", "localhost:8080", true),
            ("http://LOCALHOST:8080", "localhost:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("https://gw.example", "gw.example", true),
            ("https://gw.example", "gw.example:443", true),
            ("http://gw.example:80", "gw.example", true),
            ("https://gw.example", "gw.example:8443", false),
            ("http://localhost:3000", "localhost:8080", false),
            ("http://localhost", "localhost:8080", false),
            ("http://127.0.0.1:8080", "localhost:8080", false),
            ("http://evil.example", "localhost:8080", false),
            ("http://localhost:8080@evil.example", "localhost:8080", false),
            ("http://localhost:8080/", "localhost:8080", false),
            ("ftp://localhost:8080", "localhost:8080", false),
            ("localhost:8080", "localhost:8080", false),
            ("null", "localhost:8080", false),
            ("null", "null", false),
            ("", "localhost", false),
        ] {
            let value = HeaderValue::from_str(origin).unwrap();
            let is_own = is_own_origin(&value, &Uri::from_static("/"), &headers(&[host]));
            assert_eq!(is_own, own, "{origin} at {host}");
        }
        let origin = HeaderValue::from_static("http://localhost:8080");
        let target = Uri::from_static("http://localhost:8080/v1/models");
        assert!(is_own_origin(&origin, &target, &HeaderMap::new()), "HTTP/2");
        assert!(!is_own_origin(&origin, &Uri::from_static("/"), &HeaderMap::new()));
    }
}
