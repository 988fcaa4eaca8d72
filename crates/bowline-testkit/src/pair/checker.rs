//! What must be true of the messages whatever happens to link, broker and client. Knows no engine and no wire.

use std::collections::BTreeMap;

use bowline_proto::QoS;

/// The books of one run: what the client published and what the broker sent back of it.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// By number, from 1.
    published: BTreeMap<u64, Published>,
    /// By number, from 1, in the order in which the broker sent them.
    echoed: BTreeMap<u64, Echoed>,
    /// The last number of each QoS that the broker saw for the first time.
    last_at_broker: [u64; 3],
    last_at_client: [u64; 3],
}

/// A message that the client's application published.
#[derive(Debug)]
struct Published {
    qos: QoS,
    /// Whether the engine has promised to deliver it.
    is_accepted: bool,
    end: Option<End>,
    /// The broker lost the session before it ended.
    is_doubtful: bool,
    times_at_broker: u32,
}

/// How a publication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Acknowledged,
    /// Nobody knows.
    Indeterminate,
}

/// A message that the broker sent to the client.
#[derive(Debug)]
struct Echoed {
    qos: QoS,
    /// The session that it belongs to.
    session: u64,
    is_acknowledged: bool,
    /// The session ended before it was acknowledged.
    is_lost: bool,
    times_at_client: u32,
    /// The client's acknowledgement is durable: from now on it must not be handed out again.
    is_stored: bool,
    /// How often the client crashed with it in the application's hands.
    crashes_in_hand: u32,
}

/// `Err` says what was broken.
pub(super) type Verdict = Result<(), String>;

impl Checker {
    /// The client's application publishes the next message; its number.
    pub(super) fn publish(&mut self, qos: QoS, is_accepted: bool) -> u64 {
        let number = self.published.len() as u64 + 1;
        self.published.insert(
            number,
            Published { qos, is_accepted, end: None, is_doubtful: false, times_at_broker: 0 },
        );
        number
    }

    /// The engine has stored it.
    pub(super) fn accepted(&mut self, number: u64) {
        self.published.get_mut(&number).expect("published before").is_accepted = true;
    }

    /// The broker has a message.
    pub(super) fn at_broker(&mut self, number: u64) -> Verdict {
        let message = self.published.get_mut(&number).ok_or("the broker got what nobody published")?;
        message.times_at_broker += 1;
        let (qos, times) = (message.qos, message.times_at_broker);
        if times > 1 && qos != QoS::AtLeastOnce {
            return Err(format!("the broker got message {number} of QoS {qos} {times} times"));
        }
        if times == 1 {
            in_order(&mut self.last_at_broker, qos, number, "the broker")?;
        }
        Ok(())
    }

    /// The engine tells the client's application how a publication ended.
    pub(super) fn ended(&mut self, number: u64, end: End) -> Verdict {
        let message = self.published.get_mut(&number).expect("published before");
        message.is_accepted = true;
        if let Some(before) = message.end.replace(end) {
            return Err(format!("message {number} ended as {before:?} and again as {end:?}"));
        }
        match (end, message.qos, message.times_at_broker) {
            (End::Acknowledged, QoS::AtLeastOnce | QoS::ExactlyOnce, 0) => {
                Err(format!("message {number} was acknowledged, and the broker does not have it"))
            }
            (End::Indeterminate, qos, _) if qos != QoS::ExactlyOnce || !message.is_doubtful => {
                Err(format!("message {number} of QoS {qos} ended as indeterminate, and no session was lost"))
            }
            _ => Ok(()),
        }
    }

    /// The client has crashed: successes may be told again, as they are recorded lazily.
    pub(super) fn client_crashed(&mut self, in_hand: impl Iterator<Item = u64>) {
        for message in self.published.values_mut().filter(|message| message.end == Some(End::Acknowledged)) {
            message.end = None;
        }
        for number in in_hand {
            self.echoed.get_mut(&number).expect("echoed before").crashes_in_hand += 1;
        }
    }

