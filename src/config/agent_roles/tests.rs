//! Which roles count, and what is said of those that do not.

use std::fs;

use super::*;

struct Layer(tempfile::TempDir);

impl Layer {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Layer(folder)
    }

    fn with(&self, table: &str) -> RoleLayer {
        RoleLayer {
            declared: declared(&table.parse().unwrap()),
            base: self.0.path().to_path_buf(),
            folder: Some(self.0.path().join("agents")),
        }
    }

    /// Warnings without their common beginning, and the folder as `~`.
    fn warnings(&self, found: &FoundRoles) -> Vec<String> {
        let folder = self.0.path().display().to_string();
        let short = |text: &String| {
            text.strip_prefix("Ignoring malformed agent role definition: ")
                .unwrap()
                .replace(&folder, "~")
        };
        found.warnings.iter().map(short).collect()
    }
}

#[test]
fn files_beside_the_configuration_are_roles() {
    let role = |name: &str, more: &str| {
        format!("name = \"{name}\"\ndescription = \"of {name}\"\ndeveloper_instructions = \"x\"\n{more}")
    };
    let home = Layer::new(&[
        (
            "agents/one.toml",
            &role("one", "model = \"m\"\nnickname_candidates = [\" Nick \"]"),
        ),
        ("agents/deep/two.toml", &role("two", "")),
        ("agents/other.txt", "name ="),
        (
            "roles/three.toml",
            "model_reasoning_effort = \"high\"\nname = \"renamed\"\n",
        ),
    ]);
    let project = Layer::new(&[("agents/one.toml", "name = \"one\"\ndeveloper_instructions = \"y\"\n")]);
    let table =
        "[agents]\nmax_threads = 2\n[agents.three]\nconfig_file = \"roles/three.toml\"\ndescription = \" of three \"\n";
    let found = find(vec![home.with(table), project.with("")]);
    assert_eq!(found.warnings, Vec::<String>::new());
    let names: Vec<_> = found.roles.keys().map(String::as_str).collect();
    assert_eq!(names, ["one", "renamed", "two"]);
    let one = &found.roles["one"];
    // The project's own file, and what it leaves out from the home's.
    assert_eq!(
        one.config_file.as_deref(),
        Some(project.0.path().join("agents/one.toml").as_path())
    );
    assert_eq!(
        (one.description.as_deref(), one.model.as_deref()),
        (Some("of one"), None)
    );
    assert_eq!(one.nickname_candidates, ["Nick"]);
    let renamed = &found.roles["renamed"];
    assert_eq!(renamed.description.as_deref(), Some("of three"));
    assert_eq!(renamed.effort, Some(crate::protocol::ReasoningEffort::High));
}

#[test]
fn malformed_roles_do_not_count_and_say_why() {
    let home = Layer::new(&[
        (
            "agents/blank.toml",
            "name = \"blank\"\ndescription = \" \"\ndeveloper_instructions = \"x\"\n",
        ),
        ("agents/dev.toml", "name = \"dev\"\ndescription = \"d\"\n"),
        (
            "agents/dup1.toml",
            "name = \"dup\"\ndescription = \"1\"\ndeveloper_instructions = \"x\"\n",
        ),
        (
            "agents/dup2.toml",
            "name = \"dup\"\ndescription = \"2\"\ndeveloper_instructions = \"x\"\n",
        ),
        (
            "agents/nameless.toml",
            "description = \"d\"\ndeveloper_instructions = \"x\"\n",
        ),
        (
            "agents/plain.toml",
            "name = \"plain\"\ndescription = \"d\"\ndeveloper_instructions = \"x\"\n",
        ),
        ("agents/typed.toml", "name = \"typed\"\nmodel = 3\n"),
        ("agents/unknown.toml", "name = \"unknown\"\nfoo = 1\n"),
    ]);
    let table = "[agents.folder]\nconfig_file = \"agents\"\n[agents.missing]\nconfig_file = \"none\"\n\
                 [agents.nicks]\nnickname_candidates = []\n[agents.nodesc]\n[agents.plain]\ndescription = \"declared\"\n";
    let found = find(vec![home.with(table)]);
    assert_eq!(
        home.warnings(&found),
        [
            "agents.folder.config_file must point to a file: ~/agents",
            "agents.missing.config_file must point to an existing file at ~/none: No such file or directory (os error 2)",
            "agents.nicks.nickname_candidates must contain at least one name",
            "agent role file ~/agents/blank.toml.description cannot be blank",
            "agent role file at ~/agents/dev.toml must define `developer_instructions`",
            "duplicate agent role name `dup` discovered in ~/agents",
            "agent role file at ~/agents/nameless.toml must define a non-empty `name`",
            "failed to deserialize agent role file at ~/agents/typed.toml: invalid type: integer `3`, expected a string\n",
            "failed to deserialize agent role file at ~/agents/unknown.toml: unknown field `foo`\n",
            "duplicate agent role name `plain` declared in the same config layer",
            "agent role `nodesc` must define a description",
        ]
    );
    let names: Vec<_> = found.roles.keys().map(String::as_str).collect();
    assert_eq!(names, ["dup", "plain"]);
    assert_eq!(found.roles["plain"].description.as_deref(), Some("declared"));
}
