//! How the answer to a request for a stream begins: in time and at a pace, or as a whole.

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use weir_dialect::unfold;
use weir_types::{FailureClass, Fault};
use weir_upstream::{Body, Error};

use crate::call::{Call, Limit};
use crate::clock::unix_seconds;
use crate::rejection::{error_in_band, quoted};
use crate::settings::Pace;
use crate::{fault, whole};

/// What the connection gives next, as long as the attempt may take, or the pace until then be shown.
pub(crate) async fn next(
    call: &Call,
    body: &mut Body,
    proved_until: Option<(Instant, Pace)>,
) -> Result<Option<Result<Bytes, Error>>, Fault> {
    let limit = proved_until.map_or(call.limit.at, |(until, _)| until);
    let item = timeout_at(limit, body.chunk()).await;
    item.map_err(|_| too_slow(call, proved_until.map(|(_, pace)| pace)))
}

/// A success that is not a stream: the stream that the whole answer stands for; or an error after
/// all, or nothing that can be used.
pub(crate) async fn unfolded(
    call: &Call,
    content_type: &str,
    first: Bytes,
    rest: Body,
) -> Result<Bytes, Fault> {
    let (body, _held) = whole::read(&call.shared, call.limit, first, rest).await?;
    let format = call.way.provider();
    if format.observe_answer(&body).is_ok_and(|answer| answer.is_error) {
        return Err(error_in_band(call.error_context(), body));
    }
    let named = (call.way.id(), unix_seconds());
    let framing = call.framings.provider;
    unfold(format, call.way.operation(call.operation), framing, &body, named).ok_or_else(|| {
        let said = quoted(call.error_context(), &body);
        let kind = if content_type.is_empty() { "of no kind" } else { content_type };
        let why = format!("a stream was asked for, the answer is {kind}: {said}");
        fault::broken(&call.shared, &why, FailureClass::Unusable)
    })
}

/// The commit point did not come in time: nothing has come, or not as much as is wanted.
fn too_slow(call: &Call, pace: Option<Pace>) -> Fault {
    let Some(pace) = pace else {
        return fault::timed_out(&call.shared, "no content in time", call.limit);
    };
    let why = format!(
        "the stream brings less than {} characters a second (stream_throughput_guard)",
        pace.characters_per_second
    );
    let is_requests = Instant::now() >= call.limit.deadline;
    fault::timed_out(&call.shared, &why, Limit { is_requests, ..call.limit })
}
