//! The blocking client within tokio runtimes, where blocking calls of other kinds panic.

use bowline::{ConnectionState, QoS, Version};

use super::side_broker::{PATIENCE, SideBroker, within};

/// Connects, publishes, subscribes, takes and drops, all in the task that calls it.
fn use_and_drop(side: &SideBroker, version: Version) {
    let client = side.builder(version).connect().expect("the broker accepts");
    let topic = format!("own/{version}");
    let mut stream = client.subscribe(&topic).qos(QoS::AtLeastOnce).call().expect("granted");
    // More than a task's budget has, without ever returning to the runtime.
    for number in 0..400 {
        let publish = client.publish(&topic, number.to_string()).qos(QoS::AtLeastOnce);
        publish.call_timeout(PATIENCE).expect("acknowledged");
        let message = stream.next_timeout(PATIENCE).expect("in time").expect("it goes on");
        assert_eq!(message.text(), Ok(&*number.to_string()));
    }
    assert!(matches!(client.state(), ConnectionState::Connected(_)));
    client.connection().connected_timeout(PATIENCE).expect("connected");
    let second = side.client();
    drop(stream);
    drop(client);
    second.disconnect_timeout(PATIENCE).expect("in time");
}

fn runtime_of(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime")
}

#[test]
fn it_is_used_and_dropped_in_the_task_of_a_runtime_with_one_thread() {
    within("the runtime", || {
        let side = SideBroker::start();
        runtime_of(1).block_on(async { use_and_drop(&side, Version::V5) });
        side.until_clients(0);
    });
}

#[test]
fn it_is_used_and_dropped_in_many_tasks_of_a_runtime_with_several_threads() {
    within("the runtime", || {
        let side = std::sync::Arc::new(SideBroker::start());
        let runtime = runtime_of(4);
        let tasks: Vec<_> = Version::ALL
            .into_iter()
            .map(|version| {
                let side = side.clone();
                runtime.spawn(async move { use_and_drop(&side, version) })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        side.until_clients(0);
    });
}

#[tokio::test]
async fn a_client_outlives_the_runtime_within_which_it_was_made() {
    let side = SideBroker::start();
    let url = side.link.url();
    let client = within("the other runtime", move || {
        runtime_of(1).block_on(async { bowline::blocking::Client::connect(&url).unwrap() })
    });
    client.publish("a", "1").qos(QoS::ExactlyOnce).call_timeout(PATIENCE).unwrap();
    drop(client);
    side.until_clients(0);
}

#[tokio::test]
async fn the_budget_of_a_task_does_not_end_its_waits() {
    let side = SideBroker::start();
    let client = side.client();
    let receipts: Vec<_> = (0..1_000)
        .map(|_| client.publish("a", "x").qos(QoS::AtLeastOnce).send_timeout(PATIENCE).unwrap())
        .collect();
    for receipt in receipts {
        receipt.wait_timeout(PATIENCE).unwrap().unwrap();
    }
}
