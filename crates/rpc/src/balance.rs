//! The services behind one or more names that stand for several addresses, as if they were one.
//!
//! Each name is resolved again and again; each address gets one connection per event loop and is
//! asked for its health. A call goes to the less busy of two addresses drawn among those that are
//! well. If the link breaks before anything was answered, and the body is held whole, the call
//! goes to another address; after the head of an answer never.

mod describe;
mod group;
mod member;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use weir_types::{CallContext, ProviderName};

use crate::link::LinkError;
use crate::{
    Body, CallFuture, DescribeStream, LinkSettings, RemoteRouter, RemoteWorker, RouterRequest,
    RouterService, WorkerRequest, WorkerService,
};
use group::Group;

/// Addresses on the way.
pub type Resolving = BoxFuture<'static, std::io::Result<Vec<std::net::SocketAddr>>>;

/// How a name becomes addresses.
#[derive(Clone)]
pub struct Lookup {
    /// Finds every address of a host and a port.
    pub resolve: Arc<dyn Fn(String, u16) -> Resolving + Send + Sync>,
    /// How often it is asked while all is well; a broken link asks at once.
    pub every: Duration,
}

/// How many addresses are behind a name, and how many of them are well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Addresses that the name stands for.
    pub addresses: usize,
    /// Addresses whose service says that it serves.
    pub serving: usize,
    /// Addresses whose service refuses the token that it is sent.
    pub refusing: usize,
}

/// The routers behind one name. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct BalancedRouter {
    group: Arc<Group<RemoteRouter>>,
}

/// One provider's workers behind one name. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct BalancedWorker {
    provider: ProviderName,
    group: Arc<Group<RemoteWorker>>,
}

// === impl Lookup ===

impl Lookup {
    /// The system's resolver, every 5 seconds.
    #[must_use]
    pub fn dns() -> Self {
        let resolve = |host: String, port| {
            let look_up = async move {
                Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect::<Vec<_>>())
            };
            look_up.boxed()
        };
        Self { resolve: Arc::new(resolve), every: Duration::from_secs(5) }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("every", &self.every).finish_non_exhaustive()
    }
}

// === impl BalancedRouter ===

impl BalancedRouter {
    /// The routers behind `urls` (each `http://NAME:PORT`). Must be made in the event loop it is
    /// used in, and begins to connect at once.
    ///
    /// # Errors
    /// [`LinkError::Address`].
    pub fn connect(
        urls: &[impl AsRef<str>],
        limits: &LinkSettings,
        lookup: Lookup,
    ) -> Result<Self, LinkError> {
        // Nobody else can serve the request: a router that restarts is worth a moment.
        let patience = limits.connect_timeout;
        Ok(Self { group: Arc::new(Group::start(urls, limits, lookup, patience)?) })
    }

    /// How many routers there are.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.group.reach()
    }
}

impl RouterService for BalancedRouter {
    fn call(&self, context: CallContext, request: RouterRequest, body: Body) -> CallFuture {
        Box::pin(Arc::clone(&self.group).call(context, (request, body)))
    }
}

impl fmt::Debug for BalancedRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalancedRouter").field("group", &self.group).finish()
    }
}

// === impl BalancedWorker ===

impl BalancedWorker {
    /// The workers of `provider` behind `urls`, as [`BalancedRouter::connect`].
    ///
    /// # Errors
    /// [`LinkError::Address`].
    pub fn connect(
        provider: ProviderName,
        urls: &[impl AsRef<str>],
        limits: &LinkSettings,
        lookup: Lookup,
    ) -> Result<Self, LinkError> {
        // The router has other ways, and a slot that others wait for.
        let patience = Duration::ZERO;
        Ok(Self { provider, group: Arc::new(Group::start(urls, limits, lookup, patience)?) })
    }

    /// How many workers there are.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.group.reach()
    }
}

impl WorkerService for BalancedWorker {
    fn call(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture {
        Box::pin(Arc::clone(&self.group).call(context, (request, body)))
    }

    /// What any worker that is well can use; nothing new while none is. Never ends.
    fn describe(&self, checks: bool) -> DescribeStream {
        describe::union(self.provider.clone(), Arc::clone(&self.group), checks)
    }
}

impl fmt::Debug for BalancedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalancedWorker")
            .field("provider", &self.provider)
            .field("group", &self.group)
            .finish()
    }
}
