//! What a request refers to of all that is stored: ids of ours in its body, wherever they stand. They
//! become the provider's own, and say whose turn it is.
//!
//! Pure. Costs a request without such ids one search of its bytes; nothing of it is parsed, and all
//! else of it stays as it came.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use weir_budget::Gather;
use weir_dialect::peek::Keeping;
use weir_dialect::stored::Stored;
use weir_rpc::Owner;
use weir_types::{Fault, FaultCode};

use crate::ids::{IdSecrets, MARK, Read, begins_sealed};
use crate::intake::{self, Limits};

/// Whose ids they may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) secrets: &'a IdSecrets,
    pub(crate) client: Option<&'a str>,
    /// Whether several clients are told apart.
    pub(crate) is_shared: bool,
}

/// Why an answer that was translated cannot be had again.
pub(crate) const NOBODY_KEEPS: &str = "nobody keeps it, because its provider has no responses and this \
                                       gateway has made it from an answer of another format; send the \
                                       whole conversation";

/// Whether `id` is one that this gateway has made up for an answer that nobody keeps.
pub(crate) fn is_unkept(stored: &Stored, id: &str) -> bool {
    stored.unkept.is_some_and(|beginning| id.starts_with(beginning))
}

/// A request whose ids are the provider's own.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// `None`: it had none of ours.
    pub(crate) body: Option<Bytes>,
    /// Who has what it refers to.
    pub(crate) owner: Option<Owner>,
    /// What was replaced: ours, and the provider's own.
    pub(crate) ids: Vec<(String, String)>,
}

/// The text of a member of `names` in which an id of ours may stand.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    member: &'static str,
    /// Where the id is.
    id: Range<usize>,
}

impl Reader<'_> {
    /// Whether a conversation can go on from the answer `earlier`. A provider's own id is the
    /// provider's to judge, but for clients with keys: it could be anybody's.
    ///
    /// # Errors
    /// It cannot.
    fn check_earlier(self, earlier: &str, stored: &Stored) -> Result<(), Fault> {
        let why = match self.secrets.open(earlier, self.client) {
            _ if is_unkept(stored, earlier) => NOBODY_KEEPS,
            Read::Refused => "this gateway has given no such id to this client",
            Read::Foreign if self.is_shared => "it is no id that this gateway has given",
            Read::Ours(_) | Read::Foreign => return Ok(()),
        };
        let shown = shown(earlier);
        let text = format!("the earlier response `{shown}` is not found: {why}");
        let mut fault =
            Fault::new(FaultCode::InvalidRequest, text).with_param("previous_response_id");
        fault.detail.code = Some("previous_response_not_found".into());
        Err(fault)
    }

    /// `body` with the provider's own ids in place of ours, in members of these `names`.
    ///
    /// # Errors
    /// An id is forged or somebody else's, or two of them belong to different keys.
    pub(crate) fn resolve(
        self,
        body: &Bytes,
        names: &'static [&'static str],
    ) -> Result<Resolved, Fault> {
        let mut resolved = Resolved::default();
        if self.secrets.is_empty() || names.is_empty() {
            return Ok(resolved);
        }
        let mut pieces = BytesMut::new();
        let mut done = 0;
        for Spot { member, id } in spots(body, names) {
            let written = String::from_utf8_lossy(body.get(id.clone()).unwrap_or_default());
            // The only escape that some writers use here.
            let given = written.replace("\\/", "/");
            let origin = match self.secrets.open(&given, self.client) {
                Read::Ours(origin) => origin,
                Read::Foreign => continue,
                Read::Refused => return Err(unknown(&given).with_param(member)),
            };
            let owner = Owner { provider: origin.provider, key: origin.key };
            if let Some(other) = resolved.owner.as_ref().filter(|other| **other != owner) {
                return Err(of_two(other, &owner, member));
            }
            resolved.owner = Some(owner);
            pieces.extend_from_slice(body.get(done..id.start).unwrap_or_default());
            pieces.extend_from_slice(origin.id.as_bytes());
            done = id.end;
            resolved.ids.push((given, origin.id));
        }
        if done > 0 {
            pieces.extend_from_slice(body.get(done..).unwrap_or_default());
            resolved.body = Some(pieces.freeze());
        }
        Ok(resolved)
    }
}

