//! What is known of files: lists, single ones, and that they are gone.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use weir_dialect::buckets::files::{self, List, Page};
use weir_dialect::buckets::objects;
use weir_types::{Fault, dates};

use super::visit::Visit;
use super::wire::Ask;
use crate::headers::text;

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
    Ok(files::deleted(&place.id()))
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
