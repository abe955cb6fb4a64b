//! Lists of model names: `["*"]`, names, or nothing.

use std::collections::HashSet;
use std::sync::Arc;

use weir_types::ModelList;

use crate::names;
use crate::reader::Field;
use crate::report::Draft;

/// The list in `field`.
pub(crate) fn read(field: &Field<'_>) -> ModelList {
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
        } else {
            list.push(Arc::from(name));
        }
    }
    if list.is_empty() { ModelList::None } else { ModelList::Names(list) }
}
