//! What the standard `OTEL_*` variables mean, as plain settings.
//!
//! The OpenTelemetry SDK reads the environment wherever a value is not given. Every value that it
//! would read is given, so that this file is the only interpreter and an invalid value is reported
//! instead of ignored. Not acted upon: `OTEL_EXPORTER_OTLP_COMPRESSION` (spans are sent as they
//! are) and `OTEL_BSP_EXPORT_TIMEOUT` (`OTEL_EXPORTER_OTLP_TIMEOUT` bounds an export).
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

/// A variable that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: expected {expected}, found '{found}'")]
pub struct TraceSettingsError {
    /// Its name.
    pub variable: &'static str,
    /// What would have been understood.
    pub expected: &'static str,
    /// Its value; empty where the value may be a secret.
    pub found: String,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Whether a caller's decision is followed, where there is one.
    pub follow_parent: bool,
    /// The share of the other traces that is recorded, 0 to 1.
    pub ratio: f64,
}

/// How finished spans are collected before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// The longest time a finished span waits.
    pub delay: Duration,
    /// Spans beyond this many waiting ones are dropped.
    pub queue_spans_max: usize,
    /// Spans in one message.
    pub batch_spans_max: usize,
}

/// Where spans go. The default one is off.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The URL spans are posted to, path included; `None` = tracing is off.
    pub endpoint: Option<Uri>,
    /// Headers for the collector. Values are marked as sensitive: `Debug` hides them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Bounds one export, retries included.
    pub timeout: Duration,
    /// `service.name` of every span.
    pub service_name: String,
    /// Further attributes of this process.
    pub resource: Vec<(String, String)>,
    /// Which traces are recorded.
    pub sampling: Sampling,
    /// How spans are collected.
    pub batching: Batching,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            service_name: "weir".to_owned(),
            resource: Vec::new(),
            sampling: Sampling { follow_parent: true, ratio: 1.0 },
            batching: Batching {
                delay: Duration::from_secs(5),
                queue_spans_max: 2048,
                batch_spans_max: 512,
            },
        }
    }
}

