//! The network of confined commands: through the proxy to hosts that are allowed, and nothing past it.

mod asking;
mod host;

use serde_json::{Value, json};

use self::host::Host;
use crate::harness::{Process, Reply, ScriptedModel, TestServer, Transport, home_with};
use crate::sandbox::stage::{Stage, Target, Way};

/// A profile that lets commands reach this machine by its address, and one host less.
const PROFILE: &str = "default_permissions = \"web\"\n[permissions.web.filesystem]\n\":root\" = \"read\"\n\
     \":workspace_roots\" = \"write\"\n[permissions.web.network]\nenabled = true\n";
const DOMAINS: &str = "[permissions.web.network.domains]\n\"127.0.0.1\" = \"allow\"\n\"**.allowed.example\" = \"allow\"\n\
     \"bad.allowed.example\" = \"deny\"\n";

/// Ways past the proxy. `OUT` is a folder with services of this machine, `PORT` one by TCP, `SERVER` one that the proxy
/// would reach.
const PAST: &[(&str, &str)] = &[
    (
        "a direct connection",
        "exec 3<>/dev/tcp/127.0.0.1/SERVER && echo WORKED",
    ),
    (
        "a direct connection to another one",
        "exec 3<>/dev/tcp/127.0.0.1/PORT && echo WORKED",
    ),
    ("the same by IPv6", "exec 3<>/dev/tcp/::1/SERVER && echo WORKED"),
    ("a host elsewhere", "exec 3<>/dev/tcp/1.1.1.1/443 && echo WORKED"),
    ("a datagram elsewhere", "echo x > /dev/udp/1.1.1.1/53 && echo WORKED"),
    (
        "a socket of this machine",
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un(\"OUT/stream\")) && print \"WORKED\"'",
    ),
    (
        "a datagram to this machine",
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_DGRAM, 0) && send(S, \"x\", 0, sockaddr_un(\"OUT/datagram\")) && print \"WORKED\"'",
    ),
    (
        "a datagram from a pair",
        "perl -MSocket -e 'socketpair(A, B, PF_UNIX, SOCK_DGRAM, 0) && send(A, \"x\", 0, sockaddr_un(\"OUT/datagram\")) && print \"WORKED\"'",
    ),
    (
        "an abstract socket",
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un(\"\\0NAME\")) && print \"WORKED\"'",
    ),
    (
        "raw packets",
        "perl -MSocket -e 'socket(S, PF_INET, SOCK_RAW, 1) && print \"WORKED\"'",
    ),
    (
        "packets of a device",
        "perl -e 'socket(S, 17, 3, 0) && print \"WORKED\"'",
    ),
    (
        "the kernel's own sockets",
        "perl -e 'socket(S, 16, 3, 0) && print \"WORKED\"'",
    ),
    (
        "a host of this virtual machine",
        "perl -e 'socket(S, 40, 1, 0) && print \"WORKED\"'",
    ),
    (
        "the network of another process",
        "nsenter -t PID -n true && echo WORKED",
    ),
    ("a network in it", "unshare -Urn true && echo WORKED"),
];

async fn only_what_is_allowed_is_reached(way: Way) {
    if !way.works_here() {
        return;
    }
    let target = Target::new(Some(way));
    let host = Host::start().await;
    let mut stage = Stage::configured(&format!("{PROFILE}{DOMAINS}"), &[], Some(way)).await;
    let output = stage
        .run("echo $HTTP_PROXY:$NO_PROXY:$CODEX_SANDBOX_NETWORK_DISABLED:", json!({}))
        .await;
    assert!(
        output.contains("http://127.0.0.1:3128:localhost,") && output.contains("/16::"),
        "{way:?}: {output}"
    );

    let output = stage.run(&host.get("127.0.0.1"), json!({})).await;
    assert!(
        output.contains("200 OK") && output.contains("hello"),
        "{way:?}: {output}"
    );
    let output = stage.run(&host.tunnel("127.0.0.1"), json!({})).await;
    assert!(
        output.contains("200 OK") && output.contains("hello"),
        "{way:?}: {output}"
    );
    let output = stage.run(&host.socks("127.0.0.1"), json!({})).await;
    assert!(
        output.contains("05 00 00 01") && output.contains("hello"),
        "{way:?}: {output}"
    );
    let heard = host.heard();
    let address = format!("Host: 127.0.0.1:{}\r\n", host.port);
    assert!(
        heard[0].starts_with("GET /path HTTP/1.1\r\n") && heard[0].contains(&address),
        "{heard:?}"
    );
    assert!(!heard[0].to_lowercase().contains("proxy"), "{heard:?}");
    assert!(
        heard[1].starts_with("GET /sealed ") && heard[2].starts_with("GET /socks "),
        "{heard:?}"
    );

    for (name, why, line) in [
        ("bad.allowed.example", "denied", "Domain denied by the sandbox policy."),
        ("other.example", "not_allowed", "Domain not in allowlist."),
        (
            "localhost",
            "not_allowed_local",
            "Sandbox policy blocks local/private network addresses.",
        ),
        (
            "169.254.169.254",
            "not_allowed_local",
            "Sandbox policy blocks local/private network addresses.",
        ),
    ] {
        let output = stage.run(&host.get(name), json!({})).await;
        let said = serde_json::from_str::<String>(&output).unwrap_or_default();
        assert!(
            said.contains("403 Forbidden") && said.contains(&format!("\"reason\":\"{why}\"")),
            "{way:?}: {name}: {output}"
        );
        let output = stage.run(&host.tunnel(name), json!({})).await;
        assert!(
            output.contains("403 Forbidden") && output.contains(line),
            "{way:?}: {name}: {output}"
        );
        let output = stage.run(&host.socks(name), json!({})).await;
        assert!(
            output.contains("05 02 00 01") && !output.contains("hello"),
            "{way:?}: {name}: {output}"
        );
    }
    // Nobody looks at datagrams.
    let script = "exec 3<>/dev/tcp/127.0.0.1/3128; printf '\\x05\\x01\\x00' >&3; head -c 2 <&3 >/dev/null; \
                  printf '\\x05\\x03\\x00\\x01\\0\\0\\0\\0\\0\\0' >&3; head -c 10 <&3 | od -An -tx1";
    let output = stage.run(script, json!({})).await;
    assert!(output.contains("05 07 00 01"), "{way:?}: {output}");

    let mut escaped = Vec::new();
    for (name, script) in PAST {
        let script = target.aim(script, &stage).replace("SERVER", &host.port.to_string());
        let output = stage.run(&script, json!({})).await;
        if output.contains("WORKED") || !output.contains("Process exited") || output.contains("cannot be set up") {
            escaped.push((name, output));
        }
    }
    assert!(escaped.is_empty(), "{way:?}: {escaped:#?}");
    assert_eq!(host.heard().len(), 3);
    // What is inside is the command's own.
    let own = "perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(8080, INADDR_LOOPBACK)); listen(S, 1); \
               socket(C, PF_INET, SOCK_STREAM, 0); connect(C, sockaddr_in(8080, INADDR_LOOPBACK)) && print \"REACHED\"'";
    let output = stage.run(own, json!({})).await;
    assert!(output.contains("REACHED"), "{way:?}: {output}");
}

#[tokio::test]
async fn only_what_is_allowed_is_reached_by_mounts() {
    only_what_is_allowed_is_reached(Way::MOUNTS).await;
}

#[tokio::test]
async fn only_what_is_allowed_is_reached_by_mounts_of_an_ordinary_user() {
    only_what_is_allowed_is_reached(Way {
        ordinary: true,
        ..Way::MOUNTS
    })
    .await;
}

#[tokio::test]
async fn only_what_is_allowed_is_reached_by_bubblewrap() {
    only_what_is_allowed_is_reached(Way::BUBBLEWRAP).await;
}

#[tokio::test]
async fn where_the_network_cannot_be_filtered_there_is_none() {
    if !Way::LANDLOCK.works_here() {
        return;
    }
    let host = Host::start().await;
    let config = format!("{PROFILE}{DOMAINS}").replace("\":workspace_roots\" = \"write\"\n", "");
    let mut stage = Stage::configured(&config, &[], Some(Way::LANDLOCK)).await;
    let told = stage.client.log().iter().any(|message| {
        message["method"] == "warning" && message["params"]["message"].to_string().contains("no network at all")
    });
    assert!(told, "{:#?}", stage.client.log());
    let script = format!(
        "echo :$HTTP_PROXY:$CODEX_SANDBOX_NETWORK_DISABLED; exec 3<>/dev/tcp/127.0.0.1/{} && echo WORKED",
        host.port
    );
    let output = stage.run(&script, json!({})).await;
    assert!(output.contains("::1") && !output.contains("WORKED"), "{output}");
    let output = stage.run(&host.get("127.0.0.1"), json!({})).await;
    assert!(!output.contains("hello"), "{output}");
}

#[tokio::test]
async fn in_limited_mode_commands_read_what_the_proxy_can_see() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let host = Host::start().await;
    let config = format!("{PROFILE}mode = \"limited\"\n{DOMAINS}");
    let mut stage = Stage::configured(&config, &[], None).await;
    let output = stage.run(&host.get("127.0.0.1"), json!({})).await;
    assert!(output.contains("hello"), "{output}");
    for script in [
        host.ask("POST", "127.0.0.1"),
        host.tunnel("127.0.0.1"),
        host.socks("127.0.0.1"),
    ] {
        let output = stage.run(&script, json!({})).await;
        let refused = ["method_not_allowed", "403 Forbidden", "05 02"]
            .iter()
            .any(|sign| output.contains(sign));
        assert!(refused && !output.contains("hello"), "{output}");
    }
    assert_eq!(host.heard().len(), 1);
}

#[tokio::test]
async fn commands_of_clients_are_held_to_the_same() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let host = Host::start().await;
    let stage = Stage::configured(&format!("{PROFILE}{DOMAINS}"), &[], None).await;
    let run = async |script: &str, more: Value| {
        let mut params = json!({"command": ["bash", "-c", script]});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        stage.client.call_raw("command/exec", params).await.unwrap()["stdout"].to_string()
    };
    assert!(run(&host.get("127.0.0.1"), json!({})).await.contains("hello"));
    assert!(run(&host.get("other.example"), json!({})).await.contains("not_allowed"));
    let direct = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{} && echo WORKED; echo :$CODEX_SANDBOX_NETWORK_DISABLED:",
        host.port
    );
    assert!(run(&direct, json!({})).await.contains("\"::"));
    // A policy of the request's own knows nothing of the profile's hosts.
    let closed = json!({"sandboxPolicy": {"type": "readOnly", "networkAccess": false}});
    assert!(run(&direct, closed).await.contains("\":1:"));
}

