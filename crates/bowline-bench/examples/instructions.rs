//! Scenarios whose instructions `cargo xtask instructions` counts under valgrind: what a message costs in the whole client. Measures
//! nothing itself.
//!
//! `instructions --list` prints their names, `instructions NAME MESSAGES` runs one with so many messages. Client, application and a
//! peer in memory share one thread, without a socket, so that every run is the same.

use std::error::Error;

use bowline_bench::{Plan, Workload, take_part_in_memory};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [list] if list == "--list" => {
            Workload::ALL.iter().for_each(|workload| println!("{}", name(*workload)))
        }
        [wanted, messages] => {
            let known = Workload::ALL.into_iter().find(|workload| name(*workload) == *wanted);
            let workload = known.ok_or_else(|| format!("there is no scenario `{wanted}`"))?;
            take_part_in_memory(Plan::new(workload, messages.parse()?))?;
        }
        _ => return Err("usage: instructions --list | instructions NAME MESSAGES".into()),
    }
    Ok(())
}

fn name(workload: Workload) -> String {
    let does = if workload.is_publishing() { "publish" } else { "receive" };
    format!("client {does} qos{} 5.0", workload.qos() as u8)
}
