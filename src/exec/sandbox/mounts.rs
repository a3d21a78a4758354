//! The mounts that a confined command sees: everything read-only but for its writable roots, devices and shared memory
//! of its own, and what it may not read covered.
//!
//! Works in a mount namespace of its own, so nothing of it shows outside. Copies of the writable trees are taken before
//! everything becomes read-only, and put back in their places afterwards: that needs no right to lift a read-only mount,
//! which a user namespace does not give. Paths are attached parents first. Where only some places may be read, an empty
//! root takes the place of the old one ([`fresh_root`]), and copies of them are put into it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::calls::{attach_tree, copy_tree, locate, make_read_only};
use super::plan::{Kind, Plan};
use super::stage::StageError;
use super::{fresh_root, landlock};

/// Devices that programs need and that keep nothing.
pub(super) const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];
/// Shared memory of the machine.
const SHARED_MEMORY: &str = "/dev/shm";
/// Where what covers unreadable paths lies.
const COVERS: &str = "/dev/.covers";
/// Links that programs expect among devices.
const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("/proc/kcore", "/dev/core"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// A copy of mounts, and where it goes.
pub(super) struct Tree {
    pub path: PathBuf,
    pub copy: OwnedFd,
}

/// What covers unreadable paths.
struct Covers {
    folder: OwnedFd,
    file: OwnedFd,
}

/// Gives this process mounts of its own, as planned.
pub(super) fn arrange(plan: &Plan) -> Result<(), StageError> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| StageError::Namespace(errno.into()))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mounted("/", mount(None::<&str>, "/", None::<&str>, private, None::<&str>))?;
    let mut trees = Vec::new();
    // What is pinned is copied in its place, when the folder around it stands.
    let steps = plan
        .steps
        .iter()
        .filter(|(_, kind)| matches!(kind, Kind::Writable | Kind::ReadOnly));
    for (path, kind) in steps {
        trees.extend(copied(path, *kind, plan.fleeting.contains(path))?);
    }
    let devices: Vec<Tree> = DEVICES
        .iter()
        .filter_map(|device| copied(Path::new(device), Kind::Writable, true).transpose())
        .collect::<Result<_, _>>()?;
    let shared = match plan.reaches(Path::new(SHARED_MEMORY)) {
        true => copied(Path::new(SHARED_MEMORY), Kind::ReadOnly, true)?,
        false => None,
    };
    match plan.bare {
        true => fresh_root::enter(&plan.links)?,
        false => close_root(plan)?,
    }
    own_devices(devices, shared)?;
    own_processes(plan.bare)?;
    let covers = Covers::find()?;
    let mut trees = trees.into_iter().peekable();
    for (path, kind) in &plan.steps {
        match kind {
            Kind::Hidden => cover(path, plan, &covers)?,
            Kind::Pinned => pin(path)?,
            Kind::Writable | Kind::ReadOnly => {
                if let Some(tree) = trees.next_if(|tree| tree.path == *path) {
                    attach(tree, plan)?;
                }
            }
        }
    }
    let hidden = plan.steps.iter().filter(|(_, kind)| *kind == Kind::Hidden);
    for (path, _) in hidden.filter(|(path, _)| plan.continues_below(path)) {
        read_only(path, false)?;
    }
    read_only(Path::new("/dev"), false)?;
    match plan.bare {
        true => fresh_root::leave_old(),
        false => Ok(()),
    }
}

/// Makes the root read-only that was there before, unless all of it may be written.
fn close_root(plan: &Plan) -> Result<(), StageError> {
    if !plan.root_writable {
        read_only(Path::new("/"), true)?;
    }
    match Path::new("/sys").exists() {
        true => read_only(Path::new("/sys"), true),
        false => Ok(()),
    }
}

/// A copy of what is at a path. A writable root that does not exist needs none; what is to be protected must exist,
/// unless it is `fleeting`.
fn copied(path: &Path, kind: Kind, fleeting: bool) -> Result<Option<Tree>, StageError> {
    let place = match locate(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && (fleeting || kind == Kind::Writable) => {
            return Ok(None);
        }
        place => at(path, place)?,
    };
    let copy = at(path, copy_tree(&place))?;
    if kind == Kind::ReadOnly {
        at(path, make_read_only(&copy, true))?;
    }
    let path = path.to_owned();
    Ok(Some(Tree { path, copy }))
}

