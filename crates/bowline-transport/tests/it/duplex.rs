//! The in-memory stream: bounds, end, half-close, reset.

use std::future::Future;
use std::io::{ErrorKind, IoSlice};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bowline_transport::duplex;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::coop::unconstrained;
use tokio::time::timeout;

/// Polls a future once, as a task would that does something else then.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    // Outside tokio's budget, which would else say Pending where the stream or queue does not.
    pin!(unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_full_direction_takes_no_byte_more_until_the_other_end_reads() {
    let (mut near, mut far) = duplex(4);
    assert_eq!(near.write(b"abcdef").await.unwrap(), 4);
    assert!(poll_once(near.write(b"e")).is_pending());
    // The other direction has a bound of its own.
    assert_eq!(far.write(b"123456").await.unwrap(), 4);
    let mut bytes = [0; 3];
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"abc");
    assert_eq!(near.write(b"efghi").await.unwrap(), 3);
    assert!(poll_once(near.write(b"h")).is_pending());
}

#[tokio::test]
async fn a_writer_that_waits_for_room_is_woken_and_every_byte_arrives_in_order() {
    let (mut near, mut far) = duplex(7);
    let sent: Vec<u8> = (0..20_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move { near.write_all(&copy).await });
    let mut received = Vec::new();
    let reading = timeout(Duration::from_secs(10), far.read_to_end(&mut received));
    reading.await.expect("nobody waits for ever").unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(received, sent);
}

#[tokio::test]
async fn several_slices_are_written_at_once_as_far_as_there_is_room() {
    let (mut near, mut far) = duplex(8);
    assert!(near.is_write_vectored());
    let slices = [b"ab".as_slice(), b"", b"cdef", b"ghijkl"].map(IoSlice::new);
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 8);
    let mut bytes = [0; 16];
    assert_eq!(far.read(&mut bytes).await.unwrap(), 8);
    assert_eq!(&bytes[..8], b"abcdefgh");
}

#[tokio::test]
async fn a_dropped_end_is_read_to_its_last_byte_and_then_ends() {
    let (mut near, mut far) = duplex(64);
    near.write_all(b"last words").await.unwrap();
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "last words");
    assert_eq!(far.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn the_end_wakes_a_reader_and_a_writer_that_wait() {
    let (near, mut far) = duplex(4);
    let reader = tokio::spawn(async move { far.read_u8().await });
    tokio::task::yield_now().await;
    drop(near);
    let waited = timeout(Duration::from_secs(10), reader).await.expect("the reader is woken").unwrap();
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::UnexpectedEof);

    let (mut near, far) = duplex(4);
    let writer = tokio::spawn(async move { near.write_all(b"too much").await });
    tokio::task::yield_now().await;
    drop(far);
    let waited = timeout(Duration::from_secs(10), writer).await.expect("the writer is woken").unwrap();
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn one_direction_ends_while_the_other_goes_on() {
    let (mut near, mut far) = duplex(64);
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    assert_eq!(near.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);

    far.write_all(b"answer").await.unwrap();
    drop(far);
    text.clear();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn an_aborted_stream_loses_what_was_on_its_way_and_fails_both_directions() {
    let (mut near, mut far) = duplex(64);
    near.write_all(b"lost").await.unwrap();
    far.write_all(b"lost too").await.unwrap();
    near.abort();
    assert_eq!(far.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(far.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_abort_is_seen_even_after_both_sides_ended_their_writing() {
    let (mut near, mut far) = duplex(64);
    near.write_all(b"lost").await.unwrap();
    near.shutdown().await.unwrap();
    far.shutdown().await.unwrap();
    near.abort();
    assert_eq!(far.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_abort_wakes_a_reader_and_a_writer_that_wait() {
    let (near, far) = duplex(4);
    let (mut reading, mut writing) = tokio::io::split(far);
    let reader = tokio::spawn(async move { reading.read_u8().await });
    let writer = tokio::spawn(async move { writing.write_all(b"too much").await });
    tokio::task::yield_now().await;
    near.abort();
    let limit = Duration::from_secs(10);
    let read = timeout(limit, reader).await.expect("the reader is woken").unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let written = timeout(limit, writer).await.expect("the writer is woken").unwrap();
    assert_eq!(written.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_read_or_write_has_moved_no_byte() {
    let (mut near, mut far) = duplex(4);
    let mut bytes = [0; 4];
    assert!(poll_once(far.read(&mut bytes)).is_pending());
    near.write_all(b"abcd").await.unwrap();
    assert!(poll_once(near.write(b"zz")).is_pending());
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"abcd");
    assert!(poll_once(far.read(&mut bytes)).is_pending(), "the dropped write left nothing behind");
}

#[tokio::test]
async fn two_ends_that_always_have_something_for_each_other_leave_time_for_other_tasks() {
    let (mut near, mut far) = duplex(1024);
    let chatter = tokio::spawn(async move {
        let mut byte = [0];
        loop {
            near.write_all(&[1]).await.unwrap();
            far.read_exact(&mut byte).await.unwrap();
        }
    });
    // On the one thread of this runtime the sleep ends only if the chatter steps aside.
    tokio::time::sleep(Duration::from_millis(5)).await;
    chatter.abort();
    assert!(chatter.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_capacity_of_nothing_still_carries_a_byte_at_a_time() {
    let (mut near, mut far) = duplex(0);
    assert_eq!(near.write(b"ab").await.unwrap(), 1);
    assert_eq!(far.read_u8().await.unwrap(), b'a');
}
