//! One end of a raw connection: reads, answers and floods on a blocking socket. Knows not which end it is.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::answers::{Counted, answer};
use crate::flood::Flood;
use crate::plan::Plan;

const READ_BYTES_MIN: usize = 64 * 1024;

/// A socket and what has come over it.
#[derive(Debug)]
pub(crate) struct End {
    plan: Plan,
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    answers: Vec<u8>,
    pub(crate) counted: Counted,
}

impl End {
    pub(crate) fn new(plan: Plan, stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let buffer = vec![0; READ_BYTES_MIN + plan.payload_bytes];
        let (answers, counted) = (Vec::new(), Counted::default());
        Ok(Self { plan, stream, buffer, filled: 0, answers, counted })
    }

    /// Reads once and answers what is whole; false at the end of the stream.
    pub(crate) fn read(&mut self) -> io::Result<bool> {
        let bytes = match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(bytes) => bytes,
            // A client that has what it wanted may close over unread bytes.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error),
        };
        self.filled += bytes;
        let used = answer(&self.plan, &self.buffer[..self.filled], &mut self.answers, &mut self.counted)?;
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        self.stream.write_all(&self.answers)?;
        self.answers.clear();
        Ok(bytes > 0)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends all messages of the plan and waits until they are acknowledged.
    pub(crate) fn flood(&mut self, flood: &mut Flood) -> io::Result<()> {
        loop {
            flood.send(&mut self.stream)?;
            if flood.is_over() {
                return Ok(());
            }
            let before = self.counted.completed;
            if !self.read()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            flood.on_completed(self.counted.completed - before);
        }
    }

    /// Ends our direction, and reads until the other end has ended its own.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        while self.stream.read(&mut self.buffer)? > 0 {}
        Ok(())
    }
}
