//! `proxy_config`: the way calls take out.
//!
//! A proxy that is asked for and cannot be used is an error, never a direct connection.

use schemars::JsonSchema;

use crate::endpoint;
use crate::environment::ProxyVariables;
use crate::pem;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::text::{self, Judge};

/// The proxy of a provider.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["type"]))]
pub struct Proxy {
    /// Which kind of proxy.
    #[schemars(rename = "type")]
    pub kind: ProxyType,
    /// The proxy's address; needed for `http` and `socks5`.
    pub url: SecretRef,
    /// User at the proxy.
    pub username: SecretRef,
    /// Password at the proxy.
    pub password: SecretRef,
    /// Certificates trusted besides the system's, for proxies that look into TLS, PEM.
    pub ca_cert_pem: SecretRef,
}

/// Kinds of proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum ProxyType {
    /// Direct connections, whatever the environment says.
    #[default]
    None,
    /// An HTTP proxy; `https` calls through `CONNECT`.
    Http,
    /// A SOCKS5 proxy.
    Socks5,
    /// What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.
    Environment,
}

const TYPES: [(&str, ProxyType); 4] = [
    ("none", ProxyType::None),
    ("http", ProxyType::Http),
    ("socks5", ProxyType::Socks5),
    ("environment", ProxyType::Environment),
];

pub(crate) fn read(field: &Field<'_>) -> Option<Proxy> {
    let mut section = field.section()?;
    let kind = section
        .required("type", "one of: \"none\", \"http\", \"socks5\", \"environment\"")
        .and_then(|field| field.choice(&TYPES));
    let url = match kind {
        Some(ProxyType::Http) => proxy_url(&mut section, HTTP, endpoint::http_proxy),
        Some(ProxyType::Socks5) => proxy_url(&mut section, SOCKS5, endpoint::socks_proxy),
        Some(ProxyType::None | ProxyType::Environment) => {
            unused(&mut section);
            SecretRef::None
        }
        None => section.reference("url"),
    };
    let proxy = Proxy {
        kind: kind.unwrap_or_default(),
        url,
        username: section.reference("username"),
        password: section.secret("password", text::line),
        ca_cert_pem: section.judged("ca_cert_pem", pem::certificates),
    };
    if kind == Some(ProxyType::Environment) {
        note_unset(&mut section);
    }
    if proxy.username.is_none() != proxy.password.is_none() {
        let missing = if proxy.username.is_none() { "username" } else { "password" };
        let draft = Draft::warning(format!("the proxy's credentials lack a {missing}"));
        section.report(draft.help("give username and password, or neither"));
    }
    section.finish();
    Some(proxy)
}

const HTTP: &str = "the proxy's address, as http://proxy.example.com:3128";
const SOCKS5: &str = "the proxy's address, as socks5://proxy.example.com:1080";

fn proxy_url(section: &mut Section<'_>, expected: &str, judge: Judge) -> SecretRef {
    let url = section.needed("url", expected, judge);
    if let (Some(text), Some(field)) = (url.literal(), section.field("url"))
        && endpoint::has_credentials(text)
    {
        let draft =
            Draft::warning("a secret stands in this file").expected("no user in the address");
        field.report(draft.found("one").help("use username and password with \"env.NAME\""));
    }
    url
}

/// Fields that say nothing with this type.
fn unused(section: &mut Section<'_>) {
    for name in ["url", "username", "password", "ca_cert_pem"] {
        let said = |field: &Field<'_>| !crate::unacted::is_empty(field.value);
        let Some(field) = section.field(name).filter(said) else {
            continue;
        };
        if name == "url" {
            let draft = Draft::error("an address that would not be used");
            field.report(
                draft
                    .expected("no url with this type")
                    .found("a url")
                    .help("set type to \"http\" or \"socks5\", or remove the url"),
            );
        }
    }
}

fn note_unset(section: &mut Section<'_>) {
    let Some(lookup) = section.reader.lookup() else {
        return;
    };
    let unset = ProxyVariables::read(lookup).is_empty();
    if let (true, Some(field)) = (unset, section.field("type")) {
        let draft = Draft::warning("no proxy variable is set, so calls go out directly");
        field.report(draft.help("set HTTPS_PROXY, or use the type \"none\""));
    }
}
