//! What keys store at a provider, files and batches: which members of its documents are ids, how its
//! lists are made, and how documents are written anew with other ids in them.
//!
//! Knows nothing of what ids are changed into. A document is small: it describes what is stored.

pub mod lines;
mod rows;

pub(crate) use rows::{ANTHROPIC, BASE, GEMINI, OPENAI, RESPONSES, UNKEPT};

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value};
use weir_types::{Addressee, Form, Operation};

use crate::buckets::store::Objects;
use crate::fault::{AnswerFault, RequestFault};
use crate::json::{Cuts, JsonFault, Members, Splices, Spot, quoted};

/// What a format says of stored things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Members of a document that hold ids of stored things, or lists of them.
    pub ids: &'static [&'static str],
    /// Members that hold addresses in which such an id stands.
    pub addresses: &'static [&'static str],
    /// Members that hold objects which may have such members, too.
    pub nests: &'static [&'static str],
    /// What all ids begin with, files' and batches', where they are names of a path; paths have only what
    /// follows it.
    pub names: Option<Names>,
    /// The member of a request that says from what a batch is made: an id, or a list of them.
    pub input: Option<&'static str>,
    /// A member that holds the address of a batch's results, and what it is: `{id}` stands for the id.
    pub address: Option<(&'static str, &'static str)>,
    /// The members in which lists have their items: the one that is there.
    pub items: &'static [&'static str],
    /// The query's parameter after whose id a list goes on; empty: there is none.
    pub after: &'static str,
    /// The one before whose id it ends, where lists can be read backwards.
    pub before: Option<&'static str>,
    /// The one that says where a list goes on, where its pages say that in a member of their own: the
    /// parameter and the member.
    pub token: Option<(&'static str, &'static str)>,
    /// The member that says how much there is, where pages have numbers. Then a page of a list over several
    /// keys is that of each of them.
    pub total: Option<&'static str>,
    /// The parameter that says how much is wanted.
    pub limit: &'static str,
    /// Parameters of a query that pass.
    pub query: &'static [&'static str],
    /// Members of requests, wherever they stand, that refer to stored things by their ids, or by
    /// addresses that end in them.
    pub refers: &'static [&'static str],
    /// How ids begin that this gateway has made up for answers which nobody keeps.
    pub unkept: Option<&'static str>,
    /// Set where things are asked for by their places, and pass as they are.
    pub objects: Option<&'static Objects>,
    /// What is different for clients of a form of the format.
    pub clients: Option<(Form, &'static Self)>,
}

/// What ids begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// Those of files.
    pub files: &'static str,
    /// Those of batches.
    pub batches: &'static str,
}

/// What a token says of a list that has not begun.
pub const BEGINNING: &str = "page_";

/// The members of a list.
const MORE: &str = "has_more";
const FIRST: &str = "first_id";
const LAST: &str = "last_id";

/// One key's page of a list.
pub struct Page<'a> {
    /// As it came.
    pub body: &'a [u8],
    /// What its ids become.
    pub id: &'a dyn Fn(&str) -> String,
}

impl std::fmt::Debug for Page<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({} bytes)", self.body.len())
    }
}

/// What a request for a batch says of where it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The member `provider`, which is ours and not the provider's.
    pub provider: Option<String>,
    /// The ids of what the batch is made from.
    pub input: Vec<String>,
}

impl Stored {
    /// What clients of `form` have.
    #[must_use]
    pub fn of(&'static self, form: Form) -> &'static Self {
        match self.clients {
            Some((own, stored)) if own == form => stored,
            _ => self,
        }
    }

    /// What stands before an id in a path of `operation` is left out there.
    #[must_use]
    pub fn beginning(&self, operation: Operation) -> &'static str {
        let is_file = matches!(
            operation,
            Operation::FileRetrieve | Operation::FileDelete | Operation::FileContent
        );
        self.names.map_or("", |names| if is_file { names.files } else { names.batches })
    }

    /// The document `body` with ids as `id` makes them; all else of its bytes stays.
    ///
    /// # Errors
    /// It is not an object.
    pub fn with_ids(
        &self,
        body: &Bytes,
        id: &dyn Fn(&str) -> String,
    ) -> Result<Bytes, AnswerFault> {
        let document = Spot::document(body).map_err(|fault| no_object(&fault))?;
        let mut cuts = Cuts::default();
        self.rename(&document, id, &mut cuts).map_err(|fault| no_object(&fault))?;
        if let Some((name, address)) = self.address
            && let Some(member) = document.member(name).map_err(|fault| no_object(&fault))?
            && text_of(&member).is_some()
        {
            let own = document.text("id").map_err(|fault| no_object(&fault))?;
            cuts.replace(&member, quoted(&address.replace("{id}", &id(&own))));
        }
        Ok(cuts.apply(body))
    }

