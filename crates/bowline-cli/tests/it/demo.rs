//! `bowline demo` as a program: what it prints, what it exits with, and that it finds what a network did to messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowline_broker::Broker;
use bowline_testkit::ports::free_address;

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    command.arg("demo").args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8")
}

/// The lines of the table, each as its words.
fn rows(stdout: &str) -> Vec<Vec<&str>> {
    let words = stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.len() == 13 && matches!(words[0], "3.1" | "3.1.1" | "5.0")).collect()
}

#[test]
fn the_demo_has_a_clean_row_for_each_version_qos_and_role_and_exits_with_0() {
    let Output { status, stdout, stderr } = demo(&["-n", "40"]).output().expect("the program starts");
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(0), "{stdout}{stderr}");

    let mut expected = Vec::new();
    for version in ["3.1", "3.1.1", "5.0"] {
        for qos in ["0", "1", "2"] {
            expected.push([version, qos, "publisher", "40", "-", "-", "-", "-", "-"]);
            expected.push([version, qos, "subscriber", "-", "40", "0", "0", "0", "0"]);
            expected.push([version, qos, "both", "40", "40", "0", "0", "0", "0"]);
        }
    }
    let rows = rows(&stdout);
    assert_eq!(rows.iter().map(|row| &row[..9]).collect::<Vec<_>>(), expected, "{stdout}");
    for row in rows {
        let has_latency = !(row[1] == "0" && row[2] == "publisher");
        assert_ne!(row[9], "-", "no rate in {row:?}");
        assert!(row[10..].iter().all(|cell| (*cell != "-") == has_latency), "{row:?}");
    }
    let last = "demo: 720 messages, 0 lost, 0 doubled, 0 out of order, 0 corrupt, 0 protocol violations: OK";
    assert_eq!(stdout.lines().last(), Some(last));
    assert!(stdout.starts_with("This program sent 40 messages of 64 bytes in each of 18 runs"), "{stdout}");
    assert_eq!(
        stderr.lines().filter(|line| line.ends_with("40 of 40 messages arrived: ok")).count(),
        18,
        "{stderr}"
    );
    assert!(
        !stdout.contains('\x1b') && !stderr.contains('\x1b'),
        "nothing is drawn where there is no terminal"
    );
}

#[test]
fn the_demo_works_with_a_single_message_and_with_large_payloads() {
    for arguments in [["-n", "1", "--payload", "32"], ["-n", "4", "--payload", "1048576"]] {
        let Output { status, stdout, .. } = demo(&arguments).output().expect("the program starts");
        assert_eq!(status.code(), Some(0), "{arguments:?}: {}", text(&stdout));
        assert_eq!(rows(&text(&stdout)).len(), 27);
    }
}

