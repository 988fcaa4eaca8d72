//! A program that runs: its input, what it has written so far, signals, and its end. Knows no MQTT.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bowline_broker::Broker;
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Killed when it is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Collected,
    stderr: Collected,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("{name} cannot be started ({error}); Debian: apt-get install mosquitto mosquitto-clients")
        });
        let stdout = Collected::of(child.stdout.take().expect("it is piped"));
        let stderr = Collected::of(child.stderr.take().expect("it is piped"));
        Self { name, stdin: child.stdin.take(), child, stdout, stderr }
    }

    /// The program of this crate.
    pub(crate) fn bowline<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start(&mut bowline(arguments))
    }

    /// The program of this crate with a command that connects to this broker.
    pub(crate) fn client(command: &str, broker: &Broker, arguments: &[&str]) -> Self {
        Self::bowline(client_arguments(command, broker, arguments))
    }

    /// Gives it input, which goes on.
    pub(crate) fn input(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("the input is open");
        stdin.write_all(bytes).expect("it reads its input");
        stdin.flush().expect("it reads its input");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        kill_process(Pid::from_raw(id).expect("it runs"), signal).expect("it runs");
    }

    /// What the system calls it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// What it has written to stdout so far.
    pub(crate) fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// Waits until it has written this to stderr.
    pub(crate) fn until_stderr(&self, text: &str) {
        self.until(text, |stderr| stderr.contains(text));
    }

    /// Waits until what it has written to stderr is as it should be.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !is_so(&self.stderr()) {
            assert!(
                started.elapsed() < PATIENCE,
                "no {what:?} on stderr of {}:\n{}",
                self.name,
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has written this to stdout.
    pub(crate) fn until_stdout(&self, bytes: &[u8]) {
        let started = Instant::now();
        while self.stdout.bytes() != bytes {
            assert!(
                started.elapsed() < PATIENCE,
                "stdout: {:?}",
                String::from_utf8_lossy(&self.stdout.bytes())
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Closes its input and waits for its end.
    pub(crate) fn finish(self) -> Ended {
        self.finish_with(Vec::new())
    }

    /// Gives it the rest of its input, waits for its end and returns what it wrote.
    pub(crate) fn finish_with(mut self, input: impl Into<Vec<u8>>) -> Ended {
        let (stdin, input) = (self.stdin.take(), input.into());
        // A program that does not read its input is no error here.
        let writing = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
        let status = self.wait();
        _ = writing.join().expect("it does not panic");
        let stdout = self.stdout.finish();
        let stderr = String::from_utf8_lossy(&self.stderr.finish()).into_owned();
        Ended { code: status.code(), stdout, stderr }
    }

    /// Waits for its end with its input open.
    pub(crate) fn wait_and_finish(mut self) -> Ended {
        self.wait();
        self.finish()
    }

    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end; stderr:\n{}", self.name, self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is to be done about one that has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Ended {
    /// What it wrote to stdout; it must have ended with 0.
    #[track_caller]
    pub(crate) fn successful(self) -> Vec<u8> {
        assert_eq!(self.code, Some(0), "stderr:\n{}", self.stderr);
        self.stdout
    }
}

/// The program of this crate, without the password that may be in the environment of the tests.
pub(crate) fn bowline<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    command.args(arguments).env_remove("BOWLINE_PASSWORD");
    command
}

pub(crate) fn client_arguments(command: &str, broker: &Broker, arguments: &[&str]) -> Vec<String> {
    let address = broker.address().expect("the broker listens on TCP");
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let own = [command, "-h", &host, "-p", &port];
    own.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect()
}

/// Waits for something to become true.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The output of a process, read while it runs.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Collected {
    fn of(mut output: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let collected = bytes.clone();
        let reading = std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                collected.lock().expect("nobody panics with it").extend_from_slice(&chunk[..count]);
            }
        });
        Self { bytes, reading }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("nobody panics with it").clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// All of it, once the process has ended.
    fn finish(&mut self) -> Vec<u8> {
        let reading = std::mem::replace(&mut self.reading, std::thread::spawn(|| ()));
        reading.join().expect("it does not panic");
        std::mem::take(&mut self.bytes.lock().expect("nobody panics with it"))
    }
}
