//! The migrations and the opening of the index.

use std::collections::BTreeSet;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::MigrationHarness;

use super::connection::{FILE, IndexError, MIGRATIONS, check_header, open_for_writing};

#[derive(QueryableByName, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Object {
    #[diesel(sql_type = diesel::sql_types::Text)]
    sql: String,
}

fn schema(connection: &mut SqliteConnection) -> BTreeSet<Object> {
    diesel::sql_query("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '__diesel%'")
        .load(connection)
        .unwrap()
        .into_iter()
        .collect()
}

#[test]
fn migrations_go_up_down_and_up() {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    let up = schema(&mut connection);
    assert!(!up.is_empty());
    connection.revert_all_migrations(MIGRATIONS).unwrap();
    assert!(schema(&mut connection).is_empty());
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    assert_eq!(schema(&mut connection), up);
}

fn broken_files(home: &Path) -> usize {
    std::fs::read_dir(home)
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("broken-")
        })
        .count()
}

#[test]
fn a_file_that_is_no_database_is_moved_aside() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(FILE), "this is a text, not a database").unwrap();
    let aside = check_header(home.path()).unwrap();
    assert_eq!(
        std::fs::read_to_string(aside).unwrap(),
        "this is a text, not a database"
    );
    assert!(check_header(home.path()).is_none());
    let (_, aside) = open_for_writing(home.path()).unwrap();
    assert!(aside.is_none());
    assert!(check_header(home.path()).is_none());
}

#[test]
fn a_database_broken_inside_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE);
    drop(open_for_writing(home.path()).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    let (_, aside) = open_for_writing(home.path()).unwrap();
    assert!(aside.unwrap().exists());
    assert_eq!(broken_files(home.path()), 1);
}

#[test]
fn a_folder_in_the_place_of_the_database_is_moved_aside() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(FILE)).unwrap();
    let (_, aside) = open_for_writing(home.path()).unwrap();
    assert!(aside.is_some());
}

#[test]
fn a_schema_of_another_program_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE);
    let mut other = SqliteConnection::establish(&path.display().to_string()).unwrap();
    other.batch_execute("CREATE TABLE threads (something TEXT)").unwrap();
    drop(other);
    let (_, aside) = open_for_writing(home.path()).unwrap();
    assert!(aside.is_some());
}

#[test]
fn a_home_that_cannot_be_written_is_an_error_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open_for_writing(&file).err().unwrap();
    assert!(matches!(error, IndexError::Unavailable(_)), "{error:?}");
}

#[test]
fn eight_openers_at_once_all_succeed() {
    for _ in 0..3 {
        let home = tempfile::tempdir().unwrap();
        let gate = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    gate.wait();
                    open_for_writing(home.path()).unwrap();
                });
            }
        });
        assert_eq!(broken_files(home.path()), 0);
    }
}

#[test]
fn eight_openers_of_a_broken_database_replace_it_once() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(FILE), "junk".repeat(5000)).unwrap();
    let gate = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                gate.wait();
                open_for_writing(home.path()).unwrap();
            });
        }
    });
    assert_eq!(broken_files(home.path()), 1);
}
