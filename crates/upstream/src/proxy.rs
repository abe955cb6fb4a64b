//! Which way a target is reached. Every proxy URL is checked before anything starts: one that
//! cannot be used is an error, not a direct connection.

mod bypass;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use http::header::HeaderValue;
use http::uri::Scheme;
use url::Url;
use weir_types::Secret;

use crate::{Credentials, Proxy, SettingsError};
use bypass::Bypass;

/// A proxy that can be used.
#[derive(Clone)]
pub(crate) struct Via {
    pub(crate) kind: Kind,
    /// Scheme, host and port; no credentials.
    pub(crate) uri: Uri,
}

/// How to speak to a proxy.
#[derive(Clone)]
pub(crate) enum Kind {
    /// With the value of `proxy-authorization`.
    Http(Option<HeaderValue>),
    /// With user and password.
    Socks5(Option<(String, Secret)>),
}

/// The way to targets.
#[derive(Clone)]
pub(crate) enum Route {
    Direct,
    Always(Box<Via>),
    Environment { http: Option<Box<Via>>, https: Option<Box<Via>>, bypass: Bypass },
}

impl Route {
    pub(crate) fn new(proxy: &Proxy) -> Result<Self, SettingsError> {
        Ok(match proxy {
            Proxy::None => Self::Direct,
            Proxy::Http { url, credentials } => {
                Self::Always(Box::new(via(url, credentials.as_ref(), &["http", "https"])?))
            }
            Proxy::Socks5 { url, credentials } => {
                Self::Always(Box::new(via(url, credentials.as_ref(), &["socks5", "socks5h"])?))
            }
            Proxy::Environment { http_proxy, https_proxy, no_proxy } => {
                let schemes = &["http", "https", "socks5", "socks5h"];
                let read = |name: &str, url: &Option<Secret>| {
                    let url = url.as_ref().filter(|url| !url.expose().trim().is_empty());
                    let via = url.map(|url| via(url, None, schemes).map(Box::new)).transpose();
                    via.map_err(|SettingsError(why)| SettingsError(format!("{name}: {why}")))
                };
                let bypass = Bypass::parse(no_proxy.as_deref().unwrap_or_default());
                let bypass = bypass.map_err(|why| SettingsError(format!("NO_PROXY: {why}")))?;
                if bypass.covers_all() {
                    return Ok(Self::Direct);
                }
                Self::Environment {
                    http: read("HTTP_PROXY", http_proxy)?,
                    https: read("HTTPS_PROXY", https_proxy)?,
                    bypass,
                }
            }
        })
    }

    /// The proxy for `target`, if it is not reached straight.
    pub(crate) fn via(&self, target: &Uri) -> Option<&Via> {
        match self {
            Self::Direct => None,
            Self::Always(via) => Some(via),
            Self::Environment { http, https, bypass } => {
                let is_https = target.scheme() == Some(&Scheme::HTTPS);
                let via = if is_https { https } else { http };
                via.as_deref().filter(|_| !bypass.covers(target))
            }
        }
    }
}

impl Proxy {
    /// The passwords, of the settings and within URLs.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let (urls, credentials) = match self {
            Self::None => return Vec::new(),
            Self::Http { url, credentials } | Self::Socks5 { url, credentials } => {
                ([Some(url), None], credentials.as_ref())
            }
            Self::Environment { http_proxy, https_proxy, .. } => {
                ([http_proxy.as_ref(), https_proxy.as_ref()], None)
            }
        };
        // As they stand there: a password that is escaped is found in its other spellings as well.
        let within = urls.into_iter().flatten().filter_map(|url| {
            let (before, _) = url.expose().rsplit_once('@')?;
            let (_, password) = before.rsplit_once(':')?;
            decode(password).ok().map(Secret::new)
        });
        within.chain(credentials.map(|credentials| credentials.password.clone())).collect()
    }
}

/// What a proxy that is not content with our login is said to want.
pub(crate) const fn login_words(has_login: bool) -> &'static str {
    if has_login {
        "it does not accept the credentials"
    } else {
        "it wants a user and a password, and none are set"
    }
}

fn via(
    url: &Secret,
    credentials: Option<&Credentials>,
    schemes: &[&str],
) -> Result<Via, SettingsError> {
    let unusable = |why: &str| SettingsError(format!("the proxy URL cannot be used: {why}"));
    let text = url.expose().trim();
    let default_scheme = schemes.first().copied().unwrap_or("http");
    let text = match text.contains("://") {
        true => text.to_owned(),
        false => format!("{default_scheme}://{text}"),
    };
    // The parser takes line breaks out and backslashes for slashes.
    if text.chars().any(|c| !c.is_ascii_graphic() || c == '\\') {
        return Err(unusable("blanks, backslashes or characters that are not ASCII within it"));
    }
    let parsed = Url::parse(&text).map_err(|error| unusable(&url.retold(&error)))?;
    if !schemes.contains(&parsed.scheme()) {
        let expected = schemes.join(", ");
        return Err(unusable(&format!("its scheme must be one of {expected}")));
    }
    let host = parsed.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| unusable("it has no host"))?;
    let is_socks = parsed.scheme().starts_with("socks");
    let port = parsed.port_or_known_default().unwrap_or(if is_socks { 1080 } else { 80 });
    let scheme = if parsed.scheme() == "https" { "https" } else { "http" };
    let uri: Uri = format!("{scheme}://{host}:{port}/")
        .parse()
        .map_err(|_| unusable("its host is not valid"))?;
    let login = login(&parsed, credentials)?;
    let kind = if is_socks {
        let too_long = |text: &str| text.len() > 255;
        if login.as_ref().is_some_and(|(user, pass)| too_long(user) || too_long(pass.expose())) {
            return Err(unusable("user and password are limited to 255 bytes each"));
        }
        Kind::Socks5(login)
    } else {
        Kind::Http(login.map(|(user, password)| basic(&user, &password)).transpose()?)
    };
    Ok(Via { kind, uri })
}

/// User and password: those given apart if both are set, else those in the URL.
fn login(
    url: &Url,
    credentials: Option<&Credentials>,
) -> Result<Option<(String, Secret)>, SettingsError> {
    let given = credentials
        .filter(|given| !given.username.is_empty() && !given.password.expose().is_empty());
    if let Some(given) = given {
        return Ok(Some((given.username.clone(), given.password.clone())));
    }
    if url.username().is_empty() {
        return Ok(None);
    }
    let user = decode(url.username())?;
    let password = decode(url.password().unwrap_or_default())?;
    Ok(Some((user, Secret::new(password))))
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, SettingsError> {
    let invalid = || SettingsError("the proxy URL's user or password is not UTF-8".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let value = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, value) {
            (b'%', Some(value)) => {
                bytes.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

fn basic(user: &str, password: &Secret) -> Result<HeaderValue, SettingsError> {
    let encoded = STANDARD.encode(format!("{user}:{}", password.expose()));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .map_err(|_| SettingsError("the proxy's user or password cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
