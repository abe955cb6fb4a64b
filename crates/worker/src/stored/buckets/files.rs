//! What is known of files: lists, single ones, and that they are gone.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use http::{Method, Response};
use weir_dialect::batches::document::deleted;
use weir_dialect::buckets::Addressing;
use weir_dialect::buckets::cloud::ListAsked;
use weir_dialect::buckets::files::{self, List, Page};
use weir_dialect::buckets::objects::Entry;
use weir_types::{Fault, dates};
use weir_upstream::Body;

use super::super::results::{Asked, answers};
use super::super::wire::Ask;
use super::At;
use crate::headers::text;

/// A file's bytes: as they are, unless they are results of requests that were translated.
pub(super) async fn content(at: &At<'_>) -> Result<Response<Body>, Fault> {
    let (place, bucket) = at.file()?;
    let query: &[_] = match at.cloud.addressing() {
        Addressing::ByName => &[],
        Addressing::Resource => &[("alt", "media")],
    };
    let uri = at.uri(&place.bucket, &place.key, query)?;
    let response = at.visit.wire.ask(Ask::new(Method::GET, uri)).await?;
    let named = place.named(bucket);
    let are_results = at.cloud.are_results(&named.filename);
    let Some(tag) = named.tag.filter(|_| are_results) else { return Ok(response) };
    let (interface, model) = (tag.interface, tag.model);
    let asked = Asked { records: at.cloud.records(), interface, model };
    Ok(answers(at.visit, asked, response))
}

/// One file.
pub(super) async fn retrieve(at: &At<'_>) -> Result<Bytes, Fault> {
    let (place, bucket) = at.file()?;
    let uri = at.uri(&place.bucket, &place.key, &[])?;
    if let Some(entry) = at.cloud.entry() {
        let (_, answer) = at.visit.wire.read(Ask::new(Method::GET, uri)).await?;
        let Entry { bytes, modified, .. } = entry(&answer).map_err(|fault| at.broken(&fault))?;
        return Ok(files::document(&place, &place.named(bucket), bytes, modified));
    }
    let head = at.visit.wire.ask(Ask::new(Method::HEAD, uri)).await?.into_parts().0;
    let bytes = text(&head.headers, CONTENT_LENGTH).parse().unwrap_or_default();
    let created = dates::parse_http(text(&head.headers, LAST_MODIFIED)).unwrap_or_default();
    Ok(files::document(&place, &place.named(bucket), bytes, created))
}

/// Deletes one.
pub(super) async fn delete(at: &At<'_>) -> Result<Bytes, Fault> {
    let (place, _) = at.file()?;
    let uri = at.uri(&place.bucket, &place.key, &[])?;
    at.visit.wire.read(Ask::new(Method::DELETE, uri)).await?;
    Ok(deleted(&place.id(), true))
}

/// A page of those in all buckets of the key, one bucket after the other.
pub(super) async fn list(at: &At<'_>) -> Result<Bytes, Fault> {
    let At { visit, cloud } = *at;
    let page = Page::read(cloud.scheme(), visit.query())?;
    let mut list = List::default();
    let mut buckets = visit.buckets();
    let mut after = page.after.clone();
    if let Some(place) = &after {
        let first = visit.bucket_of(cloud, place)?;
        let at = buckets.iter().position(|bucket| bucket == first).unwrap_or_default();
        buckets = buckets.get(at..).unwrap_or_default();
    }
    for bucket in buckets {
        let mut from = after.take().map(|place| place.key);
        let mut next = None;
        loop {
            let left = page.limit.saturating_sub(list.len());
            if left == 0 {
                return Ok(list.document(true));
            }
            let prefix = page.prefix(bucket);
            let (after, token) = (from.as_deref(), next.as_deref());
            let asked = ListAsked { prefix: &prefix, after, next: token, most: left };
            let query = cloud.list(asked);
            let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let uri = at.uri(&bucket.name, "", &query)?;
            let (_, answer) = visit.wire.read(Ask::new(Method::GET, uri)).await?;
            let found = cloud.listing(&answer).map_err(|fault| at.broken(&fault))?;
            let entries = found.entries.iter().filter(|one| Some(&one.key) != from.as_ref());
            entries.take(left).for_each(|entry| list.add(&page, bucket, entry));
            if !found.is_truncated {
                break;
            }
            next = found.next;
            match found.entries.last() {
                Some(last) => from = Some(last.key.clone()),
                None if next.is_none() => break,
                None => {}
            }
        }
    }
    Ok(list.document(false))
}
