//! A client's connection to one service: made with the first call, and again after it broke.
//!
//! Straight on the HTTP/2 implementation: what a gRPC channel usually has on top of it (a queue
//! with a task of its own, a task for each body and each answer) costs more than our calls do.
//! Knows no method and no message.

mod call;
mod way;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Ping;
use h2::client::SendRequest;
use http::Uri;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::body::Body;
use tower::Service;

use crate::arrived::Arrived;
use crate::cork::{Cork, Corked, cork};
use crate::door::Crowd;
use crate::line::Line;
use crate::link::{self, LinkError, LinkSettings};
use crate::tls;
use call::{AnswerBody, exchange};
pub(crate) use way::Way;

type Connection = h2::client::Connection<Corked, Bytes>;

/// What goes wrong with a connection.
pub(crate) type ChannelError = Box<dyn std::error::Error + Send + Sync>;

/// One service's address. Cheap to clone; clones share the connection. Belongs to the event loop
/// it is used in.
#[derive(Clone)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

struct Shared {
    host: String,
    port: u16,
    /// What its certificate has to be for, if links are encrypted.
    name: String,
    limits: LinkSettings,
    open: Mutex<Open>,
    /// Held by whoever connects.
    connecting: tokio::sync::Mutex<()>,
    /// Held by whoever asks how requests are sent.
    asking: tokio::sync::Mutex<()>,
    /// How often the ends did not believe each other.
    refusals: Crowd,
}

/// The present connection, if any.
#[derive(Default)]
struct Open {
    sender: Option<SendRequest<Bytes>>,
    /// How requests are sent on it; `None`: nobody has asked.
    way: Option<Way>,
    /// How often one was made or could not be made.
    tries: u64,
    /// Why the last one could not be made.
    refused: Option<Arc<str>>,
}

// === impl Channel ===

impl Channel {
    /// A connection to `url`, and the origin of its calls.
    ///
    /// # Errors
    /// [`LinkError::Address`].
    pub(crate) fn to(url: &str, limits: &LinkSettings) -> Result<(Self, Uri), LinkError> {
        let (uri, host, port) = link::parse(url, limits.scheme())?;
        Ok((Self::new(host.clone(), port, host, limits), uri))
    }

