//! Who comes in: under which names a listener is known, and that nobody publishes keys by accident,
//! to clients or to whoever reaches the links between services.

use std::net::{IpAddr, SocketAddr};

use weir_config::Config;
use weir_rpc::LinkSettings;
use weir_runtime::Hosts;

use crate::cli::{HostArgs, PublicArgs};
use crate::link::OpenLinkArgs;
use crate::{Failure, client_keys};

/// The names of the listener on `address`: those of the configuration and of the flag.
pub(crate) fn hosts(address: SocketAddr, config: &Config, args: &HostArgs) -> Hosts {
    let mut names = config.client.allowed_hosts.clone();
    names.extend_from_slice(&args.allowed_hosts);
    Hosts::new(address.ip(), &names)
}

/// Fails if clients that nobody asks who they are could come from elsewhere, and the operator has not
/// said that they may. The one place that decides this.
pub(crate) fn insist(args: &PublicArgs, config: &Config) -> Result<(), Failure> {
    let are_known = args.allow_anonymous || client_keys::are_required(config);
    insist_on_keys(args.listen, are_known)
}

fn insist_on_keys(listen: SocketAddr, is_allowed: bool) -> Result<(), Failure> {
    if is_loopback(listen.ip()) || is_allowed {
        return Ok(());
    }
    Err(format!(
        "--listen {listen}: whoever reaches this address could use the keys of every provider, because \
         clients are not asked who they are. Give them keys (governance.virtual_keys and \
         client.enforce_auth_on_inference), listen on loopback (--listen 127.0.0.1:{port}) behind a \
         proxy that decides who comes in, or start with --allow-anonymous if the network does",
        port = listen.port(),
    )
    .into())
}

/// Fails if other services could come from elsewhere and are asked neither for a token nor for a
/// certificate, and the operator has not said that they may.
pub(crate) fn insist_on_door(
    listen: SocketAddr,
    links: &LinkSettings,
    args: &OpenLinkArgs,
) -> Result<(), Failure> {
    let are_asked = !links.tokens.is_empty() || links.tls.is_some();
    if is_loopback(listen.ip()) || are_asked || args.allow_open_link {
        return Ok(());
    }
    Err(format!(
        "--listen {listen}: whoever reaches this address could use the keys of every provider behind \
         it, because calls are not asked for a token. Give all services of the gateway the same \
         --link-token-file (`weir token --out FILE` makes one), or certificates of an authority of \
         their own (--link-tls-cert, --link-tls-key and --link-tls-ca), listen on loopback (--listen \
         127.0.0.1:{port}), or start with --allow-open-link if nobody else is on the network",
        port = listen.port(),
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
            insist_on_keys(listen.parse().unwrap(), allow_anonymous)
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

    #[test]
    fn links_from_elsewhere_need_a_token_or_a_word() {
        let token = weir_types::Secret::new("0123456789abcdef".to_owned());
        let none = LinkSettings::new(1);
        let tokens = weir_rpc::LinkTokens::parse(&token).unwrap();
        let some = LinkSettings { tokens, ..none.clone() };
        let insist = |listen: &str, links: &LinkSettings, allow_open_link| {
            insist_on_door(listen.parse().unwrap(), links, &OpenLinkArgs { allow_open_link })
        };
        assert!(insist("127.0.0.1:7101", &none, false).is_ok());
        for listen in ["0.0.0.0:7101", "[::]:7101", "10.0.0.1:7101"] {
            let why = insist(listen, &none, false).unwrap_err().to_string();
            for part in [
                listen,
                "127.0.0.1:7101",
                "--link-token-file",
                "--link-tls-ca",
                "--allow-open-link",
            ] {
                assert!(why.contains(part), "{listen}: {why}");
            }
            assert!(insist(listen, &some, false).is_ok(), "{listen}");
            assert!(insist(listen, &none, true).is_ok(), "{listen}");
        }
    }
}