/// What a JSON body refers to, resolved, in a body that counts.
///
/// # Errors
/// As [`Reader::resolve`] and [`Reader::check_earlier`]; there is no room for a copy.
pub(crate) async fn resolve(
    reader: Reader<'_>,
    body: Bytes,
    (stored, keeping): (&Stored, &Keeping),
    limits: Limits,
) -> Result<(Bytes, Resolved), Fault> {
    if let Some(earlier) = &keeping.earlier {
        reader.check_earlier(earlier, stored)?;
    }
    let copy = intake::room_for_copy(&body, MARK, limits).await?;
    let mut resolved = reader.resolve(&body, stored.refers)?;
    let body = match (resolved.body.take(), copy) {
        (Some(new), Some(hold)) => Gather::made(new, hold),
        (Some(new), None) => new,
        (None, _) => body,
    };
    Ok((body, resolved))
}

/// Made once: every body is searched.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// Where ids of ours may stand in `body`, in order.
fn spots(body: &[u8], names: &'static [&'static str]) -> Vec<Spot> {
    let marks = FINDER.find_iter(body);
    let mut spots: Vec<Spot> = Vec::new();
    for mark in marks.filter(|at| begins_sealed(body.get(at + MARK.len()..).unwrap_or_default())) {
        if spots.last().is_none_or(|last| mark >= last.id.end) {
            spots.extend(spot(body, mark, names));
        }
    }
    spots
}

/// The text around the mark at `mark`, if it is a member's value and ends with an id.
fn spot(body: &[u8], mark: usize, names: &'static [&'static str]) -> Option<Spot> {
    let before = body.get(..mark)?;
    let quote = memchr::memrchr(b'"', before)?;
    let end = mark + memchr::memchr(b'"', body.get(mark..)?)?;
    let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if !body.get(mark..end)?.iter().all(is_id) {
        return None;
    }
    let member = name_before(body.get(..quote)?)?;
    let name = names.iter().find(|name| **name == member)?;
    let text = before.get(quote + 1..)?;
    let start = quote + 1 + beginning(text)?;
    Some(Spot { member: name, id: start..end })
}

/// Where in `text`, which the mark follows, the id begins: with letters and what parts them from the
/// mark. Before them only an address may stand.
fn beginning(text: &[u8]) -> Option<usize> {
    let Some((last, rest)) = text.split_last() else { return Some(0) };
    if !b"-_/".contains(last) {
        return None;
    }
    let rest = if *last == b'/' { rest.strip_suffix(b"\\").unwrap_or(rest) } else { rest };
    let letters = rest.iter().rev().take_while(|byte| byte.is_ascii_lowercase()).count();
    let start = rest.len() - letters;
    let is_address = || rest.get(..start).is_some_and(|address| address.ends_with(b"/"));
    (letters > 0 && (start == 0 || is_address())).then_some(start)
}

/// The name of the member whose value begins behind `before`.
fn name_before(before: &[u8]) -> Option<&str> {
    let before = before.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let name = before.strip_suffix(b"\"")?;
    let quote = memchr::memrchr(b'"', name)?;
    std::str::from_utf8(name.get(quote + 1..)?).ok()
}

/// How much of an unknown id is repeated.
const SHOWN_MAX: usize = 64;

/// Forged, damaged, somebody else's: all the same to whoever asks.
pub(crate) fn unknown(id: &str) -> Fault {
    unknown_because(format!("there is nothing with the id `{}`", shown(id)))
}

/// An answer that was translated.
pub(crate) fn unkept(id: &str) -> Fault {
    unknown_because(format!("the response `{}` is not kept: {NOBODY_KEEPS}", shown(id)))
}

fn unknown_because(text: String) -> Fault {
    let mut fault = Fault::new(FaultCode::NotFound, text);
    fault.detail.code = Some("unknown_id".into());
    fault
}

fn shown(id: &str) -> String {
    id.chars().take(SHOWN_MAX).collect()
}

