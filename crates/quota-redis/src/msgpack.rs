//! As much of MessagePack as the script's `cmsgpack.unpack` is given: arrays, strings, numbers.
//!
//! Whole numbers end up as doubles there, so none may pass 2^53. Equal values are equal bytes.

/// The greatest whole number that a double and all numbers below it hold exactly.
pub(crate) const WHOLE_MAX: u64 = (1 << 53) - 1;

/// Bytes under construction.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Room for about so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Begins an array; that many values follow.
    pub(crate) fn array(&mut self, len: usize) {
        match len {
            0..16 => self.head(0x90, len),
            16..0x1_0000 => self.sized(0xdc, &len.to_be_bytes()[6..]),
            _ => self.sized(0xdd, &len.to_be_bytes()[4..]),
        }
    }

    /// A string of any bytes, shorter than 4 GiB.
    pub(crate) fn text(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match bytes.len() {
            len @ 0..32 => self.head(0xa0, len),
            len @ 32..0x1_0000 => self.sized(0xda, &len.to_be_bytes()[6..]),
            len => self.sized(0xdb, &len.to_be_bytes()[4..]),
        }
        self.0.extend_from_slice(bytes);
    }

    /// A whole number that crosses as the eight bytes it has.
    pub(crate) fn exact(&mut self, number: u64) {
        self.text(number.to_be_bytes());
    }

    /// A whole number up to [`WHOLE_MAX`]; what is greater becomes that.
    pub(crate) fn whole(&mut self, number: u64) {
        match number.min(WHOLE_MAX) {
            small @ 0..128 => self.0.push(small.to_le_bytes()[0]),
            large => self.sized(0xcf, &large.to_be_bytes()),
        }
    }

    /// The same, or -1 where there is none.
    pub(crate) fn whole_or_none(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.whole(number),
            None => self.0.push(0xff),
        }
    }

    /// 1 or 0.
    pub(crate) fn flag(&mut self, set: bool) {
        self.whole(u64::from(set));
    }

    /// Nothing, where something else might stand.
    pub(crate) fn no(&mut self) {
        self.0.push(0xc2);
    }

    /// Any number.
    pub(crate) fn float(&mut self, number: f64) {
        self.sized(0xcb, &number.to_be_bytes());
    }

    fn head(&mut self, kind: u8, len: usize) {
        self.0.push(kind | len.to_le_bytes()[0]);
    }

    fn sized(&mut self, kind: u8, bytes: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn values_are_as_the_format_says() {
        assert_eq!(written(|w| w.array(15)), [0x9f]);
        assert_eq!(written(|w| w.array(16)), [0xdc, 0, 16]);
        assert_eq!(written(|w| w.array(0x1_0001)), [0xdd, 0, 1, 0, 1]);
        assert_eq!(written(|w| w.text("ab")), [0xa2, b'a', b'b']);
        assert_eq!(written(|w| w.text([7; 32]))[..3], [0xda, 0, 32]);
        assert_eq!(written(|w| w.text(vec![7; 0x1_0000]))[..5], [0xdb, 0, 1, 0, 0]);
        assert_eq!(written(|w| w.whole(127)), [127]);
        assert_eq!(written(|w| w.whole(128)), [0xcf, 0, 0, 0, 0, 0, 0, 0, 128]);
        assert_eq!(written(|w| w.whole(u64::MAX)), written(|w| w.whole(WHOLE_MAX)));
        assert_eq!(written(|w| w.whole_or_none(None)), [0xff]);
        assert_eq!(written(|w| w.exact(1)), [0xa8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(written(|w| w.float(1.5)), [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
    }
}
