//! An upload: a form whose file becomes an object while it arrives. Those for batches are read line by
//! line on the way.

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use tokio::time::timeout_at;
use weir_budget::Gather;
use weir_dialect::buckets::{Named, Place, files};
use weir_dialect::ir::Losses;
use weir_framing::form::{FormError, Parts, Piece};
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode};

use super::lines::{BATCH, Lines, named};
use super::sink::{PART_BYTES, Sink};
use super::visit::Visit;
use crate::clock::unix_seconds;
use crate::fault;

/// A field's content is no longer.
const FIELD_BYTES_MAX: usize = 4096;
/// The fields of such forms.
const PURPOSE: &str = "purpose";
const FILE: &str = "file";

/// Takes an upload: what is known of the file, and what its lines lost.
pub(super) async fn take(visit: &Visit<'_>, body: Incoming) -> Result<(Bytes, Losses), Fault> {
    let limit = visit.wire.limit;
    let taken = timeout_at(limit.deadline, taken(visit, body)).await;
    taken.unwrap_or_else(|_| {
        let limit = crate::call::Limit { is_requests: true, ..limit };
        Err(fault::timed_out(&visit.wire.shared, "the upload was not complete in time", limit))
    })
}

async fn taken(visit: &Visit<'_>, body: Incoming) -> Result<(Bytes, Losses), Fault> {
    let mut form = Form::new(&visit.request.content_type, body)?;
    let mut file = File::new(visit);
    while let Some(event) = form.next().await? {
        match event {
            Event::Field(name, value) if name == PURPOSE => {
                let purpose = String::from_utf8_lossy(&value).trim().to_owned();
                files::check_purpose(&purpose)?;
                file.is_for(purpose).await?;
            }
            Event::Field(name, _) => {
                let text = "a file in a bucket has no such member";
                file.losses.add(name, text);
            }
            Event::File(filename) => file.begins(filename)?,
            Event::Data(bytes) => file.push(bytes).await?,
        }
    }
    file.finish().await
}

fn wrong(param: &'static str, why: impl Into<String>) -> Fault {
    let fault = Fault::new(FaultCode::InvalidRequest, why.into());
    fault.with_class(FailureClass::Caller).with_param(param)
}

/// A file that arrives.
struct File<'v> {
    visit: &'v Visit<'v>,
    name: Option<String>,
    purpose: Option<String>,
    /// What came before it was known what it is for.
    early: Gather,
    /// Set where its lines are read.
    lines: Option<Lines<'v>>,
    /// Set when it is known where it goes.
    sink: Option<Sink<'v>>,
    losses: Losses,
}

impl<'v> File<'v> {
    fn new(visit: &'v Visit<'v>) -> Self {
        let early = Gather::new(visit.wire.shared.memory.budget(), None, PART_BYTES);
        let (lines, sink, losses) = (None, None, Losses::default());
        Self { visit, name: None, purpose: None, early, lines, sink, losses }
    }

    fn begins(&mut self, filename: String) -> Result<(), Fault> {
        match self.name.replace(filename) {
            None => Ok(()),
            Some(_) => Err(wrong(FILE, "file: the form has more than one file")),
        }
    }

    /// What it is for is known.
    async fn is_for(&mut self, purpose: String) -> Result<(), Fault> {
        if self.purpose.is_some() {
            return Err(wrong(PURPOSE, "purpose: the form has it twice"));
        }
        self.lines = (purpose == BATCH).then(|| Lines::new(self.visit));
        self.purpose = Some(purpose);
        let budget = self.visit.wire.shared.memory.budget();
        let early = std::mem::replace(&mut self.early, Gather::new(budget, None, 0)).finish();
        self.push(early).await
    }

    async fn push(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if self.purpose.is_none() {
            if self.early.len() + bytes.len() > PART_BYTES {
                let mib = PART_BYTES >> 20;
                let why = format!(
                    "purpose: it stands behind a file of over {mib} MiB; it must stand before it"
                );
                return Err(wrong(PURPOSE, why));
            }
            return Ok(self.early.push(bytes).await?);
        }
        let Some(lines) = &mut self.lines else { return self.give(vec![bytes]).await };
        let made = lines.push(bytes).await?;
        self.give(made).await
    }

