//! The fault link by itself: bytes in at one side, bytes or their absence out at the other.

use std::io::ErrorKind;
use std::time::Duration;

use bowline_broker::{Direction, Fault, FaultLink};
use bowline_transport::{
    Connector, DuplexListener, Endpoint, Listener, Stream, TcpAcceptor, TcpConnector, in_process,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use Direction::{ToBroker, ToClient};

const PATIENCE: Duration = Duration::from_secs(20);

/// A link, and where it leads.
struct Line {
    link: FaultLink,
    far: DuplexListener,
}

impl Line {
    fn new() -> Self {
        let (connector, far) = in_process("far", 64 * 1024);
        Self { link: FaultLink::in_process(connector), far }
    }

    /// A connection through the link: the client's end and the broker's.
    async fn open(&self) -> (Stream, Stream) {
        let client = dial(&self.link).await;
        let broker = timeout(PATIENCE, self.far.accept()).await.expect("it is led on").expect("it accepts");
        (client, broker)
    }
}

async fn dial(link: &FaultLink) -> Stream {
    let endpoint = Endpoint::tcp("link", 1883).expect("a legal endpoint");
    link.connector().connect(&endpoint).await.expect("the link accepts")
}

/// All that comes until the end or a failure.
async fn rest(stream: &mut Stream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it ends");
    (bytes, read.err().map(|error| error.kind()))
}

async fn exactly(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.expect("it comes").expect("all of it");
    bytes
}

async fn is_silent(stream: &mut Stream) {
    let mut byte = [0];
    let read = timeout(Duration::from_millis(30), stream.read(&mut byte)).await;
    assert!(read.is_err(), "nothing comes: {read:?}");
}

#[tokio::test]
async fn without_a_fault_bytes_and_ends_pass_both_ways() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    let question: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let sending = async {
        client.write_all(&question).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let ((), (got, failed)) = tokio::join!(sending, rest(&mut broker));
    assert!(got == question && failed.is_none());
    broker.write_all(b"answer").await.unwrap();
    drop(broker);
    assert_eq!(rest(&mut client).await, (b"answer".to_vec(), None));
    let stats = line.link.stats();
    assert_eq!((stats.connections, stats.bytes_to_broker, stats.bytes_to_client), (1, 1_000_000, 6));
    assert_eq!((stats.cuts, stats.open), (0, 0));
}

#[tokio::test]
async fn a_cut_comes_right_after_the_byte_asked_for_in_either_direction_and_only_once() {
    let line = Line::new();
    for direction in [ToBroker, ToClient] {
        let (mut client, mut broker) = line.open().await;
        line.link.fault_after(direction, 5, Fault::Cut);
        let before = line.link.stats();
        let (from, to) = match direction {
            ToBroker => (&mut client, &mut broker),
            _ => (&mut broker, &mut client),
        };
        from.write_all(b"0123").await.unwrap();
        assert_eq!(exactly(to, 4).await, b"0123");
        from.write_all(b"456789").await.unwrap();
        let (got, failed) = rest(to).await;
        // A reset may swallow the byte before it, never let one pass behind it.
        assert!(b"4".starts_with(&got), "{got:?}");
        assert_eq!(failed, Some(ErrorKind::ConnectionReset));
        assert_eq!(rest(from).await.1, Some(ErrorKind::ConnectionReset));
        let after = line.link.stats();
        let passed = |stats: bowline_broker::FaultStats| stats.bytes_to_broker + stats.bytes_to_client;
        assert_eq!(passed(after) - passed(before), 5);
        assert_eq!(after.cuts - before.cuts, 1);

        let (mut client, mut broker) = line.open().await;
        client.write_all(b"0123456789").await.unwrap();
        assert_eq!(exactly(&mut broker, 10).await, b"0123456789");
    }
}

#[tokio::test]
async fn cutting_resets_every_open_connection_and_no_later_one() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    let (mut second, _second_broker) = line.open().await;
    assert_eq!(line.link.cut(), 2);
    for stream in [&mut client, &mut broker, &mut second] {
        assert_eq!(rest(stream).await.1, Some(ErrorKind::ConnectionReset));
    }
    let (mut client, mut broker) = line.open().await;
    client.write_all(b"on").await.unwrap();
    assert_eq!(exactly(&mut broker, 2).await, b"on");
    assert_eq!(line.link.stats().cuts, 2);
}

#[tokio::test]
async fn a_half_close_ends_one_direction_and_the_other_lives_on() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    line.link.fault_after(ToBroker, 3, Fault::HalfClose);
    client.write_all(b"abcdef").await.unwrap();
    assert_eq!(rest(&mut broker).await, (b"abc".to_vec(), None));
    client.write_all(b"to nowhere").await.unwrap();
    broker.write_all(b"still here").await.unwrap();
    assert_eq!(exactly(&mut client, 10).await, b"still here");
    assert_eq!(line.link.stats().half_closes, 1);
    assert_eq!(line.link.stats().bytes_to_broker, 3);
}

#[tokio::test]
async fn exactly_the_byte_asked_for_is_corrupted() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    line.link.fault_after(ToClient, 2, Fault::Corrupt);
    broker.write_all(&[0, 1, 2]).await.unwrap();
    assert_eq!(exactly(&mut client, 3).await, [0, 1, !2]);
    broker.write_all(&[3, 4]).await.unwrap();
    assert_eq!(exactly(&mut client, 2).await, [3, 4]);
    line.link.fault_after(ToClient, 0, Fault::Corrupt);
    client.write_all(b"the other way").await.unwrap();
    assert_eq!(exactly(&mut broker, 13).await, b"the other way");
    broker.write_all(&[5]).await.unwrap();
    assert_eq!(exactly(&mut client, 1).await, [!5]);
    assert_eq!(line.link.stats().corrupted, 2);
}

