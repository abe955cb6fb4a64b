//! TLS towards clients: its flags, and the files that the certificate comes from.
//!
//! The files are read again every second, because that notices every way in which they are replaced:
//! written over, renamed onto, or by a link that now points elsewhere, as orchestrators do it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
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

/// What a listener for clients speaks.
#[derive(Debug)]
pub(crate) struct ServedTls(Option<Files>);

/// A certificate and where it comes from.
#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    read: Arc<Pair>,
    tls: Tls,
}

/// The two files' content.
#[derive(PartialEq, Eq)]
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A private key is a secret.
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl ServedTls {
    /// Reads what the flags name; without them nothing is encrypted.
    pub(crate) fn read(args: &TlsArgs) -> Result<Self, Failure> {
        let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) else {
            return Ok(Self(None));
        };
        let read = read(cert, key)?;
        let tls = Tls::new(&read.cert, &read.key).map_err(|error| cannot(cert, key, &error))?;
        let (cert, key) = (cert.clone(), key.clone());
        Ok(Self(Some(Files { cert, key, read: Arc::new(read), tls })))
    }

    /// What addresses of the listener begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.0.is_some() { "https" } else { "http" }
    }

    /// What one listener shows its clients.
    pub(crate) fn shown(&self) -> Option<Tls> {
        self.0.as_ref().map(|files| files.tls.clone())
    }

    /// Shows what is in the files whenever that has changed. Never ends.
    pub(crate) async fn watch(&self) {
        let Some(Files { cert, key, read: first, tls }) = &self.0 else {
            return std::future::pending().await;
        };
        let mut used = Ok(Arc::clone(first));
        let mut seen = used.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let (of, with) = (cert.clone(), key.clone());
            let Ok(found) = tokio::task::spawn_blocking(move || read(&of, &with)).await else {
                continue;
            };
            let found = found.map(Arc::new);
            // Of two files that are replaced one after the other, the second may still be the old one.
            let is_settled = found == seen;
            seen.clone_from(&found);
            if !is_settled || found == used {
                continue;
            }
            let show = |pair: &Arc<Pair>| {
                tls.show(&pair.cert, &pair.key).map_err(|error| cannot(cert, key, &error))
            };
            match found.as_ref().map_err(Clone::clone).and_then(show) {
                Ok(()) => {
                    tracing::info!(cert = %cert.display(), "clients are shown a new certificate");
                }
                Err(why) => tracing::error!("{why}; clients are shown the certificate before it"),
            }
            used = found;
        }
    }
}

fn read(cert: &Path, key: &Path) -> Result<Pair, String> {
    Ok(Pair { cert: content("--tls-cert", cert)?, key: content("--tls-key", key)? })
}

fn content(flag: &str, path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("{flag} {}: {why}", path.display());
    let known = fs::metadata(path).map_err(|error| cannot(&error))?;
    if known.len() > FILE_BYTES_MAX {
        return Err(cannot(&"longer than 1 MiB, which no certificate is"));
    }
    fs::read(path).map_err(|error| cannot(&error))
}

fn cannot(cert: &Path, key: &Path, error: &weir_runtime::TlsError) -> String {
    format!("--tls-cert {} with --tls-key {}: {error}", cert.display(), key.display())
}