    async fn give(&mut self, made: Vec<Bytes>) -> Result<(), Fault> {
        let made: Vec<_> = made.into_iter().filter(|bytes| !bytes.is_empty()).collect();
        if made.is_empty() {
            return Ok(());
        }
        if self.sink.is_none() {
            self.sink = Some(Sink::new(self.visit, self.place()?));
        }
        if let Some(sink) = &mut self.sink {
            for bytes in made {
                sink.push(bytes).await?;
            }
        }
        Ok(())
    }

    fn place(&self) -> Result<Place, Fault> {
        let bucket = self.visit.bucket_for_new()?;
        let filename = self.name.clone().unwrap_or_default();
        let named = match &self.lines {
            Some(lines) => named(filename, lines.tag().flatten()),
            None => {
                Named { purpose: self.purpose.clone().unwrap_or_default(), filename, tag: None }
            }
        };
        Place::new(bucket, &named, Visit::unique()).map_err(|why| wrong(FILE, why))
    }

    async fn finish(mut self) -> Result<(Bytes, Losses), Fault> {
        if self.name.is_none() {
            return Err(wrong(FILE, "file: missing; the form has no file"));
        }
        if self.purpose.is_none() {
            return Err(wrong(PURPOSE, "purpose: missing"));
        }
        if let Some(lines) = &mut self.lines {
            let made = lines.finish().await?;
            self.losses.extend(std::mem::take(&mut lines.losses));
            self.give(made).await?;
        }
        let sink = match self.sink.take() {
            Some(sink) => sink,
            None => Sink::new(self.visit, self.place()?),
        };
        let (place, bytes) = sink.finish().await?;
        let named = place.named(self.visit.bucket_of(&place)?);
        Ok((files::document(&place, &named, bytes, unix_seconds()), self.losses))
    }
}

/// What a form tells.
enum Event {
    /// A field that is no file, with its content.
    Field(String, Vec<u8>),
    /// The file begins, which is called so.
    File(String),
    /// Bytes of the file.
    Data(Bytes),
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// A form that arrives.
struct Form {
    pieces: Pieces,
    parts: Parts,
    /// The field that is being read; `None`: a file, or nothing.
    field: Option<(String, Vec<u8>)>,
    is_over: bool,
}

impl Form {
    fn new(content_type: &str, body: Incoming) -> Result<Self, Fault> {
        let parts = Parts::of(content_type)
            .map_err(|error| Fault::new(FaultCode::UnsupportedMediaType, error.to_string()))?;
        let pieces: Pieces = match body {
            Incoming::Full(bytes) => Box::pin(stream::iter([Ok(bytes)])),
            Incoming::Stream(pieces) => pieces,
        };
        Ok(Self { pieces, parts, field: None, is_over: false })
    }

    async fn next(&mut self) -> Result<Option<Event>, Fault> {
        let broken = |error: FormError| {
            Fault::new(FaultCode::InvalidRequest, error.to_string())
                .with_class(FailureClass::Caller)
        };
        loop {
            while let Some(piece) = self.parts.next_piece().map_err(broken)? {
                if let Some(event) = self.event(piece)? {
                    return Ok(Some(event));
                }
            }
            if self.is_over {
                return Ok(None);
            }
            match self.pieces.next().await {
                Some(piece) => {
                    self.parts.push(piece.map_err(|fault| fault.with_class(FailureClass::Caller))?);
                }
                None => {
                    self.parts.finish().map_err(broken)?;
                    self.is_over = true;
                }
            }
        }
    }

    fn event(&mut self, piece: Piece) -> Result<Option<Event>, Fault> {
        Ok(match piece {
            Piece::Head(head) if head.is_file => {
                self.field = None;
                Some(Event::File(head.file_name()))
            }
            Piece::Head(head) => {
                self.field = Some((head.name, Vec::new()));
                None
            }
            Piece::Data(data) => match &mut self.field {
                Some((name, value)) if value.len() + data.len() > FIELD_BYTES_MAX => {
                    let why = format!("the field {name} is over {FIELD_BYTES_MAX} bytes");
                    return Err(wrong("", why));
                }
                Some((_, value)) => {
                    value.extend_from_slice(&data);
                    None
                }
                None => Some(Event::Data(data)),
            },
            Piece::Tail(_) => self.field.take().map(|(name, value)| Event::Field(name, value)),
            Piece::Close(_) | Piece::Rest(_) => None,
        })
    }
}
