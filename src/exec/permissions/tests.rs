use serde_json::{Value, json};

use super::*;
use crate::exec::sandbox::policy::{Confinement, Place};
use crate::protocol::{AbsolutePathBuf, GrantedPermissionProfile};

fn cwd() -> AbsolutePathBuf {
    AbsolutePathBuf::rooted("/work")
}

fn asked(permissions: Value) -> Grants {
    let profile: RequestPermissionProfile = serde_json::from_value(permissions).unwrap();
    profile.grants(&cwd())
}

fn answered(permissions: Value) -> Grants {
    let profile: GrantedPermissionProfile = serde_json::from_value(permissions).unwrap();
    Grants::from_wire(profile.file_system, profile.network)
}

fn told(grants: &Grants) -> Value {
    serde_json::to_value(grants.told()).unwrap()
}

#[test]
fn paths_are_taken_from_the_folder_of_the_call_and_listed_once() {
    let grants = asked(json!({"file_system": {"write": ["rel/x", "/work/./rel/x", ""], "read": ["/etc"]}}));
    assert_eq!(
        told(&grants),
        json!({"network": null, "file_system": {"read": ["/etc"], "write": ["/work/rel/x", "/work"]}})
    );
    let (files, network) = grants.to_wire();
    let files = serde_json::to_value(files).unwrap();
    assert_eq!(
        files["entries"][0],
        json!({"path": {"type": "path", "path": "/etc"}, "access": "read"})
    );
    assert_eq!((files.get("globScanMaxDepth"), network), (None, None));
    let special = asked(json!({"file_system": {"entries": [
        {"path": {"type": "path", "path": "/work"}, "access": "write"},
        {"path": {"type": "special", "value": {"kind": "tmpdir"}}, "access": "write"},
    ]}}));
    let files = serde_json::to_value(special.to_wire().0).unwrap();
    assert_eq!((&files["read"], &files["write"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_is_no_permission_is_an_error() {
    for (permissions, why) in [
        (
            json!({"bogus": 1}),
            "unknown field `bogus`, expected `network` or `file_system`",
        ),
        (
            json!({"network": true}),
            "invalid type: boolean `true`, expected struct NetworkPermissions",
        ),
        (
            json!({"file_system": {"write": [], "glob_scan_max_depth": 2}}),
            "data did not match any variant of untagged enum FileSystemPermissionsDe",
        ),
        (
            json!({"file_system": {"entries": [{"path": "/etc", "access": "read"}]}}),
            "data did not match any variant of untagged enum FileSystemPermissionsDe",
        ),
    ] {
        let error = serde_json::from_value::<RequestPermissionProfile>(permissions).unwrap_err();
        assert_eq!(error.to_string(), why);
    }
    for nothing in [json!({}), json!({"network": {}}), json!({"file_system": {"read": []}})] {
        assert!(asked(nothing).is_empty());
    }
    assert!(!asked(json!({"network": {"enabled": false}})).is_empty());
}

#[test]
fn no_answer_grants_more_than_the_question() {
    let question = asked(json!({"network": {"enabled": true}, "file_system": {"write": ["/work"], "read": ["/etc"]}}));
    for (answer, granted) in [
        (json!({}), json!({"network": null, "file_system": null})),
        (
            json!({"network": {"enabled": false}}),
            json!({"network": null, "file_system": null}),
        ),
        (
            json!({"fileSystem": {"write": ["/work/sub", "/", "/etc"]}}),
            json!({"network": null, "file_system": {"write": ["/work/sub"]}}),
        ),
        (
            json!({"network": {"enabled": true}, "fileSystem": {"read": ["/work", "/opt"]}}),
            json!({"network": {"enabled": true}, "file_system": {"read": ["/work"]}}),
        ),
        (
            json!({"fileSystem": {"entries": [{"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"}]}}),
            json!({"network": null, "file_system": null}),
        ),
        (
            json!({"fileSystem": {"entries": [
                {"path": {"type": "special", "value": {"kind": "project_roots", "subpath": "s"}}, "access": "write"}]}}),
            json!({"network": null, "file_system": {"write": ["/work/s"]}}),
        ),
    ] {
        assert_eq!(
            told(&answered(answer.clone()).limited_to(&question, &cwd())),
            granted,
            "{answer}"
        );
    }
    let holed = asked(json!({"file_system": {"entries": [
        {"path": {"type": "path", "path": "/work"}, "access": "write"},
        {"path": {"type": "path", "path": "/work/s"}, "access": "none"},
    ]}}));
    let answer = answered(json!({"fileSystem": {"write": ["/work", "/work/s/x"]}})).limited_to(&holed, &cwd());
    assert_eq!(
        told(&answer)["file_system"]["entries"],
        json!([
            {"path": {"type": "path", "path": "/work"}, "access": "write"},
            {"path": {"type": "path", "path": "/work/s"}, "access": "none"},
        ])
    );
}

#[test]
fn granted_permissions_cover_what_they_contain() {
    let granted = asked(json!({"network": {"enabled": true}, "file_system": {"write": ["/work"]}}));
    for (permissions, covered) in [
        (json!({"network": {"enabled": true}}), true),
        (
            json!({"file_system": {"write": ["/work/sub"], "read": ["/work"]}}),
            true,
        ),
        (json!({"file_system": {"write": ["/work", "/opt"]}}), false),
        (json!({"file_system": {"read": ["/etc"]}}), false),
    ] {
        assert_eq!(
            asked(permissions.clone()).covered_by(&granted, &cwd()),
            covered,
            "{permissions}"
        );
    }
    let both = asked(json!({"file_system": {"write": ["/opt"]}})).merged(&granted);
    assert_eq!(
        told(&both),
        json!({"network": {"enabled": true}, "file_system": {"write": ["/opt", "/work"]}})
    );
}

#[test]
fn grants_open_the_network_and_folders_without_what_steers_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let roots = [AbsolutePathBuf::rooted(&root)];
    let place = Place {
        workspace_roots: &roots,
        home: &root,
    };
    let mut confinement = Confinement::default();
    let grants = asked(json!({"network": {"enabled": true}, "file_system": {"write": [root.join("a")]}}));
    grants.widen(&mut confinement, &place);
    assert!(confinement.network);
    assert!(confinement.allows_writing(&root.join("a/b")));
    assert!(!confinement.allows_writing(&root.join("a/.git/config")));
    assert!(!confinement.allows_writing(&root.join("b")));
    asked(json!({"file_system": {"write": [root.join("a/.git")]}})).widen(&mut confinement, &place);
    assert!(confinement.allows_writing(&root.join("a/.git/config")), "it was named");
    assert!(!confinement.allows_writing(&root.join("a/.codex/x")));
}
