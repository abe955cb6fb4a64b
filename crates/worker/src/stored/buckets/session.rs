//! An object in the making, in one session. One that is not finished is ended.

use bytes::Bytes;
use http::header::RANGE;
use http::{Method, StatusCode, Uri};
use weir_dialect::buckets::{Place, Sessions};
use weir_types::Fault;

use super::super::parts::Taker;
use super::super::wire::Ask;
use super::At;
use super::unfinished::Unfinished;
use crate::headers::text;

/// What has been sent of an object, if anything.
pub(super) struct Session<'v> {
    pub(super) at: &'v At<'v>,
    pub(super) sessions: &'static dyn Sessions,
    pub(super) place: Place,
    /// Where its bytes go, once it has begun.
    pub(super) begun: Option<Unfinished>,
}

impl Session<'_> {
    async fn send(&mut self, part: Bytes, offset: u64, is_last: bool) -> Result<(), Fault> {
        let wire = &self.at.visit.wire;
        let uri = match &self.begun {
            Some(begun) => begun.uri.clone(),
            None => self.begin().await?,
        };
        let end = offset + part.len() as u64;
        let step = self.sessions.step(part, offset, is_last);
        let mut ask = Ask::new(Method::PUT, uri).step(step);
        ask.goes_on = !is_last;
        let (head, _) = wire.read(ask).await?;
        let come = || self.sessions.come(text(&head.headers, RANGE));
        if !is_last && (head.status != StatusCode::PERMANENT_REDIRECT || come() != end) {
            return Err(wire.broken(&"a part of the file was not taken as a whole"));
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<Uri, Fault> {
        let visit = self.at.visit;
        let (query, step, header) = self.sessions.begin(&self.place.key);
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let uri = visit.upload_uri(&self.place.bucket, &query)?;
        let ask = Ask::new(Method::POST, uri.clone()).step(step);
        let (head, _) = visit.wire.read(ask).await?;
        let uri = visit.session(&uri, &head.headers, header)?;
        self.begun = Some(Unfinished::new(&visit.wire, uri.clone()));
        Ok(uri)
    }
}

impl Taker for Session<'_> {
    type Done = ();

    async fn take(&mut self, part: Bytes, offset: u64) -> Result<(), Fault> {
        self.send(part, offset, false).await
    }

    async fn last(mut self, part: Bytes, offset: u64) -> Result<(), Fault> {
        self.send(part, offset, true).await?;
        if let Some(begun) = self.begun.take() {
            begun.finish();
        }
        Ok(())
    }
}
