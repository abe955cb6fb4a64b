//! Requests that are forms with files (`multipart/form-data`): the few fields that the gateway reads,
//! and the same form with the model called as the vendor calls it. What all formats that have such
//! requests have in common.
//!
//! A form is looked at and rewritten in pieces, as it arrives; of a file nothing is kept.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use weir_framing::form::{FormError, Head, Parts, Piece};

use crate::fault::RequestFault;
use crate::peek::{FALLBACKS_MAX, MODEL_BYTES_MAX, checked};

/// The field that names the model.
const MODEL: &str = "model";
/// The field that asks for a stream.
const STREAM: &str = "stream";
/// Whom to ask instead: one field with a list, or one field each.
const FALLBACKS: [&str; 2] = ["fallbacks", "fallbacks[]"];
/// A field that is read is no longer, white space included.
const FIELD_BYTES_MAX: usize = FALLBACKS_MAX * (MODEL_BYTES_MAX + 8);

impl From<FormError> for RequestFault {
    fn from(fault: FormError) -> Self {
        Self::invalid("", fault.to_string())
    }
}

/// What has been seen of a form so far.
#[derive(Debug)]
pub struct FormPeek {
    parts: Parts,
    /// The field that is being read, and its content so far.
    field: Option<(Field, Vec<u8>)>,
    in_file: bool,
    model: Option<String>,
    stream: Option<bool>,
    fallbacks: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Model,
    Stream,
    Fallbacks,
}

impl Field {
    fn of(head: &Head) -> Option<Self> {
        match head.name.as_str() {
            _ if head.is_file => None,
            MODEL => Some(Self::Model),
            STREAM => Some(Self::Stream),
            name => FALLBACKS.contains(&name).then_some(Self::Fallbacks),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Model => MODEL,
            Self::Stream => STREAM,
            Self::Fallbacks => "fallbacks",
        }
    }
}

impl FormPeek {
    /// Nothing yet of a form with this content type.
    ///
    /// # Errors
    /// It is not that of a form.
    pub fn new(content_type: &str) -> Result<Self, RequestFault> {
        Ok(Self {
            parts: Parts::of(content_type)?,
            field: None,
            in_file: false,
            model: None,
            stream: None,
            fallbacks: Vec::new(),
        })
    }

    /// Takes in what came next.
    ///
    /// # Errors
    /// It is no form, or one of the fields makes no sense.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), RequestFault> {
        self.parts.push(chunk);
        while let Some(piece) = self.parts.next_piece()? {
            match piece {
                Piece::Head(head) => {
                    self.in_file = head.is_file;
                    self.field = Field::of(&head).map(|field| (field, Vec::new()));
                }
                Piece::Data(data) => {
                    if let Some((field, content)) = &mut self.field {
                        if content.len() + data.len() > FIELD_BYTES_MAX {
                            let name = field.name();
                            let text =
                                format!("the field `{name}` is over {FIELD_BYTES_MAX} bytes");
                            return Err(RequestFault::invalid(name, text));
                        }
                        content.extend_from_slice(&data);
                    }
                }
                Piece::Tail(_) => {
                    self.in_file = false;
                    if let Some((field, content)) = self.field.take() {
                        self.read(field, &content)?;
                    }
                }
                Piece::Close(_) | Piece::Rest(_) => {}
            }
        }
        Ok(())
    }

    /// All has come.
    ///
    /// # Errors
    /// It ended in the middle.
    pub fn finish(&self) -> Result<(), RequestFault> {
        Ok(self.parts.finish()?)
    }

    /// The model as the client wrote it, if it has been there.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether a stream is asked for, as far as it has been said.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// `provider/model`, in order, as far as they have been there.
    #[must_use]
    pub fn fallbacks(&self) -> &[String] {
        &self.fallbacks
    }

    /// What came last is of a file that has not ended.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        self.in_file
    }

    /// No field named the model.
    #[must_use]
    pub fn no_model() -> RequestFault {
        let text =
            "the form has no field \"model\"; send one with \"provider/model\" or a model name";
        RequestFault::invalid(MODEL, text)
    }

    fn read(&mut self, field: Field, content: &[u8]) -> Result<(), RequestFault> {
        let name = field.name();
        let wrong = |text: String| RequestFault::invalid(name, text);
        let content = std::str::from_utf8(content);
        let content = content.map_err(|_| wrong(format!("the field `{name}` is not UTF-8")))?;
        let content = content.trim();
        match field {
            Field::Model if self.model.is_some() => {
                return Err(wrong("the form has two fields \"model\"".to_owned()));
            }
            Field::Model => self.model = Some(checked(content.to_owned(), wrong)?),
            // As form libraries of several languages write it.
            Field::Stream => match content.to_ascii_lowercase().as_str() {
                "true" | "1" => self.stream = Some(true),
                "false" | "0" | "" => self.stream = Some(false),
                _ => return Err(wrong("the field `stream` must be `true` or `false`".to_owned())),
            },
            Field::Fallbacks => self.read_fallbacks(content)?,
        }
        Ok(())
    }

    fn read_fallbacks(&mut self, content: &str) -> Result<(), RequestFault> {
        const SHAPE: &str =
            "the field `fallbacks` must be a \"provider/model\", or a JSON array of them";
        let wrong = |text: &str| RequestFault::invalid("fallbacks", text);
        let list = match content.starts_with('[') {
            true => serde_json::from_str(content).map_err(|_| wrong(SHAPE))?,
            false => vec![content.to_owned()],
        };
        if self.fallbacks.len() + list.len() > FALLBACKS_MAX {
            return Err(wrong(&format!("\"fallbacks\" has more than {FALLBACKS_MAX} entries")));
        }
        if list.iter().any(|entry| entry.trim().is_empty() || entry.len() > MODEL_BYTES_MAX) {
            return Err(wrong(SHAPE));
        }
        self.fallbacks.extend(list);
        Ok(())
    }
}

