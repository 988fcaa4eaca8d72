//! The store on disk, through the trait: what it gives back, what it refuses, and what it survives.

mod cost;
mod damage;
mod model;
mod power_cuts;
mod refusals;
pub(crate) mod scratch;
mod script;
mod sealing;
mod simulated;
mod suite;

use std::io;

use bowline::store::StoreFile;
use bowline_testkit::power::PowerDisk;

/// The test's disk as the store wants it.
#[derive(Debug)]
struct Disk(PowerDisk);

impl StoreFile for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

/// A store on such a disk.
fn store_on(disk: &PowerDisk) -> bowline::store::DiskStore {
    let disk = disk.clone();
    bowline::store::DiskStore::on(move || Ok(Box::new(Disk(disk.clone()))))
}
