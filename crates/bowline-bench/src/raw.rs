//! The limit: a blocking program that moves the same bytes over TCP as the client has to. Knows no client.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::end::End;
use crate::flood::Flood;
use crate::plan::Plan;

/// Connects to a peer and moves the messages of the plan; how long it took after CONNACK.
///
/// # Errors
/// What went wrong on the connection.
pub fn move_raw(plan: Plan, peer: SocketAddr) -> io::Result<Duration> {
    let mut end = End::new(plan, TcpStream::connect(peer)?)?;
    let mut flood = Flood::new(&plan);
    end.write(plan.connect())?;
    end.read()?;
    let start = Instant::now();
    if plan.workload.is_publishing() {
        end.flood(&mut flood)?;
        end.close()?;
    } else {
        end.write(&plan.subscribe())?;
        while end.read()? {}
        if end.counted.published != plan.messages {
            let received = end.counted.published;
            return Err(io::Error::other(format!("{received} of {} messages arrived", plan.messages)));
        }
    }
    Ok(start.elapsed())
}
