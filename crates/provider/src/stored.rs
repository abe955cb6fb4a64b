//! Files and batches, per wire format: rows that vendors take over into their own. What is stored is
//! never read here; which members of it are ids, the format knows.

use http::Method;
use weir_dialect::Quirks;
use weir_types::{Dialect, Form, Operation};

use crate::mistral::MISTRAL_FORMS;
use crate::native::ANTHROPIC_VERSION;
use crate::route::{Kept, Route};
use crate::vendor::Auth;

/// Nothing is added or taken away; there is no model.
const AS_IT_IS: Quirks = Quirks { omits_model: true, ..Quirks::NONE };

const fn openai(method: Method, operation: Operation, template: &'static str) -> Route {
    Route::new(method, operation, template, Dialect::OpenAiChat).needs(&AS_IT_IS)
}

/// Files in OpenAI's format behind a prefix, and what else there is.
/// <https://platform.openai.com/docs/api-reference/files>
macro_rules! files {
    ($at:literal $(, $more:expr)*) => {
        &[
            openai(Method::POST, Operation::FileUpload, concat!($at, "/files")),
            openai(Method::GET, Operation::FileList, concat!($at, "/files")),
            openai(Method::GET, Operation::FileRetrieve, concat!($at, "/files/{id}")),
            openai(Method::DELETE, Operation::FileDelete, concat!($at, "/files/{id}")),
            openai(Method::GET, Operation::FileContent, concat!($at, "/files/{id}/content")),
            $($more,)*
        ]
    };
}

/// These and batches of them. <https://platform.openai.com/docs/api-reference/batch>
macro_rules! batches {
    ($at:literal) => {
        files!(
            $at,
            openai(Method::POST, Operation::BatchCreate, concat!($at, "/batches")),
            openai(Method::GET, Operation::BatchList, concat!($at, "/batches")),
            openai(Method::GET, Operation::BatchRetrieve, concat!($at, "/batches/{id}")),
            openai(Method::POST, Operation::BatchCancel, concat!($at, "/batches/{id}/cancel"))
        )
    };
}

/// OpenAI's own, and who has the same addresses (<https://console.groq.com/docs/batch>).
pub(crate) const OPENAI: &[Route] = batches!("/v1");
/// <https://learn.microsoft.com/azure/ai-foundry/openai/latest>
pub(crate) const AZURE: &[Route] = batches!("/openai/v1");

const fn mistral(method: Method, operation: Operation, template: &'static str) -> Route {
    openai(method, operation, template).in_forms(MISTRAL_FORMS)
}

/// Batches in a form of its own. <https://docs.mistral.ai/api/endpoint/batch>
const fn job(method: Method, operation: Operation, template: &'static str) -> Route {
    openai(method, operation, template).in_forms(&[Form::Mistral])
}

/// <https://docs.mistral.ai/api/endpoint/files>
pub(crate) const MISTRAL: &[Route] = &[
    mistral(Method::POST, Operation::FileUpload, "/v1/files"),
    mistral(Method::GET, Operation::FileList, "/v1/files"),
    mistral(Method::GET, Operation::FileRetrieve, "/v1/files/{id}"),
    mistral(Method::DELETE, Operation::FileDelete, "/v1/files/{id}"),
    mistral(Method::GET, Operation::FileContent, "/v1/files/{id}/content"),
    job(Method::POST, Operation::BatchCreate, "/v1/batch/jobs"),
    job(Method::GET, Operation::BatchList, "/v1/batch/jobs"),
    job(Method::GET, Operation::BatchRetrieve, "/v1/batch/jobs/{id}"),
    job(Method::POST, Operation::BatchCancel, "/v1/batch/jobs/{id}/cancel"),
    job(Method::DELETE, Operation::BatchDelete, "/v1/batch/jobs/{id}"),
];

/// A file or a batch for clients of OpenAI's format, at a vendor that has them in words of its own.
const fn translated(method: Method, operation: Operation, template: &'static str) -> Route {
    openai(method, operation, template).kept(Kept::ByVendor)
}

/// The same where a batch is made when its requests are uploaded, and its files are the batch itself.
const fn message_batch(method: Method, operation: Operation, template: &'static str) -> Route {
    translated(method, operation, template).with(ANTHROPIC_VERSION)
}

