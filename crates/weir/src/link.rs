//! The links between the services of one gateway: their flags, and the token that they share.
//!
//! Knows no room; what the flags do not say comes from the configuration.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use weir_budget::Budget;
use weir_config::Config;
use weir_rpc::{LinkSettings, LinkTokens};
use weir_telemetry::LogGuard;
use weir_types::Secret;

use crate::cli::secret;
use crate::process::print;
use crate::tls::{LinkTlsArgs, LinkedTls};
use crate::{Failure, reload, rooms};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Whoever runs the service, and the group that others of the gateway may share.
const TOKEN_FILE_MODE: u32 = 0o640;

/// What calls between services carry, and what a link may cost.
#[derive(Debug, Clone, Args)]
pub(crate) struct LinkArgs {
    #[command(flatten)]
    pub(crate) tls: LinkTlsArgs,
    /// A file with the token that all services of this gateway share, one in a line: calls to other
    /// services carry the first, calls from them may carry any
    #[arg(long, env = "WEIR_LINK_TOKEN_FILE", value_name = "FILE")]
    link_token_file: Option<PathBuf>,
    /// The token itself, several with white space between them; better in the environment than on
    /// the command line, which others can see
    #[arg(long, env = "WEIR_LINK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(value_parser = secret, conflicts_with = "link_token_file")]
    link_token: Option<Secret>,
    /// Calls at a time on one link, at most; more wait. Default: 8191
    #[arg(long, env = "WEIR_LINK_STREAMS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    link_streams: Option<u32>,
    /// Bytes of the head of a call or of an answer on a link, 32 for each header included.
    /// Default: 65536
    #[arg(long, env = "WEIR_LINK_HEAD_BYTES", value_name = "N")]
    // With more, the headers of a head could be too many for a map.
    #[arg(value_parser = clap::value_parser!(u32).range(16_384..=1_048_576))]
    link_head_bytes: Option<u32>,
    /// Bytes of an HTTP/2 frame on a link. Default: 65536
    #[arg(long, env = "WEIR_LINK_FRAME_BYTES", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(16_384..=16_777_215))]
    link_frame_bytes: Option<u32>,
    /// Calls that break the protocol, over the whole life of a link, before it is closed.
    /// Default: 8192
    #[arg(long, env = "WEIR_LINK_FAULTS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    link_faults: Option<u32>,
    /// How requests go to other services: `framed`, many on one call, where the neighbour can, or
    /// `calls`, each on a call of its own, which proxies in between can spread
    #[arg(long, env = "WEIR_LINKS", value_name = "WAY", value_enum, default_value_t = Links::Framed)]
    links: Links,
}

/// How requests go from service to service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Links {
    Framed,
    Calls,
}

/// Whether services may come from elsewhere without a token.
#[derive(Debug, Clone, Args)]
pub(crate) struct OpenLinkArgs {
    /// Serve whoever reaches --listen without a link token or certificate, also from elsewhere
    #[arg(long, env = "WEIR_ALLOW_OPEN_LINK")]
    pub(crate) allow_open_link: bool,
}

/// Flags of `weir token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// Write it to this file, readable by its owner and group, unless the file has one already;
    /// default: print it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the links of a process may cost, and who may make one; and what keeps their certificates new. The
/// tokens are masked in the logs from now on.
pub(crate) fn settings(
    config: &Config,
    args: &LinkArgs,
    budget: Budget,
    logs: &LogGuard,
) -> Result<(LinkSettings, LinkedTls), Failure> {
    let usual = rooms::link(config, budget);
    let (tokens, tls) = (tokens(args)?, LinkedTls::read(&args.tls)?);
    let masks = logs.masks();
    tokens.secrets().for_each(|token| masks.add(token));
    let settings = LinkSettings {
        streams_max: args.link_streams.unwrap_or(usual.streams_max),
        head_bytes_max: args.link_head_bytes.unwrap_or(usual.head_bytes_max),
        frame_bytes_max: args.link_frame_bytes.unwrap_or(usual.frame_bytes_max),
        faulty_streams_max: args
            .link_faults
            .and_then(|faults| usize::try_from(faults).ok())
            .unwrap_or(usual.faulty_streams_max),
        framed: args.links == Links::Framed,
        tls: tls.ends(),
        tokens,
        ..usual
    };
    Ok((settings, tls))
}

