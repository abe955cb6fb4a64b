//! Bodies in chunks as Amazon's clients send files whose checksum they do not know beforehand
//! (`aws-chunked`): the bytes between lines that say how many come, and behind them fields such as the
//! checksum. Nothing of a file is held, only a line that has not ended.
//!
//! Signatures of chunks are not looked at: they are made with a secret that nobody here knows.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// A line is no longer.
const LINE_BYTES_MAX: usize = 1024;
/// Behind a body there are no more fields.
const FIELDS_MAX: usize = 8;
/// Digits of a length.
const DIGITS_MAX: usize = 15;

/// Why bytes are no such body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    /// A line does not say how long a chunk is.
    #[error("a chunk of the body (aws-chunked) begins with no length in hexadecimal digits")]
    Length,
    /// A chunk goes on behind its end.
    #[error("a chunk of the body (aws-chunked) is longer than it says")]
    TooLong,
    /// A line does not end.
    #[error("a line between chunks of the body (aws-chunked) is over {LINE_BYTES_MAX} bytes")]
    Line,
    /// What stands behind the chunks is no list of fields.
    #[error("behind the chunks of the body (aws-chunked) stands a line that is not `name:value`")]
    Field,
    /// It goes on behind its end.
    #[error("the body (aws-chunked) goes on behind its last line")]
    Behind,
    /// It ended in the middle.
    #[error("the body (aws-chunked) ended before its last line")]
    EndedEarly,
}

/// A field behind a body.
pub type Field = (String, String);

/// Takes the chunks apart.
#[derive(Debug, Default)]
pub struct Reader {
    come: Bytes,
    /// The beginning of a line whose end has not come.
    line: BytesMut,
    state: State,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// A length comes.
    #[default]
    Head,
    /// So many bytes come.
    Data(u64),
    /// The end of the line behind a chunk comes.
    Tail,
    /// Fields come, or the last line.
    Fields,
    Over,
}

impl Reader {
    /// Takes what came next; what came before must have been given out.
    pub fn push(&mut self, bytes: Bytes) {
        self.come = bytes;
    }

    /// The next bytes of the file; `None`: more must come.
    ///
    /// # Errors
    /// It is no such body.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>, ChunkFault> {
        loop {
            if let State::Data(left) = self.state {
                if self.come.is_empty() {
                    return Ok(None);
                }
                let some = usize::try_from(left).unwrap_or(usize::MAX).min(self.come.len());
                let piece = self.come.split_to(some);
                let left = left - some as u64;
                self.state = if left == 0 { State::Tail } else { State::Data(left) };
                return Ok(Some(piece));
            }
            if self.state == State::Over {
                return if self.come.is_empty() { Ok(None) } else { Err(ChunkFault::Behind) };
            }
            let Some(line) = self.whole_line()? else { return Ok(None) };
            self.state = match self.state {
                State::Head => match length(&line)? {
                    0 => State::Fields,
                    length => State::Data(length),
                },
                State::Tail if line.is_empty() => State::Head,
                State::Tail => return Err(ChunkFault::TooLong),
                _ if line.is_empty() => State::Over,
                _ => {
                    self.fields.push(field(&line)?);
                    if self.fields.len() > FIELDS_MAX {
                        return Err(ChunkFault::Field);
                    }
                    State::Fields
                }
            };
        }
    }

    /// All has come: the fields behind it.
    ///
    /// # Errors
    /// It has not.
    pub fn finish(self) -> Result<Vec<Field>, ChunkFault> {
        if self.state == State::Over { Ok(self.fields) } else { Err(ChunkFault::EndedEarly) }
    }

    /// The next line without its end.
    fn whole_line(&mut self) -> Result<Option<Bytes>, ChunkFault> {
        let end = memchr(b'\n', &self.come);
        let some = self.come.split_to(end.unwrap_or(self.come.len()));
        if self.line.len() + some.len() > LINE_BYTES_MAX {
            return Err(ChunkFault::Line);
        }
        if end.is_some() {
            self.come.advance(1);
        }
        self.line.extend_from_slice(&some);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = self.line.split().freeze();
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        Ok(Some(line))
    }
}

