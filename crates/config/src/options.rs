//! What the caller decides about checking a file.

use weir_types::ProviderName;

use crate::environment::process_variable;

/// How a file is checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Take warnings as errors.
    pub strict: bool,
    /// Take sections whose loss drops a protection as ignored instead of refusing the file.
    pub accept_ignored: bool,
    /// Whether this build serves the built-in provider of that name; others are skipped.
    pub served: fn(&str) -> bool,
    /// Looks a variable up, to say what its value is worth. `None` in a process that does not hold
    /// the secrets, where an unset variable says nothing.
    pub variable: Option<fn(&str) -> Option<String>>,
    /// The one provider whose variables this process holds; `None`: all that the file refers to.
    pub only: Option<ProviderName>,
}

impl Options {
    /// Warnings stay warnings, variables are looked up in this process.
    #[must_use]
    pub fn new(served: fn(&str) -> bool) -> Self {
        let variable = Some(process_variable as fn(&str) -> Option<String>);
        Self { strict: false, accept_ignored: false, served, variable, only: None }
    }
}
