//! Where Redis is: one server, a cluster, or the master that sentinels name.
//!
//! | address | means |
//! |---|---|
//! | `redis://[user:password@]host[:port][/db]` | one server; `rediss://` with TLS |
//! | `redis+unix:///path/to/socket[?db=N&user=U&pass=P]` | one server on this machine |
//! | `redis+sentinel://[user:password@]host[:port]/master[/db]` | the master of that name |
//! | `redis+cluster://[user:password@]host[:port]` | a cluster, from that node on |
//!
//! The last two take more nodes as `?node=host:port`, repeated, and have `rediss+` forms. With TLS
//! `?ca=/path/to/pem` names the only certificates to trust, else the system's roots are. User and
//! password are those of the Redis servers; sentinels are asked without. No message quotes an
//! address: it may hold a password.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use url::Url;

use crate::SetupError;

const SENTINEL_PORT: u16 = 26_379;
/// How a certificate begins in a file of them.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// Unacknowledged bytes end a connection after this long, so that a dead peer is noticed.
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// A parsed address.
#[derive(Clone)]
pub(crate) enum Address {
    /// One server.
    Server(ConnectionInfo),
    /// The master that sentinels name.
    Sentinel {
        /// Asked in order.
        sentinels: Vec<ConnectionInfo>,
        /// The master's name.
        master: String,
        /// How to reach the master, but for host and port.
        server: ConnectionInfo,
    },
    /// A cluster: nodes to begin with.
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, SetupError> {
        let (scheme, rest) = text.split_once("://").ok_or(SetupError("no scheme"))?;
        let plain = |scheme: &str| Url::parse(&format!("{scheme}://{rest}"));
        let (kind, url) = match scheme {
            "redis" | "redis+unix" | "unix" => return info(text, None).map(Self::Server),
            "rediss" => ("server", plain("rediss")),
            "redis+sentinel" => ("sentinel", plain("redis")),
            "rediss+sentinel" => ("sentinel", plain("rediss")),
            "redis+cluster" => ("cluster", plain("redis")),
            "rediss+cluster" => ("cluster", plain("rediss")),
            _ => return Err(SetupError("an unknown scheme")),
        };
        let mut url = url.map_err(|_| SetupError("not an address"))?;
        let ca = ca(&url)?;
        let info = |url: &Url| info(url.as_str(), ca.as_deref());
        let nodes = nodes(&url)?;
        url.set_query(None);
        if kind == "server" {
            return if nodes.len() == 1 {
                info(&url).map(Self::Server)
            } else {
                Err(SetupError("a `node` beside a single server"))
            };
        }
        if kind == "cluster" {
            let at = |(host, port): (String, u16)| info(&moved(&url, &host, port)?);
            return nodes.into_iter().map(at).collect::<Result<_, _>>().map(Self::Cluster);
        }
        let path = url.path().trim_matches('/').to_owned();
        let (master, db) = path.split_once('/').unwrap_or((&path, ""));
        if master.is_empty() {
            return Err(SetupError("no master's name after the sentinel's host"));
        }
        url.set_path(db);
        let server = info(&url)?;
        let mut asked = url.clone();
        asked.set_path("");
        if asked.set_username("").and_then(|()| asked.set_password(None)).is_err() {
            return Err(SetupError("not an address"));
        }
        let at = |(host, port): (String, u16)| info(&moved(&asked, &host, port)?);
        let sentinels = nodes.into_iter().map(at).collect::<Result<_, _>>()?;
        Ok(Self::Sentinel { sentinels, master: master.to_owned(), server })
    }
}

/// Hosts and ports: the address's own, then those of `?node=`.
fn nodes(url: &Url) -> Result<Vec<(String, u16)>, SetupError> {
    let default = if url.path().trim_matches('/').is_empty() { 6379 } else { SENTINEL_PORT };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SetupError("no host"))?;
    let mut nodes = vec![(host.to_owned(), url.port().unwrap_or(default))];
    for (name, node) in url.query_pairs() {
        match name.as_ref() {
            "node" => {}
            "ca" => continue,
            _ => return Err(SetupError("a parameter other than `node` and `ca`")),
        }
        let (host, port) = node.rsplit_once(':').unwrap_or((&node, ""));
        let port = if port.is_empty() { Ok(default) } else { port.parse() };
        let port = port.map_err(|_| SetupError("a `node` that is not host:port"))?;
        nodes.push((host.to_owned(), port));
    }
    Ok(nodes)
}

