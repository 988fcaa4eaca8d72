//! One direction of a simulated byte stream: delays, splits, stalls, ends and cuts. Knows no packets.

use std::collections::VecDeque;
use std::time::Duration;

use bowline_proto::Timestamp;

use crate::random::Random;

/// Bytes on their way from one end to the other. They arrive in order, but in any portions and at any time.
#[derive(Debug)]
pub struct Pipe {
    shape: Shape,
    random: Random,
    in_transit: VecDeque<(Timestamp, Vec<u8>)>,
    last_arrival: Timestamp,
    stalled_until: Timestamp,
    arrived: u64,
    cut_at: Option<u64>,
    is_cut: bool,
    ends_at: Option<Timestamp>,
}

/// How a pipe treats what is written.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by tests")]
pub struct Shape {
    /// Into which portions the bytes fall.
    pub split: Split,
    /// The longest that a portion is on its way, those behind it not counted.
    pub delay_max: Duration,
}

/// Into which portions bytes fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "built by tests")]
pub enum Split {
    /// As they were written.
    Whole,
    /// One byte each.
    EveryByte,
    /// Anywhere.
    Anywhere,
}

/// What comes out at the far end.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the simulation handles each")]
pub enum Arrival {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The writer has closed its end and everything before that has arrived.
    End,
    /// The link was cut here.
    Cut,
}

impl Pipe {
    /// An empty pipe.
    pub const fn new(shape: Shape, random: Random) -> Self {
        Self {
            shape,
            random,
            in_transit: VecDeque::new(),
            last_arrival: Timestamp::ZERO,
            stalled_until: Timestamp::ZERO,
            arrived: 0,
            cut_at: None,
            is_cut: false,
            ends_at: None,
        }
    }

    /// The writer writes.
    pub fn write(&mut self, mut bytes: &[u8], now: Timestamp) {
        while !bytes.is_empty() && self.ends_at.is_none() && !self.is_cut {
            let portion = match self.shape.split {
                Split::Whole => bytes.len(),
                Split::EveryByte => 1,
                Split::Anywhere => 1 + self.random.below(bytes.len().min(40) as u64) as usize,
            };
            let (first, rest) = bytes.split_at(portion);
            self.last_arrival = self.last_arrival.max(now + self.random.up_to(self.shape.delay_max));
            self.in_transit.push_back((self.last_arrival, first.to_vec()));
            bytes = rest;
        }
    }

    /// The writer closes its end; what is on its way still arrives.
    pub fn end(&mut self, now: Timestamp) {
        let arrives = self.last_arrival.max(now + self.random.up_to(self.shape.delay_max));
        self.ends_at.get_or_insert(arrives);
    }

    /// Nothing arrives until then.
    pub fn stall(&mut self, until: Timestamp) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// Cuts the link right before the byte at this offset of all that is ever written. Of several cuts the first counts:
    /// what is behind it may be lost already.
    pub fn cut_at(&mut self, offset: u64) {
        self.cut_at = Some(self.cut_at.map_or(offset, |earlier| earlier.min(offset)));
    }

    /// How many bytes have arrived.
    pub const fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.in_transit.is_empty()
    }

    /// When the next thing arrives.
    pub fn next_at(&self) -> Option<Timestamp> {
        if self.is_cut {
            return None;
        }
        if self.cut_at == Some(self.arrived) {
            return Some(self.stalled_until);
        }
        let next = self.in_transit.front().map(|(at, _)| *at).or(self.ends_at)?;
        Some(next.max(self.stalled_until))
    }

    /// What has arrived by now.
    pub fn poll(&mut self, now: Timestamp) -> Option<Arrival> {
        if self.next_at()? > now {
            return None;
        }
        if self.cut_at == Some(self.arrived) {
            self.is_cut = true;
            self.in_transit.clear();
            return Some(Arrival::Cut);
        }
        let Some((_, mut bytes)) = self.in_transit.pop_front() else {
            self.is_cut = true;
            return Some(Arrival::End);
        };
        if let Some(cut_at) = self.cut_at {
            bytes.truncate(usize::try_from(cut_at.saturating_sub(self.arrived)).unwrap_or(usize::MAX));
        }
        self.arrived += bytes.len() as u64;
        Some(Arrival::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    fn pipe(split: Split) -> Pipe {
        Pipe::new(Shape { split, delay_max: Duration::from_millis(5) }, Random::new(1))
    }

    fn drain(pipe: &mut Pipe) -> (Vec<u8>, Option<Arrival>) {
        let mut all = Vec::new();
        while let Some(next) = pipe.next_at() {
            match pipe.poll(next) {
                Some(Arrival::Bytes(bytes)) => all.extend(bytes),
                other => return (all, other),
            }
        }
        (all, None)
    }

    #[test]
    fn bytes_arrive_complete_and_in_order_however_they_are_split() {
        let bytes: Vec<u8> = (0..200).collect();
        for split in [Split::Whole, Split::EveryByte, Split::Anywhere] {
            let mut pipe = pipe(split);
            pipe.write(&bytes[..50], at(0));
            pipe.write(&bytes[50..], at(1));
            pipe.end(at(2));
            assert_eq!(drain(&mut pipe), (bytes.clone(), Some(Arrival::End)));
            assert_eq!(pipe.next_at(), None);
        }
    }

    #[test]
    fn a_cut_lets_exactly_the_bytes_before_it_through() {
        for offset in 0..=10 {
            let mut pipe = pipe(Split::Anywhere);
            pipe.cut_at(offset);
            pipe.write(&[7; 10], at(0));
            let (bytes, end) = drain(&mut pipe);
            assert_eq!((bytes.len() as u64, end), (offset, Some(Arrival::Cut)));
        }
    }

    #[test]
    fn a_later_cut_does_not_take_an_earlier_one_back() {
        let mut pipe = pipe(Split::Whole);
        pipe.cut_at(4);
        pipe.write(&[7; 10], at(0));
        let arrives = pipe.next_at().expect("something is on its way");
        assert_eq!(pipe.poll(arrives), Some(Arrival::Bytes(vec![7; 4])));
        pipe.cut_at(30);
        pipe.write(&[8; 10], at(1_000));
        assert_eq!(drain(&mut pipe), (Vec::new(), Some(Arrival::Cut)));
    }

    #[test]
    fn a_stall_delays_everything() {
        let mut pipe = pipe(Split::Whole);
        pipe.write(&[1], at(0));
        pipe.stall(at(1_000));
        assert_eq!(pipe.poll(at(999)), None);
        assert_eq!(pipe.poll(at(1_000)), Some(Arrival::Bytes(vec![1])));
    }
}
