//! The books of a run: what was published, what the broker took, what was handed out, and what must be true of it.
//! Knows no engine and no wire.

use std::collections::{BTreeMap, BTreeSet};

use bowline_proto::QoS;

/// `Err` says what was broken.
pub(super) type Verdict = Result<(), String>;

/// All messages of a run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By number, from 1.
    messages: Vec<Message>,
    /// What became of a message at a client.
    got: BTreeMap<(usize, u64), Got>,
    /// What a client must still be handed.
    awaited: BTreeSet<(usize, u64)>,
    /// The last message that the broker saw for the first time, by publisher, topic, QoS and broker.
    last_witnessed: BTreeMap<(usize, usize, QoS, usize), u64>,
    /// When the broker took the last message that a client was handed for the first time.
    last_handed: BTreeMap<(usize, usize, usize, QoS), u64>,
    witnessings: u64,
    pub(super) doubles: u64,
}

/// A message that an application published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) client: usize,
    topic: usize,
    pub(super) qos: QoS,
    expires: bool,
    /// The engine promised to deliver it.
    pub(super) is_accepted: bool,
    /// How it ended, and in which life of the client that was told.
    end: Option<(End, u64)>,
    /// Its PUBLISH was written.
    is_sent: bool,
    times_witnessed: u32,
    witnessed_at: u64,
    /// The session was lost after it was sent: it may be gone.
    is_doubtful: bool,
    /// It had not ended when the session was lost.
    was_open_at_loss: bool,
    /// The engine of its client ended in good order.
    was_open_at_end: bool,
    /// The client could not know of that loss: it may come twice.
    may_repeat: bool,
    /// Its client was killed before it had promised anything, or had no store.
    is_abandoned: bool,
    is_cancelled: bool,
    /// It is published again when its session is lost.
    is_again: bool,
    /// How often its session was lost when it was sent and had not ended: so often it may come again, by that choice.
    lost: u32,
}

/// How a publication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Acknowledged,
    /// It was not sent, or had no effect.
    Nothing,
    /// Nobody knows.
    Indeterminate {
        /// The client gave it up: over a limit of the new connection, or because the broker closed over it.
        is_ours: bool,
    },
    /// The engine ended, a later one goes on with it.
    Stored,
}

/// What became of a message at one client.
#[derive(Debug, Default)]
struct Got {
    times: u32,
    /// The application has finished with it, or was told that it will not get it.
    is_taken: bool,
    /// An acknowledgement was written.
    is_acknowledged: bool,
    /// How many acknowledgements are durable: one, and one for each time that it came under another identifier.
    stored: u32,
    renumbered: u32,
    /// How often it may come again.
    may_come_again: u32,
    is_expected: bool,
    /// No stream was there for it when it came.
    was_for_nobody: bool,
    /// It was refused, which frees its identifier.
    is_rejected: bool,
    /// It came under an identifier that the client has recorded of a session which is lost, and it could not know of that.
    may_be_swallowed: bool,
}

impl Message {
    const fn is_open(&self) -> bool {
        matches!(self.end, None | Some((End::Stored, _)))
    }

    /// Whether nobody can know what became of it. QoS 1 is sent again, unless that comes too late.
    const fn may_be_unknown(&self) -> bool {
        let is_given_up = matches!(self.qos, QoS::ExactlyOnce) && !self.is_again;
        let is_not_repeated = is_given_up || self.expires || self.is_cancelled;
        self.was_open_at_end || self.was_open_at_loss && is_not_repeated
    }
}

impl Ledger {
    pub(super) fn publish(&mut self, client: usize, topic: usize, qos: QoS, expires: bool) -> u64 {
        self.messages.push(Message {
            client,
            topic,
            qos,
            expires,
            is_accepted: false,
            end: None,
            is_sent: false,
            times_witnessed: 0,
            witnessed_at: 0,
            is_doubtful: false,
            was_open_at_loss: false,
            was_open_at_end: false,
            may_repeat: false,
            is_abandoned: false,
            is_cancelled: false,
            is_again: false,
            lost: 0,
        });
        self.messages.len() as u64
    }

