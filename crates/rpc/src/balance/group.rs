//! All addresses of one service's names: kept up to date, chosen from, called.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::timeout;
use weir_types::{CallContext, Deadline, Fault, FaultCode};

use super::member::{Member, State};
use super::{Lookup, Reach};
use crate::client::Remote;
use crate::link::{self, LinkError};
use crate::{Body, LinkSettings, Reply};

/// More addresses than this are left out.
const MEMBERS_MAX: usize = 256;
/// The shortest time between two look-ups.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A look-up that takes longer is given up.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

/// The present members, `None` before the first look-up has ended.
pub(super) type Members<C> = Option<Arc<[Arc<Member<C>>]>>;

/// The addresses of one service. Dropping it ends its tasks.
pub(super) struct Group<C> {
    shared: Arc<Shared<C>>,
    keeper: JoinHandle<()>,
}

struct Shared<C> {
    /// For people.
    urls: String,
    /// Hosts and ports.
    names: Vec<(String, u16)>,
    limits: LinkSettings,
    lookup: Lookup,
    /// How long a call waits for somebody who serves, where nobody does.
    patience: Duration,
    /// Also rings when a member's state has changed.
    members: watch::Sender<Members<C>>,
    look_again: Notify,
}

// === impl Group ===

impl<C: Remote> Group<C> {
    pub(super) fn start(
        urls: &[impl AsRef<str>],
        limits: &LinkSettings,
        lookup: Lookup,
        patience: Duration,
    ) -> Result<Self, LinkError> {
        let urls: Vec<&str> = urls.iter().map(AsRef::as_ref).collect();
        let name =
            |url: &&str| link::parse(url, limits.scheme()).map(|(_, host, port)| (host, port));
        let names = urls.iter().map(name).collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared {
            urls: urls.join(", "),
            names,
            limits: limits.clone(),
            lookup,
            patience,
            members: watch::Sender::new(None),
            look_again: Notify::new(),
        });
        let keeper = tokio::spawn(Keeper::new(Arc::clone(&shared)).run());
        Ok(Self { shared, keeper })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Members<C>> {
        self.shared.members.subscribe()
    }

    pub(super) fn reach(&self) -> Reach {
        let members = self.shared.members.borrow();
        let members = members.as_deref().unwrap_or_default();
        let serving = members.iter().filter(|member| member.state() == State::Serving);
        let refusing = members.iter().filter(|member| member.refuses_token());
        Reach { addresses: members.len(), serving: serving.count(), refusing: refusing.count() }
    }

    /// Asks one of the members, and another one where that said nothing and asking again is free.
    ///
    /// # Errors
    /// The member's own fault, or that there is none to ask.
    #[expect(clippy::manual_async_fn, reason = "what an async function is given it keeps twice")]
    pub(super) fn call(
        self: Arc<Self>,
        context: CallContext,
        mut next: (C::Request, Body),
    ) -> impl Future<Output = Result<Reply, Fault>> + Send {
        async move {
            let mut tried = Vec::new();
            let mut members = self.awaited(context.deadline).await;
            let mut fault = None;
            loop {
                let Some(member) = pick(&members, &tried) else {
                    return Err(fault.unwrap_or_else(|| self.nowhere()));
                };
                // A copy costs, so there is none for the last address, mostly the only one.
                let is_last = members.len() <= tried.len() + 1;
                let body = if is_last { None } else { next.1.again() };
                let again = body.map(|body| (next.0.clone(), body));
                let asked = member.client.ask(&context, next.0, next.1, Some(member.load()));
                let none = match asked.await {
                    Ok(reply) => return Ok(reply),
                    Err(none) if !none.is_unanswered => return Err(none.fault),
                    Err(none) => none,
                };
                member.doubt();
                self.shared.look_again.notify_one();
                tried.push(member.addr);
                let late = context.deadline.remaining(Instant::now()).is_zero();
                let Some(again) = again.filter(|_| !late) else {
                    return Err(none.fault);
                };
                tracing::debug!(from = %member.addr, fault = %none.fault, "sent to another address");
                (next, fault) = (again, Some(none.fault));
                members = self.members(context.deadline).await;
            }
        }
    }

