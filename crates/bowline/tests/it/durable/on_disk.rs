//! Clients on the store that is a file.

use bowline::proto::packet::{Ack, Packet};
use bowline::store::{DiskStore, StoreErrorKind, SyncPolicy};
use bowline::{ConnectError, QoS, Session, Version};

use crate::disk_store::scratch::Scratch;
use crate::durable::barriers::accept_anew;
use crate::peer::{Harbour, within};

#[tokio::test]
async fn a_client_goes_on_where_the_one_before_it_was_and_only_one_has_the_file() {
    let folder = Scratch::new();
    let path = folder.path("meter.session");
    for version in Version::ALL {
        let path = path.with_extension(version.to_string());
        let harbour = Harbour::new(64 * 1024);
        let build = || harbour.builder(version).client_id("meter-7").session(Session::durable(&path));
        let (client, mut peer) = tokio::join!(build().connect(), accept_anew(&harbour, version));
        let client = client.unwrap();
        let receipt = within(client.publish("a", "x").qos(QoS::ExactlyOnce).send()).await.unwrap();
        let id = peer.publish().await.packet_id;
        let ConnectError::Store(error) = within(build().connect()).await.unwrap_err() else { panic!() };
        assert_eq!(error.kind(), &StoreErrorKind::Locked);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        drop(receipt);
        let ((), ()) = tokio::join!(client.disconnect(), peer.disconnected());

        let store = DiskStore::new(&path).sync(SyncPolicy::OsBuffer);
        let builder = harbour.builder(version).client_id("meter-7").session(Session::stored_in(store));
        let client = builder.connect_lazy().unwrap();
        let mut peer = harbour.accept(version).await;
        assert!(!peer.connect().await.clean_start, "{version:?}");
        peer.connack(true).await;
        let again = peer.publish().await;
        assert_eq!((again.packet_id, again.dup), (id, true), "{version:?}");
        peer.send(Packet::PubRec(Ack::success(id.unwrap()))).await;
        assert!(matches!(peer.packet().await, Packet::PubRel(_)));
        peer.send(Packet::PubComp(Ack::success(id.unwrap()))).await;
        within(client.flush()).await.unwrap();
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_a_store_is_a_typed_error_with_the_path_in_it() {
    let folder = Scratch::new();
    let harbour = Harbour::new(64 * 1024);
    let missing = folder.path("missing").join("meter.session");
    for (path, kind) in
        [(folder.path(""), StoreErrorKind::IsADirectory), (missing, StoreErrorKind::NoDirectory)]
    {
        let builder = harbour.builder(Version::V5).session(Session::durable(&path));
        let ConnectError::Store(error) = builder.connect_lazy().unwrap_err() else { panic!() };
        assert_eq!(error.kind(), &kind);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
