//! With a real Mosquitto and its programs on the other side. They must be installed: without them the tests fail.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bowline_testkit::ports::free_address;
use rustix::process::Signal;

use crate::process::{Process, until};
use crate::publishing::{VERSIONS, binary};
use crate::storing::{Delays, Folder};

/// A running Mosquitto; stopped when it is dropped.
struct Mosquitto {
    child: Child,
    port: String,
    folder: PathBuf,
}

impl Mosquitto {
    fn start() -> Self {
        // Debian puts it where only root's path looks.
        let debian = Path::new("/usr/sbin/mosquitto");
        let program = if debian.exists() { debian } else { Path::new("mosquitto") };
        let port = free_address().port();
        let folder =
            std::env::temp_dir().join(format!("bowline-cli-mosquitto-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n\
             max_queued_messages 0\nmax_inflight_messages 1000\n"
        );
        std::fs::write(folder.join("mosquitto.conf"), settings).expect("it was just made");
        let child = Command::new(program)
            .arg("-c")
            .arg(folder.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("no mosquitto ({error}); Debian: apt-get install mosquitto"));
        let broker = Self { child, port: port.to_string(), folder };
        until("mosquitto listening", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        broker
    }

    /// One of Mosquitto's programs, or ours: they take the same options.
    fn program(&self, name: &str, arguments: &[&str]) -> Process {
        let mut command = match name {
            "pub" | "sub" => crate::process::bowline([name]),
            theirs => Command::new(theirs),
        };
        Process::start(command.args(["-h", "127.0.0.1", "-p", &self.port]).args(arguments))
    }

    /// A subscriber that is subscribed: it has written a message that was kept for it.
    fn subscriber(&self, name: &str, topic: &str, arguments: &[&str]) -> Process {
        self.program("pub", &["-t", topic, "-r", "-q", "1", "-m", "ready"]).finish().successful();
        let subscriber = self.program(name, &[&["-t", topic, "-W", "55"], arguments].concat());
        subscriber.until_stdout(b"ready\n");
        subscriber
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[ignore = "needs Debian's mosquitto and mosquitto-clients; .ci/run runs it with --include-ignored"]
#[test]
fn lines_go_from_every_program_through_mosquitto_to_every_other() {
    let broker = Mosquitto::start();
    let lines: String = (0..3_000).map(|number| format!("{number};{}\n", "y".repeat(number % 50))).collect();
    let expected = format!("ready\n{lines}");
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            for (from, to) in [("pub", "mosquitto_sub"), ("mosquitto_pub", "sub"), ("pub", "sub")] {
                let topic = format!("{version}/{qos}/{from}/{to}");
                let mosquittos = format!("mqttv{version}");
                let options = ["-V", &mosquittos, "-q", qos];
                // Mosquitto 2.0.11 sends what its own limit allows and not what this client announced, and its client
                // leaves then, whoever publishes: so it announces the most.
                let receives: &[&str] = match (version, to) {
                    ("5", "mosquitto_sub") => &["-D", "connect", "receive-maximum", "65535"],
                    _ => &[],
                };
                let receives = [&options[..], &["-C", "3001"], receives].concat();
                let subscriber = broker.subscriber(to, &topic, &receives);
                let publisher = broker.program(from, &[&options[..], &["-t", &topic, "-l"]].concat());
                publisher.finish_with(lines.clone()).successful();
                let ended = subscriber.finish();
                let got = ended.stdout.len();
                assert!(ended.stdout == expected.as_bytes(), "{topic}: {got} of {} bytes", expected.len());
                assert_eq!(ended.code, Some(0), "{topic}: {}", ended.stderr);
            }
        }
    }
}

#[ignore = "needs Debian's mosquitto and mosquitto-clients; .ci/run runs it with --include-ignored"]
#[test]
fn a_binary_payload_is_the_same_on_both_sides_of_mosquitto() {
    let broker = Mosquitto::start();
    let payload = binary(300_000);
    let expected = [b"ready\n", &payload[..], b"\n"].concat();
    for (from, to) in [("pub", "mosquitto_sub"), ("mosquitto_pub", "sub")] {
        let subscriber = broker.subscriber(to, &format!("{from}/{to}"), &["-q", "2", "-C", "2"]);
        let publisher = broker.program(from, &["-q", "2", "-t", &format!("{from}/{to}"), "-s"]);
        publisher.finish_with(payload.clone()).successful();
        assert!(subscriber.finish().successful() == expected, "{from} to {to}");
    }
}

/// Mosquitto keeps what it has while it runs; killed are only our programs.
#[ignore = "needs Debian's mosquitto and mosquitto-clients; .ci/run runs it with --include-ignored"]
#[test]
fn an_input_that_is_given_again_after_each_kill_arrives_once_through_mosquitto() {
    let broker = Mosquitto::start();
    let folder = Folder::new("mosquitto-store");
    let store = folder.file("session");
    let lines: String = (0..2_000).map(|number| format!("line {number}\n")).collect();
    for version in VERSIONS {
        let (name, topic) = (format!("--key-by-line=v{version}"), format!("stored/{version}"));
        let store = format!("{store}-{version}");
        let subscriber = broker.subscriber("sub", &topic, &["-V", version, "-q", "2", "-C", "2001"]);
        let options = ["-V", version, "-t", &topic, "-q", "2", "-l", "--store", &store, &name];
        let mut delays = Delays::new(5);
        for _ in 0..5 {
            let mut publisher = broker.program("pub", &options);
            publisher.input(lines.as_bytes());
            std::thread::sleep(delays.next(200));
            publisher.signal(Signal::KILL);
            publisher.wait_and_finish();
        }
        broker.program("pub", &options).finish_with(lines.clone()).successful();
        let got = subscriber.finish().successful();
        assert!(got == format!("ready\n{lines}").as_bytes(), "{version}: {} bytes", got.len());
    }
}

/// Times differ from one run to the next, and the order of properties in JSON is nobody's business.
#[ignore = "needs Debian's mosquitto and mosquitto-clients; .ci/run runs it with --include-ignored"]
#[test]
fn the_options_of_mosquitto_sub_write_the_same_here() {
    let broker = Mosquitto::start();
    for (topic, payload) in [("kept/a", "one"), ("kept/b", "two")] {
        broker.program("mosquitto_pub", &["-t", topic, "-m", payload, "-r", "-q", "1"]).finish().successful();
    }
    let property = ["-D", "publish"];
    let properties =
        [&property[..], &["user-property", "a", "b"], &property, &["content-type", "text"]].concat();
    let properties = [&properties[..], &property, &["correlation-data", "c", "-V", "mqttv5"]].concat();
    let described = [&["-t", "kept/c", "-m", "three", "-r", "-q", "1"][..], &properties].concat();
    broker.program("mosquitto_pub", &described).finish().successful();
    let fields = "%t|%p|%q|%r|%l|%m|%x|%X|%%|\\t|%C|%D|%E|%F|%P|%R";
    let cases: [&[&str]; 10] = [
        &["-v", "-C", "3"],
        &["-N", "-C", "2"],
        &["-T", "kept/a", "-C", "2"],
        &["-R", "-W", "1"],
        &["--retained-only", "-W", "1"],
        &["-E"],
        &["-F", fields, "-C", "3", "-V", "mqttv5", "-q", "1"],
        &["-F", "%p", "-N", "-C", "2", "-V", "mqttv311"],
        &["-I", "a", "-A", "127.0.0.1", "--nodelay", "--quiet", "-C", "1"],
        &["-i", "a", "-c", "-x", "-1", "-V", "mqttv5", "-C", "1"],
    ];
    for options in cases {
        let arguments = [&["-t", "kept/#"], options].concat();
        let [theirs, ours] =
            ["mosquitto_sub", "sub"].map(|program| broker.program(program, &arguments).finish());
        assert_eq!(ours.code, theirs.code, "{options:?}: {}", ours.stderr);
        let [ours, theirs] = [ours, theirs].map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        assert_eq!(ours, theirs, "{options:?}");
    }
    // Its time is written like theirs.
    let json = ["-t", "kept/a", "-F", "%j", "-C", "1"];
    let [theirs, ours] = ["mosquitto_sub", "sub"]
        .map(|program| String::from_utf8(broker.program(program, &json).finish().successful()).unwrap());
    let rest = |line: &str| line.split_once(",\"topic\"").expect("it has a topic").1.to_owned();
    assert_eq!((ours.len(), rest(&ours)), (theirs.len(), rest(&theirs)));
}
