//! AWS's profiles: what the files that its tools share say of who calls.
//!
//! Two files: one with credentials, one with everything else; where both say something of a profile,
//! the former counts. A profile may name a role and another profile to assume it with, and so on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_types::Secret;
use weir_upstream::{AwsKeys, AwsLogin, AwsRole, AwsSource};

use super::{Surroundings, read};

/// What the files say.
pub(super) struct Profiles {
    profiles: BTreeMap<String, Section>,
    sessions: BTreeMap<String, Section>,
    /// Where logins are kept.
    logins: PathBuf,
}

type Section = BTreeMap<String, String>;

impl Profiles {
    /// Reads both files; those that are not there are empty.
    pub(super) fn read(surroundings: &Surroundings<'_>) -> Self {
        let home = surroundings.set("HOME").map(|home| Path::new(&home).join(".aws"));
        let text = |variable: &str, usual: &str| {
            let named = surroundings.set(variable).map(PathBuf::from);
            let file = named.or_else(|| Some(home.as_ref()?.join(usual)));
            file.and_then(|file| read(&file).ok())
        };
        let config = text("AWS_CONFIG_FILE", "config");
        let credentials = text("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let mut all = Self::parsed(
            config.as_ref().map(Secret::expose).unwrap_or_default(),
            credentials.as_ref().map(Secret::expose).unwrap_or_default(),
        );
        all.logins = home.unwrap_or_default().join("sso").join("cache");
        all
    }

    fn parsed(config: &str, credentials: &str) -> Self {
        let (mut profiles, mut sessions) = (BTreeMap::new(), BTreeMap::new());
        for (name, section) in sections(config) {
            let (kind, rest) = name.split_once([' ', '\t']).unwrap_or((name, ""));
            match (kind, rest.trim()) {
                ("default", "") => add(&mut profiles, "default", section),
                ("profile", name) if !name.is_empty() => add(&mut profiles, name, section),
                ("sso-session", name) if !name.is_empty() => add(&mut sessions, name, section),
                _ => {}
            }
        }
        for (name, section) in sections(credentials) {
            add(&mut profiles, name, section);
        }
        Self { profiles, sessions, logins: PathBuf::new() }
    }

