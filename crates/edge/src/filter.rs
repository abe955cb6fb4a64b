//! Which of a client's headers reach the provider.
//!
//! A client asks for it by the prefix `x-bf-eh-`, or the operator by an allow list; features of the
//! client's own wire format pass by themselves. What never passes stands in the one table of headers
//! ([`weir_types::headers`]). What is asked for by name and may not pass is refused, so that nobody
//! waits for what it would have done.

use http::HeaderMap;
use weir_rpc::Header;
use weir_types::headers::{
    ClientMay, HeaderPattern, client_may, passes_by_itself, plain_name, sent_as,
};
use weir_types::{Dialect, Fault, FaultCode};

use crate::Settings;

/// Asks for the header behind it to be passed on.
const PREFIX: &str = "x-bf-eh-";

const ALLOWLIST: &str = "client.header_filter_config.allowlist";
const DENYLIST: &str = "client.header_filter_config.denylist";

/// The rule, ready to be applied.
#[derive(Debug)]
pub(crate) struct Filter {
    allow: Vec<HeaderPattern>,
    deny: Vec<HeaderPattern>,
}

impl Filter {
    /// From the settings' two lists.
    pub(crate) fn new(settings: &Settings) -> Self {
        let patterns = |list: &[String]| list.iter().map(|text| HeaderPattern::new(text)).collect();
        Self {
            allow: patterns(&settings.header_allowlist),
            deny: patterns(&settings.header_denylist),
        }
    }

    /// The headers for the provider, prefix removed.
    ///
    /// # Errors
    /// [`FaultCode::InvalidRequest`] for one with the prefix that may not pass.
    pub(crate) fn apply(
        &self,
        headers: &HeaderMap,
        dialect: Dialect,
    ) -> Result<Vec<Header>, Fault> {
        let mut passed = Vec::new();
        for (given, value) in headers {
            let given = given.as_str();
            let value = || std::str::from_utf8(value.as_bytes());
            if let Some(name) = given.strip_prefix(PREFIX) {
                let judged = self.judge(name, dialect);
                let value =
                    judged.and_then(|()| value().map_err(|_| "its value is not UTF-8".into()));
                let value = value.map_err(|why| refusal(given, name, &why))?;
                passed.push((sent_as(name).to_owned(), value.to_owned()));
            } else if self.passes_bare(given, dialect)
                && let Ok(value) = value()
            {
                passed.push((sent_as(given).to_owned(), value.to_owned()));
            }
        }
        Ok(passed)
    }

    /// Why a header that was asked for by its prefix may not pass.
    fn judge(&self, name: &str, dialect: Dialect) -> Result<(), String> {
        let may = client_may(name, dialect);
        if let ClientMay::Never(why) = may {
            return Err(why.to_owned());
        }
        if self.is_denied(name) {
            return Err(format!("it is on {DENYLIST}"));
        }
        match (self.allow.is_empty(), may) {
            (true, ClientMay::IfListed) => Err(format!(
                "no vendor is known to let clients choose it; the operator can put it on {ALLOWLIST}"
            )),
            (false, _) if !self.is_allowed(name) => Err(format!("it is not on {ALLOWLIST}")),
            _ => Ok(()),
        }
    }

    fn passes_bare(&self, name: &str, dialect: Dialect) -> bool {
        let passes = passes_by_itself(name, dialect)
            || (self.is_allowed(name) && !matches!(client_may(name, dialect), ClientMay::Never(_)));
        passes && !self.is_denied(name)
    }

    fn is_allowed(&self, name: &str) -> bool {
        self.allow.iter().any(|pattern| pattern.matches(name))
    }

    fn is_denied(&self, name: &str) -> bool {
        self.deny.iter().any(|pattern| pattern.matches(name))
    }
}

