//! Objects in buckets, as Amazon's S3 has them, addressed by path: whole ones, those that are uploaded
//! in parts, lists. <https://docs.aws.amazon.com/AmazonS3/latest/API/>
//!
//! Every bucket is there, whoever asks, but for those whose names begin with `missing-`. A signature is
//! looked at as far as that is possible without the secret it was made with.

mod content;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;

use super::{Given, Visit, object_of};
use crate::answer::text::hash;
use crate::call::{Call, Signature, percent_decoded};
use crate::refusal::Refusal;
use crate::wire::s3::escaped;
use content::Content;
pub(super) use content::Header;

/// Parts but the last are no shorter.
const PART_BYTES_MIN: usize = 5 * 1024 * 1024;
const XML: &str = "application/xml";

/// All that is kept, by bucket and name.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    objects: BTreeMap<(String, String), Object>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    kind: String,
    written_us: u64,
    /// What its owner says of it.
    said: Vec<Header>,
    crc: Option<String>,
}

#[derive(Debug)]
struct Upload {
    place: (String, String),
    kind: String,
    said: Vec<Header>,
    parts: BTreeMap<u32, Bytes>,
}

impl Buckets {
    pub(super) fn clear(&mut self) {
        self.objects.clear();
        self.uploads.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len() + self.uploads.len()
    }

    /// The object that `uri` (`s3://bucket/name`) is the address of.
    pub(super) fn at(&self, uri: &str) -> Option<&Object> {
        self.objects.get(&object_of(uri, "s3://")?)
    }

    /// Puts an object where `uri` says.
    pub(super) fn put(&mut self, uri: &str, bytes: Bytes, now_us: u64) {
        if let Some(place) = object_of(uri, "s3://") {
            let object = Object {
                bytes,
                kind: "binary/octet-stream".to_owned(),
                written_us: now_us,
                said: Vec::new(),
                crc: None,
            };
            self.objects.insert(place, object);
        }
    }
}

/// Whether a call is signed for S3, and not about what another service has.
pub(super) fn are_meant(call: &Call<'_>) -> bool {
    let signature = Signature::read(call.header("authorization"));
    let is_signed = signature.is_some_and(|found| found.service == "s3");
    is_signed && !call.path.starts_with("/model/") && !super::jobs::are_meant(call.path)
}

