//! Who comes in: under which names a listener is known, and that nobody publishes keys by accident.

use std::net::{IpAddr, SocketAddr};

use weir_config::Config;
use weir_runtime::Hosts;

use crate::Failure;
use crate::cli::{HostArgs, PublicArgs};

/// The names of the listener on `address`: those of the configuration and of the flag.
pub(crate) fn hosts(address: SocketAddr, config: &Config, args: &HostArgs) -> Hosts {
    let mut names = config.client.allowed_hosts.clone();
    names.extend_from_slice(&args.allowed_hosts);
    Hosts::new(address.ip(), &names)
}

/// Fails if clients that nobody asks who they are could come from elsewhere, and the operator has not
/// said that they may. The one place that decides this: whatever makes clients say who they are is to
/// be counted here.
pub(crate) fn insist(args: &PublicArgs) -> Result<(), Failure> {
    if is_loopback(args.listen.ip()) || args.allow_anonymous {
        return Ok(());
    }
    Err(format!(
        "--listen {listen}: whoever reaches this address could use the keys of every provider, because \
         clients are not asked who they are. Listen on loopback (--listen 127.0.0.1:{port}) behind a \
         proxy that decides who comes in, or start with --allow-anonymous if the network does",
        listen = args.listen,
        port = args.listen.port(),
    )
    .into())
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on_without_a_word() {
        let insist = |listen: &str, allow_anonymous| {
            insist(&PublicArgs {
                listen: listen.parse().unwrap(),
                connections_max: None,
                connections_per_address_max: None,
                allow_anonymous,
            })
        };
        for listen in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:8080", "[::ffff:127.0.0.1]:1"] {
            assert!(insist(listen, false).is_ok(), "{listen}");
        }
        for listen in ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080", "[fd00::1]:8080"] {
            let why = insist(listen, false).unwrap_err().to_string();
            for part in [listen, "127.0.0.1:8080", "--allow-anonymous"] {
                assert!(why.contains(part), "{listen}: {why}");
            }
            assert!(insist(listen, true).is_ok(), "{listen}");
        }
    }
}
