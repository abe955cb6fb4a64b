//! Requests: a model, pairs of speaker and text, and whether the answer is streamed.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::format::{Target, Written};
use crate::ir::{self, Losses, Message, Part, PartBody, Role};
use crate::json::{Members, Splices, quoted};
use crate::patch::{Patch, Patched};
use crate::peek::{Keeping, Peeked};

const NO_MEMBER: &str = "the target has no such member";

/// The model and whether a stream is asked for.
pub(super) fn peek(body: Bytes) -> Result<Peeked, RequestFault> {
    let members = Members::scan(&body)?;
    let model = members.text("m").map_err(|fault| RequestFault::json(&fault, "m"))?;
    let Some(model) = model.filter(|model| !model.trim().is_empty()) else {
        return Err(RequestFault::invalid("m", "`m` is missing, expected a model"));
    };
    let stream = members.truth("live").map_err(|fault| RequestFault::json(&fault, "live"))?;
    let (model, stream) = (model.into_owned(), stream.unwrap_or(false));
    let keeping = Keeping::default();
    Ok(Peeked { model, stream, fallbacks: Vec::new(), body, outline: None, keeping })
}

/// The same request with the model called as `patch` says.
pub(super) fn patch(body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
    let members = Members::scan(body)?;
    let wanted = quoted(patch.model);
    let mut splices = Splices::default();
    match members.find("m")? {
        Some(member) if body.get(member.value.clone()) == Some(&wanted[..]) => {}
        Some(member) => splices.replace(member.value.clone(), wanted),
        None => splices.insert_member("m", wanted),
    }
    Ok(Patched { parts: splices.pieces(body, &members), choices: 1, ..Patched::default() })
}

pub(super) fn read(body: &Bytes) -> Result<ir::Request, RequestFault> {
    let mut fields = Fields::document(body)?;
    let mut chat = ir::Chat::new(Dialect::Probe);
    chat.model = fields.required_text("m")?;
    chat.stream = fields.flag("live")?.unwrap_or(false);
    chat.stream_usage = Some(true);
    chat.sampling.max_output_tokens = fields.count("cap")?;
    for (at, pair) in fields.list("say")?.into_iter().enumerate() {
        chat.messages.push(message(&pair).ok_or_else(|| {
            let text = format!("`say[{at}]` must be a pair of \"s\", \"u\" or \"a\" and a text");
            RequestFault::invalid("say", text)
        })?);
    }
    chat.extra = fields.rest();
    Ok(ir::Request::Chat(Box::new(chat)))
}

fn message(pair: &Value) -> Option<Message> {
    let [who, text] = pair.as_array()?.as_slice() else { return None };
    let role = match who.as_str()? {
        "s" => Role::System,
        "u" => Role::User,
        "a" => Role::Assistant,
        _ => return None,
    };
    Some(Message { role, parts: vec![Part::text(text.as_str()?)], name: None })
}

pub(super) fn write(request: &ir::Request, target: &Target<'_>) -> Result<Written, RequestFault> {
    let ir::Request::Chat(chat) = request else {
        return Err(RequestFault::untranslatable(Dialect::Probe, target.operation));
    };
    if !chat.tools.is_empty() {
        let text = "the format of this provider has no tools; send the request to another one";
        return Err(RequestFault::unsupported("tools", text));
    }
    let mut losses = lost(chat);
    let mut say = Vec::with_capacity(chat.messages.len());
    for message in &chat.messages {
        let who = match message.role {
            Role::System | Role::Developer => "s",
            Role::User => "u",
            Role::Assistant => "a",
            Role::Tool => return Err(only_text()),
        };
        losses.add_if(message.name.is_some(), "messages.name", NO_MEMBER);
        say.push(json!([who, text(&message.parts)?]));
    }
    let mut body = json!({ "m": target.model, "say": say, "live": chat.stream });
    if let (Some(cap), Some(body)) = (chat.sampling.max_output_tokens, body.as_object_mut()) {
        body.insert("cap".to_owned(), json!(cap));
    }
    Ok(Written { body: Bytes::from(body.to_string()), losses })
}

fn text(parts: &[Part]) -> Result<String, RequestFault> {
    let mut all = String::new();
    for part in parts {
        let PartBody::Text { text, .. } = &part.body else { return Err(only_text()) };
        all.push_str(text);
    }
    Ok(all)
}

fn only_text() -> RequestFault {
    let text = "the format of this provider carries text only; send the request to another one";
    RequestFault::unsupported("messages", text)
}

/// What a client may have said that has no place here.
fn lost(chat: &ir::Chat) -> Losses {
    let mut losses = Losses::default();
    let sampling = &chat.sampling;
    for (is_said, member) in [
        (sampling.temperature.is_some(), "temperature"),
        (sampling.top_p.is_some(), "top_p"),
        (sampling.seed.is_some(), "seed"),
        (!sampling.stop.is_empty(), "stop"),
        (sampling.n.is_some_and(|n| n > 1), "n"),
        (chat.reasoning.is_some(), "reasoning"),
        (chat.user.is_some(), "user"),
        (!chat.metadata.is_empty(), "metadata"),
    ] {
        losses.add_if(is_said, member, NO_MEMBER);
    }
    for member in chat.extra.keys() {
        losses.add(member.clone(), NO_MEMBER);
    }
    losses
}
