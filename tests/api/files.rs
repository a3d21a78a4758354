//! The files of the server's machine: read, written, copied, removed, watched, found by name.

use std::fs;
use std::path::Path;

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, TestServer, Transport, within};

async fn refused(client: &Client, method: &str, params: Value) -> (i64, String) {
    let error = client.call_raw(method, params).await.expect_err(method);
    (error.code, error.message)
}

fn mkfifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[tokio::test]
async fn a_large_file_comes_whole_and_ends_no_connection() {
    use base64::Engine;
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    // Encoded, it is larger than all that may ever wait for a client, and two of them more so.
    let bytes: Vec<u8> = (0..60 << 20).map(|at: u32| (at % 251) as u8).collect();
    let path = server.work().join("large");
    fs::write(&path, &bytes).unwrap();
    let ids = [0, 1].map(|_| client.start("fs/readFile", json!({"path": path})));
    let expected = base64::engine::general_purpose::STANDARD.encode(&bytes);
    for id in ids {
        let answer = client.answer_to(id).await.unwrap();
        assert!(answer["dataBase64"] == expected, "another file");
    }
}

#[tokio::test]
async fn nothing_waits_for_a_pipe() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let (pipe, file) = (server.work().join("pipe"), server.work().join("file"));
    mkfifo(&pipe);
    fs::write(&file, "x").unwrap();
    let no_file = (-32600, "not an ordinary file".to_owned());
    assert_eq!(refused(&client, "fs/readFile", json!({"path": pipe})).await, no_file);
    assert_eq!(
        refused(&client, "fs/writeFile", json!({"path": pipe, "dataBase64": "eA=="})).await,
        no_file
    );
    assert_eq!(
        refused(&client, "fs/copy", json!({"sourcePath": file, "destinationPath": pipe})).await,
        no_file
    );
}

#[tokio::test]
async fn copies_keep_links_merge_folders_and_never_empty_their_source() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let at = |name: &str| server.work().join(name);
    let copy = async |from: &str, to: &str, recursive: bool| {
        let params = json!({"sourcePath": at(from), "destinationPath": at(to), "recursive": recursive});
        client.call_raw("fs/copy", params).await
    };
    fs::create_dir_all(at("tree/inner")).unwrap();
    fs::write(at("tree/inner/file"), "new").unwrap();
    std::os::unix::fs::symlink("inner/file", at("tree/link")).unwrap();
    mkfifo(&at("tree/pipe"));
    fs::create_dir_all(at("old/inner")).unwrap();
    fs::write(at("old/inner/file"), "old").unwrap();
    fs::write(at("old/kept"), "kept").unwrap();

    copy("tree", "old", true).await.unwrap();
    assert_eq!(fs::read_to_string(at("old/inner/file")).unwrap(), "new");
    assert_eq!(fs::read_to_string(at("old/kept")).unwrap(), "kept");
    assert_eq!(fs::read_link(at("old/link")).unwrap(), Path::new("inner/file"));
    assert!(!at("old/pipe").exists());

    copy("old/kept", "old/kept", false).await.unwrap();
    std::os::unix::fs::symlink(at("old/kept"), at("alias")).unwrap();
    copy("old/kept", "alias", false).await.unwrap();
    assert_eq!(fs::read_to_string(at("old/kept")).unwrap(), "kept");

    std::os::unix::fs::symlink(at("tree"), at("door")).unwrap();
    for into in ["tree", "tree/inner/deeper", "door/in"] {
        let error = copy("tree", into, true).await.unwrap_err();
        assert_eq!(
            error.message,
            "fs/copy cannot copy a directory to itself or one of its descendants"
        );
    }
    copy("tree", "tree-too", true).await.unwrap();
    client
        .call_raw("fs/remove", json!({"path": format!("{}/", at("door").display())}))
        .await
        .unwrap();
    assert!(!at("door").exists() && at("tree/inner/file").exists());
}

/// What is told of a watch, path by path, until this path was told.
async fn changed(client: &Client, id: &str, path: &Path) {
    let told = |n: &FsChangedNotification| n.watch_id == id && n.changed_paths.iter().any(|p| p.as_path() == path);
    client.next_where(told).await;
}

#[tokio::test]
async fn a_watched_file_is_the_one_of_that_name_whatever_becomes_of_it() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let file = server.work().join("deep/down/file");
    let watch = client.call_raw(
        "fs/watch",
        json!({"watchId": "w", "path": server.work().join("deep/up/../down/./file")}),
    );
    assert_eq!(watch.await.unwrap(), json!({"path": file}));
    for _ in 0..2 {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "1").unwrap();
        changed(&client, "w", &file).await;
        fs::write(server.work().join("other"), "2").unwrap();
        fs::rename(server.work().join("other"), &file).unwrap();
        changed(&client, "w", &file).await;
        fs::write(&file, "3").unwrap();
        changed(&client, "w", &file).await;
        fs::remove_dir_all(server.work().join("deep")).unwrap();
        changed(&client, "w", &file).await;
    }
    let told = client.log().into_iter().filter(|m| m["method"] == "fs/changed");
    for message in told {
        assert_eq!(
            message["params"]["changedPaths"],
            json!([file]),
            "siblings and folders are not told"
        );
    }
}

#[tokio::test]
async fn a_watched_link_tells_when_what_it_leads_to_comes_back() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let (file, link) = (server.work().join("folder/file"), server.work().join("link"));
    fs::create_dir(server.work().join("folder")).unwrap();
    std::os::unix::fs::symlink("folder/file", &link).unwrap();
    client
        .call_raw("fs/watch", json!({"watchId": "w", "path": link}))
        .await
        .unwrap();
    for _ in 0..2 {
        fs::write(&file, "1").unwrap();
        changed(&client, "w", &link).await;
        fs::remove_file(&file).unwrap();
        changed(&client, "w", &link).await;
    }
}

