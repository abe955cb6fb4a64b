//! What can be set on the edge. Plain values: `weir` fills them from the configuration file.

use std::time::Duration;

use weir_budget::Budget;
use weir_runtime::Hosts;

use crate::client_keys::ClientKeys;
use crate::ids::IdSecrets;

/// The edge's settings. The defaults are those of an absent `client` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who may call.
    pub client_keys: ClientKeys,
    /// What ids of stored things are signed with.
    pub ids: IdSecrets,
    /// Under which names clients ask for it.
    pub hosts: Hosts,
    /// Origins whose pages may call: `*`, `https://a.example`, `https://*.example.com`. If there are
    /// any, pages served from localhost may too.
    pub allowed_origins: Vec<String>,
    /// Request headers that pages may send beyond the usual ones; empty or `*`: any.
    pub allowed_headers: Vec<String>,
    /// Headers without which an inference request is refused.
    pub required_headers: Vec<String>,
    /// Headers that clients may pass to the provider; empty: `x-bf-eh-<name>` of those that vendors let
    /// clients choose. Listed ones pass without the prefix too. A `*` at the end stands for any ending.
    pub header_allowlist: Vec<String>,
    /// Headers that clients may not pass to the provider; wins over the allow list.
    pub header_denylist: Vec<String>,
    /// The longest request body, in bytes.
    pub body_bytes_max: usize,
    /// How long a client waits for the head of an answer, queue included, unless its
    /// `x-request-timeout-ms` says otherwise.
    pub request_deadline: Duration,
    /// How long a client may neither send a byte of its request nor take one of the answer.
    pub client_stall_max: Duration,
    /// Bytes a second that have to come of a request's body while it is waited for, measured over a
    /// third of `client_stall_max` each time but the first; 0: one now and then is enough.
    pub body_rate_min: usize,
    /// How long a stream may take from its head to its end; `None`: as long as it likes.
    pub stream_time_max: Option<Duration>,
    /// After so long without a word a stream says that it is alive, where its format can; `None`: never.
    pub stream_quiet_max: Option<Duration>,
    /// What all bodies of the process may take together.
    pub budget: Budget,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_keys: ClientKeys::default(),
            ids: IdSecrets::default(),
            hosts: Hosts::default(),
            allowed_origins: Vec::new(),
            allowed_headers: Vec::new(),
            required_headers: Vec::new(),
            header_allowlist: Vec::new(),
            header_denylist: Vec::new(),
            body_bytes_max: 100 * 1024 * 1024,
            request_deadline: Duration::from_mins(10),
            client_stall_max: Duration::from_mins(1),
            body_rate_min: 1024,
            stream_time_max: None,
            stream_quiet_max: None,
            budget: Budget::default(),
        }
    }
}
