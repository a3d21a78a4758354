//! Where attempts are made: ways to confine, a target outside, and a server with one thread.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::{Gid, Uid, chown, geteuid};
use serde_json::json;

use crate::harness::{Client, Process, Reply, ScriptedModel, TestServer, Transport, binary, home_with};

/// Nobody in particular.
const NOBODY: u32 = 65534;
/// The calls of Landlock.
const LANDLOCK: [i64; 3] = [444, 445, 446];

/// A way to confine, and who does it where.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The setting.
    pub method: &'static str,
    /// Whether the server runs as an ordinary user.
    pub ordinary: bool,
    /// Whether the kernel has Landlock.
    pub landlock: bool,
}

impl Way {
    pub const MOUNTS: Way = Way {
        method: "mounts",
        ordinary: false,
        landlock: true,
    };
    pub const LANDLOCK: Way = Way {
        method: "landlock",
        ..Way::MOUNTS
    };
    pub const BUBBLEWRAP: Way = Way {
        method: "bubblewrap",
        ..Way::MOUNTS
    };

    /// Whether it protects paths below writable folders.
    pub fn protects_paths(&self) -> bool {
        self.method != "landlock"
    }

    /// Whether this machine has what it takes, by other means than ours; says so when not.
    pub fn works_here(&self) -> bool {
        let runs = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(arguments).stdout(std::process::Stdio::null());
            command.stderr(std::process::Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let works = match self.method {
            "mounts" => runs("unshare", &["-Urmp", "--fork", "--mount-proc", "true"]),
            "bubblewrap" => runs(
                "bwrap",
                &[
                    "--unshare-user",
                    "--unshare-pid",
                    "--ro-bind",
                    "/",
                    "/",
                    "--proc",
                    "/proc",
                    "true",
                ],
            ),
            _ => landlock_version() >= 6,
        };
        let works = works && (!self.ordinary || geteuid().is_root());
        if !works {
            eprintln!("SKIPPED: {self:?} cannot be tried on this machine, or not by this user");
        }
        works
    }

    fn user(&self) -> Option<u32> {
        self.ordinary.then_some(NOBODY)
    }
}

#[allow(unsafe_code, reason = "asking for the version of Landlock has no safe form")]
fn landlock_version() -> i64 {
    // SAFETY: with this flag the call takes no memory.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0usize, 0usize, 1) }
}

/// Gives a path to a user, if there is one to give it to.
fn give(path: &Path, user: Option<u32>) {
    if let Some(user) = user {
        chown(path, Some(Uid::from_raw(user)), Some(Gid::from_raw(user))).unwrap();
    }
}

/// What attempts are made at.
pub struct Target {
    pub folder: tempfile::TempDir,
    name: String,
    port: u16,
    _services: (UnixListener, UnixListener, UnixDatagram, std::net::TcpListener),
}

impl Target {
    /// A folder of the server's user that no policy allows, and services of this machine.
    pub fn new(way: Option<Way>) -> Self {
        let user = way.and_then(|way| way.user());
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["victim", "spare", "taken"] {
            std::fs::write(at(name), "precious").unwrap();
            give(&at(name), user);
        }
        std::fs::create_dir(at("empty")).unwrap();
        let name = format!("greenroom-{}", uuid::Uuid::new_v4());
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target {
            port: tcp.local_addr().unwrap().port(),
            _services: (
                UnixListener::bind(at("stream")).unwrap(),
                UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
                UnixDatagram::bind(at("datagram")).unwrap(),
                tcp,
            ),
            name,
            folder,
        };
        for path in ["empty", "stream", "datagram", ""] {
            give(&target.folder.path().join(path), user);
        }
        target
    }

