//! One address, many accept queues: every core has a listener of its own on the same port.
//!
//! The kernel spreads connections over them (`SO_REUSEPORT`), so no core hands sockets to another.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait in the kernel until a core accepts them, per listener.
const BACKLOG: i32 = 1024;

/// Binds `count` listeners (at least one) to one address and says which it became; port 0 lets
/// the kernel choose. They are non-blocking, as the event loops need them.
///
/// The first socket is bound before it agrees to share, so a port that another process holds is
/// an error even if that process shares its own; only then do the others join.
///
/// # Errors
/// What the kernel says, above all `AddrInUse` and `PermissionDenied`.
pub fn bind_shared(addr: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = socket(addr)?;
    first.bind(&addr.into())?;
    first.set_reuse_port(true)?;
    first.listen(BACKLOG)?;
    let first = TcpListener::from(first);
    let bound = first.local_addr()?;

    let mut listeners = vec![first];
    for _ in 1..count {
        let next = socket(bound)?;
        next.set_reuse_port(true)?;
        next.bind(&bound.into())?;
        next.listen(BACKLOG)?;
        listeners.push(TcpListener::from(next));
    }
    Ok((bound, listeners))
}

fn socket(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the previous process' connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_listeners_share_one_port_and_a_stranger_is_refused() {
        let (addr, listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(addr.port(), 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == addr));

        let stranger = bind_shared(addr, 2).expect_err("the port is taken");
        assert_eq!(stranger.kind(), io::ErrorKind::AddrInUse);

        drop(listeners);
        bind_shared(addr, 2).expect("the port is free again");
    }

    #[test]
    fn none_asked_for_still_gives_one() {
        let (_, listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 0).unwrap();
        assert_eq!(listeners.len(), 1);
    }
}
