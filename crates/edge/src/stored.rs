//! Files and batches: ids that say whose they are, lists over several keys, uploads that nobody holds.
//! One request after its head was read, up to its response.
//!
//! What is an id, and how lists are made, the format's table says; whose an id is, it says itself.

mod answer;
mod form;
mod objects;
pub(crate) mod resumable;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::Method;
use http::request::Parts;
use weir_dialect::peek::Keeping;
use weir_dialect::stored::{BEGINNING, Stored};
use weir_rpc::{Body as CallBody, Cursor, Reply, RouterRequest};
use weir_types::{Addressee, CallContext, Content, Fault, FaultCode, Operation, Target};

use crate::ids::Read;
use crate::intake::{self, Limits};
use crate::live::InForce;
use crate::record::Record;
use crate::refers::{self, unknown};
use crate::renamed::renamed;
use crate::route::Route;
use crate::shared::Shared;
use resumable::Upload;

/// A request whose head was read.
pub(crate) struct Opening<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) now: &'a InForce,
    pub(crate) route: &'static Route,
    pub(crate) parts: &'a Parts,
    pub(crate) limits: Limits,
    pub(crate) context: CallContext,
    /// The name of the client's key.
    pub(crate) client: Option<Arc<str>>,
    /// The id in the path; empty if it has none.
    pub(crate) id: &'a str,
    /// The provider that query, header or prefix name.
    pub(crate) named: Option<String>,
    /// The only key that may serve it.
    pub(crate) pin: Option<String>,
}

