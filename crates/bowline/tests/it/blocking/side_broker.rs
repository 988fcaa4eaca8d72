//! A broker on a thread of its own, behind a line that can be stalled: what calls that wait need on the other side.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bowline::Version;
use bowline::blocking::{Builder, Client};
use bowline_broker::{Broker, BrokerConfig, FaultLink};
use tokio::sync::Notify;

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A moment, in which nothing comes.
pub(super) const MOMENT: Duration = Duration::from_millis(40);

pub(super) struct SideBroker {
    pub(super) broker: Arc<Broker>,
    pub(super) link: Arc<FaultLink>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl SideBroker {
    pub(super) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// One whose broker differs from the default.
    pub(super) fn start_with(change: impl FnOnce(&mut BrokerConfig) + Send + 'static) -> Self {
        let (tell, started) = mpsc::sync_channel(1);
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let broker = Arc::new(Broker::builder().configure(change).start().await.expect("a broker"));
                let link = FaultLink::over_tcp(broker.address().expect("it listens")).expect("a port");
                tell.send((broker.clone(), Arc::new(link))).expect("the test waits");
                stopped.notified().await;
                broker.shut_down().await;
            });
        });
        let (broker, link) = started.recv_timeout(PATIENCE).expect("the broker starts");
        Self { broker, link, stop, thread: Some(thread) }
    }

    pub(super) fn builder(&self, version: Version) -> Builder<Client> {
        Client::builder(&self.link.url()).expect("a legal URL").version(version)
    }

    pub(super) fn client(&self) -> Client {
        self.builder(Version::V5).connect().expect("the broker accepts")
    }

    /// Waits until so many clients are connected.
    pub(super) fn until_clients(&self, count: usize) {
        let started = Instant::now();
        while self.broker.stats().clients != count {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.broker.stats());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for SideBroker {
    fn drop(&mut self) {
        self.stop.notify_one();
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.expect("it was started").expect("the broker does not panic");
            self.broker.assert_no_violations();
        }
    }
}

/// Runs it on a thread of its own, and fails if it has not ended when the test's patience has.
pub(super) fn within<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, ended) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let result = run();
        let _nobody_waits = tell.send(());
        result
    });
    match ended.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} has not ended"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {}
    }
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
