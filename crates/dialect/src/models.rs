//! Model lists: a provider's own, as callers of the gateway may use it, and several as one.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use weir_types::{Form, KeyRules, SeenModels};

use crate::fault::AnswerFault;
use crate::format::Format;
use crate::json;

/// Entries of a list by the name of the model, in the form of OpenAI's `GET /v1/models`: at least
/// `id`, `object`, `created` and `owned_by`, beside what the provider's own format adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Models(BTreeMap<String, Map<String, Value>>);

impl Models {
    /// Adds an entry; one that is there already stays.
    pub fn insert(&mut self, id: impl Into<String>, entry: Map<String, Value>) {
        self.0.entry(id.into()).or_insert(entry);
    }

    /// Each entry, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.0.iter().map(|(id, entry)| (id.as_str(), entry))
    }

    /// Reads `{"data": [{"id": …}, …]}`, or the bare list that some hosts give.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(document: &[u8]) -> Result<Self, AnswerFault> {
        let document: Value = json::read(document).map_err(|_| AnswerFault::NotAList)?;
        let list = match document {
            Value::Array(list) => list,
            Value::Object(mut object) => {
                match object.remove("data").or_else(|| object.remove("models")) {
                    Some(Value::Array(list)) => list,
                    Some(Value::Null) => Vec::new(),
                    _ => return Err(AnswerFault::NotAList),
                }
            }
            _ => return Err(AnswerFault::NotAList),
        };
        let entries = list.into_iter().filter_map(|entry| {
            let Value::Object(entry) = entry else { return None };
            let id = entry.get("id")?.as_str()?.to_owned();
            Some((id, entry))
        });
        Ok(Self(entries.collect()))
    }

    /// The entry of `id` alone.
    #[must_use]
    pub fn only(&self, id: &str) -> Option<Self> {
        let (id, entry) = self.0.get_key_value(id)?;
        Some(Self([(id.clone(), entry.clone())].into()))
    }

    /// Leaves out those that `seen` does not show; they are called `provider/model`.
    #[must_use]
    pub fn seen(mut self, seen: &[SeenModels]) -> Self {
        let rest = |id: &str, provider: &str| -> Option<String> {
            Some(id.strip_prefix(provider)?.strip_prefix('/')?.to_owned())
        };
        for seen in seen {
            let of_others = |id: &str| rest(id, &seen.provider).is_none_or(|name| seen.show(&name));
            self.0.retain(|id, _| of_others(id));
        }
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `provider/name` alone, of which nothing else is known.
    #[must_use]
    pub fn bare(provider: &str, name: &str) -> Self {
        let Value::Object(entry) = Self::default().entry(provider, name, name) else {
            return Self::default();
        };
        Self([(format!("{provider}/{name}"), entry)].into())
    }

    /// The whole list as OpenAI writes it.
    #[must_use]
    pub fn document(&self) -> Bytes {
        write(self.0.values().cloned().map(Value::Object))
    }

    /// Adds what `other` has and this list has not.
    pub fn extend(&mut self, other: Self) {
        for (id, entry) in other.0 {
            self.0.entry(id).or_insert(entry);
        }
    }

    /// The list as callers may use it: names that the rules of one of the keys let through,
    /// aliases and names that only the configuration knows included, each as `provider/model`.
    #[must_use]
    pub fn list<'a>(&self, provider: &str, keys: impl IntoIterator<Item = &'a KeyRules>) -> Bytes {
        let mut listed = BTreeMap::new();
        for rules in keys {
            let aliases = rules.aliases.iter().map(|(alias, _)| &**alias);
            let named = match &rules.models {
                weir_types::ModelList::Names(names) => names.as_slice(),
                _ => &[],
            };
            let own = self.0.keys().map(String::as_str);
            let names = own.chain(aliases).chain(named.iter().map(|name| &**name));
            for name in names.chain(rules.only_model.as_deref()) {
                if rules.serves(name) && !listed.contains_key(name) {
                    let entry = self.entry(provider, name, rules.resolve(name));
                    listed.insert(name.to_owned(), entry);
                }
            }
        }
        write(listed.into_values())
    }

    fn entry(&self, provider: &str, name: &str, wire_name: &str) -> Value {
        let known = self.0.get(wire_name).cloned();
        let mut entry = known.unwrap_or_else(|| {
            [("object", json!("model")), ("created", json!(0)), ("owned_by", json!(provider))]
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect()
        });
        entry.insert("id".to_owned(), json!(format!("{provider}/{name}")));
        Value::Object(entry)
    }
}

