//! The variables by which programs learn of the proxy.

use super::door::PORT;

/// Who reads the address of an HTTP proxy, one way or another.
const HTTP: [&str; 21] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "npm_config_http_proxy",
    "npm_config_https_proxy",
    "npm_config_proxy",
    "NPM_CONFIG_HTTP_PROXY",
    "NPM_CONFIG_HTTPS_PROXY",
    "NPM_CONFIG_PROXY",
    "BUNDLE_HTTP_PROXY",
    "BUNDLE_HTTPS_PROXY",
    "PIP_PROXY",
    "DOCKER_HTTP_PROXY",
    "DOCKER_HTTPS_PROXY",
    "WS_PROXY",
    "WSS_PROXY",
    "ws_proxy",
    "wss_proxy",
];
/// Who can do with SOCKS.
const ANY: [&str; 4] = ["ALL_PROXY", "all_proxy", "FTP_PROXY", "ftp_proxy"];
/// Who is told what is reached without a proxy.
const WITHOUT: [&str; 6] = [
    "NO_PROXY",
    "no_proxy",
    "npm_config_noproxy",
    "NPM_CONFIG_NOPROXY",
    "YARN_NO_PROXY",
    "BUNDLE_NO_PROXY",
];
/// What a command that has a network of its own reaches there, or nowhere.
const NEAR: &str = "localhost,127.0.0.1,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16";

/// The variables for a command behind the proxy. `socks`: SOCKS5 is spoken. `local`: local addresses may be reached.
pub fn variables(socks: bool, local: bool) -> Vec<(&'static str, String)> {
    let http = format!("http://127.0.0.1:{PORT}");
    let any = match socks {
        true => format!("socks5h://127.0.0.1:{PORT}"),
        false => http.clone(),
    };
    let mut variables = vec![
        ("CODEX_NETWORK_PROXY_ACTIVE", "1".to_owned()),
        ("CODEX_NETWORK_ALLOW_LOCAL_BINDING", u8::from(local).to_string()),
        ("ELECTRON_GET_USE_PROXY", "true".to_owned()),
        ("NODE_USE_ENV_PROXY", "1".to_owned()),
    ];
    variables.extend(HTTP.map(|name| (name, http.clone())));
    variables.extend(ANY.map(|name| (name, any.clone())));
    variables.extend(WITHOUT.map(|name| (name, NEAR.to_owned())));
    variables
}
