//! Objects in buckets, as Google's Cloud Storage has them in its JSON interface: uploads in sessions, bytes,
//! what is known of them, lists. <https://docs.cloud.google.com/storage/docs/json_api/v1>
//!
//! Every bucket is there, whoever asks with a token, but for those whose names begin with `missing-`.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http::Method;
use serde_json::{Value, json};

use super::objects::iso;
use super::{Given, Visit, object_of};
use crate::answer::text::hash;
use crate::call::percent_decoded;
use crate::refusal::Refusal;

/// Parts but the last are multiples of it.
const CHUNK: usize = 256 * 1024;

/// All that is kept, by bucket and name.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    objects: BTreeMap<(String, String), Object>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    written_us: u64,
}

#[derive(Debug)]
struct Upload {
    place: (String, String),
    bytes: BytesMut,
}

impl Buckets {
    pub(super) fn clear(&mut self) {
        self.objects.clear();
        self.uploads.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len() + self.uploads.len()
    }

    /// The object that `uri` (`gs://bucket/name`) is the address of.
    pub(super) fn at(&self, uri: &str) -> Option<&Object> {
        self.objects.get(&object_of(uri, "gs://")?)
    }

    /// Puts an object where `uri` says.
    pub(super) fn put(&mut self, uri: &str, bytes: Bytes, now_us: u64) {
        if let Some(place) = object_of(uri, "gs://") {
            let object = Object { bytes, written_us: now_us };
            self.objects.insert(place, object);
        }
    }
}

/// The bucket and the object of a path, and whether it is one for uploads.
fn place(path: &str) -> Option<(bool, &str, Option<&str>)> {
    let (before, rest) = path.split_once("/storage/v1/b/")?;
    let (bucket, rest) = rest.split_once("/o")?;
    let object = match rest {
        "" => None,
        rest => Some(rest.strip_prefix('/')?),
    };
    (!bucket.contains('/')).then_some((before.ends_with("/upload"), bucket, object))
}

/// Whether a path is about objects.
pub(super) fn are_meant(path: &str) -> bool {
    place(path).is_some()
}

fn refusal(status: u16, message: &str) -> Refusal {
    Refusal { status, ..Refusal::bad_request(message) }
}

fn missing() -> Refusal {
    refusal(404, "No such object.")
}

fn unknown() -> Refusal {
    refusal(404, "No such upload.")
}

pub(super) fn answer(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let path = visit.call.path;
    let nowhere = || Refusal::no_route(visit.call.method.as_str(), path);
    let (uploads, bucket, object) = place(path).ok_or_else(nowhere)?;
    if !visit.call.header("authorization").starts_with("Bearer ") {
        return Err(refusal(401, "Anonymous caller does not have storage access."));
    }
    if bucket.starts_with("missing-") {
        return Err(refusal(404, "The specified bucket does not exist."));
    }
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    let bucket = bucket.to_owned();
    match object.map(|object| (bucket.clone(), percent_decoded(object).into_owned())) {
        None if uploads && post => begin(visit, bucket),
        None if uploads && visit.is(&Method::PUT) => go_on(visit),
        None if uploads && visit.is(&Method::DELETE) => {
            let id = visit.call.query("upload_id").unwrap_or_default();
            visit.shelf.gcs.uploads.remove(id).ok_or_else(unknown)?;
            // Who gives an upload up is told that it was given up.
            Ok(Given { status: 499, ..Given::bytes("text/plain", Bytes::new()) })
        }
        None if get => list(visit, &bucket),
        Some(place) if get && !uploads => {
            let object = visit.shelf.gcs.objects.get(&place).ok_or_else(missing)?;
            match visit.call.query("alt") {
                Some("media") => Ok(Given::bytes("application/octet-stream", object.bytes.clone())),
                _ => Ok(Given::json(&shown(&place, object))),
            }
        }
        Some(place) if !uploads && visit.is(&Method::DELETE) => {
            visit.shelf.gcs.objects.remove(&place).ok_or_else(missing)?;
            Ok(Given { status: 204, ..Given::bytes("application/json", Bytes::new()) })
        }
        _ => Err(Refusal::no_route(visit.call.method.as_str(), path)),
    }
}

