//! The command line: names and help texts of every command and flag.
//!
//! Every flag also reads `WEIR_<FLAG>`. Knows nothing of how a command does its work.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// An LLM gateway: one HTTP endpoint in front of every model provider.
///
/// Started with no command and no configuration, Weir serves the providers whose API keys are in
/// the environment (OPENAI_API_KEY, GROQ_API_KEY, ...), or else a simulated one, and prints a
/// `curl` line to try.
#[derive(Debug, Parser)]
#[command(name = "weir", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// What to do; `serve` if absent.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole gateway in one process (the default command)
    Serve(ServeArgs),
    /// Run the simulated provider: an OpenAI-compatible server for demos, tests and benchmarks
    Sim(SimArgs),
    /// Check a config.json: every problem at once, with file:line:column; exit code 1 if any
    Check(CheckArgs),
    /// Print the JSON Schema of config.json, for completion in an editor
    Schema,
}

/// Flags of `weir serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file. Default: ./config.json if it exists, else the environment's keys
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where clients connect; port 0 picks a free one
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served; port 0 picks a free one
    #[arg(long, env = "WEIR_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9100")]
    pub(crate) admin: SocketAddr,
    #[command(flatten)]
    pub(crate) strictness: Strictness,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// How warnings in the configuration are taken.
#[derive(Debug, Clone, Args)]
pub(crate) struct Strictness {
    /// Treat warnings about the configuration as errors
    #[arg(long, env = "WEIR_STRICT")]
    pub(crate) strict: bool,
    /// Accept sections that protect something and that Weir does not act on (governance,
    /// guardrails)
    #[arg(long, env = "WEIR_ACCEPT_IGNORED")]
    pub(crate) accept_ignored: bool,
}

/// Flags of every command that keeps running.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProcessArgs {
    /// Threads, each with its own listener and connections; default: one per core
    #[arg(long, env = "WEIR_THREADS", value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Seconds that running requests get to finish after SIGTERM
    #[arg(long, env = "WEIR_DRAIN_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    pub(crate) drain_timeout: u64,
    /// How log lines look
    #[arg(long, env = "WEIR_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// error, warn, info, debug or trace; per target as in `warn,weir_router=debug`
    #[arg(long, env = "WEIR_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Flags of `weir check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file to check
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) strictness: Strictness,
}

/// Flags of `weir sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Milliseconds before every answer
    #[arg(long, env = "WEIR_LATENCY_MS", value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// Chunks of a streamed answer
    #[arg(long, env = "WEIR_CHUNKS", value_name = "N", default_value_t = 8)]
    pub(crate) chunks: u32,
    /// Milliseconds between two chunks
    #[arg(long, env = "WEIR_CHUNK_INTERVAL_MS", value_name = "MS", default_value_t = 0)]
    pub(crate) chunk_interval_ms: u64,
    /// Pad every plain answer to about this many bytes
    #[arg(long, env = "WEIR_ANSWER_BYTES", value_name = "N")]
    pub(crate) answer_bytes: Option<usize>,
    /// How many requests /sim/requests remembers; 0 switches the log off
    #[arg(long, env = "WEIR_LOG_REQUESTS", value_name = "N", default_value_t = 10_000)]
    pub(crate) log_requests: usize,
    /// How many bytes of each request's body /sim/requests remembers
    #[arg(long, env = "WEIR_LOG_BODY_BYTES", value_name = "N", default_value_t = 0)]
    pub(crate) log_body_bytes: usize,
    /// Models that /v1/models lists (repeatable); any other name is answered as well
    #[arg(long = "model", env = "WEIR_MODEL", value_name = "NAME", value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// Accept only these keys (repeatable); others get a 401
    #[arg(long = "key", env = "WEIR_KEY", value_name = "KEY", value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}
