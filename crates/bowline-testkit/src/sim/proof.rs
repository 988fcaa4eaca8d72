//! Compares what an engine acknowledges, and does not, with what its application has done with the messages. Drives no
//! engine.

use std::time::Duration;

use bowline_proto::PacketId;
use bowline_proto::client::Unmatched;

use crate::sim::World;

/// Writing takes less.
const TURN_MAX: Duration = Duration::from_secs(20);

impl World {
    /// What was acknowledged was taken by the application, or withdrawn from it, which is told after the wire has it.
    pub(super) fn prove_acknowledgements(&mut self, index: usize) {
        let dropped = self.clients[index].engine.stats().qos0_dropped;
        let application = &self.clients[index].application;
        let (told, due) = (application.qos0_dropped, application.qos0_due.clone());
        if told != dropped {
            self.judge(Err(format!(
                "client {index} counts {dropped} dropped QoS 0 messages, and told {told}"
            )));
        }
        if let (number, Some(stream)) = (due.0, due.1.first()) {
            let what = format!("client {index}: {stream:?} neither got nor lost message {number} of QoS 0");
            self.judge(Err(what));
        }
        if let Some(number) = self.clients[index].application.came.take() {
            self.ledger.came_for_nobody(index, number);
        }
        for (id, number) in std::mem::take(&mut self.clients[index].unproven) {
            let verdict = self.prove(index, id, number);
            self.judge(verdict);
        }
        let verdict = self.look_at_turns(index);
        self.judge(verdict);
    }

    /// Nothing that an application has finished with, or that nobody wants, holds up acknowledgements. A durable client may
    /// have to wait for its disk.
    fn look_at_turns(&mut self, index: usize) -> Result<(), String> {
        let (now, client) = (self.now, &mut self.clients[index]);
        let is_active = client.engine.state_name() == "Active" && !client.is_durable();
        let application = &mut client.application;
        for (turn, first) in application.turns.iter_mut().zip(client.wire.first_due()) {
            let is_due = |&(id, number): &(PacketId, u64)| {
                let of_id = application.by_id.get(&id).filter(|_| application.handed_out.contains(&id));
                let of_id = of_id.filter(|(_, handed_out)| *handed_out == number);
                of_id.is_some_and(|(delivery, _)| {
                    application.held.get(delivery).is_none_or(|held| held.is_due)
                })
            };
            let first = first.filter(|first| is_active && is_due(first)).map(|(id, _)| id);
            match (*turn, first) {
                (Some((id, since)), Some(same)) if id == same => {
                    if now > since + TURN_MAX {
                        return Err(format!(
                            "client {index}: the acknowledgement of {id} holds up others for nobody"
                        ));
                    }
                }
                _ => *turn = first.map(|id| (id, now)),
            }
        }
        Ok(())
    }

    fn prove(&mut self, index: usize, id: PacketId, number: u64) -> Result<(), String> {
        let topic = self.ledger.topic_of(number);
        let client = &mut self.clients[index];
        // A copy for a subscription that has ended is not one for those that have not.
        let may_pass_over = client.has_unwanted(topic) || client.plan.unmatched == Unmatched::Acknowledge;
        let is_wanted = client.wants(topic) && !may_pass_over;
        let application = &mut client.application;
        let is_finished = match application.finished.get_mut(&(id, number)) {
            Some(due) if *due > 0 => {
                *due -= 1;
                true
            }
            _ => false,
        };
        match application.by_id.get(&id) {
            Some((delivery, same)) if *same == number => {
                let held = application.held.get_mut(delivery).filter(|_| !is_finished);
                match held {
                    Some(held) if held.is_loose() && (may_pass_over || held.is_let_go) => {
                        held.is_let_go = true
                    }
                    Some(_) => {
                        return Err(format!(
                            "client {index} acknowledged message {number}, which is still in a stream"
                        ));
                    }
                    None => {}
                }
                self.ledger.acknowledged(index, number, false)
            }
            _ => self.ledger.acknowledged(index, number, is_wanted),
        }
    }
}
