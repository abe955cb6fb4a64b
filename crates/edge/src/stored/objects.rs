//! Files that are asked for by their places, as objects in buckets: what passes of the head of a request
//! and of an answer. Which keys reach a place, the router knows; what is done there, the worker.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method};
use weir_dialect::buckets::store::Objects;
use weir_rpc::{Body as CallBody, Header, Reply, RouterRequest};
use weir_types::headers::{ObjectHeader, object_answered, object_header};
use weir_types::{Content, Fault, FaultCode, Operation, Target};

use super::Opening;
use super::answer::collected;
use crate::answer::{recordless, relay};
use crate::head::head_of;
use crate::intake;
use crate::kinds;
use crate::record::Record;
use crate::relay::Times;
use crate::whole::Whole;

/// A file up to this length is held, so that it can be sent once more.
const HELD_BYTES_MAX: u64 = 1024 * 1024;
/// A document that ends an upload in parts is no longer: there are ten thousand of them.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What clients call an upload that does not say how long it is.
const NO_LENGTH: &str = "MissingContentLength";
/// Where the length of a file in chunks stands.
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
/// How a body is encoded whose length is said beside it.
const CHUNKED: &str = "aws-chunked";

impl Opening<'_> {
    /// Serves what is asked of a place.
    pub(super) async fn object(
        self,
        known: &'static Objects,
        mut request: RouterRequest,
        body: Body,
        slot: &mut Option<Record>,
    ) -> Result<Response, Fault> {
        if let Err(fault) = self.ask_of_place(known, &mut request) {
            intake::forget(&self.parts.headers, body, self.limits.bytes_max);
            return Err(fault);
        }
        let body = self.object_body(body).await?;
        let times = Times::of(&self.now.settings);
        let reply = self.shared.router.call(self.context, request, body).await?;
        let passed = reply.head.headers.clone();
        let is_bytes = self.route.operation.facts().answer == Content::Bytes;
        let mut response = match is_bytes {
            true => relay(reply, slot, times).await?,
            false => document(reply, slot, self.parts.method == Method::HEAD).await?,
        };
        for (name, value) in &passed {
            if object_answered(name)
                && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
                && let Ok(value) = HeaderValue::from_str(value)
            {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }

    /// Whose turn it is, and what is said beside the body.
    fn ask_of_place(&self, known: &Objects, request: &mut RouterRequest) -> Result<(), Fault> {
        let (bucket, key) = self.id.split_once('/').unwrap_or((self.id, ""));
        let is_list = self.route.operation == Operation::FileList;
        if key.is_empty() && !is_list && self.parts.method != Method::HEAD {
            let what = "S3's calls about buckets as such, but for lists, are";
            return Err(unserved(&format!("{what} not served; send them to S3 itself")));
        }
        let prefix = self.object_query(known, request)?;
        let place = format!("{bucket}/{}", if is_list { &prefix } else { key });
        request.target =
            Target::Place { provider: self.named.clone(), pin: self.pin.clone(), place };
        if let Some(kind) = self.parts.headers.get(CONTENT_TYPE) {
            kind.to_str().unwrap_or_default().clone_into(&mut request.content_type);
        }
        request.headers.extend(self.object_headers()?);
        Ok(())
    }

    /// Puts the query into `request`: what a list's names begin with.
    fn object_query(&self, known: &Objects, request: &mut RouterRequest) -> Result<String, Fault> {
        let allowed = match (self.route.operation, &self.parts.method) {
            (Operation::FileList, _) => known.list,
            (Operation::FileDelete, _) => known.delete,
            (Operation::FileUpload, &Method::POST) => known.begin,
            (Operation::FileUpload, _) => known.write,
            _ => known.read,
        };
        let mut prefix = String::new();
        let mut query = Serializer::new(String::new());
        let mut count = 0;
        for (name, value) in form_urlencoded::parse(self.parts.uri.query().unwrap_or("").as_bytes())
        {
            if known.ignored.contains(&&*name) {
                continue;
            }
            if !allowed.contains(&&*name) {
                let shown: String = name.chars().take(64).collect();
                return Err(unserved(&format!(
                    "`{shown}` in the query: this call of S3's interface is not served; send it to S3 \
                     itself, or see docs/api.md for what is served"
                )));
            }
            if name == known.prefix {
                prefix = value.to_string();
            }
            count += 1;
            query.append_pair(&name, &value);
        }
        if self.parts.method == Method::POST && count == 0 {
            return Err(unserved("a file is put with PUT; POST begins and ends uploads in parts"));
        }
        request.query = query.finish();
        Ok(prefix)
    }

    /// The headers that go on.
    fn object_headers(&self) -> Result<Vec<Header>, Fault> {
        let mut sent = Vec::new();
        for (name, value) in &self.parts.headers {
            // What a file has not become is of no interest to whoever reads it.
            let is_unused =
                name == IF_NONE_MATCH && matches!(self.parts.method, Method::GET | Method::HEAD);
            match object_header(name.as_str()) {
                ObjectHeader::Left => {}
                _ if is_unused => {}
                ObjectHeader::Sent | ObjectHeader::OfBody => {
                    let value = value.to_str().map_err(|_| {
                        let text = format!("the header {name} holds characters that are not ASCII");
                        Fault::new(FaultCode::InvalidRequest, text)
                    })?;
                    sent.push((name.as_str().to_owned(), value.to_owned()));
                }
                ObjectHeader::Refused => {
                    return Err(unserved(&format!(
                        "{name}: what this header asks for is not served; leave it out, or send the \
                         request to S3 itself"
                    )));
                }
            }
        }
        Ok(sent)
    }

    /// The body as it goes on: whole if it is short.
    async fn object_body(&self, body: Body) -> Result<CallBody, Fault> {
        if self.route.operation != Operation::FileUpload {
            intake::forget(&self.parts.headers, body, self.limits.bytes_max);
            return Ok(CallBody::Full(Bytes::new()));
        }
        let mut headers = self.parts.headers.clone();
        let encodings = headers.remove(CONTENT_ENCODING);
        let encodings = encodings.as_ref().and_then(|value| value.to_str().ok());
        let is_chunked = encodings.is_some_and(|names| names.contains(CHUNKED));
        let length = intake::announced(&headers);
        let is_document = self.parts.method == Method::POST;
        if length.is_none() && !is_chunked && !is_document {
            intake::forget(&headers, body, self.limits.bytes_max);
            let text = "the upload does not say how long it is; send content-length";
            let mut fault = Fault::new(FaultCode::InvalidRequest, text);
            fault.detail.code = Some(NO_LENGTH.into());
            return Err(fault);
        }
        let decoded =
            headers.get(DECODED_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let is_short = length.or(decoded).is_some_and(|length| length <= HELD_BYTES_MAX);
        let pieces = CallBody::Stream(intake::stream(&headers, body, self.limits)?);
        match is_document || is_short {
            true => {
                let whole = pieces.collect(DOCUMENT_BYTES_MAX, self.limits.budget).await?;
                Ok(CallBody::Full(whole))
            }
            false => Ok(pieces),
        }
    }
}

/// An answer that is a document, or nothing.
async fn document(
    reply: Reply,
    slot: &mut Option<Record>,
    head_only: bool,
) -> Result<Response, Fault> {
    let (head, body, end) = collected(reply).await?;
    let Some(mut record) = slot.take() else { return Err(recordless()) };
    let mut response = head_of(&head, false, &mut record);
    let kind = match (head_only, body.is_empty()) {
        (true, _) => Some(kinds::of_answer(&head.content_type, Operation::FileContent, None)),
        (false, true) => None,
        (false, false) => Some(HeaderValue::from_static(Objects::CONTENT_TYPE)),
    };
    response.headers_mut().remove(CONTENT_TYPE);
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    record.cost(end.usage, end.finish);
    Ok(response.map(|()| Whole::body(body, record, head_only)))
}

fn unserved(text: &str) -> Fault {
    Fault::new(FaultCode::NotServed, text.to_owned())
}