#[tokio::test]
async fn the_feature_filters_what_would_be_open() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let host = Host::start().await;
    let config = "[sandbox_workspace_write]\nnetwork_access = true\n[features.network_proxy]\nenabled = true\n\
                  [features.network_proxy.domains]\n\"127.0.0.1\" = \"allow\"\n";
    let mut stage = Stage::configured(config, &["-c", "sandbox_mode=\"workspace-write\""], None).await;
    assert!(stage.run(&host.get("127.0.0.1"), json!({})).await.contains("hello"));
    assert!(
        stage
            .run(&host.get("other.example"), json!({}))
            .await
            .contains("not_allowed")
    );
    // Where the policy has no network there is no way to the proxy either.
    let thread = json!({"threadId": stage.thread, "input": [{"type": "text", "text": "go"}],
        "sandboxPolicy": {"type": "readOnly", "networkAccess": false}});
    let script = json!({"cmd": host.get("127.0.0.1"), "login": false});
    stage.server.model.add(Reply::call("exec_command", script, "closed"));
    let turn = stage.client.call_raw("turn/start", thread).await.unwrap();
    stage.client.done(turn["turn"]["id"].as_str().unwrap()).await;
    assert!(
        !stage
            .server
            .model
            .output_of("closed")
            .unwrap()
            .to_string()
            .contains("hello")
    );
    assert_eq!(host.heard().len(), 1);
}

