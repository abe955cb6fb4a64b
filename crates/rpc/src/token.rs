//! The token that the services of one gateway share: whoever calls sends it, whoever serves asks
//! for it.
//!
//! Knows no method and no message: a call without the token is turned away by its head alone.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use subtle::{Choice, ConstantTimeEq};
use tonic::{Code, Status};
use weir_types::Secret;

/// Before the token in the header.
const SCHEME: &str = "Bearer ";
/// Shorter tokens can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// Longer ones cost every call too much.
const TOKEN_BYTES_MAX: usize = 512;

/// The tokens that calls between services carry, or none. Cheap to clone.
#[derive(Clone, Default)]
pub struct LinkTokens {
    known: Option<Arc<Known>>,
}

struct Known {
    /// What calls of this process carry.
    sent: HeaderValue,
    /// What calls to this process may carry.
    accepted: Vec<Secret>,
}

/// Why a text is no list of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It holds nothing.
    #[error("there is no token in it; `weir token` makes one")]
    None,
    /// A token is too short or too long, or a character does not fit into a header.
    #[error(
        "token {number} is not {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} visible ASCII characters; \
         `weir token` makes one"
    )]
    Unfit {
        /// Which one, from 1.
        number: usize,
    },
}

impl LinkTokens {
    /// Tokens that stand apart by white space, usually one in a line. The first is sent, all are
    /// accepted.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse(text: &Secret) -> Result<Self, TokenError> {
        let mut accepted = Vec::new();
        for (token, number) in text.expose().split_whitespace().zip(1..) {
            let is_fit = (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_fit {
                return Err(TokenError::Unfit { number });
            }
            accepted.push(Secret::new(token.to_owned()));
        }
        let first = accepted.first().ok_or(TokenError::None)?;
        let mut sent = HeaderValue::try_from(format!("{SCHEME}{}", first.expose()))
            .map_err(|_| TokenError::Unfit { number: 1 })?;
        sent.set_sensitive(true);
        Ok(Self { known: Some(Arc::new(Known { sent, accepted })) })
    }

    /// Whether calls are not asked for a token.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known.is_none()
    }

    /// Every one of them.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.known.iter().flat_map(|known| &known.accepted)
    }

    /// Adds the token to a call.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(known) = &self.known {
            headers.insert(AUTHORIZATION, known.sent.clone());
        }
    }

    /// Whether a call with these headers may come in.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(known) = &self.known else { return true };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some(token) = value.as_bytes().strip_prefix(SCHEME.as_bytes()) else { return false };
        let is = |accepted: &Secret| accepted.expose().as_bytes().ct_eq(token);
        known.accepted.iter().fold(Choice::from(0), |any, one| any | is(one)).into()
    }
}

/// What a call without the token hears.
pub(crate) fn refusal() -> Status {
    Status::new(Code::Unauthenticated, "the call does not carry this gateway's link token")
}

/// Whether `status` is such a refusal.
pub(crate) fn is_refusal(status: &Status) -> bool {
    status.code() == Code::Unauthenticated && status.details().is_empty()
}

impl fmt::Debug for LinkTokens {
    /// How many; never which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkTokens({})", self.secrets().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-token-0123456789";
    const NEW: &str = "new-token-0123456789";

    fn tokens(text: &str) -> Result<LinkTokens, TokenError> {
        LinkTokens::parse(&Secret::new(text.to_owned()))
    }

    fn carrying(values: &[&str]) -> HeaderMap {
        let value = |value: &&str| (AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        values.iter().map(value).collect()
    }

    #[test]
    fn the_first_is_sent_and_all_are_accepted() {
        let both = tokens(&format!("{NEW}\n  {OLD}\n\n")).unwrap();
        let (new, old) = (tokens(NEW).unwrap(), tokens(OLD).unwrap());
        let sent_by = |tokens: &LinkTokens| {
            let mut headers = HeaderMap::new();
            tokens.add_to(&mut headers);
            headers
        };
        for (caller, service, is_in) in [
            (&new, &new, true),
            (&both, &new, true),
            (&new, &both, true),
            (&old, &both, true),
            (&both, &old, false),
            (&old, &new, false),
            (&LinkTokens::default(), &new, false),
            (&new, &LinkTokens::default(), true),
        ] {
            assert_eq!(service.admit(&sent_by(caller)), is_in, "{caller:?} {service:?}");
        }
        assert!(!format!("{both:?}").contains("token-0"));
    }

    #[test]
    fn what_is_nearly_the_token_is_not() {
        let service = tokens(NEW).unwrap();
        let whole = format!("Bearer {NEW}");
        assert!(service.admit(&carrying(&[&whole])));
        for wrong in [NEW, &whole[..whole.len() - 1], &format!("{whole}0"), "Bearer ", "Bearer"] {
            assert!(!service.admit(&carrying(&[wrong])), "{wrong}");
        }
        assert!(!service.admit(&carrying(&[&whole, &whole])), "which of the two is meant?");
        assert!(!service.admit(&HeaderMap::new()));
    }

    #[test]
    fn a_text_that_is_no_token_is_refused_without_being_shown() {
        for (text, why) in [
            ("", TokenError::None),
            (" \n\t", TokenError::None),
            ("short", TokenError::Unfit { number: 1 }),
            ("new-token-0123456789 short", TokenError::Unfit { number: 2 }),
            ("new-token-0123456789é", TokenError::Unfit { number: 1 }),
        ] {
            let error = tokens(text).unwrap_err();
            assert_eq!(error, why, "{text:?}");
            assert!(!error.to_string().contains("0123456789"), "{error}");
        }
        assert!(tokens(&"x".repeat(TOKEN_BYTES_MAX + 1)).is_err());
    }
}
