//! Is this an address that calls can go to?
//!
//! Addresses may carry credentials, so no message quotes one. Where a scheme is left out and only
//! one can be meant, it is taken, and said.

use url::{Host, Url};

use crate::report::Draft;
use crate::text::Instead;

const EXPECTED: &str = "an address, as https://api.example.com";

/// An `http` or `https` address to which paths are appended. Without a scheme: a server of one's own
/// with a port, as `localhost:8000`, is asked in `http`, and port 443 of any server in `https`.
pub(crate) fn base(text: &str) -> Result<Option<Instead>, Draft> {
    if text.contains("://") {
        return address(text).map(|()| None);
    }
    match implied(text) {
        Some(scheme) => with_scheme(text, scheme),
        None => {
            let help = "put https:// before it, or http:// for a server without TLS";
            Err(bad(EXPECTED, "a string without a scheme").help(help))
        }
    }
}

/// The same where nothing but `https` is spoken.
pub(crate) fn https(text: &str) -> Result<Option<Instead>, Draft> {
    if text.contains("://") { base(text) } else { with_scheme(text, "https") }
}

/// A Databricks workspace, whose address is known without a scheme.
pub(crate) fn workspace(text: &str) -> Result<Option<Instead>, Draft> {
    let instead = https(text)?;
    Ok(instead.map(|instead| Instead { said: None, ..instead }))
}

fn with_scheme(text: &str, scheme: &str) -> Result<Option<Instead>, Draft> {
    let whole = format!("{scheme}://{text}");
    address(&whole)?;
    Ok(Some(taken(whole, scheme)))
}

fn taken(text: String, scheme: &str) -> Instead {
    let draft = Draft::warning(format!("an address without a scheme is taken as {scheme}://"));
    Instead { text, said: Some(draft.help(format!("put {scheme}:// before it"))) }
}

/// The scheme of an address that has none, if only one can be meant.
fn implied(text: &str) -> Option<&'static str> {
    let url = Url::parse(&format!("http://{text}")).ok()?;
    let is_own = match url.host()? {
        Host::Ipv4(_) | Host::Ipv6(_) => true,
        // Names without a dot are known in one network only.
        Host::Domain(name) => name.ends_with(".localhost") || !name.contains('.'),
    };
    // Port 80 of `http` is not kept apart from none: it has to be read in the text.
    match url.port() {
        Some(443) => Some("https"),
        Some(_) if is_own => Some("http"),
        None if text.split('/').next().is_some_and(|start| start.ends_with(":80")) => Some("http"),
        Some(_) | None => None,
    }
}

fn address(text: &str) -> Result<(), Draft> {
    let url = parse(text, &["https", "http"], EXPECTED)?;
    if !url.username().is_empty() || url.password().is_some() {
        let draft = Draft::error("an address with credentials");
        let help = "put them into the key's value, or into network_config.extra_headers";
        return Err(draft.expected("no user or password in it").found("some").help(help));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let draft = Draft::error("an address that no path can follow");
        return Err(draft.expected("no `?` or `#` in it").found("one"));
    }
    Ok(())
}

/// The address of an HTTP proxy.
pub(crate) fn http_proxy(text: &str) -> Result<Option<Instead>, Draft> {
    proxy(text, &["http", "https"], "an address, as http://proxy.example.com:3128")
}

/// The address of a SOCKS5 proxy.
pub(crate) fn socks_proxy(text: &str) -> Result<Option<Instead>, Draft> {
    proxy(text, &["socks5", "socks5h"], "an address, as socks5://proxy.example.com:1080")
}

/// Without a scheme the usual one is meant, as with curl.
fn proxy(text: &str, schemes: &[&str], expected: &str) -> Result<Option<Instead>, Draft> {
    if text.contains("://") {
        return parse(text, schemes, expected).map(|_| None);
    }
    let scheme = schemes.first().copied().unwrap_or("http");
    let whole = format!("{scheme}://{text}");
    parse(&whole, schemes, expected)?;
    Ok(Some(taken(whole, scheme)))
}

