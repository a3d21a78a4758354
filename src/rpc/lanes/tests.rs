use proptest::prelude::*;

use super::*;

type Numbers = Lanes<&'static str, usize>;

fn leave(lanes: &mut Numbers, key: &'static str) -> Vec<usize> {
    lanes.leave(&key, |_| true).started
}

#[test]
fn one_key_runs_one_by_one_and_keys_run_side_by_side() {
    let mut lanes = Numbers::default();
    assert_eq!(lanes.enter("a", Access::Exclusive, 1), Some(1));
    assert_eq!(lanes.enter("a", Access::Exclusive, 2), None);
    assert_eq!(lanes.enter("b", Access::Exclusive, 3), Some(3));
    assert_eq!(lanes.waiting(), 1);
    assert_eq!(leave(&mut lanes, "a"), [2]);
    assert!(leave(&mut lanes, "b").is_empty());
    assert_eq!(lanes.len(), 1);
    assert!(leave(&mut lanes, "a").is_empty());
    assert!(lanes.is_empty());
}

#[test]
fn neighbouring_reads_overlap_and_stay_behind_a_waiting_write() {
    let mut lanes = Numbers::default();
    assert_eq!(lanes.enter("c", Access::Shared, 1), Some(1));
    assert_eq!(lanes.enter("c", Access::Shared, 2), Some(2));
    assert_eq!(lanes.enter("c", Access::Exclusive, 3), None);
    assert_eq!(lanes.enter("c", Access::Shared, 4), None);
    assert_eq!(lanes.enter("c", Access::Shared, 5), None);
    assert_eq!(lanes.enter("c", Access::Exclusive, 6), None);
    assert_eq!(lanes.enter("c", Access::Shared, 7), None);
    assert!(leave(&mut lanes, "c").is_empty(), "the other read still runs");
    assert_eq!(leave(&mut lanes, "c"), [3]);
    assert_eq!(leave(&mut lanes, "c"), [4, 5]);
    assert!(leave(&mut lanes, "c").is_empty());
    assert_eq!(leave(&mut lanes, "c"), [6]);
    assert_eq!(leave(&mut lanes, "c"), [7]);
    assert!(leave(&mut lanes, "c").is_empty());
    assert!(lanes.is_empty());
}

#[test]
fn a_read_does_not_join_a_running_write() {
    let mut lanes = Numbers::default();
    assert_eq!(lanes.enter("c", Access::Exclusive, 1), Some(1));
    assert_eq!(lanes.enter("c", Access::Shared, 2), None);
    assert_eq!(leave(&mut lanes, "c"), [2]);
}

#[test]
fn entries_of_the_gone_are_skipped() {
    let mut lanes = Numbers::default();
    lanes.enter("t", Access::Exclusive, 1);
    for entry in [2, 3, 4] {
        lanes.enter("t", Access::Exclusive, entry);
    }
    let left = lanes.leave(&"t", |entry| *entry == 4);
    assert_eq!(
        left,
        Left {
            started: vec![4],
            taken: 3
        }
    );
    lanes.enter("t", Access::Shared, 5);
    assert_eq!(
        lanes.leave(&"t", |_| false),
        Left {
            started: vec![],
            taken: 1
        }
    );
    assert!(lanes.is_empty());
}

#[test]
fn a_gone_write_between_reads_does_not_part_them() {
    let mut lanes = Numbers::default();
    lanes.enter("c", Access::Exclusive, 0);
    for (access, entry) in [(Access::Shared, 1), (Access::Exclusive, 2), (Access::Shared, 3)] {
        lanes.enter("c", access, entry);
    }
    // The write is the neighbour of the first read when its turn is decided; it ends the batch all the same.
    assert_eq!(lanes.leave(&"c", |entry| *entry != 2).started, [1]);
    assert_eq!(lanes.leave(&"c", |entry| *entry != 2).started, [3]);
}

#[derive(Debug, Clone)]
enum Step {
    Enter(u8, bool),
    Leave(usize),
    Die(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3u8, any::<bool>()).prop_map(|(key, shared)| Step::Enter(key, shared)),
        3 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Die),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// Whatever happens: writes run alone, each key starts in the order of arrival, and nothing is left behind.
    #[test]
    fn the_rules_hold(steps in steps()) {
        let mut lanes: Lanes<u8, usize> = Lanes::default();
        let mut entries: Vec<(u8, bool)> = Vec::new();
        let mut dead = std::collections::HashSet::new();
        let mut running: Vec<usize> = Vec::new();
        let mut started: Vec<usize> = Vec::new();

        let finish = |lanes: &mut Lanes<u8, usize>, running: &mut Vec<usize>, started: &mut Vec<usize>,
                          entries: &[(u8, bool)], dead: &std::collections::HashSet<usize>, which: usize| {
            let entry = running.swap_remove(which);
            let left = lanes.leave(&entries[entry].0, |entry| !dead.contains(entry));
            assert!(left.started.iter().all(|entry| !dead.contains(entry)));
            running.extend(&left.started);
            started.extend(left.started);
        };

        for step in steps {
            match step {
                Step::Enter(key, shared) => {
                    let entry = entries.len();
                    entries.push((key, shared));
                    let access = if shared { Access::Shared } else { Access::Exclusive };
                    if let Some(entry) = lanes.enter(key, access, entry) {
                        running.push(entry);
                        started.push(entry);
                    }
                }
                Step::Leave(which) if !running.is_empty() => {
                    let which = which % running.len();
                    finish(&mut lanes, &mut running, &mut started, &entries, &dead, which);
                }
                Step::Die(which) if !entries.is_empty() => {
                    let which = which % entries.len();
                    if !running.contains(&which) {
                        dead.insert(which);
                    }
                }
                _ => {}
            }
            for key in 0..3 {
                let here: Vec<usize> = running.iter().copied().filter(|entry| entries[*entry].0 == key).collect();
                prop_assert!(here.len() <= 1 || here.iter().all(|entry| entries[*entry].1));
            }
        }
        while !running.is_empty() {
            finish(&mut lanes, &mut running, &mut started, &entries, &dead, 0);
        }
        prop_assert!(lanes.is_empty());
        for key in 0..3 {
            let order: Vec<usize> = started.iter().copied().filter(|entry| entries[*entry].0 == key).collect();
            prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        }
        let lost = (0..entries.len()).filter(|entry| !dead.contains(entry) && !started.contains(entry)).count();
        prop_assert_eq!(lost, 0);
    }
}