#[tokio::test]
async fn dots_in_a_path_are_taken_out_by_its_text() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let at = |path: &str| format!("{}/{path}", server.work().display());
    let made = json!({"path": at("nowhere/../made/./up/../down/")});
    client.call_raw("fs/createDirectory", made).await.unwrap();
    assert!(server.work().join("made/down").is_dir() && !server.work().join("made/up").exists());
    fs::write(at("made/file"), "text").unwrap();
    for path in ["none/../made/file", "made//./file", "made/file/"] {
        let read = client.call_raw("fs/readFile", json!({"path": at(path)})).await.unwrap();
        assert_eq!(read, json!({"dataBase64": "dGV4dA=="}), "{path}");
    }
    let within = json!({"sourcePath": at("made"), "destinationPath": at("none/../made/in"), "recursive": true});
    assert_eq!(refused(&client, "fs/copy", within).await.0, -32600);
    let ran = json!({"command": ["pwd"], "cwd": at("none/../made")});
    let ran = client.call_raw("command/exec", ran).await.unwrap();
    assert_eq!(ran["stdout"], format!("{}\n", at("made")));
}

#[tokio::test]
async fn two_names_of_a_folder_are_two_watches_each_with_its_own_words() {
    let mut server = TestServer::start(Transport::Ws).await;
    let (one, two) = (server.client().await, server.client().await);
    let (folder, link) = (server.work().join("folder"), server.work().join("link"));
    fs::create_dir_all(folder.join("inner")).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    for (client, path) in [(&one, &folder), (&two, &link)] {
        client
            .call_raw("fs/watch", json!({"watchId": "same", "path": path}))
            .await
            .unwrap();
    }
    let taken = refused(&one, "fs/watch", json!({"watchId": "same", "path": link})).await;
    assert_eq!(taken, (-32600, "watchId already exists: same".to_owned()));
    fs::write(folder.join("inner/unseen"), "x").unwrap();
    fs::write(folder.join("a"), "x").unwrap();
    changed(&one, "same", &folder.join("a")).await;
    changed(&two, "same", &link.join("a")).await;

    // Once unwatched, nothing more is told, while the other watch goes on.
    one.call_raw("fs/unwatch", json!({"watchId": "same"})).await.unwrap();
    let before = one.log().len();
    fs::write(folder.join("b"), "x").unwrap();
    changed(&two, "same", &link.join("b")).await;
    one.call_raw("fs/unwatch", json!({"watchId": "same"})).await.unwrap();
    assert_eq!(one.log().len(), before + 1, "the answer alone");
}

fn paths(files: &Value) -> Vec<&str> {
    let files = files.as_array().unwrap();
    files.iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn files_are_found_best_first_and_ignored_ones_are_not() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    for name in [
        "src/alphabet.rs",
        "src/al/phab.rs",
        "target/alphab.rs",
        ".hidden/alphabeta",
    ] {
        let path = server.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::write(server.work().join(".gitignore"), "target/\n").unwrap();
    fs::create_dir(server.work().join(".git")).unwrap();
    let find = async |query: &str| {
        let params = json!({"query": query, "roots": [server.work()], "cancellationToken": "t"});
        client.call_raw("fuzzyFileSearch", params).await.unwrap()["files"].clone()
    };
    assert_eq!(
        paths(&find("ALPHAB").await),
        [".hidden/alphabeta", "src/alphabet.rs", "src/al/phab.rs"]
    );
    assert_eq!(find("").await, json!([]));
}

#[tokio::test]
async fn a_session_tells_everybody_of_the_latest_query_only() {
    let mut server = TestServer::start(Transport::Ws).await;
    let (one, two) = (server.client().await, server.client().await);
    for at in 0..3000 {
        fs::write(server.work().join(format!("file-{at}.txt")), "").unwrap();
    }
    let start = json!({"sessionId": "s", "roots": [server.work()]});
    one.call_raw("fuzzyFileSearch/sessionStart", start).await.unwrap();
    let typed = "file-2999";
    let letters = (1..=typed.len()).map(|end| {
        one.start(
            "fuzzyFileSearch/sessionUpdate",
            json!({"sessionId": "s", "query": typed[..end]}),
        )
    });
    for id in letters.collect::<Vec<_>>() {
        one.answer_to(id).await.unwrap();
    }
    for client in [&one, &two] {
        let last = |n: &FuzzyFileSearchSessionUpdatedNotification| n.query == typed && !n.files.is_empty();
        let found = client.next_where(last).await.files;
        assert_eq!(found[0].path, "file-2999.txt");
        let log = client.until("the end", |log| {
            log.last()
                .is_some_and(|m| m["method"] == "fuzzyFileSearch/sessionCompleted")
        });
        let log = log.await;
        let queries = log.iter().filter(|m| m["method"] == "fuzzyFileSearch/sessionUpdated");
        let lengths: Vec<_> = queries.map(|m| m["params"]["query"].as_str().unwrap().len()).collect();
        assert!(lengths.is_sorted(), "no older query after a newer one: {lengths:?}");
    }
    // Whoever started it ends it by leaving.
    one.close();
    let gone = async {
        loop {
            let update = json!({"sessionId": "s", "query": "x"});
            if let Err(error) = two.call_raw("fuzzyFileSearch/sessionUpdate", update).await {
                return error.message;
            }
        }
    };
    let message = within("the end of the session", gone).await;
    assert_eq!(message, "fuzzy file search session not found: s");
}
