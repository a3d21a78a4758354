//! Files through an exec-server.

use super::*;

#[tokio::test]
async fn files_are_read_written_listed_copied_and_removed() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let at = |name: &str| server.work().join(name).display().to_string();
    let ok = |method: &'static str, params: Value| {
        let client = client.clone();
        async move {
            client
                .call_raw(method, params)
                .await
                .unwrap_or_else(|e| panic!("{method}: {e:?}"))
        }
    };
    ok("fs/createDirectory", json!({"path": at("d/e")})).await;
    ok(
        "fs/writeFile",
        json!({"path": at("d/e/a"), "dataBase64": encoded("hi")}),
    )
    .await;
    let read = ok("fs/readFile", json!({"path": at("d/./x/../e/a"), "sandbox": null})).await;
    assert_eq!(read, json!({"dataBase64": encoded("hi")}));
    ok(
        "fs/copy",
        json!({"sourcePath": at("d"), "destinationPath": at("f"), "recursive": true}),
    )
    .await;
    // Onto itself: nothing is lost.
    ok(
        "fs/copy",
        json!({"sourcePath": at("f/e/a"), "destinationPath": at("f/e/a"), "recursive": false}),
    )
    .await;
    assert_eq!(std::fs::read_to_string(at("f/e/a")).unwrap(), "hi");
    std::os::unix::fs::symlink(at("d"), at("link")).unwrap();
    let found = ok("fs/getMetadata", json!({"path": at("link")})).await;
    assert_eq!(
        (&found["isDirectory"], &found["isSymlink"]),
        (&json!(true), &json!(true))
    );
    let listed = ok("fs/readDirectory", json!({"path": at("d/e")})).await;
    assert_eq!(
        listed,
        json!({"entries": [{"fileName": "a", "isDirectory": false, "isFile": true}]})
    );
    ok("fs/remove", json!({"path": at("link")})).await;
    assert!(Path::new(&at("d/e/a")).exists());
    ok("fs/remove", json!({"path": at("d")})).await;
    ok("fs/remove", json!({"path": at("d")})).await;
    nix::unistd::mkfifo(Path::new(&at("pipe")), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        ok("fs/readFile", json!({"path": at("pipe")})).await,
        json!({"dataBase64": ""})
    );
}

#[tokio::test]
async fn an_operation_on_files_keeps_to_its_sandbox_or_is_not_done() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    // Not below /tmp, which the context leaves writable.
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let inside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("way-out")).unwrap();
    std::fs::create_dir(inside.path().join(".git")).unwrap();
    let context = |entries: Value| {
        json!({"permissions": {"type": "managed", "file_system": {"type": "restricted", "entries": entries},
            "network": "restricted"}, "windowsSandboxLevel": "disabled"})
    };
    let root = json!({"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"});
    let entry = |path: &Path, access: &str| json!({"path": {"type": "path", "path": path}, "access": access});
    let workspace = context(json!([
        root,
        entry(inside.path(), "write"),
        entry(&inside.path().join(".git"), "read")
    ]));
    let write = |path: &Path, sandbox: &Value| json!({"path": path, "dataBase64": encoded("x"), "sandbox": sandbox});
    let done = client
        .call_raw("fs/writeFile", write(&inside.path().join("a"), &workspace))
        .await;
    assert_eq!(done.unwrap(), json!({}));
    for kept in ["way-out/a", ".git/config"] {
        let said = refused(&client, "fs/writeFile", write(&inside.path().join(kept), &workspace)).await;
        assert_eq!(said, (-32603, "Permission denied (os error 13)".to_owned()), "{kept}");
    }
    assert!(!outside.path().join("a").exists());
    let read = json!({"path": inside.path().join("a"), "sandbox": workspace});
    assert_eq!(
        client.call_raw("fs/readFile", read).await.unwrap(),
        json!({"dataBase64": encoded("x")})
    );
    // Where the sandbox cannot hide anything, nothing is done at all.
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let hidden = context(json!([root, entry(outside.path(), "none")]));
    let peek = json!({"path": outside.path().join("secret"), "sandbox": hidden});
    assert!(client.call_raw("fs/readFile", peek).await.is_err());
    // Only one folder may be read: not even what the operation's own program needs.
    std::fs::write(inside.path().join("a.env"), "s").unwrap();
    let closed = json!({"path": {"type": "glob_pattern", "pattern": "/**/*.env"}, "access": "none"});
    let narrow = [
        context(json!([entry(inside.path(), "read")])),
        context(json!([entry(inside.path(), "read"), closed])),
    ];
    let secret = outside.path().join("secret");
    let library = Path::new("/etc/ld.so.cache");
    for (path, context, readable) in [
        (&*inside.path().join("a"), &narrow[0], true),
        (&*inside.path().join("a.env"), &narrow[0], true),
        (&secret, &narrow[0], false),
        (&inside.path().join("way-out/secret"), &narrow[0], false),
        (library, &narrow[0], false),
        (&inside.path().join("a.env"), &narrow[1], false),
    ] {
        let read = json!({"path": path, "sandbox": context});
        let read = client.call_raw("fs/readFile", read).await;
        assert_eq!(read.is_ok(), readable, "{}: {read:?}", path.display());
    }
}
