//! Lines as hosts write them.

use bytes::BytesMut;

use crate::tests::{check_splits, cut, said};
use crate::{Decoder, Framing};

#[test]
fn lines_are_frames_and_blank_ones_say_nothing() {
    let stream = b"{\"a\":1}\n\r\n  \n {\"b\":\"\\n\"} \r\n{\"c\":3}";
    let lines = said(Framing::Ndjson, stream);
    let data: Vec<Option<&str>> = lines.iter().map(|(_, data)| data.as_deref()).collect();
    assert_eq!(data, [Some("{\"a\":1}"), None, None, Some("{\"b\":\"\\n\"}")]);
    let rest = cut(Framing::Ndjson, [&stream[..]]).rest.unwrap().unwrap();
    let last = Decoder::new(Framing::Ndjson);
    assert_eq!(last.parse(&rest).unwrap().data.as_deref(), Some(&b"{\"c\":3}"[..]));
    check_splits(Framing::Ndjson, stream, &[3, 9]);
}

#[test]
fn a_document_is_written_as_one_line() {
    let mut out = BytesMut::new();
    super::write(&mut out, b"{\n  \"a\": 1,\r\n  \"b\": \"x\\ny\"\n}");
    assert_eq!(&out[..], b"{   \"a\": 1,    \"b\": \"x\\ny\" }\n");
}
