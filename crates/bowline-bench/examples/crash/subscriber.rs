//! Takes messages, and acknowledges each by hand a moment later. Knows nothing of who publishes them.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bowline::{Delivery, QoS, Session, Subscriber};

use crate::ledger::Ledger;
use crate::{Task, note_events};

/// The longest time until a message is acknowledged, in ms.
const THINKING_MS: u64 = 8;

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) async fn subscribe(task: &Task) -> Result<(), Box<dyn Error>> {
    let subscriber = Subscriber::builder(&task.url)?
        .version(task.version)
        .client_id(&task.client_id)
        .session(Session::durable(&task.store))
        .reconnect(Task::backoff()?)
        .connect_lazy()?;
    note_events(subscriber.events(), Arc::clone(&task.ledger));
    let mut messages = pin!(async {
        let mut stream = subscriber.subscribe("crash/#").qos(QoS::ExactlyOnce).manual_ack().await?;
        task.ledger.write("subscribed");
        while let Some(delivery) = stream.next().await {
            take(delivery, &task.ledger)?;
        }
        Err::<(), Box<dyn Error>>(format!("the stream ended: {:?}", stream.end_reason()).into())
    });
    while !task.is_over() {
        let mut pause = pin!(tokio::time::sleep(LOOK));
        let ended = poll_fn(|cx| match messages.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => pause.as_mut().poll(cx).map(|()| None),
        });
        if let Some(ended) = ended.await {
            return ended;
        }
    }
    subscriber.disconnect().await;
    Ok(())
}

/// Writes down that the message was handed out, and later that its acknowledgement is stored.
fn take(delivery: Delivery, ledger: &Arc<Ledger>) -> Result<(), Box<dyn Error>> {
    let text = delivery.message().text()?;
    let number: u64 = text.split(' ').next().unwrap_or_default().parse()?;
    let dup = if delivery.message().dup() { " dup" } else { "" };
    let id = delivery.message().packet_id();
    ledger.write(&format!("got {number} {}{dup} {id:?}", delivery.message().qos() as u8));
    let ledger = Arc::clone(ledger);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(number.wrapping_mul(104_729) % (THINKING_MS + 1))).await;
        match delivery.ack().await {
            Ok(_) => ledger.write(&format!("acked {number}")),
            Err(error) => ledger.write(&format!("stale {number} {error}")),
        }
    });
    Ok(())
}
