//! Scoring paths and keeping the best of them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::search::{Entry, MOST_HITS};

/// A query, understood: words that must all occur, with the marks of fzf.
pub(super) struct Query {
    text: String,
    pattern: Pattern,
}

impl Query {
    pub(super) fn new(text: &str) -> Self {
        Query {
            text: text.to_owned(),
            pattern: Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing is asked for. Nothing is found then.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether all that this query finds was found by `other`, so that nothing else needs to be looked at.
    pub(super) fn narrows(&self, other: &Query) -> bool {
        let plain = |text: &str| !text.contains(['!', '^', '$', '\'', '\\']);
        !other.is_empty() && self.text.starts_with(&other.text) && plain(&self.text)
    }
}

/// Scores paths. Costly to make: one for each thread.
pub(super) struct Scorer {
    matcher: Matcher,
    characters: Vec<char>,
}

impl Scorer {
    pub(super) fn new() -> Self {
        Scorer {
            matcher: Matcher::new(Config::DEFAULT.match_paths()),
            characters: Vec::new(),
        }
    }

    pub(super) fn score(&mut self, query: &Query, path: &str) -> Option<u32> {
        let path = Utf32Str::new(path, &mut self.characters);
        query.pattern.score(path, &mut self.matcher)
    }

    /// Which characters of the path matched, by position.
    fn indices(&mut self, query: &Query, path: &str) -> Vec<u32> {
        let mut indices = Vec::new();
        let path = Utf32Str::new(path, &mut self.characters);
        query.pattern.indices(path, &mut self.matcher, &mut indices);
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

/// A scored path. Greater is worse, so that the worst of a heap is on top.
#[derive(Debug, Clone)]
struct Ranked {
    score: u32,
    entry: Entry,
}

impl Ranked {
    fn cmp_parts(&self, score: u32, entry: &Entry) -> Ordering {
        // Which of many equal ones are kept: the shorter ones, then by name.
        let own = (score, self.entry.path.len(), &*self.entry.path, self.entry.root);
        let other = (self.score, entry.path.len(), &*entry.path, entry.root);
        own.cmp(&other)
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_parts(other.score, &other.entry)
    }
}

/// The best paths so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Best {
    heap: BinaryHeap<Ranked>,
}

impl Best {
    /// Takes a path in if it is good enough. Tells whether it was.
    pub(super) fn offer(&mut self, score: u32, entry: &Entry) -> bool {
        if self.heap.len() >= MOST_HITS {
            match self.heap.peek() {
                Some(worst) if worst.cmp_parts(score, entry) == Ordering::Greater => self.heap.pop(),
                _ => return false,
            };
        }
        self.heap.push(Ranked {
            score,
            entry: entry.clone(),
        });
        true
    }

    /// Takes in what somebody else found. Tells whether anything was good enough.
    pub(super) fn merge(&mut self, other: Best) -> bool {
        let offered = other
            .heap
            .into_iter()
            .map(|ranked| self.offer(ranked.score, &ranked.entry));
        offered.fold(false, |any, taken| any | taken)
    }

    /// The best first, equal ones by path, with the characters that matched.
    pub(super) fn hits(&self, query: &Query) -> Vec<Hit> {
        let mut ranked: Vec<&Ranked> = self.heap.iter().collect();
        ranked.sort_by(|a, b| {
            let by_path = || (&*a.entry.path, a.entry.root).cmp(&(&*b.entry.path, b.entry.root));
            b.score.cmp(&a.score).then_with(by_path)
        });
        let mut scorer = Scorer::new();
        let hit = |ranked: &Ranked| Hit {
            root: ranked.entry.root as usize,
            path: ranked.entry.path.to_string(),
            is_folder: ranked.entry.is_folder,
            score: ranked.score,
            indices: scorer.indices(query, &ranked.entry.path),
        };
        ranked.into_iter().map(hit).collect()
    }
}

/// A path that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The position of its root in what was searched.
    pub root: usize,
    /// Below its root.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// How well it matches.
    pub score: u32,
    /// Which characters of the path matched, by position.
    pub indices: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, paths: &[&str]) -> Vec<Hit> {
        let (query, mut scorer, mut best) = (Query::new(query), Scorer::new(), Best::default());
        for path in paths {
            let entry = Entry {
                path: (*path).into(),
                root: 0,
                is_folder: false,
            };
            if let Some(score) = scorer.score(&query, path) {
                best.offer(score, &entry);
            }
        }
        best.hits(&query)
    }

    #[test]
    fn the_beginnings_of_names_count_most_and_equals_go_by_path() {
        let paths = [
            "src/alpha_beta.rs",
            "docs/beta.md",
            "BETA/x",
            "src/alphabet.txt",
            "bêta.txt",
        ];
        let told = |hit: &Hit| (hit.path.clone(), hit.score, hit.indices.clone());
        let hits: Vec<_> = found("beta", &paths).iter().map(told).collect();
        let expected = [
            ("BETA/x", 109, vec![0, 1, 2, 3]),
            ("bêta.txt", 109, vec![0, 1, 2, 3]),
            ("docs/beta.md", 109, vec![5, 6, 7, 8]),
            ("src/alpha_beta.rs", 104, vec![10, 11, 12, 13]),
        ];
        assert_eq!(hits, expected.map(|(path, score, at)| (path.to_owned(), score, at)));
    }

    #[test]
    fn of_many_equal_ones_the_shorter_are_kept() {
        let names: Vec<String> = (0..60).map(|at| format!("q{}", "x".repeat(60 - at))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let hits = found("q", &names);
        assert_eq!(hits.len(), MOST_HITS);
        assert!(hits.iter().all(|hit| hit.path.len() <= MOST_HITS + 1));
    }

    #[test]
    fn only_plain_queries_narrow_what_was_found() {
        let narrows = |new: &str, old: &str| Query::new(new).narrows(&Query::new(old));
        assert!(narrows("alpha", "alp") && narrows("a b", "a") && narrows("a", "a"));
        assert!(!narrows("al", "alp") && !narrows("a", "") && !narrows("a !b", "a") && !narrows("rs$x", "rs$"));
    }
}
