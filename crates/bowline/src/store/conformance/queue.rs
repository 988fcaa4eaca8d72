//! Checks of what is to be sent: order, pages, batches.

use bowline_proto::session::{Entry, PublicationId};

use crate::store::SessionStore;
use crate::store::conformance::Pair;
use crate::store::conformance::entries::{accepted, assigned, ended, publication, pubrec};

pub(super) fn release_order<S: SessionStore>(pair: &mut Pair<'_, S>) {
    for number in 1..=5 {
        pair.commit(&[accepted(number, b"flow", Some(100 - number as u16))]);
    }
    pair.commit(&[pubrec(4), pubrec(2)]);
    pair.open_again();
    // The order goes on where it was, also after the store was closed, and a second PUBREC does not change it.
    pair.commit(&[pubrec(5)]);
    pair.commit(&[pubrec(1), pubrec(4)]);
    let flows = pair.store().recover(0).map(|recovered| recovered.flows);
    let flows = flows.unwrap_or_else(|error| panic!("release-order: recover failed: {error}"));
    let order: Vec<u64> = flows.iter().map(|flow| flow.publication.as_u64()).collect();
    assert_eq!(
        order,
        [3, 4, 2, 5, 1],
        "release-order: sent ones come first, then those with PUBREC in its order"
    );
}

pub(super) fn send_order<S: SessionStore>(pair: &mut Pair<'_, S>) {
    // Numbers whose decimal or little-endian forms sort otherwise.
    let numbers = [9, 10, 11, 255, 256, 257, 65_535, 65_536, 1 << 32, (1 << 32) + 1];
    for (index, number) in numbers.into_iter().enumerate() {
        pair.commit(&[accepted(number, &[index as u8], None)]);
    }
    pair.compare();
    pair.commit(&[assigned(256, 1), assigned(10, 2), assigned(1 << 32, 3)]);
    pair.commit(&[ended(257)]);
}

pub(super) fn paging<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let payload = [1; 89];
    // 100 bytes each, topics included.
    let batch: Vec<Entry> = (1..=30).map(|number| accepted(number, &payload, None)).collect();
    pair.commit(&batch);
    pair.commit(&[assigned(1, 1), assigned(2, 2), ended(5)]);
    let sizes = [(0, 1), (99, 1), (100, 1), (101, 1), (199, 1), (200, 2), (1_000, 10), (usize::MAX, 27)];
    for (bytes_max, expected) in sizes {
        let page = pair.store().load(PublicationId::default(), bytes_max);
        let page = page.unwrap_or_else(|error| panic!("paging: load failed: {error}"));
        assert_eq!(page.len(), expected, "paging: messages of 100 bytes that {bytes_max} bytes hold");
        let recovered = pair.store().recover(bytes_max);
        let recovered = recovered.unwrap_or_else(|error| panic!("paging: recover failed: {error}"));
        let counted = (recovered.queue.len(), recovered.paged_messages, recovered.paged_bytes);
        let behind = 27 - expected;
        assert_eq!(counted, (expected, behind, behind * 100), "paging: recover({bytes_max})");
    }
    let none = pair.store().load(publication(30), usize::MAX);
    assert_eq!(none.ok(), Some(Vec::new()), "paging: nothing is later than the last one");
}

pub(super) fn requeued<S: SessionStore>(pair: &mut Pair<'_, S>) {
    pair.commit(&[accepted(1, b"1", Some(1)), accepted(2, b"2", None), accepted(3, b"3", Some(3))]);
    pair.commit(&[pubrec(3)]);
    pair.commit(&[Entry::Requeued { publication: publication(1) }]);
    pair.compare();
    pair.commit(&[assigned(1, 7)]);
    pair.commit(&[Entry::Requeued { publication: publication(3) }]);
}

pub(super) fn big_batch<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let mut batch: Vec<Entry> = (1..=5_000).map(|number| accepted(number, b"one of many", None)).collect();
    batch.extend((1..=4_000).map(ended));
    pair.commit(&batch);
    pair.compare();
    pair.commit(&[]);
    pair.commit(&[accepted(5_001, &vec![3; 4 * 1024 * 1024], None)]);
}