    fn rename(
        &self,
        spot: &Spot<'_>,
        id: &dyn Fn(&str) -> String,
        cuts: &mut Cuts,
    ) -> Result<(), JsonFault> {
        for name in self.ids {
            let Some(member) = spot.member(name)? else { continue };
            for text in member.elements()?.iter().chain([&member]) {
                if let Some(own) = text_of(text).filter(|own| self.is_id(own)) {
                    cuts.replace(text, quoted(&id(&own)));
                }
            }
        }
        for name in self.addresses {
            if let (Some(member), Some(names)) = (spot.member(name)?, self.names)
                && let Some(address) = text_of(&member)
                && let Some(at) = address.rfind(names.files)
            {
                let (before, own) = address.split_at(at);
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
                let end = own.get(names.files.len()..).and_then(|own| own.find(|c| !is_name(c)));
                let (own, after) =
                    own.split_at(end.map_or(own.len(), |end| names.files.len() + end));
                cuts.replace(&member, quoted(&format!("{before}{}{after}", id(own))));
            }
        }
        for name in self.nests {
            if let Some(inner) = spot.member(name)? {
                self.rename(&inner, id, cuts)?;
            }
        }
        Ok(())
    }

    fn is_id(&self, text: &str) -> bool {
        self.names.is_none_or(|Names { files, batches }| {
            [files, batches].iter().any(|beginning| text.starts_with(beginning))
        })
    }

