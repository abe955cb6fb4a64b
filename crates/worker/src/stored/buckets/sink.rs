//! An object in the making, in parts. A short one is sent at once; a long one that is not finished is
//! taken back.

use bytes::Bytes;
use http::header::{ETAG, HeaderName};
use http::{HeaderValue, Method};
use weir_dialect::batches::Records;
use weir_dialect::buckets::{Named, Place, files, objects};
use weir_types::{Fault, FaultCode};

use super::super::form::wrong;
use super::super::parts::{PART_BYTES, Parts, Taker};
use super::super::upload::{New, Sink, Store};
use super::super::visit::Visit;
use super::super::wire::Ask;
use super::At;
use super::session::Session;
use super::unfinished::Unfinished;
use crate::clock::unix_seconds;
use crate::headers::text;

/// S3 takes no more parts.
const PARTS_MAX: usize = 10_000;
/// What an object is said to be.
const KIND: &str = "application/octet-stream";
/// What the document is that ends an upload in parts.
const XML: &str = "application/xml";
const CONTENT_TYPE: HeaderName = http::header::CONTENT_TYPE;

/// Where new objects go.
pub(super) struct Objects<'v> {
    pub(super) at: &'v At<'v>,
}

impl<'v> Store for Objects<'v> {
    type Sink = Object<'v>;

    fn check(&self, purpose: &str) -> Result<(), Fault> {
        Ok(files::check_purpose(purpose)?)
    }

    fn records(&self) -> &'static dyn Records {
        self.at.cloud.records()
    }

    fn open(&self, new: New) -> Result<Object<'v>, Fault> {
        let At { visit, cloud } = *self.at;
        let bucket = visit.bucket_for_new(cloud)?;
        let New { filename, purpose, tag } = new;
        let named = Named { purpose, filename, tag };
        let place =
            Place::new(bucket, &named, Visit::unique()).map_err(|why| wrong("file", why))?;
        let (at, to) = (self.at, place.clone());
        let taker = match cloud.sessions() {
            Some(sessions) => Taking::InSession(Session { at, sessions, place: to, begun: None }),
            None => Taking::InParts(Unsent { at, place: to, upload: None, marks: Vec::new() }),
        };
        Ok(Object { at, place, parts: Parts::new(&visit.wire, taker) })
    }
}

/// An object in the making.
pub(super) struct Object<'v> {
    at: &'v At<'v>,
    place: Place,
    parts: Parts<Taking<'v>>,
}

/// How it is sent.
enum Taking<'v> {
    InParts(Unsent<'v>),
    InSession(Session<'v>),
}

impl Taker for Taking<'_> {
    type Done = ();

    async fn take(&mut self, part: Bytes, offset: u64) -> Result<(), Fault> {
        match self {
            Self::InParts(unsent) => unsent.take(part, offset).await,
            Self::InSession(session) => session.take(part, offset).await,
        }
    }

    async fn last(self, part: Bytes, offset: u64) -> Result<(), Fault> {
        match self {
            Self::InParts(unsent) => unsent.last(part, offset).await,
            Self::InSession(session) => session.last(part, offset).await,
        }
    }
}

impl Sink for Object<'_> {
    async fn push(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.parts.push(&self.at.visit.wire, bytes).await
    }

    async fn finish(self, _: u64) -> Result<Bytes, Fault> {
        let ((), bytes) = self.parts.finish().await?;
        let named = self.place.named(self.at.visit.bucket_of(self.at.cloud, &self.place)?);
        Ok(files::document(&self.place, &named, bytes, unix_seconds()))
    }
}

/// What has been sent of an object, if anything.
struct Unsent<'v> {
    at: &'v At<'v>,
    place: Place,
    /// An upload that has begun, and its name.
    upload: Option<(Unfinished, String)>,
    marks: Vec<String>,
}

impl Taker for Unsent<'_> {
    type Done = ();

    async fn take(&mut self, part: Bytes, _: u64) -> Result<(), Fault> {
        let id = match &self.upload {
            Some((_, id)) => id.clone(),
            None => self.begin().await?,
        };
        if self.marks.len() >= PARTS_MAX {
            let max = PARTS_MAX * (PART_BYTES / (1024 * 1024)) / 1024;
            return Err(Fault::new(FaultCode::BodyTooLarge, format!("a file is over {max} GiB")));
        }
        let number = (self.marks.len() + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", &id)];
        let uri = self.at.uri(&self.place.bucket, &self.place.key, &query)?;
        let ask = Ask { body: part, ..Ask::new(Method::PUT, uri) };
        let (head, _) = self.at.visit.wire.read(ask).await?;
        let mark = text(&head.headers, ETAG);
        if mark.is_empty() {
            return Err(self.at.visit.wire.broken(&"a part of the file has no ETag"));
        }
        self.marks.push(mark.to_owned());
        Ok(())
    }

    async fn last(mut self, part: Bytes, offset: u64) -> Result<(), Fault> {
        if self.upload.is_none() {
            let uri = self.at.uri(&self.place.bucket, &self.place.key, &[])?;
            self.at.visit.wire.read(Ask::new(Method::PUT, uri).with(part, KIND)).await?;
            return Ok(());
        }
        if !part.is_empty() {
            self.take(part, offset).await?;
        }
        let Some((upload, _)) = self.upload.take() else {
            return Err(Fault::new(FaultCode::Internal, "an upload without a name"));
        };
        let document = objects::complete(&self.marks).into();
        let ask = Ask::new(Method::POST, upload.uri.clone()).with(document, XML);
        self.at.visit.wire.read(ask).await?;
        upload.finish();
        Ok(())
    }
}

impl Unsent<'_> {
    async fn begin(&mut self) -> Result<String, Fault> {
        let Place { bucket, key } = &self.place;
        let mut ask = Ask::new(Method::POST, self.at.uri(bucket, key, &[("uploads", "")])?);
        ask.headers.push((CONTENT_TYPE, HeaderValue::from_static(KIND)));
        let wire = &self.at.visit.wire;
        let (_, answer) = wire.read(ask).await?;
        let id = objects::upload_id(&answer).map_err(|fault| wire.broken(&fault))?;
        let uri = self.at.uri(bucket, key, &[("uploadId", &id)])?;
        self.upload = Some((Unfinished::new(wire, uri), id.clone()));
        Ok(id)
    }
}
