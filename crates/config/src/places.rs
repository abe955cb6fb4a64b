//! Lines and columns of byte offsets, without counting from the start of a line each time: a file may
//! have one line, and a problem at every few bytes of it.

/// Characters are counted up to every so many bytes beforehand.
const STRIDE: usize = 256;

/// Where lines begin in a text, and how many characters there are up to each stride.
#[derive(Debug)]
pub(crate) struct Places {
    line_starts: Vec<usize>,
    /// Characters that begin before byte `STRIDE * index`.
    before: Vec<usize>,
}

impl Places {
    pub(crate) fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let mut count = 0;
        let mut before = vec![0];
        for stride in text.as_bytes().chunks(STRIDE) {
            count += beginnings(stride);
            before.push(count);
        }
        Self { line_starts, before }
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub(crate) fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = offset.min(text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_start(line);
        let column = self.characters(text, offset) - self.characters(text, start);
        (line, column + 1)
    }

    /// Where a line begins; 0 for one that is not there.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// How many characters begin before `offset`.
    fn characters(&self, text: &str, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let counted = self.before.get(stride).copied().unwrap_or(0);
        counted + text.as_bytes().get(stride * STRIDE..offset).map_or(0, beginnings)
    }
}

/// How many characters begin within `bytes` of UTF-8.
fn beginnings(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_that_counting_finds() {
        let lines = ["", "a", "üü", "{\"k\": \"\u{1f600}\"}"].map(|part| part.repeat(150));
        for text in [lines.join("\n"), lines.concat(), String::new(), "\n\n".to_owned()] {
            let places = Places::of(&text);
            for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
                let before = &text[..offset];
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
                assert_eq!(places.position(&text, offset), (line, column), "{offset}");
            }
        }
    }
}
