//! What vendors' interfaces have and this gateway does not serve: whoever asks for it is told so, and not
//! that there is no such path. `docs/compatibility.md` names all of it.

use weir_types::{Fault, FaultCode};

/// Paths that lead to something that is not served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unserved {
    /// What, as people call it.
    what: &'static str,
    /// Where it is.
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// This path and all below it, under each of [`BASES`].
    Based(&'static str),
    /// This path under each of [`BASES`], asked for with `GET`: a WebSocket begins so.
    Socket(&'static str),
    /// What ends so, below this.
    Ending(&'static str, &'static str),
    /// This path and all below it.
    Below(&'static str),
}

/// How paths begin that are served with and without a prefix and a version.
const BASES: [&str; 4] = ["/openai/v1", "/openai", "/v1", ""];

const fn row(what: &'static str, at: At) -> Unserved {
    Unserved { what, at }
}

/// The table.
pub(crate) const UNSERVED: [Unserved; 10] = [
    row(REALTIME, At::Based("/realtime")),
    row("responses over a WebSocket", At::Socket("/responses")),
    row(VIDEOS, At::Based("/videos")),
    row("containers", At::Based("/containers")),
    row(VIDEOS, At::Ending("/genai/", ":predictLongRunning")),
    row(REALTIME, At::Ending("/genai/", ".BidiGenerateContent")),
    row(REALTIME, At::Below("/genai/ws")),
    row(REALTIME, At::Below("/mistral/v1/audio/transcriptions/realtime")),
    row(VIDEOS, At::Below("/bedrock/async-invoke")),
    row("S3's calls about buckets as such", At::Below("/bedrock/s3")),
];

const REALTIME: &str = "spoken conversations (realtime)";
const VIDEOS: &str = "videos";

impl Unserved {
    /// What `path` leads to, if it is one of these.
    pub(crate) fn at(path: &str, is_get: bool) -> Option<&'static Self> {
        UNSERVED.iter().find(|row| match row.at {
            At::Based(own) => BASES
                .iter()
                .any(|base| path.strip_prefix(base).is_some_and(|rest| is_at_or_below(rest, own))),
            At::Socket(own) => {
                is_get && BASES.iter().any(|base| path.strip_prefix(base) == Some(own))
            }
            At::Ending(beginning, end) => path.starts_with(beginning) && path.ends_with(end),
            At::Below(own) => is_at_or_below(path, own),
        })
    }

    /// What whoever asks is told.
    pub(crate) fn fault(&self) -> Fault {
        let text = format!(
            "{} are not served by this gateway; send the request to the provider itself, or see \
             docs/compatibility.md for what is served",
            self.what
        );
        let mut fault = Fault::new(FaultCode::NotServed, text);
        fault.detail.code = Some(FaultCode::NotServed.kind().into());
        fault
    }
}

fn is_at_or_below(path: &str, own: &str) -> bool {
    path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_by_whole_segments() {
        for (path, is_get, what) in [
            ("/v1/realtime", true, Some(REALTIME)),
            ("/openai/realtime/client_secrets", false, Some(REALTIME)),
            ("/realtime/calls", false, Some(REALTIME)),
            ("/v1/realtimes", true, None),
            ("/v1/responses", true, Some("responses over a WebSocket")),
            ("/openai/v1/responses", true, Some("responses over a WebSocket")),
            ("/v1/responses", false, None),
            ("/v1/responses/resp_1", true, None),
            ("/v1/videos", false, Some(VIDEOS)),
            ("/v1/videos/video_1/content", true, Some(VIDEOS)),
            ("/v1/containers/c/files/f/content", true, Some("containers")),
            ("/genai/v1beta/models/veo-3:predictLongRunning", false, Some(VIDEOS)),
            ("/genai/v1beta/models/imagen-4:predict", false, None),
            ("/anthropic/v1/videos", false, None),
            ("/", true, None),
        ] {
            let found = Unserved::at(path, is_get).map(|row| row.what);
            assert_eq!(found, what, "{path}");
        }
    }

    #[test]
    fn the_page_of_what_is_served_names_all_of_it() {
        let page = include_str!("../../../docs/compatibility.md");
        for row in &UNSERVED {
            let path = match row.at {
                At::Based(path) | At::Socket(path) => format!("/v1{path}"),
                At::Ending(_, end) => end.to_owned(),
                At::Below(path) => path.to_owned(),
            };
            assert!(page.contains(&format!("{path}`")), "docs/compatibility.md lacks {path}");
        }
    }
}
