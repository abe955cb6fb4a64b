//! Which addresses may be called: asked of every address that a name has, when it is called, so
//! that a name that changes its mind changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::sync::Semaphore;
use tower::Service;

use crate::Error;

/// Which addresses may be called. Loopback always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// All: for servers of this machine that give credentials.
    Everything,
    /// All but link-local ones and those where clouds give credentials to whoever asks.
    #[default]
    NoMetadata,
    /// Not those of private networks either.
    PublicOnly,
}

/// Where clouds answer their machines, beside link-local addresses.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
];

impl Reach {
    /// Whether `address` may be called.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(self, address: IpAddr) -> Result<(), String> {
        let seen = embedded(address);
        let is_metadata = match seen {
            IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4),
            IpAddr::V6(v6) => v6.is_unicast_link_local() || METADATA_V6.contains(&v6),
        };
        match self {
            Self::NoMetadata | Self::PublicOnly if is_metadata => {
                Err(format!("{address} is a link-local or metadata address"))
            }
            Self::PublicOnly if is_private(seen) => {
                let why = "is a private address, and allow_private_network is false";
                Err(format!("{address} {why}"))
            }
            Self::Everything | Self::NoMetadata | Self::PublicOnly => Ok(()),
        }
    }

    /// The same for a host that is an address; names are asked about when they are resolved.
    pub(crate) fn check_host(self, host: &str) -> Result<(), String> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.parse().map_or(Ok(()), |address| self.check(address))
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, or behind NAT64 (RFC 6052).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => IpAddr::V6(v6),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // RFC 6598: between a provider of lines and its customers.
            v4.is_private() || (first == 100 && (64..128).contains(&second))
        }
        // The second kind is an older form of the first.
        IpAddr::V6(v6) => v6.is_unique_local() || (v6.segments()[0] & 0xffc0) == 0xfec0,
    }
}

/// The most look-ups of one provider at a time. Each takes a thread of those that all providers of a
/// process share, for as long as a server of names is silent.
pub(crate) const LOOKUPS_MAX: usize = 16;

/// Resolves names to the addresses that may be called.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    system: GaiResolver,
    reach: Reach,
    lookups: Arc<Semaphore>,
}

impl Resolver {
    /// `lookups` has [`LOOKUPS_MAX`] permits and is the provider's.
    pub(crate) fn new(reach: Reach, lookups: Arc<Semaphore>) -> Self {
        Self { system: GaiResolver::new(), reach, lookups }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let target = name.as_str().to_owned();
        let (reach, mut system) = (self.reach, self.system.clone());
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let permit = lookups.acquire_owned().await?;
            // Whoever gives up waiting does not end the look-up, nor free its thread.
            let lookup = tokio::spawn(async move {
                let found = system.call(name).await;
                drop(permit);
                found
            });
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in lookup.await?? {
                match reach.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if allowed.is_empty() => Err(Error::Forbidden { target, why }.into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(reach: Reach, address: &str) -> bool {
        reach.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn metadata_is_never_a_provider() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(!allowed(Reach::NoMetadata, address), "{address}");
            assert!(!allowed(Reach::PublicOnly, address), "{address}");
            assert!(allowed(Reach::Everything, address), "{address}");
        }
    }

    #[test]
    fn private_networks_are_refused_only_where_that_is_asked_for() {
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert!(!allowed(Reach::PublicOnly, address), "{address}");
            assert!(allowed(Reach::NoMetadata, address), "{address}");
        }
        for address in
            ["127.0.0.1", "::1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860::8888"]
        {
            assert!(allowed(Reach::PublicOnly, address), "{address}");
        }
    }

    #[test]
    fn a_host_may_be_an_address() {
        assert!(Reach::PublicOnly.check_host("10.0.0.1").is_err());
        assert!(Reach::PublicOnly.check_host("[fd00::1]").is_err());
        assert!(Reach::PublicOnly.check_host("api.example").is_ok());
    }

    fn resolver(reach: Reach) -> Resolver {
        Resolver::new(reach, Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }

    #[tokio::test]
    async fn lookups_are_bounded() {
        let lookups = Arc::new(Semaphore::new(1));
        let mut resolver = Resolver::new(Reach::default(), Arc::clone(&lookups));
        let held = Arc::clone(&lookups).acquire_owned().await.unwrap();
        let mut waiting = resolver.call("localhost".parse().unwrap());
        let first = std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
        assert!(first.await);
        drop(held);
        assert!(waiting.await.is_ok());
        assert_eq!(lookups.available_permits(), 1);
    }

    #[tokio::test]
    async fn names_are_asked_about_when_they_are_resolved() {
        // An address in a form that only resolvers read.
        let name: Name = "2852039166".parse().unwrap();
        let error = resolver(Reach::NoMetadata).call(name.clone()).await.unwrap_err();
        assert!(error.to_string().contains("169.254.169.254"), "{error}");
        let found = resolver(Reach::Everything).call(name).await.unwrap();
        assert_eq!(found.count(), 1);
        let local: Name = "localhost".parse().unwrap();
        assert!(resolver(Reach::PublicOnly).call(local).await.is_ok());
    }
}
