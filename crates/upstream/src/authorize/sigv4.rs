//! AWS Signature Version 4: pure, the moment is an argument.
//!
//! Signed are the host, the body, its type and the headers that are AWS's own; all others may be
//! touched on the way. Segments of the path are encoded once more than they are sent, which all
//! services but S3 want: there a path is the name of an object, signed as it is, and what is signed of
//! the body stands in a header. Source: AWS's "Signature Version 4 signing process".

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use ring::digest::{Context, SHA256, digest};
use ring::hmac;
use weir_types::{Secret, dates};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const TRAILED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// The service whose paths are names of objects.
pub(super) const OBJECTS: &str = "s3";

/// Credentials of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// Names the secret.
    pub access_key: String,
    /// Signs.
    pub secret_key: Secret,
    /// Of temporary credentials.
    pub session_token: Option<Secret>,
}

impl AwsKeys {
    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.session_token.iter().chain([&self.secret_key]).cloned().collect()
    }
}

/// What a signature is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// What is signed of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// All of it: its hash.
    Hash(String),
    /// All of it: its hash, as whoever sends it says, or that its checksum comes behind it. The service
    /// looks whether that is so.
    Stated(String),
    /// Nothing; TLS has to do.
    Unsigned,
}

impl Payload {
    /// Of a body in pieces.
    pub(super) fn of<'a>(pieces: impl Iterator<Item = &'a Bytes>) -> Self {
        let mut context = Context::new(&SHA256);
        pieces.for_each(|piece| context.update(piece));
        Self::Hash(hex(context.finish().as_ref()))
    }

    /// What the headers of a call say of a body that is still arriving.
    pub(super) fn stated(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_HASH)?.to_str().ok()?;
        let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hash || text == TRAILED).then(|| Self::Stated(text.to_owned()))
    }

    fn text(&self) -> &str {
        match self {
            Self::Hash(text) | Self::Stated(text) => text,
            Self::Unsigned => UNSIGNED,
        }
    }
}

/// Signs a request: whatever is signed must not change any more.
///
/// # Errors
/// Credentials that cannot be sent.
pub(super) fn sign(
    (method, uri): (&Method, &Uri),
    headers: &mut HeaderMap,
    payload: &Payload,
    keys: &AwsKeys,
    scope: Scope<'_>,
) -> Result<(), String> {
    let unsendable = |_| "the credentials hold characters that cannot be sent".to_owned();
    let moment = dates::compact(scope.now);
    let value = |text: &str| HeaderValue::try_from(text).map_err(unsendable);
    headers.insert(HOST, HeaderValue::try_from(host(uri)).map_err(unsendable)?);
    headers.insert(DATE, value(&moment)?);
    headers.remove(TOKEN);
    if let Some(token) = &keys.session_token {
        let mut token = value(token.expose())?;
        token.set_sensitive(true);
        headers.insert(TOKEN, token);
    }
    headers.remove(CONTENT_HASH);
    let Scope { region, service, .. } = scope;
    if *payload == Payload::Unsigned || service == OBJECTS {
        headers.insert(CONTENT_HASH, value(payload.text())?);
    }
    let (canonical, signed) = canonical(method, uri, headers, payload, service);
    let day = moment.split('T').next().unwrap_or_default();
    let place = format!("{day}/{region}/{service}/aws4_request");
    let hashed = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("{ALGORITHM}\n{moment}\n{place}\n{hashed}");
    let signature = hex(hmac::sign(&key(keys, day, region, service), text.as_bytes()).as_ref());
    let who = &keys.access_key;
    let mut credential = value(&format!(
        "{ALGORITHM} Credential={who}/{place}, SignedHeaders={signed}, Signature={signature}"
    ))?;
    credential.set_sensitive(true);
    headers.insert(AUTHORIZATION, credential);
    Ok(())
}

fn key(keys: &AwsKeys, day: &str, region: &str, service: &str) -> hmac::Key {
    let secret = format!("AWS4{}", keys.secret_key.expose());
    let first = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    [day, region, service, "aws4_request"].iter().fold(first, |key, part| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
    })
}

