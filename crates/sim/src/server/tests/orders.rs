//! Orders: what is asked for now and fetched later.

use super::*;

const TARGET: &str = "/v1/models/meta/llama/predictions";
const BODY: &str = r#"{"input":{"prompt":"hi"}}"#;

/// A call with more headers than a key.
async fn call(running: &Running, head: &str, headers: &str, body: &str) -> Heard {
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{head} HTTP/1.1\r\nhost: sim\r\n{headers}connection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let ended = socket.read_to_end(&mut bytes).await.map(drop);
    Heard { text: String::from_utf8(bytes).unwrap(), ended }
}

const KEY: &str = "authorization: Bearer k1\r\n";

fn path(order: &Value, name: &str) -> String {
    let url = order["urls"][name].as_str().unwrap();
    url.strip_prefix("http://sim").unwrap().to_owned()
}

async fn order(running: &Running, model: &str, headers: &str) -> Value {
    let target = TARGET.replace("meta/llama", model);
    let headers = format!("{KEY}{headers}");
    let heard = call(running, &format!("POST {target}"), &headers, BODY).await;
    assert_eq!(heard.status(), 201, "{}", heard.text);
    heard.json()
}

#[tokio::test]
async fn an_order_is_open_until_its_work_is_done() {
    let running = start(Settings::default()).await;
    let made = order(&running, "sim:latency=300", "").await;
    assert_eq!((&made["status"], &made["output"]), (&json!("processing"), &Value::Null));
    let (id, at) = (made["id"].clone(), path(&made, "get"));
    let look = async || call(&running, &format!("GET {at}"), KEY, "").await;
    assert_eq!(look().await.json()["status"], "processing");
    tokio::time::sleep(Duration::from_millis(350)).await;
    let done = look().await.json();
    assert_eq!((&done["status"], &done["id"]), (&json!("succeeded"), &id));
    assert!(done["output"].to_string().contains("You said: hi"), "{done}");
    let other = call(&running, &format!("GET {at}"), "authorization: Bearer k2\r\n", "").await;
    assert_eq!(other.status(), 404);
    let waited = order(&running, "sim:latency=300", "prefer: wait=5\r\n").await;
    assert_eq!(waited["status"], "succeeded");
    let wrong = format!("{KEY}prefer: wait=61\r\n");
    let wrong = call(&running, &format!("POST {TARGET}"), &wrong, BODY).await;
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn an_order_can_be_given_up_while_it_is_open() {
    let running = start(Settings::default()).await;
    for (model, status) in [("sim:latency=60000", "canceled"), ("sim:tag=x", "succeeded")] {
        let made = order(&running, model, "").await;
        let cancel = call(&running, &format!("POST {}", path(&made, "cancel")), KEY, "").await;
        assert_eq!((cancel.status(), &cancel.json()["status"]), (200, &json!(status)));
        let look = call(&running, &format!("GET {}", path(&made, "get")), KEY, "").await;
        assert_eq!(look.json()["status"], status);
    }
    let nobody = call(&running, "POST /v1/predictions/x/cancel", KEY, "").await;
    assert_eq!(nobody.status(), 404);
}

#[tokio::test]
async fn events_come_from_a_place_of_their_own() {
    let running = start(Settings::default()).await;
    let made = order(&running, "sim:chunks=3", "").await;
    let at = format!("GET {}", path(&made, "stream"));
    assert_eq!(call(&running, &at, KEY, "").await.status(), 406);
    let headers = format!("{KEY}accept: text/event-stream\r\n");
    let heard = call(&running, &at, &headers, "").await;
    assert_eq!(heard.text.matches("event: output").count(), 3, "{}", heard.text);
    assert!(heard.text.contains("event: done\ndata: {}"), "{}", heard.text);
}

#[tokio::test]
async fn an_order_fails_as_it_is_told_to() {
    let running = start(Settings::default()).await;
    let made = order(&running, "sim:error=1,code=E1001", "prefer: wait\r\n").await;
    assert_eq!(made["status"], "failed");
    assert!(made["error"].as_str().unwrap().contains("(E1001)"), "{made}");
    let headers = format!("{KEY}accept: text/event-stream\r\n");
    let heard = call(&running, &format!("GET {}", path(&made, "stream")), &headers, "").await;
    assert_eq!(heard.text.matches("event: output").count(), 1, "{}", heard.text);
    assert!(heard.text.contains("event: error\ndata: {\"detail\":"), "{}", heard.text);
    assert!(heard.text.contains("\"reason\": \"error\""), "{}", heard.text);
    let refused = format!("POST {}", TARGET.replace("meta/llama", "sim:status=429,retry-after=7"));
    let refused = call(&running, &refused, KEY, BODY).await;
    assert_eq!((refused.status(), &refused.json()["status"]), (429, &json!(429)));
    assert!(refused.text.contains("retry-after: 7"), "{}", refused.text);
}