#[tokio::test]
async fn the_servers_own_proxy_is_used() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let proxy = Host::start().await;
    let model = ScriptedModel::start().await;
    let root = home_with(&model, &format!("{PROFILE}{DOMAINS}"));
    let mut process = Process::default();
    let address = format!("http://me:secret@127.0.0.1:{}", proxy.port);
    for (name, value) in [
        ("HTTP_PROXY", &*address),
        ("HTTPS_PROXY", &*address),
        ("NO_PROXY", "127.0.0.1"),
    ] {
        process.env.push((name.to_owned(), value.to_owned()));
    }
    let mut server = TestServer::started(root, model, Transport::Ws, &[], process).await;
    let client = server.client().await;
    let thread = client.thread().await;
    // Names that are not known here may be known there.
    for (call, script) in [
        ("c1", proxy.get("a.allowed.example")),
        ("c2", proxy.tunnel("a.allowed.example")),
    ] {
        let arguments = json!({"cmd": script, "login": false});
        server.model.add(Reply::call("exec_command", arguments, call));
        client.turn(&thread, "go").await;
        let output = server.model.output_of(call).unwrap().to_string();
        assert!(output.contains("200 OK") && output.contains("hello"), "{output}");
    }
    let heard = proxy.heard();
    let asked = format!("GET http://a.allowed.example:{}/path HTTP/1.1\r\n", proxy.port);
    assert!(
        heard[0].starts_with(&asked) && heard[0].to_lowercase().contains("proxy-authorization: basic "),
        "{heard:?}"
    );
    let asked = format!("CONNECT a.allowed.example:{} HTTP/1.1\r\n", proxy.port);
    assert!(
        heard[1].starts_with(&asked) && heard[1].contains("Proxy-Authorization: Basic "),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_pattern_that_is_none_is_an_error() {
    for (domains, why) in [
        ("\"http://a.example\" = \"allow\"", "is no pattern for hosts"),
        ("\"*\" = \"deny\"", "unsupported global wildcard domain pattern"),
        ("\"a.example\" = \"perhaps\"", "perhaps"),
    ] {
        let config = format!("{PROFILE}[permissions.web.network.domains]\n{domains}\n");
        let model = ScriptedModel::start().await;
        let root = home_with(&model, &config);
        let mut server = TestServer::on(root, model, Transport::Ws, &[]).await;
        let client = server.client().await;
        let error = client.call_raw("thread/start", json!({})).await.unwrap_err();
        assert!(error.message.contains(why), "{}", error.message);
    }
}
