//! The power fails at every single write, change of length and sync of a run, and what was not synced survives in part: what the
//! store then gives back is what was reported as stored, and perhaps the batch that was under way, as a whole.

use bowline::store::{SessionStore, StoredSession};
use bowline_testkit::power::{Operation, PowerCut, PowerDisk, Survival};
use bowline_testkit::random::Random;

use super::script::{Answers, Script, answers_of, answers_of_model};
use super::store_on;

/// What a run of a store came to.
struct Run {
    log: Vec<Operation>,
    /// How many operations there had been when the first batch could be stored.
    made_at: usize,
    /// What the model says before the first batch, and after each.
    states: Vec<Answers>,
    /// How many operations had been done when each batch was reported as stored.
    stored_at: Vec<usize>,
}

/// Several processes, one after the other: all but the last are killed, so that starts repair and can be cut off as well.
fn run(seed: u64, processes: u64, batches: u64, entries_max: u64) -> Run {
    let mut disk = PowerDisk::new();
    let (mut script, mut model) = (Script::new(seed), StoredSession::default());
    let mut run =
        Run { log: Vec::new(), made_at: 0, states: vec![answers_of_model(&model)], stored_at: Vec::new() };
    for process in 0..processes {
        let mut store = store_on(&disk);
        store.recover(100).expect("the disk works");
        if process == 0 {
            run.made_at = disk.operations();
        }
        for _ in 0..batches {
            let batch = script.batch(entries_max);
            store.commit(&batch).expect("the disk works");
            batch.iter().for_each(|entry| model.apply(entry));
            run.states.push(answers_of_model(&model));
            run.stored_at.push(disk.operations());
        }
        if process + 1 < processes {
            disk = disk.after_kill();
        }
    }
    run.log = disk.log();
    run
}

/// Cuts the power after each operation and tries each survival so many times. Says how many cuts that were.
fn cut_everywhere(run: &Run, scatterings: u64, random: &mut Random) -> u64 {
    let mut cut = PowerCut::new(&run.log);
    let mut cuts = 0;
    while cut.advance() {
        if cut.done() < run.made_at {
            continue;
        }
        let stored = run.stored_at.iter().filter(|at| **at <= cut.done()).count();
        for survival in Survival::ALL {
            let is_chance = matches!(survival, Survival::Sectors | Survival::Torn);
            let times = if is_chance { scatterings } else { 1 };
            for _ in 0..if cut.unsynced() == 0 { 1 } else { times } {
                let disk = PowerDisk::holding(cut.content(survival, random));
                let mut store = store_on(&disk);
                let found = answers_of(&mut store);
                let legal = &run.states[stored..run.states.len().min(stored + 2)];
                assert!(
                    legal.contains(&found),
                    "after operation {} ({survival:?}) the store has neither what was stored (batch {stored}) nor one batch \
                     more: {found:?}",
                    cut.done()
                );
                store.commit(&Script::new(1).batch(3)).expect("it can be written again");
                cuts += 1;
            }
            if cut.unsynced() == 0 {
                break;
            }
        }
    }
    cuts
}

/// `BOWLINE_POWER_RUNS=100` has so many longer runs cut off everywhere: the long form, which takes minutes.
#[test]
fn no_loss_of_power_costs_what_was_stored() {
    let longer =
        std::env::var("BOWLINE_POWER_RUNS").map_or(0, |runs| runs.parse().expect("a number of runs"));
    let short = run(7, 3, 4, 6);
    let mut operations = short.log.len();
    let mut cuts = cut_everywhere(&short, 1, &mut Random::new(7));
    for seed in 1_000..1_000 + longer {
        let run = run(seed, 4, 12, 1 + seed % 30);
        operations += run.log.len();
        cuts += cut_everywhere(&run, 4, &mut Random::new(seed));
    }
    println!("{} runs, {operations} operations, {cuts} cuts", longer + 1);
    assert!(cuts > 300, "{cuts} cuts are too few to mean something");
}
