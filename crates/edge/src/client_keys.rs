//! Who calls: which client key a request presents, wherever its SDK puts a credential.
//!
//! Knows hashes of the keys and their names, never their values. What a key may reach is the router's
//! to say.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::once_with;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderName;
use http::header::AUTHORIZATION;
use http::request::Parts;
use ring::digest::{SHA256, digest};
use weir_types::{Fault, FaultCode};

use crate::names;

/// How keys begin that `weir key new` makes, and those of the configuration format: whoever sends one
/// means to be known by it.
const PREFIXES: [&str; 2] = ["sk-weir-", "sk-bf-"];

/// The SHA-256 of a client key's value.
pub type KeyHash = [u8; 32];

/// What is known of one client key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its name, for logs, traces, metrics and the router.
    pub name: Arc<str>,
    /// Whether it may be used.
    pub is_active: bool,
    /// When it ends.
    pub expires_at: Option<SystemTime>,
}

/// All client keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientKeys {
    /// How long a look takes depends on the hash of what was sent, which nobody can steer towards that of
    /// a key; so it tells nothing of the keys.
    by_hash: HashMap<KeyHash, ClientKey>,
    is_required: bool,
}

/// The hash of a client key's value.
#[must_use]
pub fn key_hash(value: &str) -> KeyHash {
    let mut hash = KeyHash::default();
    hash.copy_from_slice(digest(&SHA256, value.as_bytes()).as_ref());
    hash
}

impl ClientKeys {
    /// From the configuration; `is_required`: requests without one are refused.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (KeyHash, ClientKey)>, is_required: bool) -> Self {
        Self { by_hash: keys.into_iter().collect(), is_required }
    }

    /// Whether requests without a key are refused.
    #[must_use]
    pub const fn are_required(&self) -> bool {
        self.is_required
    }

    /// Whether there are none, so that everybody is the same.
    pub(crate) fn are_none(&self) -> bool {
        self.by_hash.is_empty() && !self.is_required
    }

    /// The name of the key that a request presents at `now`; `None` for nobody in particular.
    ///
    /// # Errors
    /// [`FaultCode::Unauthenticated`]: there is none where one is required, or one that is not known, or
    /// that may not be used any more.
    pub(crate) fn caller(&self, parts: &Parts, now: SystemTime) -> Result<Option<Arc<str>>, Fault> {
        if self.are_none() {
            return Ok(None);
        }
        let mut is_meant = false;
        let mut is_any = false;
        for value in presented(parts) {
            if let Some(key) = self.by_hash.get(&key_hash(&value)) {
                return key.usable(now).map(|()| Some(Arc::clone(&key.name)));
            }
            is_any = true;
            is_meant |= PREFIXES.iter().any(|prefix| value.starts_with(prefix));
        }
        match (is_meant || (is_any && self.is_required), self.is_required) {
            (true, _) => Err(refused("the client key that was sent is not known", "unknown_key")),
            (false, true) => Err(refused(
                "no client key was sent: use one as the SDK's API key, or send it as \
                 `Authorization: Bearer <key>`",
                MISSING,
            )),
            (false, false) => Ok(None),
        }
    }

    /// The name of the key that is called so, at `now`.
    ///
    /// # Errors
    /// [`FaultCode::Unauthenticated`]: there is none any more, or it may not be used any more.
    pub(crate) fn named(&self, name: &str, now: SystemTime) -> Result<Arc<str>, Fault> {
        match self.by_hash.values().find(|key| &*key.name == name) {
            Some(key) => key.usable(now).map(|()| Arc::clone(&key.name)),
            None => {
                Err(refused("the client key of this upload is not known any more", "unknown_key"))
            }
        }
    }
}

/// Whether a key was sent that may not be used, and not only none.
pub(crate) fn is_wrong(caller: &Result<Option<Arc<str>>, Fault>) -> bool {
    caller.as_ref().is_err_and(|fault| fault.detail.code.as_deref() != Some(MISSING))
}

/// What is said of a request without a key.
const MISSING: &str = "missing_key";

impl ClientKey {
    fn usable(&self, now: SystemTime) -> Result<(), Fault> {
        let name = &self.name;
        if !self.is_active {
            return Err(refused(
                format!("the client key \"{name}\" is not active"),
                "inactive_key",
            ));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(refused(format!("the client key \"{name}\" has expired"), "expired_key"));
        }
        Ok(())
    }
}

fn refused(text: impl Into<Cow<'static, str>>, code: &'static str) -> Fault {
    let mut fault = Fault::new(FaultCode::Unauthenticated, text);
    fault.detail.code = Some(code.into());
    fault
}

/// What could be a client key, from the place that is most certain on.
fn presented(parts: &Parts) -> impl Iterator<Item = Cow<'_, str>> {
    let text = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?.trim();
        (!value.is_empty()).then_some(value)
    };
    // Each place is looked at when those before it had nothing.
    let own = once_with(move || text(&names::CLIENT_KEY));
    let usual = once_with(move || text(&AUTHORIZATION).and_then(of_authorization));
    let of_sdks = names::SDK_KEYS.iter().map(text);
    let headers = own.chain(usual).chain(of_sdks).flatten().map(Cow::Borrowed);
    headers.chain(once_with(|| of_query(parts.uri.query()?)).flatten())
}