/// What can be said of a signature without the secret.
fn check(call: &Call<'_>) -> Result<(), Refusal> {
    let signature = Signature::read(call.header("authorization")).unwrap_or_default();
    let (date, hash) = (call.header("x-amz-date"), call.header("x-amz-content-sha256"));
    let signs = |name: &str| signature.signed_headers.split(';').any(|signed| signed == name);
    let is_hash = hash.len() == 64 || hash == "UNSIGNED-PAYLOAD" || hash.starts_with("STREAMING-");
    let (status, code, flaw) = if hash.is_empty() {
        (400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    } else if !is_hash {
        (400, "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256")
    } else if signature.region.is_empty() || date.is_empty() || !date.starts_with(signature.date) {
        (400, "AuthorizationHeaderMalformed", "The authorization header is malformed")
    } else if !["host", "x-amz-date", "x-amz-content-sha256"].into_iter().all(signs) {
        (403, "AccessDenied", "There were headers present in the request which were not signed")
    } else if signature.signature.len() != 64 {
        (403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
    } else {
        return Ok(());
    };
    Err(refusal(status, code, flaw))
}

fn refusal(status: u16, code: &str, message: &str) -> Refusal {
    Refusal { status, ..Refusal::bad_request(message) }.with_code(code)
}

fn no_key() -> Refusal {
    refusal(404, "NoSuchKey", "The specified key does not exist.")
}

pub(super) fn answer(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    check(visit.call)?;
    let path = visit.call.path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let (bucket, key) = (bucket.to_owned(), percent_decoded(key).into_owned());
    let is_fit =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_fit) {
        return Err(refusal(400, "InvalidBucketName", "The specified bucket is not valid."));
    }
    if bucket.starts_with("missing-") {
        return Err(refusal(404, "NoSuchBucket", "The specified bucket does not exist"));
    }
    if key.len() > 1024 {
        return Err(refusal(400, "KeyTooLongError", "Your key is too long"));
    }
    let query = |name: &str| visit.call.query(name).map(percent_decoded);
    let (upload, part) = (query("uploadId"), query("partNumber"));
    let is_begun = query("uploads").is_some();
    let method = visit.call.method.clone();
    let place = (bucket, key);
    match (&method, upload) {
        (&Method::GET, _) if place.1.is_empty() => list(visit, &place.0),
        _ if place.1.is_empty() => Err(Refusal::of_status(405, "")),
        (&Method::PUT, Some(id)) => put_part(visit, &id, part.as_deref()),
        (&Method::PUT, None) => {
            let Content { bytes, crc } = Content::of(visit.call, visit.body)?;
            if visit.call.header("if-none-match") == "*"
                && visit.shelf.buckets.objects.contains_key(&place)
            {
                return Err(refusal(412, "PreconditionFailed", "At least one did not hold"));
            }
            let headers = put_headers(&bytes, crc.as_ref());
            let (kind, said) = (kind(visit), content::said(visit.call));
            let object = Object { bytes, kind, written_us: visit.now_us, said, crc };
            visit.shelf.buckets.objects.insert(place, object);
            Ok(Given { headers, ..Given::bytes(XML, Bytes::new()) })
        }
        (&Method::POST, None) if is_begun => begin(visit, place),
        (&Method::POST, Some(id)) => complete(visit, &id),
        (&Method::DELETE, Some(id)) => {
            let gone = visit.shelf.buckets.uploads.remove(&*id);
            gone.map(|_| empty()).ok_or_else(no_upload)
        }
        (&Method::DELETE, None) => {
            visit.shelf.buckets.objects.remove(&place);
            Ok(empty())
        }
        (&Method::GET | &Method::HEAD, _) => {
            let object = visit.shelf.buckets.objects.get(&place).ok_or_else(no_key)?;
            let part = content::range(visit.call, object.bytes.len())?;
            Ok(given(object, part, visit.call.header("x-amz-checksum-mode")))
        }
        _ => Err(Refusal::of_status(405, "")),
    }
}

/// What is said of what was put.
fn put_headers(bytes: &Bytes, crc: Option<&String>) -> Vec<Header> {
    let crc = crc.map(|crc| ("x-amz-checksum-crc32".into(), crc.clone()));
    [("etag".into(), mark(bytes))].into_iter().chain(crc).collect()
}

/// An object, or a part of it.
fn given(object: &Object, part: Option<Range<usize>>, checksums: &str) -> Given {
    let then = SystemTime::UNIX_EPOCH + Duration::from_micros(object.written_us);
    let mut headers: Vec<Header> = vec![
        ("etag".into(), mark(&object.bytes)),
        ("last-modified".into(), httpdate::fmt_http_date(then)),
        ("content-type".into(), object.kind.clone()),
        ("accept-ranges".into(), "bytes".to_owned()),
    ];
    headers.extend(object.said.iter().cloned());
    let length = object.bytes.len();
    let Some(part) = part else {
        if let Some(crc) = object.crc.as_ref().filter(|_| checksums == "ENABLED") {
            headers.push(("x-amz-checksum-crc32".into(), crc.clone()));
        }
        return Given { headers, ..Given::bytes("binary/octet-stream", object.bytes.clone()) };
    };
    let range = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
    headers.push(("content-range".into(), range));
    let bytes = object.bytes.slice(part);
    Given { status: 206, headers, ..Given::bytes("binary/octet-stream", bytes) }
}

fn empty() -> Given {
    Given { status: 204, ..Given::bytes(XML, Bytes::new()) }
}

fn kind(visit: &Visit<'_>) -> String {
    match visit.call.header("content-type") {
        "" => "binary/octet-stream".to_owned(),
        kind => kind.to_owned(),
    }
}

/// What tells contents apart.
fn mark(bytes: &[u8]) -> String {
    format!("\"{:032x}\"", hash(&[bytes]))
}

fn no_upload() -> Refusal {
    refusal(404, "NoSuchUpload", "The specified multipart upload does not exist.")
}

fn begin(visit: &mut Visit<'_>, place: (String, String)) -> Result<Given, Refusal> {
    let nth = visit.next();
    let id = format!("upload-{:x}.{nth}_~", hash(&[place.1.as_bytes()]));
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult xmlns=\
         \"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>{}</Bucket><Key>{}</Key>\
         <UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
        place.0,
        escaped(&place.1)
    );
    let said = content::said(visit.call);
    let upload = Upload { place, kind: kind(visit), said, parts: BTreeMap::new() };
    visit.shelf.buckets.uploads.insert(id, upload);
    Ok(Given::bytes(XML, xml.into()))
}

fn put_part(visit: &mut Visit<'_>, id: &str, number: Option<&str>) -> Result<Given, Refusal> {
    let number = number.and_then(|number| number.parse().ok());
    let number = number.filter(|number| (1..=10_000).contains(number));
    let wrong = || refusal(400, "InvalidArgument", "Part number must be from 1 to 10000");
    let number = number.ok_or_else(wrong)?;
    let Content { bytes, crc } = Content::of(visit.call, visit.body)?;
    let headers = put_headers(&bytes, crc.as_ref());
    let upload = visit.shelf.buckets.uploads.get_mut(id).ok_or_else(no_upload)?;
    upload.parts.insert(number, bytes);
    Ok(Given { headers, ..Given::bytes(XML, Bytes::new()) })
}

