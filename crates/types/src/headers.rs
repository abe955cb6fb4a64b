//! Which headers pass from client to provider and back: one table for all rooms.
//!
//! The edge filters what clients send, the worker what it is told to send and what a provider
//! answers, the edge once more what it is handed. They all ask here, so that none lets through what
//! another holds back. Names are lower case, as HTTP libraries hand them out.

use crate::Dialect;

/// Why a header does not simply pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderClass {
    /// Belongs to one connection or describes one message (RFC 9110 §7.6.1, RFC 9112): whoever sends
    /// the message writes it.
    Message,
    /// Says who sends the request. A client's stops at the edge, a provider's in the worker.
    Credential,
    /// Written by the gateway for its own request, unless the operator says otherwise: who we are,
    /// what we accept.
    Own,
    /// Follows from the request: where it goes, what it holds, whose trace it is. Only the gateway
    /// knows.
    Request,
    /// Turns on a feature of one wire format; passes to providers of that format.
    Feature(Dialect),
}

/// The table, in alphabetical order.
const TABLE: &[(&str, HeaderClass)] = &[
    ("accept", HeaderClass::Own),
    ("accept-encoding", HeaderClass::Message),
    (BETAS, HeaderClass::Feature(Dialect::AnthropicMessages)),
    ("anthropic-version", HeaderClass::Feature(Dialect::AnthropicMessages)),
    ("api-key", HeaderClass::Credential),
    ("authorization", HeaderClass::Credential),
    ("connection", HeaderClass::Message),
    ("content-encoding", HeaderClass::Message),
    ("content-length", HeaderClass::Message),
    ("content-type", HeaderClass::Request),
    ("cookie", HeaderClass::Credential),
    ("expect", HeaderClass::Message),
    ("forwarded", HeaderClass::Own),
    ("host", HeaderClass::Request),
    ("keep-alive", HeaderClass::Message),
    ("origin", HeaderClass::Own),
    ("proxy-authenticate", HeaderClass::Message),
    ("proxy-authorization", HeaderClass::Message),
    ("proxy-connection", HeaderClass::Message),
    ("set-cookie", HeaderClass::Credential),
    ("te", HeaderClass::Message),
    ("traceparent", HeaderClass::Request),
    ("tracestate", HeaderClass::Request),
    ("trailer", HeaderClass::Message),
    ("transfer-encoding", HeaderClass::Message),
    ("upgrade", HeaderClass::Message),
    ("user-agent", HeaderClass::Own),
    ("x-amz-security-token", HeaderClass::Credential),
    ("x-api-key", HeaderClass::Credential),
    ("x-bf-api-key", HeaderClass::Credential),
    ("x-bf-api-key-id", HeaderClass::Credential),
    ("x-bf-vk", HeaderClass::Credential),
    ("x-goog-api-key", HeaderClass::Credential),
];

/// Beginnings of names of answers' headers that tell a client something about the provider.
const ANSWERED_PREFIXES: &[&str] = &["anthropic-", "openai-", "ratelimit", "x-ratelimit-"];

/// Headers that the gateway adds to an answer itself, on their way between its services.
const ANSWERED_OWN: &[&str] = &[LEFT_OUT, LOSSES, OUTDATED];

/// The header that names the providers whose models are missing from a list.
pub const LEFT_OUT: &str = "x-weir-left-out";

/// The header that names the providers of whose models a list says what they last said.
pub const OUTDATED: &str = "x-weir-outdated";

/// The header that names what a translation left out.
pub const LOSSES: &str = "x-weir-losses";

/// The header that lists features that are still in trial, separated by commas. Not every provider
/// of its format takes each of them.
pub const BETAS: &str = "anthropic-beta";

/// The row of `name`.
#[must_use]
pub fn header_class(name: &str) -> Option<HeaderClass> {
    // Most differ in length already, which a search in order could not tell.
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
}

/// Whether a header of a client may go on to a provider, if client or operator ask for it.
#[must_use]
pub fn client_may_send(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with("x-bf-api-key")
        && matches!(header_class(name), None | Some(HeaderClass::Feature(_)))
}

/// Whether a client's header goes on without being asked for: it belongs to the wire format that the
/// client speaks.
#[must_use]
pub fn passes_by_itself(name: &str, dialect: Dialect) -> bool {
    header_class(name) == Some(HeaderClass::Feature(dialect))
}

/// Whether a client's header goes to a provider that is asked in the format `dialect`.
#[must_use]
pub fn provider_takes(name: &str, dialect: Dialect) -> bool {
    match header_class(name) {
        Some(HeaderClass::Feature(of)) => of == dialect,
        _ => client_may_send(name),
    }
}

/// Whether the configuration may set it for every request to a provider, in place of what would be
/// sent without.
#[must_use]
pub fn operator_may_set(name: &str) -> bool {
    !matches!(header_class(name), Some(HeaderClass::Message | HeaderClass::Request))
}

/// The name under which a provider's header goes on to the client; `None`: it does not.
#[must_use]
pub fn answered_as(name: &str) -> Option<&str> {
    match name {
        // The client's own request id has this name.
        "x-request-id" | "request-id" | "x-amzn-requestid" => Some("x-upstream-request-id"),
        _ if ANSWERED_OWN.contains(&name) => Some(name),
        _ => {
            let is_wanted = ANSWERED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            (is_wanted && header_class(name).is_none()).then_some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_one_thing_of_a_name() {
        assert!(TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
        for (name, class) in TABLE {
            assert_eq!(header_class(name), Some(*class));
        }
    }

    #[test]
    fn credentials_and_framing_pass_nowhere() {
        for (name, class) in TABLE {
            let feature = matches!(class, HeaderClass::Feature(_));
            assert_eq!(client_may_send(name), feature, "{name}");
            assert_eq!(answered_as(name), None, "{name}");
            let gateways = matches!(class, HeaderClass::Message | HeaderClass::Request);
            assert_eq!(operator_may_set(name), !gateways, "{name}");
        }
        assert!(client_may_send("openai-beta") && !client_may_send("x-bf-api-key-other"));
    }

    #[test]
    fn features_go_to_their_format_only() {
        let (anthropic, openai) = (Dialect::AnthropicMessages, Dialect::OpenAiChat);
        assert!(passes_by_itself("anthropic-beta", anthropic));
        assert!(!passes_by_itself("anthropic-beta", openai));
        assert!(!passes_by_itself("x-custom", openai));
        assert!(provider_takes("anthropic-beta", anthropic));
        assert!(!provider_takes("anthropic-beta", openai));
        assert!(provider_takes("x-custom", openai));
    }

    #[test]
    fn answers_tell_of_limits_and_ids() {
        assert_eq!(answered_as("x-request-id"), Some("x-upstream-request-id"));
        assert_eq!(answered_as("x-ratelimit-remaining"), Some("x-ratelimit-remaining"));
        assert_eq!(answered_as("openai-processing-ms"), Some("openai-processing-ms"));
        assert_eq!(answered_as("server"), None);
        assert_eq!(answered_as(LOSSES), Some(LOSSES));
    }
}
