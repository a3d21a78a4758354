//! Plans and citations in streamed text, in whole and in pieces of any size.

use proptest::prelude::*;

use super::*;

fn joined(pieces: &[&str], plan_mode: bool) -> (String, String) {
    let mut filter = VisibleText::new(plan_mode);
    let (mut message, mut plan) = (String::new(), String::new());
    let mut take = |piece: TextPiece<'_>| match piece {
        TextPiece::Message(text) => message.push_str(&text),
        TextPiece::Plan(text) => plan.push_str(&text),
        TextPiece::PlanStart | TextPiece::PlanEnd => {}
    };
    for piece in pieces {
        filter.push(piece).into_iter().for_each(&mut take);
    }
    filter.finish().into_iter().for_each(&mut take);
    (message, plan)
}

#[test]
fn plain_text_passes_unchanged_and_at_once() {
    let mut filter = VisibleText::new(false);
    assert_eq!(filter.push("Hel"), [TextPiece::Message("Hel".into())]);
    assert_eq!(filter.push("a < b"), [TextPiece::Message("a < b".into())]);
}

#[test]
fn a_plan_on_its_own_lines_is_taken_out() {
    let text = "Intro\n<proposed_plan>\n- one\n- two\n</proposed_plan>\nOutro";
    let mut filter = VisibleText::new(true);
    assert_eq!(
        filter.push(text),
        [
            TextPiece::Message("Intro\n".into()),
            TextPiece::PlanStart,
            TextPiece::Plan("- one\n- two\n".into()),
            TextPiece::PlanEnd,
            TextPiece::Message("Outro".into()),
        ]
    );
    let whole = WholeText::split(text, true);
    assert_eq!(
        (whole.message.as_str(), whole.plan.as_deref()),
        ("Intro\nOutro", Some("- one\n- two\n"))
    );
    assert_eq!(WholeText::split(text, false).message, text);
}

#[test]
fn a_tag_inside_a_line_is_text() {
    let text = "see <proposed_plan> here\n";
    assert_eq!(joined(&[text], true), (text.to_owned(), String::new()));
}

#[test]
fn a_plan_without_end_reaches_to_the_end() {
    assert_eq!(WholeText::split("<proposed_plan>\nx", true).plan.as_deref(), Some("x"));
}

#[test]
fn citations_are_read_and_hidden() {
    let text = "Known.<oai-mem-citation>\n<citation_entries>\nMEMORY.md:2-5|note=[how to build]\n</citation_entries>\n\
                <rollout_ids>\nabc\n</rollout_ids>\n</oai-mem-citation>";
    let whole = WholeText::split(text, false);
    assert_eq!(whole.message, "Known.");
    let citation = whole.citation.expect("a citation");
    assert_eq!(
        (citation.entries[0].path.as_str(), citation.entries[0].line_start),
        ("MEMORY.md", 2)
    );
    assert_eq!(citation.thread_ids, ["abc"]);
}

proptest! {
    #[test]
    fn the_cut_does_not_matter(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "\n", " ", "<proposed_plan>", "</proposed_plan>", "<", "<prop", "<oai-mem-citation>",
            "</oai-mem-citation>", "é",
        ]), 0..24),
        plan_mode: bool,
    ) {
        let whole = parts.concat();
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        prop_assert_eq!(joined(&[&whole], plan_mode), joined(&letters, plan_mode));
        prop_assert_eq!(joined(&parts, plan_mode), joined(&letters, plan_mode));
    }
}