fn of_two(one: &Owner, other: &Owner, member: &'static str) -> Fault {
    let text = format!(
        "the request refers to what the key `{}` of `{}` has stored, and to what the key `{}` of `{}` \
         has; nobody has both, store them with one key (x-bf-api-key)",
        one.key, one.provider, other.key, other.provider
    );
    Fault::new(FaultCode::InvalidRequest, text).with_param(member)
}

#[cfg(test)]
mod tests {
    use weir_types::Secret;

    use super::*;

    const NAMES: &[&str] = &["file_id", "fileUri"];

    fn secrets() -> IdSecrets {
        IdSecrets::parse(&Secret::new("a-secret-of-some-length".to_owned())).unwrap()
    }

    fn sealed(key: &str, own: &str) -> String {
        secrets().seal(("openai", key), None, own)
    }

    fn resolved(body: &str) -> Result<(String, Option<Owner>), Fault> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let secrets = secrets();
        let reader = Reader { secrets: &secrets, client: None, is_shared: false };
        let resolved = reader.resolve(&body, NAMES)?;
        let text = resolved.body.unwrap_or(body);
        Ok((String::from_utf8(text.to_vec()).unwrap(), resolved.owner))
    }

    fn owner(key: &str) -> Option<Owner> {
        Some(Owner { provider: "openai".into(), key: key.into() })
    }

    #[test]
    fn ids_become_the_providers_own_wherever_they_stand() {
        let (one, two) = (sealed("a", "file-1"), sealed("a", "file-22"));
        let name = sealed("a", "files/abc");
        for (body, expected) in [
            (format!(r#"{{"a":[{{"file_id": "{one}"}}]}}"#), r#"{"a":[{"file_id": "file-1"}]}"#),
            (
                format!(r#"{{"file_id":"{one}","x":{{"file_id" : "{two}"}}}}"#),
                r#"{"file_id":"file-1","x":{"file_id" : "file-22"}}"#,
            ),
            (
                format!(r#"{{"fileUri":"https://h/v1beta/{name}"}}"#),
                r#"{"fileUri":"https://h/v1beta/files/abc"}"#,
            ),
            (
                format!(r#"{{"fileUri":"https:\/\/h\/v1\/{}"}}"#, name.replace('/', "\\/")),
                r#"{"fileUri":"https:\/\/h\/v1\/files/abc"}"#,
            ),
        ] {
            assert_eq!(resolved(&body).unwrap(), (expected.to_owned(), owner("a")), "{body}");
        }
    }

    #[test]
    fn what_only_looks_alike_stays() {
        let id = sealed("a", "file-1");
        for body in [
            r#"{"text":"the weir at the river"}"#.to_owned(),
            format!(r#"{{"text":"{id}"}}"#),
            format!(r#"{{"file_id":"see {id}"}}"#),
            format!(r#"{{"file_id":"{id} "}}"#),
            format!(r#"{{"text":"\"file_id\":\"{id}\""}}"#),
            format!(r#"["file_id","{id}"]"#),
            r#"{"file_id":"file-abc"}"#.to_owned(),
            r#"{"file_id":"weirAQ"#.to_owned(),
            "weirAQ".to_owned(),
        ] {
            assert_eq!(resolved(&body).unwrap(), (body.clone(), None));
        }
    }

    #[test]
    fn forged_ids_and_those_of_two_keys_are_refused() {
        let (one, two) = (sealed("a", "file-1"), sealed("b", "file-2"));
        let both = format!(r#"{{"file_id":"{one}","x":{{"file_id":"{two}"}}}}"#);
        let fault = resolved(&both).unwrap_err();
        assert_eq!(fault.code, FaultCode::InvalidRequest);
        assert!(fault.detail.message.contains("`a`") && fault.detail.message.contains("`b`"));
        let damaged = format!(r#"{{"file_id":"{one}A"}}"#);
        let fault = resolved(&damaged).unwrap_err();
        assert_eq!(
            (fault.code, fault.detail.param.as_deref()),
            (FaultCode::NotFound, Some("file_id"))
        );
    }
}
