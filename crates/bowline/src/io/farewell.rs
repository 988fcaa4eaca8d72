//! Closing a transport so that the last packet arrives: our direction ends first, and what the peer still sends is read and
//! dropped, because closing a TCP socket with unread bytes resets it and can destroy what is on its way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_transport::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// How long the peer may take to close its side.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

/// A transport that is being closed.
pub(super) struct Farewell {
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Farewell {
    pub(super) fn new(stream: Stream) -> Self {
        let closing = Box::pin(async move {
            // Whatever goes wrong, the stream is dropped afterwards, which is all that is left to do.
            let _closed = timeout(FAREWELL_TIME_MAX, close(stream)).await;
        });
        Self { closing }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.closing.as_mut().poll(cx)
    }
}

async fn close(mut stream: Stream) {
    let mut dropped = [0; 1024];
    if stream.shutdown().await.is_ok() {
        while stream.read(&mut dropped).await.is_ok_and(|bytes| bytes > 0) {}
    }
}
