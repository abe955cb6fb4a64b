//! What a client puts, on its way: as it comes, or out of the chunks in which clients send what has its
//! checksum behind it. Of those that stay in chunks the signatures are left out, and the checksum is kept,
//! for the service to look whether it is right. No more is held than a piece, unless all of it is there.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::response::Parts;
use weir_framing::aws_chunks::{self, ChunkFault, Field, Reader};
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode};
use weir_upstream::Pieces;

use crate::stored::visit::Visit;
use crate::stored::wire::Ask;

const HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const BEHIND: HeaderName = HeaderName::from_static("x-amz-trailer");
/// What a body in chunks is called, as an encoding, and where its hash would stand.
const CHUNKED: &str = "aws-chunked";
const STREAMING: &str = "STREAMING-";
const WITH_FIELDS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// What may stand behind a body.
const CHECKSUM: &str = "x-amz-checksum-";

/// What the head says of a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    is_chunked: bool,
    /// Its other encodings, which are the file's.
    encodings: String,
    length: Option<u64>,
    /// Without chunks.
    decoded: Option<u64>,
    /// What stands behind it.
    fields: Vec<String>,
    hash: String,
}

/// Sends `body` as `ask` says.
pub(super) async fn send(
    visit: &Visit<'_>,
    mut ask: Ask,
    body: Incoming,
) -> Result<(Parts, Bytes), Fault> {
    let said = Said::read(&visit.request.headers)?;
    let mut encodings = said.encodings.clone();
    let (pieces, length) = match (body, said.is_chunked) {
        (Incoming::Full(bytes), is_chunked) => {
            ask.body = match is_chunked {
                true => unchunked(bytes, &said, &mut ask)?,
                false => bytes,
            };
            add(&mut ask, CONTENT_ENCODING, &encodings);
            return visit.wire.read(ask).await;
        }
        (body, false) => {
            // The service looks whether it is that of what comes.
            add(&mut ask, HASH, &said.hash);
            (Box::pin(body.into_parts().map_err(Into::into)) as Pieces, said.length)
        }
        (body, true) => {
            let decoded = said.decoded.ok_or_else(|| {
                let text = "the upload in chunks (aws-chunked) does not say how long the file is; send \
                            x-amz-decoded-content-length";
                wrong(text, Some("MissingContentLength"))
            })?;
            let has_fields = !said.fields.is_empty();
            if has_fields {
                encodings = [CHUNKED, &encodings].join(",").trim_end_matches(',').to_owned();
                add(&mut ask, HASH, WITH_FIELDS);
                add(&mut ask, DECODED_LENGTH, &decoded.to_string());
                add(&mut ask, BEHIND, &said.fields.join(","));
            }
            let pieces = rewritten(body.into_parts(), Chunks::new(&said));
            (pieces, (!has_fields).then_some(decoded))
        }
    };
    add(&mut ask, CONTENT_ENCODING, &encodings);
    visit.wire.put(ask, pieces, length).await
}

fn add(ask: &mut Ask, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        ask.headers.push((name, value));
    }
}

fn wrong(text: impl Into<String>, code: Option<&'static str>) -> Fault {
    let mut fault = Fault::new(FaultCode::InvalidRequest, text.into());
    fault.detail.code = code.map(Into::into);
    fault.with_class(FailureClass::Caller)
}

impl Said {
    fn read(headers: &[(String, String)]) -> Result<Self, Fault> {
        let text = |wanted: &HeaderName| {
            let found = headers.iter().find(|(name, _)| name == wanted.as_str());
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let number = |wanted: &HeaderName| text(wanted).trim().parse().ok();
        let names = text(&CONTENT_ENCODING).split(',').map(str::trim);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        let rest: Vec<&str> = names.iter().copied().filter(|name| *name != CHUNKED).collect();
        let hash = text(&HASH).to_owned();
        let fields = text(&BEHIND).split(',').map(|name| name.trim().to_ascii_lowercase());
        let fields: Vec<String> = fields.filter(|name| !name.is_empty()).collect();
        if let Some(other) = fields.iter().find(|name| !name.starts_with(CHECKSUM)) {
            let shown: String = other.chars().take(64).collect();
            return Err(wrong(format!("x-amz-trailer: `{shown}` is no checksum"), None));
        }
        Ok(Self {
            is_chunked: rest.len() < names.len() || hash.starts_with(STREAMING),
            encodings: rest.join(","),
            length: number(&CONTENT_LENGTH),
            decoded: number(&DECODED_LENGTH),
            fields,
            hash: Some(hash).filter(|hash| !hash.starts_with(STREAMING)).unwrap_or_default(),
        })
    }
}

/// All of a body; its checksum becomes a header.
fn unchunked(bytes: Bytes, said: &Said, ask: &mut Ask) -> Result<Bytes, Fault> {
    let mut chunks = Chunks { is_rewritten: false, ..Chunks::new(said) };
    let mut out = Vec::new();
    chunks.push(bytes, &mut out)?;
    for (name, value) in chunks.finish()? {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            add(ask, name, &value);
        }
    }
    Ok(match out.as_slice() {
        [one] => one.clone(),
        several => several.concat().into(),
    })
}

/// A body in chunks that arrives.
struct Chunks {
    reader: Reader,
    /// How much of the file is to come.
    left: Option<u64>,
    fields: Vec<String>,
    /// It stays in chunks.
    is_rewritten: bool,
}

impl Chunks {
    fn new(said: &Said) -> Self {
        let Said { decoded, fields, .. } = said;
        let is_rewritten = !fields.is_empty();
        Self { reader: Reader::default(), left: *decoded, fields: fields.clone(), is_rewritten }
    }

