//! Reading a document as it is scanned: what is wanted of it is taken on the way, in the one pass that
//! validates it. Knows nothing of what the members mean.
//!
//! For whoever looks at a few members of documents that are mostly alike. What is unusual is not read:
//! whoever reads is told at the end, and looks at the document at leisure.

use super::DEPTH_MAX;
use super::scan::{Checked, Scanner};

/// Stands before a value, which may be taken once. A value that is not taken is validated and skipped.
///
/// Once something unusual was met nothing more is found.
pub(crate) struct Cursor<'a> {
    scanner: Scanner<'a>,
    /// How many arrays and objects the value stands in.
    depth: u32,
    is_usual: bool,
}

impl<'a> Cursor<'a> {
    /// Hands `visit` the name of each member of the object that `document` is, standing before its
    /// value. `None` if this is not one object, a name that is handed over or a text that is asked for
    /// has escapes, or `visit` [gave up](Self::give_up): then what was found means nothing.
    pub(crate) fn read(document: &'a [u8], visit: impl FnMut(&mut Self, &'a [u8])) -> Option<()> {
        simdutf8::basic::from_utf8(document).ok()?;
        let mut cursor = Self { scanner: Scanner::new(document), depth: 0, is_usual: true };
        let is_object = cursor.members(visit);
        (is_object && cursor.is_usual && cursor.scanner.end().is_ok()).then_some(())
    }

    /// Hands `visit` each member of the object that follows; false if no object does.
    pub(crate) fn members(&mut self, mut visit: impl FnMut(&mut Self, &'a [u8])) -> bool {
        let mut more = self.enter(b'{', b'}');
        let enters = more.is_some();
        while more == Some(true) {
            let name = self.tried(Scanner::member_name).flatten();
            let Some(name) = name else {
                self.give_up();
                break;
            };
            self.visit(|cursor| visit(cursor, name));
            more = self.tried(|scanner| scanner.continues(b'}'));
        }
        self.depth -= u32::from(enters);
        enters
    }

    /// Hands `visit` the index of each element of the array that follows; false if no array does.
    pub(crate) fn elements(&mut self, mut visit: impl FnMut(&mut Self, usize)) -> bool {
        let mut more = self.enter(b'[', b']');
        let enters = more.is_some();
        let mut index = 0;
        while more == Some(true) {
            self.visit(|cursor| visit(cursor, index));
            more = self.tried(|scanner| scanner.continues(b']'));
            index += 1;
        }
        self.depth -= u32::from(enters);
        enters
    }

    /// The text that follows; `None` if it is not a string.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        if self.scanner.peek() != Some(b'"') {
            return None;
        }
        let text = self.tried(Scanner::plain_string).flatten();
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        self.is_usual &= text.is_some();
        text
    }

    /// The whole number that follows; `None` if that is something else.
    pub(crate) fn number(&mut self) -> Option<u64> {
        std::str::from_utf8(self.raw()?).ok()?.parse().ok()
    }

    /// The value that follows, as it is written.
    pub(crate) fn raw(&mut self) -> Option<&'a [u8]> {
        let depth = self.depth;
        self.tried(|scanner| scanner.skipped(depth))
    }

    /// What follows is not as whoever reads expects it.
    pub(crate) fn give_up(&mut self) {
        self.is_usual = false;
    }

    /// Steps into the object or the array that follows, if one does: whether it holds anything.
    fn enter(&mut self, open: u8, close: u8) -> Option<bool> {
        self.scanner.skip_blanks();
        if !self.is_usual || self.scanner.peek() != Some(open) {
            return None;
        }
        self.depth += 1;
        let holds = self.tried(|scanner| scanner.open(close)).unwrap_or(false);
        self.is_usual &= !holds || self.depth <= DEPTH_MAX;
        Some(holds && self.is_usual)
    }

    /// Lets `visit` take the value that follows, or skips it.
    fn visit(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scanner.skip_blanks();
        let before = self.scanner.position();
        visit(self);
        if self.scanner.position() == before {
            let _skipped = self.raw();
        }
    }

    fn tried<T>(&mut self, step: impl FnOnce(&mut Scanner<'a>) -> Checked<T>) -> Option<T> {
        let done = if self.is_usual { step(&mut self.scanner).ok() } else { None };
        self.is_usual = done.is_some();
        done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Members;

    /// What a reader finds in `document`: names, the numbers of `n`, the texts in `t`, each with its
    /// depth.
    fn found(document: &[u8]) -> Option<Vec<String>> {
        fn take(cursor: &mut Cursor<'_>, name: &[u8], out: &mut Vec<String>) {
            let depth = cursor.depth;
            out.push(format!("{depth} {}", String::from_utf8_lossy(name)));
            match name {
                b"n" => out.extend(cursor.number().map(|number| number.to_string())),
                b"o" => drop(cursor.members(|cursor, name| take(cursor, name, out))),
                b"l" => drop(cursor.elements(|cursor, index| {
                    out.push(format!("{index}"));
                    out.extend(cursor.text().map(str::to_owned));
                })),
                b"?" => cursor.give_up(),
                _ => {}
            }
        }
        let mut out = Vec::new();
        Cursor::read(document, |cursor, name| take(cursor, name, &mut out))?;
        Some(out)
    }

    #[test]
    fn what_is_wanted_is_taken_on_the_way() {
        let document = br#" { "n" : 7 , "o":{"n":1.5,"x":[{"n":3}]}, "l" : [ "a" , 1, ["b"] ,"c" ] ,"o":{},"l":[],"n":-1}"#;
        let seen = found(document).unwrap();
        let expected = "1 n,7,1 o,2 n,2 x,1 l,0,a,1,2,3,c,1 o,1 l,1 n";
        assert_eq!(seen.join(","), expected);
        assert_eq!(found(b"{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_unusual_is_told() {
        for document in [
            &br#"{"\u006e":1}"#[..],
            br#"{"o":{"a\n":1}}"#,
            br#"{"l":["a\"b"]}"#,
            br#"{"?":1}"#,
            br#"{"o":{"?":1},"n":1}"#,
            b"{\"x\":\"\xff\"}",
            b"{}{}",
            b"[]",
            b"7",
            b"",
        ] {
            assert_eq!(found(document), None, "{}", String::from_utf8_lossy(document));
        }
    }

    #[test]
    fn as_deep_as_a_scan() {
        for levels in 120..135 {
            for (open, inner, close) in [("[", "", "]"), ("[", "1", "]"), (r#"{"o":"#, "{}", "}")] {
                let (open, close) = (open.repeat(levels), close.repeat(levels));
                let document = format!(r#"{{"o":{open}{inner}{close}}}"#);
                let is_read = found(document.as_bytes()).is_some();
                assert_eq!(is_read, Members::scan(document.as_bytes()).is_ok(), "{document}");
            }
        }
    }

    proptest! {
        /// Nothing passes that is not JSON, and what is not unusual is read.
        #[test]
        fn as_strict_as_a_scan(
            document in r#"[ ]?\{[ ]?("[nolx]"[ ]?:[ ]?(\{"n":[0-9]{1,2}\}|\[(("a"|1),?){0,2}\]|[0-9]|"x|null)[ ]?,?[ ]?){0,3}\}?"#
        ) {
            let document = document.as_bytes();
            prop_assert_eq!(found(document).is_some(), Members::scan(document).is_ok());
        }
    }
}
