//! A program that runs beside this one, and what it has written so far with the time of each line. Killed when it is
//! dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A line, and when it came.
pub(super) type Line = (Instant, String);

pub(super) struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

impl Program {
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let stdout = Lines::of(child.stdout.take().expect("it is piped"));
        let stderr = Lines::of(child.stderr.take().expect("it is piped"));
        Ok(Self { name, stdin: child.stdin.take(), child, stdout, stderr })
    }

    /// Gives it a line of input.
    pub(super) fn input(&mut self, line: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().expect("the input is open until the end");
        let written = stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        written.map_err(|error| format!("{} reads no input: {error}\n{}", self.name, self.last_words()))
    }

    pub(super) fn stdout(&self) -> Vec<Line> {
        self.stdout.so_far()
    }

    pub(super) fn stderr(&self) -> Vec<Line> {
        self.stderr.so_far()
    }

    /// When the first line like this came that came after this moment.
    pub(super) fn first_on_stderr(&self, since: Instant, is_it: impl Fn(&str) -> bool) -> Option<Instant> {
        let lines = self.stderr.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lines.partition_point(|(at, _)| *at <= since);
        lines[before..].iter().find(|(_, line)| is_it(line)).map(|(at, _)| *at)
    }

    /// Whether it has not ended yet.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as `kill -9` does.
    pub(super) fn kill(&mut self) {
        // One that is gone already needs no killing.
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Asks it to end, as `kill` does.
    pub(super) fn terminate(&self) -> Result<(), String> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status();
        status.map(|_| ()).map_err(|error| format!("cannot run kill: {error}"))
    }

    /// Closes its input and waits for its end.
    pub(super) fn finish(&mut self, patience: Duration) -> Result<ExitStatus, String> {
        self.stdin = None;
        let started = Instant::now();
        while started.elapsed() < patience {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.stdout.join();
                    self.stderr.join();
                    return Ok(status);
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(format!("cannot wait for {}: {error}", self.name)),
            }
        }
        Err(format!("{} did not end within {patience:?}\n{}", self.name, self.last_words()))
    }

    /// Waits until something is so.
    pub(super) fn until(
        &self,
        what: &str,
        patience: Duration,
        is_so: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let started = Instant::now();
        while !is_so(self) {
            if started.elapsed() > patience {
                return Err(format!(
                    "{}: {what} did not happen within {patience:?}\n{}",
                    self.name,
                    self.last_words()
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(super) fn last_words(&self) -> String {
        let lines = self.stderr();
        let last = &lines[lines.len().saturating_sub(15)..];
        last.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Lines {
    lines: Arc<Mutex<Vec<Line>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = (Instant::now(), String::from_utf8_lossy(&line).into_owned());
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn so_far(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading lines does not panic");
        }
    }
}

/// The program `bowline`, built as users have it.
pub(super) fn bowline(root: &Path) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked", "--package", "bowline-cli"])
        .current_dir(root)
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the program does not build: {status}"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("release").join("bowline"))
}

/// A folder of this run, gone when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("bowline-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves it where it is.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // One that stays behind does no harm.
        _ = std::fs::remove_dir_all(&self.0);
    }
}
