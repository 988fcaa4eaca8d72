//! The program's tests in one binary: they run the real program.

mod demo;
