//! What ids of files, batches and responses are signed with: a secret of the deployment, from a file, the
//! environment, the link token, or a file that is made where a user's programs keep their state.
//!
//! Every edge of a gateway needs the same, and the next start the same as this one: a new secret makes
//! all ids unknown that clients have.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use weir_config::{Config, Provider, process_variable};
use weir_edge::IdSecrets;
use weir_rpc::LinkTokens;
use weir_telemetry::LogGuard;
use weir_types::{Operation, Secret};

use crate::Failure;
use crate::cli::secret;
use crate::link::{random_digits, write_whole};
use crate::process::eprint;

/// Nobody else needs to see into it.
const STATE_MODE: u32 = 0o700;
/// The file in it.
const FILE: &str = "id-secret";

/// Flags of processes that clients reach.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct IdArgs {
    /// A file with the secret that ids of files, batches and responses are signed with, the same for
    /// every edge of a gateway (`weir token --out FILE` makes one); several in it, one in a line: the first
    /// signs, all are accepted. Default: the link token, else a file in the user's state directory
    #[arg(long, env = "WEIR_ID_SECRET_FILE", value_name = "FILE")]
    pub(crate) id_secret_file: Option<PathBuf>,
    /// The secret itself, several with white space between them; better in the environment than on
    /// the command line, which others can see
    #[arg(long, env = "WEIR_ID_SECRET", value_name = "SECRET", hide_env_values = true)]
    #[arg(value_parser = secret, conflicts_with = "id_secret_file")]
    pub(crate) id_secret: Option<Secret>,
}

/// The secrets of a process.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    given: IdSecrets,
    /// Kept by the user's system, made when it is first needed; or why it cannot be.
    kept: OnceLock<Result<IdSecrets, String>>,
    /// Ends with the process.
    lasting: OnceLock<IdSecrets>,
    state: Option<PathBuf>,
}

impl Ids {
    /// Those that flags name, else `tokens`.
    pub(crate) fn read(
        args: &IdArgs,
        tokens: Option<&LinkTokens>,
        logs: &LogGuard,
    ) -> Result<Self, Failure> {
        let given = given(args, tokens)?;
        let secrets = match &given {
            Some(text) => {
                text.expose().split_whitespace().for_each(|secret| {
                    logs.masks().add(&Secret::new(secret.to_owned()));
                });
                let from =
                    if args.id_secret_file.is_some() { "--id-secret-file" } else { "--id-secret" };
                IdSecrets::parse(text).map_err(|error| format!("{from}: {error}"))?
            }
            None => IdSecrets::default(),
        };
        let (kept, lasting) = (OnceLock::new(), OnceLock::new());
        Ok(Self { given: secrets, kept, lasting, state: state_folder(process_variable) })
    }

    /// Those for `config`; none where nothing is stored. Responses have ids of their provider's own
    /// where no secret outlives the process: those do.
    pub(crate) fn of(&self, config: &Config) -> IdSecrets {
        let mut keys = config.providers.iter().flat_map(|provider| &provider.keys);
        let stores = keys.any(|key| key.use_for_batch_api);
        if !self.given.is_empty() || !(stores || keeps_responses(config)) {
            return self.given.clone();
        }
        match (self.kept.get_or_init(|| self.kept()), stores) {
            (Ok(secrets), _) => secrets.clone(),
            (Err(_), false) => IdSecrets::default(),
            (Err(why), true) => self.lasting.get_or_init(|| of_this_process(why)).clone(),
        }
    }

    fn kept(&self) -> Result<IdSecrets, String> {
        let folder = self.state.as_ref().ok_or_else(|| "there is no HOME".to_owned())?;
        kept(folder).map_err(|why| format!("{}: {why}", folder.display()))
    }
}

/// Whether a provider can be asked for responses by their ids.
fn keeps_responses(config: &Config) -> bool {
    let vendors = config.providers.iter().map(Provider::vendor);
    let mut known = vendors.filter_map(weir_provider::vendor);
    known.any(|vendor| vendor.offers(Operation::ResponsesRetrieve, false))
}