#[test]
fn a_payload_that_has_no_room_for_the_stamp_and_no_messages_at_all_are_refused() {
    for arguments in [["--payload", "31"], ["--payload", "1048577"], ["--messages", "0"]] {
        let status = demo(&arguments).stderr(Stdio::null()).status().expect("the program starts");
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_demo_without_a_broker_fails_and_says_why() {
    let url = format!("mqtt://{}", free_address());
    let Output { status, stdout, .. } =
        demo(&["-n", "2", "--url", &url]).output().expect("the program starts");
    let stdout = text(&stdout);
    assert_eq!(status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("MQTT 3.1, QoS 0, publisher to subscriber: "), "{stdout}");
    assert!(
        stdout.ends_with("demo: 0 messages, 0 lost, 0 doubled, 0 out of order, 0 corrupt: FAILED\n"),
        "{stdout}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_demo_with_the_summary_so_far_and_exit_code_130() {
    let mut child = demo(&["-n", "3000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut lines = stderr.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("arrived: ok")), "no run has ended");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill starts").success());
    let Output { status, stdout, .. } = child.wait_with_output().expect("the program ends");
    let stdout = text(&stdout);
    assert_eq!(status.code(), Some(130), "{stdout}");
    assert!(stdout.contains("Interrupted in MQTT "), "{stdout}");
    assert!(
        stdout.starts_with("This program sent 3,000 messages of 64 bytes in each of the first "),
        "{stdout}"
    );
    assert!(stdout.ends_with("0 corrupt, 0 protocol violations: INTERRUPTED\n"), "{stdout}");
    let rows = rows(&stdout).len();
    assert!((2..27).contains(&rows), "{rows} rows: {stdout}");
}

/// What a network does to one message.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    Lose,
    Double,
    /// Lets the last one of a run arrive again just before what follows it: the end of the subscription.
    DoubleLate,
    Corrupt,
    /// Lets the next one pass first.
    HoldBack,
}

#[test]
fn a_single_message_that_is_lost_doubled_changed_or_overtaken_fails_the_demo() {
    for (tampering, last) in [
        (Tampering::Lose, "demo: 540 messages, 1 lost, 0 doubled, 0 out of order, 0 corrupt: FAILED"),
        (Tampering::Double, "demo: 540 messages, 0 lost, 1 doubled, 0 out of order, 0 corrupt: FAILED"),
        (Tampering::DoubleLate, "demo: 540 messages, 0 lost, 1 doubled, 0 out of order, 0 corrupt: FAILED"),
        (Tampering::Corrupt, "demo: 540 messages, 1 lost, 0 doubled, 0 out of order, 1 corrupt: FAILED"),
        (Tampering::HoldBack, "demo: 540 messages, 0 lost, 0 doubled, 1 out of order, 0 corrupt: FAILED"),
    ] {
        let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
        let broker = runtime.block_on(Broker::builder().start()).expect("the broker starts");
        let proxy = tampering_proxy(broker.address().expect("it listens"), tampering);
        let Output { status, stdout, .. } =
            demo(&["-n", "30", "--url", &format!("mqtt://{proxy}")]).output().expect("the program starts");
        let stdout = text(&stdout);
        assert_eq!(status.code(), Some(1), "{tampering:?}: {stdout}");
        assert_eq!(stdout.lines().last(), Some(last), "{tampering:?}: {stdout}");
        let spoilt = rows(&stdout).iter().filter(|row| row[5..9] != ["0"; 4] && row[4] != "-").count();
        assert_eq!(spoilt, 1, "{stdout}");
    }
}

/// Passes everything between clients and a broker, but for one QoS 0 message.
fn tampering_proxy(broker: SocketAddr, tampering: Tampering) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let seen = Arc::new(AtomicUsize::new(0));
    // Its threads end with the test's process.
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(broker) else { return };
            let seen = seen.clone();
            let (mut from_client, mut to_server) =
                (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            std::thread::spawn(move || {
                let _ended = std::io::copy(&mut from_client, &mut to_server);
                let _ended = to_server.shutdown(std::net::Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ended = pass_packets(server, &client, tampering, &seen);
                let _ended = client.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

/// Which of all QoS 0 messages is tampered with; they are counted over all connections, 30 in each run.
const fn victim(tampering: Tampering) -> usize {
    if matches!(tampering, Tampering::DoubleLate) { 29 } else { 5 }
}

fn pass_packets(
    server: TcpStream,
    mut client: &TcpStream,
    tampering: Tampering,
    seen: &AtomicUsize,
) -> std::io::Result<()> {
    let mut server = BufReader::new(server);
    let mut held_back: Option<Vec<u8>> = None;
    let mut again: Option<Vec<u8>> = None;
    loop {
        let mut packet = read_packet(&mut server)?;
        if let Some(again) = again.take() {
            client.write_all(&again)?;
        }
        let is_qos0_publish = packet[0] & 0b1111_0110 == 0b0011_0000;
        if is_qos0_publish && seen.fetch_add(1, Ordering::SeqCst) == victim(tampering) {
            match tampering {
                Tampering::Lose => continue,
                Tampering::Double => client.write_all(&packet)?,
                Tampering::DoubleLate => again = Some(packet.clone()),
                Tampering::Corrupt => *packet.last_mut().expect("a packet has bytes") ^= 1,
                Tampering::HoldBack => {
                    held_back = Some(packet);
                    continue;
                }
            }
        }
        client.write_all(&packet)?;
        if let Some(held_back) = held_back.take() {
            client.write_all(&held_back)?;
        }
    }
}

/// One packet as bytes: the first byte, the length in up to four, and as many more as that says.
fn read_packet(server: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut packet = vec![0];
    server.read_exact(&mut packet)?;
    let mut length = 0;
    for place in 0..4 {
        let mut byte = [0];
        server.read_exact(&mut byte)?;
        packet.push(byte[0]);
        length |= usize::from(byte[0] & 0x7F) << (7 * place);
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let header = packet.len();
    packet.resize(header + length, 0);
    server.read_exact(&mut packet[header..])?;
    Ok(packet)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_in_the_url_is_in_neither_output() {
    let broker = Broker::builder().start().await.expect("a free port");
    let address = broker.address().expect("it listens on TCP");
    let url = format!("mqtt://meter:tide-and-knots@{address}");
    let Output { status, stdout, stderr } = demo(&["-n", "1", "--url", &url]).output().expect("it starts");
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(0), "{stdout}{stderr}");
    for output in [stdout, stderr] {
        assert!(output.contains(&format!("mqtt://{address}")), "{output}");
        assert!(!output.contains("tide-and-knots"), "{output}");
    }
}

#[test]
fn a_wrong_url_ends_the_demo_with_2_before_any_run() {
    for url in ["http://localhost", "mqtt://meter:tide/knots@localhost", ""] {
        let Output { status, stdout, stderr } = demo(&["-n", "1", "--url", url]).output().expect("it starts");
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        assert_eq!((status.code(), stdout.as_str()), (Some(2), ""), "{url}: {stderr}");
        assert!(stderr.starts_with("bowline demo: the URL is wrong: "), "{stderr}");
        assert!(!stderr.contains("knots"), "{stderr}");
    }
}

#[test]
fn the_demo_has_a_help_of_its_own() {
    let Output { status, stdout, stderr } = demo(&["--help"]).output().expect("the program starts");
    assert_eq!(status.code(), Some(0), "{}", text(&stderr));
    assert!(text(&stdout).contains("--payload"), "{}", text(&stdout));
}

#[test]
fn the_demo_goes_on_if_nobody_reads_its_progress() {
    let mut command = demo(&["-n", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stderr.take());
    let Output { status, stdout, .. } = child.wait_with_output().expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", text(&stdout));
    assert!(text(&stdout).ends_with(": OK\n"), "{}", text(&stdout));
}