fn shown((bucket, key): &(String, String), object: &Object) -> Value {
    json!({"kind": "storage#object", "bucket": bucket, "name": key,
        "size": object.bytes.len().to_string(), "timeCreated": iso(object.written_us),
        "updated": iso(object.written_us)})
}

fn begin(visit: &mut Visit<'_>, bucket: String) -> Result<Given, Refusal> {
    let query = |name: &str| visit.call.query(name).map(|text| percent_decoded(text).into_owned());
    let name = query("name").filter(|name| !name.is_empty() && name.len() <= 1024);
    let name = name.ok_or_else(|| refusal(400, "Required object name."))?;
    if query("uploadType").as_deref() != Some("resumable") {
        return Err(refusal(400, "Only resumable uploads are simulated."));
    }
    let nth = visit.next();
    let id = format!("up-{nth}-{:x}", hash(&[name.as_bytes()]));
    let host = visit.call.header("host");
    let location = format!(
        "https://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}"
    );
    let upload = Upload { place: (bucket, name), bytes: BytesMut::new() };
    visit.shelf.gcs.uploads.insert(id, upload);
    Ok(Given::bytes("text/plain", Bytes::new()).with("location", location))
}

/// The first and the last byte, and how many there are.
type Range = (Option<(usize, usize)>, Option<usize>);

/// `bytes FROM-LAST/TOTAL`; no bytes are a star, and so is a total that is not known.
fn range(text: &str) -> Option<Range> {
    let (part, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let part = match part {
        "*" => None,
        part => {
            let (from, last) = part.split_once('-')?;
            Some((from.parse().ok()?, last.parse().ok()?))
        }
    };
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((part, total))
}

fn go_on(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let id = visit.call.query("upload_id").unwrap_or_default().to_owned();
    let asked = range(visit.call.header("content-range"));
    let (part, total) = asked.ok_or_else(|| refusal(400, "Invalid Content-Range."))?;
    let body = visit.body.clone();
    let buckets = &mut visit.shelf.gcs;
    let upload = buckets.uploads.get_mut(&id).ok_or_else(unknown)?;
    let at = upload.bytes.len();
    let is_fit = match part {
        None => body.is_empty(),
        Some((from, last)) => from == at && last + 1 == at + body.len() && !body.is_empty(),
    };
    let is_chunk = total.is_some() || body.len().is_multiple_of(CHUNK);
    if !is_fit || !is_chunk || total.is_some_and(|total| total != at + body.len()) {
        return Err(refusal(400, "The range does not fit what came."));
    }
    upload.bytes.extend_from_slice(&body);
    let come = upload.bytes.len();
    if total.is_none() {
        let given = Given { status: 308, ..Given::bytes("text/plain", Bytes::new()) };
        return Ok(match come {
            0 => given,
            come => given.with("range", format!("bytes=0-{}", come - 1)),
        });
    }
    let Upload { place, bytes } = buckets.uploads.remove(&id).ok_or_else(unknown)?;
    let object = Object { bytes: bytes.freeze(), written_us: visit.now_us };
    let answer = shown(&place, &object);
    buckets.objects.insert(place, object);
    Ok(Given::json(&answer))
}

fn list(visit: &Visit<'_>, bucket: &str) -> Result<Given, Refusal> {
    let query = |name: &str| visit.call.query(name).map(percent_decoded);
    let most = match query("maxResults").map(|text| text.parse::<usize>()) {
        None => 1000,
        Some(Ok(most)) if most > 0 => most.min(1000),
        Some(_) => return Err(refusal(400, "Invalid maxResults.")),
    };
    let prefix = query("prefix").unwrap_or_default();
    let from = query("startOffset").unwrap_or_default();
    // A token is the last name of the page before.
    let after = query("pageToken").unwrap_or_default();
    let mut found = visit.shelf.gcs.objects.iter().filter(|((in_bucket, key), _)| {
        in_bucket == bucket && key.starts_with(&*prefix) && **key >= *from && **key > *after
    });
    let items: Vec<_> = found.by_ref().take(most).collect();
    let mut page = json!({"kind": "storage#objects"});
    if !items.is_empty() {
        page["items"] = items.iter().map(|(place, object)| shown(place, object)).collect();
    }
    if let (Some(_), Some(((_, last), _))) = (found.next(), items.last()) {
        page["nextPageToken"] = json!(last);
    }
    Ok(Given::json(&page))
}
