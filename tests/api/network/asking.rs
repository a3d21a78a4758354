//! Hosts that are on no list, where an administrator has the network filtered: somebody is asked, once, and what is
//! refused ends the command that wanted it.

use greenroom::protocol::methods::server::ItemCommandExecutionRequestApproval;
use greenroom::protocol::*;
use serde_json::{Value, json};

use super::host::Host;
use crate::harness::{Client, Process, Reply, ScriptedModel, TestServer, Transport, home_with};
use crate::sandbox::stage::Way;

const MANAGED: &str = "[experimental_network]\nenabled = true\nallow_local_binding = true\n\
     [experimental_network.domains]\n\"allowed.example\" = \"allow\"\n\"denied.example\" = \"deny\"\n";

/// A server whose administrator has the network filtered, a thread, and a host that nobody has decided about.
struct Scene {
    server: TestServer,
    client: Client,
    thread: String,
    host: Host,
    calls: usize,
}

impl Scene {
    /// None where commands cannot be confined.
    async fn new(config: &str, approval: &str) -> Option<Self> {
        Self::under(MANAGED, config, approval).await
    }

    /// The same with other demands.
    async fn under(demands: &str, config: &str, approval: &str) -> Option<Self> {
        if !Way::MOUNTS.works_here() {
            return None;
        }
        let model = ScriptedModel::start().await;
        let root = home_with(&model, config);
        let file = root.path().join("requirements.toml");
        std::fs::write(&file, demands).unwrap();
        let mut process = Process::default();
        let name = "GREENROOM_REQUIREMENTS_FILE".to_owned();
        process.env.push((name, file.to_str().unwrap().to_owned()));
        let approval = format!("approval_policy=\"{approval}\"");
        let flags = ["-c", "sandbox_mode=\"workspace-write\"", "-c", &approval];
        let mut server = TestServer::started(root, model, Transport::Ws, &flags, process).await;
        let client = server.client().await;
        let thread = client.thread().await;
        let host = Host::start().await;
        Some(Scene {
            server,
            client,
            thread,
            host,
            calls: 0,
        })
    }

    /// Has the model run a script in a turn that begins; the call's id and the turn's.
    async fn begin(&mut self, script: &str) -> (String, String) {
        self.calls += 1;
        let call = format!("c{}", self.calls);
        let arguments = json!({"cmd": script, "login": false, "yield_time_ms": 30000});
        self.server.model.add(Reply::call("exec_command", arguments, &call));
        let turn = self.client.begin(&self.thread, "go").await;
        (call, turn)
    }

    /// What the model is told of a script, with this answer to the question that it raises.
    async fn answered(&mut self, script: &str, decision: Value) -> String {
        let (call, turn) = self.begin(script).await;
        let (id, _) = self.client.asked::<ItemCommandExecutionRequestApproval>().await;
        self.client.reply(&id, json!({"decision": decision}));
        self.client.done(&turn).await;
        self.output(&call)
    }

    /// What the model is told of a script that raises no question.
    async fn unasked(&mut self, script: &str) -> String {
        let asked = self.questions();
        let (call, turn) = self.begin(script).await;
        self.client.done(&turn).await;
        assert_eq!(self.questions(), asked, "{:#?}", self.client.log());
        self.output(&call)
    }

    fn output(&self, call: &str) -> String {
        self.server.model.output_of(call).unwrap().as_str().unwrap().to_owned()
    }

    fn questions(&self) -> usize {
        let methods = self.client.methods();
        methods
            .iter()
            .filter(|method| method.contains("requestApproval"))
            .count()
    }

    fn get(&self) -> String {
        self.host.get("127.0.0.1")
    }

    fn rules(&self) -> String {
        std::fs::read_to_string(self.server.home().join("rules/default.rules")).unwrap_or_default()
    }
}

const BY_USER: &str = "ProcessFailed { message: \"rejected by user\" }";

