//! The broker's tests in one binary.

mod back_pressure;
mod bench;
mod judging;
mod limits;
mod publishing;
mod retaining;
mod sessions;
mod sharing;
mod subscribing;
mod wills;