    /// The members, the first look-up waited for.
    async fn members(&self, deadline: Deadline) -> Arc<[Arc<Member<C>>]> {
        if let Some(members) = &*self.shared.members.borrow() {
            return Arc::clone(members);
        }
        let mut known = self.shared.members.subscribe();
        let patience = deadline.remaining(Instant::now()).min(self.shared.limits.connect_timeout);
        let waited = timeout(patience, known.wait_for(Option::is_some)).await;
        let members = waited.ok().and_then(|known| known.ok().and_then(|known| known.clone()));
        members.unwrap_or_default()
    }

    /// The members, somebody among them who may serve: those that leave or restart have successors
    /// within moments, or are their own. After a while whoever there is.
    async fn awaited(&self, deadline: Deadline) -> Arc<[Arc<Member<C>>]> {
        let members = self.members(deadline).await;
        let has_hope =
            |members: &[Arc<Member<C>>]| members.iter().any(|one| one.state() != State::Away);
        if self.shared.patience.is_zero() || has_hope(&members) {
            return members;
        }
        self.shared.look_again.notify_one();
        let mut known = self.shared.members.subscribe();
        let patience = deadline.remaining(Instant::now()).min(self.shared.patience);
        let hopeful = known.wait_for(|known| known.as_deref().is_some_and(has_hope));
        match timeout(patience, hopeful).await {
            Ok(Ok(found)) => found.clone().unwrap_or(members),
            _ => members,
        }
    }

    fn nowhere(&self) -> Fault {
        let message = format!("no address is known for {}", self.shared.urls);
        Fault::new(FaultCode::LinkBroken, message)
    }
}

impl<C> Drop for Group<C> {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl<C> fmt::Debug for Group<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("urls", &self.shared.urls).finish_non_exhaustive()
    }
}

/// The less busy of two, drawn among the best that have not been tried.
fn pick<C>(members: &[Arc<Member<C>>], tried: &[SocketAddr]) -> Option<Arc<Member<C>>> {
    let mut best = State::Away;
    let mut count = 0;
    for member in members.iter().filter(|member| !tried.contains(&member.addr)) {
        let state = member.state();
        if state < best {
            (best, count) = (state, 0);
        }
        count += usize::from(state == best);
    }
    let mut candidates = members
        .iter()
        .filter(|member| member.state() == best && !tried.contains(&member.addr))
        .take(count);
    if count < 2 {
        return candidates.next().cloned();
    }
    let one = fastrand::usize(..count);
    // Any other than `one`.
    let other = (one + fastrand::usize(1..count)) % count;
    let first = candidates.nth(one.min(other))?;
    // A state may have changed since they were counted.
    let second = candidates.nth(one.abs_diff(other) - 1).unwrap_or(first);
    let less_busy = match first.calls().cmp(&second.calls()) {
        std::cmp::Ordering::Less => first,
        std::cmp::Ordering::Greater => second,
        std::cmp::Ordering::Equal if one < other => first,
        std::cmp::Ordering::Equal => second,
    };
    Some(Arc::clone(less_busy))
}

/// Looks the names up again and again, and minds each address.
struct Keeper<C> {
    shared: Arc<Shared<C>>,
    /// What each name last stood for.
    found: Vec<Vec<SocketAddr>>,
    watches: JoinSet<()>,
    watched: HashMap<SocketAddr, AbortHandle>,
    is_lost: bool,
}

// === impl Keeper ===

impl<C: Remote> Keeper<C> {
    fn new(shared: Arc<Shared<C>>) -> Self {
        let found = vec![Vec::new(); shared.names.len()];
        Self { shared, found, watches: JoinSet::new(), watched: HashMap::new(), is_lost: false }
    }

