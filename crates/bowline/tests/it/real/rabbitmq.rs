//! RabbitMQ over TCP and over WebSocket: 3.1 and 3.1.1, up to QoS 1.

use bowline::{QoS, Version};

use crate::counterpart::rabbitmq::RabbitMq;
use crate::real::{Restart, Route};

const VERSIONS: [Version; 2] = [Version::V3_1, Version::V3_1_1];

impl Restart for RabbitMq {
    fn stop(&mut self) {
        Self::stop(self);
    }

    async fn start_again(&mut self) {
        Self::start_again(self).await;
    }
}

#[tokio::test]
#[ignore = "needs Debian's rabbitmq-server; .ci/run runs it with --include-ignored"]
async fn rabbitmq_carries_what_it_can_over_websocket_and_takes_clients_back_after_a_restart() {
    let mut rabbit = RabbitMq::start().await;
    let url = format!("ws://{}/ws", rabbit.web_mqtt);
    let route = Route { versions: &VERSIONS, most: QoS::AtLeastOnce, ..Route::new(url) };
    route.carries(&mut rabbit).await;
    rabbit.stop();
}