fn complete(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let asked = String::from_utf8_lossy(visit.body).into_owned();
    let (now, buckets) = (visit.now_us, &mut visit.shelf.buckets);
    let upload = buckets.uploads.get(id).ok_or_else(no_upload)?;
    let malformed = || refusal(400, "MalformedXML", "The XML you provided was not well-formed");
    let wrong = || refusal(400, "InvalidPart", "One or more of the parts could not be found.");
    let (mut bytes, mut last, mut short) = (Vec::new(), 0, false);
    for part in asked.split("<Part>").skip(1) {
        let between = |name: &str| {
            let (_, rest) = part.split_once(&format!("<{name}>"))?;
            Some(rest.split_once(&format!("</{name}>"))?.0.replace("&quot;", "\""))
        };
        let number = between("PartNumber").and_then(|number| number.parse::<u32>().ok());
        let number = number.ok_or_else(malformed)?;
        let content = upload.parts.get(&number).ok_or_else(wrong)?;
        let said = between("ETag").ok_or_else(malformed)?;
        if said.trim_matches('"') != mark(content).trim_matches('"') {
            return Err(wrong());
        }
        if number <= last {
            return Err(refusal(400, "InvalidPartOrder", "The list of parts was not in order."));
        }
        if short {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(refusal(400, "EntityTooSmall", message));
        }
        (last, short) = (number, content.len() < PART_BYTES_MIN);
        bytes.extend_from_slice(content);
    }
    if last == 0 {
        return Err(malformed());
    }
    let Some(Upload { place, kind, said, .. }) = buckets.uploads.remove(id) else {
        return Err(no_upload());
    };
    let xml = format!(
        "<CompleteMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key>\
         <ETag>{}</ETag></CompleteMultipartUploadResult>",
        place.0,
        escaped(&place.1),
        escaped(&mark(&bytes))
    );
    let object = Object { bytes: bytes.into(), kind, written_us: now, said, crc: None };
    buckets.objects.insert(place, object);
    Ok(Given::bytes(XML, xml.into()))
}

fn list(visit: &Visit<'_>, bucket: &str) -> Result<Given, Refusal> {
    let query = |name: &str| visit.call.query(name).map(percent_decoded);
    if query("list-type").as_deref() != Some("2") {
        return Err(refusal(400, "InvalidArgument", "only ListObjectsV2 is simulated"));
    }
    let is_encoded = query("encoding-type").as_deref() == Some("url");
    let shown = |key: &str| if is_encoded { form_encoded(key) } else { escaped(key) };
    let wrong =
        || refusal(400, "InvalidArgument", "Provided max-keys not an integer or within range");
    let most = match query("max-keys") {
        None => 1000,
        Some(text) => text.parse::<usize>().map_err(|_| wrong())?.min(1000),
    };
    let prefix = query("prefix").unwrap_or_default();
    let token = query("continuation-token").or_else(|| query("start-after"));
    let after = token.unwrap_or_default();
    let objects = visit.shelf.buckets.objects.iter();
    let mut found = objects.filter(|((in_bucket, key), _)| {
        in_bucket == bucket && key.starts_with(&*prefix) && **key > *after
    });
    let mut xml = String::new();
    let mut last = "";
    let mut count = 0;
    for ((_, key), object) in found.by_ref().take(most) {
        let (when, size) = (iso(object.written_us), object.bytes.len());
        let (key_shown, mark) = (shown(key), escaped(&mark(&object.bytes)));
        // Writing into a string cannot fail.
        _ = write!(
            xml,
            "<Contents><Key>{key_shown}</Key><LastModified>{when}</LastModified><ETag>{mark}</ETag>\
             <Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        );
        (last, count) = (key, count + 1);
    }
    let is_truncated = found.next().is_some();
    let next = match is_truncated {
        true => format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(last)),
        false => String::new(),
    };
    let encoding = if is_encoded { "<EncodingType>url</EncodingType>" } else { "" };
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\
         \"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name><Prefix>{}</Prefix>\
         <KeyCount>{count}</KeyCount><MaxKeys>{most}</MaxKeys>{encoding}\
         <IsTruncated>{is_truncated}</IsTruncated>{next}{xml}</ListBucketResult>",
        shown(&prefix)
    );
    Ok(Given::bytes(XML, xml.into()))
}

/// As S3 encodes names: like a form's values, but for slashes.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            // Writing into a string cannot fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

/// A moment as Amazon's documents have it.
pub(super) fn iso(moment_us: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let then = SystemTime::UNIX_EPOCH + Duration::from_micros(moment_us);
    // `Sun, 06 Nov 1994 08:49:37 GMT`
    let text = httpdate::fmt_http_date(then);
    let parts: Vec<&str> = text.split(' ').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let month = MONTHS.iter().position(|name| *name == part(2)).unwrap_or_default() + 1;
    let millis = moment_us / 1000 % 1000;
    format!("{}-{month:02}-{}T{}.{millis:03}Z", part(3), part(1), part(4))
}
