//! Answers that come compressed although plain bytes were asked for, as some servers and proxies
//! send them whatever the request says.
//!
//! What comes out is bounded by what goes in at a time, also where one encoding lies within another,
//! so a small answer cannot fill the memory; how much of an answer is kept, its reader says.

mod kind;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use kind::Kind;

use crate::Error;

/// So much is decoded at a time.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// More encodings around each other have no purpose but to cost something.
const STAGES_MAX: usize = 4;

/// Decodes one body.
pub(crate) struct Decoder {
    /// The encoding that was put on last is the first.
    stages: Vec<Stage>,
}

/// One encoding.
struct Stage {
    kind: Kind,
    pending: Bytes,
    /// Nothing more goes in.
    has_ended: bool,
    /// Nothing more comes out.
    is_over: bool,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("stages", &self.stages.len()).finish()
    }
}

impl Decoder {
    /// For an answer with these headers, which are those of the decoded answer from then on; `None`:
    /// it is not encoded.
    pub(crate) fn of(headers: &mut HeaderMap) -> Option<Box<Self>> {
        let names = headers.get_all(CONTENT_ENCODING).iter();
        let names: Vec<_> = names.map(|line| line.to_str().unwrap_or("?")).collect();
        let names = names.join(",").to_ascii_lowercase();
        let names = names.split(',').map(str::trim);
        let names: Vec<_> = names.filter(|name| !matches!(*name, "" | "identity")).collect();
        if names.is_empty() {
            return None;
        }
        let stages = match names.len() {
            1..=STAGES_MAX => {
                names.iter().rev().map(|name| Stage::new(Kind::named(name))).collect()
            }
            _ => vec![Stage::new(Kind::Unknown(names.join(", ")))],
        };
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Some(Box::new(Self { stages }))
    }

    /// Gives the next bytes of the body; the ones before must have been decoded.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if let Some(first) = self.stages.first_mut() {
            first.pending = chunk;
        }
    }

    /// The body has ended.
    pub(crate) fn end(&mut self) {
        if let Some(first) = self.stages.first_mut() {
            first.has_ended = true;
        }
    }

    /// All has been decoded.
    pub(crate) fn is_over(&self) -> bool {
        self.stages.last().is_none_or(|last| last.is_over)
    }

    /// Some of what the bytes that are there stand for; `None`: more of them are needed, or all has
    /// been decoded.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Error> {
        next_of(&mut self.stages)
    }
}

/// Some of what comes out of the last of `stages`. Each is asked only when the next one has used up
/// what it was given, so none holds more than one piece.
fn next_of(stages: &mut [Stage]) -> Result<Option<Bytes>, Error> {
    let Some((last, before)) = stages.split_last_mut() else { return Ok(None) };
    loop {
        if let Some(out) = last.next()? {
            return Ok(Some(out));
        }
        if last.is_over {
            return Ok(None);
        }
        match next_of(before)? {
            Some(piece) => last.pending = piece,
            None if before.last().is_some_and(|stage| stage.is_over) => last.has_ended = true,
            None => return Ok(None),
        }
    }
}

