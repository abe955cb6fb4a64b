//! Where an answer may send us: to the provider's own hosts, and to those that its row names.

use http::Uri;
use http::uri::{Authority, Scheme};
use weir_provider::Template;

/// Something to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) uri: Uri,
    /// It is at the provider itself, which may see the credential.
    pub(super) is_own: bool,
}

/// Where a call goes.
#[derive(Debug)]
pub(super) struct Origin {
    call: Uri,
    /// The operator's or the vendor's.
    base: String,
    /// The vendor's own, which may stand in answers that came from another address.
    vendor: Option<Uri>,
    hosts: &'static [&'static str],
}

impl Origin {
    pub(super) fn new(
        call: &Uri,
        base: &str,
        vendor: &str,
        hosts: &'static [&'static str],
    ) -> Self {
        let vendor = vendor.parse().ok();
        Self { call: call.clone(), base: base.to_owned(), vendor, hosts }
    }

    /// The place that `url` names. What is at the vendor's own address is asked for where calls go:
    /// an operator's address stands for the vendor's.
    ///
    /// # Errors
    /// Nothing is asked for there; says so.
    pub(super) fn place(&self, url: &str) -> Result<Place, String> {
        let uri: Uri = url.parse().map_err(|_| "an address in its answer is none".to_owned())?;
        let own = |uri| Ok(Place { uri, is_own: true });
        let Some(named) = ends(&uri) else {
            return Err("an address in its answer is none of a server".to_owned());
        };
        if Some(named) == ends(&self.call) {
            return own(uri);
        }
        if Some(named) == self.vendor.as_ref().and_then(ends) {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let moved = Template::new(&self.base, path, |_| None).ok();
            let moved = moved.and_then(|moved| moved.fixed()?.parse().ok());
            return moved.map_or_else(|| Err("an address in its answer is none".to_owned()), own);
        }
        let (scheme, host, port) = named;
        let is_listed = self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if is_listed && *scheme == Scheme::HTTPS && port == 443 {
            return Ok(Place { uri, is_own: false });
        }
        Err(format!("its answer is to be fetched from {host}, which is none of its hosts"))
    }
}

/// The scheme, host and port of a server, in whatever case; `None` if `uri` names none, or somebody
/// beside it.
fn ends(uri: &Uri) -> Option<(&Scheme, &str, u16)> {
    let scheme = uri.scheme()?;
    let usual = match scheme {
        scheme if *scheme == Scheme::HTTPS => 443,
        scheme if *scheme == Scheme::HTTP => 80,
        _ => return None,
    };
    let authority: &Authority = uri.authority().filter(|it| !it.as_str().contains('@'))?;
    Some((scheme, authority.host(), authority.port_u16().unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENDOR: &str = "https://api.example.com";

    fn found(base: &str, url: &str) -> Result<(String, bool), String> {
        let call = format!("{base}/v1/orders").parse().unwrap();
        let origin = Origin::new(&call, base, VENDOR, &["events.example.com"]);
        origin.place(url).map(|place| (place.uri.to_string(), place.is_own))
    }

    #[test]
    fn the_providers_own_hosts_are_asked_with_the_credential() {
        let own = |url: &str| Ok((url.to_owned(), true));
        for url in ["https://api.example.com/v1/orders/1?x=%2F", "https://api.example.com:443/o"] {
            assert_eq!(found(VENDOR, url), own(url));
        }
        let inside = "http://10.0.0.1:8080";
        assert_eq!(found(inside, "http://10.0.0.1:8080/o"), own("http://10.0.0.1:8080/o"));
    }

    #[test]
    fn the_vendors_address_is_that_of_the_operator_in_front_of_it() {
        let moved = found("http://gate/replicate", "https://api.example.com/v1/orders/1");
        assert_eq!(moved, Ok(("http://gate/replicate/v1/orders/1".to_owned(), true)));
        let once = found("http://gate/v1", "https://api.example.com/v1/orders/1");
        assert_eq!(once, Ok(("http://gate/v1/orders/1".to_owned(), true)));
    }

    #[test]
    fn hosts_for_events_see_no_credential_and_others_nothing() {
        let events = "https://events.example.com/v1/files/x";
        assert_eq!(found(VENDOR, events), Ok((events.to_owned(), false)));
        for url in [
            "http://events.example.com/x",
            "https://events.example.com:444/x",
            "https://api.example.com.evil.com/x",
            "http://api.example.com/x",
            "https://api.example.com:8443/x",
            "https://user@api.example.com/x",
            "https://api.example.com@evil.com/x",
            "file:///etc/passwd",
            "/v1/orders/1",
            "http://169.254.169.254/latest",
            "",
            "https://",
        ] {
            assert!(found(VENDOR, url).is_err(), "{url}");
        }
    }
}
