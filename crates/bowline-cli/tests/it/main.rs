//! Runs the program itself: against the strict broker of this workspace, and against Mosquitto and its programs.

mod demo;
mod ending;
mod help;
mod inspecting;
mod keying;
mod logging;
mod lost_sessions;
mod mosquitto;
mod patience;
mod process;
mod publishing;
mod scripted;
mod selecting;
mod serving;
mod session_loss;
mod several_brokers;
mod storing;
mod subscribing;
mod switching;
mod telling_secrets;
mod transports;
mod versions;
