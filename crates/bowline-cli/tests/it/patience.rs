//! `pub --store --wait`: how long the program goes on without a connection, and what it does in that time.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::storing::Folder;

/// A port at which everybody is hung up on, and when somebody last was.
fn hangs_up() -> (String, Arc<Mutex<Option<Instant>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it listens").port().to_string();
    let last = Arc::new(Mutex::new(None));
    let seen = last.clone();
    // It ends with the process of the tests.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            *seen.lock().expect("nobody panics with it") = Some(Instant::now());
        }
    });
    (port, last)
}

/// Delays between attempts are random, so that one publisher alone may be lucky.
#[test]
fn the_last_attempt_is_made_shortly_before_the_time_is_up_and_not_after_it() {
    let folder = Folder::new("patience");
    let mut running = Vec::new();
    for number in 0..8 {
        let (port, last) = hangs_up();
        let store = folder.file(&number.to_string());
        let own = ["pub", "-h", "127.0.0.1", "-p", &port, "--store", &store, "--wait", "6"];
        let started = Instant::now();
        running.push((started, last, Process::bowline(own.iter().chain(&["-t", "t", "-q", "1", "-m", "x"]))));
    }
    for (started, last, process) in running {
        let ended = process.finish();
        let (took, last) = (started.elapsed(), last.lock().unwrap().expect("it tried"));
        assert_eq!(ended.code, Some(75), "{}", ended.stderr);
        assert!(took >= Duration::from_secs(6) && took < Duration::from_secs(10), "{took:?}");
        assert!(last.elapsed() < Duration::from_secs(3), "{:?}:\n{}", last.elapsed(), ended.stderr);
    }
}
