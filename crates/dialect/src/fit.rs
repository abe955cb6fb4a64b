//! Makes a request one that the target's format can say, before a writer sees it: without what only
//! others can read or keep, with names that it takes.
//!
//! The one place for what is alike in all targets. That a block is of another format, or of a kind
//! that the target has no member for, is decided here by who says it: what the user or the system
//! says is refused, because the model would not see what it is asked about; the result of a tool
//! keeps the block as JSON text; of the model's own earlier turns it is left out, and told. What
//! remains is for the writers, which need not ask whose a block or a tool is.

mod blocks;
#[cfg(test)]
mod tests;

use crate::custom;
use crate::fault::RequestFault;
use crate::format::{Format, Target};
use crate::ir::{Chat, Losses, PartBody, Request, ToolBody};
use crate::names::{NameRule, Renames};
use crate::sealed;

/// For whom a request is made to fit.
#[derive(Debug, Clone, Copy)]
pub struct Fitting<'a> {
    /// The provider's format.
    pub format: &'static dyn Format,
    /// Where it is written for.
    pub target: &'a Target<'a>,
    /// What ids of calls look like, where that is narrower than the format says.
    pub call_ids: Option<NameRule>,
    /// Without anything that only its maker can read, be it of this format.
    pub is_unsealed: bool,
}

/// What was done to a request.
#[derive(Debug, Default)]
pub struct Fitted {
    /// Names to be given back in the answer.
    pub renames: Renames,
    /// Something sealed was taken out.
    pub is_stripped: bool,
    /// As in [`Chat::features`]: the provider is told of them beside the body, or not at all.
    pub features: Vec<String>,
}

impl Fitting<'_> {
    /// Makes `request` fit; `losses` gets to know what it cost.
    ///
    /// # Errors
    /// The target cannot serve it without changing what it means: names the member, where it stands
    /// and the target's format.
    pub fn apply(
        &self,
        request: &mut Request,
        losses: &mut Losses,
    ) -> Result<Fitted, RequestFault> {
        let model = self.target.model;
        let (chat, is_count) = match request {
            Request::Chat(chat) => (chat, false),
            Request::CountTokens(chat) => (chat, true),
            Request::Embedding(embedding) => {
                model.clone_into(&mut embedding.model);
                return Ok(Fitted::default());
            }
            Request::Rerank(rerank) => {
                model.clone_into(&mut rerank.model);
                return Ok(Fitted::default());
            }
        };
        self.check_state(chat)?;
        self.check_tools(chat)?;
        if !is_count {
            self.check_choices(chat)?;
        }
        blocks::fit(chat, self.format, self.target.vendor, losses)?;
        if !self.format.has_custom_tools() && calls_with_text(chat) {
            custom::tell(losses);
        }
        model.clone_into(&mut chat.model);
        let keep = (!self.is_unsealed).then(|| self.format.dialect());
        let is_stripped = sealed::strip(chat, keep, losses);
        let mut rules = self.format.name_rules();
        rules.call_id = self.call_ids.unwrap_or(rules.call_id);
        let features = std::mem::take(&mut chat.features);
        Ok(Fitted { renames: Renames::fit(chat, &rules), is_stripped, features })
    }

    fn check_state(&self, chat: &Chat) -> Result<(), RequestFault> {
        let Some(member) = chat.needs_state.filter(|_| chat.source != self.format.dialect()) else {
            return Ok(());
        };
        let source = chat.source.label();
        let text = format!(
            "`{member}` means something to its own provider only; send the request to one that \
             speaks the format {source}"
        );
        Err(RequestFault::unsupported(member, text))
    }

    /// A tool that a provider itself runs is run by no other.
    fn check_tools(&self, chat: &Chat) -> Result<(), RequestFault> {
        let own = self.format.dialect();
        let hosted = chat.tools.iter().find_map(|tool| match &tool.body {
            ToolBody::Hosted { dialect, name, .. } if *dialect != own => Some((dialect, name)),
            _ => None,
        });
        let Some((dialect, name)) = hosted else { return Ok(()) };
        let text = format!(
            "the tool `{name}` is run by providers that speak the format {}, and the provider is \
             asked in {}; leave the tool out, or send the request to one of those",
            dialect.label(),
            own.label()
        );
        Err(RequestFault::unsupported("tools", text))
    }

    fn check_choices(&self, chat: &Chat) -> Result<(), RequestFault> {
        let wanted = chat.sampling.n.unwrap_or(1);
        if wanted <= 1 || self.format.gives_choices() {
            return Ok(());
        }
        let format = self.format.dialect().label();
        let text = format!(
            "{wanted} answers are asked for, and the format {format} gives one; ask for one, or \
             send the request to a provider of another format"
        );
        Err(RequestFault::unsupported("n", text))
    }
}

/// A tool was called with plain text, whether it may still be called or not.
fn calls_with_text(chat: &Chat) -> bool {
    let mut parts = chat.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| matches!(&part.body, PartBody::ToolCall(call) if call.is_custom))
}
