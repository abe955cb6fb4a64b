//! Takes out of a request what only its maker can read: signatures, encrypted reasoning.
//!
//! Both are bound to the format, and often to the account and the model, that they came from: any
//! other provider refuses them. What the model said stays.

#[cfg(test)]
mod tests;

use weir_types::Dialect;

use crate::ir::{Chat, Losses, Part, PartBody, Sealed};

/// Why a seal is taken off.
pub(crate) const WHY: &str = "only the provider that made it can read it";

/// Removes what is sealed and did not come in the format `keep`; everything sealed if that is
/// `None`, for another account of the same provider. Notes what went in `losses`; says whether
/// anything did.
///
/// A block of encrypted reasoning goes as a whole, its summary and its id included: without the
/// reasoning the id names something that is not there. A signature goes alone, and its block only if
/// it has no words either. A message of which nothing is left goes too.
pub fn strip(request: &mut Chat, keep: Option<Dialect>, losses: &mut Losses) -> bool {
    let mut stripper = Stripper { keep, losses, changed: false };
    request.messages.retain_mut(|message| {
        let had_parts = !message.parts.is_empty();
        message.parts.retain_mut(|part| stripper.strip(part));
        !(had_parts && message.parts.is_empty())
    });
    stripper.changed
}

struct Stripper<'a> {
    keep: Option<Dialect>,
    losses: &'a mut Losses,
    changed: bool,
}

impl Stripper<'_> {
    /// Strips a part; whether it is to stay.
    fn strip(&mut self, part: &mut Part) -> bool {
        match &mut part.body {
            PartBody::Thinking(thinking) => {
                if self.takes(&mut thinking.redacted) {
                    self.losses.add("thinking.redacted", WHY);
                    return false;
                }
                if self.takes(&mut thinking.signature) {
                    self.losses.add("thinking.signature", WHY);
                    return !thinking.text.is_empty() || thinking.redacted.is_some();
                }
                true
            }
            PartBody::ToolCall(call) => {
                if self.takes(&mut call.signature) {
                    self.losses.add("tool_calls.signature", WHY);
                }
                true
            }
            _ => true,
        }
    }

    /// Removes what is sealed by another; whether there was such a thing.
    fn takes(&mut self, sealed: &mut Option<Sealed>) -> bool {
        let taken = sealed.take_if(|sealed| Some(sealed.origin) != self.keep).is_some();
        self.changed |= taken;
        taken
    }
}
