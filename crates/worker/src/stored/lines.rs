//! The lines of a batch as they are uploaded: requests become records of the provider's, records pass.
//! One line is held at a time.

use bytes::Bytes;
use memchr::memchr;
use weir_budget::Gather;
use weir_dialect::batches::{Interface, Line, Records, Tag};
use weir_dialect::ir::Losses;
use weir_dialect::{RequestFault, format};
use weir_provider::{Family, Fit};
use weir_types::{Fault, FaultCode, Form, Operation};

use super::visit::{Visit, known_as};
use crate::clients::Features;
use crate::clock::unix_seconds;
use crate::room;
use crate::way::{self, Start, Way};

/// Lines on their way.
pub(super) struct Lines<'v> {
    visit: &'v Visit<'v>,
    records: &'static dyn Records,
    /// The beginning of a line whose end has not come.
    begun: Gather,
    number: u64,
    /// What the first line was.
    kind: Option<Kind>,
    pub(super) losses: Losses,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Records,
    Requests(Tag),
}

impl<'v> Lines<'v> {
    pub(super) fn new(visit: &'v Visit<'v>, records: &'static dyn Records) -> Self {
        Self {
            visit,
            records,
            begun: begun(visit),
            number: 0,
            kind: None,
            losses: Losses::default(),
        }
    }

    /// What the name of the file has to say of its lines, once the first has come.
    pub(super) fn tag(&self) -> Option<Tag> {
        match self.kind.as_ref()? {
            Kind::Records => None,
            Kind::Requests(tag) => Some(tag.clone()),
        }
    }

    /// Takes what came next; gives what has become of the lines that are whole.
    pub(super) async fn push(&mut self, mut bytes: Bytes) -> Result<Vec<Bytes>, Fault> {
        let mut out = Vec::new();
        while let Some(end) = memchr(b'\n', &bytes) {
            let rest = bytes.split_to(end + 1);
            let line = self.whole(rest).await?;
            self.line(&line, &mut out).await?;
        }
        self.hold(bytes).await?;
        Ok(out)
    }

    /// Nothing more comes.
    pub(super) async fn finish(&mut self) -> Result<Vec<Bytes>, Fault> {
        let mut out = Vec::new();
        let line = self.whole(Bytes::new()).await?;
        self.line(&line, &mut out).await?;
        if self.kind.is_none() {
            return Err(RequestFault::invalid("file", "the file has no lines").into());
        }
        out.push(Bytes::from_static(self.records.frame().after.as_bytes()));
        Ok(out)
    }

    async fn whole(&mut self, rest: Bytes) -> Result<Bytes, Fault> {
        if self.begun.is_empty() {
            return Ok(rest);
        }
        self.hold(rest).await?;
        Ok(std::mem::replace(&mut self.begun, begun(self.visit)).finish())
    }

    async fn hold(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let max = self.visit.wire.shared.request_bytes_max;
        if self.begun.len() + bytes.len() > max {
            let text = format!("line {} of the file is over {max} bytes", self.number + 1);
            return Err(Fault::new(FaultCode::BodyTooLarge, text));
        }
        if !bytes.is_empty() {
            self.begun.push(bytes).await?;
        }
        Ok(())
    }

    async fn line(&mut self, line: &Bytes, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let line = line.slice_ref(line.trim_ascii());
        if line.is_empty() {
            return Ok(());
        }
        self.number += 1;
        let budget = self.visit.wire.shared.memory.budget();
        let _room = room::of_request(budget, &line).await?;
        let number = self.number;
        let at = |fault: RequestFault| RequestFault {
            message: format!("line {number} of the file: {}", fault.message),
            ..fault
        };
        self.read(line, out).map_err(|fault| at(fault).into())
    }

    fn read(&mut self, line: Bytes, out: &mut Vec<Bytes>) -> Result<(), RequestFault> {
        let frame = self.records.frame();
        let gap = if self.kind.is_none() { frame.before } else { frame.between };
        out.push(Bytes::from_static(gap.as_bytes()));
        match Line::read(&line, self.records.own())? {
            Line::Record => {
                self.of_kind(Kind::Records)?;
                out.push(line);
            }
            Line::Request { id, interface, model, body } => {
                let model = known_as(self.visit, &model).to_owned();
                self.of_kind(Kind::Requests(Tag { interface, model: model.clone() }))?;
                let input = translated(
                    self.visit,
                    self.records,
                    (interface, &model),
                    &body,
                    &mut self.losses,
                )?;
                out.extend(self.records.record(&id, interface, input)?);
            }
        }
        Ok(())
    }