impl Opening<'_> {
    /// Serves it. `request` says what the head says.
    ///
    /// # Errors
    /// There is no such thing, it cannot be read, or nobody gives it.
    pub(crate) async fn serve(
        self,
        stored: &'static Stored,
        mut request: RouterRequest,
        body: Body,
        slot: &mut Option<Record>,
    ) -> Result<Response, Fault> {
        if let Some(objects) = stored.objects {
            return self.object(objects, request, body, slot).await;
        }
        let facts = self.route.operation.facts();
        let (query, limit) = self.query(stored);
        request.query = query;
        // The place of an answer that is told as it is made stands in the query.
        request.stream = self.route.operation.streams()
            && self.asked("stream").is_some_and(|value| value == "true");
        if let Some(record) = slot {
            record.stream = request.stream;
        }
        let body = match (facts.addressee, facts.request) {
            (Addressee::Resource, _) => {
                intake::forget(&self.parts.headers, body, self.limits.bytes_max);
                if refers::is_unkept(stored, self.id) {
                    return Err(refers::unkept(self.id));
                }
                request.target = self.of_path(stored)?;
                CallBody::Full(Bytes::new())
            }
            (_, Content::Empty) => {
                intake::forget(&self.parts.headers, body, self.limits.bytes_max);
                self.place(stored, &mut request)?;
                CallBody::Full(Bytes::new())
            }
            (_, Content::Json) => {
                let body = intake::read(&self.parts.headers, body, self.limits).await?;
                CallBody::Full(match self.id {
                    "" => self.batch(stored, &mut request, &body)?,
                    _ => self.batch_of_model(stored, &mut request, body).await?,
                })
            }
            (_, Content::Multipart | Content::Bytes) => {
                self.upload(stored, &mut request, body).await?
            }
        };
        let is_list = facts.addressee == Addressee::Provider && facts.request == Content::Empty;
        let streams = request.stream;
        let own = match &request.target {
            Target::Resource { id, .. } if streams => Some(id.clone()),
            _ => None,
        };
        let uploads = self.route.operation == Operation::FileUpload && stored.names.is_some();
        let mut reply = self.shared.router.call(self.context, request, body).await?;
        if uploads {
            let whose = (&self.now.settings.ids, self.client.as_deref());
            resumable::addressed(&mut reply.head, self.parts, whose);
        }
        let giving = answer::Giving {
            stored,
            secrets: &self.now.settings.ids,
            client: self.client.as_deref(),
            head_only: self.parts.method == Method::HEAD,
        };
        let times = crate::relay::Times::of(&self.now.settings);
        match facts.answer {
            Content::Json | Content::Empty if streams => {
                let ids = own.filter(|own| *own != self.id).map(|own| (own, self.id.to_owned()));
                let Reply { head, frames } = reply;
                let frames = renamed(frames, ids.as_slice());
                crate::answer::relay(Reply { head, frames }, slot, times).await
            }
            Content::Json | Content::Empty if is_list => giving.list(reply, limit, slot).await,
            Content::Json | Content::Empty => giving.one(reply, slot).await,
            Content::Bytes | Content::Multipart => crate::answer::relay(reply, slot, times).await,
        }
    }

    /// What the path's id is of.
    fn of_path(&self, stored: &Stored) -> Result<Target, Fault> {
        let beginning = stored.beginning(self.route.operation);
        Ok(match self.target(&format!("{beginning}{}", self.id))? {
            Target::Resource { provider, key, id } => {
                let id = id.strip_prefix(beginning).unwrap_or(&id).to_owned();
                Target::Resource { provider, key, id }
            }
            other => other,
        })
    }

    /// What an id is of.
    fn target(&self, id: &str) -> Result<Target, Fault> {
        let settings = &self.now.settings;
        match self.read(id) {
            Read::Ours(origin) => Ok(Target::Resource {
                provider: Some(origin.provider),
                key: Some(origin.key),
                id: origin.id,
            }),
            // With clients' keys it could be anybody's.
            Read::Foreign if settings.client_keys.are_none() => Ok(Target::Resource {
                provider: self.named.as_deref().map(Into::into),
                key: self.pin.as_deref().map(Into::into),
                id: id.to_owned(),
            }),
            Read::Foreign | Read::Refused => Err(unknown(id)),
        }
    }

    fn read(&self, id: &str) -> Read {
        self.now.settings.ids.open(id, self.client.as_deref())
    }

    /// The provider for something new: `told` by the body, or by the head.
    fn provider(&self, told: Option<String>) -> Target {
        let told = told.filter(|name| !name.is_empty());
        Target::Provider { name: told.or_else(|| self.named.clone()), pin: self.pin.clone() }
    }

    /// A request for a batch goes where its files are.
    fn batch(
        &self,
        stored: &Stored,
        request: &mut RouterRequest,
        body: &Bytes,
    ) -> Result<Bytes, Fault> {
        let origin = stored.origin(body)?;
        let member = stored.input.unwrap_or_default();
        request.target = self.provider(origin.provider);
        let mut input = Vec::with_capacity(origin.input.len());
        for given in &origin.input {
            let target = self.target(given).map_err(|fault| fault.with_param(member))?;
            let Target::Resource { provider, key, id } = &target else { continue };
            if let Target::Resource { provider: other, key: others, .. } = &request.target
                && (other, others) != (provider, key)
            {
                let text = "the files are of different keys, and nobody has all of them; store them \
                            with one key (x-bf-api-key)";
                return Err(Fault::new(FaultCode::InvalidRequest, text).with_param(member));
            }
            input.push(id.clone());
            request.target = target;
        }
        Ok(stored.sent(body, &input)?)
    }

    /// A batch of one model, which the path names; it goes where the files are that it refers to.
    async fn batch_of_model(
        &self,
        stored: &Stored,
        request: &mut RouterRequest,
        body: Bytes,
    ) -> Result<Bytes, Fault> {
        let settings = &self.now.settings;
        let reader = refers::Reader {
            secrets: &settings.ids,
            client: self.client.as_deref(),
            is_shared: !settings.client_keys.are_none(),
        };
        let refers = (stored, &Keeping::default());
        let (body, resolved) = refers::resolve(reader, body, refers, self.limits).await?;
        request.owner = resolved.owner;
        request.target = Target::Model { name: self.id.to_owned(), pin: self.pin.clone() };
        Ok(body)
    }

    /// A form with a file, or one of the steps of an upload.
    async fn upload(
        &self,
        stored: &Stored,
        request: &mut RouterRequest,
        body: Body,
    ) -> Result<CallBody, Fault> {
        request.content_type = intake::content_type(&self.parts.headers);
        let pieces = intake::stream(&self.parts.headers, body, self.limits)?;
        if stored.names.is_none() {
            let form = form::read(&request.content_type, pieces).await?;
            request.target = self.provider(form.provider);
            return Ok(CallBody::Stream(form.body));
        }
        request.target = self.provider(None);
        match resumable::continued(&self.now.settings.ids, self.route, self.parts) {
            Some(Ok(Upload { origin, client })) if client.as_deref() == self.client.as_deref() => {
                request.query = resumable::query(&origin.id);
                request.target = Target::Resource {
                    provider: Some(origin.provider),
                    key: Some(origin.key),
                    id: origin.id,
                };
            }
            Some(Ok(_)) => return Err(unknown("upload_weir...")),
            Some(Err(id)) => return Err(unknown(&id)),
            None => {}
        }
        Ok(CallBody::Stream(pieces))
    }

    /// Where a list begins.
    fn place(&self, stored: &Stored, request: &mut RouterRequest) -> Result<(), Fault> {
        request.target = self.provider(None);
        let back = stored.before.and_then(|name| Some((name, self.asked(name)?)));
        let token = stored.token.and_then(|(name, _)| Some((name, self.asked(name)?)));
        let after = Some(stored.after).filter(|name| !name.is_empty());
        let after = after.and_then(|name| Some((name, self.asked(name)?)));
        let on = token.or(after);
        let Some((name, id)) = back.clone().or(on) else { return Ok(()) };
        let Read::Ours(origin) = self.read(&id) else {
            return Err(unknown(&id).with_param(name));
        };
        let mut query = Serializer::new(String::new());
        if origin.id != BEGINNING {
            query.append_pair(name, &origin.id);
        }
        let query = query.finish();
        if back.is_some() {
            // What stands before it is of the same key.
            let gap = if request.query.is_empty() { "" } else { "&" };
            request.query = format!("{}{gap}{query}", request.query);
            let (provider, key) = (origin.provider.to_string(), origin.key.to_string());
            request.target = Target::Provider { name: Some(provider), pin: Some(key) };
        } else {
            request.cursor = Some(Cursor { provider: origin.provider, key: origin.key, query });
        }
        Ok(())
    }

    /// The value of a parameter of the query.
    fn asked(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let (_, value) = pairs.find(|(key, value)| key == name && !value.is_empty())?;
        Some(value.into_owned())
    }

    /// As much of the query as the provider is told, and how much is wanted.
    fn query(&self, stored: &Stored) -> (String, Option<usize>) {
        let mut passed = Serializer::new(String::new());
        let query = self.parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if stored.query.contains(&&*name) {
                passed.append_pair(&name, &value);
            }
        }
        let limit = self.asked(stored.limit).and_then(|limit| limit.parse().ok());
        (passed.finish(), limit)
    }
}
