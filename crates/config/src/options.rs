//! What the caller decides about checking a file.

use crate::environment::process_variable;

/// How a file is checked.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Take warnings as errors.
    pub strict: bool,
    /// Take sections whose loss drops a protection as ignored instead of refusing the file.
    pub accept_ignored: bool,
    /// Whether this build serves the built-in provider of that name; others are skipped.
    pub served: fn(&str) -> bool,
    /// Looks a variable up, to warn about references to unset ones. `None` in a process that does
    /// not hold the secrets, where an unset variable says nothing.
    pub variable: Option<fn(&str) -> Option<String>>,
}

impl Options {
    /// Warnings stay warnings, variables are looked up in this process.
    #[must_use]
    pub fn new(served: fn(&str) -> bool) -> Self {
        Self { strict: false, accept_ignored: false, served, variable: Some(process_variable) }
    }
}
