//! What several workers of one provider say of themselves, as if they were one worker.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::watch;
use weir_types::ProviderName;

use super::group::{Group, Members};
use super::member::{Member, State};
use crate::{CheckedKey, DescribeStream, Description, RemoteWorker, WorkerService};

/// So many of the workers ask the provider's servers how they are, however many there are.
const CHECKERS_MAX: usize = 2;

/// The descriptions of all workers together.
pub(super) fn union(
    provider: ProviderName,
    group: Arc<Group<RemoteWorker>>,
    checks: bool,
) -> DescribeStream {
    let members = group.subscribe();
    let union = Union { provider, checks, members, heard: Vec::new(), last: None, _group: group };
    Box::pin(unfold(union, async |mut union| {
        let next = union.next().await?;
        Some((next, union))
    }))
}

struct Union {
    provider: ProviderName,
    checks: bool,
    members: watch::Receiver<Members<RemoteWorker>>,
    heard: Vec<Heard>,
    last: Option<Description>,
    /// Keeps the members up to date.
    _group: Arc<Group<RemoteWorker>>,
}

/// One worker, and the last it said.
struct Heard {
    member: Arc<Member<RemoteWorker>>,
    updates: DescribeStream,
    /// It is one of those that ask the servers.
    checks: bool,
    said: Option<Description>,
}

impl Union {
    async fn next(&mut self) -> Option<Description> {
        loop {
            self.meet();
            let whole = self.whole();
            if whole.is_some() && whole != self.last {
                self.last.clone_from(&whole);
                return whole;
            }
            tokio::select! {
                changed = self.members.changed() => changed.ok()?,
                () = hear(&self.provider, &mut self.heard) => {}
            }
        }
    }

    /// Listens to the present members, and no longer to those that are gone.
    fn meet(&mut self) {
        let present = self.members.borrow_and_update().clone();
        let present = present.as_deref().unwrap_or_default();
        let is = |heard: &Heard, member: &Arc<_>| Arc::ptr_eq(&heard.member, member);
        self.heard.retain(|heard| present.iter().any(|member| is(heard, member)));
        let checkers = self.checkers(present);
        for member in present {
            let checks = checkers.contains(&member.addr);
            let known = self.heard.iter_mut().find(|heard| is(heard, member));
            if known.as_ref().is_some_and(|heard| heard.checks == checks) {
                continue;
            }
            let updates = member.client.describe(checks);
            match known {
                Some(heard) => (heard.updates, heard.checks) = (updates, checks),
                None => {
                    let member = Arc::clone(member);
                    self.heard.push(Heard { member, updates, checks, said: None });
                }
            }
        }
    }

    /// Who asks the servers: the same for every router that finds the same addresses well.
    fn checkers(&self, present: &[Arc<Member<RemoteWorker>>]) -> Vec<SocketAddr> {
        let well = present.iter().filter(|member| self.checks && member.state() != State::Away);
        let mut addrs: Vec<_> = well.map(|member| member.addr).collect();
        addrs.sort_unstable();
        addrs.truncate(CHECKERS_MAX);
        addrs
    }

    /// What those that are well can use; `None` if there are none.
    fn whole(&self) -> Option<Description> {
        let well = self.heard.iter().filter(|heard| heard.member.state() != State::Away);
        let said: Vec<&Description> = well.filter_map(|heard| heard.said.as_ref()).collect();
        if said.is_empty() {
            return None;
        }
        let mut keys: Vec<_> = said.iter().flat_map(|one| one.keys.iter().cloned()).collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys.dedup();
        let mut unusable: Vec<_> =
            said.iter().flat_map(|one| one.unusable.iter().cloned()).collect();
        unusable.retain(|(name, _)| keys.iter().all(|key| key.name != *name));
        unusable.sort();
        unusable.dedup_by(|later, earlier| later.0 == earlier.0);
        let checked = together(said.iter().flat_map(|one| one.checked.iter().cloned()));
        Some(Description { provider: self.provider.clone(), keys, unusable, checked })
    }
}

/// A server is well if anybody finds it so: whoever does not may himself be cut off from it.
fn together(found: impl Iterator<Item = CheckedKey>) -> Vec<CheckedKey> {
    let mut checked: Vec<_> = found.collect();
    checked.sort_by(|a, b| (&a.name, &a.trouble).cmp(&(&b.name, &b.trouble)));
    checked.dedup_by(|later, earlier| later.name == earlier.name);
    checked
}

/// Resolves when one of them has said something.
async fn hear(provider: &ProviderName, heard: &mut [Heard]) {
    poll_fn(|context| {
        for one in &mut *heard {
            let Poll::Ready(Some(said)) = one.updates.poll_next_unpin(context) else {
                continue;
            };
            if said.provider == *provider {
                one.said = Some(said);
                return Poll::Ready(());
            }
            let addr = one.member.addr;
            tracing::error!(%addr, wanted = %provider, found = %said.provider, "another's worker");
            // It may say something else later: have it polled again.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}