    /// Whose credentials the profile `name` stands for; `None`: there is no such profile, or it says
    /// nothing of credentials.
    pub(super) fn source(
        &self,
        name: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Option<AwsSource>, String> {
        self.chain(name, surroundings, &mut Vec::new())
    }

    fn chain(
        &self,
        name: &str,
        surroundings: &Surroundings<'_>,
        seen: &mut Vec<String>,
    ) -> Result<Option<AwsSource>, String> {
        let Some(section) = self.profiles.get(name) else { return Ok(None) };
        let fault = |why: &str| format!("the AWS profile {name}: {why}");
        let is_first = seen.is_empty();
        let is_again = seen.iter().any(|seen| seen == name);
        seen.push(name.to_owned());
        // A profile that others lead to, and one that leads to itself, stands for its keys.
        if !is_first && let Some(keys) = keys(section, name)? {
            return Ok(Some(keys));
        }
        if is_again {
            return Err(fault("its source_profile leads back to it"));
        }
        let Some(arn) = text(section, "role_arn") else {
            return self.own(section, name, surroundings);
        };
        if text(section, "mfa_serial").is_some() {
            return Err(fault("it asks a person for a code (mfa_serial)"));
        }
        let session_name = text(section, "role_session_name");
        if let Some(file) = text(section, "web_identity_token_file") {
            let (token_file, role_arn) = (PathBuf::from(file), arn);
            return Ok(Some(AwsSource::WebIdentity { token_file, role_arn, session_name }));
        }
        let source = match (text(section, "source_profile"), text(section, "credential_source")) {
            (Some(_), Some(_)) => {
                return Err(fault("source_profile and credential_source are both there"));
            }
            (Some(other), None) => {
                let found = self.chain(&other, surroundings, seen)?;
                let none = || fault(&format!("its source_profile {other} has no credentials"));
                found.ok_or_else(none)?
            }
            (None, Some(kind)) => surroundings.named(&kind).map_err(|why| fault(&why))?,
            (None, None) => {
                return Err(fault("its role_arn needs a source_profile or a credential_source"));
            }
        };
        let seconds = text(section, "duration_seconds").map(|text| text.parse());
        let seconds = seconds.transpose().map_err(|_| fault("duration_seconds is no number"))?;
        let role = AwsRole {
            arn,
            external_id: text(section, "external_id"),
            session_name,
            lifetime: seconds.map(Duration::from_secs),
        };
        Ok(Some(AwsSource::Assumed { source: Box::new(source), role }))
    }

    /// What a profile without a role says.
    fn own(
        &self,
        section: &Section,
        name: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Option<AwsSource>, String> {
        if let Some(login) = self.login(section, name)? {
            let endpoint = surroundings.set("AWS_ENDPOINT_URL_SSO");
            let oidc_endpoint = surroundings.set("AWS_ENDPOINT_URL_SSO_OIDC");
            return Ok(Some(AwsSource::Login(AwsLogin { endpoint, oidc_endpoint, ..login })));
        }
        if let Some(command) = text(section, "credential_process") {
            return Ok(Some(AwsSource::Process { command: Secret::new(command) }));
        }
        keys(section, name)
    }

    fn login(&self, section: &Section, name: &str) -> Result<Option<AwsLogin>, String> {
        let of_session = text(section, "sso_session");
        if of_session.is_none() && text(section, "sso_start_url").is_none() {
            return Ok(None);
        }
        let at = match &of_session {
            Some(session) => self.sessions.get(session).ok_or_else(|| {
                format!("the AWS profile {name}: there is no [sso-session {session}]")
            })?,
            None => section,
        };
        let field = |section: &Section, field: &str| {
            text(section, field)
                .ok_or_else(|| format!("the AWS profile {name}: {field} is missing"))
        };
        let start = field(at, "sso_start_url")?;
        Ok(Some(AwsLogin {
            folder: self.logins.clone(),
            session: of_session.unwrap_or(start),
            region: field(at, "sso_region")?,
            account: field(section, "sso_account_id")?,
            role: field(section, "sso_role_name")?,
            endpoint: None,
            oidc_endpoint: None,
        }))
    }
}

fn keys(section: &Section, name: &str) -> Result<Option<AwsSource>, String> {
    let access_key = text(section, "aws_access_key_id");
    let secret_key = text(section, "aws_secret_access_key").map(Secret::new);
    let session_token = text(section, "aws_session_token").map(Secret::new);
    match (access_key, secret_key) {
        (Some(access_key), Some(secret_key)) => {
            Ok(Some(AwsSource::Keys(AwsKeys { access_key, secret_key, session_token })))
        }
        (None, None) => Ok(None),
        _ => {
            let both = "aws_access_key_id and aws_secret_access_key";
            Err(format!("the AWS profile {name}: {both} belong together"))
        }
    }
}

fn text(section: &Section, name: &str) -> Option<String> {
    section.get(name).filter(|value| !value.is_empty()).cloned()
}

fn add(to: &mut BTreeMap<String, Section>, name: &str, section: Section) {
    to.entry(name.to_owned()).or_default().extend(section);
}

/// The sections of a file, with their names.
fn sections(text: &str) -> Vec<(&str, Section)> {
    let mut sections: Vec<(&str, Section)> = Vec::new();
    for line in text.lines() {
        // An indented line belongs to a setting with parts, none of which matters here.
        if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.split(']').next().unwrap_or_default();
            sections.push((name.trim(), Section::new()));
            continue;
        }
        let (Some((name, value)), Some((_, section))) = (line.split_once('='), sections.last_mut())
        else {
            continue;
        };
        let value = [" #", " ;", "\t#", "\t;"]
            .iter()
            .fold(value, |value, mark| value.split_once(mark).map_or(value, |(before, _)| before));
        section.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
[default]
region = us-east-1
[profile plain]
aws_access_key_id=AKCONFIG
aws_secret_access_key=planted
[profile deep] # a comment
role_arn = arn:deep
source_profile = role
external_id = e 1 ; another
duration_seconds = 900
[profile role]
role_arn = arn:role
source_profile = plain
role_session_name = s
s3 =
  role_arn = arn:not-this
[profile self]
role_arn = arn:self
source_profile = self
aws_access_key_id = AKSELF
aws_secret_access_key = planted
[profile loop-a]
role_arn = arn:a
source_profile = loop-b
[profile loop-b]
role_arn = arn:b
source_profile = loop-a
[profile machine]
role_arn = arn:m
credential_source = Ec2InstanceMetadata
[profile web]
role_arn = arn:w
web_identity_token_file = /var/token
[profile command]
credential_process = /bin/x --token planted
[profile person]
sso_session = work
sso_account_id = 123
sso_role_name = r
[sso-session work]
sso_region = eu-west-1
sso_start_url = https://x.test/start
[profile older]
sso_region = eu-west-1
sso_start_url = https://x.test/start
sso_account_id = 123
sso_role_name = r
[profile half]
aws_access_key_id = AK
[profile asks]
role_arn = arn:x
source_profile = plain
mfa_serial = arn:mfa
[profile lost]
role_arn = arn:x
source_profile = no-such
[profile bare]
role_arn = arn:x
";
    const CREDENTIALS: &str =
        "[plain]\naws_access_key_id = AKCREDENTIALS\naws_session_token = planted\n";

    fn shown(name: &str) -> String {
        let surroundings = Surroundings { variable: &|_| None };
        match Profiles::parsed(CONFIG, CREDENTIALS).source(name, &surroundings) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(source)) => one(&source),
            Err(why) => why,
        }
    }

