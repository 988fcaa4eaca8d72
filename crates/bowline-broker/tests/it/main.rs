//! The broker's tests in one binary.

mod accepting;
mod back_pressure;
mod bench;
mod chaos;
mod conduct;
mod fault_link;
mod judging;
mod limits;
mod line;
mod mosquitto;
mod publishing;
mod retaining;
mod serving;
mod sessions;
mod sharing;
mod subscribing;
mod wills;
