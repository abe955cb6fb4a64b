//! What is known of files: lists, single ones, and that they are gone.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use http::{Method, Response};
use weir_dialect::batches::document::deleted;
use weir_dialect::buckets::files::{self, List, Page};
use weir_dialect::buckets::{objects, records};
use weir_types::{Fault, dates};
use weir_upstream::Body;

use super::super::results::{Asked, answers};
use super::super::visit::Visit;
use super::super::wire::Ask;
use crate::headers::text;

/// What the results of a job end with, and what does not hold any.
const RESULTS: &str = ".out";
const SUMMARY: &str = "manifest.json.out";

/// A file's bytes: as they are, unless they are results of requests that were translated.
pub(super) async fn content(visit: &Visit<'_>) -> Result<Response<Body>, Fault> {
    let (place, bucket) = visit.file()?;
    let uri = visit.object_uri(&place.bucket, &place.key, &[])?;
    let response = visit.wire.ask(Ask::new(Method::GET, uri)).await?;
    let named = place.named(bucket);
    let are_results = named.filename.ends_with(RESULTS) && named.filename != SUMMARY;
    let Some(tag) = named.tag.filter(|_| are_results) else { return Ok(response) };
    let (interface, model) = (tag.interface, tag.model);
    Ok(answers(visit, Asked { records: records::of_jobs(), interface, model }, response))
}

/// One file.
pub(super) async fn retrieve(visit: &Visit<'_>) -> Result<Bytes, Fault> {
    let (place, bucket) = visit.file()?;
    let uri = visit.object_uri(&place.bucket, &place.key, &[])?;
    let head = visit.wire.ask(Ask::new(Method::HEAD, uri)).await?.into_parts().0;
    let bytes = text(&head.headers, CONTENT_LENGTH).parse().unwrap_or_default();
    let created = dates::parse_http(text(&head.headers, LAST_MODIFIED)).unwrap_or_default();
    Ok(files::document(&place, &place.named(bucket), bytes, created))
}

/// Deletes one.
pub(super) async fn delete(visit: &Visit<'_>) -> Result<Bytes, Fault> {
    let (place, _) = visit.file()?;
    let uri = visit.object_uri(&place.bucket, &place.key, &[])?;
    visit.wire.read(Ask::new(Method::DELETE, uri)).await?;
    Ok(deleted(&place.id(), true))
}

/// A page of those in all buckets of the key, one bucket after the other.
pub(super) async fn list(visit: &Visit<'_>) -> Result<Bytes, Fault> {
    let page = Page::read(visit.query())?;
    let mut list = List::default();
    let mut buckets = visit.buckets();
    let mut after = page.after.clone();
    if let Some(place) = &after {
        let first = visit.bucket_of(place)?;
        let at = buckets.iter().position(|bucket| bucket == first).unwrap_or_default();
        buckets = buckets.get(at..).unwrap_or_default();
    }
    for bucket in buckets {
        let mut from = after.take().map(|place| place.key);
        loop {
            let left = page.limit.saturating_sub(list.len());
            if left == 0 {
                return Ok(list.document(true));
            }
            let prefix = page.prefix(bucket);
            let most = left.to_string();
            let mut query = vec![("list-type", "2"), ("prefix", &prefix), ("max-keys", &most)];
            query.push(("encoding-type", "url"));
            if let Some(from) = &from {
                query.push(("start-after", from));
            }
            let uri = visit.object_uri(&bucket.name, "", &query)?;
            let (_, answer) = visit.wire.read(Ask::new(Method::GET, uri)).await?;
            let found = objects::listing(&answer).map_err(|fault| visit.wire.broken(&fault))?;
            found.entries.iter().for_each(|entry| list.add(&page, bucket, entry));
            from = found.entries.last().map(|last| last.key.clone());
            if !found.is_truncated || from.is_none() {
                break;
            }
        }
    }
    Ok(list.document(false))
}
