//! Bowline's part of a workload, used as its documentation says. Knows nothing of the peer but where it is.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowline::proto::client::Reconnect;
use bowline::{Builder, Client, Qos0Full, SendQueue};
use bytes::Bytes;
use tokio::runtime::{self, Runtime};

use crate::in_memory::InMemory;
use crate::plan::{Plan, TOPIC, WINDOW};
use crate::transport::Transport;

/// What a run of the client was.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Took {
    /// From CONNACK to the end of the connection.
    pub time: Duration,
    /// Messages that were accepted, or that the stream returned.
    pub messages: u64,
}

/// Connects to a peer and moves the messages of the plan. Without `workers`, client and application share the calling thread;
/// else they run on so many threads of a runtime.
///
/// # Errors
/// What the client reports, and that the client was over before all messages were moved.
pub fn take_part(plan: Plan, peer: SocketAddr, workers: Option<usize>) -> Result<Took, Box<dyn Error>> {
    let transport = plan.transport.unwrap_or(Transport::Tcp);
    let builder = transport.prepare(Client::builder(&format!("{}://{peer}", transport.scheme()))?);
    run(plan, builder, workers)
}

/// The same with a peer on the calling thread and no socket: what is measured then is the same in every run.
///
/// # Errors
/// As [`take_part`].
pub fn take_part_in_memory(plan: Plan) -> Result<Took, Box<dyn Error>> {
    run(plan, Client::builder("mqtt://peer")?.connector(InMemory(plan)), None)
}

fn run(plan: Plan, builder: Builder<Client>, workers: Option<usize>) -> Result<Took, Box<dyn Error>> {
    let runtime = runtime(workers)?;
    let took = runtime.block_on(async move {
        let run = async move { move_messages(plan, builder).await.map_err(|error| error.to_string()) };
        if workers.is_some() { tokio::spawn(run).await? } else { run.await }.map_err(Box::<dyn Error>::from)
    })?;
    if took.messages == plan.messages {
        Ok(took)
    } else {
        Err(format!("{} of {} messages were moved", took.messages, plan.messages).into())
    }
}

fn runtime(workers: Option<usize>) -> std::io::Result<Runtime> {
    match workers {
        None => runtime::Builder::new_current_thread().enable_all().build(),
        Some(threads) => runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
}

async fn move_messages(plan: Plan, builder: Builder<Client>) -> Result<Took, Box<dyn Error + Send + Sync>> {
    let client = builder
        .version(plan.version)
        .in_flight_max(WINDOW)
        .send_queue(SendQueue::new().messages_max(WINDOW.into()))
        .inbound_max(WINDOW, 64 * 1024 * 1024)
        .reconnect(Reconnect::Never)
        .connect()
        .await?;
    let start = Instant::now();
    let messages = if plan.workload.is_publishing() {
        publish(plan, &client).await?
    } else {
        receive(plan, &client).await?
    };
    Ok(Took { time: start.elapsed(), messages })
}

async fn publish(plan: Plan, client: &Client) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let topic = client.topic(TOPIC)?.qos(plan.workload.qos());
    let payload = Bytes::from(plan.payload());
    for _ in 0..plan.messages {
        let _receipt = topic.send(payload.clone()).await?;
    }
    client.flush().await?;
    client.disconnect().await;
    Ok(plan.messages)
}

/// The peer closes the connection when everything is acknowledged; the stream ends then.
async fn receive(plan: Plan, client: &Client) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let subscribe = client.subscribe(TOPIC).qos(plan.workload.qos());
    let mut stream = subscribe.qos0(WINDOW.into(), Qos0Full::Pause).await?;
    let mut messages = 0;
    while let Some(message) = stream.next().await {
        messages += u64::from(message.payload().len() == plan.payload_bytes);
    }
    Ok(messages)
}
