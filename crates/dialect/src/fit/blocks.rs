//! Blocks that the target has no member for: whose they are, where they stand, what becomes of them.

use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::format::{Format, Place};
use crate::ir::{Chat, Losses, Message, Part, PartBody, Role, block_name};

/// Takes out of `chat` what `format` has no member for. A message of which nothing is left goes, too.
///
/// # Errors
/// The user or the system shows it to the model, or a tool gives a medium.
pub(super) fn fit(
    chat: &mut Chat,
    format: &dyn Format,
    vendor: &str,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    let mut rule = Rule { format, vendor, losses, fault: None };
    let mut seen: Vec<Role> = Vec::new();
    chat.messages.retain_mut(|message| {
        seen.push(message.role);
        let had_parts = !message.parts.is_empty();
        rule.message(message, &seen);
        !(had_parts && message.parts.is_empty())
    });
    rule.fault.map_or(Ok(()), Err)
}

struct Rule<'a> {
    format: &'a dyn Format,
    vendor: &'a str,
    losses: &'a mut Losses,
    /// The first block that must not be left out.
    fault: Option<RequestFault>,
}

/// Why a block cannot go on as it is.
enum Obstacle {
    /// Another format's own.
    Foreign(Dialect),
    /// Of a kind for which there is no member.
    NoMember,
}

impl Rule<'_> {
    /// Fits `message`, the last of those whose roles are `seen`.
    fn message(&mut self, message: &mut Message, seen: &[Role]) {
        let role = message.role;
        let place = match role {
            Role::System | Role::Developer => Place::System,
            Role::User | Role::Tool => Place::User,
            Role::Assistant => Place::Assistant,
        };
        let mut at = 0;
        message.parts.retain_mut(|part| {
            at += 1;
            if let PartBody::ToolResult(result) = &mut part.body {
                for inner in &mut result.parts {
                    self.result(inner, || spot(at, role, seen));
                }
                return true;
            }
            let Some(obstacle) = self.obstacle(part, place) else { return true };
            if place == Place::Assistant {
                let why = "the target has no such block in the model's turns";
                self.losses.add(member(&part.body), why);
            } else {
                self.refuse(&part.body, &obstacle, &spot(at, role, seen));
            }
            false
        });
    }

    /// Fits what a tool gave.
    fn result(&mut self, part: &mut Part, spot: impl Fn() -> String) {
        let Some(obstacle) = self.obstacle(part, Place::Result) else { return };
        if let PartBody::Foreign { raw, .. } = &part.body {
            let why = "the target has no such block; its JSON is text in the tool's result";
            let member = format!("messages.tool_result.{}", block_name(raw));
            self.losses.add(member, why);
            *part = Part { cache: part.cache.take(), ..Part::text(raw.to_string()) };
        } else {
            self.refuse(&part.body, &obstacle, &format!("{}, the tool's result", spot()));
        }
    }

    fn obstacle(&self, part: &Part, place: Place) -> Option<Obstacle> {
        match &part.body {
            PartBody::Foreign { dialect, .. } => {
                (*dialect != self.format.dialect()).then_some(Obstacle::Foreign(*dialect))
            }
            PartBody::Image(_)
            | PartBody::Document(_)
            | PartBody::Audio(_)
            | PartBody::Video(_) => {
                (!self.format.takes(&part.body, place, self.vendor)).then_some(Obstacle::NoMember)
            }
            PartBody::Text { .. }
            | PartBody::Refusal(_)
            | PartBody::Json(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult(_)
            | PartBody::Thinking(_) => None,
        }
    }

    fn refuse(&mut self, body: &PartBody, obstacle: &Obstacle, spot: &str) {
        let (name, target) = (kind(body), self.format.dialect().label());
        let text = match obstacle {
            Obstacle::Foreign(dialect) => {
                let source = dialect.label();
                format!(
                    "{spot}: a block `{name}` is one of {source} alone, and the provider is asked \
                     in {target}; leave it out, or send the request to a provider that speaks \
                     {source}"
                )
            }
            Obstacle::NoMember => format!(
                "{spot}: a block `{name}` has no member there in {target}, in which the provider \
                 is asked; leave it out, or send the request to a provider of another format"
            ),
        };
        self.fault.get_or_insert_with(|| RequestFault::unsupported(member(body), text));
    }
}

/// Where a block stands: messages are counted by who speaks, because formats differ in whether the
/// system's stand among the others.
fn spot(block: usize, role: Role, seen: &[Role]) -> String {
    let (whose, alike) = match role {
        Role::System | Role::Developer => ("system", [Role::System, Role::Developer]),
        Role::User => ("user", [Role::User, Role::User]),
        Role::Tool => ("tool", [Role::Tool, Role::Tool]),
        Role::Assistant => ("assistant", [Role::Assistant, Role::Assistant]),
    };
    let message = seen.iter().filter(|role| alike.contains(role)).count();
    format!("{whose} message {message}, block {block}")
}

/// What a block is called.
fn kind(body: &PartBody) -> &str {
    match body {
        PartBody::Image(_) => "image",
        PartBody::Document(_) => "document",
        PartBody::Audio(_) => "audio",
        PartBody::Video(_) => "video",
        PartBody::Foreign { raw, .. } => block_name(raw),
        _ => "content",
    }
}

fn member(body: &PartBody) -> String {
    format!("messages.{}", kind(body))
}
