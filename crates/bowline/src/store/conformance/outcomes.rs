//! Checks of what is remembered of publications with a key.

use bowline_proto::ReasonCode;
use bowline_proto::session::{Entry, KeyState, StoredOutcome};

use crate::store::SessionStore;
use crate::store::conformance::entries::{accepted_with_key, ended_with_key};
use crate::store::conformance::{OUTCOMES_MAX, Pair};

pub(super) fn outcomes<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let all = [
        StoredOutcome::Acknowledged { reason: ReasonCode::Success, is_downgraded: false },
        StoredOutcome::Acknowledged { reason: ReasonCode::NoMatchingSubscribers, is_downgraded: true },
        StoredOutcome::Rejected { reason: ReasonCode::QuotaExceeded },
        StoredOutcome::Forbidden,
        StoredOutcome::Expired,
        StoredOutcome::Dropped,
        StoredOutcome::Cancelled,
        StoredOutcome::Indeterminate,
        StoredOutcome::Poison { closes: u32::MAX },
    ];
    pair.compare_outcome("never seen");
    for (number, outcome) in (1..).zip(all) {
        let key = format!("invoice-{number}");
        pair.compare_outcome(&key);
        pair.commit(&[accepted_with_key(number, &key)]);
        pair.compare_outcome(&key);
        pair.commit(&[ended_with_key(number, &key, outcome)]);
        pair.compare_outcome(&key);
    }
    pair.open_again();
    // A lost session is no reason to forget how earlier publications ended.
    pair.commit(&[Entry::SessionReset { generation: 1 }]);
    for (number, outcome) in (1..).zip(all) {
        let found = pair.store().outcome(&format!("invoice-{number}"));
        let found = found.unwrap_or_else(|error| panic!("outcomes: {error}"));
        assert_eq!(found, KeyState::Ended(outcome), "outcomes: invoice-{number}");
    }
    pair.compare_outcome("invoice-");
    pair.compare_outcome("invoice-11");
}

pub(super) fn retention<S: SessionStore>(pair: &mut Pair<'_, S>) {
    let last = OUTCOMES_MAX as u64 + 20;
    for number in 1..=last {
        let key = format!("k{number}");
        let batch = [accepted_with_key(number, &key), ended_with_key(number, &key, StoredOutcome::Expired)];
        pair.commit(&batch);
    }
    pair.open_again();
    let state = |pair: &mut Pair<'_, S>, number: u64| {
        let found = pair.store().outcome(&format!("k{number}"));
        found.unwrap_or_else(|error| panic!("outcome-retention: {error}"))
    };
    for number in 21..=last {
        assert_eq!(
            state(pair, number),
            KeyState::Ended(StoredOutcome::Expired),
            "outcome-retention: k{number}"
        );
    }
    for number in 1..=20 {
        assert_eq!(state(pair, number), KeyState::Unknown, "outcome-retention: k{number} had to fall out");
    }
    // What goes on does not fall out, however many end meanwhile.
    pair.commit(&[accepted_with_key(last + 1, "goes on")]);
    for number in last + 2..=2 * last {
        let key = format!("k{number}");
        let batch = [accepted_with_key(number, &key), ended_with_key(number, &key, StoredOutcome::Expired)];
        pair.commit(&batch);
    }
    pair.compare_outcome("goes on");
}

pub(super) fn reuse<S: SessionStore>(pair: &mut Pair<'_, S>) {
    pair.commit(&[accepted_with_key(1, "again"), ended_with_key(1, "again", StoredOutcome::Expired)]);
    pair.commit(&[accepted_with_key(2, "again")]);
    pair.compare_outcome("again");
    pair.commit(&[ended_with_key(2, "again", StoredOutcome::Cancelled)]);
    pair.compare_outcome("again");
    // The end of the first must not have left a place behind by which the end of the second falls out early.
    for number in 3..OUTCOMES_MAX as u64 + 2 {
        let key = format!("other{number}");
        pair.commit(&[accepted_with_key(number, &key), ended_with_key(number, &key, StoredOutcome::Expired)]);
        pair.compare_outcome("again");
        pair.compare_outcome(&key);
    }
    let number = OUTCOMES_MAX as u64 + 2;
    pair.commit(&[
        accepted_with_key(number, "one more"),
        ended_with_key(number, "one more", StoredOutcome::Expired),
    ]);
    pair.compare_outcome("again");
}
