//! Fuzz targets: one for each reader of bytes that somebody else wrote. `WEIR_FUZZ_TARGET` names it
//! (`openai_chat/stream`, `framing/sse`, `json`, `link/peer`); `list` prints them all, and `WEIR_FUZZ_SEEDS=DIR`
//! writes a corpus and a dictionary made of the fixtures. `cargo xtask fuzz` does all of that.
//!
//! What is found is a panic, an endless loop, or memory out of proportion to the input. What a reader
//! makes of an input is given to every writer, because no writer may trust a reader.

#![no_main]

mod formats;
mod heap;
mod plain;
mod seeds;
mod target;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use target::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("WEIR_FUZZ_TARGET").unwrap_or_default();
    if name == "list" {
        target::all().iter().for_each(|target| println!("{}", target.name()));
        std::process::exit(0);
    }
    let found = target::all().into_iter().find(|target| target.name() == name);
    let target = found.unwrap_or_else(|| panic!("WEIR_FUZZ_TARGET={name:?}: see `list`"));
    if let Ok(folder) = std::env::var("WEIR_FUZZ_SEEDS") {
        seeds::write(&target, folder.as_ref());
        std::process::exit(0);
    }
    target
}

fuzz_target!(
    init: {
        TARGET.get_or_init(chosen);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            heap::bounded(data.len(), || target.feed(data));
        }
    }
);
