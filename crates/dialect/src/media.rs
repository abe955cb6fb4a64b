//! What bytes are, where nobody says: by how they begin, and by the name of their file.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Standard base64, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(crate) const PDF: &str = "application/pdf";

/// The type of an image, by the beginning of its base64.
pub(crate) fn image_type(data: &str) -> Option<&'static str> {
    let starts = [
        ("/9j/", "image/jpeg"),
        ("iVBOR", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    starts.iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| *kind)
}

/// Types of documents by the ending of their file's name.
const DOCUMENTS: [(&str, &str); 9] = [
    ("pdf", PDF),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("json", "application/json"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

/// The type of a document, by the name of its file; `None` if the ending is of none that is known.
pub(crate) fn document_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let row = DOCUMENTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending));
    row.map(|(_, media_type)| *media_type)
}

/// The ending of a file's name that says the type `media_type`.
pub(crate) fn document_ending(media_type: &str) -> Option<&'static str> {
    let row = DOCUMENTS.iter().find(|(_, known)| *known == media_type);
    row.map(|(ending, _)| *ending)
}

/// The text that base64 of either alphabet stands for, if it is one.
pub(crate) fn text_of(data: &str) -> Option<String> {
    let digit = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let digits: Vec<u8> =
        data.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(digit).collect();
    String::from_utf8(BASE64.decode(digits).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_it_comes() {
        for data in ["w6nigqw=", "w6nigqw", "w6ni\n gqw=\n"] {
            assert_eq!(text_of(data).as_deref(), Some("\u{e9}\u{20ac}"), "{data:?}");
        }
        assert_eq!(text_of("Pz8_Pj4-").as_deref(), Some("???>>>"));
        assert_eq!(text_of("").as_deref(), Some(""));
        for broken in ["#", "/9j/", "w6"] {
            assert_eq!(text_of(broken), None, "{broken}");
        }
    }

    #[test]
    fn types_are_guessed_from_what_is_there() {
        assert_eq!(image_type("iVBORw0KGgo="), Some("image/png"));
        assert_eq!(image_type("AAAA"), None);
        assert_eq!(document_type("a.b.CSV"), Some("text/csv"));
        assert_eq!((document_type("pdf"), document_type("a.zip")), (None, None));
        assert_eq!(document_ending("text/html"), Some("html"));
    }
}
