//! What all cores share of the way to one provider: settings, TLS, proxy, connection permits.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use weir_types::Secret;

use crate::proxy::Route;
use crate::{Error, SettingsError, tls};

/// How a provider is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds name resolution, TCP, proxy and TLS handshakes together.
    pub connect_timeout: Duration,
    /// An unused connection is closed after this long.
    pub pool_idle_timeout: Duration,
    /// Calls to one host at the same time, over all cores. At least 1.
    pub max_conns_per_host: usize,
    /// Certificate authorities (PEM) that are trusted beside the system's.
    pub ca_pem: Vec<String>,
    /// Trust any certificate.
    pub insecure_skip_verify: bool,
    /// Whether and how to go through a proxy.
    pub proxy: Proxy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            pool_idle_timeout: Duration::from_secs(30),
            max_conns_per_host: 5000,
            ca_pem: Vec::new(),
            insecure_skip_verify: false,
            proxy: Proxy::None,
        }
    }
}

/// Which proxy.
#[derive(Debug, Clone, Default)]
pub enum Proxy {
    /// Straight to the provider.
    #[default]
    None,
    /// An HTTP proxy: CONNECT for https targets, absolute form for http ones.
    Http {
        /// `http://host:port` or `https://host:port`.
        url: Secret,
        /// User and password; win over those in the URL.
        credentials: Option<Credentials>,
    },
    /// A SOCKS5 proxy, which also resolves names.
    Socks5 {
        /// `socks5://host:port`.
        url: Secret,
        /// User and password; win over those in the URL.
        credentials: Option<Credentials>,
    },
    /// What the environment says, as it was read by who may read it.
    Environment {
        /// `HTTP_PROXY`: for http targets.
        http_proxy: Option<Secret>,
        /// `HTTPS_PROXY`: for https targets.
        https_proxy: Option<Secret>,
        /// `NO_PROXY`: hosts and networks to reach straight.
        no_proxy: Option<String>,
    },
}

/// For a proxy.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// The shared part of the way to one provider.
pub struct Transport {
    pub(crate) settings: Settings,
    pub(crate) route: Route,
    authorities: Vec<CertificateDer<'static>>,
    tls: OnceCell<Arc<ClientConfig>>,
    permits: Mutex<HashMap<String, Arc<Semaphore>>>,
    direct: OnceLock<Arc<Self>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Transport {
    /// Checks the settings. The system's certificates are read when they are first needed.
    ///
    /// # Errors
    /// A proxy URL or a PEM text that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let route = Route::new(&settings.proxy)?;
        let mut authorities = Vec::new();
        for pem in &settings.ca_pem {
            authorities.extend(tls::parse_pem(pem)?);
        }
        if settings.max_conns_per_host == 0 {
            return Err(SettingsError("max_conns_per_host must be at least 1".to_owned()));
        }
        Ok(Self::with(settings, route, authorities))
    }

    fn with(settings: Settings, route: Route, authorities: Vec<CertificateDer<'static>>) -> Self {
        let permits = Mutex::new(HashMap::new());
        let direct = OnceLock::new();
        Self { settings, route, authorities, tls: OnceCell::new(), permits, direct }
    }

    /// The same without a proxy; `None` if there is none.
    pub(crate) fn past_the_proxy(&self) -> Option<Arc<Self>> {
        if matches!(self.route, Route::Direct) {
            return None;
        }
        let made = || {
            let settings = Settings { proxy: Proxy::None, ..self.settings.clone() };
            Arc::new(Self::with(settings, Route::Direct, self.authorities.clone()))
        };
        Some(Arc::clone(self.direct.get_or_init(made)))
    }

    pub(crate) async fn tls(&self) -> Result<Arc<ClientConfig>, SettingsError> {
        let config = self.tls.get_or_try_init(async || {
            tls::client_config(&self.authorities, self.settings.insecure_skip_verify).await
        });
        config.await.cloned()
    }

    /// A permit for one call to the host of `uri`.
    pub(crate) async fn permit(
        &self,
        uri: &Uri,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let semaphore = self.semaphore(host);
        if let Ok(permit) = Arc::clone(&semaphore).try_acquire_owned() {
            return Ok(permit);
        }
        match timeout_at(deadline, semaphore.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Busy { target: host.to_owned() }),
        }
    }

    /// Calls under way to all hosts, answers that are still being read included.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        let permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = self.bound();
        permits.values().map(|semaphore| bound - semaphore.available_permits()).sum()
    }

    fn semaphore(&self, host: &str) -> Arc<Semaphore> {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = permits.get(host) {
            return Arc::clone(semaphore);
        }
        let semaphore = Arc::new(Semaphore::new(self.bound()));
        permits.insert(host.to_owned(), Arc::clone(&semaphore));
        semaphore
    }

    fn bound(&self) -> usize {
        self.settings.max_conns_per_host.min(Semaphore::MAX_PERMITS)
    }
}
