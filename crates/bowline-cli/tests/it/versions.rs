//! `-V auto`: whichever version the broker takes.

use bowline::Version;
use bowline_broker::{Broker, BrokerEvent, VersionRefusal};

use crate::process::{Process, until};

async fn broker(versions: &[Version], refusal: VersionRefusal) -> Broker {
    let builder = Broker::builder().configure(|config| {
        config.versions = versions.to_vec();
        config.version_refusal = refusal;
    });
    builder.start().await.expect("a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_finds_the_newest_version_that_the_broker_takes() {
    for refusal in [VersionRefusal::InClientsVersion, VersionRefusal::InV3_1_1, VersionRefusal::Close] {
        for newest in Version::ALL {
            let older = Version::ALL.into_iter().filter(|version| *version <= newest);
            let broker = broker(&older.collect::<Vec<_>>(), refusal).await;
            let mut events = broker.events();
            let wanted = ["-V", "auto", "-t", "t", "-q", "2", "-C", "1", "-W", "50"];
            let subscriber = Process::client("sub", &broker, &wanted);
            until("subscribing", || broker.stats().subscriptions == 1);
            let sent = ["-V", "auto", "-t", "t", "-q", "2", "-m", "found"];
            Process::client("pub", &broker, &sent).finish().successful();
            assert_eq!(subscriber.finish().successful(), b"found\n");
            broker.assert_no_violations();
            let mut connected = 0;
            while connected < 2 {
                if let BrokerEvent::Connected { version, .. } = events.next().await.expect("it runs") {
                    assert_eq!(version, newest);
                    connected += 1;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_named_is_spoken_or_none_and_a_refusal_has_its_exit_code() {
    let broker = broker(&[Version::V3_1_1], VersionRefusal::InClientsVersion).await;
    for (version, code) in [("5", 132), ("31", 1)] {
        let ended = Process::client("pub", &broker, &["-V", version, "-t", "t", "-m", "x"]).finish();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains("unsupported protocol version"), "{}", ended.stderr);
        assert!(ended.stderr.contains("-V"), "{}", ended.stderr);
    }
    let no_login = Broker::builder().configure(|config| config.versions = vec![Version::V3_1_1]);
    let no_login = no_login.authenticate(|_| Err(bowline::ReasonCode::BadUserNameOrPassword));
    let no_login = no_login.start().await.expect("a free port");
    let ended = Process::client("pub", &no_login, &["-V", "auto", "-t", "t", "-m", "x"]).finish();
    assert_eq!(ended.code, Some(134), "as in 5.0, whichever is spoken: {}", ended.stderr);
}
