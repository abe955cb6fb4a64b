//! Which of a client's headers reach the provider.
//!
//! A client asks for it by the prefix `x-bf-eh-`, or the operator by an allow list. What carries
//! credentials, frames the message or belongs to one connection never passes.

use http::HeaderMap;
use weir_rpc::Header;

use crate::Settings;

/// Asks for the header behind it to be passed on.
const PREFIX: &str = "x-bf-eh-";

/// Never passed on, whoever asks for it: credentials, what frames a message, what belongs to a
/// connection, and what the worker writes itself.
const DENIED: [&str; 27] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-bf-api-key",
    "x-bf-api-key-id",
    "x-bf-vk",
    "x-goog-api-key",
];

/// A header name or, with `*` at its end, every name that begins so.
#[derive(Debug)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.starts_with(prefix),
        }
    }
}

/// The rule, ready to be applied.
#[derive(Debug)]
pub(crate) struct Filter {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

impl Filter {
    /// From the settings' two lists.
    pub(crate) fn new(settings: &Settings) -> Self {
        let patterns = |list: &[String]| list.iter().map(|text| Pattern::new(text)).collect();
        Self {
            allow: patterns(&settings.header_allowlist),
            deny: patterns(&settings.header_denylist),
        }
    }

    /// The headers for the provider, prefix removed. Values that are not UTF-8 are left out.
    pub(crate) fn apply(&self, headers: &HeaderMap) -> Vec<Header> {
        let mut passed = Vec::new();
        for (name, value) in headers {
            let name = name.as_str();
            let name = match name.strip_prefix(PREFIX) {
                Some(stripped) if self.passes(stripped) => stripped,
                None if !self.allow.is_empty() && self.passes(name) => name,
                _ => continue,
            };
            if let Ok(value) = std::str::from_utf8(value.as_bytes()) {
                passed.push((name.to_owned(), value.to_owned()));
            }
        }
        passed
    }

    fn passes(&self, name: &str) -> bool {
        let allowed = self.allow.is_empty() || self.allow.iter().any(|p| p.matches(name));
        allowed
            && !name.is_empty()
            && !name.starts_with("x-bf-api-key")
            && DENIED.binary_search(&name).is_err()
            && !self.deny.iter().any(|p| p.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn passed(allow: &[&str], deny: &[&str], sent: &[&str]) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let settings = Settings {
            header_allowlist: owned(allow),
            header_denylist: owned(deny),
            ..Settings::default()
        };
        let headers: HeaderMap = sent
            .iter()
            .map(|name| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_static("v"))
            })
            .collect();
        let mut names: Vec<_> =
            Filter::new(&settings).apply(&headers).into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_denied_names_are_sorted_for_the_search() {
        assert!(DENIED.is_sorted());
    }

    #[test]
    fn by_default_only_prefixed_headers_pass_and_without_the_prefix() {
        let sent = ["x-bf-eh-openai-beta", "openai-beta", "authorization", "cookie", "user-agent"];
        assert_eq!(passed(&[], &[], &sent), ["openai-beta"]);
    }

    #[test]
    fn credentials_and_framing_never_pass_not_even_by_prefix_or_allow_list() {
        let prefixed: Vec<String> = DENIED.iter().map(|name| format!("{PREFIX}{name}")).collect();
        let mut sent: Vec<&str> = prefixed.iter().map(String::as_str).collect();
        sent.extend(DENIED);
        sent.extend(["x-bf-eh-x-bf-api-key-other", "x-bf-eh-"]);
        assert_eq!(passed(&[], &[], &sent), Vec::<String>::new());
        assert_eq!(passed(&["*"], &[], &sent), Vec::<String>::new());
    }

    #[test]
    fn an_allow_list_limits_prefixed_and_admits_bare_names() {
        let sent = ["x-bf-eh-x-custom-a", "x-custom-b", "x-bf-eh-other", "other"];
        assert_eq!(passed(&["X-Custom-*"], &[], &sent), ["x-custom-a", "x-custom-b"]);
    }

    #[test]
    fn the_deny_list_wins() {
        let sent = ["x-bf-eh-x-custom-a", "x-bf-eh-x-custom-b", "x-bf-eh-other"];
        assert_eq!(passed(&[], &["x-custom-*"], &sent), ["other"]);
        assert_eq!(passed(&["x-custom-*"], &["x-custom-b"], &sent), ["x-custom-a"]);
    }
}
