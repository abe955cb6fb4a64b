//! A request on its way to a provider of the same format. Counting and embedding requests repeat
//! the model inside, and it must be the one in the path; how many answers are wanted stands deeper
//! than in other formats.

use bytes::Bytes;
use serde_json::Value;

use super::super::camel::camel;
use super::write::resource;
use crate::fault::RequestFault;
use crate::json::{Member, Members, Splices, elements, quoted};
use crate::patch::{Patch, Patched, apply};
use crate::quirks::Quirks;

/// As [`crate::Format::patch`].
pub(in super::super) fn patch(body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
    let members = Members::scan(body)?;
    let wanted = quoted(&resource(patch.model));
    let mut splices = Splices::default();
    let mut is_changed = false;
    let mut choices = 1;
    for member in members.iter() {
        let raw = body.get(member.value.clone()).unwrap_or_default();
        let inner = match camel(&members.name(member)).as_ref() {
            "generateContentRequest" => std::iter::once(0..raw.len()).collect(),
            "requests" => elements(raw)?,
            "generationConfig" => {
                choices = candidates(raw).unwrap_or(1);
                continue;
            }
            _ => continue,
        };
        for range in inner {
            let Some(object) = raw.get(range.clone()).filter(|raw| raw.first() == Some(&b'{'))
            else {
                continue;
            };
            let inside = Members::scan(object)?;
            if let Some(model) = inside.find("model")? {
                let offset = member.value.start + range.start;
                let at = model.value.start + offset..model.value.end + offset;
                splices.replace(at, wanted.clone());
                is_changed = true;
            }
        }
    }
    // The model stands in the path whatever the vendor is.
    let quirks = Quirks { omits_model: true, ..*patch.quirks };
    let patch = Patch { quirks: &quirks, ..*patch };
    let mut patched = if is_changed {
        apply(&splices.apply(body, &members), &patch)?
    } else {
        apply(body, &patch)?
    };
    patched.choices = choices;
    Ok(patched)
}

/// `candidateCount`.
fn candidates(config: &[u8]) -> Option<u32> {
    let members = Members::scan(config).ok()?;
    let is_count = |member: &&Member| camel(&members.name(member)) == "candidateCount";
    let member = members.iter().find(is_count)?;
    let value: Value = serde_json::from_slice(config.get(member.value.clone())?).ok()?;
    u32::try_from(value.as_u64()?).ok()
}
