//! Every variable: followed, and refused when it is not valid.

use super::*;

fn read(vars: &[(&str, &str)]) -> Result<TraceSettings, TraceSettingsError> {
    TraceSettings::from_vars("weir", |name| {
        vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
}

const ON: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

#[test]
fn off_unless_an_endpoint_is_given() {
    for vars in [
        &[][..],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
        &[ON, ("OTEL_SDK_DISABLED", "TRUE")],
        &[ON, ("OTEL_TRACES_EXPORTER", "none")],
        // Nothing is judged while off.
        &[("OTEL_TRACES_SAMPLER", "nonsense"), ("OTEL_RESOURCE_ATTRIBUTES", "nonsense")],
    ] {
        let settings = read(vars).unwrap();
        assert_eq!(settings.endpoint, None, "{vars:?}");
    }
}

#[test]
fn endpoints_follow_the_specification() {
    let endpoint = |vars: &[(&str, &str)]| {
        read(vars).unwrap().endpoint.map(|uri| uri.to_string()).unwrap_or_default()
    };
    assert_eq!(endpoint(&[ON]), "http://collector:4318/v1/traces");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://other/in");
    assert_eq!(endpoint(&[ON, own]), "https://other/in");
    let exporter = ("OTEL_TRACES_EXPORTER", "otlp");
    assert_eq!(endpoint(&[exporter]), "http://localhost:4318/v1/traces");
}

#[test]
fn everything_else_is_read() {
    let settings = read(&[
        ON,
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc,x-team=a"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=ignored,deployment.environment.name=a%2Cb"),
        ("OTEL_SERVICE_NAME", "gateway"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128"),
    ])
    .unwrap();
    assert_eq!(settings.headers.len(), 2);
    assert_eq!(settings.headers[0].1, "Bearer abc");
    assert!(!format!("{settings:?}").contains("abc"), "{settings:?}");
    assert_eq!(settings.timeout, Duration::from_millis(2500));
    assert_eq!(settings.service_name, "gateway");
    let environment = ("deployment.environment.name".to_owned(), "a,b".to_owned());
    assert_eq!(settings.resource, [environment]);
    assert_eq!(settings.sampling, Sampling { follow_parent: true, ratio: 0.25 });
    let delay = Duration::from_millis(100);
    let batching = Batching { delay, queue_spans_max: 64, batch_spans_max: 64 };
    assert_eq!(settings.batching, batching);
}

#[test]
fn samplers_by_name() {
    for (name, follow_parent, ratio) in [
        ("always_on", false, 1.0),
        ("always_off", false, 0.0),
        ("parentbased_always_on", true, 1.0),
        ("parentbased_always_off", true, 0.0),
        ("traceidratio", false, 1.0),
    ] {
        let settings = read(&[ON, ("OTEL_TRACES_SAMPLER", name)]).unwrap();
        assert_eq!(settings.sampling, Sampling { follow_parent, ratio }, "{name}");
    }
}

#[test]
fn nonsense_is_named() {
    for (variable, value) in [
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no-value"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
    ] {
        let error = read(&[ON, (variable, value)]).unwrap_err();
        assert_eq!((error.variable, error.found.as_str()), (variable, value), "{error}");
    }
    let ratio = [ON, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
    assert_eq!(read(&ratio).unwrap_err().variable, "OTEL_TRACES_SAMPLER_ARG");
}

#[test]
fn errors_keep_secrets_to_themselves() {
    let header = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer hunter2");
    let error = read(&[ON, header]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let endpoint = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hunter2@collector/");
    let error = read(&[endpoint]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
