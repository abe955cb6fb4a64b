//! The command line: names and help texts of every command and flag.
//!
//! Every flag also reads `WEIR_<FLAG>`. Knows nothing of how a command does its work.

mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use values::{allowed_host, listen_address, size};
use weir_types::Secret;

use crate::explain::ExplainArgs;
use crate::ids::IdArgs;
use crate::link::{LinkArgs, OpenLinkArgs, TokenArgs};
use crate::tls::TlsArgs;

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
    /// Run an edge: the HTTP side, in front of one or more routers
    Edge(EdgeArgs),
    /// Run a router: keys, limits, retries and fallbacks, between edges and workers
    Router(RouterArgs),
    /// Run a worker: the one process that knows a provider's secrets and speaks to it
    Worker(WorkerArgs),
    /// Run the simulated provider: an OpenAI-compatible server for demos, tests and benchmarks
    Sim(SimArgs),
    /// Check a config.json: every problem at once, with file:line:column; exit code 1 if any
    Check(CheckArgs),
    /// Say for each key why it can or cannot serve a model now, and what its pool looks like; exit code 1 if
    /// none can. Takes no slot
    Explain(ExplainArgs),
    /// Print the JSON Schema of config.json, for completion in an editor
    Schema,
    /// Client keys: make a new one
    Key(KeyArgs),
    /// Make a link token, which all services of one gateway share (--link-token-file)
    Token(TokenArgs),
}

/// What to do about client keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) what: KeyCommand,
}

/// What can be done about client keys.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print a new value for a client, and its hash for governance.virtual_keys
    New,
}

/// Flags of `weir serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file. Default: ./config.json if it exists, else the environment's keys
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) public: PublicArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) ids: IdArgs,
    /// Where /healthz, /readyz and /metrics are served; port 0 picks a free one
    #[arg(long, env = "WEIR_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9100")]
    #[arg(value_parser = listen_address)]
    pub(crate) admin: SocketAddr,
    #[command(flatten)]
    pub(crate) strictness: Strictness,
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// Flags of `weir edge`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EdgeArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) public: PublicArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) ids: IdArgs,
    /// Where /healthz, /readyz and /metrics are served; port 0 picks a free one
    #[arg(long, env = "WEIR_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9100")]
    #[arg(value_parser = listen_address)]
    pub(crate) admin: SocketAddr,
    /// The routers, as http://NAME:PORT (repeatable); every address behind each name is used
    #[arg(
        long = "router",
        env = "WEIR_ROUTER",
        value_name = "URL",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) routers: Vec<String>,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// Where clients come in, and who.
#[derive(Debug, Clone, Args)]
pub(crate) struct PublicArgs {
    /// Where clients connect; port 0 picks a free one
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    /// Connections of clients at a time; when there are so many, the one that has been idle for
    /// longest is closed for a new one. Default: half of the open files that the process may have
    #[arg(long, env = "WEIR_CONNECTIONS_MAX", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections_max: Option<u32>,
    /// Connections of one client's address at a time; default: no limit of its own
    #[arg(long, env = "WEIR_CONNECTIONS_PER_ADDRESS_MAX", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections_per_address_max: Option<u32>,
    /// Bytes a second that have to come of a request's body, while it is waited for; else the answer is
    /// 408. 0 switches this off
    #[arg(long, env = "WEIR_BODY_RATE_MIN", value_name = "BYTES", default_value_t = 1024)]
    pub(crate) body_rate_min: u32,
    /// Bytes a second that a client has to take of an answer, while something waits for it; else its
    /// connection is closed. 0: one byte a minute is enough
    #[arg(long, env = "WEIR_ANSWER_RATE_MIN", value_name = "BYTES", default_value_t = 1024)]
    pub(crate) answer_rate_min: u32,
    /// How long a stream may take from its head to its end; default: as long as it likes
    #[arg(long, env = "WEIR_STREAM_SECONDS_MAX", value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stream_seconds_max: Option<u64>,
    /// Serve whoever reaches --listen, also from elsewhere: clients are not asked who they are
    #[arg(long, env = "WEIR_ALLOW_ANONYMOUS")]
    pub(crate) allow_anonymous: bool,
}

