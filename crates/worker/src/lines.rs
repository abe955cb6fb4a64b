//! A file for a batch on its way up: its lines name models as clients know them, with a provider's name
//! before them or by an alias, and are to name them as the provider does. A line is held at a time, the
//! rest of the form passes as it comes. Knows no member of a line; that is the format's affair.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use memchr::memchr;
use weir_budget::Gather;
use weir_dialect::stored::lines;
use weir_framing::form::{FormError, Parts, Piece};
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode};

use crate::Shared;

/// The field that says what a file is for, and what it says of one for a batch.
const PURPOSE: &str = "purpose";
const BATCH: &[u8] = b"batch";
/// Of the field no more is read.
const PURPOSE_BYTES_MAX: usize = 64;

/// `body`, a form with a file, with lines as the key at `key` sends them. What is no form passes.
pub(crate) fn sent(
    body: Incoming,
    shared: &Arc<Shared>,
    key: usize,
    content_type: &str,
) -> Incoming {
    let Ok(parts) = Parts::of(content_type) else { return body };
    let pieces = body.into_parts();
    let form = Form {
        shared: Arc::clone(shared),
        key,
        parts: Some(parts),
        place: Place::Elsewhere,
        purpose: Vec::new(),
        begun: begun(shared),
    };
    let sent = stream::try_unfold((pieces, Some(form)), |(mut pieces, form)| async {
        let Some(mut form) = form else { return Ok::<_, Fault>(None) };
        let mut out: Vec<Bytes> = Vec::new();
        let rest = match pieces.next().await {
            Some(piece) => {
                form.push(piece?, &mut out).await?;
                Some(form)
            }
            None => {
                out.extend(form.parts.map(Parts::into_rest));
                None
            }
        };
        out.retain(|piece| !piece.is_empty());
        let out = stream::iter(out.into_iter().map(Ok::<_, Fault>));
        Ok(Some((out, (pieces, rest))))
    });
    Incoming::Stream(Box::pin(sent.try_flatten()))
}

/// Where in a form it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Purpose,
    File,
    Elsewhere,
}

struct Form {
    shared: Arc<Shared>,
    /// Index into `shared.keys`.
    key: usize,
    /// `None`: nothing that still comes is looked at.
    parts: Option<Parts>,
    place: Place,
    /// What the file is for, as far as that has been said.
    purpose: Vec<u8>,
    /// The beginning of a line whose end has not come.
    begun: Gather,
}

fn begun(shared: &Shared) -> Gather {
    Gather::new(shared.memory.budget(), None, shared.request_bytes_max)
}

impl Form {
    async fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let Some(parts) = &mut self.parts else {
            out.push(chunk);
            return Ok(());
        };
        parts.push(chunk);
        while let Some(piece) = self.next_piece()? {
            match piece {
                Piece::Head(head) => {
                    self.place = match (head.is_file, &*head.name) {
                        (true, _) if self.purpose.trim_ascii() == BATCH => Place::File,
                        (false, PURPOSE) => Place::Purpose,
                        _ => Place::Elsewhere,
                    };
                    out.push(head.raw);
                    if head.is_file && self.place != Place::File {
                        out.extend(self.parts.take().map(Parts::into_rest));
                    }
                }
                Piece::Data(data) if self.place == Place::File => self.file(data, out).await?,
                Piece::Data(data) => {
                    if self.place == Place::Purpose
                        && self.purpose.len() + data.len() <= PURPOSE_BYTES_MAX
                    {
                        self.purpose.extend_from_slice(&data);
                    }
                    out.push(data);
                }
                Piece::Tail(feed) => {
                    let last = std::mem::replace(&mut self.begun, begun(&self.shared)).finish();
                    self.line(last, out);
                    out.push(feed);
                }
                Piece::Close(bytes) | Piece::Rest(bytes) => out.push(bytes),
            }
        }
        Ok(())
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, Fault> {
        let broken = |error: FormError| {
            Fault::new(FaultCode::InvalidRequest, error.to_string())
                .with_class(FailureClass::Caller)
        };
        let Some(parts) = &mut self.parts else { return Ok(None) };
        parts.next_piece().map_err(broken)
    }

    async fn file(&mut self, mut data: Bytes, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        while let Some(end) = memchr(b'\n', &data) {
            let rest = data.split_to(end + 1);
            if self.begun.is_empty() {
                self.line(rest, out);
                continue;
            }
            self.hold(rest).await?;
            let line = std::mem::replace(&mut self.begun, begun(&self.shared)).finish();
            self.line(line, out);
        }
        self.hold(data).await
    }

    async fn hold(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let max = self.shared.request_bytes_max;
        if self.begun.len() + bytes.len() > max {
            let text = format!("a line of the file is over {max} bytes");
            return Err(Fault::new(FaultCode::BodyTooLarge, text));
        }
        if !bytes.is_empty() {
            self.begun.push(bytes).await?;
        }
        Ok(())
    }

    fn line(&self, line: Bytes, out: &mut Vec<Bytes>) {
        let request = line.slice_ref(line.trim_ascii());
        let renamed = lines::renamed(&request, |model| self.own_name(model));
        let Some(renamed) = renamed else { return out.push(line) };
        out.push(renamed);
        if line.ends_with(b"\n") {
            out.push(Bytes::from_static(b"\n"));
        }
    }

    /// What the provider calls `model`; `None`: just so.
    fn own_name(&self, model: &str) -> Option<String> {
        let provider = self.shared.provider.as_str();
        let prefix = model.get(..provider.len());
        let is_prefix = prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(provider));
        let rest = model.get(provider.len()..).filter(|_| is_prefix);
        let asked = rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(model);
        let resolved = self.shared.keys.get(self.key)?.resolve(asked);
        let own = match resolved.wire_name {
            Some(name) => name.to_owned(),
            None if resolved.name == model => return None,
            None => self.shared.vendor.wire_model(resolved.name).into_owned(),
        };
        (own != model).then_some(own)
    }
}
