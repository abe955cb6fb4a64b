//! The quota machine as one script on Redis: the store of a gateway that is several processes.
//!
//! A batch is one call of one script, which does what [`weir_quota::Machine`] does, on the pool's
//! keys `<prefix>:v2:{pool}:…`. The script is the machine rewritten, so a random test holds every
//! reply of the one against the other. This crate knows batches, replies and connections; it
//! decides nothing.
//!
//! What a batch costs Redis follows its commands, its classes and the lists it can choose from, not
//! what waits: rows are looked up by id, the first ticket of every list is one look, a ticket's
//! place is its rank. A restate, and a router that died, cost a look at all ids of the pool.

mod address;
mod batch;
mod bell;
mod link;
mod look;
mod msgpack;
mod reply;
mod script;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use redis::{ErrorKind, ServerErrorKind};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;
use weir_quota::{
    Batch, BatchReply, Bell, ExecuteFuture, LookFuture, Micros, QuotaStore, StoreError, Timing,
};
use weir_types::ProviderName;

use address::Address;
use bell::Bells;
use link::{Failure, Link, Links};

/// Opening a connection is given no less than this, however short the budget of a batch.
const OPEN_LIMIT_MIN: Duration = Duration::from_secs(1);
/// Turns of the event loop after the budget is over: one reads the socket, one brings the answer.
const LAST_TURNS: u32 = 3;

/// What a store needs to know.
#[derive(Clone)]
pub struct Settings {
    /// `redis://`, `rediss://`, `redis+unix://`, `redis+sentinel://` or `redis+cluster://`; may
    /// hold a password.
    pub url: String,
    /// What every key and channel starts with, without braces.
    pub prefix: String,
    /// No batch is waited for longer: [`StoreError::Unanswered`] then.
    pub budget: Duration,
    /// The protocol's times, the same at every router of the cluster.
    pub timing: Timing,
}

impl Settings {
    /// Settings with a budget of 250 ms and the protocol's usual times.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: "weir".to_owned(),
            budget: Duration::from_millis(250),
            timing: Timing::default(),
        }
    }
}

/// Settings that cannot be used: why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetupError(&'static str);

/// Pools in Redis.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    channel: String,
    script: script::Text,
    links: Arc<Links>,
    bells: Arc<Bells>,
    clock: Option<Box<dyn Fn() -> Micros + Send + Sync>>,
}

// === impl RedisStore ===

impl RedisStore {
    /// A store that connects with its first batch.
    ///
    /// # Errors
    /// An address or prefix that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        Self::build(settings, None)
    }

    /// A store whose pools go by another clock than the Redis server's: for simulations and tests
    /// that move time by hand. Every router of a pool must read the same clock.
    ///
    /// # Errors
    /// As [`RedisStore::new`].
    pub fn with_clock(
        settings: Settings,
        clock: impl Fn() -> Micros + Send + Sync + 'static,
    ) -> Result<Self, SetupError> {
        Self::build(settings, Some(Box::new(clock)))
    }

    fn build(
        settings: Settings,
        clock: Option<Box<dyn Fn() -> Micros + Send + Sync>>,
    ) -> Result<Self, SetupError> {
        if settings.prefix.is_empty() || settings.prefix.contains(['{', '}']) {
            return Err(SetupError("a prefix that is empty or has braces"));
        }
        let address = Address::parse(&settings.url)?;
        let links = Arc::new(Links::new(address, open_limit(&settings)));
        let channel = script::bell(&settings.prefix);
        let (script, bells) = (script::Text::new(), Arc::<Bells>::default());
        let shared = Shared { settings, channel, script, links, bells, clock };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Listens for the bell; to be spawned once. Without it everything works, but a hand-off to
    /// another router waits for that router's next poll. Never ends.
    pub fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = &self.shared;
        let (links, bells) = (Arc::clone(&shared.links), Arc::clone(&shared.bells));
        let open = open_limit(&shared.settings);
        let limits = bell::Limits { open, pong: shared.settings.budget };
        bell::listen(links, shared.channel.clone(), bells, limits)
    }
}

/// What `exchanging` came to within `budget`. A process that is short of CPU can find its time over
/// and the answer in its socket: what is there already counts.
async fn within<T>(budget: Duration, exchanging: impl Future<Output = T>) -> Option<T> {
    let mut exchanging = pin!(exchanging);
    if let Ok(done) = timeout(budget, exchanging.as_mut()).await {
        return Some(done);
    }
    for _ in 0..LAST_TURNS {
        yield_now().await;
        if let Some(done) = exchanging.as_mut().now_or_never() {
            return Some(done);
        }
    }
    None
}

