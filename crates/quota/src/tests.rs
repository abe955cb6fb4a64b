//! The machine under the suite of the stores, under random commands and under whole routers.

#[cfg(feature = "canonical")]
mod canonical;
mod founded;
mod random;
mod routers;
mod share;
mod suite;
mod support;
