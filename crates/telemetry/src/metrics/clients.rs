//! What is counted of each client key, found by its name.
//!
//! Names are those of the configuration. As for providers, an update takes no lock and allocates
//! nothing once the key's slots are there.

use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use prometheus_client::metrics::counter::Counter;

use super::RequestRecord;
use super::families::Families;
use super::handles::{STATUS_LABELS, filled, status_index, status_label};
use super::series::Slot;

/// The kinds of token counts that a client key has.
const TOKEN_KINDS: [&str; 2] = ["input", "output"];

/// All client keys that have been used.
#[derive(Debug, Default)]
pub(super) struct Clients(ArcSwap<HashMap<Arc<str>, Arc<ClientSeries>>>);

/// One client key's slots.
#[derive(Debug, Default)]
struct ClientSeries {
    requests: [Slot<Counter>; STATUS_LABELS],
    tokens: [Slot<Counter>; TOKEN_KINDS.len()],
}

impl Clients {
    /// Counts a request of the client key `name`.
    pub(super) fn count(&self, name: &str, record: &RequestRecord<'_>, families: &Families) {
        if let Some(of) = self.0.load().get(name) {
            return of.count(name, record, families);
        }
        let new = Arc::new(ClientSeries::default());
        self.0.rcu(|present| {
            let mut clients = HashMap::clone(present);
            // Another core may have been first.
            clients.entry(Arc::from(name)).or_insert_with(|| Arc::clone(&new));
            clients
        });
        if let Some(of) = self.0.load().get(name) {
            of.count(name, record, families);
        }
    }
}

impl ClientSeries {
    fn count(&self, name: &str, record: &RequestRecord<'_>, families: &Families) {
        let labels = |label, value| vec![("client_key", Arc::from(name)), (label, value)];
        let status = status_index(record.status);
        if let Some(slot) = self.requests.get(status) {
            let labels = || labels("status", status_label(status));
            filled(slot, &families.client_requests, labels).inc();
        }
        let counts = [record.usage.input_tokens, record.usage.output_tokens];
        for ((slot, kind), count) in self.tokens.iter().zip(TOKEN_KINDS).zip(counts) {
            if count > 0 {
                let labels = || labels("kind", Arc::from(kind));
                filled(slot, &families.client_tokens, labels).inc_by(count);
            }
        }
    }
}