    /// The broker sends a message to the client; its number.
    pub(super) fn echo(&mut self, qos: QoS, session: u64) -> u64 {
        let number = self.echoed.len() as u64 + 1;
        self.echoed.insert(
            number,
            Echoed {
                qos,
                session,
                is_acknowledged: false,
                is_lost: false,
                times_at_client: 0,
                is_stored: false,
                crashes_in_hand: 0,
            },
        );
        number
    }

    /// A session of the broker's is gone.
    pub(super) fn session_lost(&mut self, session: u64) {
        for published in self.published.values_mut() {
            published.is_doubtful |= published.end.is_none();
        }
        for echoed in self.echoed.values_mut().filter(|echoed| echoed.session == session) {
            echoed.is_lost |= !echoed.is_acknowledged;
        }
    }

    /// The client's application has a message.
    pub(super) fn at_client(&mut self, number: u64) -> Verdict {
        let message = self.echoed.get_mut(&number).ok_or("the client got what nobody sent")?;
        message.times_at_client += 1;
        let (qos, times) = (message.qos, message.times_at_client);
        if message.is_stored {
            return Err(format!("echo {number} was handed out again after its acknowledgement was stored"));
        }
        let most = if qos == QoS::ExactlyOnce { 1 + message.crashes_in_hand } else { 1 };
        if times > most && qos != QoS::AtLeastOnce {
            return Err(format!("the client got echo {number} of QoS {qos} {times} times"));
        }
        if times == 1 {
            in_order(&mut self.last_at_client, qos, number, "the client")?;
        }
        Ok(())
    }

    /// The acknowledgement of a message to the client is durable there.
    pub(super) fn stored(&mut self, number: u64) {
        self.echoed.get_mut(&number).expect("echoed before").is_stored = true;
    }

    /// The client has acknowledged a message to the broker.
    pub(super) fn echo_acknowledged(&mut self, number: u64) -> Verdict {
        let message = self.echoed.get_mut(&number).expect("echoed before");
        message.is_acknowledged = true;
        if message.times_at_client == 0 {
            return Err(format!("echo {number} was acknowledged, and the application does not have it"));
        }
        Ok(())
    }

    /// Everything has come to rest: every promise must be kept.
    pub(super) fn settled(&self, has_crashed: bool) -> Verdict {
        for (number, message) in &self.published {
            let times = message.times_at_broker;
            let is_kept = match message.qos {
                QoS::AtMostOnce => true,
                QoS::AtLeastOnce => times >= 1,
                QoS::ExactlyOnce => times == 1 || message.is_doubtful,
            };
            // What was told in an earlier life need not be told again.
            let is_told = has_crashed || message.qos == QoS::AtMostOnce || message.end.is_some();
            if message.is_accepted && !(is_kept && is_told) {
                return Err(format!("message {number} came to the broker {times} times: {message:?}"));
            }
        }
        for (number, message) in &self.echoed {
            if message.qos != QoS::AtMostOnce && message.times_at_client == 0 && !message.is_lost {
                return Err(format!("echo {number} never came to the client: {message:?}"));
            }
        }
        Ok(())
    }

    /// How many messages were published, and how many the broker has sent.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.published.len(), self.echoed.len())
    }

    /// How often the broker got a message, and how often the client got echoes, over all.
    pub(super) fn arrivals(&self) -> (u32, u32) {
        let at_broker = self.published.values().map(|message| message.times_at_broker).sum();
        let at_client = self.echoed.values().map(|message| message.times_at_client).sum();
        (at_broker, at_client)
    }
}

/// What arrives for the first time arrives in the order of sending, per QoS.
fn in_order(last: &mut [u64; 3], qos: QoS, number: u64, who: &str) -> Verdict {
    let last = &mut last[usize::from(qos.as_u8())];
    if number < *last {
        return Err(format!("{who} got message {number} of QoS {qos} after {last}"));
    }
    *last = number;
    Ok(())
}
