//! A call, from the patch to what clients, the rollout and the model are told.

use super::*;
use crate::engine::tools::trial::{Told, Trial};
use crate::protocol::{AskForApproval, SandboxPolicy};

const PATCH: &str = "*** Begin Patch\n*** Add File: new.txt\n+one\n+two\n*** End Patch";

/// Each method, with the status of its item if it has one.
fn outline(told: &[Told]) -> Vec<String> {
    let status = |params: &Value| params["item"]["status"].as_str().map(|status| format!(" {status}"));
    told.iter()
        .map(|(method, params)| format!("{method}{}", status(params).unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_patch_is_shown_applied_recorded_and_told() {
    let mut trial = Trial::new(|settings| {
        settings.approval_policy = AskForApproval::Never;
        settings.sandbox = SandboxPolicy::DangerFullAccess;
    })
    .await;
    let (output, told) = trial.call_text(&ApplyPatch, PATCH, "decline").await;
    assert_eq!(
        output,
        "Exit code: 0\nWall time: 0.0 seconds\nOutput:\nSuccess. Updated the following files:\nA new.txt\n"
    );
    assert_eq!(
        outline(&told),
        [
            "item/started inProgress",
            "item/completed completed",
            "turn/diff/updated"
        ]
    );
    let path = trial.cwd.join("new.txt").display().to_string();
    assert_eq!(
        told[1].1["item"],
        json!({"type": "fileChange", "id": "call_1", "status": "completed",
            "changes": [{"diff": "one\ntwo\n", "kind": {"type": "add"}, "path": path}]})
    );
    let mut changes = serde_json::Map::new();
    changes.insert(path, json!({"type": "add", "content": "one\ntwo\n"}));
    assert_eq!(
        trial.recorded("patch_apply_end"),
        [
            json!({"type": "patch_apply_end", "call_id": "call_1", "turn_id": "turn-1", "success": true,
            "stdout": "Success. Updated the following files:\nA new.txt\n", "stderr": "",
            "changes": changes, "status": "completed"})
        ]
    );
    assert_eq!(
        std::fs::read_to_string(trial.cwd.join("new.txt")).unwrap(),
        "one\ntwo\n"
    );
}

#[tokio::test]
async fn what_does_not_fit_or_may_not_be_is_told_to_the_model_alone() {
    let mut trial = Trial::new(|settings| settings.approval_policy = AskForApproval::Never).await;
    let begin = "apply_patch verification failed: invalid patch: The first line of the patch must be '*** Begin Patch'";
    let blocked = "patch rejected: writing is blocked by read-only sandbox; rejected by user approval settings";
    for (patch, expected) in [
        ("no patch at all", begin),
        (PATCH, blocked),
        ("*** Begin Patch\n*** End Patch", "patch rejected: empty patch"),
    ] {
        let (output, told) = trial.call_text(&ApplyPatch, patch, "accept").await;
        assert_eq!((output.as_str(), told.len()), (expected, 0));
    }
}

#[tokio::test]
async fn asking_shows_the_item_once_and_a_no_is_recorded() {
    let mut trial = Trial::new(|settings| settings.approval_policy = AskForApproval::Untrusted).await;
    let (output, told) = trial.call_text(&ApplyPatch, PATCH, "decline").await;
    assert_eq!(output, "patch rejected by user");
    let asked = "item/fileChange/requestApproval";
    assert_eq!(
        outline(&told),
        ["item/started inProgress", asked, "item/completed declined"]
    );
    assert_eq!(trial.recorded("patch_apply_end")[0]["status"], "declined");
    assert!(!trial.cwd.join("new.txt").exists());

    let (_, told) = trial.call_text(&ApplyPatch, PATCH, "acceptForSession").await;
    assert_eq!(told.len(), 4);
    let (_, told) = trial.call_text(&ApplyPatch, PATCH, "decline").await;
    assert!(
        !outline(&told).iter().any(|line| line == asked),
        "approved for the session"
    );
}

#[tokio::test]
async fn cancel_ends_the_turn_and_leaves_the_item_open() {
    let mut trial = Trial::new(|settings| settings.approval_policy = AskForApproval::Untrusted).await;
    let cancelled = trial.turn.host.cancel.clone();
    tokio::select! {
        _ = trial.call_text(&ApplyPatch, PATCH, "cancel") => panic!("the call must wait to be dropped"),
        () = cancelled.cancelled() => {}
    }
    assert!(trial.recorded("patch_apply_end").is_empty());
}

#[test]
fn a_command_that_is_a_patch_answers_in_json() {
    let outcome = PatchOutcome::Ran {
        exit_code: 0,
        text: "ok\n".into(),
        duration: Duration::from_millis(420),
    };
    assert_eq!(
        outcome.to_command_text(),
        "Wall time: 0.0000 seconds\nOutput:\n{\"output\":\"ok\\n\",\"metadata\":{\"exit_code\":0,\"duration_seconds\":0.4}}"
    );
}
