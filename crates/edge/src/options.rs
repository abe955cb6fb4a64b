//! What a client says in headers: who it is to itself (request id, trace), how long it waits,
//! which key it wants, and what is to be passed on. Everything else stops here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use weir_rpc::Header;
use weir_types::{
    Commit, Dialect, Fault, FaultCode, Patience, RequestId, TraceContext, TraceParent,
};

use crate::filter::Filter;
use crate::{Settings, names};

/// The longest request id that is taken over.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// The W3C recommendation asks to carry at least 512 characters of `tracestate`.
const TRACESTATE_BYTES_MAX: usize = 512;
/// A client may wait longer than the configured deadline, but not without end.
const DEADLINE_MAX: Duration = Duration::from_hours(1);
/// No time that a client names is longer: clocks have an end.
const MILLIS_MAX: Duration = Duration::from_hours(24 * 365);

/// How all headers begin that are for the gateway; most requests have none of them.
const OWN: [&str; 3] = ["x-bf-", "x-weir-", "x-request-"];

/// What a client asks for beside its body.
#[derive(Debug)]
pub(crate) struct RequestOptions {
    /// How long it waits for the head of the answer.
    pub(crate) deadline: Duration,
    /// The only key that may serve the first choice.
    pub(crate) key_pin: Option<String>,
    /// When a stream is to begin for it.
    pub(crate) commit: Option<Commit>,
    /// How long it waits for parts of the answer.
    pub(crate) patience: Patience,
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
        let is_own = |name: &HeaderName| OWN.iter().any(|own| name.as_str().starts_with(own));
        // What is looked for in an empty map costs nothing.
        let none = HeaderMap::new();
        let own = if headers.keys().any(is_own) { headers } else { &none };
        if own.contains_key(&names::KEY_PIN_ID) {
            let text = "x-bf-api-key-id is not supported: keys have names; pin one with \
                        x-bf-api-key: <key name>";
            return Err(invalid(text));
        }
        let direct = own.get(&names::DIRECT_KEY);
        if direct.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")) {
            return Err(invalid("x-bf-direct-key is not supported: only configured keys are used"));
        }
        Ok(RequestOptions {
            deadline: self.deadline(own)?,
            key_pin: key_pin(own)?,
            commit: commit(own)?,
            patience: patience(own)?,
            headers: self.filter.apply(headers, dialect)?,
        })
    }

    fn deadline(&self, headers: &HeaderMap) -> Result<Duration, Fault> {
        let asked = millis(headers, &names::TIMEOUT_MS, 1)?;
        let bounded = |asked: Duration| asked.min(DEADLINE_MAX.max(self.deadline));
        Ok(asked.map_or(self.deadline, bounded))
    }
}

/// What the client says of its patience; the providers' settings are its bounds.
fn patience(headers: &HeaderMap) -> Result<Patience, Fault> {
    Ok(Patience {
        first_token: millis(headers, &names::FIRST_TOKEN_MS, 1)?,
        stream_idle: millis(headers, &names::STREAM_IDLE_MS, 1)?,
        hedge_after: millis(headers, &names::HEDGE_MS, 0)?,
    })
}

/// A time of at least `least`; one that nobody would wait for is cut.
fn millis(headers: &HeaderMap, name: &HeaderName, least: u64) -> Result<Option<Duration>, Fault> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let asked = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    match asked.filter(|ms| *ms >= least) {
        Some(ms) => Ok(Some(Duration::from_millis(ms).min(MILLIS_MAX))),
        None => {
            let over = if least == 0 { "" } else { " over 0" };
            Err(invalid(format!("{name} must be a whole number of milliseconds{over}")))
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

fn commit(headers: &HeaderMap) -> Result<Option<Commit>, Fault> {
    let Some(value) = headers.get(&names::COMMIT) else {
        return Ok(None);
    };
    let word = value.to_str().unwrap_or_default().trim();
    let known = Commit::from_label(word);
    let why = || invalid("x-weir-commit must be `first` or `complete`");
    known.map(Some).ok_or_else(why)
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

    #[test]
    fn what_is_read_of_headers_begins_as_the_gateways_own() {
        let read = [
            names::KEY_PIN,
            names::KEY_PIN_ID,
            names::DIRECT_KEY,
            names::COMMIT,
            names::TIMEOUT_MS,
            names::FIRST_TOKEN_MS,
            names::STREAM_IDLE_MS,
            names::HEDGE_MS,
        ];
        for name in read {
            assert!(OWN.iter().any(|own| name.as_str().starts_with(own)), "{name}");
        }
    }

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
    fn patience_is_read_in_milliseconds_and_what_is_none_is_refused() {
        let rules = Rules::new(&Settings::default());
        let patience = |name, value| {
            rules.options(&headers(&[(name, value)]), CHAT).map(|options| options.patience)
        };
        let (first, idle, hedge) =
            ("x-weir-first-token-timeout-ms", "x-weir-stream-idle-timeout-ms", "x-weir-hedge-ms");
        let half = Some(Duration::from_millis(500));
        let none = Patience::default();
        assert_eq!(patience(first, "500").unwrap(), Patience { first_token: half, ..none });
        assert_eq!(patience(idle, " 500 ").unwrap(), Patience { stream_idle: half, ..none });
        assert_eq!(patience(hedge, "500").unwrap(), Patience { hedge_after: half, ..none });
        assert_eq!(patience(hedge, "0").unwrap().hedge_after, Some(Duration::ZERO));
        assert_eq!(patience("x-other", "500").unwrap(), none);
        for (name, value) in
            [(first, "0"), (idle, "-5"), (hedge, "soon"), (first, "1.5"), (idle, "")]
        {
            let fault = patience(name, value).unwrap_err();
            assert_eq!(fault.code, FaultCode::InvalidRequest);
            assert!(fault.detail.message.starts_with(name), "{}", fault.detail.message);
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