#[tokio::test]
async fn a_host_is_asked_about_and_an_answer_counts_as_long_as_it_says() {
    let Some(mut scene) = Scene::new("", "on-request").await else {
        return;
    };
    let (call, turn) = scene.begin(&scene.get()).await;
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    let log = scene.client.log();
    let at = log
        .iter()
        .position(|message| message["id"] == id && message.get("method").is_some())
        .unwrap();
    let flags = json!({"type": "active", "activeFlags": ["waitingOnApproval"]});
    assert_eq!(log[at - 1]["params"]["status"], flags);
    assert!(
        log[..at]
            .iter()
            .any(|message| message["method"] == "item/started" && message["params"]["item"]["id"] == *call)
    );
    let mut asked = log[at]["params"].clone();
    let port = scene.host.port;
    assert!(asked["startedAtMs"].is_i64());
    asked.as_object_mut().unwrap().remove("startedAtMs");
    let allow = json!({"host": "127.0.0.1", "action": "allow"});
    let expected = json!({
        "threadId": scene.thread, "turnId": turn, "itemId": format!("network#http#127.0.0.1#{port}"),
        "reason": "127.0.0.1 is not in the allowed_domains",
        "networkApprovalContext": {"host": "127.0.0.1", "protocol": "http"},
        "proposedNetworkPolicyAmendments": [allow, {"host": "127.0.0.1", "action": "deny"}],
        "availableDecisions": ["accept", "acceptForSession",
            {"applyNetworkPolicyAmendment": {"network_policy_amendment": allow}}, "cancel"],
    });
    assert_eq!(asked, expected);
    scene.client.reply(&id, json!({"decision": "accept"}));
    scene.client.done(&turn).await;
    assert!(scene.output(&call).contains("hello"), "{}", scene.output(&call));
    let told = scene.server.model.requests()[0]["input"].to_string();
    let hosts =
        "<network enabled=\\\"true\\\"><allowed>allowed.example</allowed><denied>denied.example</denied></network>";
    assert!(told.contains(hosts), "{told}");

    // Once was once; for the session is for this host, by this protocol, at this port.
    let get = scene.get();
    assert!(scene.answered(&get, json!("acceptForSession")).await.contains("hello"));
    assert!(scene.unasked(&get).await.contains("hello"));
    let (call, turn) = scene.begin(&scene.host.tunnel("127.0.0.1")).await;
    let (id, asked) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    assert_eq!(asked.item_id, format!("network#https#127.0.0.1#{port}"));
    scene.client.reply(&id, json!({"decision": "accept"}));
    scene.client.done(&turn).await;
    assert!(scene.output(&call).contains("hello"));
    let (call, turn) = scene.begin(&scene.host.socks("127.0.0.1")).await;
    let (id, asked) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    assert_eq!(
        asked.network_approval_context.unwrap().protocol,
        NetworkApprovalProtocol::Socks5Tcp
    );
    scene.client.reply(&id, json!({"decision": "accept"}));
    scene.client.done(&turn).await;
    assert!(scene.output(&call).contains("hello"));
}

#[tokio::test]
async fn what_is_refused_ends_the_command() {
    let Some(mut scene) = Scene::new("", "on-request").await else {
        return;
    };
    let script = format!("{}; sleep 60; echo late > late", scene.get());
    for answer in [json!("decline"), json!("nonsense")] {
        let output = scene.answered(&script, answer).await;
        assert!(output.ends_with(BY_USER), "{output}");
        let item = |done: &ItemCompletedNotification| matches!(done.item, ThreadItem::CommandExecution { .. });
        let ThreadItem::CommandExecution {
            status,
            exit_code,
            aggregated_output,
            ..
        } = scene.client.next_where(item).await.item
        else {
            unreachable!()
        };
        assert_eq!((status, exit_code), (CommandExecutionStatus::Failed, Some(-1)));
        assert_eq!(aggregated_output.as_deref(), Some("rejected by user"));
    }
    // The lists refuse without a question.
    let denied = scene.host.get("denied.example");
    let output = scene.unasked(&denied).await;
    let why = "Network access to \\\"denied.example\\\" was blocked: domain is explicitly denied by policy and cannot be \
               approved from this prompt.";
    assert!(output.contains(why), "{output}");
    let (_, turn) = scene.begin(&script).await;
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    scene.client.reply(&id, json!({"decision": "cancel"}));
    assert_eq!(scene.client.done(&turn).await.status, TurnStatus::Interrupted);
    assert!(scene.host.heard().is_empty() && !scene.server.work().join("late").exists());
}

