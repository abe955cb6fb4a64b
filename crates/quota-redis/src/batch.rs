//! A batch as the script reads it.
//!
//! Two texts: a head of fixed form, then classes and commands as MessagePack. Ids and digests cross
//! as eight bytes, moments as whole numbers up to 2^53 µs (285 years; longer durations are cut to
//! that). Classes stand once per batch and are named by their place in it.

use std::collections::HashMap;

use weir_quota::{
    Acquire, Batch, Class, Command, Health, HeldLease, Limits, Micros, Outcome, Scope, StoreError,
    TicketId, Timing,
};

use crate::msgpack::{WHOLE_MAX, Writer};

/// What goes with a batch.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The protocol's times.
    pub(crate) timing: &'a Timing,
    /// The reading of another clock than the server's.
    pub(crate) clock: Option<Micros>,
    /// Have the script look whether the server is the one that the pool was last seen on.
    pub(crate) check_run: bool,
}

/// A batch, written.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Who speaks, and the protocol's times.
    pub(crate) head: Vec<u8>,
    /// Classes and commands.
    pub(crate) commands: Vec<u8>,
}

/// Writes a batch.
///
/// # Errors
/// `Rejected` for a batch that the machine would reject, or with a number too great to be exact.
pub(crate) fn encode(call: &Call<'_>, batch: &Batch) -> Result<Encoded, StoreError> {
    batch.check()?;
    exact(batch.sequence, "sequence")?;
    let mut writer = Commands::default();
    for command in &batch.commands {
        writer.command(command)?;
    }
    let mut out = Writer::with_capacity(64 + 64 * batch.commands.len());
    out.array(2);
    out.array(writer.classes.len());
    let mut classes: Vec<_> = writer.classes.into_iter().collect();
    classes.sort_unstable_by_key(|&(_, place)| place);
    for (class, _) in classes {
        out.text(class_text(class));
    }
    out.array(batch.commands.len());
    let mut commands = out.into_bytes();
    commands.extend_from_slice(&writer.out.into_bytes());
    Ok(Encoded { head: head(call, batch), commands })
}

/// As the script's `HEAD_FORMAT` says.
fn head(call: &Call<'_>, batch: &Batch) -> Vec<u8> {
    let Timing { lease_ttl, claim_limit, max_cooldown, grace } = *call.timing;
    let mut head = Vec::with_capacity(64);
    head.extend_from_slice(&batch.router.0.to_be_bytes());
    head.extend_from_slice(&batch.session.to_be_bytes());
    head.extend_from_slice(&double(batch.sequence).to_le_bytes());
    head.extend_from_slice(&double(batch.heard).to_le_bytes());
    head.push(u8::from(batch.was_in_share) + 2 * u8::from(batch.knows_pool));
    head.extend_from_slice(&call.clock.map_or(-1.0, double).to_le_bytes());
    head.push(u8::from(call.check_run));
    for time in [lease_ttl, claim_limit, max_cooldown] {
        head.extend_from_slice(&double(time).to_le_bytes());
    }
    head.push(u8::from(grace));
    head
}

/// A whole number up to [`WHOLE_MAX`], which a double is exact for; a greater one becomes that.
#[expect(clippy::cast_precision_loss, reason = "no more than a double holds exactly")]
fn double(number: u64) -> f64 {
    number.min(WHOLE_MAX) as f64
}

fn class_text(class: &Class) -> Vec<u8> {
    let mut out = Writer::default();
    out.array(3);
    out.text(class.model.as_bytes());
    out.text(class.operation.as_bytes());
    out.array(class.keys.len());
    class.keys.iter().for_each(|key| out.text(key.as_str()));
    out.into_bytes()
}

fn limits_text(limits: &Limits) -> Vec<u8> {
    let mut out = Writer::default();
    // Nothing more of it without a leeway, as it was before there was one.
    let has_leeway = limits.leeway > 0;
    out.array(if has_leeway { 7 } else { 6 });
    out.exact(limits.generation);
    out.exact(limits.hash);
    out.whole(u64::from(limits.concurrency));
    out.whole(u64::from(limits.buffer));
    out.array(limits.keys.len());
    limits.keys.iter().for_each(|(name, _)| out.text(name.as_str()));
    out.array(limits.keys.len());
    // Adding 0 makes -0 equal to 0 in bytes as it is in value.
    limits.keys.iter().for_each(|&(_, weight)| out.float(weight + 0.0));
    if has_leeway {
        out.whole(u64::from(limits.leeway));
    }
    out.into_bytes()
}

