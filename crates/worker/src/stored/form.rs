//! A form with a file, while it arrives.

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use weir_framing::form::{FormError, Parts, Piece};
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode};

/// A field's content is no longer.
const FIELD_BYTES_MAX: usize = 4096;

/// The form says something that cannot be.
pub(super) fn wrong(param: &'static str, why: impl Into<String>) -> Fault {
    let fault = Fault::new(FaultCode::InvalidRequest, why.into());
    fault.with_class(FailureClass::Caller).with_param(param)
}

/// What a form tells.
pub(super) enum Event {
    /// A field that is no file, with its content.
    Field(String, Vec<u8>),
    /// The file begins, which is called so.
    File(String),
    /// Bytes of the file.
    Data(Bytes),
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// A form that arrives.
pub(super) struct Form {
    pieces: Pieces,
    parts: Parts,
    /// The field that is being read; `None`: a file, or nothing.
    field: Option<(String, Vec<u8>)>,
    is_over: bool,
}

impl Form {
    pub(super) fn new(content_type: &str, body: Incoming) -> Result<Self, Fault> {
        let parts = Parts::of(content_type)
            .map_err(|error| Fault::new(FaultCode::UnsupportedMediaType, error.to_string()))?;
        Ok(Self { pieces: body.into_parts(), parts, field: None, is_over: false })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Event>, Fault> {
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
