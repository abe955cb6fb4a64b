//! One way in which bytes may be encoded, whichever library reads it: bytes in, what they stand for
//! out, up to a bound.

use std::io::{Error as IoError, Result as IoResult, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::Error;

/// More does not come of that in good faith: deflate's best is a thousandfold.
pub(super) const OUTPUT_BYTES_MAX: usize = 32 << 20;
/// RFC 9659: what an encoder may ask of a decoder's memory, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const BROTLI_BUFFER_BYTES: usize = 16 << 10;

/// How bytes are encoded, and its decoder.
pub(super) enum Kind {
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
pub(super) struct Sink(Vec<u8>);

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

fn zstd() -> Kind {
    let made = zstd::stream::write::Decoder::new(Sink::default()).and_then(|mut decoder| {
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(decoder)
    });
    made.map_or_else(|_| Kind::Unknown("zstd".to_owned()), Kind::Zstd)
}

impl Kind {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "gzip" | "x-gzip" => Self::Gzip(MultiGzDecoder::new(Sink::default())),
            "deflate" => Self::Deflate,
            "br" => {
                let decoder = DecompressorWriter::new(Sink::default(), BROTLI_BUFFER_BYTES);
                Self::Brotli(Box::new(decoder))
            }
            "zstd" => zstd(),
            _ => Self::Unknown(name.to_owned()),
        }
    }

    pub(super) fn decode(&mut self, input: &[u8]) -> IoResult<Vec<u8>> {
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

    pub(super) fn finish(&mut self) -> IoResult<Vec<u8>> {
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

    pub(super) fn fault(&self, why: &IoError) -> Error {
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
