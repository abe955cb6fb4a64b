//! Forms with files: looked at as they arrive, until it is known what is asked for.
//!
//! A form that is not long is held, within what all bodies may take, and can be sent again. A longer
//! one is passed on from the first long file on, once the model is known; if that stands behind the
//! file, it is held until it has come, as a document of the same length would be. Knows no field.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use weir_budget::Gather;
use weir_dialect::form::FormPeek;
use weir_dialect::peek::checked_in_path;
use weir_rpc::Body as CallBody;
use weir_types::Fault;

use crate::intake::{self, Limits, PieceStream};

/// Longer forms are not held if they need not be.
pub(crate) const HELD_BYTES: usize = 8 << 20;

/// A form of which enough is known.
pub(crate) struct Form {
    /// As the client wrote it.
    pub(crate) model: String,
    /// Whether a stream is asked for, as far as it was said in front of a long file.
    pub(crate) stream: bool,
    /// `provider/model`, in order.
    pub(crate) fallbacks: Vec<String>,
    /// All of it, or what has come and what is still to come.
    pub(crate) body: CallBody,
}

/// Reads as much of a form as has to be known. `model`: where the path names it.
///
/// # Errors
/// It is no form, names no model, is too large, or does not arrive; or there is no room for it now.
pub(crate) async fn read(
    headers: &HeaderMap,
    mut pieces: PieceStream,
    model: Option<&str>,
    limits: Limits,
) -> Result<Form, Fault> {
    let model = model.map(checked_in_path).transpose()?;
    let mut peek = FormPeek::new(&intake::content_type(headers))?;
    // Of a longer one it is not known how much is going to be held.
    let announced = intake::announced(headers).and_then(|bytes| usize::try_from(bytes).ok());
    let announced = announced.filter(|bytes| *bytes <= HELD_BYTES);
    let mut gather = Gather::new(limits.budget, announced, limits.bytes_max);
    let model_of = |peek: &FormPeek| model.clone().or_else(|| peek.model().map(str::to_owned));
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        peek.push(piece.clone())?;
        let known = model_of(&peek);
        if let Err(full) = gather.push(piece.clone()).await {
            let Some(model) = known.filter(|_| peek.is_in_file()) else {
                return Err(no_room(full.into()));
            };
            return Ok(passing(model, &peek, [gather.finish(), piece], pieces));
        }
        if gather.len() > HELD_BYTES
            && peek.is_in_file()
            && let Some(model) = known
        {
            return Ok(passing(model, &peek, [gather.finish(), Bytes::new()], pieces));
        }
    }
    peek.finish()?;
    let model = model_of(&peek).ok_or_else(FormPeek::no_model)?;
    let (stream, fallbacks) = (peek.stream(), peek.fallbacks().to_vec());
    Ok(Form { model, stream, fallbacks, body: CallBody::Full(gather.finish()) })
}

/// A form whose rest nobody holds.
fn passing(model: String, peek: &FormPeek, begun: [Bytes; 2], rest: PieceStream) -> Form {
    let begun = begun.into_iter().filter(|piece| !piece.is_empty()).map(Ok);
    Form {
        model,
        stream: peek.stream(),
        fallbacks: peek.fallbacks().to_vec(),
        body: CallBody::Stream(Box::pin(stream::iter(begun.collect::<Vec<_>>()).chain(rest))),
    }
}

/// The model stands behind a file for which there is no room.
fn no_room(mut fault: Fault) -> Fault {
    let text = format!(
        "{}; a form that names its model in front of its files needs no such room: put `model` \
         before the file",
        fault.detail.message
    );
    fault.detail.message = text.into();
    fault
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http::HeaderValue;
    use http::header::CONTENT_TYPE;
    use weir_budget::Budget;
    use weir_types::Deadline;

    use super::*;

    const MODEL: &[u8] =
        b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai/w\r\n";
    const STREAM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n";
    const END: &[u8] = b"--x--\r\n";

    fn file(bytes: usize) -> Vec<u8> {
        let head = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        [head, vec![7; bytes].as_slice(), b"\r\n"].concat()
    }

    /// The form of these parts, in pieces as a connection gives them.
    async fn reading(parts: &[&[u8]], budget: usize, model: Option<&str>) -> Result<Form, Fault> {
        let whole = parts.concat();
        let pieces: Vec<_> =
            whole.chunks(60_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("multipart/form-data; boundary=x");
        headers.insert(CONTENT_TYPE, form);
        let limits = Limits {
            bytes_max: 1 << 30,
            stall_max: Duration::from_mins(1),
            rate_min: 0,
            deadline: Deadline::after(Instant::now(), Duration::from_hours(1)),
            budget: Budget::new(budget),
        };
        let read = read(&headers, Box::pin(stream::iter(pieces)), model, limits).await;
        if let Ok(form) = read {
            let is_held = matches!(form.body, CallBody::Full(_));
            let body = form.body.collect(1 << 30, Budget::new(1 << 30)).await.unwrap();
            assert!(body == whole, "every byte passes");
            let body = if is_held {
                CallBody::Full(Bytes::new())
            } else {
                CallBody::Stream(Box::pin(stream::empty()))
            };
            return Ok(Form { body, ..form });
        }
        read
    }

    fn is_held(form: &Form) -> bool {
        matches!(form.body, CallBody::Full(_))
    }

    #[tokio::test]
    async fn short_forms_are_held_and_long_ones_pass_once_the_model_is_known() {
        let (short, long) = (file(100), file(HELD_BYTES + 100_000));
        let room = 256 << 20;
        let form = reading(&[MODEL, &short, STREAM, END], room, None).await.unwrap();
        assert_eq!((form.model.as_str(), form.stream, is_held(&form)), ("openai/w", true, true));
        let form = reading(&[MODEL, STREAM, &long, END], room, None).await.unwrap();
        assert_eq!((form.model.as_str(), form.stream, is_held(&form)), ("openai/w", true, false));
        // What stands behind the file is for the provider to read.
        let form = reading(&[MODEL, &long, STREAM, END], room, None).await.unwrap();
        assert_eq!((form.stream, is_held(&form)), (false, false));
        let form = reading(&[&long, MODEL, STREAM, END], room, None).await.unwrap();
        assert_eq!((form.model.as_str(), form.stream, is_held(&form)), ("openai/w", true, true));
        let form = reading(&[&long, END], room, Some("azure/d")).await.unwrap();
        assert_eq!((form.model.as_str(), is_held(&form)), ("azure/d", false));
    }

    #[tokio::test]
    async fn without_a_model_or_room_for_what_stands_before_it_a_form_is_refused() {
        let long = file(3 << 20);
        let fault = reading(&[&long, STREAM, END], 256 << 20, None).await.err().unwrap();
        assert_eq!(fault.detail.param.as_deref(), Some("model"));
        let fault = reading(&[&long, MODEL, END], 2 << 20, None).await.err().unwrap();
        assert!(fault.detail.message.contains("put `model` before the file"), "{fault}");
        let form = reading(&[MODEL, &long, END], 2 << 20, None).await.unwrap();
        assert!(!is_held(&form), "there is no room, and none is needed");
    }
}
