//! Lines that are uploaded: requests in OpenAI's words, or records that pass as they are.
//! <https://platform.openai.com/docs/api-reference/batch/request-input>
//!
//! What a request says in another format is not known here: whoever reads a line translates that.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use weir_types::{Dialect, Operation};

use super::Own;
use crate::fault::RequestFault;
use crate::json::Members;

/// OpenAI's interfaces whose requests can be made into records, by how lines of a batch name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// Chat completions.
    Chat,
    /// Responses.
    Responses,
}

impl Interface {
    pub(crate) const ALL: [Self; 2] = [Self::Chat, Self::Responses];

    /// The path that lines and batches name it by.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
        }
    }

    /// The inverse of [`Interface::path`].
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.path() == path)
    }

    /// The same for `path` in the member `name`.
    ///
    /// # Errors
    /// It is none; says what could be.
    pub fn named(path: &str, name: &'static str) -> Result<Self, RequestFault> {
        Self::of_path(path).ok_or_else(|| {
            let [chat, responses] = Self::ALL.map(Self::path);
            let shown: String = path.chars().take(64).collect();
            let why = format!("{name}: expected {chat} or {responses}, found `{shown}`");
            RequestFault::invalid(name, why)
        })
    }

    /// The format of its requests and answers.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat => Dialect::OpenAiChat,
            Self::Responses => Dialect::OpenAiResponses,
        }
    }

    /// What they ask for.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Chat => Operation::Chat,
            Self::Responses => Operation::Responses,
        }
    }

    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Chat => 'c',
            Self::Responses => 'r',
        }
    }
}

/// What lines were made into records, and so what results are to be made into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Whose requests they were.
    pub interface: Interface,
    /// The model, as the client names it.
    pub model: String,
}

impl Tag {
    /// As one text.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.interface.letter(), self.model)
    }

    /// The inverse of [`Tag::text`].
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let interface = Interface::ALL.into_iter().find(|one| text.starts_with(one.letter()))?;
        let model = text.get(1..).filter(|model| !model.is_empty())?.to_owned();
        Some(Self { interface, model })
    }
}

/// Whether the lines of a file, which are for `interface`, are those that a batch for `endpoint` is about.
///
/// # Errors
/// They are not; says which they are.
pub fn check_endpoint(endpoint: &str, interface: Interface) -> Result<(), RequestFault> {
    if interface.path() == endpoint {
        return Ok(());
    }
    let shown: String = endpoint.chars().take(64).collect();
    let message = format!(
        "endpoint: the lines of the file are for {}, the batch is for `{shown}`",
        interface.path()
    );
    Err(RequestFault::invalid("endpoint", message))
}

/// A line that is uploaded.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A request in OpenAI's words.
    Request {
        /// The client's name of it.
        id: String,
        /// Which interface it is for.
        interface: Interface,
        /// As it names its model.
        model: String,
        /// The request itself.
        body: Bytes,
    },
    /// A record that passes as it is.
    Record,
}

#[derive(Deserialize)]
struct Uploaded<'l> {
    #[serde(borrow)]
    custom_id: Option<Cow<'l, str>>,
    #[serde(borrow)]
    url: Option<Cow<'l, str>>,
    #[serde(borrow)]
    body: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Body<'l> {
    #[serde(borrow)]
    model: Option<Cow<'l, str>>,
}

impl Line {
    /// Reads a line; `own`: what else than requests it may be.
    ///
    /// # Errors
    /// It is neither; says what is missing.
    pub fn read(line: &Bytes, own: Option<Own>) -> Result<Self, RequestFault> {
        let wrong = |param: &'static str, why: String| RequestFault::invalid(param, why);
        let read: Uploaded<'_> = serde_json::from_slice(line)
            .map_err(|error| wrong("", format!("it is not a request of a batch: {error}")))?;
        if let Some(own) = own
            && Members::scan(line)?.find(own.member)?.is_some()
        {
            return Ok(Self::Record);
        }
        let missing = |name: &'static str| {
            let or = own.map(|own| format!(" or {}", own.words)).unwrap_or_default();
            let why = format!(
                "{name}: missing; a line is a request of OpenAI's batches (custom_id, method, url, \
                 body){or}"
            );
            wrong(name, why)
        };
        let id = read.custom_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("custom_id"))?;
        let url = read.url.ok_or_else(|| missing("url"))?;
        let body = read.body.ok_or_else(|| missing("body"))?.get();
        let interface = Interface::named(&url, "url")?;
        let named: Body<'_> = serde_json::from_str(body)
            .map_err(|error| wrong("body", format!("body: it is not a request: {error}")))?;
        let model = named.model.filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| wrong("body.model", "body.model: missing".to_owned()))?;
        Ok(Self::Request {
            id: id.into_owned(),
            interface,
            model: model.into_owned(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }
}

/// `input` as a part of a line: between tokens alone there may be line breaks, strings have none.
pub(crate) fn unbroken(input: Vec<Bytes>) -> impl Iterator<Item = Bytes> {
    let is_break = |byte: &u8| b"\r\n".contains(byte);
    input.into_iter().map(move |part| match part.iter().any(is_break) {
        true => part.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect(),
        false => part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Own = Own { member: "modelInput", words: "a record" };

    fn read(line: &str) -> Result<Line, RequestFault> {
        Line::read(&Bytes::copy_from_slice(line.as_bytes()), Some(OWN))
    }

    #[test]
    fn lines_are_told_apart_from_records() {
        let line = r#"{"custom_id":"a\"1","method":"POST","url":"/v1/chat/completions",
            "body":{"messages":[],"model":"bedrock/m"}}"#;
        let expected = Line::Request {
            id: "a\"1".to_owned(),
            interface: Interface::Chat,
            model: "bedrock/m".to_owned(),
            body: Bytes::from_static(br#"{"messages":[],"model":"bedrock/m"}"#),
        };
        assert_eq!(read(line).unwrap(), expected);
        let record = r#"{"recordId":"1","modelInput":{"messages":[]}}"#;
        assert_eq!(read(record).unwrap(), Line::Record);
        let fault = Line::read(&Bytes::copy_from_slice(record.as_bytes()), None).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("custom_id"));
        for (line, param) in [
            ("{", None),
            ("[]", None),
            ("{}", Some("custom_id")),
            (r#"{"custom_id":"a"}"#, Some("url")),
            (r#"{"custom_id":"a","url":"/v1/embeddings","body":{}}"#, Some("url")),
            (r#"{"custom_id":"a","url":"/v1/responses"}"#, Some("body")),
            (r#"{"custom_id":"a","url":"/v1/responses","body":[]}"#, Some("body")),
            (r#"{"custom_id":"a","url":"/v1/responses","body":{}}"#, Some("body.model")),
        ] {
            assert_eq!(read(line).unwrap_err().param.as_deref(), param, "{line}");
        }
    }

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        for interface in Interface::ALL {
            let tag = Tag { interface, model: "a/b:c".to_owned() };
            assert_eq!(Tag::of_text(&tag.text()), Some(tag));
        }
        for text in ["", "c", "xm"] {
            assert_eq!(Tag::of_text(text), None, "{text}");
        }
        assert!(check_endpoint("/v1/responses", Interface::Responses).is_ok());
        let fault = check_endpoint("/v1/responses", Interface::Chat).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("endpoint"));
    }
}