#[tokio::test]
async fn a_stalled_direction_holds_a_bounded_number_of_bytes_and_goes_on_where_it_was() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    line.link.stall(ToBroker);
    let mut accepted = 0;
    let chunk = [7; 10_000];
    while let Ok(written) = timeout(Duration::from_millis(50), client.write(&chunk)).await {
        accepted += written.unwrap();
    }
    // The link's own 256 KiB and a read, and the stream into it.
    assert!((300_000..=256 * 1024 + 16 * 1024 + 64 * 1024).contains(&accepted), "{accepted} bytes");
    is_silent(&mut broker).await;
    broker.write_all(b"back").await.unwrap();
    assert_eq!(exactly(&mut client, 4).await, b"back");
    line.link.go_on(ToBroker);
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut broker).await.0.len(), accepted);
}

#[tokio::test(start_paused = true)]
async fn delay_and_throttle_take_the_time_they_say() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    line.link.set_delay(ToClient, Duration::from_millis(700));
    let started = Instant::now();
    client.write_all(b"there").await.unwrap();
    exactly(&mut broker, 5).await;
    assert!(started.elapsed() < Duration::from_millis(10), "the other direction is not delayed");
    broker.write_all(b"a").await.unwrap();
    broker.write_all(b"b").await.unwrap();
    exactly(&mut client, 2).await;
    let took = started.elapsed();
    assert!((700..730).contains(&took.as_millis()), "later, but one is not behind the other: {took:?}");

    line.link.set_throttle(ToBroker, Some(10_000));
    let started = Instant::now();
    client.write_all(&[1; 20_000]).await.unwrap();
    exactly(&mut broker, 20_000).await;
    let took = started.elapsed();
    assert!((1_950..2_300).contains(&took.as_millis()), "{took:?}");

    line.link.heal();
    let started = Instant::now();
    client.write_all(&[1; 20_000]).await.unwrap();
    exactly(&mut broker, 20_000).await;
    assert!(started.elapsed() < Duration::from_millis(10));
}

#[tokio::test]
async fn connections_are_refused_for_as_long_as_asked() {
    let line = Line::new();
    let (mut open, mut broker) = line.open().await;
    line.link.refuse_for(Duration::from_secs(3_600));
    let mut refused = dial(&line.link).await;
    assert_eq!(rest(&mut refused).await.1, Some(ErrorKind::ConnectionReset));
    open.write_all(b"x").await.unwrap();
    assert_eq!(exactly(&mut broker, 1).await, b"x");
    line.link.refuse_for(Duration::ZERO);
    line.open().await;
    let stats = line.link.stats();
    assert_eq!((stats.refused, stats.connections), (1, 2));
}

#[tokio::test]
async fn random_cuts_follow_from_their_seed_and_differ_from_connection_to_connection() {
    async fn places(seed: u64) -> Vec<(u64, u64)> {
        let line = Line::new();
        line.link.cut_randomly(seed, 1..1_000);
        let mut places = Vec::new();
        for _ in 0..20 {
            let before = line.link.stats();
            let (mut client, mut broker) = line.open().await;
            // One direction after the other, so that the counts do not depend on the scheduler.
            let _written = client.write_all(&[0; 1_000]).await;
            let mut bytes = [0; 1_000];
            if broker.read_exact(&mut bytes).await.is_ok() {
                let _written = broker.write_all(&[0; 1_000]).await;
            }
            assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
            let after = line.link.stats();
            places.push((
                after.bytes_to_broker - before.bytes_to_broker,
                after.bytes_to_client - before.bytes_to_client,
            ));
        }
        assert_eq!(line.link.stats().cuts, 20);
        places
    }
    let first = places(1).await;
    assert_eq!(first, places(1).await);
    assert_ne!(first, places(2).await);
    assert!(first.iter().any(|(_, to_client)| *to_client > 0), "some in the broker's direction: {first:?}");
    assert!(first.iter().any(|(_, to_client)| *to_client == 0), "some in the client's: {first:?}");
}

#[tokio::test]
async fn it_works_over_tcp_and_a_broker_that_is_not_there_ends_the_connection() {
    let far = TcpAcceptor::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let link = FaultLink::over_tcp(far.local_addr()).unwrap();
    let endpoint: Endpoint = link.url().parse().unwrap();
    let mut client = TcpConnector::new().connect(&endpoint).await.unwrap();
    let mut broker = far.accept().await.unwrap();
    client.write_all(b"over sockets").await.unwrap();
    assert_eq!(exactly(&mut broker, 12).await, b"over sockets");
    link.cut();
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    assert_eq!(rest(&mut broker).await.1, Some(ErrorKind::ConnectionReset));
    drop(far);
    let mut client = TcpConnector::new().connect(&endpoint).await.unwrap();
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    assert_eq!(link.stats().unreachable, 1);
}

#[tokio::test]
async fn dropping_the_link_cuts_what_is_open() {
    let line = Line::new();
    let (mut client, mut broker) = line.open().await;
    drop(line.link);
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    assert_eq!(rest(&mut broker).await.1, Some(ErrorKind::ConnectionReset));
}
