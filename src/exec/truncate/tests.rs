use proptest::prelude::*;

use super::*;

fn numbers(last: usize) -> String {
    (1..=last).map(|n| format!("{n}\n")).collect()
}

#[test]
fn a_text_within_its_budget_stays() {
    assert!(matches!(
        truncate_middle("abcd", Budget::Tokens(1)),
        Cow::Borrowed("abcd")
    ));
    assert!(matches!(
        truncate_with_line_count("", Budget::Bytes(0)),
        Cow::Borrowed("")
    ));
}

#[test]
fn a_cut_names_what_is_missing() {
    let text = numbers(300);
    assert_eq!(
        truncate_with_line_count(&text, Budget::Tokens(5)),
        "Total output lines: 300\n\n1\n2\n3\n4\n5\n…268 tokens truncated…8\n299\n300\n"
    );
    assert_eq!(
        truncate_with_line_count(&text, Budget::Tokens(0)),
        "Total output lines: 300\n\n…273 tokens truncated…"
    );
    assert_eq!(
        truncate_middle("0123456789", Budget::Bytes(4)),
        "01…6 chars truncated…89"
    );
}

#[test]
fn a_cut_falls_between_characters() {
    let text = "äöü€".repeat(200);
    assert_eq!(
        truncate_middle(&text, Budget::Tokens(10)),
        "äöü€äöü€ä…440 tokens truncated…äöü€äöü€"
    );
}

proptest! {
    #[test]
    fn head_and_tail_survive(text in "\\PC{0,400}", tokens in 0usize..60, by_bytes: bool) {
        let budget = if by_bytes { Budget::Bytes(tokens) } else { Budget::Tokens(tokens) };
        let cut = truncate_middle(&text, budget);
        if text.len() <= budget.bytes() {
            prop_assert_eq!(&*cut, text.as_str());
        } else {
            let (head, rest) = cut.split_once('…').unwrap();
            let (marker, tail) = rest.split_once("truncated…").unwrap();
            prop_assert!(text.starts_with(head) || head.contains('…') || text.contains('…'));
            if !text.contains('…') {
                prop_assert!(text.starts_with(head));
                prop_assert!(text.ends_with(tail));
                prop_assert!(head.len() + tail.len() <= budget.bytes());
                prop_assert!(head.len() + tail.len() + 6 >= budget.bytes());
                prop_assert!(marker.trim().split(' ').next().unwrap().parse::<usize>().unwrap() > 0);
            }
        }
    }
}
