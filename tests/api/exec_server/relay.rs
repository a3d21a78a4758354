//! Requests that an exec-server makes for its client.

use super::*;

#[tokio::test]
async fn requests_are_relayed_whole_or_in_pieces() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let site = answering("201 Created", "hello").await;
    let request = json!({"method": "POST", "url": site.0, "requestId": "r", "headers": [{"name": "x-q", "value": "1"}],
        "bodyBase64": encoded("body")});
    let answer = client.call_raw("http/request", request.clone()).await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["bodyBase64"]),
        (&json!(201), &json!(encoded("hello")))
    );
    assert_eq!(answer["headers"][0], json!({"name": "x-a", "value": "1"}));
    let asked = site.1.lock().unwrap().clone();
    assert!(asked.contains("x-q: 1") && asked.ends_with("body"), "{asked}");
    let streamed = client
        .call_raw("http/request", with(request, json!({"streamResponse": true})))
        .await
        .unwrap();
    assert_eq!(streamed["bodyBase64"], "");
    let log = client
        .until("the end of the body", |log| {
            log.iter().any(|m| m["params"]["done"] == true)
        })
        .await;
    let deltas: Vec<&Value> = log.iter().filter(|m| m["method"] == "http/request/bodyDelta").collect();
    assert_eq!(deltas[0]["params"]["deltaBase64"], encoded("hello"));
    assert_eq!(
        (&deltas[1]["params"]["seq"], &deltas[1]["params"]["done"]),
        (&json!(2), &json!(true))
    );
}

/// A site that gives one answer to everything, and what it was asked last.
pub(super) async fn answering(status: &str, body: &str) -> (String, std::sync::Arc<std::sync::Mutex<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let heard = asked.clone();
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nx-a: 1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 4096];
            let mut text = String::new();
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                text += &String::from_utf8_lossy(&bytes[..count]);
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    break;
                }
            }
            *heard.lock().unwrap() = text;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}
