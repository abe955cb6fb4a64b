//! Ids that say whose a stored thing is: provider, key and the provider's own id of it, authenticated
//! with a secret of the deployment. Nothing is remembered, so every replica knows them, and after a
//! restart as well.
//!
//! Pure. An id is bound to the client's key that it was given to: another's is to its holder as if
//! there were no such thing. Provider and key can be read in it; they stand in every answer's head too.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::BASE32_NOPAD;
use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use subtle::ConstantTimeEq;
use weir_types::{KeyName, ProviderName, Secret};

/// What every id of ours has after the vendor's prefix, and no vendor's own has.
pub(crate) const MARK: &str = "weir";
/// The form of what follows it.
const VERSION: u8 = 1;
/// Bytes of a tag: as many as nobody guesses.
const TAG_BYTES: usize = 16;
/// Longer ids are not read.
const ID_BYTES_MAX: usize = 2048;
/// The longest prefix of a vendor's that is kept.
const PREFIX_BYTES_MAX: usize = 16;
/// Shorter secrets can be guessed.
const SECRET_BYTES_MIN: usize = 16;
/// What tags are about, so that the same secret may serve elsewhere.
const PURPOSE: &[u8] = b"weir stored id\0";

/// The secrets of a deployment's ids: the first signs, all are accepted. None: ids stay as they are.
#[derive(Clone, Default)]
pub struct IdSecrets {
    keys: Arc<[Key]>,
    /// Tells lists apart.
    print: [u8; 32],
}

/// Why a text is no list of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdSecretError {
    /// It holds nothing.
    #[error("there is no secret in it; `weir token` makes one")]
    None,
    /// A secret is too short.
    #[error(
        "secret {number} is shorter than {SECRET_BYTES_MIN} characters; `weir token` makes one"
    )]
    Short {
        /// Which one, from 1.
        number: usize,
    },
}

/// What an id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) provider: ProviderName,
    pub(crate) key: KeyName,
    /// The provider's own id.
    pub(crate) id: String,
}

/// What a text is that stands in the place of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// One of ours, given to whoever asks.
    Ours(Origin),
    /// Forged, damaged, or somebody else's.
    Refused,
    /// None of ours: a provider's own, if anything.
    Foreign,
}

