//! Where each operation of a key goes: base URL, path, overrides, and what is allowed at all.

use http::Uri;
use url::Url;
use weir_types::Operation;

use crate::settings::{Custom, KeySettings, Settings};

/// The addresses of one key.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    base: String,
    list: Vec<(Operation, bool, Uri)>,
}

impl Endpoints {
    pub(crate) fn new(settings: &Settings, key: &KeySettings) -> Result<Self, String> {
        let base = base(settings, key)?;
        let mut list = Vec::new();
        for operation in Operation::ALL {
            for stream in [false, true] {
                if !is_allowed(settings.custom.as_ref(), operation, stream) {
                    continue;
                }
                if let Some(uri) = address(settings, &base, operation, stream)? {
                    list.push((operation, stream, uri));
                }
            }
        }
        Ok(Self { base, list })
    }

    pub(crate) fn find(&self, operation: Operation, stream: bool) -> Option<&Uri> {
        let found =
            self.list.iter().find(|(of, streamed, _)| (*of, *streamed) == (operation, stream));
        found.map(|(_, _, uri)| uri)
    }

    /// What tells servers of one provider apart.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

/// Whether the configuration allows `operation`.
pub(crate) fn is_allowed(custom: Option<&Custom>, operation: Operation, stream: bool) -> bool {
    let allowed = custom.and_then(|custom| custom.allowed_requests.as_ref());
    let name = operation.config_name(stream);
    allowed.is_none_or(|allowed| allowed.iter().any(|allowed| allowed == name))
}

fn base(settings: &Settings, key: &KeySettings) -> Result<String, String> {
    let vendor = settings.vendor.base_url;
    let base = key.base_url.as_deref().or(settings.base_url.as_deref()).unwrap_or(vendor);
    let base = base.trim().trim_end_matches('/');
    if base.is_empty() {
        return Err(format!("key {} has no URL and the provider has none either", key.name));
    }
    check(base)?;
    Ok(base.to_owned())
}

fn check(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("the URL is not valid: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("the URL must be http:// or https:// with a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold credentials".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must not have a query or a fragment".to_owned());
    }
    Ok(())
}

fn address(
    settings: &Settings,
    base: &str,
    operation: Operation,
    stream: bool,
) -> Result<Option<Uri>, String> {
    let name = operation.config_name(stream);
    let custom = settings.custom.as_ref();
    let overrides = custom.map(|custom| custom.path_overrides.as_slice()).unwrap_or_default();
    let path = overrides.iter().find(|(of, _)| of == name).map(|(_, path)| path.trim());
    let Some(path) = path.or_else(|| settings.vendor.path(operation)) else { return Ok(None) };
    let text = if path.contains("://") {
        check(path)?;
        path.to_owned()
    } else {
        format!("{base}/{}", path.trim_start_matches('/'))
    };
    let uri = text.parse().map_err(|_| format!("the address of {name} is not a valid URL"))?;
    Ok(Some(uri))
}
