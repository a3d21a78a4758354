use super::*;

fn refusal(text: &str) -> Option<String> {
    check_text(Path::new("/h/config.toml"), text)
        .err()
        .map(|error| error.to_string())
}

fn unknown(place: &str, key: &str) -> Option<String> {
    Some(format!("/h/config.toml:{place}: unknown configuration field `{key}`"))
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    assert_eq!(refusal("model = 'x'\nmodell = 'y'\n"), unknown("2:1", "modell"));
    assert_eq!(refusal("[history]\nsize = 1\n"), unknown("2:1", "history.size"));
    assert_eq!(refusal("history.size = 1\n"), unknown("1:9", "history.size"));
    assert_eq!(refusal("\n[greetings]\n"), unknown("2:2", "greetings"));
    assert_eq!(
        refusal("[features]\nnone_such = true\n"),
        unknown("2:1", "features.none_such")
    );
}

#[test]
fn the_first_of_several_is_told() {
    assert_eq!(refusal("b = 1\na = 1\n"), unknown("2:1", "a"));
}

#[test]
fn names_that_the_user_chooses_are_free_and_what_is_below_them_is_not() {
    let fine = "
        model = 'm'
        [profiles.mine]
        model = 'm'
        [profiles.mine.features]
        apps = true
        [projects.'/a/b.c']
        trust_level = 'trusted'
        [model_providers.mine]
        name = 'mine'
        base_url = 'http://localhost'
        http_headers = { anything = 'x' }
        [mcp_servers.mine]
        command = 'x'
        env = { ANYTHING = 'x' }
    ";
    assert_eq!(refusal(fine), None);
    for (section, key) in [
        ("[profiles.mine]", "profiles.mine.typo"),
        ("[profiles.mine.features]", "profiles.mine.features.typo"),
        ("[projects.'/a']", "projects./a.typo"),
        ("[model_providers.mine]", "model_providers.mine.typo"),
        ("[model_providers.mine.auth]", "model_providers.mine.auth.typo"),
        ("[mcp_servers.mine]", "mcp_servers.mine.typo"),
    ] {
        assert_eq!(refusal(&format!("{section}\ntypo = 1\n")), unknown("2:1", key));
    }
}

#[test]
fn sections_of_others_are_not_looked_into() {
    assert_eq!(
        refusal("[desktop]\nanything = 1\n[tui]\nanything = 1\n[hooks]\nanything = 1\n"),
        None
    );
}

#[test]
fn text_that_is_no_toml_is_refused_where_it_breaks() {
    let refused = refusal("model = \n").expect("a refusal");
    assert!(refused.starts_with("/h/config.toml:1:9: "), "{refused}");
}

#[test]
fn flags_are_looked_at_too() {
    let loader = |key: &str, value: &str| {
        let home = tempfile::tempdir().expect("a folder");
        let flags = [(key.to_owned(), value.to_owned())];
        ConfigLoader::new(home.path().into(), home.path().into(), &flags).check_strict()
    };
    assert_eq!(loader("history.max_bytes", "1"), Ok(()));
    for (key, value) in [("history.size", "1"), ("history", "{ size = 1 }")] {
        let refused = loader(key, value).expect_err("a refusal").to_string();
        assert_eq!(
            refused,
            "unknown configuration field `history.size` in -c/--config override"
        );
    }
}
