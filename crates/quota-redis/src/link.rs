//! Connections: one per server, opened when needed, dropped when they fail.
//!
//! A connection belongs to one life of one server process, so the first batch for a pool on each
//! connection has the script compare the server's run id with the one the pool was last seen on.
//! Knows nothing of batches.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, RedisError, RedisResult,
    Value,
};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use weir_types::ProviderName;

use crate::address::Address;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Redis or the way to it said so.
    Redis(RedisError),
    /// Something else.
    Other(&'static str),
}

/// A server of a cluster; `None`: the one that the address names.
type Node = Option<(String, u16)>;
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Link>>>>;

/// All connections of one store.
pub(crate) struct Links {
    address: Address,
    /// Opening a connection may take this long, no matter who waits for it.
    open_limit: Duration,
    slots: Mutex<HashMap<Node, Slot>>,
    /// Where a cluster keeps a pool, as it said last.
    homes: Mutex<HashMap<ProviderName, Node>>,
}

/// One connection.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    node: Node,
    seen: Mutex<HashSet<ProviderName>>,
    lacks_functions: AtomicBool,
}

impl Links {
    /// No connection yet.
    pub(crate) fn new(address: Address, open_limit: Duration) -> Self {
        Self { address, open_limit, slots: Mutex::default(), homes: Mutex::default() }
    }

    /// The connection to the server that keeps a pool.
    ///
    /// # Errors
    /// That none could be opened.
    pub(crate) async fn to(self: &Arc<Self>, pool: &ProviderName) -> Result<Arc<Link>, Failure> {
        let node = lock(&self.homes).get(pool).cloned().flatten();
        let slot = Arc::clone(lock(&self.slots).entry(node.clone()).or_default());
        let slot = slot.lock_owned().await;
        if let Some(link) = &*slot {
            return Ok(Arc::clone(link));
        }
        let opening = Arc::clone(self).fill(slot, node.clone());
        // On a task of its own, so that a caller that stops waiting does not stop it.
        let opened = tokio::spawn(opening).await;
        let opened = opened.unwrap_or(Err(Failure::Other("the runtime was shut down")));
        if opened.is_err() && node.is_some() {
            lock(&self.homes).remove(pool);
        }
        opened
    }

    /// Drops a connection that failed, if it is still the one in use.
    pub(crate) async fn drop_link(&self, link: &Arc<Link>) {
        let slot = lock(&self.slots).get(&link.node).cloned();
        let Some(slot) = slot else { return };
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|present| Arc::ptr_eq(present, link)) {
            *slot = None;
            lock(&self.homes).retain(|_, home| *home != link.node);
        }
    }

    /// Notes where a cluster keeps a pool. False if that is not new, or not a cluster.
    pub(crate) fn moved(&self, pool: &ProviderName, host: &str, port: u16) -> bool {
        // A node that does not know its own name gives none.
        if !matches!(self.address, Address::Cluster(_)) || host.is_empty() {
            return false;
        }
        let node = Some((host.to_owned(), port));
        lock(&self.homes).insert(pool.clone(), node.clone()).as_ref() != Some(&node)
    }

    /// A client of a server that publishes what any other of the cluster publishes.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        let info = match &self.address {
            Address::Server(info) => info.clone(),
            Address::Sentinel { sentinels, master, server } => {
                self.ask(sentinels, master, server).await?
            }
            Address::Cluster(nodes) => {
                let mut last = Failure::Other("no node");
                for node in nodes {
                    match self.connect(node.clone()).await {
                        Ok(_works) => return Client::open(node.clone()).map_err(Failure::Redis),
                        Err(failure) => last = failure,
                    }
                }
                return Err(last);
            }
        };
        Client::open(info).map_err(Failure::Redis)
    }

    async fn fill(
        self: Arc<Self>,
        mut slot: OwnedMutexGuard<Option<Arc<Link>>>,
        node: Node,
    ) -> Result<Arc<Link>, Failure> {
        let opening = timeout(self.open_limit, self.open(&node)).await;
        let mut connection = opening.unwrap_or(Err(Failure::Other("no connection in time")))?;
        warn_of_eviction(&mut connection).await?;
        let (seen, lacks_functions) = Default::default();
        let link = Arc::new(Link { connection, node, seen, lacks_functions });
        *slot = Some(Arc::clone(&link));
        Ok(link)
    }

    async fn open(&self, node: &Node) -> Result<MultiplexedConnection, Failure> {
        match (&self.address, node) {
            (Address::Server(info), _) => self.connect(info.clone()).await,
            (Address::Sentinel { sentinels, master, server }, _) => {
                self.connect(self.ask(sentinels, master, server).await?).await
            }
            (Address::Cluster(nodes), Some((host, port))) => {
                let like = nodes.first().ok_or(Failure::Other("no node"))?;
                self.connect(elsewhere(like, host.clone(), *port)).await
            }
            (Address::Cluster(nodes), None) => {
                let mut last = Failure::Other("no node");
                for node in nodes {
                    match self.connect(node.clone()).await {
                        Ok(connection) => return Ok(connection),
                        Err(failure) => last = failure,
                    }
                }
                Err(last)
            }
        }
    }

    /// Has sentinels name the master, the first that can.
    async fn ask(
        &self,
        sentinels: &[ConnectionInfo],
        master: &str,
        server: &ConnectionInfo,
    ) -> Result<ConnectionInfo, Failure> {
        let mut last = Failure::Other("no sentinel knows the master");
        for sentinel in sentinels {
            let mut connection = match self.connect(sentinel.clone()).await {
                Ok(connection) => connection,
                Err(failure) => {
                    last = failure;
                    continue;
                }
            };
            let mut question = redis::cmd("SENTINEL");
            question.arg("get-master-addr-by-name").arg(master);
            let answer: RedisResult<Option<(String, u16)>> =
                question.query_async(&mut connection).await;
            match answer {
                Ok(Some((host, port))) => return Ok(elsewhere(server, host, port)),
                Ok(None) => {}
                Err(error) => last = Failure::Redis(error),
            }
        }
        Err(last)
    }

    async fn connect(&self, info: ConnectionInfo) -> Result<MultiplexedConnection, Failure> {
        let client = Client::open(info).map_err(Failure::Redis)?;
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.open_limit))
            .set_response_timeout(Some(self.open_limit));
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        connection.await.map_err(Failure::Redis)
    }
}

