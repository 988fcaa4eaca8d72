//! Unix sockets: bytes and ends, who may take a path and who cleans it up, errors.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bowline_transport::{
    ConnectErrorKind, Connector, Endpoint, ListenError, Listener, Stream, UnixAcceptor, UnixConnector,
};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// A directory that is removed with everything in it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bowline {}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory of our own");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("mqtt.sock")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn connected(acceptor: &UnixAcceptor) -> (Stream, Stream) {
    let endpoint = Endpoint::unix(acceptor.path()).expect("an absolute path");
    let near = UnixConnector::new().connect(&endpoint).await.expect("it listens");
    (near, acceptor.accept().await.expect("a client waits"))
}

fn refused(result: Result<UnixAcceptor, ListenError>) -> String {
    result.expect_err("somebody else has the path").to_string()
}

#[tokio::test]
async fn bytes_cross_both_ways_and_each_direction_ends_alone() {
    let directory = Directory::new();
    let acceptor = UnixAcceptor::bind(directory.socket()).unwrap();
    let (mut near, mut far) = connected(&acceptor).await;
    assert!(near.is_write_vectored());
    let slices = [b"ques".as_slice(), b"tion"].map(std::io::IoSlice::new);
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 8);
    near.shutdown().await.unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    far.write_all(b"answer").await.unwrap();
    drop(far);
    text.clear();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn both_ends_and_the_listener_say_where_they_are() {
    let directory = Directory::new();
    let path = directory.socket();
    let acceptor = UnixAcceptor::bind(&path).unwrap();
    assert_eq!(acceptor.description(), format!("unix {}", path.display()));
    let (near, far) = connected(&acceptor).await;
    assert_eq!(near.description().to_string(), format!("unix -> {}", path.display()));
    assert!(far.description().to_string().starts_with(&format!("unix {} -> ", path.display())));
    assert!(near.as_fd().is_some());
}

#[tokio::test]
async fn an_aborted_stream_ends_for_the_other_side() {
    let directory = Directory::new();
    let acceptor = UnixAcceptor::bind(directory.socket()).unwrap();
    let (near, mut far) = connected(&acceptor).await;
    near.abort();
    let read = timeout(Duration::from_secs(10), far.read(&mut [0])).await.expect("the end arrives");
    assert!(read.is_ok_and(|bytes| bytes == 0));
}

#[tokio::test]
async fn a_path_is_taken_by_one_and_given_back_when_it_is_dropped() {
    let directory = Directory::new();
    let path = directory.socket();
    let acceptor = UnixAcceptor::bind(&path).unwrap();
    let text = refused(UnixAcceptor::bind(&path));
    assert!(text.contains("stop the program that does"), "{text}");
    connected(&acceptor).await;
    drop(acceptor);
    assert!(!path.exists());
    connected(&UnixAcceptor::bind(&path).unwrap()).await;
}

#[tokio::test]
async fn a_socket_that_a_killed_server_left_behind_is_taken_over() {
    let directory = Directory::new();
    let path = directory.socket();
    // The standard library's listener leaves its file, as a killed process does.
    drop(StdListener::bind(&path).unwrap());
    let error = UnixConnector::new().connect(&Endpoint::unix(&path).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    assert!(error.to_string().contains("runs no more"), "{error}");
    connected(&UnixAcceptor::bind(&path).unwrap()).await;
}

/// Without taking turns two of them remove each other's sockets within a few rounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), ignore = "turns are taken on Linux alone")]
async fn of_many_that_want_a_left_behind_socket_at_once_one_gets_it_and_is_reached() {
    let directory = Directory::new();
    let path = directory.socket();
    let runtime = tokio::runtime::Handle::current();
    for round in 0..200 {
        drop(StdListener::bind(&path).unwrap());
        let start = Barrier::new(4);
        let bound: Vec<_> = std::thread::scope(|scope| {
            let bind = || {
                let _runtime = runtime.enter();
                start.wait();
                UnixAcceptor::bind(&path)
            };
            let binding = [scope.spawn(bind), scope.spawn(bind), scope.spawn(bind), scope.spawn(bind)];
            binding.map(|thread| thread.join().unwrap()).into_iter().collect()
        });
        let (taken, refused): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        let [Ok(acceptor)] = &taken[..] else { panic!("round {round}: {taken:?} {refused:?}") };
        for error in refused {
            let text = error.unwrap_err().to_string();
            assert!(text.contains("stop the program that does"), "{text}");
        }
        connected(acceptor).await;
        drop(taken);
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn what_is_no_socket_is_never_removed() {
    let directory = Directory::new();
    let path = directory.socket();
    fs::write(&path, "somebody's file").unwrap();
    let text = refused(UnixAcceptor::bind(&path));
    assert!(text.contains("is no socket"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's file");
}

#[tokio::test]
async fn the_socket_of_a_successor_is_not_removed() {
    let directory = Directory::new();
    let path = directory.socket();
    let first = UnixAcceptor::bind(&path).unwrap();
    fs::rename(&path, directory.0.join("moved.sock")).unwrap();
    let second = UnixAcceptor::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    drop(first);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    connected(&second).await;
}

#[tokio::test]
async fn errors_name_the_path_and_what_to_do() {
    let directory = Directory::new();
    let nowhere = Endpoint::unix(directory.0.join("nowhere.sock")).unwrap();
    let error = UnixConnector::new().connect(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    assert!(error.to_string().contains("nowhere.sock") && error.to_string().contains("check the path"));

    let long = directory.0.join("a".repeat(120));
    let error = UnixConnector::new().connect(&Endpoint::unix(&long).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("shorter path"), "{error}");
    let text = refused(UnixAcceptor::bind(&long));
    assert!(text.contains("shorter path"), "{text}");

    let error = UnixConnector::new().connect(&"mqtt://host".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("mqtt://host:1883 is no Unix socket"), "{error}");
}

#[tokio::test]
async fn a_server_that_accepts_nobody_is_waited_for_until_the_limit() {
    let directory = Directory::new();
    let path = directory.socket();
    let _acceptor = UnixAcceptor::bind(&path).unwrap();
    let endpoint = Endpoint::unix(&path).unwrap();
    let connector = UnixConnector::new().connect_timeout(Duration::from_millis(50));
    let mut waiting = Vec::new();
    let error = loop {
        match connector.connect(&endpoint).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 20_000, "the backlog is bounded");
    };
    assert_eq!(error.kind(), ConnectErrorKind::TimedOut);
    assert!(error.to_string().contains("accepts no clients"), "{error}");
}
