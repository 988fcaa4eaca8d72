//! Everything that can go wrong with TLS, each with its kind and its exact text, as they stand in docs/tls.md.

mod certificates;
mod settings;
mod speaking;

use std::io;
use std::net::SocketAddr;

use bowline_transport::{
    ConnectError, ConnectErrorKind, Endpoint, Listener, Stream, TcpAcceptor, Tls, TlsAcceptor, TlsError,
    TlsServer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{HOST, connect};

/// One line of the table.
struct Row {
    what: &'static str,
    kind: String,
    text: String,
}

impl Row {
    /// Ports differ from run to run; the table has one for servers and one for clients.
    fn new(what: &'static str, kind: impl std::fmt::Debug, text: &str, server: SocketAddr) -> Self {
        let text = text.replace(&format!(":{}", server.port()), ":8883");
        Self { what, kind: format!("{kind:?}"), text: with_fixed_port(&text) }
    }

    fn of_connect(what: &'static str, error: &ConnectError, server: SocketAddr) -> Self {
        Self::new(what, error.kind(), &error.to_string(), server)
    }

    /// An error of reading or writing, which must have one of TLS in it.
    fn of_stream(what: &'static str, error: &io::Error, server: SocketAddr) -> Self {
        let known: &TlsError =
            error.get_ref().and_then(|inside| inside.downcast_ref()).expect("an error of TLS");
        Self::new(what, ConnectErrorKind::Tls(known.kind()), &error.to_string(), server)
    }
}

/// A client's port becomes 50123.
fn with_fixed_port(text: &str) -> String {
    match text.split_once("127.0.0.1:") {
        Some((before, after)) if !after.starts_with("8883") => {
            let rest = after.trim_start_matches(|character: char| character.is_ascii_digit());
            format!("{before}127.0.0.1:50123{rest}")
        }
        _ => text.to_owned(),
    }
}

/// What both sides say when one client meets one server.
struct Meeting {
    addr: SocketAddr,
    client: Result<Stream, ConnectError>,
    server: Result<Stream, Box<dyn std::error::Error + Send + Sync>>,
}

impl Meeting {
    async fn of(tls: &Tls, server: &TlsServer) -> Self {
        Self::at(tls, server, HOST).await
    }

    async fn at(tls: &Tls, server: &TlsServer, host: &str) -> Self {
        let (acceptor, addr) = listen(server);
        let endpoint: Endpoint = format!("mqtts://{host}:{}", addr.port()).parse().expect("a legal URL");
        let (client, server) = tokio::join!(connect(tls, &endpoint), acceptor.accept());
        let server = server.map_err(|error| match error {
            bowline_transport::AcceptError::Handshake { source, .. } => source,
            other => other.into(),
        });
        Self { addr, client, server }
    }

    /// What the client says, whenever it gets to know.
    async fn client_row(self, what: &'static str) -> Row {
        match self.client {
            Err(error) => Row::of_connect(what, &error, self.addr),
            Ok(mut stream) => {
                // The server has refused and let go of its side, so one of these fails.
                assert!(self.server.is_err(), "{what}: nobody refuses");
                let written = stream.write_all(b"CONNECT").await;
                let error = match written {
                    Ok(()) => stream.read(&mut [0; 8]).await.expect_err("the server has refused"),
                    Err(error) => error,
                };
                Row::of_stream(what, &error, self.addr)
            }
        }
    }

    fn server_row(&self, what: &'static str) -> Row {
        let error = self.server.as_ref().expect_err("the handshake failed");
        let known: &TlsError = error.downcast_ref().expect("an error of TLS");
        Row::new(what, known.kind(), &known.to_string(), self.addr)
    }
}

fn listen(server: &TlsServer) -> (TlsAcceptor<TcpAcceptor>, SocketAddr) {
    let tcp = TcpAcceptor::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let addr = tcp.local_addr();
    (TlsAcceptor::new(tcp, server).expect("legal settings"), addr)
}

#[tokio::test]
async fn the_table_in_the_documentation_has_every_text_as_it_is() {
    let mut table = String::new();
    for (title, rows) in [
        ("The broker's certificate", certificates::of_servers().await),
        ("The client's certificate", certificates::of_clients().await),
        ("Settings of the client or the broker", settings::rows().await),
        ("What the other side speaks, or does not", speaking::rows().await),
        ("What a listener says of clients (`AcceptError::Handshake`)", certificates::seen_by_servers().await),
    ] {
        table += &format!("\n### {title}\n\n| what | kind | text |\n|---|---|---|\n");
        for Row { what, kind, text } in rows {
            table += &format!("| {what} | `{kind}` | {text} |\n");
        }
    }
    let page = include_str!("../../../../../../docs/tls.md");
    let (_, rest) = page.split_once("<!-- begin of the table -->\n").expect("the page has a table");
    let (written, _) = rest.split_once("\n<!-- end of the table -->").expect("the table ends");
    assert_eq!(written, table, "docs/tls.md must have this table:\n{table}");
}
