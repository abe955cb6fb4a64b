//! Google's generateContent.

use serde_json::{Value, json};

use crate::answer::reply::seal;
use crate::wire::testing::{get, patched, post, refuses, takes};

const PATH: &str = "/v1beta/models/gemini-2.5-pro:generateContent";
const STREAM: &str = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
const VERTEX: &str = "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro";
const KEY: [(&str, &str); 1] = [("x-goog-api-key", "k")];

fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

fn hello() -> Value {
    json!({"contents": [user("hello")]})
}

fn tools() -> Value {
    json!([{"functionDeclarations": [
        {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}},
        {"name": "g", "parametersJsonSchema": {"type": "object", "$defs": {}}}]}])
}

fn calls(names: &[&str]) -> Value {
    let call = |name: &&str| json!({"functionCall": {"name": name, "args": {}}});
    json!({"role": "model", "parts": names.iter().map(call).collect::<Vec<_>>()})
}

fn answers(names: &[&str]) -> Value {
    let answer = |name: &&str| json!({"functionResponse": {"name": name, "response": {}}});
    json!({"role": "user", "parts": names.iter().map(answer).collect::<Vec<_>>()})
}

fn turns(contents: &[Value]) -> Value {
    json!({"contents": contents, "tools": tools()})
}

fn ask(patch: &Value) -> Value {
    post(PATH, &KEY, &patched(&hello(), patch)).json()
}

#[test]
fn answers_and_counts() {
    let answer = ask(&json!({}));
    let candidate = &answer["candidates"][0];
    let text = candidate["content"]["parts"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("You said: hello"), "{text}");
    assert_eq!(
        (&candidate["finishReason"], &answer["modelVersion"]),
        (&json!("STOP"), &json!("gemini-2.5-pro"))
    );
    let counted = "/v1beta/models/gemini-2.5-pro:countTokens";
    let count = post(counted, &KEY, &hello()).json();
    assert_eq!(count["totalTokens"], answer["usageMetadata"]["promptTokenCount"]);
    let whole = patched(&turns(&[user("hello")]), &json!({"model": "models/gemini-2.5-pro"}));
    let more = post(counted, &KEY, &json!({"generateContentRequest": whole})).json();
    assert!(more["totalTokens"].as_u64() > count["totalTokens"].as_u64());
    let config = json!({"maxOutputTokens": 2, "candidateCount": 2});
    let cut = ask(&json!({"generationConfig": config}));
    assert_eq!(cut["candidates"][1]["finishReason"], "MAX_TOKENS");
    let any = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}});
    let called = ask(&json!({"tools": tools(), "toolConfig": any}));
    let part = &called["candidates"][0]["content"]["parts"][0];
    assert_eq!(
        (&part["functionCall"]["name"], &part["functionCall"]["args"]),
        (&json!("g"), &json!({}))
    );
    assert_eq!(part["thoughtSignature"], seal("g"));
    let thinking = json!({"thinkingConfig": {"includeThoughts": true}});
    let thought = ask(&json!({"generationConfig": thinking}));
    assert_eq!(thought["candidates"][0]["content"]["parts"][0]["thought"], true);
    let usage = &thought["usageMetadata"];
    let sum = ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"]
        .map(|name| usage[name].as_u64().unwrap());
    assert_eq!(usage["totalTokenCount"], sum.iter().sum::<u64>());
}

#[test]
fn a_stream_is_events_or_an_array() {
    let body = turns(&[user("f and g")]);
    let said = post(&format!("{STREAM}?alt=sse"), &KEY, &body);
    assert!(said.body.ends_with(b"\r\n\r\n"));
    let events: Vec<Value> = said.events().into_iter().map(|(_, data)| data).collect();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| {
            let part = event["candidates"][0]["content"]["parts"][0].as_object().unwrap();
            part.keys().next().unwrap().as_str()
        })
        .collect();
    assert_eq!(kinds, ["functionCall", "functionCall", "text"]);
    let ends: Vec<bool> =
        events.iter().map(|event| event["candidates"][0].get("finishReason").is_some()).collect();
    assert_eq!(ends, [false, false, true]);
    let array = post(STREAM, &KEY, &body).json();
    assert_eq!(array, json!(events));
    let plain = post(&format!("{STREAM}?alt=sse"), &KEY, &hello());
    let text = plain.joined("/candidates/0/content/parts/0/text");
    assert_eq!(text, ask(&json!({}))["candidates"][0]["content"]["parts"][0]["text"]);
    let refused = post(STREAM, &KEY, &json!({})).json();
    assert_eq!(refused[0]["error"]["status"], "INVALID_ARGUMENT");
}

