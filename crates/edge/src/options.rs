//! What a client says in headers: who it is to itself (request id, trace), how long it waits,
//! which key it wants, and what is to be passed on. Everything else stops here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use weir_rpc::Header;
use weir_types::{Dialect, Fault, FaultCode, RequestId, TraceContext, TraceParent};

use crate::filter::Filter;
use crate::{Settings, names};

/// The longest request id that is taken over.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// The W3C recommendation asks to carry at least 512 characters of `tracestate`.
const TRACESTATE_BYTES_MAX: usize = 512;
/// A client may wait longer than the configured deadline, but not without end.
const DEADLINE_MAX: Duration = Duration::from_hours(1);

/// What a client asks for beside its body.
#[derive(Debug)]
pub(crate) struct RequestOptions {
    /// How long it waits for the head of the answer.
    pub(crate) deadline: Duration,
    /// The only key that may serve the first choice.
    pub(crate) key_pin: Option<String>,
    /// Headers for the provider.
    pub(crate) headers: Vec<Header>,
}

/// The rules for client headers, ready to be applied.
#[derive(Debug)]
pub(crate) struct Rules {
    filter: Filter,
    /// A name that cannot be a header's is kept, so that the requirement does not vanish.
    required: Vec<(String, Option<HeaderName>)>,
    deadline: Duration,
}

impl Rules {
    /// From the settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let required = settings
            .required_headers
            .iter()
            .map(|name| (name.clone(), HeaderName::from_bytes(name.trim().as_bytes()).ok()));
        Self {
            filter: Filter::new(settings),
            required: required.collect(),
            deadline: settings.request_deadline,
        }
    }

    /// Reads what the client asks for.
    ///
    /// # Errors
    /// [`FaultCode::InvalidRequest`] for a missing required header, for an option that is not
    /// supported and would change the meaning if it were ignored, and for a header that may not be
    /// passed on as was asked.
    pub(crate) fn options(
        &self,
        headers: &HeaderMap,
        dialect: Dialect,
    ) -> Result<RequestOptions, Fault> {
        for (text, name) in &self.required {
            if !name.as_ref().is_some_and(|name| headers.contains_key(name)) {
                return Err(invalid(format!("the required header \"{text}\" is missing")));
            }
        }
        if headers.contains_key(&names::KEY_PIN_ID) {
            let text = "x-bf-api-key-id is not supported: keys have names; pin one with \
                        x-bf-api-key: <key name>";
            return Err(invalid(text));
        }
        let direct = headers.get(&names::DIRECT_KEY);
        if direct.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")) {
            return Err(invalid("x-bf-direct-key is not supported: only configured keys are used"));
        }
        Ok(RequestOptions {
            deadline: self.deadline(headers)?,
            key_pin: key_pin(headers)?,
            headers: self.filter.apply(headers, dialect)?,
        })
    }

    fn deadline(&self, headers: &HeaderMap) -> Result<Duration, Fault> {
        let Some(value) = headers.get(&names::TIMEOUT_MS) else {
            return Ok(self.deadline);
        };
        let asked = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        match asked {
            Some(ms) if ms > 0 => {
                Ok(Duration::from_millis(ms).min(DEADLINE_MAX.max(self.deadline)))
            }
            _ => Err(invalid("x-request-timeout-ms must be a whole number of milliseconds over 0")),
        }
    }
}

fn key_pin(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(&names::KEY_PIN) else {
        return Ok(None);
    };
    match std::str::from_utf8(value.as_bytes()).map(str::trim) {
        Ok("") | Err(_) => Err(invalid("x-bf-api-key must be the name of a key")),
        Ok(name) => Ok(Some(name.to_owned())),
    }
}

fn invalid(text: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultCode::InvalidRequest, text)
}

/// The client's own id of the request if it is fit for logs and headers, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get(&names::REQUEST_ID).and_then(|value| value.to_str().ok());
    match given {
        Some(id) if is_sane(id) => RequestId::from(id),
        _ => random_id(),
    }
}

fn is_sane(id: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(fit)
}

