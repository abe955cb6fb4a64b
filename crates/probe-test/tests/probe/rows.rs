//! The rows: what clients may call, and what providers offer.

use weir_dialect::Quirks;
use weir_provider::{Auth, Betas, ModelForm, Route as Offer, StreamEnd, Vendor};
use weir_types::{Dialect, Framing, Operation};

/// What clients may call.
pub(crate) static ROUTES: &[weir_edge::Route] = &[
    weir_edge::Route::new("POST /probe/talk", Dialect::Probe, Operation::Chat)
        .framed(Framing::Ndjson),
    weir_edge::Route::new("GET /probe/have", Dialect::Probe, Operation::ListModels),
    weir_edge::Route::new("POST /probe/raw", Dialect::Probe, Operation::Passthrough),
    weir_edge::Route::new("POST /v1/chat/completions", Dialect::OpenAiChat, Operation::Chat),
    weir_edge::Route::new("GET /v1/models", Dialect::OpenAiChat, Operation::ListModels),
];

/// A provider that speaks the probe's format.
pub(crate) static PROBE: Vendor = vendor("probe", PROBE_OFFERS, Auth::Header("x-probe-key"));
/// A provider that speaks OpenAI's.
pub(crate) static TALKER: Vendor = vendor("talker", TALKER_OFFERS, Auth::Bearer);

const PROBE_OFFERS: &[Offer] = &[
    Offer::post(Operation::Chat, "/talk", Dialect::Probe).framed(Framing::Ndjson),
    Offer::get(Operation::ListModels, "/have", Dialect::Probe),
    Offer::post(Operation::Passthrough, "/raw", Dialect::Probe),
];
const TALKER_OFFERS: &[Offer] = &[
    Offer::post(Operation::Chat, "/v1/chat/completions", Dialect::OpenAiChat),
    Offer::get(Operation::ListModels, "/v1/models", Dialect::OpenAiChat),
];

const fn vendor(name: &'static str, routes: &'static [Offer], auth: Auth) -> Vendor {
    Vendor {
        name,
        routes,
        stored: &[],
        base_url: "",
        auth,
        stream_end: StreamEnd::NeedsDone,
        betas: Betas::All,
        client_headers: &[],
        quirks: Quirks::NONE,
        model_form: ModelForm::Plain,
        env_var: None,
        base_url_from_key: false,
        keys_may_be_empty: false,
    }
}