/// The request as it is hashed, and the names of the signed headers.
fn canonical(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    payload: &Payload,
    service: &str,
) -> (String, String) {
    let mut names: Vec<&str> =
        headers.keys().map(HeaderName::as_str).filter(|name| is_signed(name)).collect();
    names.sort_unstable();
    let path = if service == OBJECTS { uri.path().to_owned() } else { path(uri.path()) };
    let mut text = format!("{method}\n{path}\n{}\n", query(uri));
    for name in &names {
        let values = headers.get_all(*name).iter().map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        text.push_str(name);
        text.push(':');
        text.push_str(&values.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    let signed = names.join(";");
    text.push('\n');
    text.push_str(&signed);
    text.push('\n');
    text.push_str(payload.text());
    (text, signed)
}

fn is_signed(name: &str) -> bool {
    name == HOST.as_str()
        || name == CONTENT_TYPE.as_str()
        || (name.starts_with("x-amz") && name != "x-amzn-trace-id")
}

/// As the client's library writes it too: without a port that goes without saying.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host,
        (Some(port), _) => format!("{host}:{port}"),
    }
}

/// Without empty segments, `.` and `..`, and encoded once more.
fn path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut text = String::with_capacity(path.len() + 16);
    for segment in &segments {
        text.push('/');
        for byte in segment.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(char::from(byte));
                }
                // Writing into a string cannot fail.
                _ => _ = write!(text, "%{byte:02X}"),
            }
        }
    }
    if path.ends_with('/') || text.is_empty() {
        text.push('/');
    }
    text
}

/// Sorted; it is encoded already.
fn query(uri: &Uri) -> String {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return String::new() };
    let pair = |text| str::split_once(text, '=').unwrap_or((text, ""));
    let mut pairs: Vec<(&str, &str)> = query.split('&').map(pair).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn signatures_are_those_of_botocore() {
        let text = include_str!("../../fixtures/sigv4.json");
        let cases: Vec<Value> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 280, "{}", cases.len());
        for case in &cases {
            let text = |name: &str| case[name].as_str().unwrap_or_default();
            let uri: Uri = text("url").parse().unwrap();
            let method: Method = text("method").parse().unwrap();
            let mut headers = HeaderMap::new();
            for pair in case["headers"].as_array().unwrap() {
                let name: HeaderName = pair[0].as_str().unwrap().parse().unwrap();
                headers.append(name, HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap());
            }
            // What is not signed may be anything.
            headers.insert("accept", HeaderValue::from_static("*/*"));
            headers.insert("x-amzn-trace-id", HeaderValue::from_static("Root=1"));
            let token = text("session_token");
            let keys = AwsKeys {
                access_key: text("access_key").to_owned(),
                secret_key: Secret::new(text("secret_key").to_owned()),
                session_token: (!token.is_empty()).then(|| Secret::new(token.to_owned())),
            };
            let now = case["now"].as_u64().unwrap();
            let scope = Scope { region: text("region"), service: text("service"), now };
            let payload = case["body"].as_str().map_or(Payload::Unsigned, |body| {
                let (first, second) = body.as_bytes().split_at(body.len() / 2);
                let pieces = [Bytes::copy_from_slice(first), Bytes::copy_from_slice(second)];
                Payload::of(pieces.iter())
            });
            sign((&method, &uri), &mut headers, &payload, &keys, scope).unwrap();
            let (canonical, _) = canonical(&method, &uri, &headers, &payload, scope.service);
            assert_eq!(canonical, text("canonical"), "{uri}");
            assert_eq!(headers["authorization"], text("authorization"), "{uri}");
            assert_eq!(headers["x-amz-date"], text("date"));
            assert!(headers["authorization"].is_sensitive());
        }
    }

    #[test]
    fn a_body_that_is_not_held_is_left_to_tls_and_that_is_said() {
        let keys = AwsKeys {
            access_key: "AK".to_owned(),
            secret_key: Secret::new("secret".to_owned()),
            session_token: None,
        };
        let uri: Uri = "https://h.test/x".parse().unwrap();
        let mut headers = HeaderMap::new();
        let scope = Scope { region: "r", service: "s", now: 0 };
        sign((&Method::PUT, &uri), &mut headers, &Payload::Unsigned, &keys, scope).unwrap();
        assert_eq!(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        let text = headers["authorization"].to_str().unwrap();
        assert!(text.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date,"), "{text}");
        // Credentials that would not fit into a header are an error, not a panic.
        let keys = AwsKeys { access_key: "A\nK".to_owned(), ..keys };
        let payload = Payload::of([].iter());
        assert!(sign((&Method::PUT, &uri), &mut headers, &payload, &keys, scope).is_err());
    }
}