const fn gemini(method: Method, operation: Operation, template: &'static str) -> Route {
    Route::new(method, operation, template, Dialect::GeminiGenerate).needs(&AS_IT_IS)
}

/// <https://ai.google.dev/api/files>, <https://ai.google.dev/api/batch-api>
pub(crate) const GEMINI: &[Route] = &[
    gemini(Method::POST, Operation::FileUpload, "/upload/v1beta/files"),
    gemini(Method::GET, Operation::FileList, "/v1beta/files"),
    gemini(Method::GET, Operation::FileRetrieve, "/v1beta/files/{id}"),
    gemini(Method::DELETE, Operation::FileDelete, "/v1beta/files/{id}"),
    gemini(Method::GET, Operation::FileContent, "/v1beta/files/{id}:download?alt=media"),
    gemini(Method::POST, Operation::BatchCreate, "/v1beta/models/{model}:batchGenerateContent"),
    gemini(Method::GET, Operation::BatchList, "/v1beta/batches"),
    gemini(Method::GET, Operation::BatchRetrieve, "/v1beta/batches/{id}"),
    gemini(Method::POST, Operation::BatchCancel, "/v1beta/batches/{id}:cancel"),
    gemini(Method::DELETE, Operation::BatchDelete, "/v1beta/batches/{id}"),
    translated(Method::POST, Operation::FileUpload, "/upload/v1beta/files"),
    translated(Method::GET, Operation::FileList, "/v1beta/files"),
    translated(Method::GET, Operation::FileRetrieve, "/v1beta/files/{id}"),
    translated(Method::DELETE, Operation::FileDelete, "/v1beta/files/{id}"),
    translated(Method::GET, Operation::FileContent, "/v1beta/files/{id}:download?alt=media"),
    translated(Method::POST, Operation::BatchCreate, "/v1beta/models"),
    translated(Method::GET, Operation::BatchList, "/v1beta/batches"),
    translated(Method::GET, Operation::BatchRetrieve, "/v1beta/batches/{id}"),
    translated(Method::POST, Operation::BatchCancel, "/v1beta/batches/{id}:cancel"),
];

const fn anthropic(method: Method, operation: Operation, template: &'static str) -> Route {
    Route::new(method, operation, template, Dialect::AnthropicMessages)
        .needs(&AS_IT_IS)
        .with(ANTHROPIC_VERSION)
}

/// <https://docs.claude.com/en/api/creating-message-batches>,
/// <https://docs.claude.com/en/docs/build-with-claude/files>
pub(crate) const ANTHROPIC: &[Route] = &[
    anthropic(Method::POST, Operation::BatchCreate, "/v1/messages/batches"),
    anthropic(Method::GET, Operation::BatchList, "/v1/messages/batches"),
    anthropic(Method::GET, Operation::BatchRetrieve, "/v1/messages/batches/{id}"),
    anthropic(Method::POST, Operation::BatchCancel, "/v1/messages/batches/{id}/cancel"),
    anthropic(Method::DELETE, Operation::BatchDelete, "/v1/messages/batches/{id}"),
    anthropic(Method::GET, Operation::BatchResults, "/v1/messages/batches/{id}/results"),
    anthropic(Method::POST, Operation::FileUpload, "/v1/files"),
    anthropic(Method::GET, Operation::FileList, "/v1/files"),
    anthropic(Method::GET, Operation::FileRetrieve, "/v1/files/{id}"),
    anthropic(Method::DELETE, Operation::FileDelete, "/v1/files/{id}"),
    anthropic(Method::GET, Operation::FileContent, "/v1/files/{id}/content"),
    message_batch(Method::POST, Operation::FileUpload, "/v1/messages/batches"),
    message_batch(Method::GET, Operation::FileList, "/v1/messages/batches"),
    message_batch(Method::GET, Operation::FileRetrieve, "/v1/messages/batches/{id}"),
    message_batch(Method::DELETE, Operation::FileDelete, "/v1/messages/batches/{id}"),
    message_batch(Method::GET, Operation::FileContent, "/v1/messages/batches/{id}/results"),
    message_batch(Method::GET, Operation::BatchCreate, "/v1/messages/batches/{id}"),
    message_batch(Method::GET, Operation::BatchList, "/v1/messages/batches"),
    message_batch(Method::GET, Operation::BatchRetrieve, "/v1/messages/batches/{id}"),
    message_batch(Method::POST, Operation::BatchCancel, "/v1/messages/batches/{id}/cancel"),
];

