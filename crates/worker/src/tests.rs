//! A worker against providers that behave as scripted, over real sockets on loopback.

mod bodies;
mod cancel;
mod credentials;
mod fake;
mod later;
mod lines;
mod live;
mod media;
mod sealed;
mod setup;
mod stored;
mod stream;
mod whole;

use fake::{Act, Fake};
use setup::*;
