//! Messages that no stream wants: who gets them in the end.

use bowline::{QoS, ReasonCode};
use bowline_testkit::packets::qos1;

use crate::inbound::{KEEPING, KIB_64, acknowledged, comes_back, kept};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

#[tokio::test]
async fn what_the_unrouted_stream_has_not_returned_when_it_is_dropped_goes_to_the_streams_that_match() {
    for version in KEEPING {
        let harbour = Harbour::new(KIB_64);
        let builder = kept(&harbour, version).unrouted(10);
        let (connected, mut peer) = tokio::join!(builder.connect(), comes_back(&harbour, version, true));
        let (client, unrouted) = connected.unwrap();
        peer.send(qos1("a", "kept", 7)).await;
        peer.send(qos1("elsewhere", "kept", 8)).await;
        peer.is_silent().await;
        let subscribe = client.subscribe("a").qos(QoS::AtLeastOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        let mut stream = stream.unwrap();
        drop(unrouted);
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("kept"));
        assert_eq!(acknowledged(&mut peer).await, (7, ReasonCode::Success));
        peer.is_silent().await;
        let subscribe = client.subscribe("elsewhere").qos(QoS::AtLeastOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        assert_eq!(within(stream.unwrap().next()).await.unwrap().topic(), "elsewhere");
        assert_eq!(acknowledged(&mut peer).await.0, 8);
    }
}
