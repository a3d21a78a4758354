//! What people call agents: each gets a name that no other agent of its session has.

use std::collections::HashSet;

/// The names of agents whose role names none.
const NAMES: &[&str] = &[
    "Ada",
    "Alcott",
    "Avicenna",
    "Banneker",
    "Bessel",
    "Boole",
    "Brahe",
    "Cantor",
    "Carson",
    "Celsius",
    "Curie",
    "Dalton",
    "Darwin",
    "Dirac",
    "Euclid",
    "Euler",
    "Faraday",
    "Fermi",
    "Franklin",
    "Galileo",
    "Gauss",
    "Germain",
    "Halley",
    "Herschel",
    "Hertz",
    "Hopper",
    "Hubble",
    "Huygens",
    "Hypatia",
    "Joule",
    "Kepler",
    "Khayyam",
    "Kovalevskaya",
    "Lamarr",
    "Leavitt",
    "Linnaeus",
    "Lovelace",
    "Maxwell",
    "Meitner",
    "Mendel",
    "Mirzakhani",
    "Napier",
    "Nightingale",
    "Noether",
    "Pascal",
    "Pasteur",
    "Planck",
    "Ramanujan",
    "Riemann",
    "Rubin",
    "Sagan",
    "Somerville",
    "Tesla",
    "Thales",
    "Turing",
    "Volta",
    "Wallace",
    "Watt",
    "Wheatstone",
    "Wren",
];

/// A name that is not `taken`: one of the `candidates`, else one of ours. When all are taken, one of them is numbered
/// (`Ada the 2nd`).
pub fn choose_nickname(candidates: &[String], taken: &[String]) -> Option<String> {
    let pool: Vec<&str> = match candidates {
        [] => NAMES.to_vec(),
        own => own.iter().map(String::as_str).collect(),
    };
    let taken: HashSet<&str> = taken.iter().map(String::as_str).collect();
    let start = (uuid::Uuid::new_v4().as_u128() % pool.len() as u128) as usize;
    let order = || pool.iter().cycle().skip(start).take(pool.len());
    if let Some(free) = order().find(|name| !taken.contains(*name)) {
        return Some((*free).to_owned());
    }
    // One more round than there are names taken always has a free one.
    (2..taken.len() + 3).find_map(|round| {
        let numbered = order().map(|name| format!("{name} the {round}{}", suffix(round)));
        numbered.into_iter().find(|name| !taken.contains(name.as_str()))
    })
}

fn suffix(number: usize) -> &'static str {
    match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}
