//! Turns `proto/` into Rust with compilers that are crates themselves, so nobody needs protoc.

use std::error::Error;

const ROOT: &str = "../../proto";
const FILES: [&str; 4] = [
    "weir/common/v1/common.proto",
    "weir/link/v1/link.proto",
    "weir/router/v1/router.proto",
    "weir/worker/v1/worker.proto",
];
/// The method that is written by hand: its messages are neither read nor written whole.
const BY_HAND: &str = "Link";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let mut descriptors = protox::compile(FILES, [ROOT])?;
    let services = descriptors.file.iter_mut().flat_map(|file| &mut file.service);
    services.for_each(|service| service.method.retain(|method| method.name() != BY_HAND));
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        // Frames are moved often, and most are chunks: they are no larger for the others, and heads no
        // larger for what few requests have.
        .boxed(".weir.router.v1.Frame.part.request")
        .boxed(".weir.router.v1.Frame.part.reply")
        .boxed(".weir.router.v1.Frame.part.end")
        .boxed(".weir.worker.v1.Frame.part.request")
        .boxed(".weir.worker.v1.Frame.part.reply")
        .boxed(".weir.worker.v1.Frame.part.end")
        .boxed(".weir.router.v1.RequestHead.cursor")
        .boxed(".weir.router.v1.RequestHead.owner")
        .boxed(".weir.router.v1.RequestHead.resource")
        .boxed(".weir.router.v1.Opening.head")
        .boxed(".weir.worker.v1.Opening.head")
        // Printed as they are by `weir explain --json`.
        .message_attribute(".weir.router.v1.Explanation", "#[derive(serde::Serialize)]")
        .message_attribute(".weir.router.v1.ExplainedProvider", "#[derive(serde::Serialize)]")
        .message_attribute(".weir.router.v1.ExplainedKey", "#[derive(serde::Serialize)]")
        .message_attribute(".weir.router.v1.ExplainedPool", "#[derive(serde::Serialize)]")
        .message_attribute(".weir.router.v1.ExplainedClass", "#[derive(serde::Serialize)]")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
