//! An upload: a form whose file becomes an object while it arrives. Those for batches are read line by
//! line on the way.

use bytes::Bytes;
use tokio::time::timeout_at;
use weir_budget::Gather;
use weir_dialect::batches::document::INPUT;
use weir_dialect::batches::{Records, Tag};
use weir_dialect::ir::Losses;
use weir_rpc::Body as Incoming;
use weir_types::Fault;

use super::form::{Event, Form, wrong};
use super::lines::Lines;
use super::parts::PART_BYTES;
use super::visit::Visit;
use crate::fault;

/// Where new files go.
pub(super) trait Store: Sync {
    /// What takes one of them.
    type Sink: Sink;

    /// # Errors
    /// Files for `purpose` are not kept here.
    fn check(&self, purpose: &str) -> Result<(), Fault>;

    /// What lines of files for batches become.
    fn records(&self) -> &'static dyn Records;

    /// A file in the making.
    fn open(&self, new: New) -> Result<Self::Sink, Fault>;
}

/// A new file.
#[derive(Debug)]
pub(super) struct New {
    pub(super) filename: String,
    pub(super) purpose: String,
    /// Of which requests it is made.
    pub(super) tag: Option<Tag>,
}

/// Takes a file's bytes, which are what its lines have become.
pub(super) trait Sink: Send {
    /// Takes more of it.
    fn push(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Fault>> + Send;

    /// All has come: what is known of the file, which had so many bytes as the client has it.
    fn finish(self, received: u64) -> impl Future<Output = Result<Bytes, Fault>> + Send;
}
/// The fields of such forms.
const PURPOSE: &str = "purpose";
const FILE: &str = "file";

/// Takes an upload: what is known of the file, and what its lines lost.
pub(super) async fn take<S: Store>(
    visit: &Visit<'_>,
    store: &S,
    body: Incoming,
) -> Result<(Bytes, Losses), Fault> {
    let limit = visit.wire.limit;
    let taken = timeout_at(limit.deadline, taken(visit, store, body)).await;
    taken.unwrap_or_else(|_| {
        let limit = crate::call::Limit { is_requests: true, ..limit };
        Err(fault::timed_out(&visit.wire.shared, "the upload was not complete in time", limit))
    })
}

async fn taken<S: Store>(
    visit: &Visit<'_>,
    store: &S,
    body: Incoming,
) -> Result<(Bytes, Losses), Fault> {
    let mut form = Form::new(&visit.request.content_type, body)?;
    let mut file = File::new(visit, store);
    while let Some(event) = form.next().await? {
        match event {
            Event::Field(name, value) if name == PURPOSE => {
                let purpose = String::from_utf8_lossy(&value).trim().to_owned();
                store.check(&purpose)?;
                file.is_for(purpose).await?;
            }
            Event::Field(name, _) => {
                let text = "a file of the provider has no such member";
                file.losses.add(name, text);
            }
            Event::File(filename) => file.begins(filename)?,
            Event::Data(bytes) => {
                file.received += bytes.len() as u64;
                file.push(bytes).await?;
            }
        }
    }
    file.finish().await
}

/// A file that arrives.
struct File<'v, S: Store> {
    visit: &'v Visit<'v>,
    store: &'v S,
    /// How much of it came.
    received: u64,
    name: Option<String>,
    purpose: Option<String>,
    /// What came before it was known what it is for.
    early: Gather,
    /// Set where its lines are read.
    lines: Option<Lines<'v>>,
    /// Set when it is known where it goes.
    sink: Option<S::Sink>,
    losses: Losses,
}

impl<'v, S: Store> File<'v, S> {
    fn new(visit: &'v Visit<'v>, store: &'v S) -> Self {
        let early = Gather::new(visit.wire.shared.memory.budget(), None, PART_BYTES);
        let (lines, sink, losses) = (None, None, Losses::default());
        Self { visit, store, received: 0, name: None, purpose: None, early, lines, sink, losses }
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
        self.lines = (purpose == INPUT).then(|| Lines::new(self.visit, self.store.records()));
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
            self.sink = Some(self.open()?);
        }
        if let Some(sink) = &mut self.sink {
            for bytes in made {
                sink.push(bytes).await?;
            }
        }
        Ok(())
    }

    fn open(&self) -> Result<S::Sink, Fault> {
        self.store.open(New {
            filename: self.name.clone().unwrap_or_default(),
            purpose: self.purpose.clone().unwrap_or_default(),
            tag: self.lines.as_ref().and_then(Lines::tag),
        })
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
            None => self.open()?,
        };
        Ok((sink.finish(self.received).await?, self.losses))
    }
}
