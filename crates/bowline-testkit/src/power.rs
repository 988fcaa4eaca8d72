//! A disk whose power can fail at any moment. What was not synced then survives whole, in part, in any order, or not at all.
//! Knows nothing of what is written on it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::random::Random;

/// What a disk writes as one, unless it tears that as well.
const SECTOR_BYTES: u64 = 512;

/// A disk that writes down everything that is done to it, so that one run can be cut off at each of its operations. Clones
/// are the same disk.
#[derive(Clone, Debug, Default)]
pub struct PowerDisk {
    shared: Arc<Mutex<Shared>>,
    /// The process that has it. Those that were killed cannot use it any more.
    process: u64,
}

#[derive(Debug, Default)]
struct Shared {
    content: Vec<u8>,
    log: Vec<Operation>,
    process: u64,
    fails_at: Option<u64>,
    fails_next_sync: bool,
    room: Option<u64>,
}

/// What was done to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else that can be done")]
pub enum Operation {
    /// Bytes were written at an offset.
    Write {
        /// Where.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// It was made longer or shorter.
    SetLen(u64),
    /// Everything before it is on the disk.
    Sync,
}

impl PowerDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with this content, all of it synced.
    pub fn holding(content: Vec<u8>) -> Self {
        let disk = Self::default();
        let mut shared = disk.lock();
        shared.log = vec![Operation::Write { offset: 0, data: content.clone() }, Operation::Sync];
        shared.content = content;
        drop(shared);
        disk
    }

    /// The disk as the next process sees it. All earlier ones were killed: nothing they do reaches it any more.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let mut shared = self.lock();
        shared.process += 1;
        Self { shared: self.shared.clone(), process: shared.process }
    }

    /// What a process that reads it now finds, synced or not.
    pub fn content(&self) -> Vec<u8> {
        self.lock().content.clone()
    }

    /// How many operations were done.
    pub fn operations(&self) -> usize {
        self.lock().log.len()
    }

    /// Everything that was done.
    pub fn log(&self) -> Vec<Operation> {
        self.lock().log.clone()
    }

    /// Lets the so many next operations pass and the one after fail; all after that pass again.
    pub fn fail_after(&self, operations: u64) {
        self.lock().fails_at = Some(operations);
    }

    /// Lets the next sync fail. What was written is there all the same, until the power fails.
    pub fn fail_next_sync(&self) {
        self.lock().fails_next_sync = true;
    }

    /// Whether a failure was asked for that has not come.
    pub fn will_fail(&self) -> bool {
        self.lock().fails_at.is_some()
    }

    /// So long may its content get; beyond, writes fail for lack of room. `None` is any length.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// How many bytes there are.
    ///
    /// # Errors
    /// If this process was killed.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.content.len() as u64)
    }

    /// Whether there are no bytes.
    ///
    /// # Errors
    /// If this process was killed.
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// If there are not so many, or this process was killed.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let shared = self.alive()?;
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(shared.content.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Writes `data` at `offset`.
    ///
    /// # Errors
    /// If it was asked to, if there is no room, or if this process was killed.
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let operation = Operation::Write { offset, data: data.to_vec() };
        self.perform(operation, offset + data.len() as u64)
    }

    /// Makes it so long.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.perform(Operation::SetLen(len), len)
    }

    /// Everything so far survives.
    ///
    /// # Errors
    /// If it was asked to, or if this process was killed.
    pub fn sync(&self) -> io::Result<()> {
        self.perform(Operation::Sync, 0)
    }

    fn perform(&self, operation: Operation, end: u64) -> io::Result<()> {
        let mut shared = self.alive()?;
        match shared.fails_at {
            Some(0) => {
                shared.fails_at = None;
                return Err(io::Error::other("the disk failed, as it was asked to"));
            }
            Some(left) => shared.fails_at = Some(left - 1),
            None => {}
        }
        if operation == Operation::Sync && std::mem::take(&mut shared.fails_next_sync) {
            return Err(io::Error::other("the sync failed, as it was asked to"));
        }
        if shared.room.is_some_and(|room| end > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        operation.apply(&mut shared.content);
        shared.log.push(operation);
        Ok(())
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Shared>> {
        let shared = self.lock();
        if shared.process == self.process {
            Ok(shared)
        } else {
            Err(io::Error::other("this process was killed"))
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let start = usize::try_from(*offset).expect("it is in memory");
                let end = start + data.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[start..end].copy_from_slice(data);
            }
            Self::SetLen(len) => content.resize(usize::try_from(*len).expect("it is in memory"), 0),
            Self::Sync => {}
        }
    }
}

/// What survives of the operations that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests go through all of them")]
pub enum Survival {
    /// Nothing.
    None,
    /// Everything, as after a kill of the process.
    All,
    /// Everything but the last one that wrote.
    AllButLast,
    /// Nothing but the last one that wrote: it overtook the others.
    OnlyLast,
    /// For each sector, any of the contents that it had.
    Sectors,
    /// Like that, and some sectors are torn within.
    Torn,
}