impl Stage {
    fn new(kind: Kind) -> Self {
        Self { kind, pending: Bytes::new(), has_ended: false, is_over: false }
    }

    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.pending.is_empty() {
            let input = self.pending.split_to(self.pending.len().min(INPUT_BYTES_MAX));
            let out = self.kind.decode(&input).map_err(|why| self.kind.fault(&why))?;
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        if !self.has_ended || std::mem::replace(&mut self.is_over, true) {
            return Ok(None);
        }
        let out = self.kind.finish().map_err(|why| self.kind.fault(&why))?;
        Ok((!out.is_empty()).then(|| out.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;

    use super::kind::OUTPUT_BYTES_MAX;
    use super::*;

    const TEXT: &[u8] = b"data: {\"choices\":[]}\n\ndata: [DONE]\n\n";

    fn decoder(name: &'static str) -> Box<Decoder> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(9));
        let decoder = Decoder::of(&mut headers).unwrap();
        assert!(headers.is_empty());
        decoder
    }

    fn decoded(name: &'static str, body: &[u8], step: usize) -> Result<Vec<u8>, Error> {
        let (mut decoder, mut out) = (decoder(name), Vec::new());
        for chunk in body.chunks(step) {
            decoder.push(Bytes::copy_from_slice(chunk));
            while let Some(bytes) = decoder.next()? {
                out.extend_from_slice(&bytes);
            }
        }
        decoder.end();
        while let Some(bytes) = decoder.next()? {
            out.extend_from_slice(&bytes);
        }
        assert!(decoder.is_over() && decoder.next().unwrap().is_none());
        Ok(out)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// `TEXT` as `brotli -c` gives it: this crate has no encoder.
    const BROTLI: &[u8] = include_bytes!("../fixtures/text.br");

    #[test]
    fn every_encoding_is_read_however_it_is_cut() {
        let zstd = zstd::encode_all(TEXT, 3).unwrap();
        let zlib = zlib(TEXT);
        let bare = &zlib[2..zlib.len() - 4];
        let two = [gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat();
        for (name, body) in [
            ("gzip", &*gzip(TEXT)),
            ("x-gzip", &two),
            ("GZIP", &two),
            ("deflate", &zlib),
            ("deflate", bare),
            ("br", BROTLI),
            ("zstd", &zstd),
        ] {
            for step in [1, 3, body.len()] {
                assert_eq!(decoded(name, body, step).unwrap(), TEXT, "{name} {step}");
            }
        }
    }

    #[test]
    fn encodings_around_each_other_are_taken_off_in_turn() {
        let zstd = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
        for (name, body) in [
            ("gzip, zstd", zstd(&gzip(TEXT))),
            ("br,GZIP", gzip(BROTLI)),
            ("zstd, gzip, deflate", zlib(&gzip(&zstd(TEXT)))),
            ("identity, gzip, , gzip", gzip(&gzip(TEXT))),
        ] {
            for step in [1, 3, body.len()] {
                assert_eq!(decoded(name, &body, step).unwrap(), TEXT, "{name} {step}");
            }
        }
        // The other way round it is no zstd.
        let fault = decoded("zstd, gzip", &zstd(&gzip(TEXT)), 99).unwrap_err();
        assert!(matches!(&fault, Error::Encoding { name, .. } if name == "gzip"), "{fault}");
    }

    #[test]
    fn a_header_for_each_encoding_is_the_same_as_one_for_all() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("br"));
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let mut decoder = Decoder::of(&mut headers).unwrap();
        assert!(headers.is_empty());
        decoder.push(gzip(BROTLI).into());
        assert_eq!(decoder.next().unwrap().unwrap(), TEXT);
    }

    #[test]
    fn what_is_there_does_not_wait_for_more() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(TEXT).unwrap();
        encoder.flush().unwrap();
        let mut decoder = decoder("gzip");
        decoder.push(Bytes::copy_from_slice(encoder.get_ref()));
        assert_eq!(decoder.next().unwrap().unwrap(), TEXT);
    }

    #[test]
    fn what_is_not_so_encoded_is_an_error() {
        for name in ["gzip", "deflate", "br", "zstd", "rot13", "br, br, br, br, br"] {
            let fault = decoded(name, &[0xff; 99], 99).unwrap_err();
            assert!(matches!(&fault, Error::Encoding { name: found, .. } if found == name));
        }
        let mut none = HeaderMap::new();
        assert!(Decoder::of(&mut none).is_none());
        none.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert!(Decoder::of(&mut none).is_none());
    }

    #[test]
    fn of_encodings_the_one_that_cannot_be_read_is_named() {
        for (names, wrong) in
            [("gzip, br", "br"), ("rot13, gzip", "rot13"), ("gzip, rot13", "rot13")]
        {
            let fault = decoded(names, &gzip(&[0xff; 99]), 99).unwrap_err();
            assert!(matches!(&fault, Error::Encoding { name, .. } if name == wrong), "{fault}");
        }
    }

    #[test]
    fn an_encoding_within_another_is_bounded_by_pieces_as_well() {
        let (len, inner) = (40 << 20, gzip(&vec![0; 40 << 20]));
        let outer = zstd::encode_all(&*inner, 3).unwrap();
        assert!(inner.len() > INPUT_BYTES_MAX && outer.len() < INPUT_BYTES_MAX);
        let (mut decoder, mut sizes) = (decoder("gzip, zstd"), Vec::new());
        decoder.push(outer.into());
        while let Some(piece) = decoder.next().unwrap() {
            sizes.push(piece.len());
        }
        assert_eq!(sizes.iter().sum::<usize>(), len);
        assert!(sizes.iter().all(|size| *size <= OUTPUT_BYTES_MAX), "{sizes:?}");
    }

    #[test]
    fn a_small_body_cannot_fill_the_memory() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
        for _ in 0..1024 {
            encoder.write_all(&[0; 1 << 16]).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < INPUT_BYTES_MAX, "{}", bomb.len());
        let fault = decoded("zstd", &bomb, bomb.len()).unwrap_err();
        assert!(fault.to_string().contains("bounds"), "{fault}");
    }
}