#[tokio::test]
async fn nobody_is_asked_under_never_or_where_nobody_manages_the_network() {
    let Some(mut scene) = Scene::new("", "never").await else {
        return;
    };
    let get = scene.get();
    let output = scene.unasked(&get).await;
    let why =
        "Network access to \\\"127.0.0.1\\\" was blocked: domain is not on the allowlist for the current sandbox mode.";
    assert!(output.contains(why), "{output}");
    assert!(scene.host.heard().is_empty());
}

#[tokio::test]
async fn an_amendment_is_a_rule_from_then_on() {
    let Some(mut scene) = Scene::new("", "on-request").await else {
        return;
    };
    let amend = |host: &str, action: &str| json!({"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": host, "action": action}}});
    let get = scene.get();
    assert!(
        scene
            .answered(&get, amend("127.0.0.1", "allow"))
            .await
            .contains("hello")
    );
    let allowed = "network_rule(host=\"127.0.0.1\", protocol=\"http\", decision=\"allow\", justification=\"Allow http access to \
                   127.0.0.1\")\n";
    assert_eq!(scene.rules(), allowed);
    // By every protocol, and for threads to come.
    let tunnel = scene.host.tunnel("127.0.0.1");
    assert!(scene.unasked(&tunnel).await.contains("hello"));
    let told = scene.server.model.requests().last().unwrap()["input"].to_string();
    assert!(
        told.contains("Allowed network rule saved in execpolicy (allowlist): 127.0.0.1"),
        "{told}"
    );
    scene.thread = scene.client.thread().await;
    assert!(scene.unasked(&get).await.contains("hello"));

    let other = scene.host.get("localhost");
    let output = scene.answered(&other, amend("localhost", "deny")).await;
    assert!(output.ends_with(BY_USER), "{output}");
    assert!(
        scene
            .rules()
            .ends_with("decision=\"deny\", justification=\"Deny http access to localhost\")\n")
    );
    assert!(
        scene
            .unasked(&other)
            .await
            .contains("domain is explicitly denied by policy")
    );

    // About another host than the one in question nothing is kept.
    let third = scene.host.get("127.0.0.2");
    let before = scene.rules();
    scene.answered(&third, amend("*.example", "allow")).await;
    let warning: WarningNotification = scene
        .client
        .next_where(|told: &WarningNotification| told.message.contains("amendment"))
        .await;
    let why = "Failed to apply network policy amendment: network policy amendment host '*.example' does not match \
               approved host '127.0.0.2'";
    assert_eq!(warning.message, why);
    assert_eq!(scene.rules(), before);
}

#[tokio::test]
async fn connections_to_one_host_wait_for_one_answer() {
    let Some(mut scene) = Scene::new("", "on-request").await else {
        return;
    };
    let ask = scene.get().replace("; cat <&3", "; cat <&3 > $n");
    let script = format!("for n in a b c; do ({ask}) & done; wait; cat a b c; echo all");
    let (call, turn) = scene.begin(&script).await;
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;

    scene.client.reply(&id, json!({"decision": "acceptForSession"}));
    scene.client.done(&turn).await;
    let output = scene.output(&call);
    assert_eq!(output.matches("hello").count(), 3, "{output}");
    assert_eq!(scene.questions(), 1);
    // About several hosts a command asks one after the other.
    let [one, other] = ["127.0.0.2", "127.0.0.3"].map(|host| scene.host.get(host));
    let script = format!("({one}) & ({other}) & wait");
    let (_, turn) = scene.begin(&script).await;
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    scene.client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(scene.questions(), 2);
    scene.client.reply(&id, json!({"decision": "accept"}));
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    scene.client.reply(&id, json!({"decision": "accept"}));
    scene.client.done(&turn).await;
}

