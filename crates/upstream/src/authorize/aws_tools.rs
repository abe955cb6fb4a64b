//! Credentials that a command prints, which is run anew whenever they are due.

use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};
use weir_types::{Secret, dates};

use crate::Client;
use crate::authorize::AuthFault;
use crate::authorize::aws::now;
use crate::authorize::sigv4::AwsKeys;
use crate::authorize::token::{Exchange, Fetched, Fetching};

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
