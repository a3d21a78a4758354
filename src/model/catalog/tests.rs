use super::*;

#[test]
fn names_match_whole_by_longest_prefix_and_without_namespace() {
    assert_eq!(find("gpt-5.4-mini").default_verbosity, Some(Verbosity::Medium));
    assert_eq!(find("gpt-5.4-mini-2026").default_verbosity, Some(Verbosity::Medium));
    assert_eq!(find("gpt-5.4").default_verbosity, Some(Verbosity::Low));
    assert!(!find("gpt-5.3-codex-foo").fallback);
    assert!(!find("vendor/gpt-5.2").fallback);
    assert_eq!(find("vendor/gpt-5.2").slug, "vendor/gpt-5.2");
    assert!(find("a/b/gpt-5.2").fallback);
    assert!(find("mock-model").fallback);
}

#[test]
fn fallback_has_the_plain_window() {
    let model = find("mock-model");
    assert_eq!(model.effective_context_window(), 258_400);
    assert!(!model.reasons() && !model.parallel_tool_calls && !model.apply_patch);
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
