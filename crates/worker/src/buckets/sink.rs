//! An object in the making: its bytes are gathered into parts, each of which is sent when it is full. A
//! short one is sent at once; a long one that is not finished is taken back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, HeaderName};
use http::{HeaderValue, Method};
use tokio::time::Instant;
use weir_budget::Gather;
use weir_dialect::buckets::{Place, objects};
use weir_types::{Fault, FaultCode};

use super::visit::Visit;
use super::wire::{Ask, Wire};
use crate::call::Limit;
use crate::headers::text;

/// S3 takes parts of 5 MiB and more; this much is held of an upload.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;
/// And no more parts than that.
const PARTS_MAX: usize = 10_000;
/// What an object is said to be.
const KIND: &str = "application/octet-stream";
/// An upload that nobody waits for any more is taken back within this time.
const GRACE: Duration = Duration::from_secs(10);
/// What the document is that ends an upload in parts.
const XML: &str = "application/xml";
const CONTENT_TYPE: HeaderName = http::header::CONTENT_TYPE;

/// An object in the making.
pub(super) struct Sink<'v> {
    visit: &'v Visit<'v>,
    place: Place,
    part: Gather,
    bytes: u64,
    upload: Option<Unfinished>,
    marks: Vec<String>,
}

impl<'v> Sink<'v> {
    pub(super) fn new(visit: &'v Visit<'v>, place: Place) -> Self {
        let part = part(&visit.wire);
        Self { visit, place, part, bytes: 0, upload: None, marks: Vec::new() }
    }

    /// Takes more of it.
    pub(super) async fn push(&mut self, mut bytes: Bytes) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let room = PART_BYTES - self.part.len();
            let piece = bytes.split_to(room.min(bytes.len()));
            self.bytes += piece.len() as u64;
            self.part.push(piece).await?;
            if self.part.len() == PART_BYTES {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// All of it has come: where it is, and how long.
    pub(super) async fn finish(mut self) -> Result<(Place, u64), Fault> {
        if self.upload.is_none() {
            let whole = std::mem::replace(&mut self.part, part(&self.visit.wire)).finish();
            let uri = self.visit.object_uri(&self.place.bucket, &self.place.key, &[])?;
            self.visit.wire.read(Ask::new(Method::PUT, uri).with(whole, KIND)).await?;
            return Ok((self.place, self.bytes));
        }
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        let Some(mut upload) = self.upload.take() else {
            return Err(Fault::new(FaultCode::Internal, "an upload without a name"));
        };
        let document = objects::complete(&self.marks).into();
        let ask = Ask::new(Method::POST, upload.uri.clone()).with(document, XML);
        self.visit.wire.read(ask).await?;
        upload.is_finished = true;
        Ok((self.place, self.bytes))
    }

    async fn send_part(&mut self) -> Result<(), Fault> {
        let bytes = std::mem::replace(&mut self.part, part(&self.visit.wire)).finish();
        let id = match &self.upload {
            Some(upload) => upload.id.clone(),
            None => self.begin().await?,
        };
        if self.marks.len() >= PARTS_MAX {
            let max = PARTS_MAX * (PART_BYTES / (1024 * 1024)) / 1024;
            return Err(Fault::new(FaultCode::BodyTooLarge, format!("a file is over {max} GiB")));
        }
        let number = (self.marks.len() + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", &id)];
        let uri = self.visit.object_uri(&self.place.bucket, &self.place.key, &query)?;
        let ask = Ask { body: bytes, ..Ask::new(Method::PUT, uri) };
        let (head, _) = self.visit.wire.read(ask).await?;
        let mark = text(&head.headers, ETAG);
        if mark.is_empty() {
            return Err(self.visit.wire.broken(&"a part of the file has no ETag"));
        }
        self.marks.push(mark.to_owned());
        Ok(())
    }

    async fn begin(&mut self) -> Result<String, Fault> {
        let Place { bucket, key } = &self.place;
        let mut ask =
            Ask::new(Method::POST, self.visit.object_uri(bucket, key, &[("uploads", "")])?);
        ask.headers.push((CONTENT_TYPE, HeaderValue::from_static(KIND)));
        let wire = &self.visit.wire;
        let (_, answer) = wire.read(ask).await?;
        let id = objects::upload_id(&answer).map_err(|fault| wire.broken(&fault))?;
        let uri = self.visit.object_uri(bucket, key, &[("uploadId", &id)])?;
        let wire = Arc::clone(wire);
        self.upload = Some(Unfinished { wire, uri, id: id.clone(), is_finished: false });
        Ok(id)
    }
}

fn part(wire: &Wire) -> Gather {
    Gather::new(wire.shared.memory.budget(), None, PART_BYTES)
}

/// An upload in parts; takes them back when it is dropped before its end: parts are paid for.
struct Unfinished {
    wire: Arc<Wire>,
    uri: http::Uri,
    id: String,
    is_finished: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_finished {
            return;
        }
        let (wire, ask) = (Arc::clone(&self.wire), Ask::new(Method::DELETE, self.uri.clone()));
        runtime.spawn(async move {
            let at = Instant::now() + GRACE;
            let limit =
                Limit { at, is_requests: false, is_clients: false, own: GRACE, deadline: at };
            if let Err(fault) = wire.ask_within(ask, limit).await {
                let provider = wire.shared.provider.as_str();
                let why = fault.detail.message.as_ref();
                tracing::warn!(provider, why, "parts of a file that was cut off are left behind");
            }
        });
    }
}
