//! Checks of what a session is besides its queue: identity, inbound identifiers, subscriptions, whole messages.

use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::session::stored::{Accepted, Identity, Wanted};
use bowline_proto::session::{Entry, SessionLoss};
use bowline_proto::types::{RetainHandling, SubscriptionId, SubscriptionOptions};
use bowline_proto::{QoS, Timestamp, Version};

use crate::store::SessionStore;
use crate::store::conformance::Pair;
use crate::store::conformance::entries::identity as identity_of;
use crate::store::conformance::entries::{
    accepted, assigned, blamed, ended, filter, full_message, packet_id, publication, pubrec, text,
};

pub(super) fn owner<S: SessionStore>(pair: &mut Pair<'_, S>) {
    pair.commit(&[Entry::Owned { client_id: text("größer") }, accepted(1, b"waits", None)]);
    pair.open_again();
    pair.compare();
    // Without a session that the broker knows it stays whose it was.
    pair.commit(&[Entry::Established(identity_of("meter-7", Version::V5, None))]);
    pair.commit(&[Entry::SessionReset { generation: 1 }]);
    pair.open_again();
}

pub(super) fn identity<S: SessionStore>(pair: &mut Pair<'_, S>) {
    for version in Version::ALL {
        pair.commit(&[Entry::Established(identity_of("meter-7", version, None))]);
        pair.compare();
    }
    let holder = Some("mqtt://a.example:1883");
    pair.commit(&[Entry::Established(identity_of("größer", Version::V5, holder))]);
    pair.open_again();
    pair.compare();
    let never = Identity {
        client_id: text(""),
        version: Version::V3_1_1,
        session_expiry_secs: EXPIRY_NEVER,
        holder: None,
    };
    pair.commit(&[Entry::Established(never)]);
}

pub(super) fn session_reset<S: SessionStore>(pair: &mut Pair<'_, S>) {
    pair.commit(&[
        Entry::Established(identity_of("meter-7", Version::V5, None)),
        accepted(1, b"waits", None),
        accepted(2, b"sent", Some(10)),
        accepted(3, b"released", Some(11)),
        pubrec(3),
        Entry::Received { packet_id: packet_id(5) },
        accepted(4, b"given up", Some(12)),
        Entry::Ended { publication: publication(4), retired: Some(packet_id(12)), outcome: None },
        Entry::Wanted(wanted("a/#")),
    ]);
    pair.compare();
    pair.commit(&[
        Entry::SessionReset { generation: 7 },
        Entry::Requeued { publication: publication(2) },
        Entry::Ended { publication: publication(3), retired: None, outcome: None },
    ]);
    pair.open_again();
    pair.compare();
    pair.commit(&[Entry::SessionReset { generation: u64::MAX }]);
}

pub(super) fn inbound<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let received: Vec<Entry> =
        [1, 65_535, 300, 2].map(packet_id).map(|packet_id| Entry::Received { packet_id }).into();
    pair.commit(&received);
    pair.compare();
    // A second time changes nothing, and neither does the release of what is not there.
    pair.commit(&received[..2]);
    pair.commit(&[
        Entry::Released { packet_id: packet_id(300) },
        Entry::Released { packet_id: packet_id(4) },
    ]);
}

pub(super) fn subscriptions<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let mut other = wanted("$share/group/b/+");
    other.options.qos = QoS::ExactlyOnce;
    other.options.retain_as_published = true;
    other.options.retain_handling = RetainHandling::Never;
    other.subscription_id = SubscriptionId::new(268_435_455);
    pair.commit(&[Entry::Wanted(wanted("a/#")), Entry::Wanted(other), Entry::Wanted(wanted("ü"))]);
    pair.compare();
    let mut changed = wanted("a/#");
    changed.options.no_local = true;
    changed.options.retain_handling = RetainHandling::OnNewSubscription;
    changed.subscription_id = SubscriptionId::new(1);
    pair.commit(&[
        Entry::Wanted(changed),
        Entry::Unwanted { filter: filter("ü") },
        Entry::Unwanted { filter: filter("never/there") },
    ]);
}

pub(super) fn retired<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let end = |number, id| Entry::Ended {
        publication: publication(number),
        retired: Some(packet_id(id)),
        outcome: None,
    };
    pair.commit(&[accepted(1, b"1", Some(7)), accepted(2, b"2", Some(65_535)), end(1, 7), end(2, 65_535)]);
    pair.compare();
    pair.commit(&[
        Entry::Unretired { packet_id: packet_id(7) },
        Entry::Unretired { packet_id: packet_id(8) },
    ]);
}

pub(super) fn whole_messages<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let with = |number: u8, deadline, id: Option<u16>| {
        Entry::Accepted(Accepted {
            publication: publication(u64::from(number)),
            message: full_message(number),
            deadline,
            packet_id: id.map(packet_id),
            key: Some(text(&format!("clé {number}"))),
            on_session_loss: if number == 2 { SessionLoss::PublishAgain } else { SessionLoss::Indeterminate },
        })
    };
    let far = Timestamp::from_micros(4_102_444_800_000_123);
    pair.commit(&[with(1, Some(far), None), with(2, None, Some(3)), with(3, Some(Timestamp::ZERO), Some(4))]);
    pair.commit(&[accepted(4, b"", None), accepted(5, &[7; 100_000], None), pubrec(3)]);
}

pub(super) fn suspects<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let all: Vec<Entry> = (1..=4).map(|number| accepted(number, b"sent", Some(number as u16))).collect();
    pair.commit(&all);
    pair.commit(&[blamed(&[(1, 1), (2, u32::MAX), (3, 2)])]);
    pair.open_again();
    pair.compare();
    // The later one takes the place of the earlier one. Whoever ends is no suspect any more, and the session's loss ends none.
    pair.commit(&[blamed(&[(2, 1), (3, 3), (4, 1)]), ended(4)]);
    pair.compare();
    pair.commit(&[
        Entry::SessionReset { generation: 1 },
        Entry::Requeued { publication: publication(2) },
        ended(3),
    ]);
    pair.open_again();
    let found = pair.store().recover(0).map(|recovered| recovered.suspects.len());
    assert_eq!(found.ok(), Some(1), "suspects: one is left");
    // Nothing keeps an engine from naming who is not there.
    pair.commit(&[blamed(&[(2, 2), (99, 7)])]);
    pair.compare();
    pair.commit(&[blamed(&[])]);
}

pub(super) fn unknown_publications<S: SessionStore>(pair: &mut Pair<'_, S>) {
    pair.commit(&[accepted(3, b"here", None)]);
    pair.commit(&[assigned(1, 9), pubrec(1), Entry::Requeued { publication: publication(2) }, ended(4)]);
    pair.compare();
    // Without a packet identifier there was nothing to answer.
    pair.commit(&[pubrec(3)]);
    pair.compare();
    pair.commit(&[ended(3), ended(3), assigned(3, 9)]);
}

fn wanted(name: &str) -> Wanted {
    Wanted {
        filter: filter(name),
        options: SubscriptionOptions::new(QoS::AtLeastOnce),
        subscription_id: None,
    }
}