/// A random UUID, version 4.
fn random_id() -> RequestId {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    RequestId::from(&*id.hyphenated().encode_lower(&mut text))
}

/// The client's W3C trace context; empty if it sent none that can be read.
pub(crate) fn trace(headers: &HeaderMap) -> TraceContext {
    let parent = headers.get(&names::TRACEPARENT).and_then(|value| value.to_str().ok());
    let Some(parent) = parent.and_then(TraceParent::parse) else {
        return TraceContext::default();
    };
    let states: Vec<_> = headers
        .get_all(&names::TRACESTATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|state| !state.is_empty())
        .collect();
    let state = match states.as_slice() {
        [] => None,
        [one] => Some(Arc::from(*one)),
        several => Some(Arc::from(several.join(","))),
    };
    TraceContext {
        parent: Some(parent),
        state: state.filter(|state: &Arc<str>| state.len() <= TRACESTATE_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const CHAT: Dialect = Dialect::OpenAiChat;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn sane_request_ids_are_kept_and_others_replaced() {
        let id = |value: &'static str| request_id(&headers(&[("x-request-id", value)]));
        assert_eq!(id("req-1_a.b:c").as_str(), "req-1_a.b:c");
        for bad in ["", "with blank", "quote\"", "comma,comma", "<tag>"] {
            assert_ne!(id(bad).as_str(), bad);
        }
        let long: &'static str = "a".repeat(129).leak();
        assert_eq!(id(long).len(), 36);
    }

    #[test]
    fn random_ids_have_the_shape_of_a_version_4_uuid() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let parts: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
            assert!(id.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()), "{id}");
        }
    }

    #[test]
    fn deadlines_come_from_the_header_within_bounds() {
        let rules = Rules::new(&Settings::default());
        let deadline = |value| {
            rules.options(&headers(&[("x-request-timeout-ms", value)]), CHAT).map(|w| w.deadline)
        };
        assert_eq!(rules.options(&HeaderMap::new(), CHAT).unwrap().deadline.as_secs(), 600);
        assert_eq!(deadline("1500").unwrap(), Duration::from_millis(1500));
        assert_eq!(deadline("999999999999").unwrap(), DEADLINE_MAX);
        for bad in ["0", "-1", "1.5", "ten", ""] {
            assert_eq!(deadline(bad).unwrap_err().code, FaultCode::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn pins_are_names_and_options_that_are_not_supported_are_refused() {
        let rules = Rules::new(&Settings::default());
        let pin = rules.options(&headers(&[("x-bf-api-key", "key-a")]), CHAT).unwrap().key_pin;
        assert_eq!(pin.as_deref(), Some("key-a"));
        for (name, value) in
            [("x-bf-api-key", " "), ("x-bf-api-key-id", "1"), ("x-bf-direct-key", "true")]
        {
            assert!(rules.options(&headers(&[(name, value)]), CHAT).is_err(), "{name}");
        }
        assert!(rules.options(&headers(&[("x-bf-direct-key", "false")]), CHAT).is_ok());
    }

    #[test]
    fn missing_required_headers_are_named() {
        let settings = Settings {
            required_headers: vec!["X-Team".into(), "not a header".into()],
            ..Settings::default()
        };
        let rules = Rules::new(&settings);
        let text =
            |sent: &HeaderMap| rules.options(sent, CHAT).unwrap_err().detail.message.into_owned();
        assert!(text(&HeaderMap::new()).contains("\"X-Team\""));
        assert!(text(&headers(&[("x-team", "a")])).contains("\"not a header\""));
    }

    #[test]
    fn trace_context_is_taken_over_only_if_it_can_be_read() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut sent = headers(&[("traceparent", PARENT), ("tracestate", "a=1")]);
        sent.append("tracestate", HeaderValue::from_static("b=2"));
        let context = trace(&sent);
        assert_eq!(context.parent.unwrap().to_string(), PARENT);
        assert_eq!(context.state.as_deref(), Some("a=1,b=2"));
        let broken = trace(&headers(&[("traceparent", "00-xyz"), ("tracestate", "a=1")]));
        assert_eq!(broken, TraceContext::default());
    }
}
