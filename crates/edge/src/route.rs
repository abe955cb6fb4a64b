//! The inference routes, as data. Adding a path is adding a row.

use weir_types::Operation;

/// One path a client may call.
#[derive(Debug)]
pub(crate) struct Route {
    /// Method and path, as spans and logs show it.
    pub(crate) name: &'static str,
    /// What it asks for.
    pub(crate) operation: Operation,
    /// The provider that the prefix implies for a bare model.
    pub(crate) preferred: Option<&'static str>,
}

impl Route {
    /// The path alone.
    pub(crate) fn path(&self) -> &'static str {
        self.name.split_once(' ').map_or(self.name, |(_, path)| path)
    }

    const fn new(
        name: &'static str,
        operation: Operation,
        preferred: Option<&'static str>,
    ) -> Self {
        Self { name, operation, preferred }
    }
}

const OPENAI: Option<&str> = Some("openai");

/// Every inference route. OpenAI's own SDKs append to a base URL that may or may not end in
/// `/v1`, so the drop-in prefix serves both.
pub(crate) static ROUTES: [Route; 12] = [
    Route::new("POST /v1/chat/completions", Operation::Chat, None),
    Route::new("POST /v1/completions", Operation::Completion, None),
    Route::new("POST /v1/embeddings", Operation::Embedding, None),
    Route::new("GET /v1/models", Operation::ListModels, None),
    Route::new("POST /openai/v1/chat/completions", Operation::Chat, OPENAI),
    Route::new("POST /openai/v1/completions", Operation::Completion, OPENAI),
    Route::new("POST /openai/v1/embeddings", Operation::Embedding, OPENAI),
    Route::new("GET /openai/v1/models", Operation::ListModels, OPENAI),
    Route::new("POST /openai/chat/completions", Operation::Chat, OPENAI),
    Route::new("POST /openai/completions", Operation::Completion, OPENAI),
    Route::new("POST /openai/embeddings", Operation::Embedding, OPENAI),
    Route::new("GET /openai/models", Operation::ListModels, OPENAI),
];

/// The path that load balancers ask.
pub(crate) const HEALTH: &str = "/health";

/// What a client that asked for an unknown path should have asked for.
pub(crate) fn supported() -> String {
    let names: Vec<_> = ROUTES.iter().map(|route| route.name).collect();
    format!("{}, GET {HEALTH}", names.join(", "))
}
