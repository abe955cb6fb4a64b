//! The paths of files, batches and kept responses. SDKs append to a base URL that may or may not end in a version, so
//! each stands behind several prefixes.

use weir_types::{Form, Operation};

use super::{ANTHROPIC, BEDROCK, CHAT, RESPONSES, Route, Value, gemini, mistral};

const fn files(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation)
}

const fn kept(name: &'static str, operation: Operation) -> Route {
    Route::new(name, RESPONSES, operation)
}

const fn messages(name: &'static str, operation: Operation) -> Route {
    Route::new(name, ANTHROPIC, operation)
}

/// OpenAI's paths behind a prefix; `of`: what a prefix of a vendor's own implies.
macro_rules! openai {
    ($at:literal $(, $of:literal)?) => {
        [
            files(concat!("POST ", $at, "/files"), Operation::FileUpload)$(.of($of))?,
            files(concat!("GET ", $at, "/files"), Operation::FileList)$(.of($of))?,
            files(concat!("GET ", $at, "/files/{id}"), Operation::FileRetrieve)$(.of($of))?,
            files(concat!("DELETE ", $at, "/files/{id}"), Operation::FileDelete)$(.of($of))?,
            files(concat!("GET ", $at, "/files/{id}/content"), Operation::FileContent)$(.of($of))?,
            files(concat!("POST ", $at, "/batches"), Operation::BatchCreate)$(.of($of))?,
            files(concat!("GET ", $at, "/batches"), Operation::BatchList)$(.of($of))?,
            files(concat!("GET ", $at, "/batches/{id}"), Operation::BatchRetrieve)$(.of($of))?,
            files(concat!("POST ", $at, "/batches/{id}/cancel"), Operation::BatchCancel)
                $(.of($of))?,
        ]
    };
}

/// Mistral's own paths.
const MISTRAL: [Route; 10] = [
    mistral("POST /mistral/v1/files", Operation::FileUpload),
    mistral("GET /mistral/v1/files", Operation::FileList),
    mistral("GET /mistral/v1/files/{id}", Operation::FileRetrieve),
    mistral("DELETE /mistral/v1/files/{id}", Operation::FileDelete),
    mistral("GET /mistral/v1/files/{id}/content", Operation::FileContent),
    mistral("POST /mistral/v1/batch/jobs", Operation::BatchCreate),
    mistral("GET /mistral/v1/batch/jobs", Operation::BatchList),
    mistral("GET /mistral/v1/batch/jobs/{id}", Operation::BatchRetrieve),
    mistral("POST /mistral/v1/batch/jobs/{id}/cancel", Operation::BatchCancel),
    mistral("DELETE /mistral/v1/batch/jobs/{id}", Operation::BatchDelete),
];

/// Google's, of one version.
macro_rules! gemini {
    ($at:literal, $upload:literal) => {
        [
            gemini(concat!("POST ", $upload), Operation::FileUpload),
            gemini(concat!("GET ", $at, "/files"), Operation::FileList),
            gemini(concat!("GET ", $at, "/files/{id}"), Operation::FileRetrieve),
            gemini(concat!("DELETE ", $at, "/files/{id}"), Operation::FileDelete),
            gemini(concat!("GET ", $at, "/files/{id}:download"), Operation::FileContent),
            gemini(
                concat!("POST ", $at, "/models/{model}:batchGenerateContent"),
                Operation::BatchCreate,
            ),
            gemini(concat!("GET ", $at, "/batches"), Operation::BatchList),
            gemini(concat!("GET ", $at, "/batches/{id}"), Operation::BatchRetrieve),
            gemini(concat!("POST ", $at, "/batches/{id}:cancel"), Operation::BatchCancel),
            gemini(concat!("DELETE ", $at, "/batches/{id}"), Operation::BatchDelete),
        ]
    };
}

/// Anthropic's message batches behind a prefix.
macro_rules! batches {
    ($at:literal $(, $of:literal)?) => {
        [
            messages(concat!("POST ", $at, "/messages/batches"), Operation::BatchCreate)
                $(.of($of))?,
            messages(concat!("GET ", $at, "/messages/batches"), Operation::BatchList)$(.of($of))?,
            messages(concat!("GET ", $at, "/messages/batches/{id}"), Operation::BatchRetrieve)
                $(.of($of))?,
            messages(concat!("POST ", $at, "/messages/batches/{id}/cancel"), Operation::BatchCancel)
                $(.of($of))?,
            messages(concat!("DELETE ", $at, "/messages/batches/{id}"), Operation::BatchDelete)
                $(.of($of))?,
            messages(concat!("GET ", $at, "/messages/batches/{id}/results"), Operation::BatchResults)
                $(.of($of))?,
        ]
    };
}

