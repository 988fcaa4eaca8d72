//! What is to happen at a time of a run. Knows not how it is done.

use std::time::Duration;

use bowline_proto::codec::Outgoing;
use bowline_proto::routing::StreamId;
use bowline_proto::session::{DeliveryId, PublicationId};

use crate::pair::Direction;

/// Something that is to happen at a time.
#[derive(Debug)]
pub(super) enum Task {
    Opened {
        link: usize,
        fails: bool,
    },
    ClientWritten {
        link: usize,
        buffer: Outgoing,
    },
    ServerWritten {
        link: usize,
        buffer: Outgoing,
    },
    ClientLost {
        link: usize,
    },
    ServerLost {
        link: usize,
    },
    Commit {
        client: usize,
        life: u64,
    },
    Publish {
        client: usize,
    },
    Cancel {
        client: usize,
        life: u64,
        publication: PublicationId,
    },
    Unsubscribe {
        client: usize,
    },
    ChangeStreams {
        client: usize,
    },
    Take {
        client: usize,
        life: u64,
        delivery: DeliveryId,
        stream: StreamId,
    },
    Finish {
        client: usize,
        life: u64,
        delivery: DeliveryId,
        stream: StreamId,
    },
    TakeQos0 {
        client: usize,
        life: u64,
        stream: StreamId,
    },
    Reconnect {
        client: usize,
        life: u64,
    },
    Fault(Fault),
    /// Everything works from now on.
    Calm,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is cut after so many more bytes of one direction.
    Cut(Direction, u64),
    /// One direction stands still.
    Stall(Direction, Duration),
    /// The reader of one direction sees its end.
    HalfClose(Direction),
    /// The next dial fails.
    FailDial,
    KillClient,
    StopClient,
    RestartBroker {
        keeps_sessions: bool,
    },
    FullDisk(Duration),
    NewLimits(usize),
    /// An address leads nowhere for a while.
    Outage {
        address: usize,
        duration: Duration,
    },
    EmptyDisk {
        client: usize,
    },
    /// The machine of a client sleeps; the clock of its engine goes on meanwhile, or stands still.
    Sleep {
        duration: Duration,
        stands_still: bool,
    },
    SetWallClock {
        by_secs: i64,
    },
}
