//! The way of a request's body to the provider, and of its answer back: the same bytes where both
//! speak one format, a translation where they do not. Everything about an attempt that depends on
//! which of the two it is, is here and in `stream`.

use std::borrow::Cow;

use bytes::Bytes;
use weir_dialect::fit::{Fitted, Fitting};
use weir_dialect::lenient::without_nan;
use weir_dialect::names::Renames;
use weir_dialect::{
    AnswerFacts, AnswerFault, Asked, Format, Patch, PathFacts, Quirks, RequestFault, Target,
    Written, ir,
};
use weir_provider::Fit;
use weir_types::{Form, Operation, Outline, UpstreamAnswer};

use ir::Losses;

use crate::clients::Features;

/// Which way.
pub(crate) enum Way {
    /// Client and provider speak the same format.
    Same {
        /// It.
        format: &'static dyn Format,
        /// The format of the provider's errors, where that differs.
        errors: Option<&'static dyn Format>,
        /// How many answers are asked for.
        choices: u32,
    },
    /// They do not.
    Translated(Box<Translation>),
}

/// What the way back needs to know of the way there.
pub(crate) struct Translation {
    pub(crate) client: &'static dyn Format,
    pub(crate) provider: &'static dyn Format,
    /// The format of the provider's errors, where that differs.
    errors: Option<&'static dyn Format>,
    /// What the client asked, in whatever words.
    request: ir::Request,
    pub(crate) renames: Renames,
    /// What the client asked for, and what the provider is asked for.
    operations: (Operation, Operation),
    /// In which form of its format the client reads.
    form: Form,
    /// As the client named it.
    model: String,
    /// The request's id.
    id: String,
    /// Seconds since 1970.
    now: u64,
}

/// A request on its way.
pub(crate) struct Ready {
    pub(crate) parts: Vec<Bytes>,
    pub(crate) way: Way,
    pub(crate) losses: Losses,
    /// Something sealed was taken out.
    pub(crate) is_stripped: bool,
    /// Features in trial of which the provider is told in a header, in one line.
    pub(crate) features: String,
}

/// What a translation starts from.
pub(crate) struct Start<'a> {
    pub(crate) client: &'static dyn Format,
    pub(crate) provider: &'static dyn Format,
    /// The format of the provider's errors, where that differs.
    pub(crate) errors: Option<&'static dyn Format>,
    pub(crate) operations: (Operation, Operation),
    /// As the client named it.
    pub(crate) asked_model: &'a str,
    /// As the provider does.
    pub(crate) wire_model: &'a str,
    /// As rules of models know it.
    pub(crate) known_as: &'a str,
    pub(crate) stream: bool,
    /// In which form of its format the client sends and reads.
    pub(crate) form: Form,
    pub(crate) quirks: &'a Quirks,
    /// What the client asks for of features in trial.
    pub(crate) features: Features<'a>,
    pub(crate) vendor: &'a str,
    pub(crate) id: &'a str,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// Without anything that only its maker can read.
    pub(crate) is_unsealed: bool,
    /// Where the members of the body stand, if that is known.
    pub(crate) outline: Option<&'a Outline>,
}

impl Start<'_> {
    /// Features in trial as a header names them; empty where the body does.
    pub(crate) fn line(&self, told: &[&str]) -> String {
        if self.quirks.features.is_some() { String::new() } else { told.join(",") }
    }
}

/// The request for the provider.
pub(crate) fn ready(body: &Bytes, fit: Fit, start: &Start<'_>) -> Result<Ready, RequestFault> {
    match fit.is_same() {
        true => patched(body, start),
        false => translated(body, start),
    }
}

/// The same request, with the model and what the vendor demands.
fn patched(body: &Bytes, start: &Start<'_>) -> Result<Ready, RequestFault> {
    let stripped = match start.is_unsealed {
        true => start.provider.strip_sealed(body)?,
        // What the provider's own kind has sealed may be its own.
        false => start.provider.strip_foreign(body, start.vendor)?,
    };
    let is_stripped = stripped.is_some();
    let (body, mut losses) = match stripped {
        Some(Written { body, losses }) => (Cow::Owned(body), losses),
        None => (Cow::Borrowed(body), Losses::default()),
    };
    let told = start.features.told(&[], &mut losses);
    let outline = start.outline.filter(|_| !is_stripped);
    let patch = Patch { model: start.wire_model, quirks: start.quirks, features: &told, outline };
    let patched = start.provider.patch(&body, &patch)?;
    losses.extend(patched.losses);
    let way = Way::Same { format: start.provider, errors: start.errors, choices: patched.choices };
    let features = start.line(&told);
    Ok(Ready { parts: patched.parts, way, losses, is_stripped, features })
}

