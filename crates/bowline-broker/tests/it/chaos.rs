//! Clients that do anything at any time: the broker neither panics nor says anything illegal, and keeps its books.

use std::time::Duration;

use bowline_broker::ConnectionId;
use bowline_proto::packet::{Connect, Disconnect, Packet, Will};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Message, QoS, ReasonCode, Version};
use bowline_testkit::packets::{again, filter, packet_id, puback, pubcomp, pubrec, pubrel, topic};

use crate::bench::{ALL_QOS, Bench, clean, kept, publish, retained, subscribe};

/// A small generator of numbers, the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        let sides = u64::try_from(all.len()).expect("a short list");
        all[usize::try_from(self.roll(sides)).expect("less than the length")]
    }

    fn id(&mut self) -> u16 {
        u16::try_from(1 + self.roll(5)).expect("a small number")
    }

    fn connect(&mut self) -> Connect {
        let (version, name) = (self.pick(&Version::ALL), self.pick(&["a", "b", "c"]));
        let mut connect = if self.roll(2) == 0 { kept(version, name) } else { clean(version, name) };
        connect.keep_alive_secs = self.pick(&[0, 3]);
        let has_properties = version.rules().has_properties;
        if has_properties {
            connect.properties.session_expiry_secs = Some(self.pick(&[0, 2, 100]));
            connect.properties.receive_maximum = self.pick(&[1_u16, 3, 100]).try_into().ok();
        }
        if self.roll(3) == 0 {
            let message = Message::new(topic("t/1"), "will").with_qos(self.pick(&ALL_QOS));
            let delay_secs = has_properties.then(|| self.pick(&[0, 1, 50]));
            connect.will = Some(Will { message: message.with_retain(self.roll(2) == 0), delay_secs });
        }
        connect
    }

    fn packet(&mut self, version: Version) -> Packet {
        let id = self.id();
        match self.roll(12) {
            0..=4 => {
                let qos = self.pick(&ALL_QOS);
                let payload = "x".repeat(self.pick(&[0, 1, 10, 100_000]));
                let packet = publish(self.pick(&["t/1", "t/2", "u", "$SYS/x"]), payload, qos, id);
                let packet = if self.roll(4) == 0 { retained(packet) } else { packet };
                if qos > QoS::AtMostOnce && self.roll(6) == 0 { again(packet) } else { packet }
            }
            5 => pubrel(id, ReasonCode::Success),
            6 => puback(id, ReasonCode::Success),
            7 => pubrec(id, ReasonCode::Success),
            8 => pubcomp(id, ReasonCode::Success),
            9 => {
                let options = SubscriptionOptions::new(self.pick(&ALL_QOS));
                let filter = self.pick(&["#", "t/+", "u", "$share/g/t/#", "$share/h/#"]);
                subscribe(&[(filter, options)], None)
            }
            10 => Packet::Unsubscribe(Box::new(bowline_proto::packet::Unsubscribe {
                packet_id: packet_id(id),
                filters: vec![filter(self.pick(&["#", "t/+", "$share/g/t/#"]))],
                user_properties: vec![],
            })),
            _ if version.rules().has_disconnect_reason && self.roll(2) == 0 => {
                Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::DisconnectWithWill)))
            }
            _ => Packet::PingReq,
        }
    }
}

/// One step of the world; whether all that it asks for is done at once is left to chance, too.
fn step(bench: &mut Bench, dice: &mut Dice, open: &mut Vec<(ConnectionId, Version)>) {
    open.retain(|(id, _)| !bench.is_closed(*id));
    let known = (!open.is_empty()).then(|| dice.pick(open));
    match (dice.roll(40), known) {
        (0..=3, _) | (_, None) => {
            let connect = dice.connect();
            let version = connect.version;
            let id = bench.open(version);
            bench.send(id, Packet::Connect(Box::new(connect)));
            open.push((id, version));
        }
        (4, Some((id, _))) => bench.core.handle_closed(id, bench.now),
        (5, _) => drop(bench.core.kill_connection(dice.pick(&["a", "b", "c"]), bench.now)),
        (6, _) => {
            let gone =
                bench.core.disconnect_client(dice.pick(&["a", "b"]), ReasonCode::ServerBusy, bench.now);
            drop(gone);
        }
        (7..=8, _) => bench.advance(Duration::from_millis(dice.pick(&[1, 700, 3_000]))),
        (9, Some((id, _))) => bench.set_reading(id, dice.roll(2) == 0),
        (10, _) => bench.answers = dice.roll(4) > 0,
        (_, Some((id, version))) => {
            let packet = dice.packet(version);
            bench.send(id, packet);
        }
    }
}

#[test]
fn whatever_clients_do_the_broker_keeps_its_books() {
    for seed in 1..=60 {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut bench = Bench::with(|config| {
            config.queue.messages_max = 4;
            config.full_queue_wait = Duration::from_secs(1);
            config.connection.receive_maximum = 5;
            config.retained_messages_max = 2;
        });
        let mut open = Vec::new();
        for _ in 0..600 {
            step(&mut bench, &mut dice, &mut open);
        }
        let stats = bench.core.stats();
        assert!(stats.clients <= 3 && stats.sessions <= 3 && stats.retained <= 2, "seed {seed}: {stats:?}");
        assert_eq!(stats.clients, bench.core.clients().count(), "seed {seed}");
        bench.core.shut_down(bench.now);
        bench.settle();
        // Clients that do not read are given up, sessions with an end expire.
        bench.advance(Duration::from_secs(300));
        let stats = bench.core.stats();
        assert_eq!((stats.connections, stats.clients), (0, 0), "seed {seed}: {stats:?}");
        assert_eq!(bench.until(), None, "seed {seed}: something is waited for in vain");
    }
}
