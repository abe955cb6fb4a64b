//! The machine under the suite of the stores, under random commands and under whole routers.

mod random;
mod routers;
mod share;
mod suite;
mod support;
