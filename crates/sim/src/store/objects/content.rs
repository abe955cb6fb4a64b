//! What a body that was sent is as an object: taken out of its chunks, its checksum compared, with what its
//! owner says of it; and the part of an object that is asked for.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Crc;

use super::refusal;
use crate::call::Call;
use crate::refusal::Refusal;

/// The one checksum that is compared; others are taken as they are said.
const CRC32: &str = "x-amz-checksum-crc32";
const META: &str = "x-amz-meta-";
/// Headers of an object that are kept.
const KEPT: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "expires"];

/// A header of an answer.
pub(in crate::store) type Header = (Cow<'static, str>, String);

/// An object as it came.
pub(super) struct Content {
    pub(super) bytes: Bytes,
    /// The checksum that came with it.
    pub(super) crc: Option<String>,
}

impl Content {
    /// Of a call's body.
    ///
    /// # Errors
    /// It is not what the head says.
    pub(super) fn of(call: &Call<'_>, body: &Bytes) -> Result<Self, Refusal> {
        let encodings = call.header("content-encoding");
        let is_chunked = encodings.split(',').any(|name| name.trim() == "aws-chunked");
        let hash = call.header("x-amz-content-sha256");
        if is_chunked != hash.starts_with("STREAMING-") {
            let why = "x-amz-content-sha256 and content-encoding do not say the same of the body";
            return Err(refusal(400, "InvalidRequest", why));
        }
        let said = Some(call.header(CRC32)).filter(|said| !said.is_empty()).map(str::to_owned);
        let (bytes, crc) = match is_chunked {
            true => unchunked(body, call.header("x-amz-trailer"))?,
            false => (body.clone(), said),
        };
        let length = call.header("x-amz-decoded-content-length");
        if is_chunked && length.parse() != Ok(bytes.len()) {
            let why =
                "You did not provide the number of bytes specified by the Content-Length header";
            return Err(refusal(400, "IncompleteBody", why));
        }
        if let Some(said) = &crc {
            let mut own = Crc::new();
            own.update(&bytes);
            if *said != STANDARD.encode(own.sum().to_be_bytes()) {
                let why = "The CRC32 you specified did not match the calculated checksum.";
                return Err(refusal(400, "BadDigest", why));
            }
        }
        Ok(Self { bytes, crc })
    }
}

/// The chunks put together, and the checksum behind them.
fn unchunked(body: &Bytes, trailer: &str) -> Result<(Bytes, Option<String>), Refusal> {
    let wrong = || refusal(400, "IncompleteBody", "The request body terminated unexpectedly");
    let mut whole = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    let line = |rest: &mut &[u8]| {
        let end = rest.windows(2).take(1024).position(|two| two == b"\r\n").ok_or_else(wrong)?;
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        *rest = rest.get(end + 2..).unwrap_or_default();
        Ok::<_, Refusal>(line)
    };
    loop {
        let head = line(&mut rest)?;
        let digits = head.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits, 16).map_err(|_| wrong())?;
        if length == 0 {
            break;
        }
        whole.extend_from_slice(rest.get(..length).ok_or_else(wrong)?);
        rest = rest.get(length..).unwrap_or_default();
        if !line(&mut rest)?.is_empty() {
            return Err(wrong());
        }
    }
    let mut crc = None;
    loop {
        let field = line(&mut rest)?;
        match field.split_once(':') {
            Some((CRC32, value)) if trailer == CRC32 => crc = Some(value.trim().to_owned()),
            Some(_) => {}
            None if field.is_empty() && rest.is_empty() => break,
            None => return Err(wrong()),
        }
    }
    if !trailer.is_empty() && crc.is_none() && trailer == CRC32 {
        return Err(refusal(
            400,
            "MalformedTrailerError",
            "The trailer that was said did not come",
        ));
    }
    Ok((whole.into(), crc))
}

/// What its owner says of it.
pub(super) fn said(call: &Call<'_>) -> Vec<Header> {
    let mut said = Vec::new();
    for (name, value) in call.headers {
        let name = name.as_str();
        let Ok(value) = value.to_str() else { continue };
        let value = value.replace("aws-chunked", "");
        let value = value.trim_matches([',', ' ']);
        if (name.starts_with(META) || KEPT.contains(&name)) && !value.is_empty() {
            said.push((name.to_owned().into(), value.to_owned()));
        }
    }
    said
}

/// The part of `length` bytes that is asked for; `None`: all.
///
/// # Errors
/// There is no such part.
pub(super) fn range(call: &Call<'_>, length: usize) -> Result<Option<Range<usize>>, Refusal> {
    let Some((first, last)) =
        call.header("range").strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.parse::<usize>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) => first..last.saturating_add(1).min(length),
        (Some(first), None) => first..length,
        (None, Some(last)) => length.saturating_sub(last)..length,
        (None, None) => return Ok(None),
    };
    match range.is_empty() {
        true => Err(refusal(416, "InvalidRange", "The requested range is not satisfiable")),
        false => Ok(Some(range)),
    }
}
