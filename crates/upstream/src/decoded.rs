//! Answers that come compressed although plain bytes were asked for, as some servers and proxies
//! send them whatever the request says.
//!
//! What comes out is bounded by what goes in at a time, so a small answer cannot fill the memory;
//! how much of an answer is kept, its reader says.

use std::io::{Error as IoError, Result as IoResult, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::Error;

/// So much is decoded at a time.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// More does not come of that in good faith: deflate's best is a thousandfold.
const OUTPUT_BYTES_MAX: usize = 32 << 20;
/// RFC 9659: what an encoder may ask of a decoder's memory, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const BROTLI_BUFFER_BYTES: usize = 16 << 10;

/// Decodes one body.
pub(crate) struct Decoder {
    kind: Kind,
    pending: Bytes,
    has_ended: bool,
}

enum Kind {
    Gzip(MultiGzDecoder<Sink>),
    /// Of which kind, the first byte says.
    Deflate,
    Zlib(ZlibDecoder<Sink>),
    /// As some servers read the name.
    Bare(DeflateDecoder<Sink>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(zstd::stream::write::Decoder<'static, Sink>),
    /// By the server's name of it.
    Unknown(String),
}

/// Collects what comes out, up to a bound.
#[derive(Debug, Default)]
struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(IoError::other("it grows beyond all bounds"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Decoder {
    /// For an answer with these headers, which are those of the decoded answer from then on; `None`:
    /// it is not encoded.
    pub(crate) fn of(headers: &mut HeaderMap) -> Option<Box<Self>> {
        let encoding = headers.get(CONTENT_ENCODING)?;
        let name = encoding.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        let kind = match name.as_str() {
            "" | "identity" => return None,
            "gzip" | "x-gzip" => Kind::Gzip(MultiGzDecoder::new(Sink::default())),
            "deflate" => Kind::Deflate,
            "br" => {
                let decoder = DecompressorWriter::new(Sink::default(), BROTLI_BUFFER_BYTES);
                Kind::Brotli(Box::new(decoder))
            }
            "zstd" => zstd(),
            _ => Kind::Unknown(name),
        };
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Some(Box::new(Self { kind, pending: Bytes::new(), has_ended: false }))
    }

    /// Gives the next bytes of the body; the ones before must have been decoded.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.pending = chunk;
    }

    /// Some of what the bytes that are there stand for; `None`: more of them are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.pending.is_empty() {
            let input = self.pending.split_to(self.pending.len().min(INPUT_BYTES_MAX));
            let out = self.kind.decode(&input).map_err(|why| self.kind.fault(&why))?;
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }

    /// The body has ended; what was still owed.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, Error> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(None);
        }
        let out = self.kind.finish().map_err(|why| self.kind.fault(&why))?;
        Ok((!out.is_empty()).then(|| out.into()))
    }
}

fn zstd() -> Kind {
    let made = zstd::stream::write::Decoder::new(Sink::default()).and_then(|mut decoder| {
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(decoder)
    });
    made.map_or_else(|_| Kind::Unknown("zstd".to_owned()), Kind::Zstd)
}

impl Kind {
    fn decode(&mut self, input: &[u8]) -> IoResult<Vec<u8>> {
        if let (Self::Deflate, Some(first)) = (&*self, input.first()) {
            // RFC 1950: the method is 8 and the window at most 7, which no bare block begins with.
            *self = match first & 0x8f {
                0x08 => Self::Zlib(ZlibDecoder::new(Sink::default())),
                _ => Self::Bare(DeflateDecoder::new(Sink::default())),
            };
        }
        let writer: &mut dyn Write = match self {
            Self::Gzip(decoder) => decoder,
            Self::Zlib(decoder) => decoder,
            Self::Bare(decoder) => decoder,
            Self::Brotli(decoder) => decoder,
            Self::Zstd(decoder) => decoder,
            Self::Deflate => return Ok(Vec::new()),
            Self::Unknown(_) => return Err(IoError::other("nobody here can read it")),
        };
        writer.write_all(input)?;
        // What is there must not wait for more: events come in small pieces.
        writer.flush()?;
        Ok(self.taken())
    }

    fn finish(&mut self) -> IoResult<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish()?,
            Self::Zlib(decoder) => decoder.try_finish()?,
            Self::Bare(decoder) => decoder.try_finish()?,
            Self::Brotli(decoder) => decoder.close()?,
            Self::Zstd(decoder) => decoder.flush()?,
            Self::Deflate | Self::Unknown(_) => {}
        }
        Ok(self.taken())
    }

    fn taken(&mut self) -> Vec<u8> {
        let sink = match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Bare(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
            Self::Deflate | Self::Unknown(_) => return Vec::new(),
        };
        std::mem::take(&mut sink.0)
    }

    fn fault(&self, why: &IoError) -> Error {
        let name = match self {
            Self::Gzip(_) => "gzip",
            Self::Deflate | Self::Zlib(_) | Self::Bare(_) => "deflate",
            Self::Brotli(_) => "br",
            Self::Zstd(_) => "zstd",
            Self::Unknown(name) => name,
        };
        Error::Encoding { name: name.to_owned(), why: why.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
        out.extend_from_slice(&decoder.finish()?.unwrap_or_default());
        assert_eq!(decoder.finish().unwrap(), None);
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
        for name in ["gzip", "deflate", "br", "zstd", "rot13", "gzip, br"] {
            let fault = decoded(name, &[0xff; 99], 99).unwrap_err();
            assert!(matches!(&fault, Error::Encoding { name: found, .. } if found == name));
        }
        let mut none = HeaderMap::new();
        assert!(Decoder::of(&mut none).is_none());
        none.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert!(Decoder::of(&mut none).is_none());
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
