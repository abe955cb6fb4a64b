//! What a key has to show, in the ways in which the vendor's routes want to see it. One authorizer
//! per credential and way: its tokens serve all routes and all cores.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use http::header::AUTHORIZATION;
use weir_provider::Auth;
use weir_types::Secret;
use weir_upstream::{Authorizer, Aws, Query, Static};

use crate::settings::Credential;

/// A key's credential, ready for use.
#[derive(Debug)]
pub(crate) enum Authorizers {
    Nothing,
    Secret(Secret),
    Aws(Aws),
    Azure(Arc<dyn Authorizer>),
    OAuth(Arc<dyn Authorizer>),
    Google { api_key: Option<Arc<dyn Authorizer>>, token: Option<Arc<dyn Authorizer>> },
}

/// What there is for a route.
pub(crate) enum Given {
    /// Nothing is sent.
    Nothing,
    Authorizer(Arc<dyn Authorizer>),
    /// This credential does not open the route.
    Unfit,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Authorizer(_) => "Authorizer",
            Self::Unfit => "Unfit",
        })
    }
}

impl Authorizers {
    /// `usual` is the vendor's usual way.
    ///
    /// # Errors
    /// Why the credential cannot be used, without secrets.
    pub(crate) fn new(credential: &Credential, usual: Auth) -> Result<Self, String> {
        if credential.is_empty() {
            return Ok(Self::Nothing);
        }
        Ok(match credential {
            Credential::None => Self::Nothing,
            Credential::Secret(secret) => Self::Secret(secret.clone()),
            Credential::Aws(identity) => {
                let (Auth::Aws(service) | Auth::AwsSigned(service)) = usual else {
                    return Err(other("AWS"));
                };
                Self::Aws(Aws::new(identity, service)?)
            }
            Credential::Azure(identity) => Self::Azure(identity.authorizer()?),
            Credential::OAuth(client) => Self::OAuth(client.authorizer()?),
            Credential::Google { api_key, identity } => Self::Google {
                api_key: api_key.as_ref().map(|key| in_address(key)),
                token: identity.as_ref().map(|identity| identity.authorizer()).transpose()?,
            },
        })
    }

    /// What there is for a route that wants `auth`; in `region`, where signatures differ by region
    /// and it is not the key's own.
    ///
    /// # Errors
    /// Why the credential cannot be used, without secrets.
    pub(crate) fn of(&self, auth: Auth, region: Option<&str>) -> Result<Given, String> {
        let given = match (self, auth) {
            (Self::Nothing, _) => return Ok(Given::Nothing),
            (Self::Secret(secret), Auth::Bearer | Auth::Aws(_)) => {
                Some(Arc::new(Static::new(AUTHORIZATION, "Bearer ", secret)?) as _)
            }
            (Self::Secret(secret), Auth::Header(name) | Auth::Azure(name)) => {
                Some(Arc::new(Static::new(HeaderName::from_static(name), "", secret)?) as _)
            }
            (Self::Secret(secret), Auth::GoogleOrKey) => Some(in_address(secret)),
            (Self::Secret(_), Auth::Google | Auth::AwsSigned(_)) => None,
            (Self::Aws(aws), Auth::Aws(service) | Auth::AwsSigned(service)) => {
                Some(Arc::new(aws.elsewhere(service, region)?) as _)
            }
            (Self::Azure(authorizer), Auth::Azure(_)) | (Self::OAuth(authorizer), Auth::Bearer) => {
                Some(Arc::clone(authorizer))
            }
            (Self::Google { api_key, token }, Auth::GoogleOrKey) => {
                api_key.as_ref().or(token.as_ref()).cloned()
            }
            (Self::Google { token, .. }, Auth::Google) => token.clone(),
            (Self::Aws(_), _) => return Err(other("AWS")),
            (Self::Azure(_), _) => return Err(other("Azure")),
            (Self::OAuth(_), _) => return Err(other("an OAuth server")),
            (Self::Google { .. }, _) => return Err(other("Google")),
        };
        Ok(given.map_or(Given::Unfit, Given::Authorizer))
    }
}

fn in_address(key: &Secret) -> Arc<dyn Authorizer> {
    Arc::new(Query::new("key", key))
}

fn other(cloud: &str) -> String {
    format!("it has an identity of {cloud}, which this provider does not take")
}

#[cfg(test)]
mod tests {
    use weir_upstream::GoogleIdentity;
    use weir_upstream::{AwsIdentity, AwsKeys, AwsSource, AzureIdentity, AzureSource};

    use super::*;

    fn secret() -> Secret {
        Secret::new("planted".to_owned())
    }

    fn aws() -> Credential {
        let keys =
            AwsKeys { access_key: "AK".to_owned(), secret_key: secret(), session_token: None };
        Credential::Aws(AwsIdentity {
            region: "eu-west-1".to_owned(),
            source: AwsSource::Keys(keys),
            role: None,
            sts_endpoint: None,
        })
    }

    fn azure() -> Credential {
        let source = AzureSource::Machine { client_id: None, endpoint: None };
        Credential::Azure(AzureIdentity { scopes: Vec::new(), source })
    }

    fn google(api_key: bool, identity: bool) -> Credential {
        Credential::Google {
            api_key: api_key.then(secret),
            identity: identity.then_some(GoogleIdentity::Machine { endpoint: None }),
        }
    }

    /// What is shown: a header's name, `?` for the address, `-` for nothing, `x` for no way.
    fn shown(credential: &Credential, auth: Auth) -> String {
        let given = Authorizers::new(credential, auth).and_then(|all| all.of(auth, None));
        match given {
            Ok(Given::Nothing) => "-".to_owned(),
            Ok(Given::Unfit) => "x".to_owned(),
            Ok(Given::Authorizer(authorizer)) => {
                authorizer.header().map_or_else(|| "?".to_owned(), ToString::to_string)
            }
            Err(why) => {
                assert!(!why.contains("planted"), "{why}");
                "error".to_owned()
            }
        }
    }

    #[test]
    fn every_credential_is_shown_as_the_route_wants_it() {
        let ways = [
            Auth::Bearer,
            Auth::Header("x-api-key"),
            Auth::Aws("bedrock"),
            Auth::AwsSigned("bedrock"),
            Auth::Azure("api-key"),
            Auth::Google,
            Auth::GoogleOrKey,
        ];
        let (own, error) = ("authorization", "error");
        for (credential, expected) in [
            (Credential::None, ["-"; 7]),
            (Credential::Secret(Secret::new(String::new())), ["-"; 7]),
            (Credential::Secret(secret()), [own, "x-api-key", own, "x", "api-key", "x", "?"]),
            (aws(), [error, error, own, own, error, error, error]),
            (azure(), [error, error, error, error, own, error, error]),
            (google(true, false), [error, error, error, error, error, "x", "?"]),
            (google(false, true), [error, error, error, error, error, own, own]),
            (google(true, true), [error, error, error, error, error, own, "?"]),
            (google(false, false), ["-"; 7]),
        ] {
            let found = ways.map(|auth| shown(&credential, auth));
            assert_eq!(found, expected, "{credential:?}");
        }
    }
}
