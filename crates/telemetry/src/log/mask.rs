//! Hides known secrets in finished log lines.
//!
//! Secrets have a type that does not print. This catches what got out another way: an error text of
//! a library, a provider that repeats the key it refuses. Runs on the log thread only.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use memchr::memmem::Finder;
use weir_types::Secret;

/// What stands in a secret's place.
const MASK: &[u8] = b"[masked]";
/// Shorter values are words that lines contain anyway.
const SECRET_BYTES_MIN: usize = 8;

/// The secrets that log lines may not show. Cheap to clone; clones share the list.
#[derive(Clone, Default)]
pub struct Masks {
    finders: Arc<RwLock<Vec<Finder<'static>>>>,
}

impl Masks {
    /// Adds a secret. Values under 8 bytes are not masked: they would hide ordinary words.
    pub fn add(&self, secret: &Secret) {
        let value = secret.expose();
        // Lines are the unit of logging: of a PEM or a JSON key file each line is looked for.
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= SECRET_BYTES_MIN);
        let mut finders = self.finders.write().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            for form in [line.to_owned(), escaped(line)] {
                if !finders.iter().any(|finder| finder.needle() == form.as_bytes()) {
                    finders.push(Finder::new(form.as_bytes()).into_owned());
                }
            }
        }
        // The longest first, so that a secret that contains another is masked whole.
        finders.sort_by_key(|finder| std::cmp::Reverse(finder.needle().len()));
    }

    /// Replaces every known secret in `lines`.
    pub(super) fn hide(&self, lines: &mut Vec<u8>) {
        let finders = self.finders.read().unwrap_or_else(PoisonError::into_inner);
        for finder in finders.iter() {
            if let Some(first) = finder.find(lines) {
                *lines = replaced(lines, finder, first);
            }
        }
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks(redacted)")
    }
}

/// As it stands in a JSON string or a quoted field.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn replaced(lines: &[u8], finder: &Finder<'_>, first: usize) -> Vec<u8> {
    let mut clean = Vec::with_capacity(lines.len());
    let (mut rest, mut at) = (lines, Some(first));
    while let Some(found) = at {
        let (before, from) = rest.split_at(found);
        clean.extend_from_slice(before);
        clean.extend_from_slice(MASK);
        rest = from.get(finder.needle().len()..).unwrap_or_default();
        at = finder.find(rest);
    }
    clean.extend_from_slice(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(masks: &Masks, line: &str) -> String {
        let mut bytes = line.as_bytes().to_vec();
        masks.hide(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let masks = Masks::default();
        let line = "a sk-secret-1 b sk-secret-1";
        assert_eq!(hidden(&masks, line), line);
        masks.add(&Secret::new("sk-secret-1".to_owned()));
        masks.add(&Secret::new("with\"quote".to_owned()));
        masks.add(&Secret::new("first-line\nsecond-line\nx".to_owned()));
        masks.add(&Secret::new("sk-secret-1-longer".to_owned()));
        masks.add(&Secret::new("short".to_owned()));
        assert_eq!(hidden(&masks, line), "a [masked] b [masked]");
        assert_eq!(hidden(&masks, r#"{"m":"with\"quote"}"#), r#"{"m":"[masked]"}"#);
        assert_eq!(hidden(&masks, "second-line, first-line"), "[masked], [masked]");
        assert_eq!(hidden(&masks, "sk-secret-1-longer"), "[masked]");
        assert_eq!(hidden(&masks, "short x"), "short x");
        assert!(!format!("{masks:?}").contains("secret"));
    }
}