    async fn run(mut self) {
        loop {
            self.look_up().await;
            // Members that have ended were removed; nothing else ends.
            while self.watches.try_join_next().is_some() {}
            let every = self.shared.lookup.every;
            let again = async {
                self.shared.look_again.notified().await;
                tokio::time::sleep(LOOK_AGAIN.min(every)).await;
            };
            let usual = if self.is_lost { every.min(LOOK_AGAIN) } else { every };
            let _either = timeout(usual, again).await;
        }
    }

    /// Asks for all names at once. One that cannot be looked up keeps the addresses it had: the
    /// services may be well.
    async fn look_up(&mut self) {
        let resolve = &self.shared.lookup.resolve;
        let asked = self.shared.names.iter().map(|(host, port)| resolve(host.clone(), *port));
        let asked = join_all(asked.map(|asked| timeout(LOOK_UP_MAX, asked))).await;
        let mut lost = None;
        for (place, answer) in self.found.iter_mut().zip(asked) {
            match answer {
                Ok(Ok(addrs)) if !addrs.is_empty() => *place = addrs,
                Ok(Ok(_)) => lost = Some("it has no address".to_owned()),
                Ok(Err(error)) => lost = Some(error.to_string()),
                Err(_) => lost = Some("the look-up takes too long".to_owned()),
            }
        }
        match lost {
            Some(why) => self.lost(&why),
            None => self.is_lost = false,
        }
        if self.found.iter().any(|addrs| !addrs.is_empty()) {
            let named = self.found.iter().zip(&self.shared.names);
            let addrs = named.flat_map(|(addrs, (name, _))| {
                addrs.iter().map(|addr| (*addr, name.clone())).collect::<Vec<_>>()
            });
            let addrs = addrs.collect();
            self.install(addrs);
        }
    }

    /// Members as `addrs` says, each with the name that it was found under; those that stay keep their
    /// connections.
    fn install(&mut self, mut addrs: Vec<(SocketAddr, String)>) {
        addrs.sort_by_key(|(addr, _)| *addr);
        addrs.dedup_by_key(|(addr, _)| *addr);
        addrs.truncate(MEMBERS_MAX);
        let present = self.shared.members.borrow().clone();
        let known = present.as_deref().unwrap_or_default();
        if present.is_some()
            && known.iter().map(|member| member.addr).eq(addrs.iter().map(|(addr, _)| *addr))
        {
            return;
        }
        self.watched.retain(|addr, watch| {
            let stays = addrs.iter().any(|(stays, _)| stays == addr);
            if !stays {
                watch.abort();
            }
            stays
        });
        let mut members = Vec::with_capacity(addrs.len());
        for (addr, name) in addrs {
            match known.iter().find(|member| member.addr == addr) {
                Some(member) => members.push(Arc::clone(member)),
                None => members.extend(self.begin(addr, &name)),
            }
        }
        let urls = &self.shared.urls;
        tracing::info!(urls, addresses = members.len(), "the addresses of a service changed");
        self.shared.members.send_replace(Some(members.into()));
    }

    fn begin(&mut self, addr: SocketAddr, name: &str) -> Option<Arc<Member<C>>> {
        let member = match Member::new(addr, name, &self.shared.limits) {
            Ok(member) => Arc::new(member),
            Err(error) => {
                tracing::error!(%addr, %error, "an address cannot be used");
                return None;
            }
        };
        let (watching, shared) = (Arc::clone(&member), Arc::clone(&self.shared));
        let watch = self.watches.spawn(async move {
            let changed = || {
                shared.members.send_modify(|_| {});
                if watching.state() == State::Away {
                    shared.look_again.notify_one();
                }
            };
            watching.watch(changed).await;
        });
        self.watched.insert(addr, watch);
        Some(member)
    }

    fn lost(&mut self, why: &str) {
        if !self.is_lost {
            tracing::warn!(urls = self.shared.urls, why, "no address for a service, trying again");
        }
        self.is_lost = true;
        self.shared.members.send_if_modified(|members| {
            let is_first = members.is_none();
            members.get_or_insert_default();
            is_first
        });
    }
}
