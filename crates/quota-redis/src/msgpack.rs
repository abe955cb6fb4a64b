//! As much of MessagePack as the script is given and gives back: arrays, strings, numbers.
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

    /// A whole number up to [`WHOLE_MAX`]; a greater one becomes that.
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

/// A value that was read; strings stay where they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item<'a> {
    /// A whole number.
    Whole(i64),
    /// A string of any bytes.
    Text(&'a [u8]),
    /// Values in order.
    Array(Vec<Self>),
}

/// What a script's reply nests at most.
const DEPTH_MAX: u32 = 8;

/// Reads one value that is all of `bytes`; `None` if that is not what they are.
pub(crate) fn read(bytes: &[u8]) -> Option<Item<'_>> {
    let mut reader = Reader(bytes);
    let item = reader.item(DEPTH_MAX)?;
    reader.0.is_empty().then_some(item)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn item(&mut self, depth: u32) -> Option<Item<'a>> {
        let [kind] = self.take()?;
        Some(match kind {
            0..=0x7f => Item::Whole(kind.into()),
            0xe0..=0xff => Item::Whole(i8::from_be_bytes([kind]).into()),
            0xcc => Item::Whole(u8::from_be_bytes(self.take()?).into()),
            0xcd => Item::Whole(u16::from_be_bytes(self.take()?).into()),
            0xce => Item::Whole(u32::from_be_bytes(self.take()?).into()),
            0xcf => Item::Whole(u64::from_be_bytes(self.take()?).try_into().ok()?),
            0xd0 => Item::Whole(i8::from_be_bytes(self.take()?).into()),
            0xd1 => Item::Whole(i16::from_be_bytes(self.take()?).into()),
            0xd2 => Item::Whole(i32::from_be_bytes(self.take()?).into()),
            0xd3 => Item::Whole(i64::from_be_bytes(self.take()?)),
            0xa0..=0xbf => self.text(usize::from(kind & 0x1f))?,
            0xd9 => self.sized::<1>().and_then(|length| self.text(length))?,
            0xda => self.sized::<2>().and_then(|length| self.text(length))?,
            0xdb => self.sized::<4>().and_then(|length| self.text(length))?,
            0x90..=0x9f => self.array(usize::from(kind & 0x0f), depth)?,
            0xdc => self.sized::<2>().and_then(|length| self.array(length, depth))?,
            0xdd => self.sized::<4>().and_then(|length| self.array(length, depth))?,
            _ => return None,
        })
    }

    fn array(&mut self, length: usize, depth: u32) -> Option<Item<'a>> {
        let depth = depth.checked_sub(1)?;
        // Every value takes a byte at least.
        let mut items = Vec::with_capacity(length.min(self.0.len()));
        for _ in 0..length {
            items.push(self.item(depth)?);
        }
        Some(Item::Array(items))
    }

    fn text(&mut self, length: usize) -> Option<Item<'a>> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Item::Text(text))
    }

    fn sized<const N: usize>(&mut self) -> Option<usize> {
        let bytes: [u8; N] = self.take()?;
        Some(bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_not() {
        let long = [9; 70_000];
        let bytes = written(|w| {
            w.array(20);
            [0, 127, 128, 255, 65_536, WHOLE_MAX].into_iter().for_each(|n| w.whole(n));
            w.whole_or_none(None);
            for text in [&b""[..], b"ab", &long[..31], &long[..32], &long[..256], &long[..]] {
                w.text(text);
            }
            w.array(0);
            (0..6).for_each(|n| {
                w.array(1);
                w.whole(n);
            });
        });
        let Some(Item::Array(items)) = read(&bytes) else { panic!("no array") };
        assert_eq!(items.len(), 20);
        assert_eq!(items[5], Item::Whole(WHOLE_MAX.try_into().unwrap()));
        assert_eq!(items[6], Item::Whole(-1));
        assert_eq!(items[12], Item::Text(&long));
        assert_eq!(items[19], Item::Array(vec![Item::Whole(5)]));
        for end in [0, 1, 2, 10, 20, bytes.len() - 1] {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
        let numbers: [(&[u8], i64); 7] = [
            (&[0xcc, 200], 200),
            (&[0xcd, 1, 0], 256),
            (&[0xce, 0, 1, 0, 0], 65_536),
            (&[0xd0, 0x80], -128),
            (&[0xd1, 0xff, 0], -256),
            (&[0xd2, 0xff, 0xff, 0, 0], -65_536),
            (&[0xd3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], -4_294_967_296),
        ];
        for (bytes, number) in numbers {
            assert_eq!(read(bytes), Some(Item::Whole(number)));
        }
        assert_eq!(read(&[0xd9, 2, b'a', b'b']), Some(Item::Text(b"ab")));
        // A number too great, a fraction, more than there is, nested too deep, something behind.
        let bad: [&[u8]; 5] = [
            &[0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0],
            &[0xca, 0, 0, 0, 0],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
            &[0x91; 9],
            &[1, 1],
        ];
        for bytes in bad {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

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