#[tokio::test]
async fn a_question_outlives_its_client() {
    let Some(mut scene) = Scene::new("", "on-request").await else {
        return;
    };
    let (call, turn) = scene.begin(&scene.get()).await;
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    scene.client.close();
    scene.client.closed().await;
    scene.client = scene.server.client().await;
    let resumed = scene
        .client
        .call_raw("thread/resume", json!({"threadId": scene.thread}))
        .await
        .unwrap();
    let flags = json!({"type": "active", "activeFlags": ["waitingOnApproval"]});
    assert_eq!(resumed["thread"]["status"], flags);
    let (again, asked) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    assert_eq!(again, id);
    assert!(asked.network_approval_context.is_some());
    scene.client.reply(&again, json!({"decision": "accept"}));
    scene.client.done(&turn).await;
    assert!(scene.output(&call).contains("hello"));
}

#[tokio::test]
async fn rules_count_and_answer_questions() {
    let Some(mut scene) = Scene::new("", "on-request").await else {
        return;
    };
    let folder = scene.server.home().join("rules");
    std::fs::create_dir_all(&folder).unwrap();
    let rule = |host: &str, decision: &str| {
        format!("network_rule(host=\"{host}\", protocol=\"https\", decision=\"{decision}\")\n")
    };
    let rules = [
        rule("127.0.0.1", "deny"),
        rule("127.0.0.1", "allow"),
        rule("localhost", "deny"),
        rule("127.0.0.2", "prompt"),
    ];
    std::fs::write(folder.join("hosts.rules"), rules.concat()).unwrap();
    scene.thread = scene.client.thread().await;
    let get = scene.get();
    assert!(scene.unasked(&get).await.contains("hello"));
    let denied = scene.host.get("localhost");
    assert!(scene.unasked(&denied).await.contains("explicitly denied"));
    let prompted = scene.host.get("127.0.0.2");
    assert!(scene.answered(&prompted, json!("decline")).await.contains(BY_USER));
}

#[tokio::test]
async fn a_judge_answers_about_hosts() {
    let Some(scene) = Scene::new("approvals_reviewer = \"auto_review\"\n", "on-request").await else {
        return;
    };
    let arguments = |script: &str| json!({"cmd": script, "login": false, "yield_time_ms": 30000});
    let model = &scene.server.model;
    model.add(Reply::call("exec_command", arguments(&scene.get()), "c1"));
    model.say("{\"outcome\":\"allow\"}");
    model.add(Reply::call(
        "exec_command",
        arguments(&scene.host.tunnel("127.0.0.1")),
        "c2",
    ));
    model.say("{\"outcome\":\"deny\",\"rationale\":\"far too risky\"}");
    scene.client.turn(&scene.thread, "go").await;
    assert!(scene.output("c1").contains("hello"), "{}", scene.output("c1"));
    assert!(scene.output("c2").contains("ProcessFailed") && scene.output("c2").contains("far too risky"));
    assert_eq!((scene.questions(), scene.host.heard().len()), (0, 1));
    let port = scene.host.port;
    let reviews: Vec<Value> = scene
        .client
        .log()
        .into_iter()
        .filter(|message| message["method"] == "item/autoApprovalReview/completed")
        .map(|mut message| message["params"].take())
        .collect();
    let target = format!("http://127.0.0.1:{port}");
    let action =
        json!({"type": "networkAccess", "target": target, "host": "127.0.0.1", "protocol": "http", "port": port});
    assert_eq!(reviews[0]["action"], action);
    assert_eq!(
        (&reviews[0]["targetItemId"], &reviews[0]["review"]["status"]),
        (&Value::Null, &json!("approved"))
    );
    assert_eq!(reviews[1]["review"]["status"], "denied");
    let asked = scene.server.model.requests()[1]["input"].to_string();
    assert!(asked.contains("network_access") && asked.contains(&target), "{asked}");
}

