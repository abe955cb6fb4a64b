//! The head of a call as the formats see it, and the key, wherever a vendor puts it. Pure.

use std::borrow::Cow;

use http::{HeaderMap, Method, Version};

/// Headers that may carry a key, the usual one first.
pub(crate) const KEY_HEADERS: [&str; 4] =
    ["authorization", "api-key", "x-api-key", "x-goog-api-key"];

/// How Amazon's signature begins.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 ";

/// What is known of a call before its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) version: Version,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The key's value, empty if there is none.
    pub(crate) key: &'a str,
    /// Members that the format does not know are let through.
    pub(crate) lenient: bool,
}

impl<'a> Call<'a> {
    /// A header's text, empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of a query parameter, as it stands there.
    pub(crate) fn query(&self, name: &str) -> Option<&'a str> {
        query_value(self.query, name)
    }

    pub(crate) fn is_get(&self) -> bool {
        self.method == Method::GET
    }
}

fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The key of a call: a header's value without `Bearer`, the access key id of a signature, or the
/// parameter `key`. Empty if there is none.
pub(crate) fn key_of<'a>(headers: &'a HeaderMap, query: &'a str) -> Cow<'a, str> {
    let Some(value) = KEY_HEADERS.iter().find_map(|name| headers.get(*name)) else {
        return Cow::Borrowed(query_value(query, "key").unwrap_or_default());
    };
    match String::from_utf8_lossy(value.as_bytes()) {
        Cow::Borrowed(text) => Cow::Borrowed(bare(text)),
        Cow::Owned(text) => Cow::Owned(text),
    }
}

fn bare(text: &str) -> &str {
    if let Some(token) = text.strip_prefix("Bearer ") {
        return token;
    }
    match Signature::read(text) {
        Some(signature) => signature.key_id,
        None => text,
    }
}

/// The parts of Amazon's `authorization` header, version 4.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) signed_headers: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Signature<'a> {
    /// `None` if the text is none; parts that are missing are empty.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut read = Self::default();
        for part in text.strip_prefix(SIGNATURE)?.split(',') {
            match part.trim().split_once('=') {
                Some(("Credential", scope)) => {
                    let mut scope = scope.split('/');
                    let mut next = || scope.next().unwrap_or_default();
                    (read.key_id, read.date) = (next(), next());
                    (read.region, read.service) = (next(), next());
                }
                Some(("SignedHeaders", names)) => read.signed_headers = names,
                Some(("Signature", hex)) => read.signature = hex,
                _ => {}
            }
        }
        Some(read)
    }
}

/// `%2F` and its like as the characters they stand for; what is no such thing stays.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_is_found_wherever_a_vendor_puts_it() {
        let signature = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/bedrock/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=abc";
        for (header, value, key) in [
            ("authorization", "Bearer k1", "k1"),
            ("authorization", "k1", "k1"),
            ("authorization", signature, "AKID"),
            ("api-key", "k1", "k1"),
            ("x-api-key", "k1", "k1"),
            ("x-goog-api-key", "k1", "k1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header, HeaderValue::from_str(value).unwrap());
            assert_eq!(key_of(&headers, "key=other"), key, "{header}: {value}");
        }
        assert_eq!(key_of(&HeaderMap::new(), "alt=sse&key=k1"), "k1");
        assert_eq!(key_of(&HeaderMap::new(), ""), "");
        let read = Signature::read(signature).unwrap();
        assert_eq!((read.region, read.service, read.date), ("eu-west-1", "bedrock", "20260101"));
        assert_eq!((read.signed_headers, read.signature), ("host;x-amz-date", "abc"));
    }

    #[test]
    fn percent_signs_are_resolved() {
        assert_eq!(percent_decoded("a%3Ab%2fc"), "a:b/c");
        assert_eq!(percent_decoded("50%"), "50%");
        assert_eq!(percent_decoded("%zz%c3%a9"), "%zzé");
        assert_eq!(percent_decoded("plain"), "plain");
    }
}
