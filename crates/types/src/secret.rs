//! A value that must not be seen: redacted in `Debug`, wiped when dropped.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A credential. Cloning is possible because a worker hands it to its client per request.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a value that was read from where secrets come from.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value itself; every call site is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
