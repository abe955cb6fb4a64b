//! Uploads in steps: a call that begins one is answered with an address for what follows. That address
//! is ours, and says whose the upload is; what the provider calls it stands in the query of its own.
//! <https://ai.google.dev/gemini-api/docs/files>

use std::sync::Arc;
use std::time::SystemTime;

use form_urlencoded::Serializer;
use http::header::HOST;
use http::request::Parts;
use weir_dialect::format;
use weir_rpc::{Header, ReplyHead};
use weir_types::{Fault, Operation};

use crate::client_keys;
use crate::ids::{IdSecrets, Origin, Read};
use crate::live::InForce;
use crate::route::Route;

/// Where an answer says how it goes on.
const URL: &str = "x-goog-upload-url";
/// The parameter of an address that names an upload.
const ID: &str = "upload_id";
/// How such an id begins in ours, what stands before a client's name in it, and what follows it.
const BEGINNING: &str = "upload_";
const NAMED: char = '=';
const END: char = '\n';
/// Says by which scheme a client came to whoever stands before us.
const SCHEME: &str = "x-forwarded-proto";

/// An upload that an id of ours names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(super) origin: Origin,
    /// Whose it is; `None`: nobody's in particular.
    pub(crate) client: Option<String>,
}

/// The id of the upload that a provider calls `own`. It says whose it is, and is of use to whoever has it:
/// libraries send no credential to such an address, because it is one.
fn sealed(secrets: &IdSecrets, at: (&str, &str), client: Option<&str>, own: &str) -> String {
    let client = client.map(|name| format!("{NAMED}{name}")).unwrap_or_default();
    secrets.seal(at, None, &format!("{BEGINNING}{client}{END}{own}"))
}

/// The upload that a call to `route` goes on with; `Err`: its id is none of ours. `None`: it begins one, or
/// is about something else.
pub(crate) fn continued(
    secrets: &IdSecrets,
    route: &Route,
    parts: &Parts,
) -> Option<Result<Upload, String>> {
    let comes_so = || format(route.dialect).stored().is_some_and(|stored| stored.names.is_some());
    let is_upload = route.operation == Operation::FileUpload && comes_so();
    let query = parts.uri.query().filter(|_| is_upload)?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let id = pairs.find_map(|(name, id)| (name == ID).then_some(id))?;
    let Read::Ours(origin) = secrets.open(&id, None) else { return Some(Err(id.into_owned())) };
    let named = origin.id.strip_prefix(BEGINNING).and_then(|rest| rest.rsplit_once(END));
    let Some((client, own)) = named else { return Some(Err(id.into_owned())) };
    let client = client.strip_prefix(NAMED).map(str::to_owned);
    let origin = Origin { id: own.to_owned(), ..origin };
    Some(Ok(Upload { origin, client }))
}

/// Who asks. An upload under way says it by itself, to whoever sends no credential.
pub(crate) fn caller(
    now: &InForce,
    route: &Route,
    parts: &Parts,
) -> Result<Option<Arc<str>>, Fault> {
    let keys = &now.settings.client_keys;
    let at = SystemTime::now();
    let caller = keys.caller(parts, at);
    if !matches!(&caller, Ok(Some(_)))
        && !client_keys::is_wrong(&caller)
        && let Some(Ok(upload)) = continued(&now.settings.ids, route, parts)
        && let Some(name) = upload.client
    {
        return keys.named(&name, at).map(Some);
    }
    caller
}

/// The query of a call that goes on with the upload `own`.
pub(super) fn query(own: &str) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair(ID, own).append_pair("upload_protocol", "resumable");
    query.finish()
}

/// Puts an address of ours in place of the provider's. Other addresses of the provider's are left out.
pub(super) fn addressed(
    head: &mut ReplyHead,
    parts: &Parts,
    (secrets, client): (&IdSecrets, Option<&str>),
) {
    let seal = |own: &str| sealed(secrets, (&head.provider, &head.key), client, own);
    let address = |(name, value): &Header| {
        let (_, query) = value.split_once('?').filter(|_| name == URL)?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let (_, own) = pairs.find(|(name, _)| name == ID)?;
        Some(ours(parts, &seal(&own)))
    };
    let ours = head.headers.iter().find_map(address);
    let is_address =
        |(name, _): &Header| name.starts_with("x-goog-upload-") && name.ends_with("url");
    head.headers.retain(|header| !is_address(header));
    head.headers.extend(ours.map(|address| (URL.to_owned(), address)));
}

/// Where whoever asks has asked, with this id.
fn ours(parts: &Parts, id: &str) -> String {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host =
        parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| text(HOST.as_str()));
    let scheme = text(SCHEME).filter(|scheme| *scheme == "https").unwrap_or("http");
    format!("{scheme}://{}{}?{}", host.unwrap_or_default(), parts.uri.path(), query(id))
}
