//! Amazon's Converse.

use serde_json::{Value, json};

use super::frame;
use crate::answer::reply::seal;
use crate::wire::testing::{get, patched, post, refuses, takes};

const MODEL: &str = "/model/anthropic.claude-sonnet-4-5-v1%3A0";
const KEY: [(&str, &str); 1] = [("authorization", "Bearer k")];

fn path() -> String {
    format!("{MODEL}/converse")
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

fn hello() -> Value {
    json!({"messages": [user("hello")]})
}

fn tool_config() -> Value {
    let tool = |name: &str, properties: Value| {
        json!({"toolSpec": {"name": name, "inputSchema":
        {"json": {"type": "object", "properties": properties}}}})
    };
    json!({"tools": [tool("f", json!({"a": {"type": "integer"}})), tool("g", json!({}))]})
}

fn uses(ids: &[&str]) -> Value {
    let one = |id: &&str| json!({"toolUse": {"toolUseId": id, "name": "f", "input": {}}});
    json!({"role": "assistant", "content": ids.iter().map(one).collect::<Vec<_>>()})
}

fn results(ids: &[&str]) -> Value {
    let one = |id: &&str| json!({"toolResult": {"toolUseId": id, "content": [{"text": "1"}]}});
    json!({"role": "user", "content": ids.iter().map(one).collect::<Vec<_>>()})
}

fn turns(messages: &[Value]) -> Value {
    json!({"messages": messages, "toolConfig": tool_config()})
}

fn ask(patch: &Value) -> Value {
    post(&path(), &KEY, &patched(&hello(), patch)).json()
}

/// Names and payloads of frames; checks both sums of each.
fn frames(mut bytes: &[u8]) -> Vec<(String, Value)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let (whole, headers) = (number(0) as usize, number(4) as usize);
        assert_eq!(number(8), frame::checksum(&bytes[..8]));
        assert_eq!(number(whole - 4), frame::checksum(&bytes[..whole - 4]));
        let text = String::from_utf8_lossy(&bytes[12..12 + headers]).into_owned();
        let (_, named) = text.split_once("-type\u{7}\0").unwrap();
        let name = named[1..].split('\r').next().unwrap().to_owned();
        let payload = serde_json::from_slice(&bytes[12 + headers..whole - 4]).unwrap();
        frames.push((name, payload));
        bytes = &bytes[whole..];
    }
    frames
}

