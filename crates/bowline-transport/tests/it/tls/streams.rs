//! What a stream of TLS does as a stream: both directions at once, flushing, ending, being cut.

use std::io::{self, IoSlice};
use std::time::Duration;

use bowline_transport::{Endpoint, Stream, Tls, TlsError, TlsErrorKind, TlsServer, duplex};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::authority::Authority;
use super::{HOST, trusting};

/// The two ends of a TLS connection over memory.
async fn pair(capacity_bytes: usize) -> (Stream, Stream) {
    let authority = Authority::new("roots");
    let server = TlsServer::new(authority.issue(HOST).identity()).load().expect("legal settings");
    let tls: Tls = trusting(&authority);
    let endpoint: Endpoint = format!("mqtts://{HOST}").parse().expect("a legal URL");
    let (near, far) = duplex(capacity_bytes);
    let (near, far) = tokio::join!(tls.connect_over(near.into(), &endpoint), server.accept_over(far.into()));
    (near.expect("a handshake"), far.expect("a handshake"))
}

#[tokio::test]
async fn both_directions_move_at_once_although_neither_side_has_room_for_all() {
    const BYTES: usize = 1024 * 1024;
    let (near, far) = pair(4 * 1024).await;
    let run = |stream: Stream| async move {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let sending = async {
            writer.write_all(&vec![7; BYTES]).await.unwrap();
            writer.flush().await.unwrap();
        };
        let receiving = async {
            let mut bytes = vec![0; BYTES];
            reader.read_exact(&mut bytes).await.unwrap();
            assert!(bytes.iter().all(|&byte| byte == 7));
        };
        tokio::join!(sending, receiving);
    };
    let both = async { tokio::join!(run(near), run(far)) };
    timeout(Duration::from_secs(60), both).await.unwrap();
}

#[tokio::test]
async fn a_writer_waits_when_the_peer_does_not_read() {
    let (mut near, mut far) = pair(4 * 1024).await;
    let mut written = 0;
    let writing = async {
        loop {
            written += near.write(&[7; 1024]).await.unwrap();
        }
    };
    timeout(Duration::from_millis(200), writing).await.unwrap_err();
    assert!(written <= 128 * 1024, "{written} bytes wait in memory");
    assert!(timeout(Duration::from_millis(50), near.flush()).await.is_err(), "a flush waits for the rest");
    let mut bytes = vec![0; written];
    let (flushed, read) = tokio::join!(near.flush(), far.read_exact(&mut bytes));
    flushed.unwrap();
    assert_eq!(read.unwrap(), written);
}

#[tokio::test]
async fn several_buffers_are_one_write() {
    let (mut near, mut far) = pair(64 * 1024).await;
    assert!(near.is_write_vectored());
    let slices = [b"one ".as_slice(), b"two ", b"three"].map(IoSlice::new);
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 13);
    near.flush().await.unwrap();
    let mut bytes = [0; 64];
    assert_eq!(far.read(&mut bytes).await.unwrap(), 13, "it was one record");
}

#[tokio::test]
async fn a_shutdown_ends_one_direction_in_order() {
    let (mut near, mut far) = pair(64 * 1024).await;
    near.write_all(b"last words").await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "last words");
    far.write_all(b"an answer").await.unwrap();
    far.shutdown().await.unwrap();
    text.clear();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "an answer");
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_error_and_not_the_end() {
    let (mut near, far) = pair(64 * 1024).await;
    // Dropping ends the carrier in order, which anybody on the way could have done as well.
    drop(far);
    let error = near.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let known: &TlsError = error.get_ref().unwrap().downcast_ref().unwrap();
    assert_eq!(known.kind(), TlsErrorKind::Truncated);
    assert_eq!(
        error.to_string(),
        "localhost:8883 ended the connection without the end that TLS demands (close_notify): the line was cut, or its program was"
    );
}

#[tokio::test]
async fn an_abort_resets_what_is_below() {
    let (near, mut far) = pair(64 * 1024).await;
    near.abort();
    let error = far.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_write_that_fails_because_the_server_refused_says_why() {
    let authority = Authority::new("roots");
    let server =
        TlsServer::new(authority.issue(HOST).identity()).client_roots(authority.roots()).load().unwrap();
    let endpoint: Endpoint = format!("mqtts://{HOST}").parse().unwrap();
    let (near, far) = duplex(64 * 1024);
    let tls = trusting(&authority);
    let (near, far) = tokio::join!(tls.connect_over(near.into(), &endpoint), server.accept_over(far.into()));
    assert_eq!(far.unwrap_err().kind(), TlsErrorKind::ClientCertificateMissing);
    // The client has seen its handshake succeed, and the other end is gone.
    let error = near.unwrap().write(b"CONNECT").await.unwrap_err();
    let known: &TlsError = error.get_ref().unwrap().downcast_ref().unwrap();
    assert_eq!(known.kind(), TlsErrorKind::ClientCertificateMissing);
}
