//! Credentials that other programs of this machine have: what a command prints, and the login that
//! AWS's own tool keeps in a folder. Both are asked anew whenever credentials are due.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use ring::digest;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};
use weir_types::Secret;

use crate::Client;
use crate::authorize::aws::{AwsLogin, now};
use crate::authorize::exchange::{Call, Way, address, get};
use crate::authorize::files::read_token;
use crate::authorize::sigv4::AwsKeys;
use crate::authorize::token::{Exchange, Fetched, Fetching};
use crate::authorize::{AuthFault, dates};

/// What a command prints is not longer.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;
/// A command that says no end is run again after this long.
const ENDLESS: Duration = Duration::from_secs(3600);

/// Runs a command.
pub(super) struct Process {
    words: Vec<String>,
}

impl fmt::Debug for Process {
    /// Its arguments may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("program", &self.words.first()).finish_non_exhaustive()
    }
}

impl Process {
    pub(super) fn new(command: &str) -> Result<Self, String> {
        let words = words(command).ok_or("credential_process: a quotation mark is missing")?;
        match words.is_empty() {
            true => Err("credential_process is empty".to_owned()),
            false => Ok(Self { words }),
        }
    }

    async fn run(&self, deadline: Instant) -> Result<Fetched<Arc<AwsKeys>>, AuthFault> {
        let fault = |why: String| AuthFault { step: self.step(), why, is_refused: false };
        let printed = timeout_at(deadline, self.printed()).await;
        let printed = printed.map_err(|_| fault("not in time".to_owned()))?.map_err(fault)?;
        let answer: Value = serde_json::from_slice(&printed)
            .map_err(|_| fault("what it prints is not JSON".to_owned()))?;
        if answer.get("Version").and_then(Value::as_u64) != Some(1) {
            return Err(fault("what it prints is not of version 1".to_owned()));
        }
        let text = |name: &str| answer.get(name)?.as_str().filter(|text| !text.is_empty());
        let keys = text("AccessKeyId").zip(text("SecretAccessKey"));
        let (access_key, secret_key) =
            keys.ok_or_else(|| fault("it prints no credentials".to_owned()))?;
        let keys = AwsKeys {
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret_key.to_owned()),
            session_token: text("SessionToken").map(|token| Secret::new(token.to_owned())),
        };
        let lifetime = match text("Expiration") {
            None => ENDLESS,
            Some(end) => {
                let end = dates::parse(end)
                    .ok_or_else(|| fault("its Expiration is not a time in UTC".to_owned()))?;
                Duration::from_secs(end.saturating_sub(now()))
            }
        };
        Ok(Fetched { token: Arc::new(keys), lifetime })
    }

    /// What it writes as errors may hold secrets and is not read.
    async fn printed(&self) -> Result<Vec<u8>, String> {
        let (program, arguments) = self.words.split_first().ok_or("there is no command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| error.to_string())?;
        let mut printed = Vec::new();
        if let Some(output) = child.stdout.take() {
            let read = output.take(OUTPUT_BYTES_MAX).read_to_end(&mut printed).await;
            read.map_err(|error| error.to_string())?;
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        match status.success() {
            true => Ok(printed),
            false => Err(format!("it ended with {status}")),
        }
    }
}

impl Exchange<Arc<AwsKeys>> for Process {
    fn step(&self) -> String {
        let program = self.words.first().map(String::as_str).unwrap_or_default();
        format!("running {program} for AWS credentials")
    }

    fn fetch<'a>(&'a self, _: &'a Client, deadline: Instant) -> Fetching<'a, Arc<AwsKeys>> {
        Box::pin(self.run(deadline))
    }
}

/// The words of a command line: blanks part them, but for those in quotation marks and behind a
/// backslash. `None`: a quotation mark is missing.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Shows a person's login, as `aws sso login` leaves it behind, and gets a role's credentials.
#[derive(Debug)]
pub(super) struct Login {
    uri: Uri,
    host: String,
    file: PathBuf,
}

impl Login {
    pub(super) fn new(login: &AwsLogin) -> Result<Self, String> {
        let usual = || format!("https://portal.sso.{}.amazonaws.com", login.region);
        let base = login.endpoint.clone().unwrap_or_else(usual);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("role_name", &login.role).append_pair("account_id", &login.account);
        let base = base.trim_end_matches('/');
        let text = format!("{base}/federation/credentials?{}", query.finish());
        let uri = address(&text, "sso_region")?;
        let name = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, login.session.as_bytes());
        let name: String = name.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let host = uri.host().unwrap_or_default().to_owned();
        Ok(Self { uri, host, file: login.folder.join(format!("{name}.json")) })
    }

    async fn ask(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AwsKeys>>, AuthFault> {
        let (way, step) = (Way::Provider, self.step());
        let mut call = Call { client, deadline, way, step, secrets: Vec::new() };
        let text = read_token(&self.file).await.map_err(|why| call.failed(&why))?;
        let login: Value = serde_json::from_str(text.expose()).unwrap_or_default();
        let field = |name: &str| login.get(name).and_then(Value::as_str).unwrap_or_default();
        let end = dates::parse(field("expiresAt"));
        if end.is_none_or(|end| end <= now()) {
            let why = "the login has ended: run `aws sso login` again";
            return Err(AuthFault { is_refused: true, ..call.failed(why) });
        }
        let token = Secret::new(field("accessToken").to_owned());
        call.secrets.push(token.clone());
        let header = HeaderValue::try_from(token.expose());
        let mut header = header.map_err(|_| call.failed("the token cannot be sent"))?;
        header.set_sensitive(true);
        let request = get(&self.uri).header("x-amz-sso_bearer_token", header).body(Bytes::new());
        let request = request.map_err(|_| call.failed("the request cannot be made"))?;
        let answer = call.json(request).await?;
        let found = (|| {
            let role = answer.get("roleCredentials")?;
            let text = |name: &str| role.get(name)?.as_str().filter(|text| !text.is_empty());
            let keys = AwsKeys {
                access_key: text("accessKeyId")?.to_owned(),
                secret_key: Secret::new(text("secretAccessKey")?.to_owned()),
                session_token: Some(Secret::new(text("sessionToken")?.to_owned())),
            };
            Some((keys, role.get("expiration")?.as_u64()? / 1000))
        })();
        let (keys, end) = found.ok_or_else(|| call.failed("the answer holds no credentials"))?;
        let lifetime = Duration::from_secs(end.saturating_sub(now()));
        Ok(Fetched { token: Arc::new(keys), lifetime })
    }
}

impl Exchange<Arc<AwsKeys>> for Login {
    fn step(&self) -> String {
        format!("asking {} for the credentials of a login", self.host)
    }

    fn fetch<'a>(&'a self, client: &'a Client, deadline: Instant) -> Fetching<'a, Arc<AwsKeys>> {
        Box::pin(self.ask(client, deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_parted_as_shells_do() {
        let found = |line: &str| words(line).unwrap();
        assert_eq!(found(r"  /bin/x  --a b\ c "), ["/bin/x", "--a", "b c"]);
        assert_eq!(found(r#"x "a b" 'c "d"' "" e"f"g"#), ["x", "a b", "c \"d\"", "", "efg"]);
        assert_eq!(found(r#"x "a\"b" '\n'"#), ["x", "a\"b", "\\n"]);
        assert_eq!(words("x 'a"), None);
        assert!(Process::new(" ").is_err());
        assert!(!format!("{:?}", Process::new("x --secret planted").unwrap()).contains("planted"));
    }
}
