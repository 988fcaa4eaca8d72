//! What users see when a first attempt to connect fails, over every transport: the kind, and the exact text as it stands in
//! docs/connection-errors.md. No attempt lasts longer than its limit, and no secret is in an error or in the log.

mod network;
mod ports;
mod scripts;
mod tls;
mod web;

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowline::{Builder, Client, ConnectError};
use tokio::time::timeout;

use crate::seed::logging::Log;

/// The limit of each attempt, and what a machine that does other things may need above it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(8);

/// In the password, the query and a header of each attempt that has one.
const SECRET: &str = "zzz-secret";

/// One line of the table.
struct Row {
    what: String,
    kind: String,
    text: String,
}

/// Connects, fails, and looks at how. The port in the text becomes 8883.
async fn row(what: impl Into<String>, address: Option<SocketAddr>, builder: Builder<Client>) -> Row {
    let what = what.into();
    let builder = builder.connect_timeout(CONNECT_TIMEOUT);
    let started = Instant::now();
    let connecting = timeout(CONNECT_TIMEOUT + SLACK, builder.connect()).await;
    let error = connecting.unwrap_or_else(|_| panic!("{what}: it hangs"));
    let error = error.expect_err(&what);
    println!("{what}: {:.1?}", started.elapsed());
    assert_no_secret(&what, &error);
    let ConnectError::Failed(why) = &error else { panic!("{what}: {error:?}") };
    // Without an error of the transport, the protocol was broken.
    let kind = why.transport_error_kind().map_or_else(|| "none".to_owned(), |kind| format!("{kind:?}"));
    let mut text = error.to_string();
    if let Some(address) = address {
        text = text.replace(&format!(":{}", address.port()), ":8883");
    }
    // What the resolver says is this machine's own affair, and who hangs up may reset the connection or end it.
    for varying in
        ["was not found (", "during the TLS handshake (", "WebSocket handshake with localhost:8883 failed ("]
    {
        if let Some((before, rest)) = text.split_once(varying) {
            let (_, after) = rest.rsplit_once("): ").expect("the advice follows");
            text = format!("{before}{varying}…): {after}");
        }
    }
    Row { what, kind, text }
}

/// Neither shown, nor for programmers, nor in what led to it.
fn assert_no_secret(what: &str, error: &ConnectError) {
    let mut texts = vec![error.to_string(), format!("{error:?}")];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!texts.iter().any(|text| text.contains(SECRET)), "{what}: {texts:?}");
}

/// A builder with a password.
fn builder(url: &str) -> Builder<Client> {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    Client::builder(&format!("{scheme}://meter:{SECRET}@{rest}")).expect("a legal URL")
}

fn assert_distinct(rows: &[Row]) {
    for (index, row) in rows.iter().enumerate() {
        let same = rows[..index].iter().find(|other| other.text == row.text).map(|other| &other.what);
        assert!(same.is_none(), "{} and {same:?} have the same text", row.what);
    }
}

#[tokio::test]
async fn each_failure_to_connect_has_its_kind_and_the_text_of_the_page_and_ends_in_time_without_secrets() {
    let _listening = Log::listen();
    Log::set_debug(true);
    let mut table = String::new();
    let mut count = 0;
    for (title, rows) in [
        ("Names, addresses, and who is there", network::rows().await),
        ("TLS", tls::rows().await),
        ("WebSocket", web::rows().await),
        ("The wrong scheme, or the wrong port", ports::rows().await),
    ] {
        table += &format!("\n### {title}\n\n| what | kind | text |\n|---|---|---|\n");
        for Row { what, kind, text } in &rows {
            table += &format!("| {what} | `{kind}` | {text} |\n");
        }
        // What is behind a wrong port often looks the same from outside.
        if !title.ends_with("port") {
            assert_distinct(&rows);
        }
        count += rows.len();
    }
    Log::set_debug(false);
    let lines = Log::take();
    assert!(lines.len() >= count, "each attempt is logged");
    assert!(!lines.iter().any(|(_, line)| line.contains(SECRET)), "a secret is in the log");
    let page = include_str!("../../../../../docs/connection-errors.md");
    let (_, rest) = page.split_once("<!-- begin of the table -->\n").expect("the page has a table");
    let (written, _) = rest.split_once("\n<!-- end of the table -->").expect("the table ends");
    assert_eq!(written, table, "docs/connection-errors.md must have this table:\n{table}");
}
