//! Whether what comes is the stream that was asked for: servers call it what they like, and some answer
//! with something else.

use weir_types::Framing;

/// How lines of server-sent events begin.
const SSE_LINES: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];

/// Whether a stream that is framed by `framing` begins with `chunk`. `is_called_so`: the answer's
/// head says that it is one.
pub(crate) fn like_stream(framing: Framing, is_called_so: bool, chunk: &[u8]) -> bool {
    let chunk = match framing {
        Framing::EventStream | Framing::EventChunks => chunk,
        Framing::Sse | Framing::JsonArray | Framing::Ndjson => chunk.trim_ascii_start(),
    };
    let Some(first) = chunk.first() else { return is_called_so };
    match framing {
        Framing::Sse if matches!(first, b'{' | b'[' | b'<') => false,
        Framing::Sse => {
            let fits = |line: &[u8]| chunk.starts_with(line) || line.starts_with(chunk);
            is_called_so || SSE_LINES.into_iter().any(fits)
        }
        // The length of the first message: none has 16 MiB.
        Framing::EventStream | Framing::EventChunks => *first == 0,
        Framing::JsonArray => *first == b'[',
        Framing::Ndjson => *first == b'{',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_beginning() {
        for (framing, is_called_so, chunk, expected) in [
            (Framing::Sse, false, "data: {}", true),
            (Framing::Sse, false, "\r\n: hi", true),
            (Framing::Sse, false, "eve", true),
            (Framing::Sse, false, "event:x", true),
            (Framing::Sse, true, "foo: bar", true),
            (Framing::Sse, false, "foo: bar", false),
            (Framing::Sse, true, "{\"a\":1}", false),
            (Framing::Sse, true, "  <html>", false),
            (Framing::Sse, true, "\n", true),
            (Framing::Sse, false, "", false),
            (Framing::JsonArray, true, "[{", true),
            (Framing::JsonArray, true, "{\"error\":1}", false),
            (Framing::EventStream, false, "\0\0\0x", true),
            (Framing::EventStream, true, "{}", false),
            (Framing::Ndjson, false, "{}", true),
        ] {
            let found = like_stream(framing, is_called_so, chunk.as_bytes());
            assert_eq!(found, expected, "{framing:?} {is_called_so} {chunk:?}");
        }
    }
}