    /// Several keys' pages as one, the one after the other, with at most `limit` items. Where a page
    /// says that there is more of its list, those after it have to wait: a list goes on behind its
    /// last item.
    ///
    /// # Errors
    /// A page is no list.
    pub fn joined(&self, pages: &[Page<'_>], limit: Option<usize>) -> Result<Bytes, AnswerFault> {
        let mut all = Joined::default();
        for page in pages {
            let mut list = object(page.body)?;
            let found = self.items_of(&mut list, &mut all)?;
            if let Some(name) = self.total {
                let total = list.remove(name).and_then(|total| total.as_u64());
                all.total = match (all.total, total) {
                    (Some(sum), Some(one)) => Some(sum + one),
                    (sum, one) => sum.or(one),
                };
                all.items.extend(found.into_iter().map(|item| self.item(item, page.id)));
                all.list.get_or_insert(list);
                continue;
            }
            let is_over = limit.is_some_and(|limit| all.items.len() + found.len() > limit);
            if let Some((_, member)) = self.token.filter(|_| !list.contains_key(MORE)) {
                // Nothing leads into the middle of such a page.
                let token = list.remove(member);
                all.says_next |= token.is_some();
                let token = match token {
                    _ if is_over && !all.items.is_empty() => BEGINNING.to_owned(),
                    Some(Value::String(token)) => token,
                    _ => String::new(),
                };
                if token != BEGINNING {
                    all.items.extend(found.into_iter().map(|item| self.item(item, page.id)));
                }
                all.list.get_or_insert(list);
                if !token.is_empty() {
                    all.next = Some((page.id)(&token));
                    break;
                }
                continue;
            }
            let room = limit.map_or(usize::MAX, |limit| limit - all.items.len());
            all.items.extend(found.into_iter().take(room).map(|item| self.item(item, page.id)));
            all.has_more = is_over || list.get(MORE) == Some(&Value::Bool(true));
            all.list.get_or_insert(list);
            if all.has_more {
                break;
            }
        }
        Ok(self.written(all))
    }

    /// The items of a page.
    fn items_of(
        &self,
        list: &mut Map<String, Value>,
        all: &mut Joined,
    ) -> Result<Vec<Value>, AnswerFault> {
        let mut named = self.items.iter().filter_map(|name| Some((*name, list.remove(*name)?)));
        match (named.next(), self.items) {
            (Some((name, Value::Array(found))), _) => {
                all.member = Some(name);
                Ok(found)
            }
            // Where it may be one or the other, none is an empty list.
            (None, [_, _, ..]) => Ok(Vec::new()),
            _ => Err(AnswerFault::Shape(format!("`{}` is not a list", self.items.join("`, `")))),
        }
    }

    fn written(&self, all: Joined) -> Bytes {
        let Joined { list, items, member, has_more, total, next, says_next } = all;
        let mut list = list.unwrap_or_default();
        let end = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned();
        for (name, item) in [(FIRST, items.first()), (LAST, items.last())] {
            if list.contains_key(name) {
                list.insert(name.to_owned(), end(item).unwrap_or_default());
            }
        }
        if let Some(member) = member {
            list.insert(member.to_owned(), Value::Array(items));
        }
        match (self.total, self.token.filter(|_| !list.contains_key(MORE))) {
            (Some(name), _) => {
                if let Some(total) = total {
                    list.insert(name.to_owned(), total.into());
                }
            }
            (None, Some((_, member))) => {
                if next.is_some() || says_next {
                    list.insert(member.to_owned(), next.map_or(Value::Null, Value::String));
                }
            }
            (None, None) => {
                list.insert(MORE.to_owned(), Value::Bool(has_more));
            }
        }
        text(list)
    }

    fn item(&self, item: Value, id: &dyn Fn(&str) -> String) -> Value {
        let renamed = self.with_ids(&item.to_string().into(), id).ok();
        renamed.and_then(|renamed| serde_json::from_slice(&renamed).ok()).unwrap_or(item)
    }

    /// What the request `body` for a batch says of where it goes.
    ///
    /// # Errors
    /// It is not an object, or a member that is looked at is no text.
    pub fn origin(&self, body: &[u8]) -> Result<Origin, RequestFault> {
        let members = Members::scan(body)?;
        let provider = members.text(PROVIDER);
        let provider = provider.map_err(|fault| RequestFault::json(&fault, PROVIDER))?;
        let input = self.input.map(|name| texts(&members, name)).transpose()?.unwrap_or_default();
        Ok(Origin { provider: provider.map(Cow::into_owned), input })
    }

    /// The request `body` for whoever has `input`, which are its own ids of it.
    ///
    /// # Errors
    /// As [`Stored::origin`].
    pub fn sent(&self, body: &Bytes, input: &[String]) -> Result<Bytes, RequestFault> {
        let members = Members::scan(body)?;
        let mut splices = Splices::default();
        if members.find(PROVIDER)?.is_some() {
            splices.remove_member(PROVIDER);
        }
        if let (Some(name), Some(first)) = (self.input, input.first())
            && let Some(member) = members.find(name)?
        {
            let is_list = body.get(member.value.start) == Some(&b'[');
            let list = || Value::from(input.to_vec()).to_string().into();
            splices.replace(member.value.clone(), if is_list { list() } else { quoted(first) });
        }
        Ok(splices.apply(body, &members))
    }
}

/// A request's word on the provider that is meant.
const PROVIDER: &str = "provider";

/// Whether requests of `operation` are about what is stored.
#[must_use]
pub const fn is_stored(operation: Operation) -> bool {
    let facts = operation.facts();
    facts.batch_keys_only || matches!(facts.addressee, Addressee::Resource)
}

/// What pages are joined into.
#[derive(Default)]
struct Joined {
    /// The first page but for its items.
    list: Option<Map<String, Value>>,
    items: Vec<Value>,
    /// The member that they stand in.
    member: Option<&'static str>,
    has_more: bool,
    total: Option<u64>,
    next: Option<String>,
    /// A page has a place for what comes next.
    says_next: bool,
}

/// The text at `spot`, if it says something.
fn text_of(spot: &Spot<'_>) -> Option<String> {
    match serde_json::from_slice(spot.raw()) {
        Ok(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// The texts of a member that is one, or a list of them.
fn texts(members: &Members<'_>, name: &'static str) -> Result<Vec<String>, RequestFault> {
    let refuse = |fault| RequestFault::json(&fault, name);
    match members.value(name).map_err(refuse)? {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(_) => {
            let text = format!("\"{name}\" must be an id, or a list of ids");
            Err(refuse(members.fault(name, text)))
        }
    }
}

fn no_object(fault: &JsonFault) -> AnswerFault {
    AnswerFault::Shape(format!("it is not a JSON object: {fault}"))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, AnswerFault> {
    serde_json::from_slice(body)
        .map_err(|error| AnswerFault::Shape(format!("it is not a JSON object: {error}")))
}

fn text(document: Map<String, Value>) -> Bytes {
    Value::Object(document).to_string().into()
}

#[cfg(test)]
mod tests;