impl TraceSettings {
    /// Reads the standard variables through `lookup`, which returns `None` for an unset one.
    /// Empty is the same as unset. Tracing is on if an endpoint is given, or if
    /// `OTEL_TRACES_EXPORTER` says `otlp` (then the endpoint's standard default holds). `service`
    /// is the name unless a variable says another.
    ///
    /// # Errors
    /// The first variable whose value cannot be followed. When tracing is off, none is judged.
    pub fn from_vars(
        service: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TraceSettingsError> {
        let vars = Vars { lookup };
        let mut settings = Self { service_name: service.to_owned(), ..Self::default() };
        let Some(endpoint) = vars.endpoint()? else {
            return Ok(settings);
        };
        vars.check_protocol()?;
        settings.endpoint = Some(endpoint);
        settings.resource = vars.resource()?;
        let service_name = vars.text("OTEL_SERVICE_NAME");
        if let Some(name) = service_name.or_else(|| named(&settings.resource, "service.name")) {
            settings.service_name = name;
        }
        settings.resource.retain(|(key, _)| key != "service.name");
        settings.headers = vars.headers()?;
        if let Some(timeout) =
            vars.either_millis("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")?
        {
            settings.timeout = timeout;
        }
        settings.sampling = vars.sampling()?;
        settings.batching = vars.batching(settings.batching)?;
        Ok(settings)
    }
}

struct Vars<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The signal's own variable, else the general one.
    fn either(&self, own: &'static str, general: &'static str) -> Option<(&'static str, String)> {
        let own = self.text(own).map(|value| (own, value));
        own.or_else(|| self.text(general).map(|value| (general, value)))
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, TraceSettingsError> {
        let Some(found) = self.text(name) else {
            return Ok(None);
        };
        let parsed = found.parse().ok();
        parsed.map(Some).ok_or(TraceSettingsError { variable: name, expected, found })
    }

    fn either_millis(
        &self,
        own: &'static str,
        general: &'static str,
    ) -> Result<Option<Duration>, TraceSettingsError> {
        let Some((name, _)) = self.either(own, general) else {
            return Ok(None);
        };
        let expected = "whole milliseconds above 0";
        let millis = self.parsed::<u64>(name, expected)?.unwrap_or(0);
        if millis == 0 {
            return Err(TraceSettingsError { variable: name, expected, found: "0".to_owned() });
        }
        Ok(Some(Duration::from_millis(millis)))
    }

    fn endpoint(&self) -> Result<Option<Uri>, TraceSettingsError> {
        let disabled = self.text("OTEL_SDK_DISABLED");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporter = self.text("OTEL_TRACES_EXPORTER");
        match exporter.as_deref() {
            Some("none") => return Ok(None),
            Some("otlp") | None => {}
            Some(found) => {
                return Err(TraceSettingsError {
                    variable: "OTEL_TRACES_EXPORTER",
                    expected: "otlp or none",
                    found: found.to_owned(),
                });
            }
        }
        if let Some(url) = self.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            return endpoint_uri("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url, "").map(Some);
        }
        let given = self.text("OTEL_EXPORTER_OTLP_ENDPOINT");
        let default = || exporter.is_some().then(|| "http://localhost:4318".to_owned());
        let Some(base) = given.or_else(default) else {
            return Ok(None);
        };
        endpoint_uri("OTEL_EXPORTER_OTLP_ENDPOINT", &base, "/v1/traces").map(Some)
    }

    fn check_protocol(&self) -> Result<(), TraceSettingsError> {
        let given =
            self.either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
        match given {
            Some((variable, found)) if found != "http/protobuf" => Err(TraceSettingsError {
                variable,
                expected: "http/protobuf, which collectors take on port 4318",
                found,
            }),
            _ => Ok(()),
        }
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, TraceSettingsError> {
        let own = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
        let Some((variable, text)) = self.either(own, "OTEL_EXPORTER_OTLP_HEADERS") else {
            return Ok(Vec::new());
        };
        let expected = "name=value,name=value with URL-encoded values";
        let wrong = || TraceSettingsError { variable, expected, found: String::new() };
        let pairs = pairs(&text).ok_or_else(wrong)?;
        pairs
            .into_iter()
            .map(|(name, value)| {
                let name = HeaderName::from_str(&name).map_err(|_invalid| wrong())?;
                let mut value = HeaderValue::from_str(&value).map_err(|_invalid| wrong())?;
                value.set_sensitive(true);
                Ok((name, value))
            })
            .collect()
    }

    fn resource(&self) -> Result<Vec<(String, String)>, TraceSettingsError> {
        let variable = "OTEL_RESOURCE_ATTRIBUTES";
        let text = self.text(variable).unwrap_or_default();
        pairs(&text).ok_or(TraceSettingsError {
            variable,
            expected: "key=value,key=value with URL-encoded values",
            found: text,
        })
    }

    fn sampling(&self) -> Result<Sampling, TraceSettingsError> {
        let name = self.text("OTEL_TRACES_SAMPLER");
        let name = name.as_deref().unwrap_or("parentbased_always_on");
        let (follow_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => self.ratio()?,
            _ => {
                return Err(TraceSettingsError {
                    variable: "OTEL_TRACES_SAMPLER",
                    expected: "always_on, always_off, traceidratio or one of them after \
                               'parentbased_'",
                    found: name.to_owned(),
                });
            }
        };
        Ok(Sampling { follow_parent, ratio })
    }

    fn ratio(&self) -> Result<f64, TraceSettingsError> {
        let variable = "OTEL_TRACES_SAMPLER_ARG";
        let expected = "a number from 0 to 1";
        let ratio = self.parsed::<f64>(variable, expected)?.unwrap_or(1.0);
        if (0.0..=1.0).contains(&ratio) {
            return Ok(ratio);
        }
        Err(TraceSettingsError { variable, expected, found: ratio.to_string() })
    }

    fn batching(&self, default: Batching) -> Result<Batching, TraceSettingsError> {
        let number = "a whole number above 0";
        let above_zero = |variable: &'static str, default: usize| match self
            .parsed::<usize>(variable, number)?
        {
            Some(0) => {
                Err(TraceSettingsError { variable, expected: number, found: "0".to_owned() })
            }
            given => Ok(given.unwrap_or(default)),
        };
        let delay = self.parsed::<u64>("OTEL_BSP_SCHEDULE_DELAY", "whole milliseconds")?;
        let queue_spans_max = above_zero("OTEL_BSP_MAX_QUEUE_SIZE", default.queue_spans_max)?;
        let batch = above_zero("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default.batch_spans_max)?;
        Ok(Batching {
            // Zero would make the collecting thread spin.
            delay: delay.map_or(default.delay, |ms| Duration::from_millis(ms.max(1))),
            queue_spans_max,
            batch_spans_max: batch.min(queue_spans_max),
        })
    }
}

fn named(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

/// `base` with `path` appended, checked for scheme and host.
fn endpoint_uri(variable: &'static str, base: &str, path: &str) -> Result<Uri, TraceSettingsError> {
    let whole = match path {
        "" => base.to_owned(),
        path => format!("{}{path}", base.trim_end_matches('/')),
    };
    let uri = whole.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    uri.ok_or_else(|| TraceSettingsError {
        variable,
        expected: "http:// or https:// with a host and without credentials",
        // What stands before an '@' is a credential.
        found: base.rsplit('@').next().unwrap_or_default().to_owned(),
    })
}

/// `a=1,b=%32`, decoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part.split_once('=')?;
            let (key, value) = (key.trim(), percent_decoded(value.trim())?);
            (!key.is_empty()).then(|| (key.to_owned(), value))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
