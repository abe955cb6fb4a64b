//! A router's side of the protocol, as small as the cases need it.
//!
//! It counts sessions and sequences and makes ids; it does not claim, renew or restate by itself.

use std::sync::Arc;

use weir_types::KeyName;

use super::Rig;
use crate::{
    Acquire, Answer, Batch, BatchReply, Class, Command, Event, Health, HeldLease, Incarnation,
    Limits, Micros, NoKeyReason, Note, Outcome, Scope, StoreError, TicketId,
};

/// Long enough for any case.
const NEVER: Micros = 3_600_000_000;

/// One router.
#[derive(Debug, Clone)]
pub struct Client {
    rig: Rig,
    /// Its life.
    pub router: Incarnation,
    /// Its present session.
    pub session: u64,
    /// The last sequence sent.
    pub sequence: u64,
    /// The last sequence answered.
    pub heard: u64,
    numbers: u64,
}

/// A class of model `m` with these keys.
#[must_use]
pub fn class(keys: &[&str]) -> Class {
    class_for("m", keys)
}

/// A class of any model.
#[must_use]
pub(super) fn class_for(model: &str, keys: &[&str]) -> Class {
    Class {
        model: Arc::from(model),
        operation: Arc::from("chat"),
        keys: keys.iter().map(|&key| KeyName::from(key)).collect(),
    }
}

/// Limits of generation 1.
#[must_use]
pub fn limits(concurrency: u32, buffer: u32, keys: &[(&str, f64)]) -> Limits {
    let keys = keys.iter().map(|&(name, weight)| (KeyName::from(name), weight)).collect();
    Limits { generation: 1, hash: 1, concurrency, buffer, leeway: 0, keys }
}

/// An outcome that has a scope rest.
pub(super) fn cool(scope: Scope, retry_after: Option<Micros>) -> Outcome {
    cool_for(scope, retry_after, "")
}

/// The same, with words about it.
pub(super) fn cool_for(scope: Scope, retry_after: Option<Micros>, note: &str) -> Outcome {
    let (base, max, note) = (1_000_000, 600_000_000, Note::from(note));
    let missing = false;
    Outcome { health: vec![Health::Cool { scope, retry_after, base, max, missing, note }] }
}

/// An outcome that shows a scope healthy.
pub(super) fn well(scope: Scope) -> Outcome {
    Outcome { health: vec![Health::Well(scope)] }
}

/// The scope of a key.
pub(super) fn key(name: &str) -> Scope {
    Scope::Key(KeyName::from(name))
}

/// A settle without successor.
pub(super) fn settle(lease: TicketId, outcome: Outcome) -> Command {
    Command::Settle { lease, outcome, then: None }
}

/// A settle of which nothing is learnt.
pub(super) fn end(lease: TicketId) -> Command {
    settle(lease, Outcome::default())
}

/// Key name and arrival of a grant.
pub(super) fn granted(answer: &Answer) -> Result<(String, u64), String> {
    match answer {
        Answer::Granted { key, arrival } => Ok((key.to_string(), *arrival)),
        other => Err(format!("found {other:?}, expected a grant")),
    }
}

/// Arrival number of a queued ticket.
pub(super) fn queued(answer: &Answer) -> Result<u64, String> {
    match answer {
        Answer::Queued { arrival, .. } => Ok(*arrival),
        other => Err(format!("found {other:?}, expected a place in the queue")),
    }
}

/// Time and reason of a refusal.
pub(super) fn no_key(answer: &Answer) -> Result<(Option<Micros>, NoKeyReason), String> {
    match answer {
        Answer::NoKey { until, reason, .. } => Ok((*until, *reason)),
        other => Err(format!("found {other:?}, expected no key")),
    }
}

/// What a refusal says of the rests in the way.
pub(super) fn notes(answer: &Answer) -> Result<Vec<&str>, String> {
    match answer {
        Answer::NoKey { notes, .. } => Ok(notes.iter().map(|note| &**note).collect()),
        other => Err(format!("found {other:?}, expected no key")),
    }
}

/// The tickets that a reply hands slots to.
pub(super) fn handed(reply: &BatchReply) -> Vec<TicketId> {
    let ticket = |event: &Event| match event {
        Event::HandedOff { ticket, .. } => Some(*ticket),
        Event::NoKey { .. } => None,
    };
    reply.events.iter().filter_map(ticket).collect()
}

/// The tickets that a reply refuses.
pub(super) fn refused(reply: &BatchReply) -> Vec<TicketId> {
    let ticket = |event: &Event| match event {
        Event::NoKey { ticket, .. } => Some(*ticket),
        Event::HandedOff { .. } => None,
    };
    reply.events.iter().filter_map(ticket).collect()
}