fn refusal(given: &str, name: &str, why: &str) -> Fault {
    let name = plain_name(name);
    let text = format!("{given}: a client may not send \"{name}\" to a provider: {why}");
    Fault::new(FaultCode::InvalidRequest, text).with_param(given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn filtered(
        dialect: Dialect,
        allow: &[&str],
        deny: &[&str],
        sent: &[&str],
    ) -> Result<Vec<String>, String> {
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
        let passed = Filter::new(&settings).apply(&headers, dialect);
        let passed = passed.map_err(|fault| fault.detail.message.into_owned())?;
        let mut names: Vec<_> = passed.into_iter().map(|(name, _)| name).collect();
        names.sort();
        Ok(names)
    }

    fn passed(allow: &[&str], deny: &[&str], sent: &[&str]) -> Vec<String> {
        filtered(Dialect::OpenAiChat, allow, deny, sent).unwrap()
    }

    /// Why the last of `sent` is refused.
    fn refused(allow: &[&str], deny: &[&str], sent: &str) -> String {
        let why = filtered(Dialect::OpenAiChat, allow, deny, &[sent]).unwrap_err();
        assert!(why.starts_with(&format!("{sent}: ")), "{why}");
        why
    }

    #[test]
    fn by_default_only_prefixed_headers_pass_and_without_the_prefix() {
        let sent = ["x-bf-eh-openai-beta", "openai-beta", "authorization", "cookie", "user-agent"];
        assert_eq!(passed(&[], &[], &sent), ["openai-beta"]);
        // However it is written: the provider gets one name.
        assert_eq!(passed(&[], &[], &["x-bf-eh-OpenAI_Beta"]), ["openai-beta"]);
        assert_eq!(passed(&[], &[], &["x-bf-eh-anthropic_beta"]), ["anthropic-beta"]);
    }

    const NEVER: [&str; 16] = [
        "authorization",
        "x-api-key",
        "api_key",
        "cookie",
        "content-length",
        "content_length",
        "te",
        "host",
        "x-forwarded-for",
        "forwarded",
        "via",
        "private-token",
        "ocp-apim-subscription-key",
        "x_amz_security_token",
        "cf-aig-authorization",
        "x-bf-api-key-other",
    ];

    #[test]
    fn credentials_and_framing_never_pass_not_even_by_prefix_or_allow_list() {
        for list in [&[][..], &["*"], &NEVER] {
            assert_eq!(passed(list, &[], &NEVER), Vec::<String>::new());
            for name in NEVER {
                let why = refused(list, &[], &format!("{PREFIX}{name}"));
                let plain = name.replace('_', "-");
                assert!(why.contains(&format!("\"{plain}\"")) && why.contains("may not"), "{why}");
            }
            refused(list, &[], PREFIX);
        }
    }

    #[test]
    fn what_no_vendor_takes_is_the_operators_to_allow() {
        for name in ["x-team", "x-custom-a", "openai-organization"] {
            let asked = format!("{PREFIX}{name}");
            assert!(refused(&[], &[], &asked).contains(ALLOWLIST), "{name}");
            assert!(refused(&["x-other"], &[], &asked).contains("not on"), "{name}");
            assert!(refused(&["*"], &[name], &asked).contains(DENYLIST), "{name}");
            assert_eq!(passed(&[name], &[], &[&asked]), [name]);
        }
        assert!(refused(&[], &["openai_beta"], "x-bf-eh-openai-beta").contains(DENYLIST));
    }

    #[test]
    fn features_of_the_clients_format_pass_by_themselves() {
        let sent = ["anthropic-beta", "anthropic-version"];
        assert_eq!(passed(&[], &[], &sent), Vec::<String>::new());
        let of = |deny| filtered(Dialect::AnthropicMessages, &[], deny, &sent).unwrap();
        assert_eq!(of(&[]), ["anthropic-beta", "anthropic-version"]);
        assert_eq!(of(&["anthropic-beta"]), ["anthropic-version"]);
        assert_eq!(passed(&[], &[], &["x-bf-eh-anthropic-beta"]), ["anthropic-beta"]);
        assert!(refused(&["*"], &[], "x-bf-eh-anthropic-version").contains("another wire format"));
    }

    #[test]
    fn an_allow_list_limits_prefixed_and_admits_bare_names() {
        let sent = ["x-bf-eh-x-custom-a", "x-custom-b", "x-custom_c", "other"];
        let expected = ["x-custom-a", "x-custom-b", "x-custom_c"];
        assert_eq!(passed(&["X-Custom-*"], &[], &sent), expected);
        assert!(refused(&["X-Custom-*"], &[], "x-bf-eh-other").contains(ALLOWLIST));
    }

    #[test]
    fn the_deny_list_wins() {
        let sent = ["x-custom-a", "x-custom-b", "x-custom_b"];
        assert_eq!(passed(&["x-custom-*"], &["x-custom-b"], &sent), ["x-custom-a"]);
        let sent = ["x-custom-a", "x-other"];
        assert_eq!(passed(&["*"], &["x-custom-*"], &sent), ["x-other"]);
    }
}