/// Google's REST clients put it into the query.
fn of_query(query: &str) -> Option<Cow<'_, str>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, value)| name == "key" && !value.is_empty()).map(|(_, value)| value)
}

/// A bearer token, or the id of the access key that AWS's SDKs sign with.
fn of_authorization(line: &str) -> Option<&str> {
    let (scheme, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then_some(rest);
    }
    if scheme != "AWS4-HMAC-SHA256" {
        return None;
    }
    let credential = rest.split_once("Credential=")?.1;
    credential.split('/').next().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;

    const VALUE: &str = "sk-weir-0123456789abcdef";

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn keys(is_required: bool) -> ClientKeys {
        let key = |name: &str, is_active, expires_at| ClientKey {
            name: Arc::from(name),
            is_active,
            expires_at,
        };
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let keys = [
            (key_hash(VALUE), key("team-a", true, None)),
            (key_hash("plain-but-long-enough"), key("plain", true, None)),
            (key_hash("sk-weir-off-0123456789"), key("off", false, None)),
            (key_hash("sk-weir-old-0123456789"), key("old", true, Some(end))),
        ];
        ClientKeys::new(keys, is_required)
    }

    fn caller(keys: &ClientKeys, parts: &Parts, seconds: u64) -> Result<Option<String>, String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let found = keys.caller(parts, now);
        found.map(|name| name.map(|name| name.to_string())).map_err(|fault| {
            assert_eq!(fault.code, FaultCode::Unauthenticated);
            assert!(!fault.detail.message.contains(VALUE));
            fault.detail.code.unwrap_or_default().into_owned()
        })
    }

    #[test]
    fn keys_are_found_wherever_an_sdk_puts_them() {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={VALUE}/20260101/us-east-1/bedrock/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        let bearer = format!("Bearer {VALUE}");
        let lower = format!("bearer   {VALUE}");
        for (name, value) in [
            ("authorization", bearer.as_str()),
            ("authorization", &lower),
            ("authorization", &signed),
            ("x-api-key", VALUE),
            ("x-goog-api-key", VALUE),
            ("api-key", VALUE),
            ("x-bf-vk", VALUE),
        ] {
            for is_required in [false, true] {
                let found = caller(&keys(is_required), &parts("/", &[(name, value)]), 0);
                assert_eq!(found, Ok(Some("team-a".to_owned())), "{name}: {value}");
            }
        }
        let query = format!("/v1?a=b&key={VALUE}");
        assert_eq!(caller(&keys(true), &parts(&query, &[]), 0), Ok(Some("team-a".to_owned())));
        // One that is known counts, whatever else is sent along.
        let both = [("authorization", "Bearer dummy"), ("x-api-key", VALUE)];
        assert_eq!(caller(&keys(true), &parts("/", &both), 0), Ok(Some("team-a".to_owned())));
    }

    #[test]
    fn without_a_key_only_those_come_in_that_may() {
        let (free, closed) = (keys(false), keys(true));
        let refused = |code: &str| Err(code.to_owned());
        let nothing = parts("/", &[]);
        assert_eq!(caller(&free, &nothing, 0), Ok(None));
        assert_eq!(caller(&closed, &nothing, 0), refused("missing_key"));
        for headers in [[("authorization", "Bearer dummy")], [("x-api-key", "sk-proj-other")]] {
            assert_eq!(caller(&free, &parts("/", &headers), 0), Ok(None));
            assert_eq!(caller(&closed, &parts("/", &headers), 0), refused("unknown_key"));
        }
        for odd in ["Basic eA==", "Bearer", "Bearer ", "AWS4-HMAC-SHA256 x", ""] {
            let odd = parts("/", &[("authorization", odd)]);
            assert_eq!(caller(&closed, &odd, 0), refused("missing_key"));
        }
        // Whoever sends what looks like a client key is told that it is none.
        let wrong = parts("/", &[("authorization", "Bearer sk-weir-wrong")]);
        assert_eq!(caller(&free, &wrong, 0), refused("unknown_key"));
        assert_eq!(caller(&ClientKeys::default(), &wrong, 0), Ok(None));
    }

    #[test]
    fn keys_that_ended_are_refused_by_name() {
        let with = |value: &str| parts("/", &[("x-api-key", value)]);
        for keys in [keys(false), keys(true)] {
            let off = caller(&keys, &with("sk-weir-off-0123456789"), 0);
            assert_eq!(off, Err("inactive_key".to_owned()));
            let old = with("sk-weir-old-0123456789");
            assert_eq!(caller(&keys, &old, 99), Ok(Some("old".to_owned())));
            assert_eq!(caller(&keys, &old, 100), Err("expired_key".to_owned()));
        }
    }
}
