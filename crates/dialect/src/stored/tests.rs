//! Documents, lists and requests with other ids in them.

use serde_json::json;

use super::*;

fn seen(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn every_id_of_a_document_is_changed_and_nothing_else() {
    let batch = json!({"id": "batch_1", "object": "batch", "input_file_id": "file-1",
        "output_file_id": null, "error_file_id": "", "metadata": {"id": "x"}});
    let with = OPENAI.with_ids(&batch.to_string().into(), &|own| format!("<{own}>"));
    let expected = json!({"id": "<batch_1>", "object": "batch", "input_file_id": "<file-1>",
        "output_file_id": null, "error_file_id": "", "metadata": {"id": "x"}});
    assert_eq!(seen(&with.unwrap()), expected);
    let batch = json!({"id": "msgbatch_1", "results_url": "https://api/x", "request_id": "id"});
    let with = ANTHROPIC.with_ids(&batch.to_string().into(), &|own| format!("{own}!"));
    assert_eq!(
        seen(&with.unwrap()),
        json!({"id": "msgbatch_1!", "results_url": "/v1/messages/batches/msgbatch_1!/results",
            "request_id": "id"})
    );
    assert!(OPENAI.with_ids(&Bytes::from_static(b"[]"), &|own| own.to_owned()).is_err());
    let body = Bytes::from_static(br#" {"id":"resp_1", "x":1.50,"previous_response_id":null} "#);
    let with = RESPONSES.with_ids(&body, &|own| format!("{own}!")).unwrap();
    assert_eq!(with, r#" {"id":"resp_1!", "x":1.50,"previous_response_id":null} "#);
}

fn page(ids: &[&str], more: bool) -> Vec<u8> {
    let items: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
    json!({"object": "list", "data": items, "has_more": more, "first_id": ids.first(),
        "last_id": ids.last()})
    .to_string()
    .into_bytes()
}

fn joined(pages: &[Vec<u8>], limit: Option<usize>) -> (Vec<String>, bool, Value) {
    let names = ["a", "b", "c"];
    let ids: Vec<_> = names.iter().map(|name| move |own: &str| format!("{name}:{own}")).collect();
    let pages: Vec<_> = pages
        .iter()
        .zip(&ids)
        .map(|(body, id)| Page { body, id: id as &dyn Fn(&str) -> String })
        .collect();
    let list = seen(&OPENAI.joined(&pages, limit).unwrap());
    let ids = list["data"].as_array().unwrap().iter();
    let ids = ids.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    (ids, list["has_more"].as_bool().unwrap(), list["last_id"].clone())
}

#[test]
fn pages_follow_each_other_and_wait_for_what_is_left_of_those_before() {
    let pages = [page(&["1", "2"], false), page(&["3"], false), page(&[], false)];
    let (ids, more, last) = joined(&pages, None);
    assert_eq!((ids, more), (vec!["a:1".into(), "a:2".into(), "b:3".into()], false));
    assert_eq!(last, "b:3");
    // A limit cuts in the middle of a page, or between two that have something.
    let (ids, more, last) = joined(&pages, Some(1));
    assert_eq!((ids.len(), more, last), (1, true, json!("a:1")));
    let (ids, more, _) = joined(&pages, Some(2));
    assert_eq!((ids.len(), more), (2, true));
    let (ids, more, _) = joined(&pages, Some(3));
    assert_eq!((ids.len(), more), (3, false));
    // What a key has more of comes before what the next one has.
    let pages = [page(&["1", "2"], true), page(&["3"], false)];
    let (ids, more, last) = joined(&pages, Some(3));
    assert_eq!((ids.len(), more, last), (2, true, json!("a:2")));
    let (ids, more, last) = joined(&[page(&[], false)], Some(3));
    assert_eq!((ids.len(), more, last), (0, false, Value::Null));
}

#[test]
fn pages_with_tokens_are_whole() {
    let page = |ids: &[&str], next: Option<&str>| {
        let items: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"data": items, "next_page": next}).to_string().into_bytes()
    };
    let joined = |pages: &[Vec<u8>], limit| {
        let ids = ["a", "b"].map(|name| move |own: &str| format!("{name}:{own}"));
        let pages: Vec<_> = pages
            .iter()
            .zip(&ids)
            .map(|(body, id)| Page { body, id: id as &dyn Fn(&str) -> String })
            .collect();
        let list = seen(&ANTHROPIC.joined(&pages, limit).unwrap());
        assert!(list.get(MORE).is_none());
        (list["data"].as_array().unwrap().len(), list["next_page"].clone())
    };
    let pages = [page(&["1", "2"], None), page(&["3"], None)];
    assert_eq!(joined(&pages, None), (3, Value::Null));
    assert_eq!(joined(&pages, Some(3)), (3, Value::Null));
    assert_eq!(joined(&pages, Some(2)), (2, json!("b:page_")));
    let pages = [page(&["1"], None), page(&["3"], Some("page_x"))];
    assert_eq!(joined(&pages, Some(2)), (2, json!("b:page_x")));
    let pages = [page(&["1"], Some("page_y")), page(&["3"], None)];
    assert_eq!(joined(&pages, Some(9)), (1, json!("a:page_y")));
    assert_eq!(joined(&[page(&[], None)], None), (0, Value::Null));
}

#[test]
fn what_a_batch_is_made_from_is_read_and_replaced() {
    let body = Bytes::from_static(br#"{"input_file_id":"ours","provider":"groq","metadata":{}}"#);
    let origin = OPENAI.origin(&body).unwrap();
    assert_eq!(origin.provider.as_deref(), Some("groq"));
    assert_eq!(origin.input, ["ours"]);
    let sent = OPENAI.sent(&body, &["file-1".to_owned()]).unwrap();
    assert_eq!(sent, r#"{"input_file_id":"file-1","metadata":{}}"#);
    let fault = OPENAI.origin(br#"{"input_file_id":7}"#).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("input_file_id"));
    let body = Bytes::from_static(br#"{"requests":[]}"#);
    assert_eq!(ANTHROPIC.origin(&body).unwrap(), Origin::default());
    assert_eq!(ANTHROPIC.sent(&body, &[]).unwrap(), body);
}

#[test]
fn a_batch_of_mistrals_has_lists_of_files_and_lists_have_numbered_pages() {
    let mistral = OPENAI.of(Form::Mistral);
    let job = Bytes::from_static(br#"{"id":"1","input_files":["a","b"],"output_file":null}"#);
    let with = mistral.with_ids(&job, &|own| format!("<{own}>")).unwrap();
    assert_eq!(with, r#"{"id":"<1>","input_files":["<a>","<b>"],"output_file":null}"#);
    let body = Bytes::from_static(br#"{"input_files":["x","y"],"endpoint":"/v1/ocr"}"#);
    assert_eq!(mistral.origin(&body).unwrap().input, ["x", "y"]);
    let sent = mistral.sent(&body, &["a".to_owned(), "b".to_owned()]).unwrap();
    assert_eq!(sent, r#"{"input_files":["a","b"],"endpoint":"/v1/ocr"}"#);
    let page = |id: &str| json!({"data": [{"id": id}], "object": "list", "total": 3}).to_string();
    let bodies = [page("1"), page("2")];
    let id = |own: &str| own.to_owned();
    let pages = bodies.iter().map(|body| Page { body: body.as_bytes(), id: &id });
    let joined = seen(&mistral.joined(&pages.collect::<Vec<_>>(), Some(1)).unwrap());
    let expected = json!({"data": [{"id": "1"}, {"id": "2"}], "object": "list", "total": 6});
    assert_eq!(joined, expected);
}

#[test]
fn names_of_geminis_are_changed_where_they_are_and_nowhere_else() {
    let id = |own: &str| format!("{own}9");
    let operation = json!({"name": "batches/b", "done": true, "metadata": {
        "name": "batches/b", "model": "models/m", "output": {"responsesFile": "files/o"},
        "inputConfig": {"fileName": "files/i", "requests": {"name": "files/no"}}},
        "response": {"responsesFile": "files/o", "inlinedResponses": [{"name": "files/no"}]}});
    let with = seen(&GEMINI.with_ids(&operation.to_string().into(), &id).unwrap());
    let expected = json!({"name": "batches/b9", "done": true, "metadata": {
        "name": "batches/b9", "model": "models/m", "output": {"responsesFile": "files/o9"},
        "inputConfig": {"fileName": "files/i9", "requests": {"name": "files/no"}}},
        "response": {"responsesFile": "files/o9", "inlinedResponses": [{"name": "files/no"}]}});
    assert_eq!(with, expected);
    let file = json!({"file": {"name": "files/a", "displayName": "files/a",
        "uri": "https://h/v1beta/files/a", "downloadUri": "https://h/v1/files/a:download?alt=media"}});
    let with = seen(&GEMINI.with_ids(&file.to_string().into(), &id).unwrap());
    let expected = json!({"file": {"name": "files/a9", "displayName": "files/a",
        "uri": "https://h/v1beta/files/a9", "downloadUri": "https://h/v1/files/a9:download?alt=media"}});
    assert_eq!(with, expected);
    let bodies = [r#"{"files":[{"name":"files/a"}]}"#, "{}", r#"{"nextPageToken":"t"}"#];
    let pages = bodies.iter().map(|body| Page { body: body.as_bytes(), id: &id });
    let joined = seen(&GEMINI.joined(&pages.collect::<Vec<_>>(), None).unwrap());
    assert_eq!(joined, json!({"files": [{"name": "files/a9"}], "nextPageToken": "t9"}));
    let pages = [Page { body: b"{}", id: &id }];
    assert_eq!(seen(&GEMINI.joined(&pages, None).unwrap()), json!({}));
}