impl Link {
    /// Sends one command.
    ///
    /// # Errors
    /// What Redis or the connection said.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        let answer = connection.send_packed_command(command).await.map_err(Failure::Redis)?;
        // An error of the server comes as a value. Scripts put none inside of their replies.
        match answer {
            error @ Value::ServerError(_) => error.extract_error().map_err(Failure::Redis),
            value => Ok(value),
        }
    }

    /// Whether no batch for this pool was answered on this connection yet.
    pub(crate) fn is_new_to(&self, pool: &ProviderName) -> bool {
        !lock(&self.seen).contains(pool)
    }

    /// Whether the server may have functions that we may load and call.
    pub(crate) fn has_functions(&self) -> bool {
        !self.lacks_functions.load(Ordering::Relaxed)
    }

    /// Notes that it has none for us.
    pub(crate) fn lacks_functions(&self) {
        self.lacks_functions.store(true, Ordering::Relaxed);
        tracing::info!("redis has no functions, or none for us: scripts do, at a higher price");
    }

    /// Notes that one was.
    pub(crate) fn saw(&self, pool: &ProviderName) {
        lock(&self.seen).insert(pool.clone());
    }
}

/// Says so where Redis may throw parts of a pool away.
///
/// # Errors
/// That Redis lets nobody in without a password. A batch is longer than what it reads of strangers: it
/// would close the connection without a word of that.
async fn warn_of_eviction(connection: &mut MultiplexedConnection) -> Result<(), Failure> {
    let asked: RedisResult<String> = redis::cmd("INFO").arg("memory").query_async(connection).await;
    if let Err(error) = &asked
        && error.code() == Some("NOAUTH")
    {
        return Err(Failure::Other("it asks for a password, or another one: NOAUTH"));
    }
    if let Some(policy) = asked.ok().as_deref().and_then(evicting_policy) {
        tracing::warn!(policy, "redis may evict quota state: set maxmemory-policy noeviction");
    }
    Ok(())
}

/// The policy in a server's `INFO memory`, unless it is the one that evicts nothing.
fn evicting_policy(info: &str) -> Option<&str> {
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?.trim();
    (policy != "noeviction").then_some(policy)
}

/// The same way in, at another address.
fn elsewhere(like: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let address = match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    like.clone().set_addr(address)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redis(error) => write!(f, "{error}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_evict_are_told_from_the_one_that_does_not() {
        let info = |policy: &str| format!("maxmemory:0\r\nmaxmemory_policy:{policy}\r\nx:1\r\n");
        assert_eq!(evicting_policy(&info("noeviction")), None);
        assert_eq!(evicting_policy(&info("allkeys-lru")), Some("allkeys-lru"));
        assert_eq!(evicting_policy(""), None);
    }
}