fn attach(tree: Tree, plan: &Plan) -> Result<(), StageError> {
    let path = &tree.path;
    let place = match locate(path) {
        // Its parent is covered.
        Err(error) if error.kind() == io::ErrorKind::NotFound && plan.fleeting.contains(path) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && (plan.bare || covered(path, plan)) => {
            at(path, fresh_root::make_place(&tree))?;
            locate(path)
        }
        place => place,
    };
    let place = at(path, place)?;
    at(path, attach_tree(&tree.copy, place))
}

fn covered(path: &Path, plan: &Plan) -> bool {
    let mut hidden = plan.steps.iter().filter(|(_, kind)| *kind == Kind::Hidden);
    hidden.any(|(folder, _)| path.starts_with(folder))
}

/// Makes a folder a mount point, so that nobody can move it. One that is gone was moved by somebody outside.
fn pin(path: &Path) -> Result<(), StageError> {
    let place = match locate(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        place => at(path, place)?,
    };
    let copy = at(path, copy_tree(&place))?;
    at(path, attach_tree(copy, place))
}

pub(super) fn read_only(path: &Path, below: bool) -> Result<(), StageError> {
    let place = at(path, locate(path))?;
    at(path, make_read_only(place, below))
}

impl Covers {
    fn find() -> Result<Self, StageError> {
        let named = |name: &str| {
            let path = Path::new(COVERS).join(name);
            at(&path, locate(&path))
        };
        Ok(Covers {
            folder: named("folder")?,
            file: named("file")?,
        })
    }
}

/// Covers a path with something empty that nobody may look into. What is gone needs no cover.
fn cover(path: &Path, plan: &Plan, covers: &Covers) -> Result<(), StageError> {
    if plan.continues_below(path) {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        return mounted(path, mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("mode=755")));
    }
    let place = match locate(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        place => at(path, place)?,
    };
    let cover = match fresh_root::is_folder(&place) {
        true => &covers.folder,
        false => &covers.file,
    };
    let copy = at(path, copy_tree(cover))?;
    at(path, make_read_only(&copy, false))?;
    at(path, attach_tree(copy, place))
}

/// A folder of devices with the harmless ones, terminals of its own, and shared memory of its own.
fn own_devices(devices: Vec<Tree>, shared: Option<Tree>) -> Result<(), StageError> {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let fresh = |kind: &str, path: &str, options: &str, flags: MsFlags| {
        mounted(path, mount(Some(kind), path, Some(kind), flags, Some(options)))
    };
    fresh("tmpfs", "/dev", "mode=755", quiet)?;
    let made = || -> io::Result<()> {
        create_dir("/dev/pts")?;
        create_dir(SHARED_MEMORY)?;
        for (target, link) in LINKS {
            symlink(target, link)?;
        }
        create_dir(COVERS)?;
        for (name, folder) in [("folder", true), ("file", false)] {
            let path = Path::new(COVERS).join(name);
            match folder {
                true => create_dir(&path)?,
                false => drop(File::create(&path)?),
            }
            set_permissions(&path, Permissions::from_mode(0o000))?;
        }
        for device in &devices {
            File::create(&device.path)?;
        }
        Ok(())
    };
    at(Path::new("/dev"), made())?;
    let nothing = Plan::default();
    for device in devices {
        attach(device, &nothing)?;
    }
    fresh("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=620", quiet)?;
    match shared {
        Some(shared) => attach(shared, &nothing),
        None => fresh("tmpfs", SHARED_MEMORY, "mode=1777", quiet | MsFlags::MS_NODEV),
    }
}

/// The processes of this process namespace, read-only. Where the system does not allow that, the others stay visible,
/// which is bearable only if Landlock keeps them from being looked into.
fn own_processes(bare: bool) -> Result<(), StageError> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>) {
        Err(_) if landlock::version().is_some() => match bare {
            true => fresh_root::take_over("/proc"),
            false => read_only(Path::new("/proc"), true),
        },
        mount => mounted("/proc", mount),
    }
}

pub(super) fn mounted(path: impl AsRef<Path>, result: nix::Result<()>) -> Result<(), StageError> {
    at(path.as_ref(), result.map_err(io::Error::from))
}

pub(super) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, StageError> {
    result.map_err(|source| StageError::Mount {
        what: format!("mount {}", path.display()),
        source,
    })
}