impl Client {
    /// A router that has said hello.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn hello(rig: &Rig, router: u64) -> Result<Self, String> {
        let router = Incarnation(router);
        let (session, sequence, heard, numbers) = (0, 0, 0, 0);
        let mut client = Self { rig: rig.clone(), router, session, sequence, heard, numbers };
        client.greet(false).await?;
        Ok(client)
    }

    /// A router that has said hello and set limits.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn start(rig: &Rig, router: u64, limits: Limits) -> Result<Self, String> {
        let mut client = Self::hello(rig, router).await?;
        let answer = client.one(Command::SetLimits { limits, replaces: None }).await?;
        ensure!(
            matches!(answer, Answer::Done | Answer::LimitsInForce(_)),
            "limits were answered with {answer:?}"
        );
        Ok(client)
    }

    /// Says hello and takes the new session.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn greet(&mut self, was_in_share: bool) -> Result<BatchReply, String> {
        let (knows_pool, heard) = (self.session != 0, self.session);
        let hello = Batch { was_in_share, knows_pool, heard, ..Batch::hello(self.router) };
        let reply = self.execute(hello).await.map_err(|error| error.to_string())?;
        self.session = reply.session;
        (self.sequence, self.heard) = (0, 0);
        Ok(reply)
    }

    /// Sends commands in a batch of their own.
    ///
    /// # Errors
    /// What the store failed with, or that answers are missing.
    pub async fn send(&mut self, commands: Vec<Command>) -> Result<BatchReply, String> {
        let expected = commands.len();
        let reply = self.try_send(commands).await.map_err(|error| error.to_string())?;
        ensure!(reply.answers.len() == expected, "{} answers", reply.answers.len());
        Ok(reply)
    }

    /// Sends commands, returning the store's own error.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn try_send(&mut self, commands: Vec<Command>) -> Result<BatchReply, StoreError> {
        self.sequence += 1;
        let batch = Batch {
            router: self.router,
            session: self.session,
            sequence: self.sequence,
            heard: self.heard,
            was_in_share: false,
            knows_pool: false,
            commands,
        };
        let reply = self.execute(batch).await?;
        self.heard = self.sequence;
        Ok(reply)
    }

    /// Sends commands as a router that served its share until now.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn send_from_share(&mut self, commands: Vec<Command>) -> Result<BatchReply, String> {
        self.sequence += 1;
        let (session, sequence) = (self.session, self.sequence);
        let batch =
            Batch { session, sequence, was_in_share: true, commands, ..Batch::hello(self.router) };
        self.execute(batch).await.map_err(|error| error.to_string())
    }

    /// Sends any batch as it is.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn execute(&self, batch: Batch) -> Result<BatchReply, StoreError> {
        self.rig.store().execute(self.rig.pool(), batch).await
    }

    /// Sends one command.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn one(&mut self, command: Command) -> Result<Answer, String> {
        let reply = self.send(vec![command]).await?;
        reply.answers.into_iter().next().ok_or_else(|| "no answer".to_owned())
    }

    /// Sends nothing, to be heard and to hear.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn poll(&mut self) -> Result<BatchReply, String> {
        self.send(Vec::new()).await
    }

    /// A new id.
    pub fn id(&mut self) -> TicketId {
        self.numbers += 1;
        TicketId { router: self.router, number: self.numbers }
    }

    /// A plain request under a new id: at once, not waiting for cooldowns.
    pub fn ask(&mut self, class: &Class) -> Acquire {
        Acquire {
            ticket: self.id(),
            class: class.clone(),
            delay: 0,
            deadline: NEVER,
            arrival: None,
            wait_for_cooldown: false,
        }
    }

    /// Sends a plain request; its id and answer.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn acquire(&mut self, class: &Class) -> Result<(TicketId, Answer), String> {
        let ask = self.ask(class);
        let id = ask.ticket;
        Ok((id, self.one(Command::Acquire(ask)).await?))
    }

    /// Sends a plain request that must be granted at once; its id and key.
    ///
    /// # Errors
    /// What the store failed with, or that it was not granted.
    pub async fn take(&mut self, class: &Class) -> Result<(TicketId, String), String> {
        let (id, answer) = self.acquire(class).await?;
        Ok((id, granted(&answer)?.0))
    }

    /// A lease as a renewal or restate names it.
    #[must_use]
    pub fn held(lease: TicketId, key: &str) -> HeldLease {
        HeldLease { lease, key: KeyName::from(key), model: Arc::from("m") }
    }
}
