//! Patterns of hosts: one host, all below a domain (`*.example.com`), a domain and all below it (`**.example.com`), any
//! host (`*`). A `*` within a part of a name stands for the rest of that part.

use std::fmt;

use super::host::Host;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is neither a host nor one of the forms.
    #[error(
        "`{0}` is no pattern for hosts; use a host, or a domain with `*.` or `**.` before it, without a scheme, a port or \
         a path"
    )]
    Malformed(String),
    /// Everything would be closed.
    #[error(
        "unsupported global wildcard domain pattern \"*\"; use exact hosts or scoped wildcards like *.example.com or \
         **.example.com"
    )]
    Everything,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// What stands before the domain.
    reach: Reach,
    /// The parts of the name, last first; only these may hold a `*`. Empty for any host.
    labels: Vec<String>,
    /// The one host that it stands for.
    exact: Option<Host>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Itself,
    Below,
    ItselfAndBelow,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let malformed = || PatternError::Malformed(text.to_owned());
        let trimmed = text.trim();
        if trimmed == "*" || trimmed == "**" {
            return Ok(Pattern {
                reach: Reach::ItselfAndBelow,
                labels: Vec::new(),
                exact: None,
            });
        }
        let (reach, domain) = match (trimmed.strip_prefix("**."), trimmed.strip_prefix("*.")) {
            (Some(domain), _) => (Reach::ItselfAndBelow, domain),
            (None, Some(domain)) => (Reach::Below, domain),
            (None, None) => (Reach::Itself, trimmed),
        };
        // Checked with something in the place of each `*` that a name may have there.
        let host = Host::parse(&domain.replace('*', "x")).ok_or_else(malformed)?;
        if host.address().is_some() && (reach != Reach::Itself || domain.contains('*')) {
            return Err(malformed());
        }
        if !domain.contains('*') {
            return Ok(Pattern {
                reach,
                labels: labels(host.as_str()),
                exact: (reach == Reach::Itself).then_some(host),
            });
        }
        let domain = domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase();
        Ok(Pattern {
            reach,
            labels: labels(&domain),
            exact: None,
        })
    }

    /// The pattern for one host.
    pub(super) fn host(host: Host) -> Self {
        Pattern {
            reach: Reach::Itself,
            labels: labels(host.as_str()),
            exact: Some(host),
        }
    }

    /// Whether it is for a host.
    pub fn matches(&self, host: &Host) -> bool {
        if let Some(exact) = &self.exact {
            return exact == host;
        }
        if self.labels.is_empty() {
            return true;
        }
        // An address has no domain.
        if host.address().is_some() {
            return false;
        }
        let given = labels(host.as_str());
        let deep_enough = match self.reach {
            Reach::Itself => given.len() == self.labels.len(),
            Reach::Below => given.len() > self.labels.len(),
            Reach::ItselfAndBelow => given.len() >= self.labels.len(),
        };
        deep_enough
            && self
                .labels
                .iter()
                .zip(&given)
                .all(|(pattern, label)| fits(pattern, label))
    }

    /// Whether it names exactly this host.
    pub fn names(&self, host: &Host) -> bool {
        self.exact.as_ref() == Some(host)
    }

    /// Whether it is for every host.
    pub fn is_everything(&self) -> bool {
        self.exact.is_none() && self.labels.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(exact) = &self.exact {
            return exact.fmt(f);
        }
        if self.labels.is_empty() {
            return f.write_str("*");
        }
        f.write_str(match self.reach {
            Reach::Itself => "",
            Reach::Below => "*.",
            Reach::ItselfAndBelow => "**.",
        })?;
        let labels: Vec<&str> = self.labels.iter().rev().map(String::as_str).collect();
        f.write_str(&labels.join("."))
    }
}

fn labels(name: &str) -> Vec<String> {
    name.rsplit('.').map(str::to_owned).collect()
}

/// Whether a part of a name fits one of a pattern.
fn fits(pattern: &str, label: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let Some(rest) = label.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len()).any(|taken| fits(after, &rest[taken..]))
}
