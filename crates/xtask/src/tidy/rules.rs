//! Who may import whom. The table of DESIGN's layers, as data; `arrows` applies it.
//!
//! Changing a line here changes the architecture: say why in ARCHITECTURE.md.

/// One of our crates.
pub(super) struct Crate {
    /// The package.
    pub(super) name: &'static str,
    /// Arrows point to lower layers only.
    pub(super) layer: u8,
    /// Crates of the same layer that it may import all the same.
    pub(super) beside: &'static [&'static str],
    /// Crates of lower layers that it must not import.
    pub(super) never: &'static [&'static str],
}

/// Layer 1 is pure: time, draws and ids are arguments.
pub(super) const PURE: u8 = 1;
/// Not part of the product: may import anything. `weir-probe-test` wires the rooms as `weir` does, with
/// a wire format that `weir` must not have; `weir-quota-model` walks through the quota protocol.
pub(super) const TOOLS: &[&str] = &["xtask", "weir-probe-test", "weir-quota-model"];

/// Features of our crates that are for tests: what is released must not have them, so they are turned
/// on in dev-dependencies alone, or by these tools.
pub(super) const TEST_FEATURES: &[(&str, &[&str])] =
    &[("probe", &[]), ("fuzz", &[]), ("faults", &["weir-quota-model"])];

const fn krate(name: &'static str, layer: u8) -> Crate {
    Crate { name, layer, beside: &[], never: &[] }
}

/// What a room has no business with, besides the other rooms (they share its layer).
const EDGE_NEVER: &[&str] = &[
    "weir-config",
    "weir-provider",
    "weir-quota",
    "weir-quota-memory",
    "weir-quota-redis",
    "weir-upstream",
];
const ROUTER_NEVER: &[&str] = &[
    "weir-config",
    "weir-dialect",
    "weir-framing",
    "weir-provider",
    "weir-quota-memory",
    "weir-quota-redis",
    "weir-upstream",
];
const WORKER_NEVER: &[&str] =
    &["weir-config", "weir-quota", "weir-quota-memory", "weir-quota-redis"];
// The simulator judges what the gateway's formats write: it must not read with their eyes.
const SIM_NEVER: &[&str] = &[
    "weir-config",
    "weir-dialect",
    "weir-framing",
    "weir-provider",
    "weir-quota",
    "weir-rpc",
    "weir-upstream",
];

/// Every crate of the product, lowest first.
pub(super) const CRATES: &[Crate] = &[
    krate("weir-types", 0),
    krate("weir-framing", 1),
    Crate { beside: &["weir-framing"], ..krate("weir-dialect", 1) },
    Crate { beside: &["weir-dialect"], ..krate("weir-provider", 1) },
    krate("weir-quota", 1),
    Crate { beside: &["weir-quota"], ..krate("weir-quota-client", 1) },
    krate("weir-quota-memory", 2),
    krate("weir-quota-redis", 2),
    krate("weir-heap", 2),
    krate("weir-budget", 2),
    Crate { beside: &["weir-budget"], ..krate("weir-rpc", 2) },
    krate("weir-upstream", 2),
    krate("weir-config", 2),
    krate("weir-telemetry", 2),
    Crate { beside: &["weir-budget"], ..krate("weir-runtime", 2) },
    Crate { never: EDGE_NEVER, ..krate("weir-edge", 3) },
    Crate { never: ROUTER_NEVER, ..krate("weir-router", 3) },
    Crate { never: WORKER_NEVER, ..krate("weir-worker", 3) },
    Crate { never: SIM_NEVER, ..krate("weir-sim", 3) },
    krate("weir", 4),
];

/// A crate from outside that only some of ours may import.
pub(super) struct OnlyIn {
    /// Its name; with `*` at the end, every name that starts so.
    pub(super) name: &'static str,
    /// If given, the rule holds for this feature of it only.
    pub(super) feature: Option<&'static str>,
    /// Who may import it.
    pub(super) crates: &'static [&'static str],
}

const fn only(name: &'static str, crates: &'static [&'static str]) -> OnlyIn {
    OnlyIn { name, feature: None, crates }
}

/// The rules for crates from outside. Dev-dependencies are free.
pub(super) const ONLY_IN: &[OnlyIn] = &[
    only("redis", &["weir-quota-redis"]),
    only("tonic*", &["weir-rpc"]),
    only("prost*", &["weir-rpc"]),
    only("protox", &["weir-rpc"]),
    only("opentelemetry*", &["weir-telemetry"]),
    only("tracing-opentelemetry", &["weir-telemetry"]),
    only("tracing-subscriber", &["weir-telemetry"]),
    only("prometheus-client", &["weir-telemetry"]),
    // The OTLP exporter posts with the client that is in the tree anyway.
    OnlyIn { feature: Some("client-legacy"), ..only("hyper-util", CLIENTS) },
    OnlyIn { feature: Some("client"), ..only("hyper", &["weir-upstream"]) },
    only("hyper-rustls", CLIENTS),
    only("rustls-native-certs", CLIENTS),
    only("axum", &["weir-edge", "weir-sim", "weir-runtime"]),
    only("jsonc-parser", &["weir-config"]),
    only("schemars", &["weir-config"]),
    only("clap", &["weir"]),
    only("mimalloc", &["weir-heap"]),
    only("rustix", &["weir"]),
];

const CLIENTS: &[&str] = &["weir-telemetry", "weir-upstream"];

/// Crates that a pure crate must not import: runtimes, sockets, randomness, logging.
pub(super) const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "fastrand",
    "getrandom",
    "hyper*",
    "log",
    "mio",
    "rand*",
    "smol",
    "socket2",
    "tokio*",
    "tonic*",
    "tower*",
    "tracing*",
];

/// What a pure crate must not call. Naming a type (`Instant`, `Duration`) is not a call.
pub(super) const IMPURE_CALLS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "tokio::",
    "tracing::",
];

/// Where the process's environment may be read; tools and tests are free.
pub(super) const ENV_FOLDERS: &[&str] =
    &["crates/config/", "crates/weir/", "crates/xtask/", "fuzz/"];

/// Crates that must not be anywhere in the tree.
pub(super) const BANNED: &[&str] =
    &["openssl", "openssl-sys", "native-tls", "reqwest", "aws-lc-rs", "aws-lc-sys"];

/// Families of which a second line compiles and then fails at run time: spans are lost, streams
/// and certificates are not recognised, two crypto providers panic.
pub(super) const ONE_LINE: &[&str] =
    &["opentelemetry*", "tonic", "prost", "http", "hyper", "rustls", "ring", "tokio", "axum"];

/// Where wire formats are: `NAME.rs` and the folder of that name.
pub(super) const FORMATS_IN: &str = "crates/dialect/src/";
/// What the folder of every format has, as a file or as a folder of files.
pub(super) const FORMAT_FILES: &[&str] = &["request", "answer", "stream", "error", "models"];

/// Code that must not name a wire format.
pub(super) const ROOMS: &[&str] = &["crates/edge/src/", "crates/router/src/", "crates/worker/src/"];
/// The one file of them that may, and the folder of its rows: they say which format a path speaks.
pub(super) const ROUTES: &str = "crates/edge/src/route.rs";
pub(super) const MORE_ROUTES: &str = "crates/edge/src/route/";

/// Crates in which modules that stand side by side must not need each other.
pub(super) const NO_CIRCLES_IN: &[&str] =
    &["crates/edge/src/", "crates/rpc/src/", "crates/router/src/", "crates/worker/src/"];

/// Whether `name` is what `pattern` says: itself, or with `*` at the end, its start.
pub(super) fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