/// Under which names listeners are asked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct HostArgs {
    /// A name under which clients and operators ask for this process, besides localhost and its
    /// address: gateway.example.com, *.example.com, or * for any (repeatable); adds to the
    /// configuration's client.allowed_hosts
    #[arg(
        long = "allowed-host",
        env = "WEIR_ALLOWED_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    #[arg(value_parser = allowed_host)]
    pub(crate) allowed_hosts: Vec<String>,
}

/// Flags of `weir router`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RouterArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Where edges connect (gRPC); port 0 picks a free one
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7101")]
    #[arg(value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served; port 0 picks a free one
    #[arg(long, env = "WEIR_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9101")]
    #[arg(value_parser = listen_address)]
    pub(crate) admin: SocketAddr,
    /// The workers of one provider, as provider=http://NAME:PORT (repeatable, also for one provider);
    /// every address behind each name is used
    #[arg(
        long = "worker",
        env = "WEIR_WORKER",
        value_name = "PROVIDER=URL",
        value_delimiter = ','
    )]
    pub(crate) workers: Vec<String>,
    /// The workers of every provider that has no --worker; {provider} stands for its name
    #[arg(long, env = "WEIR_WORKER_URL", value_name = "URL")]
    pub(crate) worker_url: Option<String>,
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) open: OpenLinkArgs,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// How far one request may go.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    /// The most calls to providers that one request may lead to: keys, retries and fallbacks together
    #[arg(long, env = "WEIR_ATTEMPTS_MAX", value_name = "N", default_value_t = 12)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts_max: u32,
}

/// Where limits are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Redis that all routers share: redis://, rediss://, redis+unix://, redis+sentinel:// or
    /// redis+cluster://. Default: the configuration's quota_store.url, else this process's memory
    #[arg(long, env = "WEIR_REDIS", value_name = "URL", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(crate) redis: Option<Secret>,
    /// A file with the password of the user whom the address of Redis names
    #[arg(long, env = "WEIR_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) redis_password_file: Option<PathBuf>,
}

/// Flags of `weir worker`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// The provider to serve, as the configuration names it
    #[arg(long, env = "WEIR_PROVIDER", value_name = "NAME")]
    pub(crate) provider: String,
    /// Where routers connect (gRPC); port 0 picks a free one
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7201")]
    #[arg(value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served; port 0 picks a free one
    #[arg(long, env = "WEIR_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9201")]
    #[arg(value_parser = listen_address)]
    pub(crate) admin: SocketAddr,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) open: OpenLinkArgs,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// The configuration that all services of one gateway share.
#[derive(Debug, Clone, Args)]
pub(crate) struct FileArgs {
    /// The configuration file, the same for every service of the gateway
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE", default_value = "config.json")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) strictness: Strictness,
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

/// What a process may take.
#[derive(Debug, Clone, Args)]
pub(crate) struct MemoryArgs {
    /// What the bodies that this process holds may take together: 256MiB, 2GiB or bytes. Default:
    /// half of the control group's memory limit, else of the machine's memory
    #[arg(long, env = "WEIR_MEMORY_BUDGET", value_name = "SIZE", value_parser = size)]
    pub(crate) memory_budget: Option<usize>,
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
    #[arg(value_parser = listen_address)]
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
    /// Milliseconds that a batch takes
    #[arg(long, env = "WEIR_BATCH_MS", value_name = "MS", default_value_t = 500)]
    pub(crate) batch_ms: u64,
    /// How many requests /sim/requests remembers; 0 switches the log off
    #[arg(long, env = "WEIR_LOG_REQUESTS", value_name = "N", default_value_t = 10_000)]
    pub(crate) log_requests: usize,
    /// How many bytes of each request's body /sim/requests remembers
    #[arg(long, env = "WEIR_LOG_BODY_BYTES", value_name = "N", default_value_t = 0)]
    pub(crate) log_body_bytes: usize,
    /// The longest request body in MiB; files that are put are held in memory
    #[arg(long, env = "WEIR_MAX_BODY_MIB", value_name = "MIB", default_value_t = 256)]
    pub(crate) max_body_mib: usize,
    /// Models that /v1/models lists (repeatable); any other name is answered as well
    #[arg(long = "model", env = "WEIR_MODEL", value_name = "NAME", value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// Accept only these keys (repeatable); others get a 401
    #[arg(long = "key", env = "WEIR_KEY", value_name = "KEY", value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// A value that may hold a password: `Debug` must not show it.
pub(crate) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}
