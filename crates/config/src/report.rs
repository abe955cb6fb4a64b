//! What is wrong with a file, as data and as text.
//!
//! A problem never holds a value that may be a secret: the code that builds one describes what was
//! found (`a string`) and quotes it only where it cannot be one.

use std::fmt;
use std::sync::Arc;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; `strict` makes it an error.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, or worth knowing, about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Error or warning.
    pub severity: Severity,
    /// JSON path, as `providers.openai.keys[1].weight`; empty for the file itself.
    pub path: String,
    /// What is wrong, in a few words.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What stands there; never a secret.
    pub found: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, severity, path, message, .. } = self;
        write!(f, "{file}:{line}:{column}: {severity}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "{message}")?;
        let details =
            [("expected:", &self.expected), ("found:   ", &self.found), ("help:    ", &self.help)];
        for (label, text) in details {
            if let Some(text) = text {
                write!(f, "\n    {label} {text}")?;
            }
        }
        Ok(())
    }
}

/// All problems of a file that is refused, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Errors and warnings.
    pub problems: Vec<Problem>,
}

impl Report {
    /// A report of one problem with the file as a whole.
    pub(crate) fn of_file(name: &str, draft: Draft) -> Self {
        Self { problems: vec![draft.place(&Arc::from(name), (1, 1), String::new())] }
    }

    /// How many errors and how many warnings there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.problems.iter().filter(|p| p.severity == Severity::Error).count();
        (errors, self.problems.len() - errors)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (told, more) = told(&self.problems);
        for problem in told {
            writeln!(f, "{problem}")?;
        }
        if more > 0 {
            writeln!(f, "and {more} more")?;
        }
        let (errors, warnings) = self.counts();
        write!(f, "{}, {}", counted(errors, "error"), counted(warnings, "warning"))
    }
}

impl std::error::Error for Report {}

/// More of them than this nobody reads.
pub const TOLD_MAX: usize = 100;

/// Those of `problems` that are told, in their order, and how many more there are: where they are too
/// many, errors go before warnings.
#[must_use]
pub fn told(problems: &[Problem]) -> (Vec<&Problem>, usize) {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let (mut errors, mut warnings) = (TOLD_MAX, TOLD_MAX.saturating_sub(errors));
    let is_told = |problem: &&Problem| {
        let left = match problem.severity {
            Severity::Error => &mut errors,
            Severity::Warning => &mut warnings,
        };
        let is_told = *left > 0;
        *left = left.saturating_sub(1);
        is_told
    };
    let told: Vec<_> = problems.iter().filter(is_told).collect();
    let more = problems.len() - told.len();
    (told, more)
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A problem that has no place yet.
#[derive(Debug)]
pub(crate) struct Draft {
    severity: Severity,
    message: String,
    expected: Option<String>,
    found: Option<String>,
    help: Option<String>,
}

impl Draft {
    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), expected: None, found: None, help: None }
    }

    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    pub(crate) fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    pub(crate) fn found(mut self, text: impl Into<String>) -> Self {
        self.found = Some(text.into());
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// `text` where there is no help yet.
    pub(crate) fn or_help(mut self, text: impl Into<String>) -> Self {
        self.help.get_or_insert_with(|| text.into());
        self
    }

    /// The same of the value of a variable, which is no fault of the file.
    pub(crate) fn of_variable(self, name: &str) -> Self {
        let message = format!("environment variable {name}: {}", self.message);
        Self { severity: Severity::Warning, message, ..self }
    }

    pub(crate) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    pub(crate) fn place(
        self,
        file: &Arc<str>,
        (line, column): (usize, usize),
        path: String,
    ) -> Problem {
        let Self { severity, message, expected, found, help } = self;
        let file = Arc::clone(file);
        Problem { file, line, column, severity, path, message, expected, found, help }
    }
}

impl fmt::Display for Draft {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let details =
            [("; expected ", &self.expected), ("; found ", &self.found), ("; help: ", &self.help)];
        for (label, text) in details {
            if let Some(text) = text {
                write!(f, "{label}{text}")?;
            }
        }
        Ok(())
    }
}
