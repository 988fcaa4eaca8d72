//! QoS 0 messages in the streams of an application: who has to get one, who loses one, and how many wait. Knows no
//! acknowledgements.

use bowline_proto::client::{Qos0Dropped, UNROUTED};
use bowline_proto::routing::StreamId;
use bowline_proto::types::TopicName;

use crate::sim::World;
use crate::sim::plan::{TOPICS, filter};
use crate::sim::tasks::Task;

impl World {
    /// A QoS 0 message is on the wire: every stream that it matches has to get it, or to be told that it is lost.
    pub(super) fn expect_qos0(&mut self, index: usize, number: u64) {
        let topic = TopicName::from_static(TOPICS[self.ledger.topic_of(number)]).expect("a legal topic");
        let client = &mut self.clients[index];
        if client.engine.state_name() != "Active" {
            return;
        }
        let matches = |one: &usize| client.active.contains(one) && filter(*one).matches(&topic);
        let streams = client.application.streams.iter();
        let due = streams.filter(|(_, stream)| stream.filters.iter().any(matches)).map(|(id, _)| *id);
        client.application.qos0_due = (number, due.collect());
    }

    pub(super) fn on_qos0(&mut self, index: usize, number: u64, streams: &[StreamId]) {
        for &id in streams {
            let (after, life) = (self.taking_time(index), self.clients[index].life);
            let application = &mut self.clients[index].application;
            application.qos0_due.1.remove(&id);
            let Some(stream) = application.streams.get_mut(&id) else { continue };
            stream.qos0.push_back(number);
            let (waiting, most) = (stream.qos0.len(), stream.qos0_max.max(1));
            self.schedule(after, Task::TakeQos0 { client: index, life, stream: id });
            if waiting > most {
                self.judge(Err(format!(
                    "client {index}: {waiting} QoS 0 messages wait in {id:?}, at most {most} may"
                )));
            }
        }
        let topic = TOPICS[self.ledger.topic_of(number)];
        let application = &self.clients[index].application;
        let is_for_others =
            streams.contains(&UNROUTED) && application.qos0_due.1.iter().any(|id| *id != UNROUTED);
        if is_for_others {
            self.judge(Err(format!(
                "client {index} got message {number} to {topic} unrouted, and has a stream"
            )));
        }
    }

    pub(super) fn on_qos0_dropped(&mut self, index: usize, id: StreamId, which: Qos0Dropped) {
        self.counts.qos0_dropped += 1;
        let application = &mut self.clients[index].application;
        application.qos0_dropped += 1;
        let Some(stream) = application.streams.get_mut(&id) else { return };
        let (waiting, most) = (stream.qos0.len(), stream.qos0_max.max(1));
        match which {
            Qos0Dropped::Newest => _ = application.qos0_due.1.remove(&id),
            Qos0Dropped::Oldest => _ = stream.qos0.pop_front(),
        }
        if waiting < most {
            let what = format!("client {index}: {id:?} lost a QoS 0 message with {waiting} of {most} in it");
            self.judge(Err(what));
        }
    }

    /// The application takes the oldest QoS 0 message of a stream.
    pub(super) fn take_qos0(&mut self, index: usize, id: StreamId) {
        let client = &mut self.clients[index];
        let Some(stream) = client.application.streams.get_mut(&id) else { return };
        if stream.qos0.pop_front().is_some() {
            client.engine.take_qos0(id);
        }
    }
}
