//! One address: its connection, its health, and how many calls are under way to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::LinkSettings;
use crate::channel::Channel;
use crate::client::Remote;
use crate::link::{self, LinkError, Load};
use crate::token;

/// Pause before an address that is not well is asked again, doubled up to the maximum.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How an address is, the better the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum State {
    /// It says that it serves.
    Serving,
    /// It has not answered yet.
    Unknown,
    /// It says that it does not serve, or says nothing, or a call to it broke.
    Away,
}

/// One address of a name.
pub(super) struct Member<C> {
    pub(super) addr: SocketAddr,
    pub(super) client: C,
    health: HealthClient<Channel>,
    state: AtomicU8,
    refuses_token: AtomicBool,
    calls: Arc<AtomicUsize>,
    doubted: Notify,
}

impl<C: Remote> Member<C> {
    /// `name`: what the service at `addr` calls itself.
    pub(super) fn new(
        addr: SocketAddr,
        name: &str,
        limits: &LinkSettings,
    ) -> Result<Self, LinkError> {
        let (origin, host, port) =
            link::parse(&format!("{}://{addr}", limits.scheme()), limits.scheme())?;
        let channel = Channel::new(host, port, name.to_owned(), limits);
        Ok(Self {
            addr,
            client: C::over(channel.clone(), origin.clone()),
            health: HealthClient::with_origin(channel, origin),
            state: AtomicU8::new(State::Unknown as u8),
            refuses_token: AtomicBool::new(false),
            calls: Arc::default(),
            doubted: Notify::new(),
        })
    }
}

impl<C> Member<C> {
    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Serving,
            1 => State::Unknown,
            _ => State::Away,
        }
    }

    /// Whether the service turns this process away, because it asks for another token.
    pub(super) fn refuses_token(&self) -> bool {
        self.refuses_token.load(Ordering::Relaxed)
    }

    /// Calls under way.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// One more call, until the load is dropped.
    pub(super) fn load(&self) -> Load {
        Load::on(&self.calls)
    }

    /// A call broke: out of the choice until its health has been asked again.
    pub(super) fn doubt(&self) {
        self.state.store(State::Away as u8, Ordering::Release);
        self.doubted.notify_one();
    }

    /// Keeps the state true; `changed` is called after each change. Never ends.
    pub(super) async fn watch(&self, changed: impl Fn()) {
        let mut pause = PAUSE_MIN;
        loop {
            let was_doubted = self.follow(&changed, &mut pause).await;
            self.set(State::Away, &changed);
            if !was_doubted {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    /// Follows what the service says of itself until it no longer serves; true if the reason is
    /// a doubt, which a question settles at once.
    async fn follow(&self, changed: &impl Fn(), pause: &mut Duration) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = self.health.clone().watch(request).await;
        self.note_refusal(answer.as_ref().is_err_and(token::is_refusal));
        let Ok(answer) = answer else {
            return false;
        };
        let mut states = answer.into_inner();
        loop {
            let state = tokio::select! {
                state = states.message() => state,
                () = self.doubted.notified() => return true,
            };
            match state {
                Ok(Some(said)) if said.status() == ServingStatus::Serving => {
                    *pause = PAUSE_MIN;
                    self.set(State::Serving, changed);
                }
                // A service that leaves waits for this stream to be let go.
                _ => return false,
            }
        }
    }

    fn note_refusal(&self, refuses: bool) {
        if self.refuses_token.swap(refuses, Ordering::Relaxed) == refuses {
            return;
        }
        let addr = self.addr;
        if refuses {
            tracing::error!(
                %addr,
                "a service refuses this process's link token: give all services of the gateway the \
                 same --link-token-file"
            );
        } else {
            tracing::info!(%addr, "a service accepts this process's link token again");
        }
    }

    fn set(&self, state: State, changed: &impl Fn()) {
        let before = self.state.swap(state as u8, Ordering::AcqRel);
        if before == state as u8 {
            return;
        }
        match state {
            State::Serving => tracing::debug!(addr = %self.addr, "a service is there"),
            State::Unknown | State::Away => {
                tracing::info!(addr = %self.addr, "a service is away, trying again");
            }
        }
        changed();
    }
}
