//! Which headers pass from client to provider and back: one table for all rooms.
//!
//! The edge filters what clients send, the worker what it is told to send and what a provider
//! answers, the edge once more what it is handed. They all ask here, so that none lets through what
//! another holds back. Whoever reads a header may take `_` for `-` (CGI does), so names are compared
//! without regard to that, or to case.

mod objects;

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::Dialect;
pub use objects::{ObjectHeader, object_answered, object_header};

/// Why a header does not simply pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderClass {
    /// Belongs to one connection or describes one message (RFC 9110 §7.6.1, RFC 9112): whoever sends
    /// the message writes it.
    Message,
    /// Says who sends the request. A client's stops at the edge, a provider's in the worker.
    Credential,
    /// Written by the gateway for its own request, unless the operator says otherwise: who we are,
    /// what we accept, whose request it was.
    Own,
    /// Follows from the request: where it goes, what it holds, whose trace it is. Only the gateway
    /// knows.
    Request,
    /// Turns on a feature of one wire format; passes to providers of that format.
    Feature(Dialect),
    /// Says which version of one wire format is spoken; passes from clients of that format to
    /// providers of it.
    Version(Dialect),
    /// Asks a vendor for something that is the client's to choose; passes to vendors whose row has it.
    Wish,
}

/// The table, in alphabetical order.
const TABLE: &[(&str, HeaderClass)] = &[
    ("accept", HeaderClass::Own),
    ("accept-encoding", HeaderClass::Message),
    (BETAS, HeaderClass::Feature(Dialect::AnthropicMessages)),
    ("anthropic-version", HeaderClass::Version(Dialect::AnthropicMessages)),
    ("api-key", HeaderClass::Credential),
    ("authorization", HeaderClass::Credential),
    ("cancel-after", HeaderClass::Wish),
    ("cf-connecting-ip", HeaderClass::Own),
    ("client-ip", HeaderClass::Own),
    ("connection", HeaderClass::Message),
    ("content-encoding", HeaderClass::Message),
    ("content-length", HeaderClass::Message),
    ("content-type", HeaderClass::Request),
    ("cookie", HeaderClass::Credential),
    ("databricks-ai-gateway-request-tags", HeaderClass::Wish),
    ("expect", HeaderClass::Message),
    ("forwarded", HeaderClass::Own),
    ("groq-model-version", HeaderClass::Wish),
    ("host", HeaderClass::Request),
    ("http-referer", HeaderClass::Wish),
    ("http2-settings", HeaderClass::Message),
    ("idempotency-key", HeaderClass::Wish),
    ("keep-alive", HeaderClass::Message),
    ("openai-beta", HeaderClass::Wish),
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
    ("true-client-ip", HeaderClass::Own),
    ("upgrade", HeaderClass::Message),
    ("user-agent", HeaderClass::Own),
    ("via", HeaderClass::Own),
    ("x-amz-security-token", HeaderClass::Credential),
    ("x-amzn-bedrock-performanceconfig-latency", HeaderClass::Wish),
    ("x-amzn-bedrock-service-tier", HeaderClass::Wish),
    ("x-api-key", HeaderClass::Credential),
    ("x-bf-api-key", HeaderClass::Credential),
    ("x-bf-api-key-id", HeaderClass::Credential),
    ("x-bf-vk", HeaderClass::Credential),
    ("x-client-ip", HeaderClass::Own),
    ("x-client-name", HeaderClass::Wish),
    ("x-client-request-id", HeaderClass::Wish),
    ("x-goog-api-key", HeaderClass::Credential),
    ("x-goog-upload-command", HeaderClass::Feature(Dialect::GeminiGenerate)),
    ("x-goog-upload-file-name", HeaderClass::Feature(Dialect::GeminiGenerate)),
    ("x-goog-upload-header-content-length", HeaderClass::Feature(Dialect::GeminiGenerate)),
    ("x-goog-upload-header-content-type", HeaderClass::Feature(Dialect::GeminiGenerate)),
    ("x-goog-upload-offset", HeaderClass::Feature(Dialect::GeminiGenerate)),
    ("x-goog-upload-protocol", HeaderClass::Feature(Dialect::GeminiGenerate)),
    ("x-grok-conv-id", HeaderClass::Wish),
    ("x-http-method-override", HeaderClass::Own),
    ("x-ms-client-request-id", HeaderClass::Wish),
    ("x-openrouter-title", HeaderClass::Wish),
    ("x-real-ip", HeaderClass::Own),
    ("x-server-timeout", HeaderClass::Wish),
    ("x-session-affinity", HeaderClass::Wish),
    ("x-title", HeaderClass::Wish),
];

