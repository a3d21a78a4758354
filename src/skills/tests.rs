//! Discovery over real folders.

use std::fs;
use std::os::unix::fs::symlink;

use super::discovery::discover;
use super::*;
use crate::protocol::SkillScope;

fn skill(folder: &Path, name: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(
        folder.join("SKILL.md"),
        format!("---\nname: {name}\ndescription: d\n---\n"),
    )
    .unwrap();
}

fn found(roots: &[(&Path, SkillScope)]) -> Vec<(String, SkillScope)> {
    let roots = roots.iter().map(|(folder, scope)| SkillRoot {
        folder: folder.to_path_buf(),
        scope: *scope,
    });
    let told = |skill: Skill| (skill.shown.name, skill.shown.scope);
    discover(roots.collect()).skills.into_iter().map(told).collect()
}

#[test]
fn skills_lie_up_to_six_folders_deep_and_below_each_other_but_not_in_hidden_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = dir.path().to_path_buf();
    for depth in 1..=8 {
        folder.push(format!("l{depth}"));
        skill(&folder, &format!("s{depth}"));
    }
    skill(&dir.path().join(".hidden"), "hidden");
    fs::create_dir_all(dir.path().join("no/SKILL.md")).unwrap();
    let names: Vec<_> = found(&[(dir.path(), SkillScope::User)])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["s1", "s2", "s3", "s4", "s5", "s6"]);
}

#[test]
fn a_skill_that_several_roots_lead_to_belongs_to_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (user, repo, system) = (
        dir.path().join("user"),
        dir.path().join("repo"),
        dir.path().join("system"),
    );
    skill(&user.join("shared"), "shared");
    skill(&repo.join("own"), "own");
    symlink(user.join("shared"), repo.join("link")).unwrap();
    symlink(&repo, repo.join("loop")).unwrap();
    fs::create_dir_all(&system).unwrap();
    symlink(user.join("shared"), system.join("link")).unwrap();
    let pair = |name: &str, scope| (name.to_owned(), scope);
    let roots = [(user.as_path(), SkillScope::User), (repo.as_path(), SkillScope::Repo)];
    assert_eq!(
        found(&roots),
        [pair("own", SkillScope::Repo), pair("shared", SkillScope::User)]
    );
    assert_eq!(
        found(&[(&system, SkillScope::System)]),
        [],
        "links of the system are not followed"
    );
}

#[test]
fn the_last_switch_that_means_a_skill_decides() {
    let dir = tempfile::tempdir().unwrap();
    skill(&dir.path().join("a"), "one");
    let root = SkillRoot {
        folder: dir.path().to_path_buf(),
        scope: SkillScope::User,
    };
    let set = discover(vec![root]);
    let name = |on| (SkillSwitch::Name("one".into()), on);
    let path = |on| (SkillSwitch::Path(set.skills[0].path().to_path_buf()), on);
    for (switches, on) in [
        (vec![], true),
        (vec![name(false)], false),
        (vec![name(false), path(true)], true),
        (vec![path(true), name(false)], false),
        (vec![(SkillSwitch::Name("other".into()), false)], true),
    ] {
        assert_eq!(set.enabled(&switches).count() == 1, on, "{switches:?}");
    }
}