/// A form on its way to a provider: the model's name is the vendor's, and what is the gateway's own
/// is left out. All else passes as it came.
#[derive(Debug)]
pub struct FormRewrite {
    parts: Parts,
    /// `None`: the provider is not told the model.
    model: Option<String>,
    has_model: bool,
    /// What is done with the part that is passing.
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Passes,
    /// Its content is written anew.
    Replaced,
    LeftOut,
}

impl FormRewrite {
    /// A form with this content type for a provider that calls the model so; `None`: the form does not
    /// name it.
    ///
    /// # Errors
    /// It is not the content type of a form.
    pub fn new(content_type: &str, model: Option<&str>) -> Result<Self, RequestFault> {
        let parts = Parts::of(content_type)?;
        Ok(Self { parts, model: model.map(str::to_owned), has_model: false, part: Part::Passes })
    }

    /// Takes what came next; what may be sent goes to `out`.
    ///
    /// # Errors
    /// It is no form.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), RequestFault> {
        self.parts.push(chunk);
        while let Some(piece) = self.parts.next_piece()? {
            match piece {
                Piece::Head(head) => self.begin(head, out),
                Piece::Data(data) if self.part == Part::Passes => out.push(data),
                Piece::Tail(feed) if self.part != Part::LeftOut => out.push(feed),
                Piece::Data(_) | Piece::Tail(_) => {}
                Piece::Close(line) => {
                    self.add_model(out);
                    out.push(line);
                }
                Piece::Rest(rest) => out.push(rest),
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// It ended in the middle.
    pub fn finish(&self) -> Result<(), RequestFault> {
        Ok(self.parts.finish()?)
    }

    fn begin(&mut self, head: Head, out: &mut Vec<Bytes>) {
        let is_model = !head.is_file && head.name == MODEL;
        let is_ours = !head.is_file && FALLBACKS.contains(&head.name.as_str());
        self.part = match &self.model {
            Some(_) if is_model => Part::Replaced,
            None if is_model => Part::LeftOut,
            _ if is_ours => Part::LeftOut,
            _ => Part::Passes,
        };
        self.has_model |= is_model;
        if self.part == Part::LeftOut {
            return;
        }
        out.push(head.raw);
        if let (Part::Replaced, Some(model)) = (self.part, &self.model) {
            out.push(Bytes::copy_from_slice(model.as_bytes()));
        }
    }

    /// The path named the model, and the provider expects it in the form.
    fn add_model(&mut self, out: &mut Vec<Bytes>) {
        let Some(model) = self.model.as_deref().filter(|_| !self.has_model) else { return };
        let head = b"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n";
        out.push([self.parts.opening(), head, model.as_bytes(), b"\r\n"].concat().into());
    }
}
