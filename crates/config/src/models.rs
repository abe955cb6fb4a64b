//! Lists of model names: `["*"]`, names, or nothing.

use std::collections::HashSet;
use std::sync::Arc;

use weir_types::ModelList;

use crate::names;
use crate::reader::Field;
use crate::report::Draft;

/// Providers with models whose own names begin with the provider's: `groq/compound`,
/// `openrouter/auto`.
const NAMESAKES: [&str; 2] = ["groq", "openrouter"];

/// What is wrong with `name`, of a model of `provider`, which clients ask for behind the provider's
/// name.
pub(crate) fn prefixed(name: &str, provider: &str) -> Option<Draft> {
    let (prefix, model) = name.split_once('/')?;
    if !prefix.eq_ignore_ascii_case(provider) || NAMESAKES.contains(&provider) || model.is_empty() {
        return None;
    }
    let draft = Draft::error("a model's name with its provider before it");
    let draft = draft.expected(names::shown(model)).found(names::shown(name));
    Some(draft.help(format!(
        "clients ask for {}; if the provider's own name of the model begins so, give it an alias",
        names::shown(name)
    )))
}

/// The list in `field`, of a key of `provider`.
pub(crate) fn read(field: &Field<'_>, provider: &str) -> ModelList {
    let items = field.items().unwrap_or_default();
    let all = items.iter().find(
        |item| matches!(item.value, jsonc_parser::ast::Value::StringLit(text) if text.value == "*"),
    );
    if let Some(all) = all {
        if items.len() > 1 {
            let draft = Draft::error("`*` stands for every model, so it must stand alone");
            all.report(
                draft.expected("either [\"*\"] or a list of names").found("\"*\" among names"),
            );
        }
        return ModelList::All;
    }
    let mut seen = HashSet::new();
    let mut list: Vec<Arc<str>> = Vec::new();
    for item in &items {
        let Some(name) = names::read(item) else {
            continue;
        };
        if !seen.insert(name.to_ascii_lowercase()) {
            let draft = Draft::error("duplicate model").expected("each name once");
            let found = format!("a second {}, ignoring case", names::shown(name));
            item.report(draft.found(found));
        } else if name.contains('*') {
            let draft = Draft::error("patterns are not supported here");
            item.report(draft.expected("a model's full name, or [\"*\"]").found("a `*` in a name"));
        } else if let Some(draft) = prefixed(name, provider) {
            item.report(draft);
        } else {
            list.push(Arc::from(name));
        }
    }
    if list.is_empty() { ModelList::None } else { ModelList::Names(list) }
}
