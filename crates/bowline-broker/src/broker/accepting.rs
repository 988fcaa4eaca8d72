//! The task of one listener: takes every client to a task of its own, and tells of those that were not accepted. Knows no
//! transport.

use std::sync::Arc;
use std::time::Duration;

use bowline_transport::{AcceptError, Listener};

use crate::broker::hub::Hub;
use crate::broker::serving::serve;
use crate::core::BrokerEvent;

/// How long to wait after a failure to accept that may pass, as when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves every client of a listener in a task of its own. The core bounds how many there are.
pub(crate) async fn accept_all(hub: Arc<Hub>, listener: Arc<dyn Listener>) {
    let description: Arc<str> = listener.description().into();
    let mut is_failing = false;
    loop {
        match listener.accept().await {
            Ok(stream) => {
                is_failing = false;
                tokio::spawn(serve(hub.clone(), stream));
            }
            Err(error) if error.is_of_one_client() => {
                is_failing = false;
                hub.tell(BrokerEvent::NotAccepted { listener: description.clone(), error: error.into() });
            }
            // Nothing went wrong when the last connector of an in-process listener was dropped.
            Err(AcceptError::Closed) => return,
            Err(error) => {
                let goes_on = error.is_transient();
                if !goes_on || !is_failing {
                    let error = error.into();
                    hub.tell(BrokerEvent::ListenerFailed { listener: description.clone(), error });
                }
                if !goes_on {
                    return;
                }
                is_failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
