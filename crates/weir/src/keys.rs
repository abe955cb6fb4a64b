//! From a key of the configuration to what its worker needs: who calls, and what addresses need.
//!
//! A reference to an unset variable makes the key unusable, with the variable's name. Only where a
//! key names no credential at all is the process's own identity meant (`ambient`).

mod ambient;
mod model;
mod places;

use weir_config::{AzureKey, DatabricksKey, Key, SecretRef, VertexKey, process_variable};
use weir_provider::{Auth, Vendor};
use weir_types::Secret;
use weir_upstream::{
    AwsIdentity, AwsKeys, AwsRole, AwsSource, AzureIdentity, AzureSource, GoogleIdentity,
    OAuthClient,
};
use weir_worker::{Bucket, Credential, KeySettings, Storage};

use ambient::Surroundings;

/// A key's part of its worker's settings.
pub(crate) fn worker_key(key: &Key, vendor: &Vendor, provider_lacks: Option<&str>) -> KeySettings {
    let mut missing = Missing { reason: provider_lacks.map(str::to_owned), ..Missing::default() };
    let surroundings = Surroundings { variable: &process_variable };
    let credential = credential(key, vendor, &surroundings, &mut missing);
    let url = key.url().and_then(|url| missing.text("url", url));
    let places::Places { variables, variants } = places::of(key, &mut missing);
    KeySettings {
        name: key.name.clone(),
        credential,
        base_url: url,
        variables,
        rules: key.rules(),
        model: model::without_alias(key),
        aliases: key.aliases.iter().map(|alias| model::of_alias(key, alias)).collect(),
        variants,
        storage: storage(key, &mut missing),
        unusable: missing.reason,
    }
}

/// Where the key keeps files.
fn storage(key: &Key, missing: &mut Missing) -> Storage {
    let (bedrock, vertex) = (&key.blocks.bedrock_key_config, &key.blocks.vertex_key_config);
    let s3 = bedrock.iter().flat_map(|block| &block.batch_s3_config);
    let gcs = vertex.iter().flat_map(|block| &block.batch_gcs_config);
    let named = s3.chain(gcs).flat_map(|config| &config.buckets);
    let buckets = named.filter_map(|bucket| {
        let name = missing.text("bucket_name", &bucket.bucket_name)?;
        let prefix = missing.text("prefix", &bucket.prefix).unwrap_or_default();
        Some(Bucket::new(&name, &prefix, bucket.is_default))
    });
    let buckets = buckets.collect();
    let role = bedrock.as_ref().and_then(|block| missing.text("role_arn", &block.role_arn));
    Storage { buckets, role }
}

fn credential(
    key: &Key,
    vendor: &Vendor,
    surroundings: &Surroundings<'_>,
    missing: &mut Missing,
) -> Credential {
    let blocks = &key.blocks;
    let found = match vendor.auth {
        Auth::Aws(_) | Auth::AwsSigned(_) => AwsBlock::of(key).map(|block| {
            if !key.value.is_none() {
                return Ok(of_value(key, missing));
            }
            aws(&block, surroundings, missing).map(Credential::Aws)
        }),
        Auth::Azure(_) => {
            blocks.azure_key_config.as_ref().map(|block| azure(key, block, surroundings, missing))
        }
        Auth::Google | Auth::GoogleOrKey => {
            blocks.vertex_key_config.as_ref().map(|block| google(key, block, surroundings, missing))
        }
        Auth::Bearer | Auth::Header(_) => {
            let databricks = blocks.databricks_key_config.as_ref();
            databricks.map(|block| databricks_client(key, block, missing))
        }
    };
    found.unwrap_or_else(|| Ok(of_value(key, missing))).unwrap_or_else(|why| {
        missing.note(&why);
        Credential::None
    })
}

/// The key's value, else a service principal.
fn databricks_client(
    key: &Key,
    block: &DatabricksKey,
    missing: &mut Missing,
) -> Result<Credential, String> {
    if !key.value.is_none() {
        return Ok(of_value(key, missing));
    }
    let client_id = missing.text("client_id", &block.client_id);
    let client_secret = missing.take("client_secret", &block.client_secret);
    let workspace = missing.text("workspace_url", &block.workspace_url);
    let all = client_id.zip(client_secret).zip(workspace);
    let ((client_id, client_secret), workspace) =
        all.ok_or("it has neither a value nor client_id and client_secret")?;
    let token_url = format!("{}/oidc/v1/token", workspace.trim_end_matches('/'));
    let scope = "all-apis".to_owned();
    Ok(Credential::OAuth(OAuthClient { token_url, client_id, client_secret, scope }))
}

fn of_value(key: &Key, missing: &mut Missing) -> Credential {
    missing.take("value", &key.value).map_or(Credential::None, Credential::Secret)
}

