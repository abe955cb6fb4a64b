//! A service account's signed statement about itself (RFC 7523), for which a token is granted.
//! Pure: the moment is an argument.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use weir_types::Secret;

/// The longest that Google takes.
const LIFETIME_SECS: u64 = 3600;

/// Signs as one account.
pub(super) struct Signer {
    account: String,
    key_id: Option<String>,
    key: RsaKeyPair,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Signer {
    /// `key` is a PEM text.
    ///
    /// # Errors
    /// It is no RSA key that can be used.
    pub(super) fn new(account: &str, key_id: Option<&str>, key: &Secret) -> Result<Self, String> {
        // Who keeps JSON within JSON, or in a variable, escapes its line breaks once too often.
        let pem = key.expose().replace("\\n", "\n");
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes());
        let pair = match der.map_err(|_| "`private_key` is not a PEM text".to_owned())? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err("`private_key` is not an RSA key".to_owned()),
        };
        let key =
            pair.map_err(|error| format!("`private_key` cannot be used: {}", key.retold(&error)))?;
        Ok(Self { account: account.to_owned(), key_id: key_id.map(str::to_owned), key })
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// A statement for the token server `audience`; `now` is in seconds since 1970.
    pub(super) fn assertion(
        &self,
        audience: &str,
        scope: &str,
        now: u64,
    ) -> Result<Secret, String> {
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let (Some(id), Some(members)) = (&self.key_id, header.as_object_mut()) {
            members.insert("kid".to_owned(), id.as_str().into());
        }
        let claims = json!({
            "iss": self.account,
            "scope": scope,
            "aud": audience,
            "iat": now,
            "exp": now.saturating_add(LIFETIME_SECS),
        });
        let encoded = |text: String| URL_SAFE_NO_PAD.encode(text);
        let mut text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| "signing with `private_key` failed".to_owned())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(Secret::new(text))
    }
}
