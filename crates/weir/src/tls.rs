//! TLS, with clients and between services: its flags, and the files that certificates come from.
//!
//! The files are read again every second, because that notices every way in which they are replaced:
//! written over, renamed onto, or by a link that now points elsewhere, as orchestrators do it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use weir_rpc::LinkTls;
use weir_runtime::Tls;

use crate::Failure;

/// How often the files are looked at. What is new is used when it has been the same twice.
const LOOK: Duration = Duration::from_secs(1);
/// Certificates are a few KiB; something longer is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The certificate that clients are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct TlsArgs {
    /// Speak TLS with clients: a PEM file with this host's certificate, followed by those that lead to
    /// its authority. Read again whenever it changes
    #[arg(long, env = "WEIR_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file without a password
    #[arg(long, env = "WEIR_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// The certificates between services.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LinkTlsArgs {
    /// Encrypt the links between services, where both ends show a certificate: a PEM file with that of
    /// this service, followed by those that lead to its authority. Read again whenever it changes
    #[arg(long, env = "WEIR_LINK_TLS_CERT", value_name = "FILE")]
    #[arg(requires_all = ["link_tls_key", "link_tls_ca"])]
    link_tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file without a password
    #[arg(long, env = "WEIR_LINK_TLS_KEY", value_name = "FILE", requires = "link_tls_cert")]
    link_tls_key: Option<PathBuf>,
    /// The authority that has signed the certificates of all services of this gateway and of nobody
    /// else, a PEM file; several while one takes the other's place
    #[arg(long, env = "WEIR_LINK_TLS_CA", value_name = "FILE", requires = "link_tls_cert")]
    link_tls_ca: Option<PathBuf>,
}

impl LinkTlsArgs {
    /// Whether links are encrypted.
    pub(crate) const fn is_given(&self) -> bool {
        self.link_tls_cert.is_some()
    }

    /// What addresses of services begin with.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.is_given() { "https" } else { "http" }
    }
}

/// What a listener for clients speaks.
#[derive(Debug)]
pub(crate) struct ServedTls(Option<(Files, Tls)>);

/// What links between services speak.
#[derive(Debug)]
pub(crate) struct LinkedTls(Option<(Files, LinkTls)>);

/// Files that are used together.
#[derive(Debug)]
struct Files {
    /// Each with the flag that names it.
    named: Vec<(&'static str, PathBuf)>,
    read: Arc<Contents>,
}

/// The files' content, in their order.
#[derive(PartialEq, Eq)]
struct Contents(Vec<Vec<u8>>);

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A private key is a secret.
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

impl ServedTls {
    /// Reads what the flags name; without them nothing is encrypted.
    pub(crate) fn read(args: &TlsArgs) -> Result<Self, Failure> {
        let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) else {
            return Ok(Self(None));
        };
        let files = Files::read([("--tls-cert", cert), ("--tls-key", key)])?;
        let tls = Tls::new(files.read.at(0), files.read.at(1));
        let tls = tls.map_err(|error| files.cannot(&error))?;
        Ok(Self(Some((files, tls))))
    }

    /// What addresses of the listener begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.0.is_some() { "https" } else { "http" }
    }

    /// What one listener shows its clients.
    pub(crate) fn shown(&self) -> Option<Tls> {
        self.0.as_ref().map(|(_, tls)| tls.clone())
    }

    /// Shows what is in the files whenever that has changed. Never ends.
    pub(crate) async fn watch(&self) {
        let Some((files, tls)) = &self.0 else { return std::future::pending().await };
        let show = |found: &Contents| {
            tls.show(found.at(0), found.at(1)).map_err(|error| files.cannot(&error))
        };
        files.watch("clients are shown", show).await;
    }
}

impl LinkedTls {
    /// Reads what the flags name; without them nothing is encrypted.
    pub(crate) fn read(args: &LinkTlsArgs) -> Result<Self, Failure> {
        let LinkTlsArgs { link_tls_cert, link_tls_key, link_tls_ca } = args;
        let (Some(cert), Some(key), Some(ca)) = (link_tls_cert, link_tls_key, link_tls_ca) else {
            return Ok(Self(None));
        };
        let named = [("--link-tls-cert", cert), ("--link-tls-key", key), ("--link-tls-ca", ca)];
        let files = Files::read(named)?;
        let tls = LinkTls::new(files.read.at(0), files.read.at(1), files.read.at(2));
        let tls = tls.map_err(|error| files.cannot(&error))?;
        Ok(Self(Some((files, tls))))
    }

    /// What both ends of every link show and ask for.
    pub(crate) fn ends(&self) -> Option<LinkTls> {
        self.0.as_ref().map(|(_, tls)| tls.clone())
    }

    /// Uses what is in the files for new links whenever that has changed. Never ends.
    pub(crate) async fn watch(&self) {
        let Some((files, tls)) = &self.0 else { return std::future::pending().await };
        let replace = |found: &Contents| {
            tls.replace(found.at(0), found.at(1), found.at(2)).map_err(|error| files.cannot(&error))
        };
        files.watch("new links use", replace).await;
    }
}

impl Files {
    fn read<const N: usize>(named: [(&'static str, &PathBuf); N]) -> Result<Self, String> {
        let named: Vec<_> = named.into_iter().map(|(flag, path)| (flag, path.clone())).collect();
        let read = Arc::new(contents(&named)?);
        Ok(Self { named, read })
    }

    /// Gives their content to `take` whenever it has changed; `who` does what with a certificate is told.
    /// Never ends.
    async fn watch(&self, who: &str, take: impl Fn(&Contents) -> Result<(), String>) {
        let mut used = Ok(Arc::clone(&self.read));
        let mut seen = used.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let named = self.named.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || contents(&named)).await else {
                continue;
            };
            let found = found.map(Arc::new);
            // Of files that are replaced one after the other, one may still be the old one.
            let is_settled = found == seen;
            seen.clone_from(&found);
            if !is_settled || found == used {
                continue;
            }
            match found.as_ref().map_err(Clone::clone).and_then(|found| take(found)) {
                Ok(()) => {
                    let cert = self.named.first().map(|(_, path)| path.display().to_string());
                    tracing::info!(cert, "{who} a new certificate");
                }
                Err(why) => tracing::error!("{why}; {who} the certificate before it"),
            }
            used = found;
        }
    }

    fn cannot(&self, error: &dyn std::fmt::Display) -> String {
        let name = |(flag, path): &(&str, PathBuf)| format!("{flag} {}", path.display());
        let named: Vec<_> = self.named.iter().map(name).collect();
        format!("{}: {error}", named.join(" with "))
    }
}

impl Contents {
    fn at(&self, place: usize) -> &[u8] {
        self.0.get(place).map(Vec::as_slice).unwrap_or_default()
    }
}

fn contents(named: &[(&'static str, PathBuf)]) -> Result<Contents, String> {
    named.iter().map(|(flag, path)| content(flag, path)).collect::<Result<_, _>>().map(Contents)
}

fn content(flag: &str, path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("{flag} {}: {why}", path.display());
    let known = fs::metadata(path).map_err(|error| cannot(&error))?;
    if known.len() > FILE_BYTES_MAX {
        return Err(cannot(&"longer than 1 MiB, which no certificate is"));
    }
    fs::read(path).map_err(|error| cannot(&error))
}