impl Survival {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::None, Self::All, Self::AllButLast, Self::OnlyLast, Self::Sectors, Self::Torn];
}

/// Goes along a log and says what the disk would have held, had its power failed there.
#[derive(Debug)]
pub struct PowerCut<'a> {
    log: &'a [Operation],
    durable: Vec<u8>,
    synced: usize,
    done: usize,
}

impl<'a> PowerCut<'a> {
    /// Before the first operation of the log of a disk.
    pub const fn new(log: &'a [Operation]) -> Self {
        Self { log, durable: Vec::new(), synced: 0, done: 0 }
    }

    /// Lets one more operation happen. False if there is none.
    pub fn advance(&mut self) -> bool {
        let Some(operation) = self.log.get(self.done) else { return false };
        self.done += 1;
        if *operation == Operation::Sync {
            for operation in &self.log[self.synced..self.done] {
                operation.apply(&mut self.durable);
            }
            self.synced = self.done;
        }
        true
    }

    /// How many operations have happened.
    pub const fn done(&self) -> usize {
        self.done
    }

    /// How many of them were not synced: if none, every survival is the same.
    pub const fn unsynced(&self) -> usize {
        self.done - self.synced
    }

    /// What the disk holds when the power comes back.
    pub fn content(&self, survival: Survival, random: &mut Random) -> Vec<u8> {
        let unsynced = &self.log[self.synced..self.done];
        let (all_but_last, last) = unsynced.split_at(unsynced.len().saturating_sub(1));
        let applied: &[Operation] = match survival {
            Survival::None => &[],
            Survival::All => unsynced,
            Survival::AllButLast => all_but_last,
            Survival::OnlyLast => last,
            Survival::Sectors | Survival::Torn => {
                return self.scattered(unsynced, survival == Survival::Torn, random);
            }
        };
        let mut content = self.durable.clone();
        for operation in applied {
            operation.apply(&mut content);
        }
        content
    }

    /// For each sector, one of the contents that it had since the last sync, whatever its neighbours have.
    fn scattered(&self, unsynced: &[Operation], is_torn: bool, random: &mut Random) -> Vec<u8> {
        let mut versions = vec![self.durable.clone()];
        for operation in unsynced {
            let mut next = versions.last().expect("there is the first").clone();
            operation.apply(&mut next);
            versions.push(next);
        }
        let length = versions[random.below(versions.len() as u64) as usize].len();
        let mut content = vec![0; length];
        for start in (0..length).step_by(SECTOR_BYTES as usize) {
            let end = length.min(start + SECTOR_BYTES as usize);
            let one = random.below(versions.len() as u64) as usize;
            let other = random.below(versions.len() as u64) as usize;
            let tear = if is_torn { start + random.below(SECTOR_BYTES) as usize } else { end };
            for (place, byte) in content[start..end].iter_mut().enumerate() {
                let version = if start + place < tear { one } else { other };
                *byte = versions[version].get(start + place).copied().unwrap_or(0);
            }
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(disk: &PowerDisk) -> Vec<Operation> {
        disk.write(0, &[1; 1_024]).unwrap();
        disk.sync().unwrap();
        disk.write(0, &[2; 512]).unwrap();
        disk.write(512, &[3; 512]).unwrap();
        disk.log()
    }

    #[test]
    fn what_was_synced_survives_every_cut() {
        let log = written(&PowerDisk::new());
        let mut cut = PowerCut::new(&log);
        assert!(cut.advance() && cut.advance());
        for survival in Survival::ALL {
            assert_eq!(cut.content(survival, &mut Random::new(1)), vec![1; 1_024]);
        }
    }

    #[test]
    fn what_was_not_synced_is_lost_overtaken_or_torn() {
        let log = written(&PowerDisk::new());
        let mut cut = PowerCut::new(&log);
        while cut.advance() {}
        let mut random = Random::new(1);
        assert_eq!(cut.content(Survival::None, &mut random), vec![1; 1_024]);
        assert_eq!(cut.content(Survival::All, &mut random), [vec![2; 512], vec![3; 512]].concat());
        assert_eq!(cut.content(Survival::AllButLast, &mut random), [vec![2; 512], vec![1; 512]].concat());
        assert_eq!(cut.content(Survival::OnlyLast, &mut random), [vec![1; 512], vec![3; 512]].concat());
        let torn = (0..100).any(|_| {
            let content = cut.content(Survival::Torn, &mut random);
            content[..512].contains(&1) && content[..512].contains(&2)
        });
        assert!(torn, "no sector was torn in 100 cuts");
    }

    #[test]
    fn a_process_that_was_killed_reaches_the_disk_no_more() {
        let disk = PowerDisk::new();
        let next = disk.after_kill();
        assert!(disk.write(0, b"late").is_err());
        assert!(next.write(0, b"new").is_ok());
        assert_eq!(next.content(), b"new");
    }
}
