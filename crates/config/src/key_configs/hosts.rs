//! `vllm_key_config`, `ollama_key_config`, `sgl_key_config`: servers of one's own, by address.

use schemars::JsonSchema;

use crate::endpoint;
use crate::names;
use crate::reader::Field;
use crate::reference::SecretRef;

/// A server's address.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["url"]))]
pub struct UrlKey {
    /// The server's address, as `http://localhost:11434`.
    pub url: SecretRef,
}

/// A vLLM server and the one model it serves.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["url", "model_name"]))]
pub struct VllmKey {
    /// The server's address, as `http://vllm:8000`.
    pub url: SecretRef,
    /// The model as the server calls it. The key serves what resolves to it, nothing else.
    pub model_name: String,
}

const URL: &str = "the server's address, as http://localhost:8000";

/// A block whose `url` may stand in `older` instead.
pub(super) fn read(field: &Field<'_>, older: Option<&SecretRef>) -> Option<UrlKey> {
    let mut section = field.section()?;
    let url = match older {
        Some(older) => {
            let url = section.judged("url", endpoint::base);
            if url.is_none() { older.clone() } else { url }
        }
        None => section.needed("url", URL, endpoint::base),
    };
    section.finish();
    Some(UrlKey { url })
}

pub(super) fn read_vllm(field: &Field<'_>) -> Option<VllmKey> {
    let mut section = field.section()?;
    let url = section.needed("url", URL, endpoint::base);
    let model_name = section
        .required("model_name", "the model as the server calls it")
        .and_then(|field| names::read(&field).map(str::to_owned));
    section.finish();
    Some(VllmKey { url, model_name: model_name? })
}
