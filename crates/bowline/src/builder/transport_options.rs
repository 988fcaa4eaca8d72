//! The options that say how transports are opened. Knows no transport's inner workings and nothing of MQTT.

use std::net::SocketAddr;
use std::sync::Arc;

#[cfg(feature = "websocket")]
use bowline_transport::WebSocket;
use bowline_transport::{Connector, TcpOptions};

use crate::builder::options::{Builder, Role};

impl<R: Role> Builder<R> {
    /// What is set on TCP connections, those beneath other transports included: TCP's own keep-alive, buffers, no delay.
    ///
    /// Without effect beside [`connector`](Self::connector), and so are [`bind_address`](Self::bind_address) and
    /// [`bind_interface`](Self::bind_interface).
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.transports.tcp = self.transports.tcp.options(options);
        self
    }

    /// The local address that TCP connections come from, with port 0 for any. Addresses of the broker that are of the other
    /// family are not tried.
    pub fn bind_address(mut self, local: SocketAddr) -> Self {
        self.transports.tcp = self.transports.tcp.bind_address(local);
        self
    }

    /// The network interface that TCP connections use, by its name: `eth0`. On Linux, Android and Fuchsia; elsewhere, and if
    /// there is no such interface, connecting fails.
    pub fn bind_interface(mut self, name: &str) -> Self {
        self.transports.tcp = self.transports.tcp.interface(name);
        self
    }

    /// How TLS is spoken with `mqtts://`: whom to trust, who we are. Without it the platform's roots are trusted, and no client
    /// certificate is shown.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: bowline_transport::Tls) -> Self {
        self.transports.tls = tls;
        self
    }

    /// How WebSocket is spoken (`ws://` and `wss://`): headers, a hook that signs or rewrites each handshake, limits. Path and query are
    /// those of the URL. The sub-protocol is `mqtt`, or `mqttv3.1` in an attempt that speaks 3.1.
    ///
    /// User name and password of the URL are those of CONNECT; if the web server wants some too, set the header.
    ///
    /// ```
    /// use bowline::Client;
    /// use bowline::transport::WebSocket;
    ///
    /// let options = WebSocket::new().header("Authorization", "Bearer what-the-proxy-wants");
    /// let builder = Client::builder("ws://broker.example/mqtt")?.websocket(options);
    /// # drop(builder);
    /// # Ok::<(), bowline::ConnectError>(())
    /// ```
    #[cfg(feature = "websocket")]
    pub fn websocket(mut self, options: WebSocket) -> Self {
        self.transports.websocket = options;
        self
    }

    /// What opens transports instead of TCP: anything that reads and writes. What the scheme of the URL wants above it still comes
    /// above it: with `mqtts://`, TLS is spoken over what is opened here, with `ws://` WebSocket. A connector that encrypts by itself goes with `mqtt://`.
    /// With `unix://` it is not asked.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bowline::Client;
    /// use bowline::transport::{ConnectFuture, Connector, Endpoint, Stream};
    /// use bowline_broker::Broker;
    ///
    /// /// Leads to a broker in this process, over whatever tokio has for the purpose.
    /// struct Pipe(tokio::sync::mpsc::Sender<tokio::io::DuplexStream>);
    ///
    /// impl Connector for Pipe {
    ///     fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> ConnectFuture<'a> {
    ///         Box::pin(async move {
    ///             let (near, far) = tokio::io::duplex(4096);
    ///             self.0.send(far).await.map_err(bowline::transport::ConnectError::custom)?;
    ///             Ok(Stream::custom(near, "the pipe"))
    ///         })
    ///     }
    /// }
    ///
    /// # struct Plumber(tokio::sync::Mutex<tokio::sync::mpsc::Receiver<tokio::io::DuplexStream>>);
    /// # impl bowline::transport::Listener for Plumber {
    /// #     fn accept(&self) -> bowline::transport::AcceptFuture<'_> {
    /// #         Box::pin(async move {
    /// #             let far = self.0.lock().await.recv().await;
    /// #             far.map(|far| Stream::custom(far, "a pipe")).ok_or(bowline::transport::AcceptError::Closed)
    /// #         })
    /// #     }
    /// #     fn description(&self) -> String { "pipes".to_owned() }
    /// # }
    /// let (pipes, accepting) = tokio::sync::mpsc::channel(1);
    /// # let plumber = Plumber(tokio::sync::Mutex::new(accepting));
    /// let broker = Broker::builder().without_tcp().listener(plumber).start().await?;
    /// let client = Client::builder("mqtt://pipe")?.connector(Pipe(pipes)).connect().await?;
    /// client.publish("attic/temperature", "21.5").await?;
    /// # drop(client);
    /// # broker.shut_down().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }
}
