//! Responses that a host keeps, in OpenAI's form: what can be asked of them by their ids, and what goes
//! on from them. <https://platform.openai.com/docs/api-reference/responses>

use http::Method;
use weir_dialect::Quirks;
use weir_types::{Dialect, Operation};

use crate::route::Route;

/// Nothing is added or taken away; there is no model.
const AS_IT_IS: Quirks = Quirks { omits_model: true, ..Quirks::NONE };

const fn kept(method: Method, operation: Operation, template: &'static str) -> Route {
    Route::new(method, operation, template, Dialect::OpenAiResponses).needs(&AS_IT_IS)
}

/// One that is kept.
pub(crate) const fn retrieved(template: &'static str) -> Route {
    kept(Method::GET, Operation::ResponsesRetrieve, template)
}

/// That it is kept no longer.
pub(crate) const fn deleted(template: &'static str) -> Route {
    kept(Method::DELETE, Operation::ResponsesDelete, template)
}

/// That one is not made further, which is made in the background.
pub(crate) const fn canceled(template: &'static str) -> Route {
    kept(Method::POST, Operation::ResponsesCancel, template)
}

/// What one was made from.
pub(crate) const fn input_items(template: &'static str) -> Route {
    kept(Method::GET, Operation::ResponsesInputItems, template)
}

/// How many tokens a request has. What chat needs is nothing to it.
pub(crate) const fn counted(template: &'static str) -> Route {
    Route::post(Operation::CountTokens, template, Dialect::OpenAiResponses).needs(&Quirks::NONE)
}

/// A long conversation as a short one.
pub(crate) const fn compacted(template: &'static str) -> Route {
    Route::post(Operation::Compaction, template, Dialect::OpenAiResponses).needs(&Quirks::NONE)
}
