use std::collections::HashMap;

use super::*;

fn load(file: &str, variables: &[(&str, &str)], flags: Layer) -> Result<Settings, SettingsError> {
    let home = tempfile::tempdir().expect("a temporary home");
    if !file.is_empty() {
        std::fs::write(home.path().join(FILE_NAME), file).expect("the settings file");
    }
    let mut all: HashMap<String, String> = variables.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    all.insert("GREENROOM_HOME".into(), home.path().display().to_string());
    Settings::from_layers(|name| all.get(name).cloned(), flags)
}

#[test]
fn the_home_comes_from_ours_then_the_peers_then_the_users() {
    let home = |variables: &[(&str, &str)]| {
        let all: HashMap<&str, &str> = variables.iter().copied().collect();
        resolve_home(&|name: &str| all.get(name).map(|v| v.to_string())).map(|h| h.display().to_string())
    };
    assert_eq!(
        home(&[("GREENROOM_HOME", "/g"), ("CODEX_HOME", "/c"), ("HOME", "/h")]).unwrap(),
        "/g"
    );
    assert_eq!(
        home(&[("GREENROOM_HOME", ""), ("CODEX_HOME", "/c"), ("HOME", "/h")]).unwrap(),
        "/c"
    );
    assert_eq!(home(&[("HOME", "/h")]).unwrap(), "/h/.greenroom");
    assert!(home(&[]).is_err());
    assert!(home(&[("CODEX_HOME", "rel")]).unwrap().starts_with('/'));
}

#[test]
fn layers_go_file_then_environment_then_flags() {
    let file = "drain_timeout_seconds = 1\nin_flight_limit = 2\nhttp_workers = 3\ndurability = \"item\"\n";
    let variables = [("GREENROOM_IN_FLIGHT_LIMIT", "20"), ("GREENROOM_HTTP_WORKERS", "30")];
    let flags = Layer {
        http_workers: Some(1),
        ..Layer::default()
    };
    let settings = load(file, &variables, flags).unwrap();
    assert_eq!(settings.drain_timeout, Duration::from_secs(1));
    assert_eq!(settings.in_flight_limit, 20);
    assert_eq!(settings.http_workers, 1);
    assert_eq!(settings.durability, Durability::Item);
    assert_eq!(settings.frame_limit, 16 << 20);
}

#[test]
fn an_unknown_key_is_named() {
    let error = load("drain_timeout_seconds = 1\ndrain_timeot = 2\n", &[], Layer::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("unknown field `drain_timeot`"), "{text}");
    assert!(text.contains("line 2"), "{text}");
}

#[test]
fn a_bad_variable_is_named() {
    let error = load("", &[("GREENROOM_HTTP_WORKERS", "many")], Layer::default()).unwrap_err();
    assert!(error.to_string().starts_with("GREENROOM_HTTP_WORKERS: "), "{error}");
}

#[test]
fn nonsense_is_refused() {
    assert!(load("http_workers = 0", &[], Layer::default()).is_err());
    assert!(load("heartbeat_timeout_seconds = 5", &[], Layer::default()).is_err());
    assert!(load("admin_token = 'short'", &[], Layer::default()).is_err());
}

#[test]
fn secrets_do_not_show() {
    let settings = load("admin_token = '0123456789abcdef'", &[], Layer::default()).unwrap();
    assert!(!format!("{settings:?}").contains("0123456789"));
}

#[test]
fn origins_are_a_list_or_comma_separated() {
    let list = load(
        "",
        &[("GREENROOM_ALLOWED_ORIGINS", "http://a, http://b")],
        Layer::default(),
    )
    .unwrap();
    assert_eq!(list.allowed_origins, ["http://a", "http://b"]);
    let toml = load("", &[("GREENROOM_ALLOWED_ORIGINS", "['http://a']")], Layer::default()).unwrap();
    assert_eq!(toml.allowed_origins, ["http://a"]);
}

#[test]
fn a_numeric_looking_token_is_text() {
    let settings = load("", &[("GREENROOM_ADMIN_TOKEN", "1234567890123456")], Layer::default()).unwrap();
    assert_eq!(settings.admin_token, Some(Secret::new("1234567890123456")));
}

#[test]
fn the_example_file_shows_the_defaults() {
    let example = include_str!("../../config/greenroom.example.toml");
    let read = load(example, &[], Layer::default()).unwrap();
    let defaults = Settings::defaults(read.home.clone());
    assert_eq!(read, defaults);
}