/// Several lists, one behind the other, as one, sorted by id; of entries with one id the first stays.
/// A document that is not a list is left out.
#[must_use]
pub fn merge(documents: &[u8]) -> Models {
    let mut all = Models::default();
    let documents = serde_json::Deserializer::from_slice(documents).into_iter::<&RawValue>();
    for document in documents.map_while(Result::ok) {
        if let Ok(models) = Models::parse(document.get().as_bytes()) {
            all.extend(models);
        }
    }
    all
}

/// The only one of `models` as `format` writes it outside of a list, for clients of this form of it.
#[must_use]
pub fn write_one(format: &dyn Format, models: &Models, form: Form) -> Bytes {
    let list = format.write_models(models);
    let mut document: Value = serde_json::from_slice(&list).unwrap_or_default();
    let members = document.as_object_mut().into_iter().flat_map(Map::values_mut);
    let one = members.filter_map(Value::as_array_mut).find_map(|list| list.first_mut());
    let Some(one) = one else { return list };
    if let (Form::Mistral, Some(members)) = (form, one.as_object_mut()) {
        // Its clients tell by this what they read.
        members.entry("type").or_insert(json!("base"));
        members.entry("capabilities").or_insert(json!({}));
    }
    Bytes::from(one.to_string())
}

fn write(entries: impl Iterator<Item = Value>) -> Bytes {
    let document = json!({ "object": "list", "data": entries.collect::<Vec<_>>() });
    Bytes::from(document.to_string())
}

#[cfg(test)]
mod tests {
    use weir_types::ModelList;

    use super::*;

    fn ids(document: &[u8]) -> Vec<String> {
        let document: Value = serde_json::from_slice(document).unwrap();
        assert_eq!(document["object"], "list");
        let data = document["data"].as_array().unwrap();
        data.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    }

    const UPSTREAM: &[u8] = br#"{"object":"list","data":[
        {"id":"b","object":"model","owned_by":"v","extra":[1]},{"id":"a"},{"no":"id"},7]}"#;

    #[test]
    fn a_list_is_filtered_and_prefixed() {
        let models = Models::parse(UPSTREAM).unwrap();
        let all = KeyRules { models: ModelList::All, ..KeyRules::default() };
        let listed = models.list("p", [&all]);
        assert_eq!(ids(&listed), ["p/a", "p/b"]);
        let document: Value = serde_json::from_slice(&listed).unwrap();
        assert_eq!(document["data"][1]["extra"], json!([1]));
        let none = KeyRules::default();
        assert_eq!(ids(&models.list("p", [&none])), Vec::<String>::new());
        let named = KeyRules {
            models: ModelList::Names(vec!["fast".into(), "new".into(), "b".into()]),
            blacklisted_models: ModelList::Names(vec!["b".into()]),
            aliases: vec![("fast".into(), "b".into()), ("hidden".into(), "a".into())],
            only_model: None,
        };
        let listed = models.list("p", [&named]);
        assert_eq!(ids(&listed), ["p/fast", "p/new"]);
        let document: Value = serde_json::from_slice(&listed).unwrap();
        assert_eq!(document["data"][0]["owned_by"], "v");
        assert_eq!(document["data"][1]["owned_by"], "p");
        assert_eq!(
            ids(&models.list("p", [&named, &all])),
            ["p/a", "p/b", "p/fast", "p/hidden", "p/new"]
                .iter()
                .filter(|id| **id != "p/hidden")
                .map(|id| (*id).to_owned())
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_key_of_one_model_lists_that_and_its_aliases() {
        let models = Models::parse(b"[{\"id\":\"llama\"},{\"id\":\"other\"}]").unwrap();
        let rules = KeyRules {
            models: ModelList::All,
            aliases: vec![("fast".into(), "llama".into())],
            only_model: Some("llama".into()),
            ..KeyRules::default()
        };
        assert_eq!(ids(&models.list("vllm", [&rules])), ["vllm/fast", "vllm/llama"]);
        assert_eq!(ids(&Models::default().list("vllm", [&rules])), ["vllm/fast", "vllm/llama"]);
    }

    #[test]
    fn lists_are_merged_sorted_and_unique() {
        let documents = [
            r#"{"data":[{"id":"b/x","first":true},{"id":"a/y"}]}"#,
            "7",
            r#"{"data":[{"id":"b/x"},{"id":"a/z"}]}"#,
        ];
        let merged = merge(documents.concat().as_bytes()).document();
        assert_eq!(ids(&merged), ["a/y", "a/z", "b/x"]);
        assert!(merged.windows(12).any(|part| part == b"\"first\":true"));
        assert_eq!(ids(&merge(b"").document()), Vec::<String>::new());
        assert_eq!(Models::parse(b"{}"), Err(AnswerFault::NotAList));
    }
}
