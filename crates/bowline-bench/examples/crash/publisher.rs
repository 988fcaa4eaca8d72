//! Publishes numbered messages in lanes: each has a topic and a QoS of its own, and numbers that go up. Knows nothing of who
//! receives them.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bowline::{Publisher, QoS, SendQueue, Session};

use crate::ledger::Ledger;
use crate::{Task, note_events};

/// Number `n` belongs to lane `n % LANES`. Those below half are for QoS 2, if it is allowed.
const LANES: u64 = 4;

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
        let first = first_number(&task.ledger, lane);
        local.spawn_local(async move {
            let open = Rc::new(Cell::new(0));
            let mut number = first;
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                if open.get() < WINDOW {
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

async fn publish_one(
    publisher: &Publisher,
    ledger: &Arc<Ledger>,
    number: u64,
    qos: QoS,
    open: &Rc<Cell<usize>>,
) {
    ledger.write(&format!("trying {number} {}", qos as u8));
    let width = PAYLOAD_BYTES + number / LANES % SIZES;
    let payload = format!("{number:<width$}", width = width as usize);
    match publisher.publish(format!("crash/{}", number % LANES), payload).qos(qos).send().await {
        Ok(receipt) => {
            ledger.write(&format!("accepted {number}"));
            let (ledger, open) = (Arc::clone(ledger), Rc::clone(open));
            open.set(open.get() + 1);
            tokio::task::spawn_local(async move {
                match receipt.await {
                    Ok(_) => ledger.write(&format!("acknowledged {number}")),
                    Err(error) => ledger.write(&format!("failed {number} {error}")),
                }
                open.set(open.get() - 1);
            });
        }
        Err(error) => ledger.write(&format!("refused {number} {error}")),
    }
}