fn of_this_process(why: &str) -> IdSecrets {
    eprint(&format!(
        "warning: ids of files and batches are lost with this process, because there is no \
         --id-secret-file and none could be kept ({why})"
    ));
    let random = random_digits().map(Secret::new).map_err(|_| ());
    let parsed = random.and_then(|text| IdSecrets::parse(&text).map_err(|_| ()));
    parsed.unwrap_or_default()
}

fn given(args: &IdArgs, tokens: Option<&LinkTokens>) -> Result<Option<Secret>, Failure> {
    if let Some(path) = &args.id_secret_file {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("--id-secret-file {}: {error}", path.display()))?;
        return Ok(Some(Secret::new(text)));
    }
    if args.id_secret.is_some() {
        return Ok(args.id_secret.clone());
    }
    let all: Vec<&str> =
        tokens.into_iter().flat_map(LinkTokens::secrets).map(Secret::expose).collect();
    Ok((!all.is_empty()).then(|| Secret::new(all.join("\n"))))
}

/// Where a user's programs keep their state (systemd, the XDG base directories).
fn state_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| value.starts_with('/')).map(PathBuf::from);
    set("STATE_DIRECTORY")
        .or_else(|| set("XDG_STATE_HOME").map(|home| home.join("weir")))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/weir")))
}

/// The secret in `folder`, which is made if there is none.
fn kept(folder: &Path) -> Result<IdSecrets, String> {
    let path = folder.join(FILE);
    if !path.exists() {
        let made = DirBuilder::new().recursive(true).mode(STATE_MODE).create(folder);
        made.map_err(|error| error.to_string())?;
        let digits = random_digits().map_err(|error| error.to_string())?;
        // Of two that begin at once one writes, and both read.
        write_whole(&path, &digits).map_err(|error| error.to_string())?;
        eprint(&format!(
            "ids of files, batches and responses are signed with a new secret in {}; edges elsewhere need the \
             same (--id-secret-file)",
            path.display()
        ));
    }
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    IdSecrets::parse(&Secret::new(text)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_found_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state/weir");
        let first = kept(&folder).unwrap();
        assert_eq!(kept(&folder).unwrap(), first);
        let other = kept(&home.path().join("elsewhere")).unwrap();
        assert_ne!(other, first);
        fs::write(folder.join(FILE), "short").unwrap();
        assert!(kept(&folder).is_err());
        fs::write(home.path().join("file"), "").unwrap();
        assert!(kept(&home.path().join("file/weir")).is_err());
    }

    #[test]
    fn state_is_kept_where_the_environment_says() {
        let of = |set: &[(&str, &str)]| {
            let found = |name: &str| set.iter().find(|(known, _)| *known == name);
            let folder = state_folder(|name| found(name).map(|(_, value)| (*value).to_owned()));
            folder.map(|folder| folder.display().to_string())
        };
        let home = ("HOME", "/h");
        assert_eq!(of(&[home]).as_deref(), Some("/h/.local/state/weir"));
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "/s")]).as_deref(), Some("/s/weir"));
        assert_eq!(of(&[home, ("STATE_DIRECTORY", "/var/lib/w")]).as_deref(), Some("/var/lib/w"));
        assert_eq!(of(&[("HOME", "relative")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn flags_win_over_the_token_of_links() {
        let text = |secret: Option<Secret>| secret.map(|text| text.expose().to_owned());
        let token = "a-token-that-links-share";
        let tokens = LinkTokens::parse(&Secret::new(token.to_owned())).unwrap();
        let none = IdArgs::default();
        assert_eq!(text(given(&none, Some(&tokens)).unwrap()).as_deref(), Some(token));
        assert_eq!(text(given(&none, None).unwrap()), None);
        let own = IdArgs { id_secret: Some(Secret::new("mine".to_owned())), ..none.clone() };
        assert_eq!(text(given(&own, Some(&tokens)).unwrap()).as_deref(), Some("mine"));
        let absent = IdArgs { id_secret_file: Some("/nowhere/x".into()), ..none };
        let why = given(&absent, None).unwrap_err().to_string();
        assert!(why.contains("--id-secret-file /nowhere/x"), "{why}");
    }
}
