//! Sound, images, judgements and the text of documents: what OpenAI offers beside its chat, and what
//! of it Mistral does in its own way.
//!
//! Answers follow from the request: a transcript says how long the file was and gives a hash of it,
//! so that a test can tell that it arrived whole.

mod images;
mod judge;
mod sound;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{Route, invalid, missing};
use crate::answer::events::{Events, Kind};
use crate::ask::{Ask, Ready, Task};
use crate::call::Call;
use crate::form::{self, Part};
use crate::refusal::Refusal;
use crate::shape::{Reading, Shape};
use crate::wire::text;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Speech,
    Transcription,
    Translation,
    Images,
    Edit,
    Variation,
    Moderation,
    Ocr,
}

/// Whose door it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum House {
    OpenAi,
    Mistral,
}

/// What the end of a path asks for in `house`.
pub(super) fn asked(path: &str, house: House) -> Option<Media> {
    const ALL: [(&str, Media); 8] = [
        ("/audio/speech", Media::Speech),
        ("/audio/transcriptions", Media::Transcription),
        ("/audio/translations", Media::Translation),
        ("/images/generations", Media::Images),
        ("/images/edits", Media::Edit),
        ("/images/variations", Media::Variation),
        ("/moderations", Media::Moderation),
        ("/ocr", Media::Ocr),
    ];
    let (_, media) = ALL.into_iter().find(|(end, _)| path.ends_with(end))?;
    let is_there = match house {
        House::OpenAi => media != Media::Ocr,
        House::Mistral => {
            matches!(media, Media::Speech | Media::Transcription | Media::Moderation | Media::Ocr)
        }
    };
    is_there.then_some(media)
}

/// # Errors
/// What the real service would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    media: Media,
    body: &'a [u8],
    house: House,
) -> Result<Ask<'a>, Refusal> {
    let asked = Asked { call, path_model: &route.model, house };
    let (model, stream, ready) = match media {
        Media::Speech => sound::speech(&asked, &asked.json(body)?)?,
        Media::Transcription => sound::transcription(&asked, &asked.form(body)?)?,
        Media::Translation => sound::translation(&asked, &asked.form(body)?)?,
        Media::Images => images::generation(&asked, &asked.json(body)?)?,
        Media::Edit => images::edit(&asked, &asked.form(body)?)?,
        Media::Variation => images::variation(&asked, &asked.form(body)?)?,
        Media::Moderation => judge::moderation(&asked, &asked.json(body)?)?,
        Media::Ocr => judge::ocr(&asked, &asked.json(body)?)?,
    };
    Ok(Ask { model: model.into(), stream, task: Task::Media(ready) })
}

/// The model, whether a stream is asked for, and the answer.
type Made = Result<(String, bool, Ready), Refusal>;

/// What is known beside the body.
struct Asked<'a> {
    call: &'a Call<'a>,
    path_model: &'a str,
    house: House,
}

impl Asked<'_> {
    fn json(&self, body: &[u8]) -> Result<Value, Refusal> {
        serde_json::from_slice(body).map_err(|error| {
            Refusal::bad_request(format!("We could not parse the JSON body: {error}"))
        })
    }

    fn form<'b>(&self, body: &'b [u8]) -> Result<Form<'b>, Refusal> {
        Ok(Form(form::read(self.call.header("content-type"), body)?))
    }

    fn check(&self, body: &Value, shape: &Shape) -> Result<(), Refusal> {
        let reading = Reading { lenient: self.call.lenient, ..Reading::default() };
        shape.check(body, reading).map_err(|flaw| invalid(&flaw))
    }

    /// The model of a body, or that of the path.
    fn model(&self, named: &str) -> Result<String, Refusal> {
        let model = if self.path_model.is_empty() { named } else { self.path_model };
        if model.is_empty() { Err(missing("model")) } else { Ok(model.to_owned()) }
    }

    fn model_of(&self, body: &Value) -> Result<String, Refusal> {
        self.model(text(body, "model"))
    }
}

/// A form that was read.
struct Form<'b>(Vec<Part<'b>>);

impl<'b> Form<'b> {
    /// Refuses fields and files that the service does not know, and fields that stand twice.
    fn check(&self, asked: &Asked<'_>, fields: &[&str], files: &[&str]) -> Result<(), Refusal> {
        for (at, part) in self.0.iter().enumerate() {
            let known = if part.file.is_some() { files } else { fields };
            let name = &*part.name;
            if !known.contains(&name) && !asked.call.lenient {
                return Err(super::error::unknown(name));
            }
            let is_list = name.ends_with("[]");
            if !is_list && self.0.iter().take(at).any(|other| other.name == name) {
                return Err(Refusal::bad_member(name, "it stands twice"));
            }
        }
        Ok(())
    }

    fn field(&self, name: &str) -> Option<&'b str> {
        let part = self.0.iter().find(|part| part.name == name && part.file.is_none())?;
        std::str::from_utf8(part.content).ok()
    }

    fn model(&self, asked: &Asked<'_>) -> Result<String, Refusal> {
        asked.model(self.field("model").unwrap_or_default())
    }

    /// A field that must be one of these words.
    fn word(&self, name: &str, words: &[&str]) -> Result<Option<&'b str>, Refusal> {
        let found = self.field(name);
        match found.filter(|word| !words.contains(word)) {
            Some(_) => Err(Refusal::bad_member(name, &format!("expected one of {words:?}"))),
            None => Ok(found),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.word(name, &["true", "false"])? == Some("true"))
    }

    fn number(&self, name: &str, low: f64, high: f64) -> Result<(), Refusal> {
        let Some(text) = self.field(name) else { return Ok(()) };
        let fits = text.parse::<f64>().is_ok_and(|number| (low..=high).contains(&number));
        if fits {
            return Ok(());
        }
        Err(Refusal::bad_member(name, &format!("expected a number from {low} to {high}")))
    }

    fn files(&self, names: &[&str]) -> Vec<&Part<'b>> {
        self.0.iter().filter(|part| part.file.is_some() && names.contains(&&*part.name)).collect()
    }

    /// The one file that must be there.
    fn file(&self, name: &str, endings: &[&str]) -> Result<&Part<'b>, Refusal> {
        let files = self.files(&[name]);
        let [file] = files.as_slice() else { return Err(missing(name)) };
        let called = file.file.as_deref().unwrap_or_default().to_ascii_lowercase();
        let ending = called.rsplit('.').next().unwrap_or_default();
        if !endings.contains(&ending) {
            let why = format!("Unrecognized file format. Supported formats: {endings:?}");
            return Err(Refusal::bad_request(why).about(name));
        }
        if file.content.is_empty() {
            return Err(Refusal::bad_member(name, "the file is empty"));
        }
        Ok(file)
    }
}

/// Adds an event whose data says what it is; with its name in front where the service does so.
fn add(events: &mut Events, kind: Kind, data: &Value, is_named: bool) {
    match is_named {
        true => events.named(kind, text(data, "type"), data),
        false => events.add(kind, |out| out.extend_from_slice(data.to_string().as_bytes())),
    }
}