#[tokio::test]
async fn a_command_that_is_waited_for_waits_for_the_answer() {
    let Some(scene) = Scene::new("[features]\nunified_exec = false\n", "on-request").await else {
        return;
    };
    let run = |script: &str, call: &str| {
        let arguments = json!({"command": script, "timeout_ms": 4000});
        scene.server.model.add(Reply::call("shell_command", arguments, call));
    };
    run(&scene.get(), "c1");
    run(&scene.host.tunnel("127.0.0.1"), "c2");
    let turn = scene.client.begin(&scene.thread, "go").await;
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    // Longer than the command has.
    let late = std::time::Instant::now() + std::time::Duration::from_millis(4200);
    while std::time::Instant::now() < late {
        scene.client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    }
    scene.client.reply(&id, json!({"decision": "accept"}));
    let (id, _) = scene.client.asked::<ItemCommandExecutionRequestApproval>().await;
    scene.client.reply(&id, json!({"decision": "decline"}));
    scene.client.done(&turn).await;
    assert!(scene.output("c1").contains("hello"), "{}", scene.output("c1"));
    assert_eq!(scene.output("c2"), "exec command rejected by user");
    let item =
        |done: &ItemCompletedNotification| matches!(&done.item, ThreadItem::CommandExecution { id, .. } if id == "c2");
    let ThreadItem::CommandExecution { status, exit_code, .. } = scene.client.next_where(item).await.item else {
        unreachable!()
    };
    assert_eq!((status, exit_code), (CommandExecutionStatus::Declined, Some(-1)));
}

#[tokio::test]
async fn where_only_an_administrators_hosts_count_nobody_is_asked() {
    let demands = MANAGED.replace("enabled = true", "enabled = true\nmanaged_allowed_domains_only = true");
    let Some(mut scene) = Scene::under(&demands, "", "on-request").await else {
        return;
    };
    let folder = scene.server.home().join("rules");
    std::fs::create_dir_all(&folder).unwrap();
    let rule = "network_rule(host=\"127.0.0.1\", protocol=\"http\", decision=\"allow\")\n";
    std::fs::write(folder.join("hosts.rules"), rule).unwrap();
    scene.thread = scene.client.thread().await;
    let get = scene.get();
    assert!(scene.unasked(&get).await.contains("not on the allowlist"));
    assert!(scene.host.heard().is_empty());
}

#[tokio::test]
async fn demands_that_make_no_sense_start_nothing() {
    let demands = "[experimental_network]\nenabled = true\nallowed_domains = [\"https://a.example\"]\n";
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let file = root.path().join("requirements.toml");
    std::fs::write(&file, demands).unwrap();
    let mut process = Process::default();
    process.env.push((
        "GREENROOM_REQUIREMENTS_FILE".to_owned(),
        file.to_str().unwrap().to_owned(),
    ));
    let mut server = TestServer::started(root, model, Transport::Ws, &[], process).await;
    let client = server.client().await;
    let error = client.call_raw("thread/start", json!({})).await.unwrap_err();
    assert!(error.message.contains("is no pattern for hosts"), "{}", error.message);
    // What is demanded is shown as it stands.
    let shown = client.call_raw("configRequirements/read", json!({})).await.unwrap();
    assert_eq!(
        shown["requirements"]["network"]["allowedDomains"],
        json!(["https://a.example"])
    );
}
