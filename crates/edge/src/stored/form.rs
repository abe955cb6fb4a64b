//! The fields at the beginning of an upload, up to its file: whoever is meant has to be known before a
//! provider is asked. What was looked at goes on with the rest, but for the field that is ours.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use weir_framing::form::{FormError, Parts, Piece};
use weir_types::{Fault, FaultCode};

use crate::intake::PieceStream;

/// What may stand before the file.
const LEAD_BYTES_MAX: usize = 64 * 1024;
/// The field that says which provider is meant.
const PROVIDER: &str = "provider";
/// Its content is no longer, white space included.
const PROVIDER_BYTES_MAX: usize = 1024;

/// An upload whose beginning was looked at.
pub(crate) struct Form {
    /// The provider that it names.
    pub(crate) provider: Option<String>,
    /// The upload without that field.
    pub(crate) body: PieceStream,
}

/// Looks at the beginning of `body`.
///
/// # Errors
/// It is no form, or broke off.
pub(crate) async fn read(content_type: &str, mut body: PieceStream) -> Result<Form, Fault> {
    let parts = Parts::of(content_type)
        .map_err(|error| Fault::new(FaultCode::UnsupportedMediaType, error.to_string()))?;
    let mut lead = Lead { parts, passed: Vec::new(), bytes: 0, field: None, provider: None };
    while !lead.look().map_err(broken)? {
        match body.next().await {
            Some(piece) => lead.push(piece?),
            None => break,
        }
    }
    let Lead { parts, mut passed, provider, .. } = lead;
    passed.push(parts.into_rest());
    passed.retain(|piece| !piece.is_empty());
    let body = stream::iter(passed.into_iter().map(Ok)).chain(body);
    Ok(Form { provider, body: Box::pin(body) })
}

fn broken(error: FormError) -> Fault {
    Fault::new(FaultCode::InvalidRequest, error.to_string())
}

/// What has come before the file.
struct Lead {
    parts: Parts,
    /// What goes on.
    passed: Vec<Bytes>,
    /// How much has come.
    bytes: usize,
    /// The content of our field so far, while it passes.
    field: Option<Vec<u8>>,
    provider: Option<String>,
}

impl Lead {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.parts.push(piece);
    }

    /// Looks at what has come; whether nothing more has to be looked at.
    fn look(&mut self) -> Result<bool, FormError> {
        while let Some(piece) = self.parts.next_piece()? {
            match piece {
                Piece::Head(head) if !head.is_file && head.name == PROVIDER => {
                    self.field = Some(Vec::new());
                }
                Piece::Head(head) => {
                    self.passed.push(head.raw);
                    if head.is_file {
                        return Ok(true);
                    }
                }
                Piece::Data(data) => match &mut self.field {
                    Some(field) => {
                        let room = PROVIDER_BYTES_MAX.saturating_sub(field.len());
                        field.extend_from_slice(data.get(..room).unwrap_or(&data));
                    }
                    None => self.passed.push(data),
                },
                Piece::Tail(feed) => match self.field.take() {
                    Some(field) => {
                        let name = String::from_utf8_lossy(&field).trim().to_owned();
                        self.provider = Some(name);
                        return Ok(true);
                    }
                    None => self.passed.push(feed),
                },
                Piece::Close(bytes) | Piece::Rest(bytes) => self.passed.push(bytes),
            }
        }
        // One that is in our field goes on to its end: half of it cannot be passed on.
        Ok(self.bytes >= LEAD_BYTES_MAX && self.field.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    fn part(head: &str, value: &str) -> String {
        format!("--xyz\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    }

    /// The provider that is found, and what goes on, whatever the pieces are cut like.
    fn through(body: &str) -> (Option<String>, String) {
        let mut all = Vec::new();
        for size in [1, 7, 64, body.len().max(1)] {
            let pieces: Vec<_> = body
                .as_bytes()
                .chunks(size)
                .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                .collect();
            let read = read(TYPE, Box::pin(stream::iter(pieces)));
            let form = futures_util::FutureExt::now_or_never(read).unwrap().unwrap();
            let pieces = futures_util::FutureExt::now_or_never(form.body.collect::<Vec<_>>());
            let rest: Vec<u8> =
                pieces.unwrap().into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect();
            all.push((form.provider, String::from_utf8(rest).unwrap()));
        }
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
        all.remove(0)
    }

    #[test]
    fn the_field_is_taken_out_wherever_it_stands_before_the_file() {
        let purpose = part("name=\"purpose\"", "batch");
        let provider = part("name=\"provider\"", "groq");
        let file = part("name=\"file\"; filename=\"a.jsonl\"", "{\"provider\":1}\r\nline");
        let end = "--xyz--\r\n";
        let without = format!("{purpose}{file}{end}");
        for body in
            [format!("{purpose}{provider}{file}{end}"), format!("{provider}{purpose}{file}{end}")]
        {
            assert_eq!(through(&body), (Some("groq".to_owned()), without.clone()));
        }
        assert_eq!(through(&without), (None, without.clone()));
        // After the file it is too late.
        let late = format!("{purpose}{file}{provider}{end}");
        assert_eq!(through(&late), (None, late.clone()));
        for odd in ["", "nothing", "--xyz", "--xyz--", "--xyz\r\nname\r\n\r\n"] {
            assert_eq!(through(odd), (None, odd.to_owned()));
        }
    }

    #[test]
    fn a_long_beginning_is_not_gathered() {
        let long = part("name=\"purpose\"", &"x".repeat(3 * LEAD_BYTES_MAX));
        assert_eq!(through(&long), (None, long.clone()));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for kind in ["application/json", "multipart/form-data", "multipart/mixed; boundary=x", ""] {
            let body = Box::pin(stream::empty());
            let read = futures_util::FutureExt::now_or_never(read(kind, body)).unwrap();
            assert_eq!(read.err().unwrap().code, FaultCode::UnsupportedMediaType, "{kind}");
        }
    }
}
