//! Documents by relevance, at clouds that rank them on a host beside that of their models.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>,
//! <https://docs.cloud.google.com/generative-ai-app-builder/docs/ranking>.

use weir_dialect::Quirks;
use weir_types::{Dialect, Operation};

use crate::route::Route;
use crate::vendor::Auth;

/// Bedrock's runtime for agents, which takes no API keys. Models are ARNs there.
pub(crate) const BEDROCK: Route = Route::post(
    Operation::Rerank,
    "https://bedrock-agent-runtime.{region}.amazonaws.com/rerank",
    Dialect::BedrockConverse,
)
.signed(Auth::AwsSigned("bedrock"))
.named_after("model_arn");

/// Google's, with locations of its own. No client asks in its form.
pub(crate) const VERTEX: Route = Route::post(
    Operation::Rerank,
    "https://{ranking_host}/v1/projects/{project}/locations/{ranking_location}/rankingConfigs/\
     default_ranking_config:rank",
    Dialect::GeminiGenerate,
)
.needs(&Quirks::NONE)
.in_forms(&[]);
