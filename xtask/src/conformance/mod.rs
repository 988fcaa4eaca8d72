//! Which statements of the specification the code enforces and the tests test. Must not know the other house rules.

mod citation;
mod statement;

pub(crate) use citation::{Place, citations, malformed};
pub(crate) use statement::Statements;
#[cfg(test)]
pub(crate) use statement::tests::tree_with;
