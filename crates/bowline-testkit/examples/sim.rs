//! The simulator as a program: runs seeds, and prints the history of one. Owns the command line only.
//!
//! `sim --seeds N [--from S] [--seconds T]` runs N seeds; `sim --seed X --trace` prints what happens in one.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bowline_testkit::sim::{Counts, run};

const USAGE: &str = "usage: sim [--seeds N] [--from S] [--seconds T] | sim --seed X [--trace]";

const SEEDS_DEFAULT: u64 = 1_000;

#[derive(Debug, Default)]
struct Options {
    seeds: Option<u64>,
    from: u64,
    seconds: Option<u64>,
    seed: Option<u64>,
    prints: bool,
    goes_on: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match options.seed {
        Some(seed) => match run(seed, options.prints) {
            Ok(counts) => println!("seed {seed}: nothing is broken\n{counts}"),
            Err(what) => {
                println!("seed {seed}: {what}");
                return ExitCode::FAILURE;
            }
        },
        None => return run_many(&options),
    }
    ExitCode::SUCCESS
}

fn run_many(options: &Options) -> ExitCode {
    let started = Instant::now();
    let seconds_max = options.seconds.map(Duration::from_secs);
    let seeds = options.seeds.unwrap_or_else(|| if seconds_max.is_some() { u64::MAX } else { SEEDS_DEFAULT });
    let mut counts = Counts::default();
    let (mut done, mut broken) = (0, 0);
    for seed in (options.from..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        if seconds_max.is_some_and(|most| started.elapsed() >= most) {
            break;
        }
        done += 1;
        let outcome = catch_unwind(|| run(seed, false)).unwrap_or_else(|_| Err("it panicked".to_owned()));
        match outcome {
            Ok(of_run) => counts.add(&of_run),
            Err(what) => {
                broken += 1;
                println!("seed {seed}: {what}\n  replay: cargo xtask sim --seed {seed} --trace");
                if !options.goes_on {
                    break;
                }
            }
        }
    }
    println!(
        "{done} seeds from {} in {:.1} s, {broken} broken",
        options.from,
        started.elapsed().as_secs_f64()
    );
    println!("{counts}");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seeds" => options.seeds = Some(number()?),
            "--from" => options.from = number()?,
            "--seconds" => options.seconds = Some(number()?),
            "--seed" => options.seed = Some(number()?),
            "--trace" => options.prints = true,
            "--go-on" => options.goes_on = true,
            _ => return None,
        }
    }
    Some(options)
}
