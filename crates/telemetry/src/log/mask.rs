//! Hides known secrets in finished log lines.
//!
//! Secrets have a type that does not print. This catches what got out another way: an error text of
//! a library, a provider that repeats the key it refuses. Runs on the log thread only.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use weir_types::{Mask, Secret};

/// What stands in a secret's place.
const MASK: &str = "[masked]";

/// The secrets that log lines may not show. Cheap to clone; clones share the list.
#[derive(Clone)]
pub struct Masks {
    mask: Arc<RwLock<Mask>>,
}

impl Default for Masks {
    fn default() -> Self {
        Self { mask: Arc::new(RwLock::new(Mask::new([]))) }
    }
}

impl Masks {
    /// Adds a secret. Values under 8 bytes are not masked: they would hide ordinary words.
    pub fn add(&self, secret: &Secret) {
        let mut mask = self.mask.write().unwrap_or_else(PoisonError::into_inner);
        mask.add(secret.expose());
        // Lines are the unit of logging: of a PEM or a JSON key file each line is looked for.
        secret.expose().lines().for_each(|line| mask.add(line));
    }

    /// Replaces every known secret in `lines`.
    pub(super) fn hide(&self, lines: &mut Vec<u8>) {
        let mask = self.mask.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(clean) = mask.hide(lines, MASK) {
            *lines = clean;
        }
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks(redacted)")
    }
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
