//! What is true of a vendor, as data: endpoint, auth scheme, quirks, error classes.
//!
//! Pure: no sockets, no clock, no configuration. A vendor that speaks a known wire format is one
//! row of a table; what a row cannot say does not exist.

mod amazon;
mod asked;
mod classify;
mod compatible;
mod kept;
mod later;
mod media;
mod mistral;
mod native;
mod phrases;
mod ranking;
mod retry_after;
mod route;
mod stored;
mod template;
mod vendor;
mod wanted;

pub use asked::Asked;
pub use classify::{Classified, ErrorFacts, classify, classify_in_band, refuses_sealed};
pub use later::Later;
pub use retry_after::retry_after;
pub use route::{Fit, Kept, ModelScope, Route};
pub use template::{Template, encoded, encoded_path};
pub use vendor::{Auth, Betas, ModelForm, StreamEnd, Vendor};
pub use wanted::{Choice, Choices, Wanted};
pub use weir_dialect::families::Family;

/// The facts about the built-in provider called `name`, if this build serves it.
#[must_use]
pub fn vendor(name: &str) -> Option<&'static Vendor> {
    vendors().find(|vendor| vendor.name == name)
}

/// Whether this build serves the built-in provider called `name`.
#[must_use]
pub fn served(name: &str) -> bool {
    vendor(name).is_some()
}

/// The built-in providers that this build serves, in the order of their table.
pub fn served_names() -> impl Iterator<Item = &'static str> {
    vendors().map(|vendor| vendor.name)
}

/// Every vendor that this build serves.
pub fn vendors() -> impl Iterator<Item = &'static Vendor> {
    native::VENDORS.iter().chain(compatible::VENDORS)
}

#[cfg(test)]
mod tests;