/// The address of a Redis server.
pub(crate) fn redis(text: &str) -> Result<Option<Instead>, Draft> {
    let expected = "an address, as redis://redis.example.com:6379";
    if let Some(path) = text.strip_prefix("redis+unix://") {
        let found = "redis+unix:// without the socket's path";
        let draft = Draft::error("not a usable address").expected(expected).found(found);
        return if path.starts_with('/') { Ok(None) } else { Err(draft) };
    }
    let schemes =
        ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];
    parse(text, &schemes, expected).map(|_| None)
}

/// A path that replaces a provider's own, or a whole address.
pub(crate) fn path_or_address(text: &str) -> Result<(), Draft> {
    if !text.starts_with('/') {
        return address(text).map_err(|draft| {
            draft.help("a path starts with `/`, an address with http:// or https://")
        });
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '#' | '\\')) {
        let draft = Draft::error("not a path");
        return Err(draft.expected("no blanks, `#` or `\\` in it").found("some"));
    }
    Ok(())
}

/// Whether the address holds a user or a password.
pub(crate) fn has_credentials(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

fn bad(expected: &str, found: &str) -> Draft {
    Draft::error("not a usable address").expected(expected).found(found)
}

fn parse(text: &str, schemes: &[&str], expected: &str) -> Result<Url, Draft> {
    let bad = |found: &str| bad(expected, found);
    let with_scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let Some(scheme) = with_scheme else {
        let example = schemes.first().copied().unwrap_or("https");
        let found = "a string without a scheme";
        return Err(bad(found).help(format!("put {example}:// before it")));
    };
    if !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        let known = schemes.join(", ");
        return Err(bad("another scheme").help(format!("known schemes: {known}")));
    }
    if text.chars().any(|c| !c.is_ascii_graphic() || c == '\\') {
        return Err(bad("blanks, backslashes or characters that are not ASCII within it"));
    }
    let url = Url::parse(text).map_err(|error| bad(&format!("a string with a fault: {error}")))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("a string without a host"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Judge, read};

    fn shown(text: &str, judge: Judge) -> String {
        let Ok(read) = read(text, judge) else { return "refused".to_owned() };
        let said = if read.notes.is_empty() { "" } else { ", said" };
        format!("{}{said}", read.text)
    }

    #[test]
    fn addresses() {
        for good in ["https://api.openai.com", "http://10.0.0.1:8080/v1/", "HTTPS://x.test"] {
            assert_eq!(shown(good, base), good);
        }
        for bad in [
            "ftp://x.test",
            "https://",
            "https://u:p@x.test",
            "https://x.test/?a=b",
            "https://x.test:99999",
            "https://x.test /v1",
        ] {
            assert_eq!(shown(bad, base), "refused", "{bad}");
        }
        assert_eq!(shown(" https://x.test\n", base), "https://x.test, said");
        assert_eq!(shown("socks5://b.test:1080", socks_proxy), "socks5://b.test:1080");
        assert_eq!(shown("http://b.test:1080", socks_proxy), "refused");
        assert!(path_or_address("/v2/chat").is_ok());
        assert!(path_or_address("v2/chat").is_err());
    }

    #[test]
    fn a_scheme_is_taken_where_only_one_can_be_meant() {
        for (text, judge, expected) in [
            ("127.0.0.1:11434", base as Judge, "http://127.0.0.1:11434, said"),
            ("[::1]:8000/v1", base, "http://[::1]:8000/v1, said"),
            ("ollama:11434", base, "http://ollama:11434, said"),
            ("localhost:80", base, "http://localhost:80, said"),
            ("api.example.com:443/v1", base, "https://api.example.com:443/v1, said"),
            ("api.example.com", base, "refused"),
            ("api.example.com:8080", base, "refused"),
            ("192.168.1.5", base, "refused"),
            ("localhost", base, "refused"),
            ("user:secret@localhost:80", base, "refused"),
            ("NAME.openai.azure.com", https, "https://NAME.openai.azure.com, said"),
            ("dbc.cloud.databricks.com", workspace, "https://dbc.cloud.databricks.com"),
            ("proxy.test:3128", http_proxy, "http://proxy.test:3128, said"),
            ("u:p@proxy.test", http_proxy, "http://u:p@proxy.test, said"),
            ("proxy.test:1080", socks_proxy, "socks5://proxy.test:1080, said"),
            ("redis:6379", redis, "refused"),
        ] {
            assert_eq!(shown(text, judge), expected, "{text}");
        }
    }
}
