//! A value that must not be seen: redacted in `Debug`, wiped when dropped, taken out of what libraries
//! say of it.

mod mask;
mod retold;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

pub use mask::Mask;

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

    /// The words of `error`, which is about this value. All errors of libraries over secrets go through
    /// here: where they quote a piece of it, in whatever form, they are left out.
    #[must_use]
    pub fn retold(&self, error: &dyn fmt::Display) -> String {
        retold::retold(self.expose(), error)
    }
}

/// Whether two settings are the same, which nobody outside can ask: what a client presents is compared
/// elsewhere.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
