//! Which of a client's headers reach the provider.
//!
//! A client asks for it by the prefix `x-bf-eh-`, or the operator by an allow list; features of the
//! client's own wire format pass by themselves. What never passes stands in the one table of headers
//! ([`weir_types::headers`]).

use http::HeaderMap;
use weir_rpc::Header;
use weir_types::Dialect;
use weir_types::headers::{client_may_send, passes_by_itself};

use crate::Settings;

/// Asks for the header behind it to be passed on.
const PREFIX: &str = "x-bf-eh-";

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
    pub(crate) fn apply(&self, headers: &HeaderMap, dialect: Dialect) -> Vec<Header> {
        let mut passed = Vec::new();
        for (name, value) in headers {
            let name = name.as_str();
            let name = match name.strip_prefix(PREFIX) {
                Some(stripped) if self.passes(stripped) => stripped,
                None if !self.allow.is_empty() && self.passes(name) => name,
                None if passes_by_itself(name, dialect) && !self.is_denied(name) => name,
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
        allowed && client_may_send(name) && !self.is_denied(name)
    }

    fn is_denied(&self, name: &str) -> bool {
        self.deny.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn passed(allow: &[&str], deny: &[&str], sent: &[&str]) -> Vec<String> {
        of_dialect(Dialect::OpenAiChat, allow, deny, sent)
    }

    fn of_dialect(dialect: Dialect, allow: &[&str], deny: &[&str], sent: &[&str]) -> Vec<String> {
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
        let mut names: Vec<_> = Filter::new(&settings)
            .apply(&headers, dialect)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names
    }

    #[test]
    fn by_default_only_prefixed_headers_pass_and_without_the_prefix() {
        let sent = ["x-bf-eh-openai-beta", "openai-beta", "authorization", "cookie", "user-agent"];
        assert_eq!(passed(&[], &[], &sent), ["openai-beta"]);
    }

    #[test]
    fn credentials_and_framing_never_pass_not_even_by_prefix_or_allow_list() {
        let never = ["authorization", "x-api-key", "cookie", "content-length", "te", "host"];
        let prefixed: Vec<String> = never.iter().map(|name| format!("{PREFIX}{name}")).collect();
        let mut sent: Vec<&str> = prefixed.iter().map(String::as_str).collect();
        sent.extend(never);
        sent.extend(["x-bf-eh-x-bf-api-key-other", "x-bf-eh-"]);
        assert_eq!(passed(&[], &[], &sent), Vec::<String>::new());
        assert_eq!(passed(&["*"], &[], &sent), Vec::<String>::new());
    }

    #[test]
    fn features_of_the_clients_format_pass_by_themselves() {
        let sent = ["anthropic-beta", "anthropic-version"];
        assert_eq!(passed(&[], &[], &sent), Vec::<String>::new());
        let of = |deny| of_dialect(Dialect::AnthropicMessages, &[], deny, &sent);
        assert_eq!(of(&[]), ["anthropic-beta", "anthropic-version"]);
        assert_eq!(of(&["anthropic-beta"]), ["anthropic-version"]);
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