fn open_limit(settings: &Settings) -> Duration {
    settings.budget.max(OPEN_LIMIT_MIN)
}

impl QuotaStore for RedisStore {
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture {
        let (shared, pool) = (Arc::clone(&self.shared), pool.clone());
        Box::pin(async move {
            if !is_in_runtime().await {
                return Err(StoreError::Unanswered("polled outside of a runtime".to_owned()));
            }
            shared.execute(&pool, &batch).await
        })
    }

    fn look(&self, pool: &ProviderName, model: &Arc<str>) -> LookFuture {
        let (shared, pool, model) = (Arc::clone(&self.shared), pool.clone(), Arc::clone(model));
        Box::pin(async move { shared.look(&pool, &model).await })
    }

    fn on_bell(&self, bell: Bell) {
        self.shared.bells.add(bell);
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn hears_bell(&self) -> bool {
        self.shared.bells.is_heard()
    }
}

/// A future may be polled once, without a runtime, to see whether it is ready at once.
async fn is_in_runtime() -> bool {
    let mut is_first = true;
    poll_fn(|context| {
        let inside = Handle::try_current().is_ok();
        if inside || !std::mem::replace(&mut is_first, false) {
            return Poll::Ready(inside);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

// === impl Shared ===

impl Shared {
    async fn execute(&self, pool: &ProviderName, batch: &Batch) -> Result<BatchReply, StoreError> {
        let mut used = None;
        let exchanging = self.exchange(pool, batch, &mut used);
        let error = match within(self.settings.budget, exchanging).await {
            Some(Ok(reply)) => return Ok(reply),
            Some(Err(error)) => error,
            None => Trouble::Broken(format!("nothing within {:?}", self.settings.budget)),
        };
        match error {
            Trouble::Refused(error) => Err(error),
            Trouble::Broken(why) => {
                // What hangs or failed once may be half open; the next batch opens another.
                if let Some(link) = used {
                    self.links.drop_link(&link).await;
                }
                Err(StoreError::Unanswered(why))
            }
        }
    }

    async fn exchange(
        &self,
        pool: &ProviderName,
        batch: &Batch,
        used: &mut Option<Arc<Link>>,
    ) -> Result<BatchReply, Trouble> {
        let keys = script::keys(&self.settings.prefix, pool);
        if batch.session == 0 {
            self.bells.know(batch.router);
        }
        loop {
            let link = self.links.to(pool).await.map_err(Trouble::from)?;
            let link = used.insert(link);
            let call = batch::Call {
                timing: &self.settings.timing,
                clock: self.clock.as_ref().map(|clock| clock()),
                check_run: batch.session == 0 || link.is_new_to(pool),
            };
            let batch::Encoded { head, commands } =
                batch::encode(&call, batch).map_err(Trouble::Refused)?;
            let arguments: [&[u8]; 4] =
                [&head, &commands, self.channel.as_bytes(), pool.as_bytes()];
            match self.script.run(&self.script.execute, link, &keys, &arguments).await {
                Ok(value) => {
                    link.saw(pool);
                    let replied = reply::decode(&value, batch.router).map_err(Trouble::Refused)?;
                    self.bells.ring(pool, &replied.rung);
                    return Ok(replied.reply);
                }
                Err(failure) if self.follows(pool, &failure) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Whether a cluster said that it keeps the pool somewhere we did not know of.
    fn follows(&self, pool: &ProviderName, failure: &Failure) -> bool {
        let Failure::Redis(error) = failure else { return false };
        if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
            return false;
        }
        error.redirect_node().is_some_and(|(node, _slot)| {
            let Some((host, port)) = node.rsplit_once(':') else { return false };
            port.parse().is_ok_and(|port| self.links.moved(pool, host, port))
        })
    }
}

/// Why an exchange failed.
enum Trouble {
    /// The batch was refused, or its reply cannot be read; the connection is sound.
    Refused(StoreError),
    /// The connection, or the server behind it, cannot be used any more.
    Broken(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure.to_string())
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("settings", &self.shared.settings).finish()
    }
}

/// Without the address, which may hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("prefix", &self.prefix)
            .field("budget", &self.budget)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Redis store cannot be used: {}", self.0)
    }
}

impl std::error::Error for SetupError {}
