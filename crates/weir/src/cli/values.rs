//! What a flag's value may be: addresses, hosts, sizes. Knows no flag.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

/// An address to listen on; a name, as `localhost:8080`, stands for the first of its addresses that is
/// this machine's, IPv4 before IPv6: others of the same name may be those of its replicas.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let unusable = |why: &str| format!("{why}; write 127.0.0.1:8080, [::1]:8080 or localhost:8080");
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        return Err(unusable("a host and a port belong together"));
    }
    let found = text.to_socket_addrs().map_err(|error| unusable(&error.to_string()))?;
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let own = found.iter().find(|one| TcpListener::bind((one.ip(), 0)).is_ok());
    own.or_else(|| found.first()).copied().ok_or_else(|| unusable("the name has no address"))
}

/// A host's name, or a pattern of names.
pub(super) fn allowed_host(text: &str) -> Result<String, String> {
    let is_sound = weir_config::is_allowed_host(text);
    is_sound
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected {}", weir_config::HOST_EXPECTED))
}

/// Less is not enough for one body of a usual size.
const SIZE_MIN: usize = 16 << 20;

/// A size of memory.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("expected a size as 256MiB, 2GiB or 268435456, found `{text}`");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.strip_prefix(digits).map(str::to_ascii_lowercase).as_deref() {
        Some("") => 1,
        Some("k" | "kib") => 1 << 10,
        Some("m" | "mib") => 1 << 20,
        Some("g" | "gib") => 1 << 30,
        _ => return Err(wrong()),
    };
    let count: usize = digits.parse().map_err(|_| wrong())?;
    let bytes = count.checked_mul(unit).ok_or_else(wrong)?;
    (bytes >= SIZE_MIN).then_some(bytes).ok_or_else(|| format!("{text} is less than 16MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("268435456"), Ok(256 << 20));
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!((size("512m"), size("2GiB")), (Ok(512 << 20), Ok(2 << 30)));
        for wrong in ["", "MiB", "256MB", "1.5GiB", "-1", "15MiB", "99999999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_stand_for_addresses() {
        let address = |text: &str| listen_address(text).map(|address| address.to_string());
        assert_eq!(address("127.0.0.1:0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(address("[::1]:80").as_deref(), Ok("[::1]:80"));
        assert_eq!(address("localhost:8080").as_deref(), Ok("127.0.0.1:8080"));
        for wrong in ["localhost", "8080", "127.0.0.1", "localhost:http", "localhost:70000"] {
            assert!(address(wrong).unwrap_err().contains("localhost:8080"), "{wrong}");
        }
    }
}