impl IdSecrets {
    /// Secrets that stand apart by white space, usually one in a line.
    ///
    /// # Errors
    /// [`IdSecretError`].
    pub fn parse(text: &Secret) -> Result<Self, IdSecretError> {
        let mut keys = Vec::new();
        for (secret, number) in text.expose().split_whitespace().zip(1..) {
            if secret.len() < SECRET_BYTES_MIN {
                return Err(IdSecretError::Short { number });
            }
            keys.push(Key::new(HMAC_SHA256, secret.as_bytes()));
        }
        if keys.is_empty() {
            return Err(IdSecretError::None);
        }
        let mut print = [0; 32];
        print.copy_from_slice(digest(&SHA256, text.expose().as_bytes()).as_ref());
        Ok(Self { keys: keys.into(), print })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The id of what `key` of `provider` has stored as `own`, for `client`.
    pub(crate) fn seal(
        &self,
        (provider, key): (&str, &str),
        client: Option<&str>,
        own: &str,
    ) -> String {
        let Some(secret) = self.keys.first() else { return own.to_owned() };
        let (prefix, rest) = own.split_at(prefix_of(own));
        let mut payload = vec![VERSION];
        for name in [provider, key] {
            let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
            payload.extend_from_slice(&length.to_be_bytes());
            payload.extend_from_slice(name.as_bytes().get(..length.into()).unwrap_or_default());
        }
        payload.extend_from_slice(rest.as_bytes());
        let tag = tag(secret, client, prefix, &payload);
        payload.extend_from_slice(&tag);
        format!("{prefix}{MARK}{}", written(prefix, &payload))
    }

    /// What `text` says to `client`.
    pub(crate) fn open(&self, text: &str, client: Option<&str>) -> Read {
        let (prefix, rest) = text.split_at(prefix_of(text));
        let Some(sealed) = rest.strip_prefix(MARK).filter(|_| !self.is_empty()) else {
            return Read::Foreign;
        };
        if text.len() > ID_BYTES_MAX {
            return Read::Refused;
        }
        let Some(bytes) = unwritten(prefix, sealed) else { return Read::Refused };
        let Some((payload, found)) = bytes.split_last_chunk::<TAG_BYTES>() else {
            return Read::Refused;
        };
        let is_signed =
            self.keys.iter().any(|secret| tag(secret, client, prefix, payload).ct_eq(found).into());
        match read(prefix, payload).filter(|_| is_signed) {
            Some(origin) => Read::Ours(origin),
            None => Read::Refused,
        }
    }
}

/// Whether what follows a mark may be one of ours: it begins with the version.
pub(crate) fn begins_sealed(rest: &[u8]) -> bool {
    rest.starts_with(b"AQ") || rest.starts_with(b"aea")
}

/// `payload` in letters that can stand in such an id. Names that are paths (`files/a-1`) have small
/// letters and digits only: clients cut them at anything else.
fn written(prefix: &str, payload: &[u8]) -> String {
    match prefix.ends_with('/') {
        true => BASE32_NOPAD.encode(payload).to_ascii_lowercase(),
        false => URL_SAFE_NO_PAD.encode(payload),
    }
}

fn unwritten(prefix: &str, text: &str) -> Option<Vec<u8>> {
    if !prefix.ends_with('/') {
        return URL_SAFE_NO_PAD.decode(text).ok();
    }
    let is_small = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok().filter(|_| is_small)
}

fn tag(secret: &Key, client: Option<&str>, prefix: &str, payload: &[u8]) -> [u8; TAG_BYTES] {
    let mut about = PURPOSE.to_vec();
    // Nobody in particular is another one than somebody without a name.
    about.push(u8::from(client.is_some()));
    for part in [client.unwrap_or_default().as_bytes(), prefix.as_bytes(), payload] {
        about.extend_from_slice(&(part.len() as u64).to_be_bytes());
        about.extend_from_slice(part);
    }
    let mut tag = [0; TAG_BYTES];
    for (to, from) in tag.iter_mut().zip(sign(secret, &about).as_ref()) {
        *to = *from;
    }
    tag
}

fn read(prefix: &str, payload: &[u8]) -> Option<Origin> {
    let rest = payload.strip_prefix(&[VERSION])?;
    let (provider, rest) = name(rest)?;
    let (key, rest) = name(rest)?;
    let rest = std::str::from_utf8(rest).ok()?;
    Some(Origin { provider: provider.into(), key: key.into(), id: format!("{prefix}{rest}") })
}

fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?, rest))
}

/// How many bytes of `id` tell what it is the id of: `file-`, `batch_`, `files/`.
fn prefix_of(id: &str) -> usize {
    let letters = id.bytes().take_while(u8::is_ascii_lowercase).count();
    let ends = id.as_bytes().get(letters).is_some_and(|byte| matches!(byte, b'-' | b'_' | b'/'));
    if letters > 0 && ends && letters < PREFIX_BYTES_MAX { letters + 1 } else { 0 }
}

impl fmt::Debug for IdSecrets {
    /// How many; never which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdSecrets({})", self.keys.len())
    }
}

impl PartialEq for IdSecrets {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Eq for IdSecrets {}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an-old-secret-of-some-length";
    const NEW: &str = "a-new-secret-of-some-length";

    fn secrets(text: &str) -> IdSecrets {
        IdSecrets::parse(&Secret::new(text.to_owned())).unwrap()
    }

    fn origin(id: &str) -> Origin {
        Origin { provider: "openai".into(), key: "key a/ü".into(), id: id.to_owned() }
    }

    fn sealed(secrets: &IdSecrets, client: Option<&str>, own: &str) -> String {
        secrets.seal(("openai", "key a/ü"), client, own)
    }

