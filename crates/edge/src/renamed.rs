//! Ids in an answer that passes: the provider's own become ours. A piece is searched and not parsed;
//! what does not hold one of them is not copied.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use memchr::memmem::Finder;
use weir_rpc::{Frame, FrameStream};

/// One id and what becomes of it, both as texts of JSON.
struct Id {
    finder: Finder<'static>,
    with: Vec<u8>,
}

/// The ids of one answer, and what a piece left behind that may be the beginning of one.
struct Renames {
    ids: Vec<Id>,
    rest: Bytes,
}

/// `frames` with other ids: `(the provider's, ours)`.
pub(crate) fn renamed(frames: FrameStream, ids: &[(String, String)]) -> FrameStream {
    let id = |(own, ours): &(String, String)| Id {
        finder: Finder::new(format!("\"{own}\"").as_bytes()).into_owned(),
        with: format!("\"{ours}\"").into_bytes(),
    };
    let renames = Renames { ids: ids.iter().map(id).collect(), rest: Bytes::new() };
    let begin = (frames, Some(renames), None);
    Box::pin(stream::unfold(begin, |(mut frames, renames, mut last)| async move {
        if let Some(last) = last.take() {
            return Some((last, (frames, None, None)));
        }
        let mut renames = renames?;
        match frames.next().await {
            Some(Frame::Chunk(chunk)) => {
                Some((Frame::Chunk(renames.take(chunk)), (frames, Some(renames), None)))
            }
            end => {
                let rest = std::mem::take(&mut renames.rest);
                match (rest.is_empty(), end) {
                    (true, end) => end.map(|end| (end, (frames, None, None))),
                    (false, end) => Some((Frame::Chunk(rest), (frames, None, end))),
                }
            }
        }
    }))
}

impl Renames {
    /// What can be passed on of `chunk` and what was left of those before.
    fn take(&mut self, chunk: Bytes) -> Bytes {
        let mut chunk = match self.rest.is_empty() {
            true => chunk,
            false => [std::mem::take(&mut self.rest), chunk].concat().into(),
        };
        for id in &self.ids {
            chunk = id.replaced(chunk);
        }
        let begun = self.ids.iter().map(|id| id.begun(&chunk)).max().unwrap_or(0);
        // What follows an escape is no beginning, so it has to be known.
        let begun = begun.max(usize::from(chunk.ends_with(b"\\")));
        self.rest = chunk.split_off(chunk.len() - begun);
        chunk
    }
}

impl Id {
    fn replaced(&self, chunk: Bytes) -> Bytes {
        let mut pieces = BytesMut::new();
        let mut done = 0;
        for at in self.finder.find_iter(&chunk) {
            if !is_escaped(&chunk, at) {
                pieces.extend_from_slice(chunk.get(done..at).unwrap_or_default());
                pieces.extend_from_slice(&self.with);
                done = at + self.finder.needle().len();
            }
        }
        if done == 0 {
            return chunk;
        }
        pieces.extend_from_slice(chunk.get(done..).unwrap_or_default());
        pieces.freeze()
    }

    /// How many of the last bytes may be its beginning.
    fn begun(&self, chunk: &[u8]) -> usize {
        let needle = self.finder.needle();
        let begin = chunk.len().saturating_sub(needle.len().saturating_sub(1));
        let tail = chunk.get(begin..).unwrap_or_default();
        let quotes = memchr::memchr_iter(b'"', tail).map(|at| begin + at);
        let texts = quotes.filter(|at| !is_escaped(chunk, *at)).filter_map(|at| chunk.get(at..));
        texts.filter(|end| needle.starts_with(end)).map(<[u8]>::len).next().unwrap_or(0)
    }
}

/// Whether the quote at `at` stands within a text.
fn is_escaped(chunk: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| chunk.get(before)) == Some(&b'\\')
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use weir_rpc::End;

    use super::*;

    /// What becomes of a text, however it is cut.
    fn through(text: &str, ids: &[(&str, &str)]) -> String {
        let ids: Vec<_> = ids.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let mut all = Vec::new();
        for size in [1, 2, 7, 16, text.len().max(1)] {
            let chunks = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Frame::Chunk);
            let frames: Vec<_> = chunks.chain([Frame::End(Box::<End>::default())]).collect();
            let passed = renamed(Box::pin(stream::iter(frames)), &ids).collect::<Vec<_>>();
            let passed = passed.now_or_never().unwrap();
            assert!(matches!(passed.last(), Some(Frame::End(_))));
            let bytes = passed.iter().filter_map(|frame| match frame {
                Frame::Chunk(chunk) => Some(chunk.to_vec()),
                Frame::End(_) => None,
            });
            all.push(String::from_utf8(bytes.collect::<Vec<_>>().concat()).unwrap());
        }
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
        all.remove(0)
    }

    #[test]
    fn ids_are_replaced_wherever_pieces_are_cut() {
        let ids = [("resp_1", "resp_ours"), ("resp_0", "resp_before")];
        for (text, expected) in [
            (
                r#"{"id":"resp_1","previous_response_id": "resp_0","x":"resp_12"}"#,
                r#"{"id":"resp_ours","previous_response_id": "resp_before","x":"resp_12"}"#,
            ),
            (r#"{"text":"say \"resp_1"}"#, r#"{"text":"say \"resp_1"}"#),
            (r#"{"text":"say \"resp_1\""}"#, r#"{"text":"say \"resp_1\""}"#),
            (r#"{"id":"resp_"#, r#"{"id":"resp_"#),
            ("", ""),
        ] {
            assert_eq!(through(text, &ids), expected);
        }
    }

    #[test]
    fn what_holds_no_id_is_not_copied() {
        let id = Id { finder: Finder::new("\"resp_1\"").into_owned(), with: Vec::new() };
        let mut renames = Renames { ids: vec![id], rest: Bytes::new() };
        let chunk = Bytes::from_static(b"data: {\"delta\":\"Hello\"}\n\n");
        assert_eq!(renames.take(chunk.clone()).as_ptr(), chunk.as_ptr());
        assert!(renames.rest.is_empty());
    }
}