    pub fn aim(&self, script: &str, stage: &Stage) -> String {
        let folder = self.folder.path().to_str().unwrap();
        script
            .replace("/OUT", folder)
            .replace("OUT", folder)
            .replace("ROOT", stage.server.root.path().to_str().unwrap())
            .replace("SETXATTR", &libc::SYS_setxattr.to_string())
            .replace("NAME", &self.name)
            .replace("PORT", &self.port.to_string())
            .replace("PID", &stage.server.pid().to_string())
    }
}

/// A server with a policy, and one thread.
pub struct Stage {
    pub server: TestServer,
    pub client: Client,
    pub thread: String,
    calls: usize,
    /// What the binary was copied to, for a user who may not read the one that was built.
    _program: Option<tempfile::TempDir>,
}

impl Stage {
    /// A server that confines by a way.
    pub async fn new(policy: &str, way: Option<Way>) -> Self {
        let mode = format!("sandbox_mode=\"{policy}\"");
        Stage::configured("", &["-c", &mode], way).await
    }

    /// The same with more to say in its configuration.
    pub async fn configured(config: &str, flags: &[&str], way: Option<Way>) -> Self {
        let model = ScriptedModel::start().await;
        let root = home_with(&model, config);
        Stage::started(root, model, flags, way).await
    }

    /// One that confines to a permission profile, by the lines of its table of files.
    pub async fn with_profile(filesystem: &str, way: Way) -> Self {
        let model = ScriptedModel::start().await;
        let root = home_with(&model, "");
        let file = root.path().join("home/config.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("sandbox_mode = \"danger-full-access\"", "default_permissions = \"p\"");
        std::fs::write(&file, format!("{text}\n[permissions.p.filesystem]\n{filesystem}")).unwrap();
        Stage::started(root, model, &[], Some(way)).await
    }

    async fn started(root: tempfile::TempDir, model: ScriptedModel, flags: &[&str], way: Option<Way>) -> Self {
        let mut process = Process::default();
        let mut copy = None;
        if let Some(way) = way {
            process
                .env
                .push(("GREENROOM_SANDBOX_METHOD".to_owned(), way.method.to_owned()));
            process.user = way.user();
            if !way.landlock {
                process.lacking = LANDLOCK.to_vec();
            }
            if let Some(folder) = way.ordinary.then(readable_copy) {
                process.program = Some(folder.path().join("greenroom"));
                copy = Some(folder);
            }
        }
        let work = root.path().join("work");
        let files = [".agents/file", "deep/in/b.env", "closed/file", "closed/open/file"];
        for file in files.map(|file| work.join(file)) {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "precious").unwrap();
        }
        let folders = [
            "",
            "home",
            "home/config.toml",
            "work",
            "work/.agents",
            "work/deep",
            "work/deep/in",
        ];
        let closed = ["work/closed", "work/closed/open"];
        let files = files.map(|file| format!("work/{file}"));
        let given = folders
            .into_iter()
            .chain(closed)
            .chain(files.iter().map(String::as_str));
        for part in given {
            give(&root.path().join(part), process.user);
        }
        let mut server = TestServer::started(root, model, Transport::Ws, flags, process).await;
        let client = server.client().await;
        let thread = client.thread().await;
        Stage {
            server,
            client,
            thread,
            calls: 0,
            _program: copy,
        }
    }

    /// What a command of the model prints.
    pub async fn run(&mut self, script: &str, more: serde_json::Value) -> String {
        self.calls += 1;
        let id = format!("c{}", self.calls);
        let mut arguments = json!({"cmd": script, "login": false});
        if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        self.server.model.add(Reply::call("exec_command", arguments, &id));
        self.client.turn(&self.thread, "go").await;
        self.server.model.output_of(&id).expect("an output").to_string()
    }
}

/// A folder with the binary in it that everybody may read.
fn readable_copy() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy: PathBuf = folder.path().join("greenroom");
    std::fs::hard_link(binary(), &copy)
        .or_else(|_| std::fs::copy(binary(), &copy).map(drop))
        .unwrap();
    folder
}

/// The processes whose command line holds a text.
pub fn processes_with(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number: &u32| {
            let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(text)
        })
        .collect()
}