/// Who calls, in either of AWS's blocks.
struct AwsBlock<'a> {
    region: &'a SecretRef,
    access_key: &'a SecretRef,
    secret_key: &'a SecretRef,
    session_token: &'a SecretRef,
    role_arn: &'a SecretRef,
    external_id: &'a SecretRef,
    session_name: &'a SecretRef,
}

macro_rules! aws_block {
    ($block:expr) => {
        AwsBlock {
            region: &$block.region,
            access_key: &$block.access_key,
            secret_key: &$block.secret_key,
            session_token: &$block.session_token,
            role_arn: &$block.role_arn,
            external_id: &$block.external_id,
            session_name: &$block.session_name,
        }
    };
}

impl<'a> AwsBlock<'a> {
    fn of(key: &'a Key) -> Option<Self> {
        let bedrock = key.blocks.bedrock_key_config.as_ref().map(|block| aws_block!(block));
        let mantle = key.blocks.bedrock_mantle_key_config.as_ref();
        bedrock.or_else(|| mantle.map(|block| aws_block!(block)))
    }
}

fn aws(
    block: &AwsBlock<'_>,
    surroundings: &Surroundings<'_>,
    missing: &mut Missing,
) -> Result<AwsIdentity, String> {
    let source = if block.access_key.is_none() && block.secret_key.is_none() {
        surroundings.aws()?
    } else {
        let access_key = missing.text("access_key", block.access_key);
        let secret_key = missing.take("secret_key", block.secret_key);
        let session_token = missing.take("session_token", block.session_token);
        let (access_key, secret_key) =
            access_key.zip(secret_key).ok_or("access_key and secret_key belong together")?;
        AwsSource::Keys(AwsKeys { access_key, secret_key, session_token })
    };
    let external_id = missing.text("external_id", block.external_id);
    let session_name = missing.text("session_name", block.session_name);
    let role = missing.text("role_arn", block.role_arn);
    Ok(AwsIdentity {
        region: missing.text("region", block.region).unwrap_or_default(),
        source,
        role: role.map(|arn| AwsRole { arn, external_id, session_name, lifetime: None }),
        sts_endpoint: surroundings.set("AWS_ENDPOINT_URL_STS"),
    })
}

/// A service principal, else the key's value, else the process's own identity.
fn azure(
    key: &Key,
    block: &AzureKey,
    surroundings: &Surroundings<'_>,
    missing: &mut Missing,
) -> Result<Credential, String> {
    let parts = [&block.client_id, &block.client_secret, &block.tenant_id];
    let source = if parts.into_iter().any(|part| !part.is_none()) {
        let client_id = missing.text("client_id", &block.client_id);
        let client_secret = missing.take("client_secret", &block.client_secret);
        let tenant = missing.text("tenant_id", &block.tenant_id);
        let all = client_id.zip(client_secret).zip(tenant);
        let ((client_id, client_secret), tenant) =
            all.ok_or("client_id, client_secret and tenant_id belong together")?;
        let authority = surroundings.set("AZURE_AUTHORITY_HOST");
        AzureSource::ClientSecret { tenant, client_id, client_secret, authority }
    } else if !key.value.is_none() {
        return Ok(of_value(key, missing));
    } else {
        surroundings.azure()?
    };
    Ok(Credential::Azure(AzureIdentity { scopes: block.scopes.clone(), source }))
}

/// A key's value where it is taken, and tokens of a service account. With neither, the process's
/// own identity.
fn google(
    key: &Key,
    block: &VertexKey,
    surroundings: &Surroundings<'_>,
    missing: &mut Missing,
) -> Result<Credential, String> {
    let api_key = missing.take("value", &key.value);
    let identity = missing.take("auth_credentials", &block.auth_credentials);
    let identity = match identity.map(GoogleIdentity::File) {
        None if key.value.is_none() && block.auth_credentials.is_none() => {
            Some(surroundings.google()?)
        }
        identity => identity,
    };
    Ok(Credential::Google { api_key, identity })
}

/// Collects why something cannot be used; the first reason stays.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    /// What paths begin with.
    within: String,
    reason: Option<String>,
}

impl Missing {
    fn within(path: &str) -> Self {
        Self { within: path.to_owned(), reason: None }
    }

    pub(crate) fn take(&mut self, path: &str, value: &SecretRef) -> Option<Secret> {
        match value.resolve() {
            Ok(secret) => secret,
            Err(fault) => {
                self.note(&format!("{path}: {fault}"));
                None
            }
        }
    }

    /// A value that is no secret.
    fn text(&mut self, path: &str, value: &SecretRef) -> Option<String> {
        self.take(path, value).map(|value| value.expose().to_owned())
    }

    fn note(&mut self, why: &str) {
        let within = &self.within;
        self.reason.get_or_insert_with(|| format!("{within}{why}"));
    }

    pub(crate) fn reason(self) -> Option<String> {
        self.reason
    }
}

#[cfg(test)]
mod tests;