/// What somebody needs who makes one call to a service.
pub(crate) fn caller(args: &LinkArgs) -> Result<LinkSettings, Failure> {
    let (tokens, tls) = (tokens(args)?, LinkedTls::read(&args.tls)?);
    Ok(LinkSettings { tls: tls.ends(), tokens, ..LinkSettings::new(0) })
}

/// Says what of a changed configuration the links of this process do not follow.
pub(crate) fn needs_restart(started_with: &Config, config: &Config) {
    let body = |config: &Config| config.client.max_request_body_size_mb;
    let silence = |config: &Config| config.quota_store.lease_ttl;
    reload::needs_restart(&[
        ("client.max_request_body_size_mb, on the links", body(started_with) != body(config)),
        ("quota_store.lease_ttl_ms", silence(started_with) != silence(config)),
    ]);
}

fn tokens(args: &LinkArgs) -> Result<LinkTokens, Failure> {
    let parse = |from: &str, text: &Secret| {
        LinkTokens::parse(text).map_err(|error| Failure::from(format!("{from}: {error}")))
    };
    if let Some(path) = &args.link_token_file {
        let from = format!("--link-token-file {}", path.display());
        let text = fs::read_to_string(path).map_err(|error| format!("{from}: {error}"))?;
        return parse(&from, &Secret::new(text));
    }
    args.link_token
        .as_ref()
        .map_or_else(|| Ok(LinkTokens::default()), |text| parse("--link-token", text))
}

/// Prints a new token, or writes it where none is yet.
pub(crate) fn make_token(args: &TokenArgs) -> Result<(), Failure> {
    let Some(path) = &args.out else {
        return print(&random_digits()?);
    };
    let cannot = |error: &dyn std::fmt::Display| format!("--out {}: {error}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => {
            LinkTokens::parse(&Secret::new(text)).map_err(|error| cannot(&error))?;
            print(&format!("{} has a token already", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let written = write_whole(path, &random_digits()?).map_err(|error| cannot(&error))?;
            let what = if written { "has a new token" } else { "has a token already" };
            print(&format!("{} {what}", path.display()))
        }
        Err(error) => Err(cannot(&error).into()),
    }
}

/// A secret that nobody guesses, in hexadecimal digits.
pub(crate) fn random_digits() -> Result<String, Failure> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| format!("the system gives no random bytes: {error}"))?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes `token` to `path` as if at once: nobody reads a half, and of two who write one only the
/// first does. Whether it was this one.
pub(crate) fn write_whole(path: &Path, token: &str) -> io::Result<bool> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = path.with_file_name(name);
    let options = OpenOptions::new().write(true).create_new(true).mode(TOKEN_FILE_MODE).clone();
    let mut file = options.open(&draft)?;
    let linked = file
        .write_all(format!("{token}\n").as_bytes())
        .and_then(|()| file.sync_all())
        // A link, unlike a new name, does not take another's place.
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed.map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed.map(|()| false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn args(file: Option<&Path>, token: Option<&str>) -> LinkArgs {
        LinkArgs {
            tls: LinkTlsArgs::default(),
            link_token_file: file.map(Path::to_owned),
            link_token: token.map(|token| Secret::new(token.to_owned())),
            link_streams: None,
            link_head_bytes: None,
            link_frame_bytes: None,
            link_faults: None,
            links: Links::Framed,
        }
    }

    #[test]
    fn a_file_gets_one_token_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link-token");
        let made = TokenArgs { out: Some(path.clone()) };
        make_token(&made).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(first.trim().len(), 2 * TOKEN_BYTES);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777 & !0o640, 0);
        make_token(&made).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert!(!write_whole(&path, "another").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
        assert!(!tokens(&args(Some(&path), None)).unwrap().is_empty());
        assert_ne!(random_digits().unwrap(), random_digits().unwrap());
    }

    #[test]
    fn a_file_that_has_no_token_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        let absent = tokens(&args(Some(&path), None)).unwrap_err().to_string();
        fs::write(&path, "\n").unwrap();
        let empty = tokens(&args(Some(&path), None)).unwrap_err().to_string();
        for why in [absent, empty] {
            assert!(why.contains("--link-token-file") && why.contains("empty"), "{why}");
        }
        // What lies there may be of use to somebody.
        assert!(make_token(&TokenArgs { out: Some(path) }).is_err());
        let weak = tokens(&args(None, Some("weak"))).unwrap_err().to_string();
        assert!(weak.contains("--link-token") && !weak.contains("weak"), "{weak}");
        assert!(tokens(&args(None, None)).unwrap().is_empty());
    }
}