    fn one(source: &AwsSource) -> String {
        assert!(!format!("{source:?}").contains("planted"));
        match source {
            AwsSource::Keys(keys) => keys.access_key.clone(),
            AwsSource::Assumed { source, role } => {
                let more = [&role.session_name, &role.external_id].into_iter().flatten();
                let more: String = more.map(|text| format!(" ({text})")).collect();
                let seconds = role.lifetime.map(|life| format!(" {} s", life.as_secs()));
                let seconds = seconds.unwrap_or_default();
                format!("{} > {}{more}{seconds}", one(source), role.arn)
            }
            AwsSource::WebIdentity { token_file, role_arn, .. } => {
                format!("{} > {role_arn}", token_file.display())
            }
            AwsSource::Process { .. } => "command".to_owned(),
            AwsSource::Login(login) => format!("{} {}", login.session, login.region),
            AwsSource::Instance { .. } => "machine".to_owned(),
            AwsSource::Container { .. } => "container".to_owned(),
        }
    }

    #[test]
    fn profiles_lead_to_credentials() {
        for (name, expected) in [
            ("default", "nothing"),
            ("no-such", "nothing"),
            ("plain", "AKCREDENTIALS"),
            ("role", "AKCREDENTIALS > arn:role (s)"),
            ("deep", "AKCREDENTIALS > arn:role (s) > arn:deep (e 1) 900 s"),
            ("self", "AKSELF > arn:self"),
            ("machine", "machine > arn:m"),
            ("web", "/var/token > arn:w"),
            ("command", "command"),
            ("person", "work eu-west-1"),
            ("older", "https://x.test/start eu-west-1"),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_said() {
        for (name, part) in [
            ("loop-a", "leads back to it"),
            ("half", "belong together"),
            ("asks", "mfa_serial"),
            ("lost", "its source_profile no-such has no credentials"),
            ("bare", "needs a source_profile or a credential_source"),
        ] {
            let found = shown(name);
            assert!(found.contains(part) && found.contains("AWS profile"), "{found}");
        }
    }
}