fn part(part: &Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [part]}]})
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let config = |config: Value| json!({"generationConfig": config});
    let blob = |data: &str| json!({"inlineData": {"mimeType": "a/b", "data": data}});
    refuses(
        PATH,
        &KEY,
        &hello(),
        &[
            (json!({"contents": null}), "contents is not specified"),
            (json!({"contents": []}), "contents is not specified"),
            (json!({"messages": []}), "Unknown name \"messages\": Cannot find field"),
            (part(&json!({"type": "x"})), "Unknown name \"type\" at 'contents[0].parts[0]'"),
            (part(&json!({})), "must have one initialized field"),
            (part(&patched(&blob("AAAA"), &json!({"text": "x"}))), "already set"),
            (part(&blob("%")), "valid base64"),
            (part(&json!({"fileData": {"fileUri": "https://a/b.png"}})), "Unsupported file uri"),
            (
                json!({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}),
                "a valid role",
            ),
            (json!({"contents": [{"role": "user", "parts": []}]}), "must not be empty"),
            (json!({"systemInstruction": "x"}), "Invalid value at 'systemInstruction'"),
            (config(json!({"max_tokens": 5})), "Unknown name \"max_tokens\" at 'generationConfig'"),
            (config(json!({"temperature": 3})), "from 0 to 2"),
            (config(json!({"responseSchema": {"type": "STRING"}})), "response_mime_type"),
            (
                config(json!({"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}})),
                "only one of thinking budget",
            ),
            (
                config(json!({"presencePenalty": 0.5})),
                "Penalty is not enabled for models/gemini-2.5",
            ),
            (config(json!({"frequencyPenalty": -1})), "Penalty is not enabled"),
        ],
    );
    takes(
        PATH,
        &KEY,
        &hello(),
        &[
            json!({"system_instruction": {"parts": [{"text": "x"}]}}),
            json!({"contents": [{"parts": [{"text": "x"}]}]}),
            config(json!({"presencePenalty": 0})),
            config(json!({"response_mime_type": "application/json", "responseJsonSchema": {}})),
            part(&json!({"inline_data": {"mime_type": "image/png", "data": "AA_-"}})),
        ],
    );
    let newer = PATH.replace("2.5", "3");
    takes(&newer, &KEY, &hello(), &[config(json!({"presencePenalty": 0.5}))]);
    let typed = post(PATH, &KEY, &json!({"contents": 1})).json();
    assert_eq!(typed["error"]["details"][0]["fieldViolations"][0]["field"], "contents");
}

#[test]
fn functions_are_checked() {
    let declared = |more: Value| {
        let declaration = patched(&json!({"name": "f"}), &more);
        json!({"tools": [{"functionDeclarations": [declaration]}]})
    };
    let schema =
        |more: Value| declared(json!({"parameters": patched(&json!({"type": "object"}), &more)}));
    let calling =
        |config: Value| json!({"tools": tools(), "toolConfig": {"functionCallingConfig": config}});
    refuses(
        PATH,
        &KEY,
        &hello(),
        &[
            (declared(json!({"name": "a b"})), "a function name"),
            (declared(json!({"name": "x".repeat(65)})), "a function name"),
            (declared(json!({"strict": true})), "Unknown name \"strict\""),
            (schema(json!({"properties": {"a": {"$ref": "#/x"}}})), "Unknown name \"$ref\""),
            (
                schema(json!({"additionalProperties": false})),
                "Unknown name \"additionalProperties\"",
            ),
            (schema(json!({"type": "string"})), "should be OBJECT"),
            (
                declared(json!({"parameters": {}, "parametersJsonSchema": {}})),
                "only one of parameters",
            ),
            (calling(json!({"mode": "AUTO", "allowedFunctionNames": ["f"]})), "mode is ANY"),
            (calling(json!({"mode": "ANY", "allowedFunctionNames": ["h"]})), "'h' is not declared"),
            (calling(json!({"mode": "REQUIRED"})), "'AUTO'"),
            (
                patched(&calling(json!({"mode": "ANY"})), &json!({"tools": null})),
                "without function",
            ),
        ],
    );
    takes(PATH, &KEY, &hello(), &[calling(json!({"mode": "VALIDATED"})), schema(json!({}))]);
}

#[test]
fn turns_out_of_order_are_refused() {
    let first = [user("x"), calls(&["f", "g"])];
    let with = |more: &[Value]| turns(&[&first[..], more].concat());
    let number = "number of function response parts is equal";
    let signed = |signature: &str| {
        let call = json!({"functionCall": {"name": "f"}, "thoughtSignature": signature});
        turns(&[user("x"), json!({"role": "model", "parts": [call]}), answers(&["f"])])
    };
    refuses(
        PATH,
        &KEY,
        &hello(),
        &[
            (with(&[]), number),
            (with(&[user("y")]), number),
            (with(&[answers(&["f"])]), number),
            (with(&[answers(&["f", "g", "g"])]), number),
            (turns(&[user("x"), answers(&["f"])]), "immediately after a function call turn"),
            (turns(&[calls(&["f"]), answers(&["f"])]), "immediately after a user turn"),
            (
                turns(&[
                    user("x"),
                    user("y"),
                    json!({"role": "user",
                "parts": calls(&["f"])["parts"]}),
                    answers(&["f"]),
                ]),
                "function calls come from the model",
            ),
            (signed("AAAA"), "Thought signature is not valid"),
        ],
    );
    takes(
        PATH,
        &KEY,
        &hello(),
        &[
            with(&[answers(&["f", "g"])]),
            with(&[answers(&["f", "g"]), calls(&["f"]), answers(&["f"])]),
            signed(&seal("f")),
            signed("skip_thought_signature_validator"),
        ],
    );
    let newer = "/v1beta/models/gemini-3-pro:generateContent";
    let body = with(&[answers(&["f", "g"])]);
    let refused = post(newer, &KEY, &body);
    assert!(String::from_utf8_lossy(&refused.body).contains("missing a thought_signature"));
    let later = with(&[answers(&["f", "g"]), user("y")]);
    assert_eq!(post(newer, &KEY, &later).status, 200, "only the current turn counts");
    let mut kept = body;
    kept["contents"][1]["parts"][0]["thoughtSignature"] = json!(seal("f"));
    assert_eq!(post(newer, &KEY, &kept).status, 200, "the first of parallel calls is enough");
}

#[test]
fn vectors_come_one_by_one_in_batches_and_as_predictions() {
    let content = json!({"parts": [{"text": "x"}]});
    let one = json!({"content": content, "outputDimensionality": 4});
    let path = "/v1beta/models/e:embedContent";
    let first = post(path, &KEY, &one).json();
    assert_eq!(first["embedding"]["values"].as_array().unwrap().len(), 4);
    let named = patched(&one, &json!({"model": "models/e"}));
    let batch = json!({"requests": [named, named]});
    let path = "/v1beta/models/e:batchEmbedContents";
    let many = post(path, &KEY, &batch).json();
    assert_eq!(many["embeddings"][1], first["embedding"]);
    refuses(
        path,
        &KEY,
        &batch,
        &[
            (json!({"requests": []}), "1 to 100"),
            (json!({"requests": [one]}), "model is not specified"),
            (json!({"requests": [patched(&named, &json!({"model": "models/f"}))]}), "'models/e'"),
            (json!({"requests": [patched(&named, &json!({"model": "e"}))]}), "'models/e'"),
        ],
    );
    let body = json!({"instances": [{"content": "x", "task_type": "RETRIEVAL_QUERY"}],
        "parameters": {"outputDimensionality": 4}});
    let said = post("/v1/projects/p/locations/l/publishers/google/models/e:predict", &[], &body);
    assert_eq!(said.json()["predictions"][0]["embeddings"]["values"], first["embedding"]["values"]);
}

#[test]
fn the_cloud_has_a_door_of_its_own() {
    let path = format!("{VERTEX}:generateContent");
    let called = post(&path, &[], &turns(&[user("f")])).json();
    let call = &called["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert!(call.get("id").is_none(), "{call}");
    let mut with_id = turns(&[user("x"), calls(&["f"]), answers(&["f"])]);
    with_id["contents"][1]["parts"][0]["functionCall"]["id"] = json!("1");
    refuses(
        &path,
        &[],
        &hello(),
        &[
            (with_id.clone(), "Unknown name \"id\" at 'contents[1].parts[0].function_call'"),
            (json!({"model": "x"}), "Unknown name \"model\""),
        ],
    );
    let newer = path.replace("/v1/", "/v1beta1/");
    takes(&newer, &[], &hello(), &[with_id]);
    takes(
        &path,
        &[],
        &hello(),
        &[json!({"labels": {"a": "b"}}), part(&json!({"fileData": {"fileUri": "gs://a/b"}}))],
    );
    let stream = post(&format!("{VERTEX}:streamGenerateContent?alt=sse"), &[], &hello());
    assert_eq!(stream.events().len(), 3);
    assert_eq!(post(&format!("{VERTEX}:countTokens"), &[], &hello()).status, 200);
    let listed = get("/v1beta1/publishers/google/models", &[]).json();
    assert_eq!(listed["publisherModels"][0]["name"], "publishers/google/models/m1");
    let listed = get("/v1beta/models?key=k", &[]).json();
    assert_eq!(listed["models"][1]["name"], "models/m2");
    assert_eq!(get("/v1/models", &KEY).json(), listed);
    assert_eq!(get("/v1beta/models/m1", &KEY).json()["name"], "models/m1");
}

#[test]
fn the_cloud_ranks_records() {
    let at = |location: &str| {
        format!("/v1/projects/p/locations/{location}/rankingConfigs/default_ranking_config:rank")
    };
    let record = |id: &str, title: &str, content: &str| json!({"id": id, "title": title, "content": content});
    let body = json!({"query": "which weir", "records": [record("a", "", "the sea"),
        record("b", "Weir", "It holds water"), record("c", "", "which weir?")]});
    let said = post(&at("global"), &[], &body);
    assert_eq!(said.model, "semantic-ranker-512@latest");
    let ids = |said: &Value| {
        let all = said["records"].as_array().unwrap().iter();
        all.map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&said.json()), "c b a");
    assert_eq!(said.json()["records"][1]["content"], "It holds water");
    let brief = json!({"topN": 1, "ignore_record_details_in_response": true});
    let said = post(&at("eu"), &[], &patched(&body, &brief)).json();
    assert_eq!(said["records"].as_array().unwrap().len(), 1);
    assert_eq!(said["records"][0].as_object().unwrap().len(), 2, "{said}");
    let many = vec![record("a", "", "x"); 201];
    refuses(
        &at("us"),
        &[],
        &body,
        &[
            (json!({"records": []}), "Between 1 and 200"),
            (json!({ "records": many }), "Between 1 and 200"),
            (json!({"records": [{"id": "a"}]}), "title or content"),
            (json!({"records": [{"content": "a"}]}), "id is not specified"),
            (json!({"records": [{"id": "a", "text": "b"}]}), "Unknown name \"text\""),
            (json!({"model": "gemini-2.5-pro"}), "Unknown model"),
            (json!({"documents": ["a"]}), "Unknown name \"documents\""),
        ],
    );
    // A single region has none.
    assert_ne!(post(&at("us-central1"), &[], &body).status, 200);
}
