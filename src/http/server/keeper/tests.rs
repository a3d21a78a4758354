use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::http::auth::AuthPolicy;
use crate::http::server::{HttpService, bind};
use crate::settings::Settings;
use crate::startup::{Options, build};
use crate::transport::listen::Listeners;

async fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

#[actix_rt::test]
async fn a_fallen_server_listens_again_where_it_did() {
    let home = tempfile::tempdir().expect("a home");
    let socket = home.path().join("control").join("c.sock");
    let mut settings = Settings::defaults(home.path().to_path_buf());
    settings.http_workers = 1;
    let options = Options {
        settings: Some(settings),
        ..Options::default()
    };
    let server = build(options).await.expect("a server");
    let listeners = Listeners {
        tcp: vec!["127.0.0.1:0".parse().expect("an address")],
        unix: vec![socket.clone()],
        ..Listeners::default()
    };
    let service = bind(server.kernel(), &listeners, AuthPolicy::Open).expect("a listener");
    let address = service.addresses()[0];
    let HttpService { bound, again } = service;
    let keeper = Keeper::start(bound, again);
    assert!(is_ready(address).await.expect("an answer"));

    for _ in 0..2 {
        // Nobody told the keeper, so for it the server has fallen.
        keeper.server().expect("a server").stop(false).await;
        let again = async {
            while !is_ready(address).await.unwrap_or(false) {
                tokio::time::sleep(FIRST_PAUSE / 10).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), again)
            .await
            .expect("it listens again");
        assert!(socket.exists());
    }

    keeper.stop().expect("the server of now").stop(false).await;
    tokio::time::sleep(FIRST_PAUSE * 2).await;
    assert!(
        is_ready(address).await.is_err(),
        "nobody follows a server that was told to stop"
    );
    drop(keeper);
    assert!(!socket.exists());
}
