//! A broker's program, started in a folder of its own and ended by its process id. Knows no broker.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long a broker may take to start. RabbitMQ takes ten seconds on an idle machine, and ejabberd a minute on one with ten
/// times more to do than it can.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long one that is not needed any more may take to end.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// A folder that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bowline-program-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // A process of this number may have been killed and have left its own behind.
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written to");
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind harms nobody.
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running program; ended when dropped.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it, with its output in a file of the folder.
    pub(crate) fn start(command: &mut Command, folder: &Folder, package: &str) -> Self {
        let name = Path::new(command.get_program()).file_name().expect("a program").to_owned();
        let log = folder.path().join(name).with_extension("log");
        let file = std::fs::File::create(&log).expect("the folder is ours");
        let errors = file.try_clone().expect("a file can be shared");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{command:?} cannot be started ({error}); install the Debian package {package}")
        });
        Self { child, log }
    }

    /// Waits until something listens there.
    pub(crate) async fn listens(&mut self, address: SocketAddr) {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not start: {}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        self.child.wait().expect("it is our child");
    }

    /// The standard library can only kill.
    fn signal(&mut self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status();
        assert!(sent.expect("a shell").success(), "it was gone already: {}", self.log());
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// What only the matrix of transports needs.
#[cfg(all(feature = "tls", feature = "websocket"))]
impl Program {
    /// Waits until this is in its log.
    pub(crate) async fn says(&mut self, text: &str) {
        let began = Instant::now();
        while !self.log().contains(text) {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not say it: {}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// From now on it does nothing, until it is killed.
    pub(crate) fn freeze(&mut self) {
        self.signal("STOP");
    }

    /// Ends it at once, as a machine that loses its power would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.log());
        }
        // Asked first, because one that is killed leaves the processes behind that it has started.
        _ = Command::new("sh").args(["-c", "kill \"$0\"", &self.child.id().to_string()]).output();
        let began = Instant::now();
        while began.elapsed() < LAST_PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nothing can be done about one that is gone already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Debian puts some programs where only root's path looks.
pub(crate) fn program(debian: &str, name: &str) -> PathBuf {
    let debian = PathBuf::from(debian);
    if debian.exists() { debian } else { PathBuf::from(name) }
}
