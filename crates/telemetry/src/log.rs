//! Where log lines go, and how they look.
//!
//! Rooms write with `tracing`; the edge writes one line per client request. Lines are handed to a
//! thread of their own, so that a reader who stalls stderr stalls no request; beyond a bound they
//! are dropped and counted. That thread also bounds long lines, and masks secrets it was told of: the last line of defence
//! behind types that do not print them.

mod bound;
mod fields;
mod mask;
mod writer;

use std::io::{self, IsTerminal};
use std::str::FromStr;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use mask::Masks;

use writer::LineWriter;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(LogError::Format(other.to_owned())),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// A level (`info`), or levels per target: `warn,weir_router=debug,weir::request=info`.
    pub level: String,
    /// Whether text is coloured; `None` = if stderr is a terminal.
    pub color: Option<bool>,
    /// Lines beyond this many waiting ones are dropped.
    pub queue_lines_max: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
            color: None,
            queue_lines_max: 8192,
        }
    }
}

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level cannot be read.
    #[error(
        "log level: expected error, warn, info, debug, trace, off or a list like \
         'warn,weir_router=debug', found '{0}'"
    )]
    Level(String),
    /// The format is not one of ours.
    #[error("log format: expected text or json, found '{0}'")]
    Format(String),
    /// The writing thread cannot be started.
    #[error("cannot start the log thread: {0}")]
    Thread(#[from] io::Error),
    /// Something else took the place of the process's logger.
    #[error("logging was already started")]
    AlreadyStarted,
}

/// Keeps the log thread alive. Dropping it writes what waits, 1 s at most.
#[derive(Debug)]
#[must_use = "lines that still wait are lost if the guard is dropped too early"]
pub struct LogGuard {
    writer: LineWriter,
}

impl LogGuard {
    /// The secrets that are masked; a handle to add to.
    #[must_use]
    pub fn masks(&self) -> Masks {
        self.writer.masks()
    }

    /// Waits until every line so far is written, at most `timeout`. Blocks the thread.
    pub fn flush(&self, timeout: Duration) {
        self.writer.flush(timeout);
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.flush(Duration::from_secs(1));
    }
}

/// Sends the process's log lines to stderr as `settings` say. To be called once.
///
/// # Errors
/// If the level cannot be read, or logging was started before.
pub fn init_logs(settings: &LogSettings) -> Result<LogGuard, LogError> {
    let color = settings.color.unwrap_or_else(|| io::stderr().is_terminal());
    let writer = LineWriter::start(io::stderr(), settings.queue_lines_max)?;
    subscriber(settings, color, writer.clone())?
        .try_init()
        .map_err(|_taken| LogError::AlreadyStarted)?;
    Ok(LogGuard { writer })
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber(
    settings: &LogSettings,
    color: bool,
    writer: LineWriter,
) -> Result<Subscriber, LogError> {
    let level = settings.level.trim();
    let wrong = || LogError::Level(settings.level.clone());
    if !bare_words_are_levels(level) {
        return Err(wrong());
    }
    let targets = level.parse::<Targets>().map_err(|_unreadable| wrong())?;
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match settings.format {
        LogFormat::Text if color => Box::new(registry.with(layer.with_ansi(true))),
        LogFormat::Text => {
            Box::new(registry.with(layer.with_ansi(false).fmt_fields(fields::PlainFields)))
        }
        LogFormat::Json => {
            Box::new(registry.with(
                layer.json().flatten_event(true).with_current_span(false).with_span_list(false),
            ))
        }
    })
}

/// A bare word that is not a level would be read as the name of a target: a typo, not a wish.
fn bare_words_are_levels(level: &str) -> bool {
    let mut bare = level.split(',').map(str::trim).filter(|rule| !rule.contains('='));
    bare.all(|word| !word.is_empty() && word.parse::<LevelFilter>().is_ok())
}

#[cfg(test)]
mod tests;
