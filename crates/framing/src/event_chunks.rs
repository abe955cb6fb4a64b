//! Events of another format within Amazon's event stream, as Bedrock's InvokeModel streams them.
//!
//! A message called `chunk` has a payload `{"bytes": "…"}`: an event's data in base64. Exceptions are
//! messages of their own. How messages are cut is `event_stream`'s; what the data means is not
//! known here. <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_PayloadPart.html>

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use memchr::memmem;

use crate::event_stream::{self, Message};
use crate::{Frame, FrameError};

const NAME: &[u8] = b"chunk";
const MEMBER: &[u8] = b"\"bytes\"";
const NO_BYTES: FrameError = FrameError::Malformed("a chunk has no `bytes`");

/// Reads a message whose checksums have been looked at. Events have no names of their own here.
pub(crate) fn parse(raw: &[u8]) -> Result<Frame<'_>, FrameError> {
    let Message { name, data, is_exception } = Message::parse(raw)?;
    if is_exception || name != NAME {
        return Ok(Frame { raw, name, data: data.map(Cow::Borrowed), is_exception });
    }
    let encoded = encoded(data.unwrap_or_default()).ok_or(NO_BYTES)?;
    let decoded = STANDARD.decode(encoded);
    let data = decoded.map_err(|_| FrameError::Malformed("a chunk is not base64"))?;
    let data = (!data.is_empty()).then_some(Cow::Owned(data));
    Ok(Frame { raw, name: b"", data, is_exception })
}

/// The text of `bytes`. Base64 has no letter that JSON would escape.
fn encoded(payload: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(payload, MEMBER)? + MEMBER.len();
    let rest = payload.get(at..)?.trim_ascii_start().strip_prefix(b":")?;
    let text = rest.trim_ascii_start().strip_prefix(b"\"")?;
    text.get(..memchr::memchr(b'"', text)?)
}

/// Writes an event; as an exception if its name says that it is one.
pub(crate) fn write(out: &mut BytesMut, name: &str, data: &[u8]) {
    if name.ends_with("Exception") {
        return event_stream::write(out, name, data);
    }
    let payload = format!("{{\"bytes\":\"{}\"}}", STANDARD.encode(data));
    event_stream::write(out, "chunk", payload.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, payload: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        event_stream::write(&mut out, name, payload);
        out
    }

    #[test]
    fn what_is_written_is_read_and_keeps_no_name() {
        let mut out = BytesMut::new();
        write(&mut out, "message_start", b"{\"a\":\"\xc3\xa9\"}");
        let frame = parse(&out).unwrap();
        assert_eq!(frame.data.as_deref(), Some(&b"{\"a\":\"\xc3\xa9\"}"[..]));
        assert_eq!((frame.name, frame.is_exception), (&b""[..], false));
        let mut out = BytesMut::new();
        write(&mut out, "throttlingException", b"{}");
        let frame = parse(&out).unwrap();
        assert_eq!((frame.name, frame.is_exception), (&b"throttlingException"[..], true));
    }

    #[test]
    fn other_members_and_blanks_do_not_matter_and_what_is_wrong_is_said() {
        let spaced = message("chunk", b"{ \"p\":\"abc\", \"bytes\" : \"aGk=\" }");
        assert_eq!(parse(&spaced).unwrap().data.as_deref(), Some(&b"hi"[..]));
        let empty = message("chunk", b"{\"bytes\":\"\"}");
        assert_eq!(parse(&empty).unwrap().data, None);
        for bad in [&b"{}"[..], b"{\"bytes\":7}", b"{\"bytes\":\"aGk", b"{\"bytes\":\"!!\"}", b""] {
            assert!(matches!(parse(&message("chunk", bad)), Err(FrameError::Malformed(_))));
        }
    }
}
