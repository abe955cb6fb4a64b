//! Results of requests that were translated, line by line in the words in which these were asked.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use memchr::memchr;
use weir_budget::Gather;
use weir_dialect::batches::outcome::unanswered;
use weir_dialect::batches::{Failure, Interface, Outcome, Records, answered};
use weir_dialect::{AnswerFault, Format, PathFacts, format};
use weir_types::Operation;
use weir_upstream::{Body, Error};

use super::lines::start;
use super::visit::Visit;
use super::wire::Wire;
use crate::clock::unix_seconds;
use crate::way::{Translation, Way};

/// What is known of all requests whose results these are.
pub(super) struct Asked {
    /// How results are read.
    pub(super) records: &'static dyn Records,
    /// What the requests were for, where their results do not say it.
    pub(super) interface: Interface,
    /// The model, if they had one.
    pub(super) model: String,
}

/// `response`, whose bytes are results, in the words of the requests.
pub(super) fn answers(visit: &Visit<'_>, asked: Asked, response: Response<Body>) -> Response<Body> {
    let reader = Reader::new(visit, asked);
    response.map(|body| translated(body, reader))
}

/// `body` line by line.
fn translated(body: Body, reader: Reader) -> Body {
    let lines = stream::unfold(Some((body, reader)), |state| async {
        let (mut body, mut reader) = state?;
        loop {
            match reader.next() {
                Some(Ok(line)) => return Some((Ok(line), Some((body, reader)))),
                Some(Err(fault)) => return Some((Err(Error::Cut(fault.to_string())), None)),
                None if reader.is_over => return None,
                None => {}
            }
            match body.chunk().await {
                Some(Ok(chunk)) => {
                    if let Err(error) = reader.push(chunk).await {
                        return Some((Err(error), None));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None => reader.end(),
            }
        }
    });
    Body::made(Box::pin(lines))
}

/// Results as they come.
struct Reader {
    wire: Arc<Wire>,
    way: Back,
    /// The beginning of a line whose end has not come.
    begun: Gather,
    lines: VecDeque<Bytes>,
    is_over: bool,
    number: u64,
}

/// The way back.
struct Back {
    asked: Asked,
    own: &'static dyn Format,
}

impl Reader {
    fn new(visit: &Visit<'_>, asked: Asked) -> Self {
        let own = start(visit, asked.interface, "", ("", "")).provider;
        let wire = Arc::clone(&visit.wire);
        let begun = begun(&wire);
        let way = Back { asked, own };
        Self { wire, way, begun, lines: VecDeque::new(), is_over: false, number: 0 }
    }

    async fn push(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while let Some(end) = memchr(b'\n', &bytes) {
            let rest = bytes.split_to(end + 1);
            if self.begun.is_empty() {
                self.lines.push_back(rest);
                continue;
            }
            self.hold(rest).await?;
            let line = std::mem::replace(&mut self.begun, begun(&self.wire)).finish();
            self.lines.push_back(line);
        }
        self.hold(bytes).await
    }

    async fn hold(&mut self, bytes: Bytes) -> Result<(), Error> {
        let max = self.wire.shared.answer_bytes_max;
        if self.begun.len() + bytes.len() > max {
            let why = "a line of the results is over network_config.max_answer_size_mb";
            return Err(Error::Cut(why.to_owned()));
        }
        match bytes.is_empty() {
            true => Ok(()),
            false => self.begun.push(bytes).await.map_err(|none| Error::Cut(none.to_string())),
        }
    }

    fn end(&mut self) {
        self.is_over = true;
        let line = std::mem::replace(&mut self.begun, begun(&self.wire)).finish();
        self.lines.push_back(line);
    }

    /// The next line in the client's words.
    fn next(&mut self) -> Option<Result<Bytes, AnswerFault>> {
        loop {
            let line = self.lines.pop_front()?;
            let line = line.trim_ascii();
            if !line.is_empty() {
                self.number += 1;
                return Some(self.way.line(line, self.number));
            }
        }
    }
}

fn begun(wire: &Wire) -> Gather {
    Gather::new(wire.shared.memory.budget(), None, wire.shared.answer_bytes_max)
}

impl Back {
    fn line(&self, line: &[u8], number: u64) -> Result<Bytes, AnswerFault> {
        let Outcome { id, interface, input, answer } = self.asked.records.outcome(line)?;
        let interface = interface.unwrap_or(self.asked.interface);
        let unique = format!("{:08x}{number:08x}", fastrand::u32(..));
        match answer {
            Ok(answer) => {
                let way = self.way(interface, input, &unique)?;
                let whole = way.answer(answer)?;
                let losses: Vec<_> = whole.losses.iter().map(|loss| &*loss.member).collect();
                Ok(answered(&id, &unique, 200, &whole.body, &losses))
            }
            Err(Failure { error, unasked: Some(code) }) => {
                Ok(unanswered(&id, &unique, code, &error.message))
            }
            Err(Failure { error, unasked: None }) => {
                let body = format(interface.dialect()).write_error(&error);
                Ok(answered(&id, &unique, error.status, &body, &[]))
            }
        }
    }

    /// The way back, for what was asked as the result repeats it.
    fn way(
        &self,
        interface: Interface,
        input: Option<Bytes>,
        id: &str,
    ) -> Result<Way, AnswerFault> {
        let Asked { records, model, .. } = &self.asked;
        let input = input.unwrap_or_else(|| Bytes::from_static(records.unknown()));
        let facts =
            PathFacts { operation: Operation::Chat, model: Some(model), stream: Some(false) };
        let request = self.own.read_request(&input, &facts);
        let request = request.map_err(|fault| AnswerFault::Shape(fault.message))?;
        let formats = (format(interface.dialect()), self.own);
        Ok(Way::Translated(Box::new(Translation::back(
            formats,
            interface.operation(),
            request,
            (model, id),
            unix_seconds(),
        ))))
    }
}