    fn push(&mut self, bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        self.reader.push(bytes);
        while let Some(piece) = self.reader.next_piece().map_err(broken)? {
            if let Some(left) = &mut self.left {
                *left = left.checked_sub(piece.len() as u64).ok_or_else(other_length)?;
            }
            match self.is_rewritten {
                true => out.extend(aws_chunks::chunk(piece)),
                false => out.push(piece),
            }
        }
        Ok(())
    }

    /// The checksums behind it.
    fn finish(self) -> Result<Vec<Field>, Fault> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(other_length());
        }
        let mut found = self.reader.finish().map_err(broken)?;
        found.retain(|(name, _)| self.fields.contains(name));
        match self.fields.iter().find(|name| !found.iter().any(|(known, _)| known == *name)) {
            Some(name) => {
                Err(wrong(format!("x-amz-trailer: {name} does not stand behind the body"), None))
            }
            None => Ok(found),
        }
    }
}

fn other_length() -> Fault {
    let text = "the file in the body is not as long as x-amz-decoded-content-length says";
    wrong(text, Some("IncompleteBody"))
}

fn broken(fault: ChunkFault) -> Fault {
    wrong(fault.to_string(), None)
}

/// `pieces` as they are sent on; what is wrong with them breaks it off.
fn rewritten(
    pieces: impl futures_core::Stream<Item = Result<Bytes, Fault>> + Send + Unpin + 'static,
    chunks: Chunks,
) -> Pieces {
    let rewritten = stream::try_unfold((pieces, Some(chunks)), |(mut pieces, chunks)| async {
        let Some(mut chunks) = chunks else { return Ok::<_, Fault>(None) };
        let mut out: Vec<Bytes> = Vec::new();
        let rest = match pieces.next().await {
            Some(piece) => {
                chunks.push(piece?, &mut out)?;
                Some(chunks)
            }
            None => {
                let is_rewritten = chunks.is_rewritten;
                let fields = chunks.finish()?;
                if is_rewritten {
                    out.push(aws_chunks::last(&fields));
                }
                None
            }
        };
        let out = stream::iter(out.into_iter().map(Ok::<_, Fault>));
        Ok(Some((out, (pieces, rest))))
    });
    Box::pin(rewritten.try_flatten().map_err(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(headers: &[(&str, &str)]) -> Result<Said, Fault> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Said::read(&headers.iter().map(pair).collect::<Vec<_>>())
    }

    const CRC: (&str, &str) = ("x-amz-trailer", "x-amz-checksum-crc32");

    #[test]
    fn the_head_says_how_a_body_comes() {
        let plain = said(&[("content-length", "5"), ("content-encoding", "gzip")]).unwrap();
        let expected = Said { length: Some(5), encodings: "gzip".to_owned(), ..Said::default() };
        assert_eq!(plain, expected);
        for headers in [
            &[
                ("content-encoding", "aws-chunked, gzip"),
                ("x-amz-decoded-content-length", "7"),
                CRC,
            ][..],
            &[
                ("content-encoding", "gzip"),
                ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                ("x-amz-decoded-content-length", "7"),
                CRC,
            ],
        ] {
            let said = said(headers).unwrap();
            assert!(said.is_chunked && said.encodings == "gzip" && said.hash.is_empty());
            assert_eq!((said.decoded, said.fields), (Some(7), vec![CRC.1.to_owned()]));
        }
        let other = said(&[("x-amz-trailer", "x-evil")]).unwrap_err();
        assert!(other.detail.message.contains("x-evil"), "{other}");
    }

    async fn through(body: &str, headers: &[(&str, &str)]) -> Result<String, String> {
        let pieces: Vec<_> =
            body.as_bytes().chunks(3).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let said = said(headers).unwrap();
        let mut sent = rewritten(stream::iter(pieces), Chunks::new(&said));
        let mut out = Vec::new();
        while let Some(piece) = sent.next().await {
            out.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        }
        Ok(String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn checksums_behind_a_body_stay_there_and_signatures_go() {
        let length = ("x-amz-decoded-content-length", "5");
        let signed = "5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n";
        assert_eq!(through(signed, &[length]).await, Ok("hello".to_owned()));
        let body =
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAA=\r\nx-amz-trailer-signature:0\r\n\r\n";
        let sent = through(body, &[length, CRC]).await.unwrap();
        assert!(sent.ends_with("\r\n0\r\nx-amz-checksum-crc32:AAA=\r\n\r\n"), "{sent}");
        assert_eq!(through(&sent, &[length]).await, Ok("hello".to_owned()));
        let mut ask = Ask::new(http::Method::PUT, http::Uri::from_static("/"));
        let said = said(&[length, CRC]).unwrap();
        let whole = unchunked(Bytes::from_static(body.as_bytes()), &said, &mut ask).unwrap();
        assert_eq!(whole, "hello");
        assert_eq!(ask.headers[0].0, CRC.1);
    }

    #[tokio::test]
    async fn what_is_not_as_it_says_breaks_off() {
        let (five, four) =
            (("x-amz-decoded-content-length", "5"), ("x-amz-decoded-content-length", "4"));
        let body = "5\r\nhello\r\n0\r\n\r\n";
        for (body, headers, why) in [
            (body, &[four][..], "not as long as"),
            ("2\r\nhe\r\n0\r\n\r\n", &[five], "not as long as"),
            (body, &[five, CRC], "does not stand behind the body"),
            ("5\r\nhello\r\n", &[five], "ended before its last line"),
            ("hello", &[], "before its last line"),
        ] {
            let told = through(body, headers).await.unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
