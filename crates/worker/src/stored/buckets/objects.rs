//! Objects for clients that put and get them themselves, at places in the key's own buckets: what they say
//! passes, and so does what the service says.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Method, Uri};
use weir_dialect::buckets::Cloud;
use weir_rpc::{Body as Incoming, Header};
use weir_types::headers::{ObjectHeader, object_answered, object_header};
use weir_types::{FailureClass, Fault, FaultCode, Operation};

use super::put;
use crate::fault;
use crate::stored::Served;
use crate::stored::visit::Visit;
use crate::stored::wire::Ask;

/// What begins an upload in parts, what one goes on with, and which part it is.
const BEGIN: &str = "uploads";
const UPLOAD: &str = "uploadId";
const PART: &str = "partNumber";

pub(super) async fn serve(
    visit: &Visit<'_>,
    cloud: &dyn Cloud,
    body: Incoming,
) -> Result<Served, Fault> {
    let place = visit.request.resource.as_deref().unwrap_or_default();
    let (bucket, rest) = place.split_once('/').unwrap_or((place, ""));
    let operation = visit.request.operation;
    let is_list = operation == Operation::FileList;
    check(visit, bucket, rest, is_list)?;
    let pairs: Vec<_> = visit.query().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let uri = visit.object_uri(cloud, bucket, if is_list { "" } else { rest }, &pairs)?;
    let passed = async |ask| {
        let (head, document) = visit.wire.read(ask).await?;
        Ok(Served::Passed(Box::new(head), document))
    };
    match operation {
        Operation::FileContent => {
            let ask = Ask { as_it_comes: true, ..asked(visit, Method::GET, uri) };
            Ok(Served::Bytes(Box::new(visit.wire.ask(ask).await?)))
        }
        Operation::FileRetrieve => {
            let ask = Ask { as_it_comes: true, ..asked(visit, Method::HEAD, uri) };
            passed(ask).await
        }
        Operation::FileList => passed(asked(visit, Method::GET, uri)).await,
        Operation::FileDelete => passed(asked(visit, Method::DELETE, uri)).await,
        Operation::FileUpload => {
            let has = |name: &str| pairs.iter().any(|(known, _)| *known == name);
            let is_document = has(BEGIN) || (has(UPLOAD) && !has(PART));
            let method = if is_document { Method::POST } else { Method::PUT };
            let mut ask = asked(visit, method, uri);
            if let Ok(kind) = HeaderValue::from_str(&visit.request.content_type)
                && !kind.is_empty()
            {
                ask.headers.push((CONTENT_TYPE, kind));
            }
            let (head, document) = put::send(visit, ask, body).await?;
            Ok(Served::Passed(Box::new(head), document))
        }
        other => Err(fault::unsupported(&visit.wire.shared, other, false)),
    }
}

fn asked(visit: &Visit<'_>, method: Method, uri: Uri) -> Ask {
    let mut ask = Ask::new(method, uri);
    for (name, value) in &visit.request.headers {
        if object_header(name) == ObjectHeader::Sent
            && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Ok(value) = HeaderValue::from_str(value)
        {
            ask.headers.push((name, value));
        }
    }
    ask
}

/// The key reaches what begins so, or is called so.
fn check(visit: &Visit<'_>, bucket: &str, rest: &str, is_list: bool) -> Result<(), Fault> {
    let is_plain = is_list || !rest.split('/').any(|step| matches!(step, "." | ".."));
    let mut buckets = visit.buckets().iter();
    if is_plain && buckets.any(|known| known.name == bucket && rest.starts_with(&known.prefix)) {
        return Ok(());
    }
    let text = format!(
        "{}: s3://{bucket}/{rest} is in none of the buckets that batch_s3_config of key {} names, or not \
         behind their prefixes",
        visit.wire.shared.provider, visit.key.name
    );
    // Another key may have the bucket.
    Err(Fault::new(FaultCode::Forbidden, text).with_class(FailureClass::Refused))
}

/// What the client is told of an answer's head beside its status, where it reads the service's own words.
pub(in crate::stored) fn answered(visit: &Visit<'_>, head: &Parts) -> Vec<Header> {
    if !visit.wire.tells_code {
        return Vec::new();
    }
    let mut said = Vec::new();
    // A document is as long as it is.
    let has_length =
        matches!(visit.request.operation, Operation::FileContent | Operation::FileRetrieve);
    for (name, value) in &head.headers {
        let is_length = *name == http::header::CONTENT_LENGTH;
        if object_answered(name.as_str())
            && (has_length || !is_length)
            && let Ok(value) = value.to_str()
        {
            let mut value = value.to_owned();
            visit.key.hide(&mut value);
            said.push((name.as_str().to_owned(), value));
        }
    }
    said
}
