//! A router, as small as the tests of servers need it.

use weir_quota::conformance::{class, limits};
use weir_quota::{
    Acquire, Answer, Batch, BatchReply, Command, Health, HeldLease, Incarnation, Note, Outcome,
    QuotaStore, Scope, StoreError, TicketId, Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::ProviderName;

use super::Server;

pub(crate) const NO_GRACE: Timing =
    Timing { lease_ttl: 60_000_000, claim_limit: 30_000_000, max_cooldown: 1, grace: false };

/// One router of one pool.
pub(crate) struct Router {
    pub(crate) store: RedisStore,
    pub(crate) pool: ProviderName,
    pub(crate) id: Incarnation,
    pub(crate) session: u64,
    pub(crate) sequence: u64,
    pub(crate) numbers: u64,
}

impl Router {
    pub(crate) async fn hello(store: &RedisStore, id: u64) -> Self {
        let (store, pool, id) = (store.clone(), ProviderName::from("acme"), Incarnation(id));
        let mut router = Self { store, pool, id, session: 0, sequence: 0, numbers: 0 };
        router.greet().await.unwrap();
        router
    }

    /// With limits of one slot and one place to wait.
    pub(crate) async fn ready(store: &RedisStore, id: u64) -> Self {
        let mut router = Self::hello(store, id).await;
        router.set_limits().await;
        router
    }

    pub(crate) async fn set_limits(&mut self) {
        let limits = limits(1, 1, &[("k", 1.0)]);
        self.send(vec![Command::SetLimits { limits, replaces: None }]).await.unwrap();
    }

    /// Says hello to another pool as one that knows it, or does not; how long its grace lasts.
    pub(crate) async fn grace_of(&self, pool: &str, knows_pool: bool) -> Option<u64> {
        let hello = Batch { knows_pool, ..Batch::hello(self.id) };
        let reply = self.store.execute(&ProviderName::from(pool), hello).await.unwrap();
        reply.wake_in.filter(|_| reply.restate)
    }

    pub(crate) async fn greet(&mut self) -> Result<BatchReply, StoreError> {
        let hello = Batch { heard: self.session, ..Batch::hello(self.id) };
        let reply = self.store.execute(&self.pool, hello).await?;
        (self.session, self.sequence) = (reply.session, 0);
        Ok(reply)
    }

    pub(crate) fn batch(&mut self, commands: Vec<Command>) -> Batch {
        self.sequence += 1;
        let (session, sequence) = (self.session, self.sequence);
        Batch { session, sequence, commands, ..Batch::hello(self.id) }
    }

    pub(crate) async fn send(&mut self, commands: Vec<Command>) -> Result<BatchReply, StoreError> {
        let batch = self.batch(commands);
        self.store.execute(&self.pool, batch).await
    }

    pub(crate) fn ask(&mut self) -> Acquire {
        self.numbers += 1;
        Acquire {
            ticket: TicketId { router: self.id, number: self.numbers },
            class: class(&["k"]),
            delay: 0,
            deadline: 3_600_000_000,
            arrival: None,
            wait_for_cooldown: false,
        }
    }

    /// Asks for a slot: the answer.
    pub(crate) async fn acquire(&mut self) -> Result<Answer, StoreError> {
        let acquire = Command::Acquire(self.ask());
        Ok(self.send(vec![acquire]).await?.answers.remove(0))
    }

    /// Frees the slot of the first request, whose key has to rest.
    pub(crate) async fn cool_first(&mut self) -> Result<BatchReply, StoreError> {
        let lease = TicketId { router: self.id, number: 1 };
        let (scope, retry_after) = (Scope::Key("k".into()), Some(1));
        let (missing, note) = (false, Note::default());
        let cool = Health::Cool { scope, retry_after, base: 1, max: 1, missing, note };
        let outcome = Outcome { health: vec![cool] };
        self.send(vec![Command::Settle { lease, outcome, then: None }]).await
    }

    /// Another router of the same pool, which has not spoken yet.
    pub(crate) fn beside(&self, id: u64) -> Self {
        let (store, pool) = (self.store.clone(), self.pool.clone());
        Self { store, pool, id: Incarnation(id), session: 0, sequence: 0, numbers: 0 }
    }

    fn first_lease(&self) -> HeldLease {
        let lease = TicketId { router: self.id, number: 1 };
        HeldLease { lease, key: "k".into(), model: class(&["k"]).model }
    }

    /// Says again that it holds the slot of the first request, and nothing else.
    pub(crate) async fn restate_first(&mut self) -> BatchReply {
        let leases = vec![self.first_lease()];
        self.send(vec![Command::Restate { leases, tickets: vec![] }]).await.unwrap()
    }

    /// Goes on with the first request.
    pub(crate) async fn renew_first(&mut self) -> BatchReply {
        let lease = self.first_lease();
        self.send(vec![Command::Renew(vec![lease])]).await.unwrap()
    }

    /// Frees the slot of the first request.
    pub(crate) async fn settle_first(&mut self) -> Result<BatchReply, StoreError> {
        let lease = TicketId { router: self.id, number: 1 };
        self.send(vec![Command::Leave(lease)]).await
    }
}

/// A store on a server.
pub(crate) fn store(server: &Server, timing: Timing) -> RedisStore {
    RedisStore::new(server.settings("weir", timing)).unwrap()
}

/// Whether a slot was given.
pub(crate) fn is_granted(answer: &Answer) -> bool {
    matches!(answer, Answer::Granted { .. })
}