#[test]
fn answers_and_counts() {
    let said = post(&path(), &KEY, &hello());
    assert_eq!(said.model, "anthropic.claude-sonnet-4-5-v1:0");
    let answer = said.json();
    let text = answer["output"]["message"]["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("You said: hello"), "{text}");
    assert_eq!(answer["stopReason"], "end_turn");
    let count = |input: Value| {
        post(&format!("{MODEL}/count-tokens"), &KEY, &json!({"input": input})).json()
    };
    let plain = count(json!({"converse": hello()}));
    assert_eq!(plain["inputTokens"], answer["usage"]["inputTokens"]);
    let more = count(json!({"converse": turns(&[user("hello")])}));
    assert!(more["inputTokens"].as_u64() > plain["inputTokens"].as_u64());
    assert_eq!(count(json!({"invokeModel": {"body": "AAAAAAAA"}}))["inputTokens"], 2);
    let called = ask(&json!({"toolConfig": patched(&tool_config(),
        &json!({"toolChoice": {"any": {}}}))}));
    let call = &called["output"]["message"]["content"][0]["toolUse"];
    assert_eq!((&call["input"], &called["stopReason"]), (&json!({"a": 7}), &json!("tool_use")));
    let cut = ask(&json!({"inferenceConfig": {"maxTokens": 2}}));
    assert_eq!(cut["stopReason"], "max_tokens");
    let arn =
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fx/converse";
    assert!(post(arn, &KEY, &hello()).model.ends_with("inference-profile/x"));
}

#[test]
fn streams_come_in_frames_in_the_documented_order() {
    let stream = format!("{MODEL}/converse-stream");
    let events = frames(&post(&stream, &KEY, &hello()).body);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "messageStart",
            "contentBlockDelta",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
        ]
    );
    let text: String =
        events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
    let whole = ask(&json!({}));
    assert_eq!(text, whole["output"]["message"]["content"][0]["text"]);
    assert_eq!(events[5].1["usage"], whole["usage"]);
    let wish = patched(
        &turns(&[user("f and g")]),
        &json!({"additionalModelRequestFields":
        {"thinking": {"type": "enabled", "budget_tokens": 1024}}}),
    );
    let events = frames(&post(&stream, &KEY, &wish).body);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    let call = ["contentBlockStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop"];
    let begin = ["messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop"];
    assert_eq!(names, [&begin[..], &call, &call, &["messageStop", "metadata"]].concat());
    let indices: Vec<u64> =
        events.iter().filter_map(|(_, data)| data["contentBlockIndex"].as_u64()).collect();
    assert_eq!(indices, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    let thought = events[1].1["delta"]["reasoningContent"]["text"].as_str().unwrap();
    assert_eq!(events[2].1["delta"]["reasoningContent"]["signature"], seal(thought));
    let input: String =
        events.iter().filter_map(|(_, data)| data["delta"]["toolUse"]["input"].as_str()).collect();
    assert_eq!(input, r#"{"a":7}{}"#);
}

fn blocks(blocks: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": blocks}]})
}

fn block(one: &Value) -> Value {
    blocks(&json!([one]))
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let image = |format: &str, bytes: &str| {
        block(&json!({"image": {"format": format, "source": {"bytes": bytes}}}))
    };
    let schema = |schema: &str| {
        json!({"outputConfig": {"textFormat": {"type": "json_schema",
            "structure": {"jsonSchema": {"schema": schema}}}}})
    };
    refuses(
        &path(),
        &KEY,
        &hello(),
        &[
            (json!({"modelId": "x"}), "extraneous key [modelId] is not permitted"),
            (json!({"inferenceConfig": {"max_tokens": 1}}), "extraneous key [max_tokens]"),
            (json!({"inferenceConfig": {"maxTokens": 0}}), "'inferenceConfig.maxTokens'"),
            (json!({"inferenceConfig": {"temperature": 1.5}}), "from 0 to 1"),
            (json!({"system": [{"text": ""}]}), "'system.0.text'"),
            (json!({"system": "x"}), "'system'"),
            (json!({"messages": []}), "must start with a user message"),
            (json!({"messages": [{"role": "user", "content": "x"}]}), "'messages.0.content'"),
            (blocks(&json!([])), "messages.0 is empty"),
            (block(&json!({"text": " "})), "messages.0.content.0 is blank"),
            (block(&json!({"type": "text", "text": "x"})), "extraneous key [type]"),
            (block(&json!({"text": "x", "cachePoint": {"type": "default"}})), "2 are set"),
            (image("PNG", "AAAA"), "'messages.0.content.0.image.format'"),
            (image("png", "%"), "valid base64"),
            (schema("no"), "the JSON text of a schema"),
            (schema("{\"type\":\"object\"}"), "must be explicitly set to false"),
            (schema("{\"type\":\"integer\",\"minimum\":1}"), "property 'minimum'"),
            (json!({"inferenceConfig": {"stopSequences": ["x", "\n"]}}), "non-whitespace"),
        ],
    );
    let closed = schema("{\"type\":\"object\",\"additionalProperties\":false}");
    takes(&path(), &KEY, &hello(), &[closed, image("png", "AAAA")]);
    let plain = "/model/meta.llama3-3-70b-instruct-v1%3A0/converse";
    takes(plain, &KEY, &hello(), &[json!({"inferenceConfig": {"stopSequences": ["\n"]}})]);
    let refused = post(&path(), &KEY, &json!({}));
    let (name, kind) = &refused.headers[0];
    assert_eq!(*name, "x-amzn-errortype");
    assert!(kind.starts_with("ValidationException:"), "{kind}");
    assert!(refused.json()["message"].is_string());
}

#[test]
fn documents_marks_and_tools_are_checked() {
    let text = json!({"text": "x"});
    let document = |name: &str| {
        let source = json!({"bytes": "AAAA"});
        json!({"document": {"name": name, "format": "txt", "source": source}})
    };
    let beside = |name: &str| blocks(&json!([text, document(name)]));
    let point = json!({"cachePoint": {"type": "default"}});
    let points = |count: usize| {
        let all = [vec![text.clone()], vec![point.clone(); count]].concat();
        blocks(&json!(all))
    };
    let spec = |name: &str, more: Value| {
        let tool = json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}});
        patched(&json!({"toolConfig": {"tools": [tool]}}), &more)
    };
    let choice = |choice: Value| spec("f", json!({"toolConfig": {"toolChoice": choice}}));
    let thinking = json!({"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}});
    refuses(
        &path(),
        &KEY,
        &hello(),
        &[
            (beside("a.txt"), "a file name of at most 200"),
            (beside("a  b"), "a file name of at most 200"),
            (blocks(&json!([text, document("a"), document("a")])), "duplicate document"),
            (block(&document("a")), "must include a text block"),
            (blocks(&json!([text, document("a"), point])), "directly follow a document"),
            (points(5), "At most 4"),
            (spec("a.b", json!({})), "[a-zA-Z0-9_-]+"),
            (spec(&"x".repeat(65), json!({})), "at most 64"),
            (json!({"toolConfig": {"tools": []}}), "length greater than or equal to 1"),
            (choice(json!({"none": {}})), "extraneous key [none]"),
            (choice(json!({"tool": {"name": "g"}})), "not in toolConfig.tools"),
            (patched(&choice(json!({"any": {}})), &thinking), "forces tool use"),
        ],
    );
    takes(&path(), &KEY, &hello(), &[points(4), beside("a (1) [b]-c")]);
}

#[test]
fn schemas_of_tools_are_as_the_model_takes_them() {
    let tool = |spec: Value| {
        let spec =
            patched(&json!({"name": "f", "inputSchema": {"json": {"type": "object"}}}), &spec);
        json!({"toolConfig": {"tools": [{"toolSpec": spec}]}})
    };
    let top = |name: &str, value: Value| tool(json!({"inputSchema": {"json": {name: value}}}));
    let strict = |schema: &Value| {
        let mut body = schema.clone();
        body["toolConfig"]["tools"][0]["toolSpec"]["strict"] = json!(true);
        body
    };
    refuses(
        &path(),
        &KEY,
        &hello(),
        &[
            (strict(&tool(json!({}))), "must be explicitly set to false"),
            (strict(&top("additionalProperties", json!(true))), "must be explicitly set to false"),
        ],
    );
    let closed = top("additionalProperties", json!(false));
    takes(&path(), &KEY, &hello(), &[strict(&closed), closed.clone(), tool(json!({}))]);
    let nova = "/model/us.amazon.nova-pro-v1%3A0/converse";
    let mut marked = tool(json!({}));
    let point = json!({"cachePoint": {"type": "default"}});
    marked["toolConfig"]["tools"].as_array_mut().unwrap().push(point);
    refuses(
        nova,
        &KEY,
        &hello(),
        &[
            (closed, "extraneous key [additionalProperties] at the top"),
            (top("$defs", json!({})), "extraneous key [$defs]"),
            (marked, "did not allow prompt caching"),
        ],
    );
    takes(nova, &KEY, &hello(), &[top("required", json!([])), top("properties", json!({}))]);
}

#[test]
fn turns_out_of_order_are_refused() {
    let first = [user("x"), uses(&["u1", "u2"])];
    let with = |more: &[Value]| turns(&[&first[..], more].concat());
    let bare = json!({"messages": [user("x"), uses(&["u1"]), results(&["u1"])]});
    let thought = |signature: &str| {
        json!({"role": "assistant", "content": [{"reasoningContent":
        {"reasoningText": {"text": "hm", "signature": signature}}}, {"text": "x"}]})
    };
    refuses(
        &path(),
        &KEY,
        &hello(),
        &[
            (turns(&[uses(&["u1"]), results(&["u1"])]), "must start with a user message"),
            (turns(&[user("x"), user("y")]), "must alternate between user and assistant"),
            (
                with(&[]),
                "Expected toolResult blocks at messages.2.content for the following Ids: u1, u2",
            ),
            (with(&[user("y")]), "Expected toolResult blocks"),
            (with(&[results(&["u1"])]), "following Ids: u2"),
            (with(&[results(&["u1", "u2", "u3"])]), "exceeds the number of toolUse blocks"),
            (with(&[results(&["u1", "u2", "u2"])]), "duplicate"),
            (turns(&[results(&["u1"])]), "exceeds the number"),
            (bare, "The toolConfig field must be defined"),
            (turns(&[user("x"), uses(&["a b"]), results(&["a b"])]), "[a-zA-Z0-9_.:-]+"),
            (
                turns(&[json!({"role": "user", "content": uses(&["u1"])["content"]})]),
                "not allowed in a message of the role user",
            ),
            (turns(&[user("x"), thought("forged"), user("y")]), "Invalid `signature`"),
            (
                turns(&[json!({"role": "system", "content": [{"text": "x"}]}), user("y")]),
                "not allowed",
            ),
        ],
    );
    takes(
        &path(),
        &KEY,
        &hello(),
        &[
            with(&[results(&["u2", "u1"])]),
            turns(&[user("x"), thought(&seal("hm")), user("y")]),
            turns(&[
                user("x"),
                json!({"role": "system", "content": [{"toolAddition": {"tool": {}}}]}),
            ]),
        ],
    );
}

#[test]
fn a_signature_is_looked_at() {
    let hex = "a".repeat(64);
    let header = |scope: &str, signed: &str, hex: &str| {
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={hex}")
    };
    let scope = "AKID/20260101/us-east-1/bedrock/aws4_request";
    let signed = "host;x-amz-date";
    let ask = |authorization: &str, date: &str| {
        let headers = [("authorization", authorization), ("x-amz-date", date)];
        post(&path(), &headers, &hello())
    };
    let date = "20260101T000000Z";
    assert_eq!(ask(&header(scope, signed, &hex), date).status, 200);
    for (authorization, date, says) in [
        (header("AKID/20260101/us-east-1/s3/aws4_request", signed, &hex), date, "'bedrock'"),
        (header(scope, signed, &hex), "20260102T000000Z", "does not match"),
        (header(scope, "x-amz-date", &hex), date, "'Host'"),
        (header(scope, signed, "ab"), date, "'Signature'"),
        (header("", signed, &hex), date, "'Credential'"),
    ] {
        let refused = ask(&authorization, date);
        assert_eq!(refused.status, 403, "{authorization}");
        assert!(refused.json()["message"].as_str().unwrap().contains(says), "{authorization}");
        assert!(refused.headers[0].1.starts_with("IncompleteSignatureException"));
    }
}

#[test]
fn models_are_listed() {
    let listed = get("/foundation-models", &KEY).json();
    assert_eq!(listed["modelSummaries"][1]["modelId"], "m2");
    let profiles = get("/inference-profiles", &KEY).json();
    assert_eq!(profiles["inferenceProfileSummaries"][0]["inferenceProfileId"], "us.m1");
    let one = get("/foundation-models/m1", &KEY).json();
    assert_eq!(one["modelDetails"]["modelId"], "m1");
}

fn signed() -> [(&'static str, &'static str); 2] {
    const SIGNATURE: &str = "AWS4-HMAC-SHA256 \
        Credential=AKID/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, \
        Signature=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    [("authorization", SIGNATURE), ("x-amz-date", "20260101T000000Z")]
}

fn inline(document: impl Into<Value>) -> Value {
    let document: Value = document.into();
    json!({"type": "INLINE", "inlineDocumentSource": document})
}

fn told(text: &str) -> Value {
    inline(json!({"type": "TEXT", "textDocument": {"text": text}}))
}

fn ranks(members: impl Into<Value>) -> Value {
    let members: Value = members.into();
    json!({"rerankingConfiguration": {"bedrockRerankingConfiguration": members}})
}

#[test]
fn documents_are_ranked_by_another_host_that_takes_signatures_alone() {
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0";
    let base = json!({
        "queries": [{"type": "TEXT", "textQuery": {"text": "which weir"}}],
        "sources": [told("the sea"), inline(json!({"type": "JSON", "jsonDocument": {"a": "weir"}})),
            told("Which weir?")],
        "rerankingConfiguration": {"type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": arn}}},
    });
    let said = post("/rerank", &signed(), &base);
    assert_eq!(said.model, arn);
    let order: Vec<u64> = said.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["index"].as_u64().unwrap())
        .collect();
    assert_eq!(order, [2, 1, 0]);
    let model = |members: Value| ranks(json!({"modelConfiguration": members}));
    let additional = |members: Value| model(json!({"additionalModelRequestFields": members}));
    refuses(
        "/rerank",
        &signed(),
        &base,
        &[
            (json!({"queries": []}), "must have length 1"),
            (json!({"sources": []}), "Between 1 and 1000"),
            (json!({"sources": [told(&"x".repeat(32_001))]}), "between 1 and 32000"),
            (json!({"sources": [inline(json!({"type": "JSON"}))]}), "the one document"),
            (json!({"sources": ["x"]}), "'sources.0'"),
            (json!({"documents": ["x"]}), "extraneous key [documents]"),
            (json!({"nextToken": "t"}), "nextToken is invalid"),
            (ranks(json!({"numberOfResults": 4})), "More results"),
            (ranks(json!({"topN": 4})), "extraneous key [topN]"),
            (model(json!({"modelArn": "cohere.rerank-v3-5:0"})), "must be an ARN"),
            (model(json!({"modelArn": arn.replace("east", "west")})), "not of this Region"),
            (additional(json!({"top_k": 1})), "extraneous key [top_k]"),
        ],
    );
    takes(
        "/rerank",
        &signed(),
        &base,
        &[additional(json!({"max_tokens_per_doc": 9})), ranks(json!({"numberOfResults": 3}))],
    );
    // With a value the path is another's.
    let other = post("/rerank", &KEY, &base).json();
    assert!(other["error"].is_object(), "{other}");
}

#[test]
fn documents_are_ranked_by_invoking_a_model() {
    let coheres = "/model/cohere.rerank-v3-5%3A0/invoke";
    let body = json!({"query": "weir", "documents": ["the sea", "a weir"], "api_version": 2});
    let said = post(coheres, &KEY, &body).json();
    assert_eq!((&said["results"][0]["index"], &said["id"].is_string()), (&json!(1), &true));
    refuses(
        coheres,
        &KEY,
        &body,
        &[
            (json!({"api_version": null}), "'api_version'"),
            (json!({"documents": []}), "Between 1 and 1000"),
            (json!({"top_n": 3}), "More results"),
            (json!({"model": "x"}), "extraneous key [model]"),
        ],
    );
    let amazons = "/model/amazon.rerank-v1%3A0/invoke";
    let plain = patched(&body, &json!({"api_version": null}));
    assert_eq!(post(amazons, &KEY, &plain).json()["results"][0]["index"], 1);
    refuses(amazons, &KEY, &plain, &[(json!({"api_version": 2}), "extraneous key [api_version]")]);
}
