use super::*;

fn find(name: &str) -> ModelInfo {
    bundled().find(name)
}

#[test]
fn names_match_whole_by_longest_prefix_and_without_namespace() {
    assert_eq!(find("gpt-5.4-mini").default_verbosity, Some(Verbosity::Medium));
    assert_eq!(find("gpt-5.4-mini-2026").default_verbosity, Some(Verbosity::Medium));
    assert_eq!(find("gpt-5.4").default_verbosity, Some(Verbosity::Low));
    assert!(!find("gpt-5.3-codex-foo").fallback);
    assert!(!find("vendor/gpt-5.2").fallback);
    assert_eq!(find("vendor/gpt-5.2").slug, "vendor/gpt-5.2");
    for unknown in ["a/b/gpt-5.2", "mock-model", "/gpt-5.2", "ven.dor/gpt-5.2", "gpt", ""] {
        assert!(find(unknown).fallback, "{unknown}");
    }
}

#[test]
fn fallback_has_the_plain_window() {
    let model = find("mock-model");
    assert_eq!(model.effective_context_window(), Some(258_400));
    assert!(!model.reasons && !model.parallel_tool_calls && !model.apply_patch);
}

#[test]
fn tiers_are_taken_by_alias_and_dropped_when_unknown() {
    assert_eq!(find("gpt-5.5").service_tier("fast"), Some("priority"));
    assert_eq!(find("gpt-5.5").service_tier("flex"), None);
    assert_eq!(find("gpt-5.2").service_tier("fast"), None);
}

#[test]
fn overrides_keep_the_mode_of_truncation() {
    let limit = ModelOverrides {
        tool_output_tokens: Some(100),
        ..Default::default()
    };
    assert_eq!(
        find("gpt-5.5").with_overrides(&limit).truncation,
        Truncation::Tokens(100)
    );
    assert_eq!(
        find("gpt-5.2").with_overrides(&limit).truncation,
        Truncation::Bytes(400)
    );
}

#[test]
fn a_window_is_set_within_what_the_model_has() {
    let window = |set: Option<i64>, own: Option<i64>, most: Option<i64>| {
        let model = ModelInfo {
            context_window: own,
            max_context_window: most,
            ..find("gpt-5.5")
        };
        let overrides = ModelOverrides {
            context_window: set,
            ..Default::default()
        };
        model.with_overrides(&overrides)
    };
    assert_eq!(window(None, None, Some(5000)).effective_context_window(), Some(4750));
    assert_eq!(window(Some(9000), Some(4000), Some(5000)).window(), Some(5000));
    assert_eq!(window(Some(300), Some(4000), Some(5000)).window(), Some(300));
    assert_eq!(window(Some(9000), Some(4000), None).window(), Some(9000));
    let unknown = window(None, None, None);
    assert_eq!(
        (unknown.effective_context_window(), unknown.compaction_limit()),
        (None, None)
    );
    let limited = ModelInfo {
        auto_compact_limit: Some(7),
        ..unknown
    };
    assert_eq!(limited.compaction_limit(), Some(7));
    assert_eq!(window(None, Some(1000), None).compaction_limit(), Some(900));
}

#[test]
fn the_first_visible_model_is_the_default() {
    let model = |slug: &'static str, priority: i32, visible: bool, in_api: bool| ModelInfo {
        slug: Cow::Borrowed(slug),
        priority,
        visible,
        in_api,
        ..find("gpt-5.5")
    };
    let models = vec![
        model("late", 5, true, true),
        model("hidden", 0, false, true),
        model("of an account", -1, true, false),
        model("first", 3, true, true),
    ];
    let list = ModelList::new(models, false);
    let slugs: Vec<&str> = list.available().map(|model| &*model.slug).collect();
    assert_eq!(slugs, ["hidden", "first", "late"]);
    assert_eq!(list.default_model(), "first");
    assert!(list.has("hidden") && !list.has("hidden one"));
    assert!(!list.find("rehearsal").fallback);
    assert_eq!(
        ModelList::new(vec![model("of an account", 0, true, false)], false).default_model(),
        "gpt-5.5"
    );
}
