//! `quota_store`, Weir's extension: where limits are kept.

use std::time::Duration;

use schemars::JsonSchema;

use crate::endpoint;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;

/// Where limits are kept that several processes share.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct QuotaStore {
    /// Address of a Redis server. Absent: limits are kept in the process.
    pub url: SecretRef,
    /// What the store's names start with. Default: `weir`.
    #[schemars(with = "Option<String>")]
    pub prefix: String,
    /// What happens while the store cannot be reached.
    #[schemars(with = "Option<OnLoss>")]
    pub on_loss: OnLoss,
    /// How long a slot outlives a router that does not renew it, in milliseconds.
    #[schemars(rename = "lease_ttl_ms")]
    #[schemars(with = "Option<u64>", range(min = 1000, max = 600_000), extend("default" = 10_000))]
    pub lease_ttl: Duration,
}

/// What routers do while the store cannot be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum OnLoss {
    /// Each admits its share of every limit.
    #[default]
    Share,
    /// None admits anything.
    Refuse,
}

impl Default for QuotaStore {
    fn default() -> Self {
        Self {
            url: SecretRef::None,
            prefix: "weir".to_owned(),
            on_loss: OnLoss::default(),
            lease_ttl: Duration::from_secs(10),
        }
    }
}

pub(crate) fn read(field: &Field<'_>) -> Option<QuotaStore> {
    let mut section = field.section()?;
    let default = QuotaStore::default();
    let store = QuotaStore {
        url: url(&mut section),
        prefix: prefix(&mut section).unwrap_or(default.prefix),
        on_loss: section
            .choice("on_loss", &[("share", OnLoss::Share), ("refuse", OnLoss::Refuse)])
            .unwrap_or_default(),
        lease_ttl: section
            .whole("lease_ttl_ms", 1000..=600_000)
            .map_or(default.lease_ttl, Duration::from_millis),
    };
    section.finish();
    Some(store)
}

fn url(section: &mut Section<'_>) -> SecretRef {
    let url = section.judged("url", endpoint::redis);
    let Some(field) = section.field("url").filter(|_| !url.is_none()) else {
        return url;
    };
    if url.literal().is_some_and(endpoint::has_credentials) {
        let draft = Draft::warning("a secret stands in this file");
        field.report(draft.expected("a reference, as \"env.NAME\"").found("a password"));
    }
    url
}

fn prefix(section: &mut Section<'_>) -> Option<String> {
    let field = section.field("prefix")?;
    let text = field.text()?;
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if text.is_empty() || text.len() > 64 || !text.chars().all(sound) {
        let draft = Draft::error("not a usable prefix");
        let expected = "1 to 64 letters, digits and any of - _ . :";
        field.report(draft.expected(expected).found("another string"));
        return None;
    }
    Some(text.to_owned())
}
