//! Futures that publish.

use bowline::{Client, PublishErrorKind, QoS, Subscription, Version};

use crate::dropping::{POLLS_MAX, assert_works_and_holds_nothing, broker, client, polled};
use crate::peer::within;
use crate::publishing::Numbers;

/// A client whose window and queue are full, and a stream of another that gets what it sends.
async fn full(broker: &bowline_broker::Broker, version: Version) -> (Client, Client, Subscription) {
    let reader = client(broker, version).await;
    let stream = within(reader.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
    let writer = client(broker, version).await;
    for _ in 0..2 {
        let filler = writer.publish("a", "filler").qos(QoS::ExactlyOnce);
        drop(filler.try_send().expect("one in flight and one in the queue"));
    }
    (reader, writer, stream)
}

/// What came, without the fillers, up to a last message that is published now.
async fn received(writer: &Client, stream: &mut Subscription) -> Vec<String> {
    within(writer.publish("a", "end").qos(QoS::ExactlyOnce)).await.unwrap();
    let mut texts = Vec::new();
    loop {
        match within(stream.next()).await.unwrap().text().unwrap() {
            "end" => return texts,
            "filler" => {}
            text => texts.push(text.to_owned()),
        }
    }
}

#[tokio::test]
async fn a_dropped_send_was_accepted_if_it_returned_and_else_it_was_not() {
    for version in Version::ALL {
        let mut outcomes = [0, 0];
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            let (reader, writer, mut stream) = full(&broker, version).await;
            let topic = writer.topic("a").unwrap().qos(QoS::ExactlyOnce);
            let mut expected = Vec::new();
            if let Some(receipt) = polled(topic.send("prepared"), polls).await {
                expected.push("prepared");
                drop(receipt.unwrap());
            }
            let send = writer.publish("a", "named").qos(QoS::AtLeastOnce).send();
            if let Some(receipt) = polled(send, polls).await {
                expected.push("named");
                drop(receipt.unwrap());
            }
            assert_eq!(received(&writer, &mut stream).await, expected, "{version}, {polls} polls");
            outcomes[usize::from(expected.is_empty())] += 1;
            drop(stream);
            assert_works_and_holds_nothing(&broker, &writer).await;
            drop(reader);
        }
        assert!(outcomes.iter().all(|&count| count > 0), "some were dropped early, some late: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_dropped_publish_is_sent_once_if_there_was_room_at_a_poll_and_else_never() {
    for version in Version::ALL {
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            let (reader, writer, mut stream) = full(&broker, version).await;
            within(writer.flush()).await.unwrap();
            drop(polled(writer.publish("a", "room").qos(QoS::ExactlyOnce), polls).await);
            let expected: &[&str] = if polls == 0 { &[] } else { &["room"] };
            assert_eq!(received(&writer, &mut stream).await, expected, "{version}, {polls} polls");
            // Without room: once at most.
            drop(writer.publish("a", "filler").qos(QoS::AtLeastOnce).try_send().unwrap());
            drop(writer.publish("a", "filler").qos(QoS::AtLeastOnce).try_send().unwrap());
            let publish = writer.topic("a").unwrap().qos(QoS::AtLeastOnce);
            let ready = polled(publish.publish("full"), polls).await;
            let got = received(&writer, &mut stream).await;
            assert!(got.iter().filter(|text| *text == "full").count() <= 1, "{got:?}");
            assert!(!got.is_empty() || ready.is_none(), "it was acknowledged and did not come");
            drop(stream);
            assert_works_and_holds_nothing(&broker, &writer).await;
            drop(reader);
        }
    }
}

#[tokio::test]
async fn a_dropped_receipt_leaves_its_message_and_one_that_was_polled_can_still_be_awaited() {
    for version in Version::ALL {
        for qos in crate::round_trip::ALL_QOS {
            for polls in 0..=POLLS_MAX {
                let broker = broker().await;
                let (reader, writer, mut stream) = full(&broker, version).await;
                within(writer.flush()).await.unwrap();
                let dropped = writer.publish("a", "1").qos(qos).send().await.unwrap();
                drop(polled(dropped, polls).await);
                let mut kept = writer.publish("a", "2").qos(qos).send().await.unwrap();
                if polled(&mut kept, polls).await.is_none() {
                    within(&mut kept).await.unwrap();
                }
                assert_eq!(received(&writer, &mut stream).await, ["1", "2"]);
                drop((kept, stream));
                assert_works_and_holds_nothing(&broker, &writer).await;
                drop(reader);
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_publish_all_has_published_the_first_ones_and_no_others() {
    for version in Version::ALL {
        let mut lengths = Vec::new();
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            let (reader, writer, mut stream) = full(&broker, version).await;
            let topic = writer.topic("a").unwrap().qos(QoS::AtLeastOnce);
            assert!(polled(topic.publish_all(Numbers { next: 0, end: 90 }), polls).await.is_none());
            let got = received(&writer, &mut stream).await;
            let first: Vec<String> = (1..=got.len()).map(|number| number.to_string()).collect();
            assert_eq!(got, first, "{version}, {polls} polls");
            lengths.push(got.len());
            drop(stream);
            assert_works_and_holds_nothing(&broker, &writer).await;
            drop(reader);
        }
        assert!(lengths[0] == 0 && lengths[POLLS_MAX] > 0, "{lengths:?}");
    }
}

#[tokio::test]
async fn a_dropped_outcome_changes_nothing_and_can_be_asked_for_again() {
    use bowline::store::{MemoryStore, StoredOutcome};
    let broker = broker().await;
    let builder = crate::dropping::builder(&broker, Version::V5).client_id("keyed");
    let session = bowline::Session::stored_in(MemoryStore::new());
    let client = within(builder.session(session).connect()).await.unwrap();
    let publish = client.publish("a", "x").qos(QoS::AtLeastOnce).key("k");
    let receipt = within(publish.send()).await.unwrap();
    for polls in 0..=POLLS_MAX {
        let _dropped = polled(client.outcome("k"), polls).await;
        let _dropped = polled(client.publisher().outcome("k"), polls).await;
    }
    within(receipt).await.unwrap();
    assert!(within(client.outcome("k")).await.unwrap().is_some_and(StoredOutcome::is_acknowledged));
}

/// Wherever a publish with a key is dropped, whoever publishes again with the key has it arrive once.
#[tokio::test]
async fn a_dropped_publish_with_a_key_has_its_message_accepted_or_its_key_free_and_none_arrives_twice() {
    use bowline::store::MemoryStore;
    for version in Version::ALL {
        let broker = broker().await;
        let reader = client(&broker, version).await;
        let mut stream = within(reader.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
        let session = bowline::Session::stored_in(MemoryStore::new());
        let builder = crate::dropping::builder(&broker, version).client_id("keyed");
        let writer = within(builder.session(session).connect()).await.unwrap();
        let (mut expected, mut known) = (Vec::new(), 0);
        for polls in 0..=POLLS_MAX {
            for is_sent in [true, false] {
                let key = format!("{polls} {is_sent}");
                let publish = || writer.publish("a", key.clone()).qos(QoS::ExactlyOnce).key(key.clone());
                if is_sent {
                    drop(polled(publish().send(), polls).await);
                } else {
                    drop(polled(publish(), polls).await);
                }
                match within(publish()).await {
                    Ok(_) => {}
                    Err(error) => {
                        assert!(matches!(error.kind(), PublishErrorKind::KnownKey(_)), "{error}");
                        known += 1;
                    }
                }
                expected.push(key);
            }
        }
        assert_eq!(received(&writer, &mut stream).await, expected, "{version}");
        assert!((2..expected.len()).contains(&known), "some were dropped early, some late: {known}");
        drop(stream);
        assert_works_and_holds_nothing(&broker, &writer).await;
        drop(reader);
    }
}
