//! The accept loop of one listener: bounded, hard to kill, and gone when the drain begins.
//!
//! Knows no protocol: each connection becomes one task that runs the future it is given.

use std::future::Future;
use std::io;
use std::net;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};

use crate::Drain;

/// Pause after the first accept error that is not the client's own, doubled up to the maximum.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Accepts connections, with `TCP_NODELAY`, and runs `connection` for each, at most
/// `connections_max` at a time; more wait in the kernel.
///
/// When the drain begins nothing new is accepted but what the kernel had already queued; returns
/// when the last connection has ended or the drain is over, which cuts the rest off.
///
/// # Errors
/// Only if the listener cannot be registered with the event loop. Accept errors, `EMFILE`
/// included, are logged and waited out.
pub async fn accept<F, Fut>(
    listener: net::TcpListener,
    connections_max: usize,
    mut drain: Drain,
    connection: F,
) -> io::Result<()>
where
    F: Fn(TcpStream, Drain) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    // A signal of this loop's own, so that connections of different cores share no cache line.
    let (local, local_drain) = Drain::new();
    let mut tasks = JoinSet::new();
    let mut pause = PAUSE_MIN;
    let start = |tasks: &mut JoinSet<()>, stream: TcpStream| {
        // Fails only on a socket that is dead already, which its task will notice.
        let _ = stream.set_nodelay(true);
        tasks.spawn(connection(stream, local_drain.clone()));
    };
    loop {
        let room = tasks.len() < connections_max.max(1);
        tokio::select! {
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    pause = PAUSE_MIN;
                    start(&mut tasks, stream);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections, trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            },
            Some(ended) = tasks.join_next() => report(ended),
            () = drain.draining() => break,
        }
    }
    // Asked of the kernel itself: the event loop may not have heard of them yet.
    let listener = listener.into_std()?;
    while tasks.len() < connections_max
        && let Ok((stream, _)) = listener.accept()
    {
        stream.set_nonblocking(true)?;
        start(&mut tasks, TcpStream::from_std(stream)?);
    }
    drop(listener);
    local.start();
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => report(ended),
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

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}
