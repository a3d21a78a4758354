//! `account/read`: whether the configured provider needs an OpenAI login, and which one is there.
//!
//! Only API keys are known so far: from the environment, or from a stored login's key.

use crate::protocol::{Account, GetAccountParams, GetAccountResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `account/read`. `refreshToken` has nothing to refresh: keys do not expire here.
pub async fn read(cx: RequestContext, _params: GetAccountParams) -> Result<GetAccountResponse, RpcError> {
    let config = cx.services.config.clone();
    let resolved = tokio::task::spawn_blocking(move || {
        let stored = stored_key(config.home());
        config.resolve_own().map(|resolved| (resolved, stored))
    })
    .await
    .map_err(|_| RpcError::internal("failed to read the account"))?;
    let (config, stored) =
        resolved.map_err(|error| RpcError::invalid_request(format!("failed to load configuration: {error}")))?;
    let needed = config.provider.requires_openai_auth;
    let in_environment = std::env::var("OPENAI_API_KEY").is_ok_and(|key| !key.trim().is_empty());
    Ok(GetAccountResponse {
        account: (needed && (in_environment || stored)).then_some(Account::ApiKey),
        requires_openai_auth: needed,
    })
}

/// Whether `auth.json` in the home holds an API key. Blocking.
fn stored_key(home: &std::path::Path) -> bool {
    let Ok(text) = crate::files::read_text(&home.join("auth.json")) else {
        return false;
    };
    let stored: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    stored["OPENAI_API_KEY"].as_str().is_some_and(|key| !key.is_empty())
}