/// Anthropic's files, whose paths are those of OpenAI's elsewhere.
macro_rules! anthropic_files {
    ($at:literal, $of:literal) => {
        [
            messages(concat!("POST ", $at, "/files"), Operation::FileUpload).of($of),
            messages(concat!("GET ", $at, "/files"), Operation::FileList).of($of),
            messages(concat!("GET ", $at, "/files/{id}"), Operation::FileRetrieve).of($of),
            messages(concat!("DELETE ", $at, "/files/{id}"), Operation::FileDelete).of($of),
            messages(concat!("GET ", $at, "/files/{id}/content"), Operation::FileContent).of($of),
        ]
    };
}

/// OpenAI's responses that are kept, behind a prefix.
macro_rules! responses {
    ($at:literal $(, $of:literal)?) => {
        [
            kept(concat!("GET ", $at, "/responses/{id}"), Operation::ResponsesRetrieve)$(.of($of))?,
            kept(concat!("DELETE ", $at, "/responses/{id}"), Operation::ResponsesDelete)
                $(.of($of))?,
            kept(concat!("POST ", $at, "/responses/{id}/cancel"), Operation::ResponsesCancel)
                $(.of($of))?,
            kept(concat!("GET ", $at, "/responses/{id}/input_items"), Operation::ResponsesInputItems)
                $(.of($of))?,
            kept(concat!("POST ", $at, "/responses/compact"), Operation::Compaction)$(.of($of))?,
        ]
    };
}

const fn job(name: &'static str, operation: Operation) -> Route {
    Route::new(name, BEDROCK, operation).of("bedrock")
}

/// Bedrock's own batches, which are jobs over files.
const JOBS: [Route; 4] = [
    job("POST /bedrock/model-invocation-job", Operation::BatchCreate),
    job("GET /bedrock/model-invocation-jobs", Operation::BatchList),
    job("GET /bedrock/model-invocation-job/{id}", Operation::BatchRetrieve),
    job("POST /bedrock/model-invocation-job/{id}/stop", Operation::BatchCancel),
];

const fn object(name: &'static str, operation: Operation) -> Route {
    Route::new(name, BEDROCK, operation).of("bedrock").in_form(Form::Objects).taking(Value::Path)
}

/// S3's, for the buckets of these jobs. Of rows that fit the first counts.
const OBJECTS: [Route; 6] = [
    object("HEAD /bedrock/s3/{object}", Operation::FileRetrieve),
    object("GET /bedrock/s3/{bucket}", Operation::FileList).taking(Value::Segment),
    object("GET /bedrock/s3/{object}", Operation::FileContent),
    object("PUT /bedrock/s3/{object}", Operation::FileUpload),
    object("POST /bedrock/s3/{object}", Operation::FileUpload),
    object("DELETE /bedrock/s3/{object}", Operation::FileDelete),
];

const TABLES: &[&[Route]] = &[
    &responses!("/v1"),
    &responses!(""),
    &responses!("/openai/v1", "openai"),
    &responses!("/openai", "openai"),
    &openai!("/v1"),
    &openai!(""),
    &openai!("/openai/v1", "openai"),
    &openai!("/openai", "openai"),
    &batches!("/v1"),
    &batches!("/anthropic/v1", "anthropic"),
    &anthropic_files!("/anthropic/v1", "anthropic"),
    &MISTRAL,
    &gemini!("/genai/v1beta", "/genai/upload/v1beta/files"),
    &gemini!("/genai/v1", "/genai/upload/v1/files"),
    &gemini!("/genai", "/genai/upload/files"),
    &JOBS,
    &OBJECTS,
];

/// Of all of them.
pub(super) const COUNT: usize = count();

const fn count() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < TABLES.len() {
        count += TABLES[at].len();
        at += 1;
    }
    count
}

/// `first` and all of them.
pub(super) const fn behind<const N: usize>(first: &'static [Route]) -> [Route; N] {
    let mut all = [first[0]; N];
    let mut to = 0;
    while to < first.len() {
        all[to] = first[to];
        to += 1;
    }
    let mut table = 0;
    while table < TABLES.len() {
        let mut at = 0;
        while at < TABLES[table].len() {
            all[to] = TABLES[table][at];
            to += 1;
            at += 1;
        }
        table += 1;
    }
    all
}