/// The request in the provider's format.
fn translated(body: &Bytes, start: &Start<'_>) -> Result<Ready, RequestFault> {
    let Start { client, provider, operations, .. } = *start;
    let path = PathFacts {
        operation: operations.0,
        model: Some(start.asked_model),
        stream: Some(start.stream),
    };
    let mut request = client.read_request(body, &path)?;
    let mut losses = Losses::default();
    let target = Target {
        operation: operations.1,
        model: start.wire_model,
        known_as: start.known_as,
        vendor: start.vendor,
    };
    let fitting = Fitting {
        format: provider,
        target: &target,
        call_ids: start.quirks.call_ids,
        is_unsealed: start.is_unsealed,
    };
    let Fitted { renames, is_stripped, features } = fitting.apply(&mut request, &mut losses)?;
    let told = start.features.told(&features, &mut losses);
    let written = provider.write_request(&request, &target)?;
    losses.extend(written.losses);
    if let ir::Request::Chat(chat) = &mut request {
        // Answers are written with the client's names.
        renames.restore_tools(&mut chat.tools);
    }
    let patch =
        Patch { model: start.wire_model, quirks: start.quirks, features: &told, outline: None };
    let parts = if *start.quirks == Quirks::NONE {
        vec![written.body]
    } else {
        let patched = provider.patch(&written.body, &patch)?;
        losses.extend(patched.losses);
        patched.parts
    };
    let features = start.line(&told);
    let translation = Translation {
        client,
        provider,
        errors: start.errors,
        request,
        renames,
        operations,
        form: start.form,
        model: start.asked_model.to_owned(),
        id: start.id.to_owned(),
        now: start.now,
    };
    let way = Way::Translated(Box::new(translation));
    Ok(Ready { parts, way, losses, is_stripped, features })
}

/// A whole answer for the client.
pub(crate) struct Whole {
    pub(crate) body: Bytes,
    pub(crate) facts: AnswerFacts,
    pub(crate) losses: Losses,
}

impl Way {
    /// The format that the provider speaks.
    pub(crate) fn provider(&self) -> &'static dyn Format {
        match self {
            Self::Same { format, .. } => *format,
            Self::Translated(translation) => translation.provider,
        }
    }

    /// The format of the provider's errors.
    pub(crate) fn errors(&self) -> &'static dyn Format {
        let differs = match self {
            Self::Same { errors, .. } => errors,
            Self::Translated(translation) => &translation.errors,
        };
        differs.unwrap_or_else(|| self.provider())
    }

    /// A whole answer, in the client's format. One that is an error in spite of its status stays as
    /// it came.
    pub(crate) fn answer(&self, body: Bytes) -> Result<Whole, AnswerFault> {
        // Numbers that are none pass, but only what stands for them can be read.
        let (facts, clean) = match self.provider().observe_answer(&body) {
            Ok(facts) => (facts, None),
            Err(fault) => match without_nan(&body) {
                Cow::Owned(clean) => {
                    (self.provider().observe_answer(&clean)?, Some(Bytes::from(clean)))
                }
                Cow::Borrowed(_) => return Err(fault),
            },
        };
        let Self::Translated(translation) = self else {
            return Ok(Whole { body, facts, losses: Losses::default() });
        };
        if facts.is_error {
            return Ok(Whole { body, facts, losses: Losses::default() });
        }
        let readable = clean.as_ref().unwrap_or(&body);
        let mut answer = translation.provider.read_answer(translation.operations.1, readable)?;
        if let ir::Answer::Chat(chat) = &mut answer {
            translation.renames.restore_answer(chat);
        }
        let written = translation.client.write_answer(&answer, &translation.asked())?;
        Ok(Whole { body: written.body, facts, losses: written.losses })
    }

    /// What the provider is asked for; `operation`: what the client asked for.
    pub(crate) const fn operation(&self, operation: Operation) -> Operation {
        match self {
            Self::Same { .. } => operation,
            Self::Translated(translation) => translation.operations.1,
        }
    }

    /// The request's id, where answers are written here.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Same { .. } => "unnamed",
            Self::Translated(translation) => &translation.id,
        }
    }

    /// Whether the client's format is another one than the provider's.
    pub(crate) const fn is_translated(&self) -> bool {
        matches!(self, Self::Translated(_))
    }

    /// A provider's error answer, in the client's format; `error` says what it says.
    pub(crate) fn rejection(
        &self,
        answer: UpstreamAnswer,
        error: impl FnOnce() -> ir::Error,
    ) -> UpstreamAnswer {
        let client = match self {
            Self::Same { errors: None, .. } => return answer,
            Self::Same { format, .. } => *format,
            Self::Translated(translation) => translation.client,
        };
        let body = client.write_error(&error());
        UpstreamAnswer { content_type: "application/json".to_owned(), body, ..answer }
    }
}

impl Translation {
    /// How many answers are asked for.
    pub(crate) fn choices(&self) -> u32 {
        match &self.request {
            ir::Request::Chat(chat) => chat.sampling.n.unwrap_or(1),
            _ => 1,
        }
    }

    /// The way back alone: for an answer to `request`, in the provider's own words, that was asked for
    /// as `operation` in the format `client`. `named`: the model as the client called it, and the
    /// request's id.
    pub(crate) fn back(
        (client, provider): (&'static dyn Format, &'static dyn Format),
        operation: Operation,
        request: ir::Request,
        (model, id): (&str, &str),
        now: u64,
    ) -> Self {
        Self {
            client,
            provider,
            errors: None,
            request,
            renames: Renames::default(),
            operations: (operation, Operation::Chat),
            form: Form::Usual,
            model: model.to_owned(),
            id: id.to_owned(),
            now,
        }
    }

    /// What a writer of answers is told of the request.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            operation: self.operations.0,
            form: self.form,
            model: &self.model,
            request: &self.request,
            now: self.now,
            id: &self.id,
        }
    }
}
