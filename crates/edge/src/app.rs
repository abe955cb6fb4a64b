//! Routes and layers, in one place. There is one layer: CORS, entered only by requests of pages.
//! Body limits, panics and request ids are steps of `call`, where they cost no boxed future.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get};
use http::header::CONTENT_TYPE;
use weir_rpc::RouterService;
use weir_telemetry::Telemetry;
use weir_types::{Deadline, Fault, FaultCode, Operation};

use crate::client::Rules;
use crate::cors::OnOrigin;
use crate::intake::Limits;
use crate::route::{self, ROUTES, Route};
use crate::stall::Watch;
use crate::{Settings, call};

/// How much of an unknown path is repeated to the client.
const PATH_CHARS_MAX: usize = 128;

/// What every request needs.
pub(crate) struct App {
    settings: Arc<Settings>,
    supported: String,
    /// The rules for client headers.
    pub(crate) rules: Rules,
    /// Who serves.
    pub(crate) router: Arc<dyn RouterService>,
    /// Who watches.
    pub(crate) telemetry: Telemetry,
    /// Open streams.
    pub(crate) watch: Arc<Watch>,
}

impl App {
    /// The bounds of a request body.
    pub(crate) fn limits(&self, deadline: Deadline) -> Limits {
        Limits {
            bytes_max: self.settings.body_bytes_max,
            stall_max: self.settings.client_stall_max,
            deadline,
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The public HTTP surface in front of `router`. One instance per runtime; answers are served on
/// the runtime that polls it.
pub fn app(
    settings: Arc<Settings>,
    router: Arc<dyn RouterService>,
    telemetry: Telemetry,
) -> Router {
    let cors = OnOrigin::new(&settings);
    let app = Arc::new(App {
        supported: route::supported(),
        rules: Rules::new(&settings),
        watch: Watch::new(settings.client_stall_max),
        settings,
        router,
        telemetry,
    });
    let mut routes = Router::new().route(route::HEALTH, health(&app));
    for route in &ROUTES {
        routes = routes.route(route.path(), inference(&app, route));
    }
    routes
        .fallback(move |request: Request| std::future::ready(not_found(&app, request)))
        .layer(cors)
}

fn inference(app: &Arc<App>, route: &'static Route) -> MethodRouter {
    let (serving, refusing) = (Arc::clone(app), Arc::clone(app));
    // axum answers HEAD where it answers GET.
    let (method, allowed) = match route.operation {
        Operation::ListModels => (MethodFilter::GET, "GET, HEAD"),
        _ => (MethodFilter::POST, "POST"),
    };
    MethodRouter::new()
        .on(method, move |request: Request| call::serve(Arc::clone(&serving), route, request))
        .fallback(move |request: Request| {
            std::future::ready(wrong_method(&refusing, allowed, request))
        })
}

fn health(app: &Arc<App>) -> MethodRouter {
    const OK: &str = r#"{"status":"ok"}"#;
    let app = Arc::clone(app);
    get(|| std::future::ready(([(CONTENT_TYPE, "application/json")], OK).into_response())).fallback(
        move |request: Request| std::future::ready(wrong_method(&app, "GET, HEAD", request)),
    )
}

fn not_found(app: &App, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let text = format!("no such route: {} {path}; supported: {}", request.method(), app.supported);
    call::refuse(app, &Fault::new(FaultCode::NotFound, text), request)
}

/// axum adds `Allow` by itself.
fn wrong_method(app: &App, allowed: &'static str, request: Request) -> Response {
    let text = format!(
        "{} {} is not supported; allowed: {allowed}",
        request.method(),
        request.uri().path()
    );
    call::refuse(app, &Fault::new(FaultCode::MethodNotAllowed, text), request)
}