/// Which names a rule without a row is about.
#[derive(Debug, Clone, Copy)]
enum Names {
    Beginning(&'static str),
    Ending(&'static str),
    Holding(&'static str),
    /// With this as one of the parts between hyphens.
    Part(&'static str),
}

/// What holds for names that have no row; of several that fit the first counts. Nobody can list all
/// headers in which somebody's server looks for credentials, but they are called alike.
const ALIKE: &[(Names, HeaderClass)] = &[
    (Names::Beginning("proxy-"), HeaderClass::Message),
    // Parts of Amazon's signature, and what it signs in with.
    (Names::Beginning("x-amz-"), HeaderClass::Credential),
    (Names::Beginning("x-bf-"), HeaderClass::Own),
    (Names::Beginning("x-weir-"), HeaderClass::Own),
    (Names::Beginning("x-forwarded"), HeaderClass::Own),
    (Names::Beginning("x-original-"), HeaderClass::Own),
    (Names::Beginning("sec-"), HeaderClass::Own),
    (Names::Beginning("access-control-"), HeaderClass::Own),
    (Names::Holding("apikey"), HeaderClass::Credential),
    (Names::Holding("accesskey"), HeaderClass::Credential),
    (Names::Holding("authori"), HeaderClass::Credential),
    (Names::Holding("authentic"), HeaderClass::Credential),
    (Names::Holding("cookie"), HeaderClass::Credential),
    (Names::Holding("credential"), HeaderClass::Credential),
    (Names::Holding("passw"), HeaderClass::Credential),
    (Names::Holding("secret"), HeaderClass::Credential),
    (Names::Holding("signature"), HeaderClass::Credential),
    (Names::Ending("token"), HeaderClass::Credential),
    (Names::Part("token"), HeaderClass::Credential),
    (Names::Part("auth"), HeaderClass::Credential),
    (Names::Part("bearer"), HeaderClass::Credential),
    (Names::Part("jwt"), HeaderClass::Credential),
    (Names::Part("key"), HeaderClass::Credential),
    (Names::Part("principal"), HeaderClass::Credential),
];

impl Names {
    fn fit(self, name: &str) -> bool {
        match self {
            Self::Beginning(beginning) => name.starts_with(beginning),
            Self::Ending(end) => name.ends_with(end),
            Self::Holding(part) => name.contains(part),
            Self::Part(part) => name.split('-').any(|own| own == part),
        }
    }
}

/// Beginnings of names of answers' headers that tell a client something about the provider, or about an
/// upload in steps.
const ANSWERED_PREFIXES: &[&str] =
    &["anthropic-", "openai-", "ratelimit", "x-goog-upload-", "x-ratelimit-"];

/// Headers that the gateway adds to an answer itself, on their way between its services.
const ANSWERED_OWN: &[&str] = &[COMMIT, LEFT_OUT, LOSSES, OUTDATED];

/// The header by which a client says when a stream is to begin for it, and is told when it did.
pub const COMMIT: &str = "x-weir-commit";

/// The header that names the providers whose models are missing from a list.
pub const LEFT_OUT: &str = "x-weir-left-out";

/// The header that names the providers of whose models a list says what they last said.
pub const OUTDATED: &str = "x-weir-outdated";

/// The header that names what a translation left out.
pub const LOSSES: &str = "x-weir-losses";

/// The header that lists features that are still in trial, separated by commas. Not every provider
/// of its format takes each of them.
pub const BETAS: &str = "anthropic-beta";

/// Whether both are names of one header, to whoever is not exact about it.
#[must_use]
pub fn is_same_header(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    // Most differ in length already, which a search in order could not tell.
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}

/// `name` as the table has it: lower case, with hyphens.
#[must_use]
pub fn plain_name(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte == b'_' || byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase().replace('_', "-"));
    }
    Cow::Borrowed(name)
}

fn row(name: &str) -> Option<&'static (&'static str, HeaderClass)> {
    TABLE.iter().find(|(known, _)| is_same_header(known, name))
}

/// The class of `name`: that of its row, or of names that are alike.
#[must_use]
pub fn header_class(name: &str) -> Option<HeaderClass> {
    row(name).map(|(_, class)| *class).or_else(|| {
        let name = plain_name(name);
        ALIKE.iter().find(|(names, _)| names.fit(&name)).map(|(_, class)| *class)
    })
}

/// `name` as the provider is to read it: as the table writes it, if it is there.
#[must_use]
pub fn sent_as(name: &str) -> &str {
    row(name).map_or(name, |(known, _)| known)
}

/// The headers that are clients' to choose where a vendor takes them.
pub fn wishes() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|(_, class)| *class == HeaderClass::Wish).map(|(name, _)| *name)
}

