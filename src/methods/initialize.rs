//! `initialize`: the handshake of a connection.
//!
//! It never waits, so the dispatcher finishes it before it looks at the connection's next message. After the response the
//! client alone is told what every new client is told: warnings about the configuration, the state of remote control.

use crate::protocol::{AbsolutePathBuf, InitializeParams, InitializeResponse};
use crate::rpc::client::ClientInfo;
use crate::rpc::context::RequestContext;
use crate::rpc::{RpcError, identity};

/// Accepts the client, once.
pub async fn initialize(cx: RequestContext, params: InitializeParams) -> Result<InitializeResponse, RpcError> {
    if cx.client.info().is_some() {
        return Err(RpcError::invalid_request("Already initialized"));
    }
    let (name, version) = (params.client_info.name, params.client_info.version);
    if !identity::is_header_value(&name) {
        return Err(RpcError::invalid_request(format!(
            "Invalid clientInfo.name: '{name}'. Must be a valid HTTP header value."
        )));
    }
    let codex_home = AbsolutePathBuf::new(&cx.services.home)
        .ok_or_else(|| RpcError::internal("the server's home is not an absolute path"))?;
    cx.services.identity.introduce(&name);
    let response = InitializeResponse {
        codex_home,
        platform_family: std::env::consts::FAMILY.to_owned(),
        platform_os: std::env::consts::OS.to_owned(),
        user_agent: cx.services.user_agent(&name, &version),
    };
    cx.client
        .initialize(ClientInfo::new(name, version, params.capabilities));
    let (client, services) = (cx.client.clone(), cx.services.clone());
    cx.after(move || {
        tokio::spawn(async move {
            for notice in services.notices.current(&services).await.iter() {
                client.notify(notice);
            }
        });
    });
    Ok(response)
}
