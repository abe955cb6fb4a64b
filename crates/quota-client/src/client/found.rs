//! What a request finds that waits.

use weir_types::KeyName;

use super::{Phase, PoolClient};
use crate::Refusal;

/// What a waiting request finds.
#[derive(Debug)]
pub enum Found {
    /// A slot and a key.
    Granted {
        /// The key.
        key: KeyName,
        /// The arrival number, to be kept for retries.
        arrival: u64,
        /// A scope of the pool was unwell, so that it is worth telling when it proves well.
        may_probe: bool,
    },
    /// The rotate found no key; the request goes on as this ticket.
    Moved(u64),
    /// Neither will come.
    Refused(Refusal),
    /// Not yet; it will be woken.
    Pending,
}

impl<W> PoolClient<W> {
    /// What became of a ticket or of a rotate. A refusal is told once.
    pub fn find(&mut self, number: u64, watcher: Option<&W>) -> Found
    where
        W: Clone,
    {
        let Some(entry) = self.entries.get_mut(&number) else {
            let lost = "the ticket is not known any more".to_owned();
            return Found::Refused(Refusal::Defect(lost));
        };
        match &entry.phase {
            Phase::Waiting | Phase::Rotating { .. } => {
                if let Some(watcher) = watcher {
                    entry.watcher = Some(watcher.clone());
                }
                Found::Pending
            }
            Phase::Held { key, may_probe } => Found::Granted {
                key: key.clone(),
                arrival: entry.arrival.unwrap_or(0),
                may_probe: *may_probe,
            },
            Phase::Moved(then) => {
                let then = *then;
                self.entries.remove(&number);
                Found::Moved(then)
            }
            Phase::Lost { .. } => {
                self.end(number);
                let why = "the process stood still for longer than a slot is kept".to_owned();
                Found::Refused(Refusal::Unavailable(why))
            }
            Phase::Refused(refusal) => {
                let refusal = refusal.clone();
                self.entries.remove(&number);
                Found::Refused(refusal)
            }
        }
    }
}