    /// The message of that number; numbers come out of payloads, so that there may be none.
    pub(super) fn message(&mut self, number: u64) -> Result<&mut Message, String> {
        let index = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        self.messages.get_mut(index).ok_or_else(|| format!("message {number} was never published"))
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    fn of_client(&mut self, client: usize) -> impl Iterator<Item = &mut Message> {
        self.messages.iter_mut().filter(move |message| message.client == client)
    }

    /// The engine tells how a publication ended.
    pub(super) fn ended(&mut self, number: u64, end: End, life: u64) -> Verdict {
        let message = self.message(number)?;
        if let Some((before, told_in)) = message.end.replace((end, life)) {
            let is_told_again = told_in < life && before == End::Acknowledged || before == End::Stored;
            if !is_told_again {
                return Err(format!("message {number} ended as {before:?} and again as {end:?}"));
            }
        }
        match end {
            End::Acknowledged if message.times_witnessed == 0 && !message.may_repeat => {
                Err(format!("message {number} was acknowledged, and the broker does not have it"))
            }
            End::Nothing if message.is_sent => {
                Err(format!("message {number} ended as not sent, and it was: {message:?}"))
            }
            End::Indeterminate { is_ours: false } if !message.may_be_unknown() => {
                Err(format!("message {number} ended as indeterminate, and no session was lost: {message:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Its PUBLISH was written; `is_over` says that it had expired before.
    pub(super) fn sent(&mut self, number: u64, is_over: bool) -> Verdict {
        let message = self.message(number)?;
        if is_over && !message.is_sent {
            return Err(format!("message {number} was sent for the first time after it had expired"));
        }
        message.is_sent = true;
        match message.end {
            Some((end @ (End::Nothing | End::Indeterminate { .. }), _)) => {
                Err(format!("message {number} was sent after it had ended as {end:?}"))
            }
            _ => Ok(()),
        }
    }

    /// It is to be published again when its session is lost.
    pub(super) fn chosen_again(&mut self, number: u64) {
        if let Ok(message) = self.message(number) {
            message.is_again = true;
        }
    }

    pub(super) fn cancelled(&mut self, number: u64) {
        if let Ok(message) = self.message(number) {
            message.is_cancelled = true;
        }
    }

    /// The broker has taken a message; `expecting` are the clients that must get it.
    pub(super) fn witnessed(&mut self, number: u64, broker: usize, expecting: &[usize]) -> Verdict {
        self.witnessings += 1;
        let at = self.witnessings;
        let message = self.message(number)?;
        message.times_witnessed += 1;
        let (times, qos, key) =
            (message.times_witnessed, message.qos, (message.client, message.topic, message.qos, broker));
        if times == 1 {
            message.witnessed_at = at;
        }
        let is_double = times > 1 + message.lost && qos != QoS::AtLeastOnce && !message.may_repeat;
        let (expires, end) = (message.expires, message.end);
        if is_double {
            return Err(format!("the broker took message {number} of QoS {qos} {times} times"));
        }
        if let Some((End::Nothing, _)) = end {
            return Err(format!("the broker took message {number}, which had ended as not sent"));
        }
        if times == 1 {
            let last = self.last_witnessed.entry(key).or_default();
            if number < *last {
                return Err(format!("the broker took message {number} of QoS {qos} after {last}"));
            }
            *last = number;
        }
        for &client in expecting.iter().filter(|_| !expires && qos != QoS::AtMostOnce) {
            let got = self.got.entry((client, number)).or_default();
            got.is_expected |= times == 1;
            if got.times == 0 {
                self.awaited.insert((client, number));
            }
        }
        Ok(())
    }

    /// A client's application is handed a message.
    pub(super) fn handed(&mut self, client: usize, number: u64, qos: QoS) -> Verdict {
        let message = self.message(number)?;
        let (publisher, topic, witnessed, at) =
            (message.client, message.topic, message.times_witnessed, message.witnessed_at);
        // What the broker took once more by the publisher's choice is another message to those who get it.
        let may_repeat = message.may_repeat || message.lost > 0 && message.times_witnessed > 1;
        self.awaited.remove(&(client, number));
        let got = self.got.entry((client, number)).or_default();
        got.times += 1;
        got.is_taken = false;
        if witnessed == 0 {
            return Err(format!("client {client} got message {number}, which the broker does not have"));
        }
        if qos != QoS::ExactlyOnce {
            // Without a session it may come twice if it was published twice.
        } else if got.stored > got.renumbered && !got.is_rejected && !may_repeat {
            return Err(format!("client {client} got message {number} after its acknowledgement was stored"));
        } else if got.times > 1 + got.may_come_again && !may_repeat {
            return Err(format!("client {client} got message {number} of QoS 2 {} times", got.times));
        } else if got.times > 1 {
            self.doubles += 1;
        }
        if got.times == 1 && got.is_expected && !got.was_for_nobody && qos != QoS::AtMostOnce {
            let last = self.last_handed.entry((client, publisher, topic, qos)).or_default();
            if at < *last {
                return Err(format!("client {client} got message {number} of QoS {qos} out of order"));
            }
            *last = at;
        }
        Ok(())
    }

    /// A client's application is handed a message again that it had let go of.
    pub(super) fn handed_again(&mut self, client: usize, number: u64) {
        self.awaited.remove(&(client, number));
    }

    /// The application has finished with a message, or was told that it will not get it.
    pub(super) fn taken(&mut self, client: usize, number: u64) {
        self.awaited.remove(&(client, number));
        self.got.entry((client, number)).or_default().is_taken = true;
    }

    /// The application has refused a message: its identifier is free, and if the refusal is lost, it comes again.
    pub(super) fn rejected(&mut self, client: usize, number: u64) {
        let got = self.got.entry((client, number)).or_default();
        got.is_rejected = true;
        got.may_come_again = got.times;
    }

    /// A client leaves a message to the broker that its application had not taken: it comes again as a new one.
    pub(super) fn left(&mut self, client: usize, number: u64) {
        let got = self.got.entry((client, number)).or_default();
        got.may_come_again = got.may_come_again.max(got.times);
        self.must_come_again(client, number);
    }

    /// A QoS 2 message comes under another identifier than before: the client has to take it for another one.
    pub(super) fn renumbered(&mut self, client: usize, number: u64) {
        let got = self.got.entry((client, number)).or_default();
        got.may_come_again += 1;
        got.renumbered += 1;
    }

    /// A message came when no stream was there for it, and is held: it may be handed out after later ones.
    pub(super) fn came_for_nobody(&mut self, client: usize, number: u64) {
        self.got.entry((client, number)).or_default().was_for_nobody = true;
    }

    /// A message came under an identifier that stood for another one in a session whose loss the client could not hear of.
    pub(super) fn may_be_swallowed(&mut self, client: usize, number: u64) {
        self.passed_over(client, number);
        self.got.entry((client, number)).or_default().may_be_swallowed = true;
    }

    /// A message came when no stream wanted it, and is acknowledged for that: should it come again, it may be handed out
    /// after later ones.
    pub(super) fn passed_over(&mut self, client: usize, number: u64) {
        self.awaited.remove(&(client, number));
        self.got.entry((client, number)).or_default().is_expected = false;
    }

    /// The application had not finished with a message when its process ended, or let go of it: it comes again.
    pub(super) fn must_come_again(&mut self, client: usize, number: u64) {
        let must_come = |got: &Got| got.is_expected && !got.is_taken && !got.is_acknowledged;
        if self.got.get(&(client, number)).is_some_and(must_come) {
            self.awaited.insert((client, number));
        }
    }

    /// The engine of its client ends in good order: what was sent is in doubt unless the store goes on with it.
    pub(super) fn engine_ends(&mut self, number: u64, is_durable: bool) {
        if let Ok(message) = self.message(number) {
            message.is_doubtful |= message.is_sent && !is_durable && message.end.is_none();
            message.was_open_at_end |= !is_durable && message.end.is_none();
        }
    }

    /// The engine of a client has ended: so has every publication that it had accepted.
    pub(super) fn all_ended(&mut self, client: usize) -> Verdict {
        let is_open = |message: &Message| {
            message.client == client
                && message.qos != QoS::AtMostOnce
                && message.end.is_none()
                && !message.is_abandoned
        };
        match self.messages.iter().position(is_open) {
            Some(index) => Err(format!("message {} has no end: {:?}", index + 1, self.messages[index])),
            None => Ok(()),
        }
    }

    /// `ack().await` has returned.
    pub(super) fn stored(&mut self, client: usize, number: u64) {
        self.got.entry((client, number)).or_default().stored += 1;
    }

    /// A client has acknowledged a message on the wire.
    pub(super) fn acknowledged(&mut self, client: usize, number: u64, is_wanted: bool) -> Verdict {
        let got = self.got.get(&(client, number));
        let is_taken = got.is_some_and(|got| got.is_taken);
        let may_be_swallowed = got.is_some_and(|got| got.may_be_swallowed);
        if is_wanted && !is_taken && !may_be_swallowed {
            return Err(format!(
                "client {client} acknowledged message {number}, which its application has not taken"
            ));
        }
        self.awaited.remove(&(client, number));
        self.got.entry((client, number)).or_default().is_acknowledged = true;
        Ok(())
    }

    /// A client is killed; `survivors` are the publications that its store has,
    /// and `over` those whose end it has.
    pub(super) fn killed(
        &mut self,
        client: usize,
        is_durable: bool,
        survivors: &BTreeSet<u64>,
        over: &BTreeSet<u64>,
    ) -> Verdict {
        for (_, got) in self.got.range_mut((client, 0)..=(client, u64::MAX)) {
            if got.times > 0 && !(is_durable && got.stored > got.renumbered) {
                got.may_come_again = got.times;
            }
            got.stored *= u32::from(is_durable);
        }
        let messages = self.messages.iter_mut().enumerate();
        for (index, message) in messages.filter(|(_, message)| message.client == client) {
            let number = index as u64 + 1;
            if is_durable && survivors.contains(&number) {
                // Success is stored lazily: it goes on, and may be told again.
                message.end = message.end.filter(|(end, _)| !matches!(end, End::Acknowledged | End::Stored));
            }
            if message.end.is_some_and(|(end, _)| end != End::Stored) || message.qos == QoS::AtMostOnce {
                continue;
            }
            let is_kept = survivors.contains(&number);
            message.is_abandoned |= !is_durable || !is_kept && !message.is_accepted;
            if message.is_accepted && is_durable && !is_kept {
                // Its end may be stored already and not told yet.
                if !over.contains(&number) {
                    return Err(format!("message {number} was accepted, and the store has lost it"));
                }
                message.is_abandoned = true;
            }
        }
        Ok(())
    }

    /// The session of a client is over, or will be if the client stays away.
    pub(super) fn session_may_end(&mut self, client: usize) {
        for message in self.of_client(client).filter(|message| message.is_open()) {
            message.was_open_at_loss = true;
        }
    }

    /// The broker has lost the session of a client: what was sent and not answered is in doubt.
    pub(super) fn session_lost(&mut self, client: usize, is_unheard: bool) {
        self.session_may_end(client);
        for message in self.of_client(client).filter(|message| message.is_open()) {
            message.is_doubtful |= message.is_sent;
            message.may_repeat |= message.is_sent && is_unheard;
            message.lost += u32::from(message.is_sent && message.is_again);
        }
        let dropped: Vec<(usize, u64)> =
            self.awaited.range((client, 0)..=(client, u64::MAX)).copied().collect();
        for key in dropped {
            self.awaited.remove(&key);
        }
        for (_, got) in self.got.range_mut((client, 0)..=(client, u64::MAX)) {
            got.is_expected = false;
        }
    }

    /// Takes a client's expectations of these topics back: it has unsubscribed.
    pub(super) fn unsubscribed(&mut self, client: usize, still_wants: impl Fn(usize) -> bool) {
        let messages = &self.messages;
        let unwanted =
            |number: u64| messages.get(number as usize - 1).is_some_and(|one| !still_wants(one.topic));
        self.awaited.retain(|&(one, number)| one != client || !unwanted(number));
        for (&(_, number), got) in self.got.range_mut((client, 0)..=(client, u64::MAX)) {
            if unwanted(number) {
                got.is_expected = false;
            }
        }
    }

    pub(super) fn topic_of(&self, number: u64) -> usize {
        self.messages.get(number as usize - 1).map_or(0, |message| message.topic)
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Everything works and has come to rest: every promise must be kept.
    pub(super) fn settled(&self) -> Verdict {
        if let Some((client, number)) = self.awaited.first() {
            return Err(format!("client {client} never got message {number}"));
        }
        for (index, message) in self.messages.iter().enumerate() {
            let number = index + 1;
            if message.is_abandoned || !message.is_accepted || message.qos == QoS::AtMostOnce {
                continue;
            }
            let is_kept = match message.end {
                None | Some((End::Stored, _)) => false,
                Some((End::Acknowledged, _)) => message.times_witnessed >= 1 || message.may_repeat,
                Some((End::Nothing, _)) => message.times_witnessed == 0 || message.is_doubtful,
                Some((End::Indeterminate { .. }, _)) => true,
            };
            if !is_kept {
                return Err(format!("message {number} is not accounted for: {message:?}"));
            }
        }
        Ok(())
    }
}
