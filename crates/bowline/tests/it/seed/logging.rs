//! The log: a line with an arrow for each packet, at a level that can change while the program runs, and no secrets.

use std::cell::{Cell, RefCell};
use std::fmt::{Debug, Write};
use std::sync::OnceLock;

use bowline::{Credentials, QoS, Version, Will};
use bowline_testkit::packets::{qos0, qos1};
use tracing::dispatcher::DefaultGuard;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Level, Metadata, span};

use crate::peer::{Harbour, within};
use crate::subscribing::grant;

/// Keeps every line of its thread, on which a test and its client are alone, at debug level while that is on.
pub(crate) struct Log;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static HAS_DEBUG: Cell<bool> = const { Cell::new(false) };
}

impl Log {
    /// Listens on this thread. There is one for the whole program: making several while other threads log loses lines.
    pub(crate) fn listen() -> DefaultGuard {
        static DISPATCH: OnceLock<Dispatch> = OnceLock::new();
        let guard = tracing::dispatcher::set_default(DISPATCH.get_or_init(|| Dispatch::new(Self)));
        // What another thread logs for the first time while the dispatch is made may miss it.
        tracing::callsite::rebuild_interest_cache();
        guard
    }

    pub(crate) fn set_debug(is_on: bool) {
        HAS_DEBUG.set(is_on);
    }

    pub(crate) fn take() -> Vec<(Level, String)> {
        LINES.take()
    }
}

impl tracing::Subscriber for Log {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // So that it is asked each time.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let most = if HAS_DEBUG.get() { Level::DEBUG } else { Level::INFO };
        metadata.target() == "bowline" && *metadata.level() <= most
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push((*event.metadata().level(), line.text)));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            write!(self.text, "{value:?}")
        } else {
            write!(self.text, " {field}={value:?}")
        };
        written.expect("a string takes everything");
    }
}

/// The lines with arrows.
fn packets(lines: &[(Level, String)]) -> Vec<&str> {
    let is_packet = |line: &&str| line.starts_with("==> ") || line.starts_with("<== ");
    lines.iter().map(|(_, line)| line.as_str()).filter(is_packet).collect()
}

#[tokio::test]
async fn the_log_has_a_line_with_an_arrow_for_each_packet_and_no_secrets() {
    const SECRETS: [&str; 5] = ["pass-secret", "will-secret", "out-secret", "in-secret", "corr-secret"];
    let _guard = Log::listen();
    Log::set_debug(true);
    for version in Version::ALL {
        let harbour = Harbour::new(64 * 1024);
        let builder = harbour
            .builder(version)
            .credentials(Credentials::user_name("meter").password("pass-secret"))
            .will(Will::new("state", "will-secret"));
        let (client, mut peer) = harbour.pair(builder, version).await;
        let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce).into_future();
        let (stream, ()) = tokio::join!(subscribe, grant(&mut peer, &[1]));
        let mut stream = stream.unwrap();
        let publish = client.publish("out", "out-secret").qos(QoS::ExactlyOnce);
        let publish = if version == Version::V5 { publish.correlation_data("corr-secret") } else { publish };
        drop(publish.send().await.unwrap());
        peer.publish().await;
        peer.send(qos1("in", "in-secret", 7)).await;
        peer.send(qos0("in", "in-secret")).await;
        for _ in 0..2 {
            within(stream.next()).await.unwrap();
        }
        peer.packet().await;
        drop(peer);
        client.abort().await;
        let lines = Log::take();
        assert_eq!(
            packets(&lines),
            [
                "==> CONNECT",
                "<== CONNACK",
                "==> SUBSCRIBE (id=1)",
                "<== SUBACK (id=1)",
                "==> PUBLISH (id=2 qos=2 dup=0)",
                "<== PUBLISH (id=7 qos=1 dup=0)",
                "<== PUBLISH (qos=0 dup=0)",
                "==> PUBACK (id=7)",
            ],
            "{version}"
        );
        for (level, line) in &lines {
            for secret in SECRETS {
                assert!(!line.contains(secret), "{level} {line}");
            }
        }
        assert!(lines.iter().any(|(level, _)| *level == Level::INFO), "{lines:?}");
    }
}

#[tokio::test]
async fn the_level_of_the_log_can_change_while_the_program_runs() {
    let _guard = Log::listen();
    let harbour = Harbour::new(64 * 1024);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    for is_on in [false, true, false] {
        Log::take();
        Log::set_debug(is_on);
        within(client.publish("a", "1")).await.unwrap();
        peer.publish().await;
        let expected: &[&str] = if is_on { &["==> PUBLISH (qos=0 dup=0)"] } else { &[] };
        assert_eq!(packets(&Log::take()), expected);
    }
}

#[test]
fn nothing_that_is_printed_for_debugging_has_a_payload_or_a_password() {
    let printed = [
        format!("{:?}", Credentials::user_name("meter").password("a-secret")),
        format!("{:?}", Will::new("state", "a-secret")),
        format!("{:?}", bowline::Client::builder("mqtt://meter:a-secret@localhost").expect("a legal URL")),
    ];
    for text in printed {
        assert!(!text.contains("a-secret"), "{text}");
        assert!(!text.contains(&format!("{:?}", b"a-secret")), "{text}");
    }
}