fn moved(url: &Url, host: &str, port: u16) -> Result<Url, SetupError> {
    let mut url = url.clone();
    url.set_host(Some(host)).map_err(|_| SetupError("a node without a host"))?;
    url.set_port(Some(port)).map_err(|()| SetupError("a node without a port"))?;
    Ok(url)
}

/// The certificates to trust, if the address names a file of them.
fn ca(url: &Url) -> Result<Option<Vec<u8>>, SetupError> {
    let Some((_, path)) = url.query_pairs().find(|(name, _)| name == "ca") else {
        return Ok(None);
    };
    let pem = std::fs::read(&*path).map_err(|_| SetupError("a `ca` file that cannot be read"))?;
    if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err(SetupError("a `ca` file without certificates"));
    }
    Ok(Some(pem))
}

/// How to reach one server. Library defaults would let small packets wait for each other.
fn info(text: &str, ca: Option<&[u8]>) -> Result<ConnectionInfo, SetupError> {
    let info = text.into_connection_info().map_err(|_| SetupError("not an address"))?;
    let info = info.set_tcp_settings(tcp());
    let Some(ca) = ca else { return Ok(info) };
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) };
    let client = Client::build_with_tls(info, certificates);
    let client = client.map_err(|_| SetupError("a `ca` without TLS, or that cannot be used"))?;
    Ok(client.get_connection_info().clone())
}

#[cfg(target_os = "linux")]
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(USER_TIMEOUT)
}

#[cfg(not(target_os = "linux"))]
fn tcp() -> TcpSettings {
    let _only_on_linux = USER_TIMEOUT;
    TcpSettings::default().set_nodelay(true)
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn at(info: &ConnectionInfo) -> String {
        assert!(info.tcp_settings().nodelay());
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                format!("tls {host}:{port}")
            }
            ConnectionAddr::Unix(path) => path.to_string_lossy().into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn one_server() {
        for (text, expected) in [
            ("redis://h", "h:6379"),
            ("rediss://u:p@h:1/3", "tls h:1"),
            ("redis+unix:///tmp/s", "/tmp/s"),
            ("unix:///tmp/s", "/tmp/s"),
        ] {
            let Ok(Address::Server(info)) = Address::parse(text) else { panic!("{text}") };
            assert_eq!(at(&info), expected);
        }
        let Ok(Address::Server(info)) = Address::parse("redis://u:p@h:1/3") else { panic!() };
        let redis = info.redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("u"), Some("p"), 3));
    }

    #[test]
    fn a_master_behind_sentinels() {
        let text = "rediss+sentinel://u:p@a/main/2?node=b:1&node=c";
        let Ok(Address::Sentinel { sentinels, master, server }) = Address::parse(text) else {
            panic!()
        };
        let found: Vec<_> = sentinels.iter().map(at).collect();
        assert_eq!(found, ["tls a:26379", "tls b:1", "tls c:26379"]);
        assert!(sentinels.iter().all(|one| one.redis_settings().password().is_none()));
        assert_eq!((master.as_str(), server.redis_settings().db()), ("main", 2));
        assert_eq!(server.redis_settings().password(), Some("p"));
    }

    #[test]
    fn a_cluster() {
        let Ok(Address::Cluster(nodes)) = Address::parse("redis+cluster://:p@a:7?node=b:8") else {
            panic!()
        };
        assert_eq!(nodes.iter().map(at).collect::<Vec<_>>(), ["a:7", "b:8"]);
        assert!(nodes.iter().all(|one| one.redis_settings().password() == Some("p")));
    }

    #[test]
    fn what_is_no_address_is_refused_without_quoting_it() {
        for text in [
            "h:6379",
            "http://secret",
            "redis+sentinel://secret",
            "redis+cluster://secret?shard=1",
            "redis+cluster://secret?node=h:x",
            "rediss://secret?node=h:1",
            "rediss://secret?ca=/no/such/file",
            "rediss+cluster://secret?ca=/dev/null",
            "redis://secret:x",
        ] {
            let Err(error) = Address::parse(text) else { panic!("{text}") };
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