    /// All lines are alike: a job has one model.
    fn of_kind(&mut self, kind: Kind) -> Result<(), RequestFault> {
        let Some(first) = &self.kind else {
            self.kind = Some(kind);
            return Ok(());
        };
        let any_model = !self.records.has_one_model();
        let (name, first, own) = match (first, &kind) {
            (first, own) if first == own => return Ok(()),
            (Kind::Requests(first), Kind::Requests(own))
                if any_model && first.interface == own.interface =>
            {
                return Ok(());
            }
            (Kind::Requests(first), Kind::Requests(own)) if first.interface != own.interface => {
                ("url", first.interface.path(), own.interface.path())
            }
            (Kind::Requests(first), Kind::Requests(own)) => {
                ("body.model", &*first.model, &*own.model)
            }
            (Kind::Records, _) => ("file", "a record of the provider's", "a request"),
            (_, Kind::Records) => ("file", "a request", "a record of the provider's"),
        };
        let why = format!(
            "{name}: expected `{first}`, as in the first line, found `{own}`; a batch has \
             one kind of requests, and with some providers one model, so make a file for each"
        );
        Err(RequestFault::invalid(name, why))
    }
}

fn begun(visit: &Visit<'_>) -> Gather {
    let shared = &visit.wire.shared;
    Gather::new(shared.memory.budget(), None, shared.request_bytes_max)
}

/// What a translation between `interface` and the provider's own words starts from, for the model
/// that clients call `asked`, and the provider `wire`.
pub(super) fn start<'a>(
    visit: &'a Visit<'_>,
    interface: Interface,
    asked: &'a str,
    (wire, known_as): (&'a str, &'a str),
) -> Start<'a> {
    let shared = &visit.wire.shared;
    let own =
        shared.vendor.routes.first().map_or_else(|| interface.dialect(), |route| route.dialect);
    Start {
        client: format(interface.dialect()),
        provider: format(own),
        errors: None,
        operations: (interface.operation(), Operation::Chat),
        asked_model: asked,
        wire_model: wire,
        known_as,
        stream: false,
        form: Form::Usual,
        quirks: &shared.vendor.quirks,
        features: Features::new(&shared.headers.clients, &[], own),
        vendor: shared.vendor.name,
        id: "",
        now: unix_seconds(),
        is_unsealed: true,
        outline: None,
    }
}

/// A request in the provider's words.
fn translated(
    visit: &Visit<'_>,
    records: &dyn Records,
    (interface, model): (Interface, &str),
    body: &Bytes,
    losses: &mut Losses,
) -> Result<Vec<Bytes>, RequestFault> {
    if !visit.key.rules.serves(model) {
        let why = format!("body.model: key {} does not serve `{model}`", visit.key.name);
        return Err(RequestFault::invalid("body.model", why));
    }
    let resolved = visit.key.resolve(model);
    let wire = resolved.wire_name.unwrap_or(resolved.name);
    let stated = resolved.settings.family;
    if !records.takes(stated.unwrap_or_else(|| Family::of(resolved.name))) {
        let why = format!("body.model: the provider has no batches for `{model}` here");
        return Err(RequestFault::unsupported("body.model", why));
    }
    let known_as = resolved.settings.known_as.as_deref().unwrap_or(wire);
    let start = start(visit, interface, model, (wire, known_as));
    let ready = way::ready(body, Fit::Translated, &start)?;
    losses.extend(ready.losses);
    if !ready.features.is_empty() {
        // A header would say it of all lines.
        let why =
            format!("body: it needs `{}`, which no line of a batch can ask for", ready.features);
        return Err(RequestFault::unsupported("body", why));
    }
    match &ready.way {
        Way::Translated(way) if !way.renames.is_empty() => {
            // Nothing is remembered that could give the names back in the answer.
            let why = "body: it has names of tools or ids of calls that the provider does not take";
            Err(RequestFault::unsupported("body", why))
        }
        _ => Ok(ready.parts),
    }
}
