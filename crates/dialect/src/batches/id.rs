//! Ids in OpenAI's form over ids of vendors', and the marks of records.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Interface;

const BATCH: &str = "batch_";
const FILE: &str = "file-";
/// What marked names of records begin with.
const MARK: &str = "weir-";

/// The id of the batch that the vendor calls `own`, in letters that may stand in a path.
#[must_use]
pub fn batch(own: &str) -> String {
    format!("{BATCH}{}", URL_SAFE_NO_PAD.encode(own))
}

/// What the vendor calls the batch `id`; an id of its own stands for itself.
#[must_use]
pub fn of_batch(id: &str) -> Option<String> {
    opened(BATCH, id)
}

/// The id of the file that the vendor calls `own`.
#[must_use]
pub fn file(own: &str) -> String {
    format!("{FILE}{}", URL_SAFE_NO_PAD.encode(own))
}

/// The inverse of [`file()`], as [`of_batch`].
#[must_use]
pub fn of_file(id: &str) -> Option<String> {
    opened(FILE, id)
}

fn opened(prefix: &str, id: &str) -> Option<String> {
    let Some(sealed) = id.strip_prefix(prefix) else {
        return (!id.is_empty()).then(|| id.to_owned());
    };
    let own = String::from_utf8(URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
    (!own.is_empty()).then_some(own)
}

/// The client's name `id` of a request as a record's, which says too what the request was for; `is_fit`:
/// what the vendor takes as one. `None`: it cannot be said.
pub(super) fn marked(
    id: &str,
    interface: Interface,
    is_fit: impl Fn(&str) -> bool,
) -> Option<String> {
    let letter = interface.letter();
    let plain = (interface == Interface::Chat && !id.starts_with(MARK)).then(|| id.to_owned());
    let sealed = || format!("{MARK}{}-{}", letter.to_ascii_uppercase(), URL_SAFE_NO_PAD.encode(id));
    let forms = [plain, Some(format!("{MARK}{letter}-{id}")), Some(sealed())];
    forms.into_iter().flatten().find(|name| is_fit(name))
}

/// The inverse of [`marked`]; what nobody has marked says nothing of its request.
pub(super) fn unmarked(name: &str) -> (String, Option<Interface>) {
    let unknown = || (name.to_owned(), None);
    let Some((letter, rest)) = name.strip_prefix(MARK).and_then(|rest| rest.split_once('-')) else {
        return unknown();
    };
    let interface = Interface::ALL
        .into_iter()
        .find(|one| letter.len() == 1 && letter.eq_ignore_ascii_case(&one.letter().to_string()));
    let Some(interface) = interface else { return unknown() };
    if letter.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return (rest.to_owned(), Some(interface));
    }
    let id = URL_SAFE_NO_PAD.decode(rest).ok().and_then(|id| String::from_utf8(id).ok());
    id.map_or_else(unknown, |id| (id, Some(interface)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_were_written() {
        assert_eq!(of_batch(&batch("msgbatch_1")).as_deref(), Some("msgbatch_1"));
        assert_eq!(of_batch("msgbatch_1").as_deref(), Some("msgbatch_1"));
        assert_eq!(of_file(&file("a/b")).as_deref(), Some("a/b"));
        for damaged in ["file-?", "file-", ""] {
            assert_eq!(of_file(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_records_name_says_what_its_request_was_for() {
        let is_fit = |name: &str| {
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            name.len() <= 64 && name.bytes().all(is_fit)
        };
        for (id, chat) in [
            ("one-1", "one-1"),
            ("weir-c-1", "weir-c-weir-c-1"),
            ("ä 1", "weir-C-w6QgMQ"),
            ("", ""),
        ] {
            assert_eq!(marked(id, Interface::Chat, is_fit).as_deref(), Some(chat));
            for interface in Interface::ALL {
                let name = marked(id, interface, is_fit).unwrap();
                let (read, found) = unmarked(&name);
                assert_eq!((&*read, found.unwrap_or(Interface::Chat)), (id, interface), "{name}");
            }
        }
        assert_eq!(marked(&"x".repeat(65), Interface::Chat, is_fit), None);
        for foreign in ["a", "weir-", "weir-x-a", "weir-C-?", "weir-cr-a"] {
            assert_eq!(unmarked(foreign), (foreign.to_owned(), None));
        }
    }
}
