//! Is this text a set of certificates, or a private key?
//!
//! Looks at the PEM framing and at the outermost DER element; the TLS library has the last word
//! when the text is used. Variables and dashboards tend to keep such a text on one line, with its
//! line breaks written out, as blanks, or gone: that is understood.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::report::Draft;
use crate::text::Instead;

const HELP: &str = "store the file's content; a line break may be written \\n";

/// One certificate or more, and nothing that fails to be one.
pub(crate) fn certificates(text: &str) -> Result<Option<Instead>, Draft> {
    let bad = |found: &str| {
        Draft::error("not a certificate")
            .expected("PEM text: -----BEGIN CERTIFICATE----- ... -----END CERTIFICATE-----")
            .found(found)
            .help(HELP)
    };
    let lines = in_lines(text);
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(used(text, lines.as_ref()).as_bytes()) {
        let certificate = certificate.map_err(|_| bad("broken PEM text"))?;
        if !is_one_sequence(&certificate) {
            return Err(bad("PEM text that holds no certificate"));
        }
        count += 1;
    }
    match count {
        0 if text.contains("PRIVATE KEY-----") => {
            Err(bad("a private key, which belongs elsewhere"))
        }
        0 if !text.contains("-----BEGIN") => Err(bad("text without a line that begins PEM")),
        0 => Err(bad("no certificate")),
        _ => Ok(lines),
    }
}

/// One private key.
pub(crate) fn private_key(text: &str) -> Result<Option<Instead>, Draft> {
    let lines = in_lines(text);
    match PrivateKeyDer::from_pem_slice(used(text, lines.as_ref()).as_bytes()) {
        Ok(_) => Ok(lines),
        Err(_) => Err(Draft::error("not a private key")
            .expected("PEM text: -----BEGIN PRIVATE KEY----- ... -----END PRIVATE KEY-----")
            .found("a string that is not that")
            .help(HELP)),
    }
}

fn used<'t>(text: &'t str, lines: Option<&'t Instead>) -> &'t str {
    lines.map_or(text, |lines| &lines.text)
}

/// The text with each marker and each section's content on lines of their own; `None`: it has line
/// breaks of its own, or is no PEM text at all.
fn in_lines(text: &str) -> Option<Instead> {
    let written_out = |text: &str| text.contains("\\n");
    let is_one_line = !text.contains('\n') && text.contains("-----BEGIN ");
    if !is_one_line && !written_out(text) {
        return None;
    }
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let mut lines = String::with_capacity(text.len() + 64);
    // Markers stand between pairs of five hyphens; what stands between those is content.
    for (index, part) in text.split("-----").enumerate() {
        if index % 2 == 1 {
            lines.extend(["-----", part, "-----\n"]);
        } else {
            lines.extend(part.split_whitespace().flat_map(|word| [word, "\n"]));
        }
    }
    Some(Instead { text: lines, said: None })
}

/// Whether `der` is one SEQUENCE that ends where the bytes end.
fn is_one_sequence(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else {
        return false;
    };
    if *first < 0x80 {
        return rest.len() == usize::from(*first);
    }
    let octets = usize::from(*first & 0x7f);
    let Some((length, body)) = rest.split_at_checked(octets).filter(|_| octets <= 4) else {
        return false;
    };
    let length = length.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    u64::try_from(body.len()).is_ok_and(|actual| actual == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../fixtures/ca.pem");

    fn read(text: &str) -> Option<String> {
        let instead = certificates(text).ok()?;
        Some(instead.map_or_else(|| text.to_owned(), |instead| instead.text))
    }

    #[test]
    fn line_breaks_may_be_written_out_or_gone() {
        let pem = PEM.trim();
        let two = format!("{pem}\n{pem}");
        for text in [pem, &two] {
            let forms = [
                text.replace('\n', "\\n"),
                text.replace('\n', "\\r\\n"),
                text.replace('\n', " "),
                format!("\"{}\\n\"", text.replace('\n', "\\n")),
                text.replace('\n', "\\n\n"),
                text.replace("-----\n", "-----").replace("\n-----", "-----").replace('\n', ""),
            ];
            let ders = |text: &str| -> Vec<Vec<u8>> {
                let all = CertificateDer::pem_slice_iter(text.as_bytes());
                all.map(|der| der.unwrap().to_vec()).collect()
            };
            assert_eq!(read(text).as_deref(), Some(text));
            for form in forms {
                assert_eq!(ders(&read(&form).expect(&form)), ders(text), "{form}");
            }
        }
    }

    #[test]
    fn what_is_no_certificate_stays_none() {
        let key = "-----BEGIN PRIVATE KEY-----\\nMC4=\\n-----END PRIVATE KEY-----";
        for text in ["text", "a\\nb", "-----BEGIN CERTIFICATE-----\\nMIIB\\n", key] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