    #[test]
    fn an_id_says_whose_it_is_and_keeps_its_prefix() {
        let secrets = secrets(NEW);
        for (own, prefix) in [
            ("file-abc123", "file-"),
            ("batch_6789", "batch_"),
            ("msgbatch_01Hx", "msgbatch_"),
            ("resp_68ab", "resp_"),
            ("files/a-b", "files/"),
            ("8a3f-22", ""),
            ("UPPER-1", ""),
            ("nothing", ""),
            ("averylongbeginning-1", ""),
            ("file-", "file-"),
        ] {
            let id = sealed(&secrets, None, own);
            assert!(id.starts_with(&format!("{prefix}weir")), "{id}");
            let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
            assert!(id.bytes().all(fit) && id.len() < 128, "{id}");
            let (_, rest) = id.split_at(prefix.len());
            assert!(begins_sealed(rest.strip_prefix(MARK).unwrap().as_bytes()), "{id}");
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(!prefix.ends_with('/') || rest.bytes().all(is_plain), "{id}");
            assert_eq!(secrets.open(&id, None), Read::Ours(origin(own)));
            // The same thing is called the same.
            assert_eq!(id, sealed(&secrets, None, own));
        }
    }

    #[test]
    fn what_was_changed_anywhere_is_refused() {
        let secrets = secrets(NEW);
        let id = sealed(&secrets, Some("team-a"), "file-abc123");
        let begin = "file-weir".len();
        for at in begin..id.len() {
            let mut other = id.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(secrets.open(&other, Some("team-a")), Read::Refused, "{at}");
            assert_eq!(secrets.open(&id[..at], Some("team-a")), Read::Refused, "{at}");
        }
        let batch = id.replacen("file-", "batch_", 1);
        assert_eq!(secrets.open(&batch, Some("team-a")), Read::Refused);
        let long = format!("{id}{}", "A".repeat(ID_BYTES_MAX));
        assert_eq!(secrets.open(&long, Some("team-a")), Read::Refused);
    }

    #[test]
    fn an_id_is_of_use_only_to_whom_it_was_given() {
        let secrets = secrets(NEW);
        for (given, others) in [
            (Some("team-a"), [None, Some("team-b"), Some("")]),
            (None, [Some("team-a"), Some(""), Some("team-b")]),
        ] {
            let id = sealed(&secrets, given, "file-1");
            assert_eq!(secrets.open(&id, given), Read::Ours(origin("file-1")));
            for other in others {
                assert_eq!(secrets.open(&id, other), Read::Refused, "{given:?} {other:?}");
            }
        }
    }

    #[test]
    fn secrets_can_be_changed_one_after_the_other() {
        let (old, both) = (secrets(OLD), secrets(&format!("{NEW}\n{OLD}\n")));
        let id = sealed(&old, None, "file-1");
        assert_eq!(both.open(&id, None), Read::Ours(origin("file-1")));
        assert_eq!(secrets(NEW).open(&id, None), Read::Refused);
        // The first one signs.
        assert_eq!(sealed(&both, None, "file-1"), sealed(&secrets(NEW), None, "file-1"));
        assert_ne!(both, old);
        assert!(!format!("{both:?}").contains(NEW));
        let short = IdSecrets::parse(&Secret::new(format!("{NEW} short")));
        assert_eq!(short.unwrap_err(), IdSecretError::Short { number: 2 });
        let none = IdSecrets::parse(&Secret::new(" \n".to_owned()));
        assert_eq!(none.unwrap_err(), IdSecretError::None);
    }

    #[test]
    fn a_providers_own_id_is_told_apart() {
        for own in ["file-abc123", "file-weir", "8a3f", "weir", ""] {
            let read = secrets(NEW).open(own, None);
            assert_eq!(read == Read::Foreign, !own.contains("weir"), "{own}");
            assert_eq!(IdSecrets::default().open(own, None), Read::Foreign);
        }
        assert_eq!(IdSecrets::default().seal(("p", "k"), None, "file-1"), "file-1");
    }
}