const S3: &str = "https://s3.{region}.amazonaws.com";

/// A file as an object, wherever that is: <https://docs.aws.amazon.com/AmazonS3/latest/API/>
const fn object(method: Method, operation: Operation) -> Route {
    openai(method, operation, S3).signed(Auth::Aws("s3")).kept(Kept::InBuckets)
}

/// The same for clients that put and get objects themselves.
const fn place(method: Method, operation: Operation) -> Route {
    Route::new(method, operation, S3, Dialect::BedrockConverse)
        .needs(&AS_IT_IS)
        .signed(Auth::Aws("s3"))
        .kept(Kept::InBuckets)
        .in_forms(&[Form::Objects])
}

/// The same at Google: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects>
const fn google_object(method: Method, operation: Operation) -> Route {
    const AT: &str = "https://storage.googleapis.com";
    openai(method, operation, AT).kept(Kept::InBuckets)
}

/// A batch as a job over such files:
/// <https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs>
macro_rules! prediction_job {
    ($method:ident, $operation:ident, $rest:literal) => {
        openai(
            Method::$method,
            Operation::$operation,
            concat!("/v1/projects/{project}/locations/{region}/batchPredictionJobs", $rest),
        )
        .kept(Kept::InBuckets)
    };
}

/// Files in Cloud Storage, in the buckets that a key names, and batches at Vertex AI.
pub(crate) const VERTEX: &[Route] = &[
    google_object(Method::POST, Operation::FileUpload),
    google_object(Method::GET, Operation::FileList),
    google_object(Method::GET, Operation::FileRetrieve),
    google_object(Method::DELETE, Operation::FileDelete),
    google_object(Method::GET, Operation::FileContent),
    prediction_job!(POST, BatchCreate, ""),
    prediction_job!(GET, BatchList, ""),
    prediction_job!(GET, BatchRetrieve, "/{id}"),
    prediction_job!(POST, BatchCancel, "/{id}:cancel"),
];

/// A batch as a job over such files, for clients of OpenAI's format and of its own:
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html>
macro_rules! job {
    ($dialect:ident, $method:ident, $operation:ident, $path:literal) => {
        Route::new(
            Method::$method,
            Operation::$operation,
            concat!("https://bedrock.{region}.amazonaws.com/", $path),
            Dialect::$dialect,
        )
        .needs(&AS_IT_IS)
        .kept(Kept::InBuckets)
    };
}

/// Files in S3, in the buckets that a key names, and batches at Bedrock.
pub(crate) const BEDROCK: &[Route] = &[
    object(Method::PUT, Operation::FileUpload),
    object(Method::GET, Operation::FileList),
    object(Method::HEAD, Operation::FileRetrieve),
    object(Method::DELETE, Operation::FileDelete),
    object(Method::GET, Operation::FileContent),
    place(Method::PUT, Operation::FileUpload),
    place(Method::GET, Operation::FileList),
    place(Method::HEAD, Operation::FileRetrieve),
    place(Method::DELETE, Operation::FileDelete),
    place(Method::GET, Operation::FileContent),
    job!(OpenAiChat, POST, BatchCreate, "model-invocation-job"),
    job!(OpenAiChat, GET, BatchList, "model-invocation-jobs"),
    job!(OpenAiChat, GET, BatchRetrieve, "model-invocation-job/{id}"),
    job!(OpenAiChat, POST, BatchCancel, "model-invocation-job/{id}/stop"),
    job!(BedrockConverse, POST, BatchCreate, "model-invocation-job"),
    job!(BedrockConverse, GET, BatchList, "model-invocation-jobs"),
    job!(BedrockConverse, GET, BatchRetrieve, "model-invocation-job/{id}"),
    job!(BedrockConverse, POST, BatchCancel, "model-invocation-job/{id}/stop"),
];
