//! A program of Debian's with a configuration file, on loopback: started, ended by its process id, started anew. Knows no test.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counterpart::program::{Folder, Program, program};
use crate::counterpart::{PASSWORD, USER};
use crate::real::Restart;

/// Which program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Mosquitto,
    Nginx,
    HaProxy,
    Ejabberd,
}

/// What the log says when ejabberd is ready for its user. It listens before.
const EJABBERD_IS_READY: &str = "the user of the tests is registered";

/// A program, running or stopped for a while. Killed when dropped.
pub(super) struct Service {
    running: Option<Program>,
    which: Which,
    listens: Vec<SocketAddr>,
    folder: Folder,
}

impl Service {
    /// Starts it with this configuration, and waits until it listens at all of these.
    pub(super) async fn start(
        which: Which,
        folder: Folder,
        configuration: &str,
        listens: &[SocketAddr],
    ) -> Self {
        folder.file(which.configuration_file(), configuration);
        let mut service = Self { running: None, which, listens: listens.to_vec(), folder };
        service.start_again().await;
        service
    }

    /// A Mosquitto that anybody may use, with these listeners and a plain one.
    pub(super) async fn mosquitto(
        folder: Folder,
        plain: SocketAddr,
        others: &[(SocketAddr, String)],
    ) -> Self {
        // Debian's Mosquitto gives up being root, so everything goes to the log that it inherits.
        let mut text = format!(
            "allow_anonymous true\npersistence false\nlog_dest stderr\nmax_queued_messages 0\n\
             set_tcp_nodelay true\nlistener {} 127.0.0.1\n",
            plain.port()
        );
        let mut listens = vec![plain];
        for (address, options) in others {
            _ = write!(text, "listener {} 127.0.0.1\n{options}", address.port());
            listens.push(*address);
        }
        Self::start(Which::Mosquitto, folder, &text, &listens).await
    }

    /// Where it listens first of all.
    pub(super) fn address(&self) -> SocketAddr {
        self.listens[0]
    }

    /// From now on it answers nobody, and its connections stay open.
    pub(super) fn freeze(&mut self) {
        self.running.as_mut().expect("it runs").freeze();
    }

    /// Ends it without letting it know.
    pub(super) fn kill(&mut self) {
        self.running.take().expect("it runs").kill();
    }
}

impl Restart for Service {
    fn stop(&mut self) {
        self.running.take().expect("it runs").stop();
    }

    async fn start_again(&mut self) {
        let file = self.folder.path().join(self.which.configuration_file());
        let mut command = match self.which {
            Which::Mosquitto => Command::new(program("/usr/sbin/mosquitto", "mosquitto")),
            Which::Nginx => Command::new(program("/usr/sbin/nginx", "nginx")),
            Which::HaProxy => Command::new(program("/usr/sbin/haproxy", "haproxy")),
            Which::Ejabberd => ejabberd(self.folder.path()),
        };
        match self.which {
            Which::Mosquitto => command.arg("-c").arg(file),
            Which::Nginx => {
                command.arg("-e").arg("stderr").arg("-p").arg(self.folder.path()).arg("-c").arg(file)
            }
            // In the foreground.
            Which::HaProxy => command.arg("-db").arg("-f").arg(file),
            Which::Ejabberd => command.env("EJABBERD_CONFIG_PATH", file),
        };
        let mut started = Program::start(&mut command, &self.folder, self.which.package());
        for &address in &self.listens {
            started.listens(address).await;
        }
        if matches!(self.which, Which::Ejabberd) {
            started.says(EJABBERD_IS_READY).await;
        }
        self.running = Some(started);
    }
}

impl Which {
    const fn configuration_file(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto.conf",
            Self::Nginx => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
            Self::Ejabberd => "ejabberd.yml",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nginx => "nginx with libnginx-mod-stream",
            Self::HaProxy => "haproxy",
            Self::Ejabberd => "ejabberd",
        }
    }
}

/// The virtual machine itself, which is one process. Debian's `ejabberdctl` becomes another user, leaves a name server
/// behind, and stands between us and what we have to end.
fn ejabberd(folder: &Path) -> Command {
    let mut command = Command::new(program("/usr/bin/erl", "erl"));
    // It stays alone: without a node name it opens no port to other nodes, and needs no name server.
    // Its schedulers do not spin while they have nothing to do: several of them run beside each other.
    command.args(["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]);
    command.args(["-noinput", "-mnesia", "dir"]).arg(format!("{:?}", folder.join("mnesia")));
    command.args(["-s", "ejabberd", "-eval"]).arg(format!(
        "ejabberd_auth:try_register(<<\"{USER}\">>, <<\"localhost\">>, <<\"{PASSWORD}\">>), \
         io:put_chars(\"{EJABBERD_IS_READY}\\n\")."
    ));
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("ERL_LIBS", libraries_of_ejabberd())
        .env("ERL_CRASH_DUMP_BYTES", "0")
        .env("EJABBERD_LOG_PATH", folder.join("log").join("ejabberd.log"))
        .env("EJABBERD_PID_PATH", folder.join("pid"));
    command
}

/// Debian has them in the folder of the machine's architecture.
fn libraries_of_ejabberd() -> PathBuf {
    let folders = || std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let has_it = |folder: &PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("ejabberd-"))
    };
    let found = folders().map(|folder| folder.path()).find(has_it);
    found.expect("ejabberd is nowhere below /usr/lib; install the Debian package ejabberd")
}
