//! The process's own identity in a cloud: what the clouds' variables and tools say of it, in the
//! order of the clouds' own libraries. It is looked for only for keys that name no credential.

mod profiles;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use weir_types::Secret;
use weir_upstream::{AwsKeys, AwsSource, AzureSource, ContainerToken, GoogleIdentity};

use profiles::Profiles;

/// Files of credentials are some kilobytes long.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Where a container service of AWS answers paths.
const CONTAINERS: &str = "http://169.254.170.2";

/// What a process can know of itself.
pub(super) struct Surroundings<'a> {
    /// Its variables.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Surroundings<'_> {
    /// A variable that is set and not empty.
    pub(super) fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A variable that `because` of another one must be set too.
    fn with(&self, because: &str, name: &str) -> Result<String, String> {
        self.set(name).ok_or_else(|| format!("variable {because} is set and {name} is not"))
    }

    /// Keys, a profile, a web identity, a container service, the machine.
    pub(super) fn aws(&self) -> Result<AwsSource, String> {
        if let Some(keys) = self.aws_keys()? {
            return Ok(keys);
        }
        let named = self.set("AWS_PROFILE");
        let profile = named.as_deref().unwrap_or("default");
        match Profiles::read(self).source(profile, self)? {
            Some(source) => return Ok(source),
            None if named.is_some() => {
                return Err(format!("AWS_PROFILE: the profile {profile} has no credentials"));
            }
            None => {}
        }
        if let Some(file) = self.set("AWS_WEB_IDENTITY_TOKEN_FILE") {
            return Ok(AwsSource::WebIdentity {
                token_file: PathBuf::from(file),
                role_arn: self.with("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")?,
                session_name: self.set("AWS_ROLE_SESSION_NAME"),
            });
        }
        if let Some(container) = self.aws_container() {
            return Ok(container);
        }
        self.aws_machine().ok_or_else(|| {
            "the key names no AWS credentials, and this process has none of its own".to_owned()
        })
    }

    /// What a profile calls `credential_source`.
    fn named(&self, kind: &str) -> Result<AwsSource, String> {
        let found = match kind {
            "Environment" => self.aws_keys()?,
            "Ec2InstanceMetadata" => self.aws_machine(),
            "EcsContainer" => self.aws_container(),
            _ => return Err("credential_source is not one that there is".to_owned()),
        };
        found.ok_or_else(|| format!("its credential_source {kind} has no credentials"))
    }

    fn aws_keys(&self) -> Result<Option<AwsSource>, String> {
        let Some(access_key) = self.set("AWS_ACCESS_KEY_ID") else { return Ok(None) };
        let secret_key = Secret::new(self.with("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")?);
        let session_token = self.set("AWS_SESSION_TOKEN").map(Secret::new);
        Ok(Some(AwsSource::Keys(AwsKeys { access_key, secret_key, session_token })))
    }

    fn aws_container(&self) -> Option<AwsSource> {
        let relative = self.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let relative = relative.map(|path| format!("{CONTAINERS}{path}"));
        let url = relative.or_else(|| self.set("AWS_CONTAINER_CREDENTIALS_FULL_URI"))?;
        let file = self.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let text = self.set("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new);
        let token = file.map(|file| ContainerToken::File(PathBuf::from(file)));
        let token = token.or_else(|| text.map(ContainerToken::Text));
        Some(AwsSource::Container { url, token })
    }

    fn aws_machine(&self) -> Option<AwsSource> {
        let disabled = self.set("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            return None;
        }
        Some(AwsSource::Instance { endpoint: self.set("AWS_EC2_METADATA_SERVICE_ENDPOINT") })
    }

    /// A service principal, a workload of Kubernetes, an app service, the machine.
    pub(super) fn azure(&self) -> Result<AzureSource, String> {
        let authority = self.set("AZURE_AUTHORITY_HOST");
        if let Some(secret) = self.set("AZURE_CLIENT_SECRET") {
            return Ok(AzureSource::ClientSecret {
                tenant: self.with("AZURE_CLIENT_SECRET", "AZURE_TENANT_ID")?,
                client_id: self.with("AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID")?,
                client_secret: Secret::new(secret),
                authority,
            });
        }
        if let Some(file) = self.set("AZURE_FEDERATED_TOKEN_FILE") {
            return Ok(AzureSource::Workload {
                tenant: self.with("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID")?,
                client_id: self.with("AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID")?,
                token_file: PathBuf::from(file),
                authority,
            });
        }
        let client_id = self.set("AZURE_CLIENT_ID");
        if let Some(endpoint) = self.set("IDENTITY_ENDPOINT") {
            let header = Secret::new(self.with("IDENTITY_ENDPOINT", "IDENTITY_HEADER")?);
            return Ok(AzureSource::AppService { client_id, endpoint, header });
        }
        let endpoint = self.set("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        Ok(AzureSource::Machine { client_id, endpoint })
    }

    /// The file that a variable names, the file of a login, the machine.
    pub(super) fn google(&self) -> Result<GoogleIdentity, String> {
        if let Some(file) = self.set("GOOGLE_APPLICATION_CREDENTIALS") {
            let text = read(Path::new(&file));
            let why = |why| format!("GOOGLE_APPLICATION_CREDENTIALS: {file}: {why}");
            return text.map(GoogleIdentity::File).map_err(why);
        }
        let gcloud = self.set("CLOUDSDK_CONFIG").map(PathBuf::from);
        let home = || self.set("HOME").map(|home| Path::new(&home).join(".config").join("gcloud"));
        let login = gcloud.or_else(home).map(|at| at.join("application_default_credentials.json"));
        if let Some(text) = login.and_then(|file| read(&file).ok()) {
            return Ok(GoogleIdentity::File(text));
        }
        let endpoint = self.set("GCE_METADATA_HOST").map(|host| format!("http://{host}"));
        Ok(GoogleIdentity::Machine { endpoint })
    }
}

fn read(path: &Path) -> std::io::Result<Secret> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}