/// What becomes of a header that a client wants to have sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientMay {
    /// It goes on, to providers that take it.
    Send,
    /// It goes on if the operator lists it.
    IfListed,
    /// It does not, whoever lists it; why.
    Never(&'static str),
}

/// What becomes of the header `name` of a client that speaks `dialect`.
#[must_use]
pub fn client_may(name: &str, dialect: Dialect) -> ClientMay {
    match header_class(name) {
        _ if name.is_empty() => ClientMay::Never("it has no name"),
        None => ClientMay::IfListed,
        Some(HeaderClass::Wish | HeaderClass::Feature(_)) => ClientMay::Send,
        Some(HeaderClass::Version(of)) if of == dialect => ClientMay::Send,
        Some(HeaderClass::Version(_)) => {
            ClientMay::Never("it is about another wire format than this route's")
        }
        Some(HeaderClass::Message) => ClientMay::Never("it belongs to one connection or message"),
        Some(HeaderClass::Credential) => {
            ClientMay::Never("it looks like a credential, and keys are the gateway's")
        }
        Some(HeaderClass::Own | HeaderClass::Request) => {
            ClientMay::Never("only the gateway and its operator write it")
        }
    }
}

/// Whether a client's header goes on without being asked for: it belongs to the wire format that the
/// client speaks.
#[must_use]
pub fn passes_by_itself(name: &str, dialect: Dialect) -> bool {
    OF_FORMATS.iter().any(|(known, of)| *of == dialect && is_same_header(known, name))
}

/// The few rows that say so: every header of every request is looked up here.
static OF_FORMATS: LazyLock<Vec<(&'static str, Dialect)>> = LazyLock::new(|| {
    let of_format = |(name, class): &(&'static str, HeaderClass)| match class {
        HeaderClass::Feature(of) | HeaderClass::Version(of) => Some((*name, *of)),
        _ => None,
    };
    TABLE.iter().filter_map(of_format).collect()
});

/// Whether a client's header goes to a provider that is asked in the format `dialect` and whose vendor
/// takes `wishes`; `is_listed`: the operator lets it pass.
#[must_use]
pub fn provider_takes(name: &str, dialect: Dialect, wishes: &[&str], is_listed: bool) -> bool {
    match header_class(name) {
        Some(HeaderClass::Feature(of) | HeaderClass::Version(of)) => of == dialect,
        Some(HeaderClass::Wish) => {
            is_listed || wishes.iter().any(|wish| is_same_header(wish, name))
        }
        None => is_listed && !name.is_empty(),
        _ => false,
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

/// A header's name or, with `*` at its end, every name that begins so: how the configuration lists
/// headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPattern {
    beginning: String,
    is_exact: bool,
}

impl HeaderPattern {
    /// From the configuration's text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = plain_name(text.trim()).into_owned();
        match text.strip_suffix('*') {
            Some(beginning) => Self { beginning: beginning.to_owned(), is_exact: false },
            None => Self { beginning: text, is_exact: true },
        }
    }

    /// Whether it is about the header `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = plain_name(name);
        let rest = name.strip_prefix(self.beginning.as_str());
        rest.is_some_and(|rest| rest.is_empty() || !self.is_exact)
    }
}

#[cfg(test)]
mod tests;
