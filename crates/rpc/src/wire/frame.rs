//! The frame of both hops as one thing: they differ in the head of the request only.

use bytes::Bytes;
use prost::Message;

use crate::proto::{common, router, worker};

/// Longer runs of bytes are sent as several chunks, so that a large body neither needs one buffer
/// nor holds up the other calls on its connection.
pub(crate) const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// What a frame carries.
#[derive(Debug)]
pub(crate) enum Part<Head> {
    Request(Box<Head>),
    Reply(Box<common::ReplyHead>),
    Chunk(Bytes),
    End(Box<common::End>),
}

/// A frame of either hop.
pub(crate) trait WireFrame: Send + Unpin + Sized + 'static {
    type Head: Send + Unpin;
    /// Opens a request where many share one call.
    type Opening: Message + Default;

    fn opening(context: common::Context, head: Self::Head) -> Self::Opening;

    /// `None` if it lacks either.
    fn opened(opening: Self::Opening) -> Option<(common::Context, Box<Self::Head>)>;

    fn new(part: Part<Self::Head>) -> Self;

    /// `None` for a part of a later version, which is skipped.
    fn part(self) -> Option<Part<Self::Head>>;
}

macro_rules! wire_frame {
    ($hop:ident) => {
        impl WireFrame for $hop::Frame {
            type Head = $hop::RequestHead;
            type Opening = $hop::Opening;

            fn opening(context: common::Context, head: Self::Head) -> Self::Opening {
                $hop::Opening { context: Some(context), head: Some(Box::new(head)) }
            }

            fn opened(opening: Self::Opening) -> Option<(common::Context, Box<Self::Head>)> {
                Some((opening.context?, opening.head?))
            }

            fn new(part: Part<Self::Head>) -> Self {
                Self {
                    part: Some(match part {
                        Part::Request(head) => $hop::frame::Part::Request(head),
                        Part::Reply(head) => $hop::frame::Part::Reply(head),
                        Part::Chunk(bytes) => $hop::frame::Part::Chunk(bytes),
                        Part::End(end) => $hop::frame::Part::End(end),
                    }),
                }
            }

            fn part(self) -> Option<Part<Self::Head>> {
                Some(match self.part? {
                    $hop::frame::Part::Request(head) => Part::Request(head),
                    $hop::frame::Part::Reply(head) => Part::Reply(head),
                    $hop::frame::Part::Chunk(bytes) => Part::Chunk(bytes),
                    $hop::frame::Part::End(end) => Part::End(end),
                })
            }
        }
    };
}

wire_frame!(router);
wire_frame!(worker);

/// Takes the next chunk's worth off `bytes`.
pub(crate) fn first_chunk(bytes: &mut Bytes) -> Bytes {
    bytes.split_to(bytes.len().min(CHUNK_BYTES_MAX))
}
