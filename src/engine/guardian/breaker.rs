//! Ends a turn whose approvals are refused again and again: the model has lost its way.

use std::collections::VecDeque;

/// So many refusals in a row are too many.
const IN_A_ROW: usize = 3;
/// So many of the latest judgements are too many.
const OF_LATEST: usize = 10;
/// How many judgements count as the latest.
const LATEST: usize = 50;

/// Counts the refusals of a turn. Failures to judge are not refusals.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    latest: VecDeque<bool>,
    in_a_row: usize,
}

impl Breaker {
    /// Takes a judgement into account.
    pub(super) fn note(&mut self, refused: bool) {
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(refused);
        self.in_a_row = if refused { self.in_a_row + 1 } else { 0 };
    }

    /// Why the turn has to end, if it has.
    pub(super) fn trip(&self) -> Option<String> {
        let refused = self.latest.iter().filter(|refused| **refused).count();
        (self.in_a_row >= IN_A_ROW || refused >= OF_LATEST).then(|| {
            format!(
                "Automatic approval review rejected too many approval requests for this turn ({} consecutive, {refused} in \
                 the last {LATEST} reviews); interrupting the turn.",
                self.in_a_row
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(judgements: &[bool]) -> Breaker {
        let mut breaker = Breaker::default();
        judgements.iter().for_each(|refused| breaker.note(*refused));
        breaker
    }

    #[test]
    fn three_in_a_row_or_ten_of_the_latest_are_too_many() {
        assert!(noted(&[true, true, false, true, true]).trip().is_none());
        let told = noted(&[true, false, true, true, true]).trip().unwrap();
        assert!(told.contains("(3 consecutive, 4 in the last 50 reviews)"), "{told}");
        assert!(noted(&[true, false].repeat(9)).trip().is_none());
        assert!(noted(&[true, false].repeat(10)).trip().is_some());
        let mut old = [true, false].repeat(9);
        old.extend([false; 40]);
        old.push(true);
        assert!(noted(&old).trip().is_none());
    }
}