    /// A connection to `host`, which calls itself `name`.
    pub(crate) fn new(host: String, port: u16, name: String, limits: &LinkSettings) -> Self {
        let (open, refusals) = (Mutex::default(), Crowd::default());
        let (connecting, asking, limits) = (Default::default(), Default::default(), limits.clone());
        let shared = Shared { host, port, name, limits, open, connecting, asking, refusals };
        Self { shared: Arc::new(shared) }
    }
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Arrived<AnswerBody>>;
    type Error = ChannelError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ChannelError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        self.shared.limits.tokens.add_to(request.headers_mut());
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let answer = exchange(shared.sender().await?, request).await?;
            Ok(answer.map(Arrived::new))
        })
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("host", &self.shared.host)
            .field("port", &self.shared.port)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// A connection on which a call may begin now.
    async fn sender(self: &Arc<Self>) -> Result<SendRequest<Bytes>, ChannelError> {
        loop {
            let (present, tries) = self.present();
            let Some(sender) = present else {
                self.connect(tries).await?;
                continue;
            };
            match sender.ready().await {
                Ok(sender) => return Ok(sender),
                // Broken, or the peer is leaving: nothing was sent, so another is as good.
                Err(_) => self.close(tries),
            }
        }
    }

    fn present(&self) -> (Option<SendRequest<Bytes>>, u64) {
        let open = self.lock();
        (open.sender.clone(), open.tries)
    }

    /// Makes a connection, unless somebody else has tried since `tries`: what that came to holds
    /// for all who waited for it.
    async fn connect(self: &Arc<Self>, tries: u64) -> Result<(), ChannelError> {
        let _only = self.connecting.lock().await;
        {
            let open = self.lock();
            if open.tries != tries {
                return open.refused.as_deref().map_or(Ok(()), |why| Err(why.into()));
            }
        }
        let made = timeout(self.limits.connect_timeout, self.handshake()).await;
        let made = made.unwrap_or_else(|_| Err("no connection in time".into()));
        let tries = tries + 1;
        let mut open = self.lock();
        open.tries = tries;
        match made {
            Ok((sender, connection, cork)) => {
                (open.sender, open.way, open.refused) = (Some(sender), None, None);
                tokio::spawn(Arc::clone(self).drive(connection, cork, tries));
                Ok(())
            }
            Err(error) => {
                open.refused = Some(error.to_string().into());
                Err(error)
            }
        }
    }

    async fn handshake(&self) -> Result<(SendRequest<Bytes>, Connection, Cork), ChannelError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let line = match &self.limits.tls {
            None => Line::Clear(stream),
            Some(tls) => {
                let shaken = tls.connect(stream, &self.name).await;
                shaken.inspect_err(|error| self.note_disbelief(error))?
            }
        };
        let (stream, cork) = cork(line);
        let (sender, connection) = link::client(&self.limits).handshake(stream).await?;
        Ok((sender, connection, cork))
    }

    /// Moves bytes until the connection ends or its peer answers no ping.
    async fn drive(self: Arc<Self>, mut connection: Connection, cork: Cork, number: u64) {
        let pings = connection.ping_pong();
        let (every, patience) = self.limits.ping();
        tokio::select! {
            ended = cork.drive(Pin::new(&mut connection)) => {
                if let Err(error) = ended {
                    if let Some(cause) = error.get_io().filter(|cause| tls::is_refusal(cause)) {
                        self.note_disbelief(cause);
                    }
                    tracing::debug!(%error, host = self.host, "a link broke");
                }
            }
            () = until_silent(pings, every, patience) => {
                tracing::debug!(host = self.host, "a link is silent");
            }
        }
        self.close(number);
    }

    /// The service is none of this gateway, or says so of this process.
    fn note_disbelief(&self, error: &std::io::Error) {
        let Some(times) = self.refusals.count() else { return };
        tracing::error!(
            host = self.host,
            port = self.port,
            name = self.name,
            times,
            %error,
            "no encrypted link comes about: have both ends certificates of the authority in \
             --link-tls-ca, and is that of the service for its name?"
        );
    }

    /// No further call begins on the connection that was made by this try.
    fn close(&self, number: u64) {
        let mut open = self.lock();
        if open.tries == number {
            (open.sender, open.way) = (None, None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that stood still for so long that the time was over in one go finds the answer in its socket,
/// once the connection has had a turn.
const A_TURN: Duration = Duration::from_millis(200);

/// Ends when a ping is not answered in time.
async fn until_silent(pings: Option<h2::PingPong>, every: Duration, patience: Duration) {
    let Some(mut pings) = pings else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(every).await;
        let mut answer = pin!(pings.ping(Ping::opaque()));
        let answered = match timeout(patience, answer.as_mut()).await {
            Err(_) => timeout(A_TURN, answer).await,
            answered => answered,
        };
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(2);
    const PATIENCE: Duration = Duration::from_secs(3);

    /// A connection whose peer reads and answers for as long as `peer_lives`.
    async fn is_silent(peer_lives: Duration, stands_still: bool) -> bool {
        let (near, far) = tokio::io::duplex(1 << 16);
        let peer = async move {
            let mut peer = h2::server::handshake(far).await.unwrap();
            let _over = timeout(peer_lives, peer.accept()).await;
            std::future::pending::<()>().await;
        };
        let link = async {
            let (_sender, mut connection) = h2::client::handshake(near).await.unwrap();
            let pings = connection.ping_pong();
            tokio::select! {
                _ended = &mut connection => panic!("it ended"),
                () = until_silent(pings, EVERY, PATIENCE) => true,
                () = tokio::time::sleep(Duration::from_secs(60)) => false,
            }
        };
        // All the time that an answer may take, in one go, just when it is asked for.
        let stand_still = async {
            loop {
                tokio::time::sleep(EVERY).await;
                let lost = if stands_still { PATIENCE * 2 } else { Duration::ZERO };
                tokio::time::advance(lost).await;
            }
        };
        tokio::select! {
            is_silent = link => is_silent,
            () = peer => false,
            () = stand_still => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_silent_if_it_answers_no_ping() {
        assert!(!is_silent(Duration::from_secs(3600), false).await);
        assert!(is_silent(Duration::from_secs(10), false).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stood_still_takes_no_peer_for_silent() {
        for _ in 0..20 {
            assert!(!is_silent(Duration::from_secs(3600), true).await);
        }
    }
}
