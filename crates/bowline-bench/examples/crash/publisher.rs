//! Publishes numbered messages in lanes: each has a topic and a QoS of its own, and numbers that go up. Knows nothing of who
//! receives them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bowline::store::StoredOutcome;
use bowline::{KnownKey, PublishError, PublishErrorKind, Publisher, QoS, Receipt, SendQueue, Session};

use crate::ledger::Ledger;
use crate::{Task, note_events};

/// Number `n` belongs to lane `n % LANES`. Those below half are for QoS 2, if it is allowed.
const LANES: u64 = 4;

/// Whether the messages of a lane have keys. They do not wait for each other to be accepted, and in each life those are tried again of
/// which an earlier one does not know whether they were, and the last of which it does.
const fn has_keys(lane: u64) -> bool {
    lane % 2 == 1
}

/// How many messages that are known to be accepted are tried again.
const KNOWN_AGAIN: usize = 3;

/// Unacknowledged messages of a lane; four lanes have more than may be in flight, so that a queue forms.
const WINDOW: usize = 12;
const IN_FLIGHT_MAX: u16 = 16;

/// So little that a queue is read back from the store now and then.
const MEMORY_BYTES_MAX: usize = 2000;

/// The payload of the first number of a lane; that of each next is one byte longer, as a broker's log tells sizes only.
const PAYLOAD_BYTES: u64 = 100;

/// After so many of a lane sizes begin again.
const SIZES: u64 = 2500;

/// The longest rest after a message, in ms.
const REST_MS: u64 = 4;
const DRAIN_PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn publish(task: &Task) -> Result<(), Box<dyn Error>> {
    let publisher = Publisher::builder(&task.url)?
        .version(task.version)
        .client_id(&task.client_id)
        .session(Session::durable(&task.store))
        .in_flight_max(IN_FLIGHT_MAX)
        .send_queue(SendQueue::new().memory_bytes_max(MEMORY_BYTES_MAX))
        .reconnect(Task::backoff()?)
        .connect_lazy()?;
    note_events(publisher.events(), Arc::clone(&task.ledger));
    let local = tokio::task::LocalSet::new();
    let lanes = (0..LANES).map(|lane| {
        let publisher = publisher.clone();
        let ledger = Arc::clone(&task.ledger);
        let ends = Arc::clone(&task.ends);
        let qos = if lane < LANES / 2 { task.qos_max } else { QoS::AtLeastOnce };
        let mut number = first_number(&task.ledger, lane);
        let again = if has_keys(lane) { to_try_again(&task.ledger, lane) } else { Vec::new() };
        local.spawn_local(async move {
            let open = Rc::new(Cell::new(0));
            for number in again {
                ledger.write(&format!("again {number}"));
                publish_one(&publisher, &ledger, number, qos, &open).await;
            }
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                if open.get() < WINDOW {
                    ledger.write(&format!("trying {number} {}", qos as u8));
                    publish_one(&publisher, &ledger, number, qos, &open).await;
                    number += LANES;
                }
                tokio::time::sleep(Duration::from_millis(number.wrapping_mul(7919) % (REST_MS + 1))).await;
            }
        })
    });
    let lanes: Vec<_> = lanes.collect();
    let drained = local.run_until(async move {
        for lane in lanes {
            lane.await?;
        }
        // Messages of earlier lives have no receipts; this waits for them too.
        publisher.drain(DRAIN_PATIENCE).await?;
        Ok::<(), Box<dyn Error>>(())
    });
    drained.await?;
    task.ledger.write("drained");
    Ok(())
}

/// The first number of a lane that was never tried.
fn first_number(ledger: &Ledger, lane: u64) -> u64 {
    let tried = ledger.before().filter_map(|line| line.strip_prefix("trying "));
    let numbers = tried.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    numbers.filter(|number| number % LANES == lane).max().map_or(lane, |number| number + LANES)
}

/// Of a lane with keys, those whose acceptance was not told, with a few before them, in their order.
fn to_try_again(ledger: &Ledger, lane: u64) -> Vec<u64> {
    let numbers = |word: &'static str| {
        let rest = ledger.before().filter_map(move |line| line.strip_prefix(word));
        let numbers = rest.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        numbers.filter(|number| number % LANES == lane).collect::<BTreeSet<_>>()
    };
    let accepted = &numbers("accepted ") | &numbers("known ");
    let unsure = &numbers("trying ") - &accepted;
    let again = accepted.into_iter().rev().take(KNOWN_AGAIN).chain(unsure).collect::<BTreeSet<_>>();
    again.into_iter().collect()
}

/// Publishes a message and, unless it has a key, waits until it is accepted.
async fn publish_one(
    publisher: &Publisher,
    ledger: &Arc<Ledger>,
    number: u64,
    qos: QoS,
    open: &Rc<Cell<usize>>,
) {
    let width = PAYLOAD_BYTES + number / LANES % SIZES;
    let payload = format!("{number:<width$}", width = width as usize);
    let (publisher, ledger, open) = (publisher.clone(), Arc::clone(ledger), Rc::clone(open));
    open.set(open.get() + 1);
    let sending = async move {
        let publish = publisher.publish(format!("crash/{}", number % LANES), payload).qos(qos);
        let publish =
            if has_keys(number % LANES) { publish.key(format!("number {number}")) } else { publish };
        let sent = publish.send().await;
        tokio::task::spawn_local(settle(ledger, number, sent, open));
    };
    if has_keys(number % LANES) {
        // Tasks begin in the order in which they are spawned.
        tokio::task::spawn_local(sending);
    } else {
        sending.await;
    }
}

/// Writes down what becomes of a message.
async fn settle(
    ledger: Arc<Ledger>,
    number: u64,
    sent: Result<Receipt, PublishError>,
    open: Rc<Cell<usize>>,
) {
    match sent {
        Ok(receipt) => {
            ledger.write(&format!("accepted {number}"));
            match receipt.await {
                Ok(_) => ledger.write(&format!("acknowledged {number}")),
                Err(error) => ledger.write(&format!("failed {number} {error}")),
            }
        }
        Err(error) => match error.kind() {
            PublishErrorKind::KnownKey(KnownKey::Pending) => ledger.write(&format!("known {number} pending")),
            PublishErrorKind::KnownKey(KnownKey::Ended(StoredOutcome::Acknowledged { .. })) => {
                ledger.write(&format!("known {number} acknowledged"));
            }
            _ => ledger.write(&format!("refused {number} {error}")),
        },
    }
    open.set(open.get() - 1);
}
