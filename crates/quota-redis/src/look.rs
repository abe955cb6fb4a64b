//! Looks at a pool that change nothing, for whoever asks why a model is served or not.
//!
//! The script reads and packs, this reads what it packed. Beside the batches: a look has no session, and
//! one that finds a connection broken leaves it to them.

use std::sync::Arc;

use redis::Value;
use weir_quota::{Answer, Batch, Class, Incarnation, RestView, Scope, Sight, StoreError};
use weir_types::ProviderName;

use crate::reply::{Expected, Fields, answer};
use crate::{Shared, batch, msgpack, script, within};

impl Shared {
    /// What the pool looks like now, as far as `model` is concerned.
    ///
    /// # Errors
    /// Redis did not answer, or what it keeps is no pool.
    pub(crate) async fn look(
        &self,
        pool: &ProviderName,
        model: &Arc<str>,
    ) -> Result<Option<Sight>, StoreError> {
        let budget = self.settings.budget;
        let late = || Err(StoreError::Unanswered(format!("nothing within {budget:?}")));
        within(budget, self.look_at(pool, model)).await.unwrap_or_else(late)
    }

    async fn look_at(
        &self,
        pool: &ProviderName,
        model: &Arc<str>,
    ) -> Result<Option<Sight>, StoreError> {
        let unanswered = |why: String| StoreError::Unanswered(why);
        let call = batch::Call {
            timing: &self.settings.timing,
            clock: self.clock.as_ref().map(|clock| clock()),
            check_run: false,
        };
        let batch::Encoded { head, commands } =
            batch::encode(&call, &Batch::hello(Incarnation(0)))?;
        let arguments: [&[u8]; 5] =
            [&head, &commands, self.channel.as_bytes(), pool.as_bytes(), model.as_bytes()];
        let keys = script::keys(&self.settings.prefix, pool);
        loop {
            let link =
                self.links.to(pool).await.map_err(|failure| unanswered(failure.to_string()))?;
            match self.script.run(&self.script.look, &link, &keys, &arguments).await {
                Ok(value) => return decode(&value, model),
                Err(failure) if self.follows(pool, &failure) => {}
                Err(failure) => return Err(unanswered(failure.to_string())),
            }
        }
    }
}

fn decode(reply: &Value, model: &Arc<str>) -> Result<Option<Sight>, StoreError> {
    let Value::BulkString(bytes) = reply else {
        return Err(StoreError::Unanswered("unreadable reply, no string".to_owned()));
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    if let Some(why) = bytes.strip_prefix(b"corrupt ") {
        let why = String::from_utf8_lossy(why);
        return Err(StoreError::Unanswered(format!("what is stored is no pool: {why}")));
    }
    msgpack::read(bytes)
        .ok_or("whole value")
        .and_then(|item| sight(Fields::of(&item)?, model))
        .map(Some)
        .map_err(|expected| StoreError::Unanswered(format!("unreadable reply, no {expected}")))
}

fn sight(mut fields: Fields<'_>, model: &Arc<str>) -> Result<Sight, Expected> {
    let Answer::LimitsInForce(limits) = answer(fields.fields()?)? else { return Err("limits") };
    let lags = fields.fields()?.all(|fields| fields.text()?.parse().map_err(|_| "lag"))?;
    let mut debts = fields.fields()?.all(Fields::signed)?;
    // Without a leeway there are none.
    debts.resize(lags.len(), 0);
    let slots = fields.fields()?.all(Fields::count)?;
    let leases = fields.count()?;
    let mut waiting = fields.fields()?.each(|mut kind| {
        let packed = msgpack::read(kind.bytes()?).ok_or("class")?;
        Ok((class(Fields::of(&packed)?)?, kind.count()?))
    })?;
    waiting.sort();
    let mut rests = fields.fields()?.each(|fields| rest(fields, model))?;
    rests.sort_by(|a, b| a.scope.cmp(&b.scope));
    let routers = fields.count()?;
    let in_grace = fields.whole()? == 1;
    Ok(Sight { limits, lags, debts, slots, leases, waiting, rests, routers, in_grace })
}

fn class(mut fields: Fields<'_>) -> Result<Class, Expected> {
    let (model, operation) = (fields.text()?.into(), fields.text()?.into());
    let keys = fields.fields()?.all(Fields::key)?;
    Ok(Class { model, operation, keys: keys.into() })
}

fn rest(mut fields: Fields<'_>, model: &Arc<str>) -> Result<RestView, Expected> {
    let (kind, key) = (fields.whole()?, fields.key()?);
    let scope = match kind {
        0 => Scope::Endpoint,
        1 => Scope::Key(key),
        2 => Scope::KeyModel(key, Arc::clone(model)),
        _ => return Err("known scope"),
    };
    Ok(RestView {
        scope,
        left: fields.whole()?,
        probes: fields.count()?,
        admits: u32::try_from(fields.signed()?).ok(),
        missing: fields.whole()? == 1,
        note: fields.text()?.into(),
    })
}
