//! The suite that every store has to pass.

use bowline::store::{DiskStore, SyncPolicy, conformance};

use super::scratch::Scratch;

#[test]
fn the_store_on_disk_does_what_every_store_has_to() {
    let scratch = Scratch::new();
    conformance::check(|name| {
        Ok(DiskStore::new(scratch.path(name)).keeping(conformance::OUTCOMES_MAX).sync(SyncPolicy::OsBuffer))
    });
    conformance::check_lock(|| Ok(DiskStore::new(scratch.path("locked"))));
}
