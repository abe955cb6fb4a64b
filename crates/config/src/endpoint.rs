//! Is this an address that calls can go to?
//!
//! Addresses may carry credentials, so no message quotes one.

use url::Url;

use crate::report::Draft;

const EXPECTED: &str = "an address, as https://api.example.com";

/// An `http` or `https` address to which paths are appended.
pub(crate) fn base(text: &str) -> Result<(), Draft> {
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

/// The same, where the scheme may be left out.
pub(crate) fn workspace(text: &str) -> Result<(), Draft> {
    if text.contains("://") { base(text) } else { base(&format!("https://{text}")) }
}

/// The address of a proxy of one of `schemes`.
pub(crate) fn proxy(text: &str, schemes: &[&str]) -> Result<(), Draft> {
    let port = if schemes.contains(&"socks5") { 1080 } else { 3128 };
    let example = schemes.first().copied().unwrap_or("http");
    parse(text, schemes, &format!("an address, as {example}://proxy.example.com:{port}")).map(drop)
}

/// The address of a Redis server.
pub(crate) fn redis(text: &str) -> Result<(), Draft> {
    let expected = "an address, as redis://redis.example.com:6379";
    if let Some(path) = text.strip_prefix("redis+unix://") {
        let found = "redis+unix:// without the socket's path";
        let draft = Draft::error("not a usable address").expected(expected).found(found);
        return if path.starts_with('/') { Ok(()) } else { Err(draft) };
    }
    let schemes =
        ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];
    parse(text, &schemes, expected).map(drop)
}

/// A path that replaces a provider's own, or a whole address.
pub(crate) fn path_or_address(text: &str) -> Result<(), Draft> {
    if !text.starts_with('/') {
        return base(text).map_err(|draft| {
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

fn parse(text: &str, schemes: &[&str], expected: &str) -> Result<Url, Draft> {
    let bad = |found: &str| Draft::error("not a usable address").expected(expected).found(found);
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
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(bad("blanks around it, or control characters"));
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

    #[test]
    fn addresses() {
        for good in ["https://api.openai.com", "http://10.0.0.1:8080/v1/", "HTTPS://x.test"] {
            assert!(base(good).is_ok(), "{good}");
        }
        for bad in [
            "api.openai.com",
            "ftp://x.test",
            "https://",
            "https://u:p@x.test",
            "https://x.test/?a=b",
            "https://x.test:99999",
            " https://x.test",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
        assert!(workspace("dbc.cloud.databricks.com").is_ok());
        assert!(proxy("socks5://b.test:1080", &["socks5", "socks5h"]).is_ok());
        assert!(proxy("http://b.test:1080", &["socks5", "socks5h"]).is_err());
        assert!(path_or_address("/v2/chat").is_ok());
        assert!(path_or_address("v2/chat").is_err());
    }
}
