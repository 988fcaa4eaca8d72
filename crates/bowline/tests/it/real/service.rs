//! A program of Debian's with a configuration file, on loopback: started, ended by its process id, started anew. Knows no test.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use crate::counterpart::program::{Folder, Program, program};
use crate::real::Restart;

/// Which program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Mosquitto,
    Nginx,
    HaProxy,
}

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
        };
        match self.which {
            Which::Mosquitto => command.arg("-c").arg(file),
            Which::Nginx => {
                command.arg("-e").arg("stderr").arg("-p").arg(self.folder.path()).arg("-c").arg(file)
            }
            // In the foreground.
            Which::HaProxy => command.arg("-db").arg("-f").arg(file),
        };
        let mut started = Program::start(&mut command, &self.folder, self.which.package());
        for &address in &self.listens {
            started.listens(address).await;
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
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nginx => "nginx with libnginx-mod-stream",
            Self::HaProxy => "haproxy",
        }
    }
}
