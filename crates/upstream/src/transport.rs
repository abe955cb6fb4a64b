//! What all cores share of the way to one provider: settings, TLS, proxy, connection permits.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use http::Uri;
use http::uri::Scheme;
use rustls_pki_types::CertificateDer;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use weir_types::Secret;

use crate::proxy::{Kind, Route, Via};
use crate::reach::{LOOKUPS_MAX, Reach};
use crate::tls::{self, Tls};
use crate::{Error, SettingsError};

/// How a provider is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bounds name resolution, TCP, proxy and TLS handshakes together.
    pub connect_timeout: Duration,
    /// An unused connection is closed after this long.
    pub pool_idle_timeout: Duration,
    /// Calls to one host at the same time, over all cores: connections, or streams where the host
    /// speaks HTTP/2. At least 1.
    pub max_conns_per_host: usize,
    /// HTTP/2 or nothing. Without it HTTP/2 is spoken where the host offers it in its TLS handshake.
    pub enforce_http2: bool,
    /// Which addresses may be called.
    pub reach: Reach,
    /// Certificate authorities (PEM) that are trusted beside the system's.
    pub ca_pem: Vec<Secret>,
    /// Trust any certificate.
    pub insecure_skip_verify: bool,
    /// Whether and how to go through a proxy.
    pub proxy: Proxy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            pool_idle_timeout: Duration::from_secs(4),
            max_conns_per_host: 5000,
            enforce_http2: false,
            reach: Reach::NoMetadata,
            ca_pem: Vec::new(),
            insecure_skip_verify: false,
            proxy: Proxy::None,
        }
    }
}

/// Which proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    tls: OnceCell<Tls>,
    permits: Mutex<HashMap<String, Arc<Semaphore>>>,
    pub(crate) lookups: Arc<Semaphore>,
    local: OnceLock<Arc<Self>>,
    aside: OnceLock<Arc<Self>>,
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

    /// For settings that cannot work: no call ever gets its permit.
    #[must_use]
    pub fn closed() -> Self {
        let settings = Settings { max_conns_per_host: 0, ..Settings::default() };
        Self::with(settings, Route::Direct, Vec::new())
    }

    /// Whether it was made for settings that cannot work.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.settings.max_conns_per_host == 0
    }

    fn with(settings: Settings, route: Route, authorities: Vec<CertificateDer<'static>>) -> Self {
        Self {
            settings,
            route,
            authorities,
            tls: OnceCell::new(),
            permits: Mutex::new(HashMap::new()),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            local: OnceLock::new(),
            aside: OnceLock::new(),
        }
    }

    /// For servers of this machine: past the proxy, to addresses that providers never have.
    pub(crate) fn local(&self) -> Arc<Self> {
        let made = || {
            let (proxy, reach) = (Proxy::None, Reach::Everything);
            let own = self.settings.clone();
            let settings = Settings { proxy, reach, enforce_http2: false, ..own };
            Arc::new(Self::with(settings, Route::Direct, self.authorities.clone()))
        };
        Arc::clone(self.local.get_or_init(made))
    }

    /// For servers that serve the provider's calls: its way, but not its version of HTTP. `None`:
    /// there is no difference.
    pub(crate) fn aside(&self) -> Option<Arc<Self>> {
        if !self.settings.enforce_http2 {
            return None;
        }
        let made = || {
            let settings = Settings { enforce_http2: false, ..self.settings.clone() };
            Arc::new(Self::with(settings, self.route.clone(), self.authorities.clone()))
        };
        Some(Arc::clone(self.aside.get_or_init(made)))
    }

    pub(crate) async fn tls(&self) -> Result<&Tls, SettingsError> {
        let Settings { insecure_skip_verify, enforce_http2, .. } = self.settings;
        let made = tls::configs(&self.authorities, insecure_skip_verify, enforce_http2);
        self.tls.get_or_try_init(|| made).await
    }

    /// Whether a server has wanted to know by TLS who calls.
    pub(crate) fn was_asked(&self) -> bool {
        self.tls.get().is_some_and(|tls| tls.client.was_asked())
    }

    /// The HTTP proxy that gets the request for `target` itself, not a tunnel's bytes. HTTP/2 has
    /// no such form of requests.
    pub(crate) fn forwarder(&self, target: &Uri) -> Option<&Via> {
        if self.settings.enforce_http2 || target.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        self.route.via(target).filter(|via| matches!(via.kind, Kind::Http(_)))
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
