//! The accept loop of one listener: bounded, hard to kill, and gone when the drain begins.
//!
//! Knows no protocol: each connection becomes one task that runs the future it is given.

use std::future::Future;
use std::io;
use std::net::{self, IpAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinError, JoinSet};

use crate::seats::Seats;
use crate::{Addresses, Drain, Seat};

/// Pause after the first accept error that is not the client's own, doubled up to the maximum.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How many connections a listener has.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// At a time. When there are so many, the one that has been idle for longest is closed for a new
    /// one; while none is idle, more wait in the kernel.
    pub connections_max: usize,
    /// Of one address; `None`: as many as there are.
    pub addresses: Option<Addresses>,
}

/// Accepts connections, with `TCP_NODELAY`, and runs `connection` for each, as many as `crowd` says.
///
/// When the drain begins nothing new is accepted but what the kernel had already queued; returns
/// when the last connection has ended or the drain is over, which cuts the rest off.
///
/// # Errors
/// Only if the listener cannot be registered with the event loop. Accept errors, `EMFILE`
/// included, are logged and waited out.
pub async fn accept<F, Fut>(
    listener: net::TcpListener,
    crowd: Crowd,
    mut drain: Drain,
    connection: F,
) -> io::Result<()>
where
    F: Fn(TcpStream, Seat, Drain) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    // A signal of this loop's own, so that connections of different cores share no cache line.
    let (local, local_drain) = Drain::new();
    let mut tasks = JoinSet::new();
    let mut seats = Seats::default();
    let connections_max = crowd.connections_max.max(1);
    let mut pause = PAUSE_MIN;
    let start = |tasks: &mut JoinSet<()>, seats: &mut Seats, stream: TcpStream, from: IpAddr| {
        let guest = match crowd.addresses.map(|addresses| addresses.admit(from)) {
            Some(None) => return,
            admitted => admitted.flatten(),
        };
        if !seats.free_one(connections_max) {
            return;
        }
        // Fails only on a socket that is dead already, which its task will notice.
        let _ = stream.set_nodelay(true);
        let seat = seats.seat(guest);
        let task = tasks.spawn(connection(stream, seat.clone(), local_drain.clone()));
        seats.sit(&seat, task);
    };
    loop {
        let room = seats.has_room(connections_max);
        tokio::select! {
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, from)) => {
                    pause = PAUSE_MIN;
                    start(&mut tasks, &mut seats, stream, from.ip());
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections, trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            },
            Some(ended) = tasks.join_next_with_id() => {
                seats.leave(report(ended));
            }
            () = seats.freed(), if !room => {}
            () = drain.draining() => break,
        }
    }
    // Asked of the kernel itself: the event loop may not have heard of them yet.
    let listener = listener.into_std()?;
    while tasks.len() < connections_max
        && let Ok((stream, from)) = listener.accept()
    {
        stream.set_nonblocking(true)?;
        start(&mut tasks, &mut seats, TcpStream::from_std(stream)?, from.ip());
    }
    drop(listener);
    local.start();
    loop {
        tokio::select! {
            ended = tasks.join_next_with_id() => match ended {
                Some(ended) => _ = report(ended),
                None => return Ok(()),
            },
            _ = drain.over() => return Ok(()),
        }
    }
}

/// The connection broke before it was accepted: there is nothing to serve.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Says how a task ended, if that is worth saying; which it was.
fn report(ended: Result<(Id, ()), JoinError>) -> Id {
    let error = match ended {
        Ok((id, ())) => return id,
        Err(error) => error,
    };
    if error.is_panic() {
        tracing::error!(%error, "a connection's task panicked");
    }
    error.id()
}
