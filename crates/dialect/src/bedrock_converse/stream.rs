//! Streams: `messageStart`, for each block `contentBlockStart` (tool calls and images only),
//! `contentBlockDelta`, `contentBlockStop`; then `messageStop` and, last, `metadata`. An exception
//! may stand anywhere and ends the stream.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

mod observe;
mod read;
mod write;

pub(super) use observe::observe;
pub(super) use read::Reader;
pub(super) use write::Writing;

/// Whether a frame of this name is an exception although its framing does not say so.
fn is_exception(name: &[u8]) -> bool {
    name.ends_with(b"Exception")
}
