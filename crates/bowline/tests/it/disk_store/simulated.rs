//! The store below the disks of the simulator: engines, brokers, faults and checkers are the simulator's, the store is the one that
//! users get, and its disk loses power.

use bowline::store::{
    DiskStore, Entry, PublicationId, Recovered, SessionStore, StoreErrorKind, StoredPublication,
};
use bowline_testkit::power::{PowerCut, PowerDisk, Survival};
use bowline_testkit::random::Random;
use bowline_testkit::sim::{Counts, StoreUnderTest, run_on};

use super::store_on;

/// A store, the disk that it is on, and what happens to both.
#[derive(Debug)]
struct Powered {
    disk: PowerDisk,
    store: DiskStore,
    random: Random,
}

impl Powered {
    fn new(seed: u64) -> Self {
        let disk = PowerDisk::new();
        let mut store = store_on(&disk);
        store.recover(0).expect("it can be made");
        Self { disk, store, random: Random::new(seed) }
    }
}

impl StoreUnderTest for Powered {
    fn commit(&mut self, batch: &[Entry]) {
        self.store.commit(batch).expect("the disk works");
    }

    fn fail(&mut self, batch: &[Entry]) {
        match self.random.below(4) {
            0 => self.disk.fail_next_sync(),
            writes => self.disk.fail_after(writes),
        }
        let error = self.store.commit(batch).expect_err("the disk failed");
        assert_eq!(error.kind(), &StoreErrorKind::Io, "{error}");
    }

    fn load(&mut self, after: PublicationId, bytes_max: usize) -> Vec<StoredPublication> {
        self.store.load(after, bytes_max).expect("the disk works")
    }

    fn crash(&mut self, batch: Option<&[Entry]>) {
        let before = self.disk.operations();
        if let Some(batch) = batch {
            self.store.commit(batch).expect("the disk works");
        }
        let log = self.disk.log();
        let cut_at = before + self.random.below((log.len() - before) as u64 + 1) as usize;
        // What this process still does to the disk comes too late.
        _ = self.disk.after_kill();
        let mut cut = PowerCut::new(&log);
        while cut.done() < cut_at {
            cut.advance();
        }
        let survival = self.random.pick(&Survival::ALL);
        self.disk = PowerDisk::holding(cut.content(survival, &mut self.random));
        self.store = store_on(&self.disk);
    }

    fn recover(&mut self, queue_bytes_max: usize) -> Recovered {
        self.store.recover(queue_bytes_max).expect("it can be opened after any loss of power")
    }
}

/// `BOWLINE_SIM_SEEDS=5000` runs more.
#[test]
fn whole_runs_of_the_simulator_hold_with_the_store_on_a_disk_that_loses_power() {
    let seeds =
        std::env::var("BOWLINE_SIM_SEEDS").map_or(60, |seeds| seeds.parse().expect("a number of seeds"));
    let mut counts = Counts::default();
    for seed in 0..seeds {
        let mut stores = seed << 8;
        let run = run_on(seed, || {
            stores += 1;
            Box::new(Powered::new(stores))
        });
        counts.add(&run.unwrap_or_else(|what| panic!("seed {seed}: {what}")));
    }
    println!("{counts}");
    assert!(counts.lost_batches > 0 && counts.failed_commits > 0, "nothing happened to the disks: {counts}");
}