/// What stands before an extension, which is a signature.
fn length(line: &[u8]) -> Result<u64, ChunkFault> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let is_number = !digits.is_empty()
        && digits.len() <= DIGITS_MAX
        && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number);
    let length = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    length.ok_or(ChunkFault::Length)
}

fn field(line: &[u8]) -> Result<Field, ChunkFault> {
    let line = std::str::from_utf8(line).map_err(|_| ChunkFault::Field)?;
    let (name, value) = line.split_once(':').ok_or(ChunkFault::Field)?;
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
    let is_value = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if is_name(&name) && is_value { Ok((name, value)) } else { Err(ChunkFault::Field) }
}

/// `piece` as a chunk.
#[must_use]
pub fn chunk(piece: Bytes) -> [Bytes; 3] {
    [format!("{:x}\r\n", piece.len()).into(), piece, Bytes::from_static(b"\r\n")]
}

/// What ends such a body.
#[must_use]
pub fn last(fields: &[Field]) -> Bytes {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
    format!("0\r\n{fields}\r\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], step: usize) -> Result<(Vec<u8>, Vec<Field>), ChunkFault> {
        let (mut reader, mut out) = (Reader::default(), Vec::new());
        for piece in input.chunks(step.max(1)) {
            reader.push(Bytes::copy_from_slice(piece));
            while let Some(data) = reader.next_piece()? {
                assert!(!data.is_empty());
                out.extend_from_slice(&data);
            }
        }
        Ok((out, reader.finish()?))
    }

    #[test]
    fn chunks_are_read_however_they_arrive() {
        // As botocore sends them, and as older clients sign them.
        let plain = b"5\r\nhello\r\n6\r\n\r\nwor\n\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n";
        let signed = b"5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n";
        for step in 1..70 {
            let (data, fields) = read(plain, step).unwrap();
            assert_eq!(data, b"hello\r\nwor\n");
            let crc = ("x-amz-checksum-crc32".to_owned(), "AAAA==".to_owned());
            assert_eq!(fields, [crc]);
            assert_eq!(read(signed, step).unwrap(), (b"hello".to_vec(), Vec::new()));
        }
        assert_eq!(read(b"0\r\n\r\n", 9).unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_no_such_body_is_refused() {
        let long = format!("5;{}", "x".repeat(LINE_BYTES_MAX));
        let many = format!("0\r\n{}\r\n", "a:b\r\n".repeat(FIELDS_MAX + 1));
        for (input, fault) in [
            (&b"hello"[..], ChunkFault::EndedEarly),
            (b"hello\r\n", ChunkFault::Length),
            (b"\r\n", ChunkFault::Length),
            (b"-1\r\n", ChunkFault::Length),
            (b"1111111111111111\r\n", ChunkFault::Length),
            (b"5\r\nhello!\r\n", ChunkFault::TooLong),
            (b"5\r\nhel", ChunkFault::EndedEarly),
            (b"0\r\n", ChunkFault::EndedEarly),
            (b"0\r\nnothing\r\n\r\n", ChunkFault::Field),
            (b"0\r\na b:c\r\n\r\n", ChunkFault::Field),
            (b"0\r\n\r\nmore", ChunkFault::Behind),
            (long.as_bytes(), ChunkFault::Line),
            (many.as_bytes(), ChunkFault::Field),
        ] {
            for step in [1, 7, 10_000] {
                let text = String::from_utf8_lossy(input);
                assert_eq!(read(input, step), Err(fault), "{text} {step}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(data: Vec<Vec<u8>>, step in 1_usize..50, odd: Vec<u8>) {
            let fields = [("x-amz-checksum-sha1".to_owned(), "abc=".to_owned())];
            let mut text = Vec::new();
            for piece in data.iter().filter(|piece| !piece.is_empty()) {
                text.extend(chunk(Bytes::copy_from_slice(piece)).concat());
            }
            text.extend_from_slice(&last(&fields));
            assert_eq!(read(&text, step), Ok((data.concat(), fields.to_vec())));
            // Whatever comes, it is judged, and in one way however it arrives.
            assert_eq!(read(&odd, step), read(&odd, 1));
        }
    }
}
