//! Pictures from files: what the model is sent of them.

use base64::Engine as _;
use greenroom::protocol::TurnStatus;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, Transport};

/// The size of the picture in a data URL.
fn size(url: &Value) -> (usize, usize) {
    let (kind, encoded) = url.as_str().unwrap().split_once(',').unwrap();
    assert_eq!(kind, "data:image/png;base64");
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    let size = imagesize::blob_size(&bytes).unwrap();
    (size.width, size.height)
}

#[tokio::test]
async fn large_pictures_are_scaled_unless_the_original_is_asked_for() {
    let mut server = TestServer::with(Transport::Ws, "", &["-c", "model=\"gpt-5.4\""]).await;
    let large = server.work().join("large.png");
    let picture = RgbImage::from_pixel(3000, 1000, Rgb([20, 200, 90]));
    picture.save_with_format(&large, ImageFormat::Png).unwrap();
    for (call, arguments) in [
        ("c1", json!({"path": "large.png"})),
        ("c2", json!({"path": "large.png", "detail": "original"})),
    ] {
        server.model.add(Reply::call("view_image", arguments, call));
    }
    server.model.say("seen");
    let client = server.client().await;
    let thread = client.thread().await;
    let input = json!([{"type": "text", "text": "look"}, {"type": "localImage", "path": large}]);
    let started = client
        .call_raw("turn/start", json!({"threadId": thread, "input": input}))
        .await
        .unwrap();
    let turn = started["turn"]["id"].as_str().unwrap();
    assert_eq!(client.done(turn).await.status, TurnStatus::Completed);

    let requests = server.model.requests();
    let items = requests[2]["input"].as_array().unwrap();
    let outputs: Vec<_> = items
        .iter()
        .filter(|item| item["type"] == "function_call_output")
        .map(|item| {
            (
                size(&item["output"][0]["image_url"]),
                item["output"][0]["detail"].clone(),
            )
        })
        .collect();
    assert_eq!(
        outputs,
        [((2048, 683), json!("high")), ((3000, 1000), json!("original"))]
    );
    let parts = items.iter().filter_map(|item| item["content"].as_array()).flatten();
    let attached: Vec<_> = parts.filter(|part| part["type"] == "input_image").collect();
    assert_eq!(attached.len(), 1);
    assert_eq!(size(&attached[0]["image_url"]), (2048, 683));
}
