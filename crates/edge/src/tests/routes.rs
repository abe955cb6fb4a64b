//! Which paths exist, and what each asks of the router.

use super::*;
use weir_types::{
    Dialect, Form, Framing, ModelList, Operation, Outline, Patience, SeenModels, Served, Target,
};

#[tokio::test]
async fn every_route_asks_for_its_operation() {
    let edge = Edge::fine();
    let mut paths = Vec::new();
    for (prefix, preferred) in
        [("/v1", None), ("/openai/v1", Some("openai")), ("/openai", Some("openai"))]
    {
        for (path, operation) in [
            ("/chat/completions", Operation::Chat),
            ("/completions", Operation::Completion),
            ("/embeddings", Operation::Embedding),
        ] {
            paths.push((format!("{prefix}{path}"), preferred, operation));
        }
    }
    for (path, preferred, operation) in paths {
        let response = edge.send(post(&path, r#"{"model":"gpt-4o"}"#)).await;
        assert_eq!(response.status(), 200, "{path}");
        edge.last(|seen| {
            let expected = RouterRequest {
                dialect: Dialect::OpenAiChat,
                operation,
                target: Target::Model { name: "gpt-4o".into(), pin: None },
                stream: false,
                framing: Framing::Sse,
                form: Form::Usual,
                commit: None,
                patience: Patience::default(),
                content_type: String::new(),
                outline: Outline::new(&[1, 8, 9, 17]),
                fallbacks: Vec::new(),
                preferred_provider: preferred.map(str::to_owned),
                client_key: None,
                headers: Vec::new(),
                query: String::new(),
                cursor: None,
                owner: None,
            };
            assert_eq!(seen.request, expected, "{path}");
        });
    }
}

#[tokio::test]
async fn streams_are_asked_for_where_there_are_streams() {
    let edge = Edge::fine();
    for (path, expected) in
        [("/v1/chat/completions", true), ("/v1/completions", true), ("/v1/embeddings", false)]
    {
        edge.send(post(path, r#"{"model":"a","stream":true}"#)).await;
        assert_eq!(edge.last(|seen| seen.request.stream), expected, "{path}");
    }
}

#[tokio::test]
async fn what_a_path_says_reaches_the_router() {
    let edge = Edge::fine();
    for (path, dialect, operation, model, stream, framing) in [
        (
            "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
            Dialect::OpenAiChat,
            Operation::Chat,
            "my-gpt",
            false,
            Framing::Sse,
        ),
        (
            "/genai/v1beta/models/openai/gpt-4o:streamGenerateContent",
            Dialect::GeminiGenerate,
            Operation::Chat,
            "openai/gpt-4o",
            true,
            Framing::JsonArray,
        ),
        (
            "/genai/v1beta/models/gemini-x:streamGenerateContent?key=k&alt=sse",
            Dialect::GeminiGenerate,
            Operation::Chat,
            "gemini-x",
            true,
            Framing::Sse,
        ),
        (
            "/genai/v1/models/gemini-x:generateContent",
            Dialect::GeminiGenerate,
            Operation::Chat,
            "gemini-x",
            false,
            Framing::Sse,
        ),
        (
            "/genai/models/gemini-x:streamGenerateContent?alt=sse",
            Dialect::GeminiGenerate,
            Operation::Chat,
            "gemini-x",
            true,
            Framing::Sse,
        ),
        (
            "/bedrock/model/arn%3Aaws%3Abedrock%3Ax%2Fy/converse-stream",
            Dialect::BedrockConverse,
            Operation::Chat,
            "arn:aws:bedrock:x/y",
            true,
            Framing::EventStream,
        ),
    ] {
        let response = edge.send(post(path, "{}")).await;
        assert_eq!(response.status(), 200, "{path}");
        edge.last(|seen| {
            let request = &seen.request;
            assert_eq!((request.dialect, request.operation), (dialect, operation), "{path}");
            assert_eq!((request.target.model(), request.stream), (model, stream), "{path}");
            assert_eq!(request.framing, framing, "{path}");
        });
    }
    assert_eq!(edge.send(post("/genai/v1beta/models/:countTokens", "{}")).await.status(), 404);
}

#[tokio::test]
async fn a_path_says_in_which_form_its_clients_speak() {
    let edge = Edge::fine();
    for (path, expected) in [
        ("/v1/chat/completions", Form::Usual),
        ("/mistral/v1/chat/completions", Form::Mistral),
        ("/mistral/v1/embeddings", Form::Mistral),
        ("/genai/v1beta/models/e:batchEmbedContents", Form::Usual),
        ("/genai/v1beta/models/e:embedContent", Form::Single),
        ("/genai/v1/models/e:embedContent", Form::Single),
        ("/genai/models/e:embedContent", Form::Single),
    ] {
        let response = edge.send(post(path, r#"{"model":"m"}"#)).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(edge.last(|seen| seen.request.form), expected, "{path}");
    }
}

#[tokio::test]
async fn health_answers_without_the_router() {
    let edge = Edge::fine();
    let response = edge.send(get("/health")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(json(response).await["status"], "ok");
    assert_eq!(edge.calls(), 0);
}

#[tokio::test]
async fn the_root_says_what_this_is() {
    let edge = Edge::fine();
    let response = edge.send(get("/")).await;
    assert_eq!(response.status(), 200);
    let said = json(response).await;
    assert_eq!(
        (&said["name"], &said["chat"]),
        (&"weir".into(), &"POST /v1/chat/completions".into())
    );
    for prefix in said["drop_in_base_paths"].as_array().unwrap() {
        let prefix = format!("{}/", prefix.as_str().unwrap());
        assert!(crate::ROUTES.iter().any(|route| route.path().starts_with(&prefix)), "{prefix}");
    }
    assert_eq!(edge.calls(), 0);
}

#[tokio::test]
async fn paths_work_without_their_version() {
    for path in ["/chat/completions", "/completions", "/embeddings", "/responses"] {
        let edge = Edge::fine();
        assert_eq!(edge.send(post(path, CHAT)).await.status(), 200, "{path}");
        let operation = edge.last(|seen| seen.request.operation);
        assert_eq!(edge.send(post(&format!("/v1{path}"), CHAT)).await.status(), 200);
        assert_eq!(edge.last(|seen| seen.request.operation), operation, "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_are_refused_with_what_there_is_near_them() {
    let edge = Edge::fine();
    for path in ["/", "/v1", "/v1/chat", "/v1/chat/completions/", "/v2/models", "/openai/v1/x"] {
        let response = edge.send(post(path, CHAT)).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(header(&response, "x-request-id").is_some());
        let error = json(response).await;
        assert_eq!(error["error"]["type"], "not_found");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(path), "{message}");
        let named = match path {
            "/" | "/v2/models" => "paths begin with /v1, /openai",
            "/openai/v1/x" => "GET /openai/v1/models",
            _ => "POST /v1/chat/completions",
        };
        assert!(message.contains(named), "{message}");
    }
    assert_eq!(edge.calls(), 0);
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn a_wrong_method_gets_405_and_the_allowed_ones() {
    let edge = Edge::fine();
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("DELETE", "/openai/completions", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/openai/gpt-4o", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("GET", "/openai/deployments/m/chat/completions", "POST"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = edge.send(request).await;
        assert_eq!(response.status(), 405, "{method} {path}");
        assert_eq!(header(&response, "allow"), Some(allowed), "{method} {path}");
        assert_eq!(json(response).await["error"]["type"], "method_not_allowed");
    }
}

#[tokio::test]
async fn refusals_are_in_the_words_of_the_paths_format() {
    let edge = Edge::fine();
    let said = async |path: &str| json(edge.send(get(path)).await).await;
    let gemini = said("/genai/v1beta/models/m:generateContent").await;
    assert_eq!(gemini["error"]["code"], 405);
    assert!(gemini["error"]["status"].is_string(), "{gemini}");
    let anthropic = said("/anthropic/v1/nothing").await;
    assert_eq!(
        (&anthropic["type"], &anthropic["error"]["type"]),
        (&Value::from("error"), &Value::from("not_found_error"))
    );
    let cohere = said("/cohere/v2/nothing").await;
    assert!(cohere["message"].as_str().unwrap().contains("no such route"), "{cohere}");
}

fn models_reply() -> Result<Reply, Fault> {
    let lists = vec![
        chunk(r#"{"object":"list","data":[{"id":"openai/gpt-4o","object":"model"}]}"#),
        chunk(r#"{"object":"list","data":[{"id":"groq/llama","object":"model"}]}"#),
        end(),
    ];
    Ok(reply_of("application/json", lists))
}

#[tokio::test]
async fn models_of_all_providers_come_as_one_list() {
    let edge = Edge::replying(models_reply);
    let response = edge.send(get("/v1/models")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    assert!(length(&response).is_some());
    let list = json(response).await;
    assert_eq!(list["object"], "list");
    let mut ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["groq/llama", "openai/gpt-4o"]);
    edge.last(|seen| {
        assert_eq!(seen.request.operation, Operation::ListModels);
        assert!(seen.request.target.model().is_empty() && seen.body.is_empty());
    });
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn one_broken_list_is_an_error_and_not_a_shorter_list() {
    let fault = || Fault::new(weir_types::FaultCode::UpstreamBroken, "half a list");
    let edge = Edge::replying(move || {
        Ok(reply_of("application/json", vec![chunk("{\"data\":[]}"), broken(fault())]))
    });
    assert_eq!(edge.send(get("/v1/models")).await.status(), 502);
    let edge = Edge::replying(|| Ok(reply_of("application/json", vec![chunk("{\"data\":[]}")])));
    assert_eq!(edge.send(get("/v1/models")).await.status(), 503);
}

#[tokio::test]
async fn lists_show_what_the_router_says_that_the_client_may_see() {
    let list = r#"{"data":[{"id":"one/a"},{"id":"one/b"},{"id":"one-more/a"},{"id":"two/b/c"},{"id":"two/a"}]}"#;
    let served = |models, except: &[&str]| Served {
        models,
        except: except.iter().map(|&name| name.into()).collect(),
    };
    let some = || ModelList::Names(vec!["A".into(), "b/c".into()]);
    let seen = |provider: &str, keys| SeenModels { provider: provider.into(), keys };
    for (said, expected) in [
        (vec![], vec!["one-more/a", "one/a", "one/b", "two/a", "two/b/c"]),
        (vec![seen("one", vec![])], vec!["one-more/a", "two/a", "two/b/c"]),
        (
            vec![
                seen("one", vec![served(ModelList::None, &[]), served(ModelList::All, &["a"])]),
                seen("two", vec![served(some(), &["a"])]),
            ],
            vec!["one-more/a", "one/b", "two/b/c"],
        ),
    ] {
        let edge = Edge::replying(move || {
            let mut reply = reply_of("application/json", vec![chunk(list), end()]);
            reply.head.seen.clone_from(&said);
            Ok(reply)
        });
        for path in
            ["/v1/models", "/anthropic/v1/models", "/genai/v1beta/models", "/cohere/v1/models"]
        {
            let list = text(edge.send(get(path)).await).await;
            for id in ["one-more/a", "one/a", "one/b", "two/a", "two/b/c"] {
                let is_there = list.contains(&format!("{id}\""));
                assert_eq!(is_there, expected.contains(&id), "{path} {id}: {list}");
            }
        }
    }
}

#[tokio::test]
async fn lists_of_models_can_be_limited_to_a_provider() {
    let edge = Edge::replying(models_reply);
    for (path, sent, expected) in [
        ("/v1/models", None, None),
        ("/v1/models?provider=groq", None, Some("groq")),
        ("/v1/models?page_size=3&provider=groq", None, Some("groq")),
        ("/v1/models?provider=", None, None),
        ("/v1/models", Some("groq"), Some("groq")),
        ("/openai/v1/models", None, Some("openai")),
        ("/openai/models", None, Some("openai")),
        ("/openai/v1/models?provider=groq", None, Some("groq")),
        ("/openai/v1/models", Some("all"), None),
    ] {
        let mut request = get(path);
        if let Some(sent) = sent {
            request.headers_mut().insert("x-bf-list-models-provider", sent.parse().unwrap());
        }
        assert_eq!(edge.send(request).await.status(), 200);
        let name = expected.map(str::to_owned);
        let target = edge.last(|seen| seen.request.target.clone());
        assert_eq!(target, Target::Provider { name, pin: None }, "{path} {sent:?}");
    }
}

#[tokio::test]
async fn head_requests_get_a_head_and_count_as_answered() {
    let edge = Edge::replying(models_reply);
    let request = Request::head("/v1/models").body(Body::empty()).unwrap();
    let response = edge.send(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, "");
    assert_eq!(edge.in_flight(), 0);
}

/// One list, in chunks as long ones come; whose provider is the answering one.
fn list_of(provider: &'static str, list: &'static str) -> Edge {
    Edge::replying(move || {
        let half = list.len() / 2;
        let mut reply =
            reply_of("application/json", vec![chunk(&list[..half]), chunk(&list[half..]), end()]);
        reply.head.provider = provider.into();
        reply.head.headers = vec![("x-weir-left-out".into(), "slow".into())];
        Ok(reply)
    })
}

#[tokio::test]
async fn a_model_is_found_by_its_name_however_it_is_written() {
    let list = r#"{"data":[{"id":"groq/org/llama","owned_by":"meta"},{"id":"groq/other"}]}"#;
    let edge = list_of("groq", list);
    for (path, status) in [
        ("/v1/models/groq/org/llama", 200),
        ("/v1/models/groq%2Forg%2Fllama", 200),
        ("/v1/models/Groq/org/llama", 200),
        ("/v1/models/org/llama", 200),
        ("/openai/v1/models/groq/org/llama", 200),
        ("/openai/models/groq/org/llama", 200),
        ("/v1/models/groq/none", 404),
    ] {
        let response = edge.send(get(path)).await;
        assert_eq!(response.status(), status, "{path}");
        let found = json(response).await;
        if status == 200 {
            assert_eq!(
                (&found["id"], &found["owned_by"]),
                (&"groq/org/llama".into(), &"meta".into())
            );
        } else {
            assert_eq!(found["error"]["code"], "model_not_found");
        }
        edge.last(|seen| {
            assert_eq!(seen.request.operation, Operation::ListModels);
            assert!(!seen.request.target.model().is_empty());
        });
    }
    for (path, name) in [
        ("/anthropic/v1/models/groq/other", "id"),
        ("/genai/v1beta/models/groq/other", "name"),
        ("/cohere/v1/models/groq/other", "name"),
    ] {
        let found = json(edge.send(get(path)).await).await;
        assert!(found[name].as_str().is_some_and(|name| name.ends_with("groq/other")), "{found}");
    }
    let request = Request::head("/v1/models/groq/other").body(Body::empty()).unwrap();
    assert_eq!(edge.send(request).await.status(), 200);
}

#[tokio::test]
async fn without_a_list_what_keys_serve_is_there() {
    let edge = list_of("myhost", "");
    let found = json(edge.send(get("/v1/models/myhost/m")).await).await;
    assert_eq!(
        found,
        serde_json::json!({"object":"model","created":0,"owned_by":"myhost","id":"myhost/m"})
    );
    for code in [weir_types::FaultCode::UnknownModel, weir_types::FaultCode::NoKeySupportsModel] {
        let edge = Edge::replying(move || Err(Fault::new(code, "nobody serves it")));
        let response = edge.send(get("/v1/models/nowhere/m")).await;
        assert_eq!(response.status(), 404);
        let error = json(response).await;
        assert_eq!(error["error"]["message"], "nobody serves it");
    }
}

#[tokio::test]
async fn a_list_says_who_is_missing_and_may_come_in_pieces() {
    let list = r#"{"data":[{"id":"groq/a"}]} {"data":[{"id":"openai/b"}]}"#;
    let response = list_of("", list).send(get("/v1/models")).await;
    assert_eq!(header(&response, "x-weir-left-out"), Some("slow"));
    assert_eq!(json(response).await["data"].as_array().unwrap().len(), 2);
}
