//! What the rounds came to, in figures. Judges nothing.

use std::fmt::Write as _;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rounds: u64,
    pub(super) publisher_kills: u64,
    pub(super) subscriber_kills: u64,
    pub(super) both_kills: u64,
    pub(super) broker_stops: u64,
    /// Of QoS 1 and 2.
    pub(super) accepted: [u64; 2],
    pub(super) acknowledged: [u64; 2],
    /// Tried, and the publisher was killed before it was told that they were accepted.
    pub(super) unsure: u64,
    pub(super) unsure_arrived: u64,
    /// Tried again with a key that the store knew.
    pub(super) known: u64,
    /// How many times messages were handed out again, of QoS 1 and 2.
    pub(super) doubled: [u64; 2],
    /// QoS 2: handed out, and the subscriber was killed before it was told that the acknowledgement is stored.
    pub(super) unreturned: u64,
    /// QoS 2: came again because the broker sent PUBLISH again after its PUBREL, as its log says.
    pub(super) resent_by_broker: u64,
    /// Came for the first time after a later one of its lane.
    pub(super) overtaken: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        let both = |mine: &mut [u64; 2], theirs: [u64; 2]| {
            mine[0] += theirs[0];
            mine[1] += theirs[1];
        };
        self.rounds += other.rounds;
        self.publisher_kills += other.publisher_kills;
        self.subscriber_kills += other.subscriber_kills;
        self.both_kills += other.both_kills;
        self.broker_stops += other.broker_stops;
        both(&mut self.accepted, other.accepted);
        both(&mut self.acknowledged, other.acknowledged);
        both(&mut self.doubled, other.doubled);
        self.unsure += other.unsure;
        self.unsure_arrived += other.unsure_arrived;
        self.known += other.known;
        self.unreturned += other.unreturned;
        self.resent_by_broker += other.resent_by_broker;
        self.overtaken += other.overtaken;
    }

    /// Of the runs that passed.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "passed: {} rounds; killed: publisher {}, subscriber {}, both {}; broker stopped or killed {}\n",
            self.rounds, self.publisher_kills, self.subscriber_kills, self.both_kills, self.broker_stops
        );
        for (index, qos) in [(0, 1), (1, 2)] {
            let again = if qos == 1 { "allowed" } else { "all before their acknowledgement returned" };
            _ = writeln!(
                text,
                "  QoS {qos}: {} accepted, of them {} heard as acknowledged; lost 0; handed out again {} ({again})",
                self.accepted[index], self.acknowledged[index], self.doubled[index]
            );
        }
        _ = writeln!(text, "  QoS 2 whose acknowledgement had not returned at a kill: {}", self.unreturned);
        _ = writeln!(
            text,
            "  QoS 2 that Mosquitto sent again after its PUBREL (its log says so): {}",
            self.resent_by_broker
        );
        _ = writeln!(
            text,
            "  tried and not heard as accepted: {}, of them {} arrived",
            self.unsure, self.unsure_arrived
        );
        _ = writeln!(text, "  tried again with a key and known by the store: {}", self.known);
        _ = write!(
            text,
            "  arrived after a later one of the same topic and QoS, by the broker's doing if its log tells: {}",
            self.overtaken
        );
        text
    }
}