fn scope_text(scope: &Scope) -> Vec<u8> {
    match scope {
        Scope::Endpoint => b"e".to_vec(),
        Scope::Key(key) => [b"k", key.as_bytes()].concat(),
        Scope::KeyModel(key, model) => {
            let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
            [b"m", &length[..], key.as_bytes(), model.as_bytes()].concat()
        }
    }
}

fn exact(number: u64, what: &str) -> Result<(), StoreError> {
    if number <= WHOLE_MAX {
        return Ok(());
    }
    Err(StoreError::Rejected(format!("{what} {number}, at most {WHOLE_MAX}")))
}

#[derive(Default)]
struct Commands<'a> {
    out: Writer,
    classes: HashMap<&'a Class, usize>,
}

// === impl Commands ===

impl<'a> Commands<'a> {
    fn command(&mut self, command: &'a Command) -> Result<(), StoreError> {
        match command {
            Command::SetLimits { limits, replaces } => {
                self.verb(1, 3);
                self.out.text(limits_text(limits));
                self.out.exact(replaces.unwrap_or(0));
            }
            Command::Acquire(acquire) => {
                self.verb(2, 2);
                self.acquire(acquire)?;
            }
            Command::Claim(id) => self.about(3, 2, *id),
            Command::Settle { lease, outcome, then } => {
                self.about(4, 4, *lease);
                self.outcome(outcome);
                self.then(then.as_ref())?;
            }
            Command::Rotate { lease, attempt, outcome, class, then } => {
                self.about(5, 6, *lease);
                self.out.whole(u64::from(*attempt));
                self.outcome(outcome);
                self.class(class);
                self.then(then.as_ref())?;
            }
            Command::Answered { lease, outcome } => {
                self.about(6, 3, *lease);
                self.outcome(outcome);
            }
            Command::Renew(leases) => {
                self.verb(7, 2);
                self.held(leases);
            }
            Command::Leave(id) => self.about(8, 2, *id),
            Command::Restate { leases, tickets } => {
                self.verb(9, 3);
                self.held(leases);
                self.out.array(tickets.len());
                tickets.iter().try_for_each(|ticket| self.acquire(ticket))?;
            }
            Command::Routers => self.verb(10, 1),
            Command::Bye => self.verb(11, 1),
            Command::Learn(outcome) => {
                self.verb(12, 2);
                self.outcome(outcome);
            }
        }
        Ok(())
    }

    fn verb(&mut self, verb: u64, fields: usize) {
        self.out.array(fields);
        self.out.whole(verb);
    }

    fn about(&mut self, verb: u64, fields: usize, id: TicketId) {
        self.verb(verb, fields);
        self.out.exact(id.number);
    }

    fn class(&mut self, class: &'a Class) {
        let next = self.classes.len() + 1;
        let place = *self.classes.entry(class).or_insert(next);
        self.out.whole(place as u64);
    }

    fn acquire(&mut self, acquire: &'a Acquire) -> Result<(), StoreError> {
        exact(acquire.arrival.unwrap_or(0), "arrival number")?;
        self.out.array(6);
        self.out.exact(acquire.ticket.number);
        self.class(&acquire.class);
        self.out.whole(acquire.delay);
        self.out.whole(acquire.deadline);
        self.out.whole_or_none(acquire.arrival);
        self.out.flag(acquire.wait_for_cooldown);
        Ok(())
    }

    fn then(&mut self, then: Option<&'a Acquire>) -> Result<(), StoreError> {
        let Some(then) = then else {
            self.out.no();
            return Ok(());
        };
        self.acquire(then)
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.out.array(outcome.health.len());
        for health in &outcome.health {
            let scope = health.scope();
            let key = scope.key().map_or("", |key| key.as_str());
            self.out.array(if matches!(health, Health::Well(_)) { 3 } else { 8 });
            self.out.flag(matches!(health, Health::Well(_)));
            self.out.text(scope_text(scope));
            self.out.text(key);
            if let Health::Cool { retry_after, base, max, missing, note, .. } = health {
                self.out.whole_or_none(*retry_after);
                self.out.whole(*base);
                self.out.whole(*max);
                self.out.text(note.as_bytes());
                self.out.flag(*missing);
            }
        }
    }

    fn held(&mut self, leases: &[HeldLease]) {
        self.out.array(leases.len());
        for held in leases {
            self.out.array(3);
            self.out.exact(held.lease.number);
            self.out.text(held.key.as_str());
            self.out.text(held.model.as_bytes());
        }
    }
}
