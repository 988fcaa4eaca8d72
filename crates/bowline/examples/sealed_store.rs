//! A publisher whose session is kept in an encrypted file: readings that no broker has taken survive the end of the program, and
//! whoever finds the file cannot read them.
//!
//! `cargo run -p bowline --features durable --example sealed_store -- mqtt://127.0.0.1:1883`; without a URL it brings its own broker.

use std::error::Error;
use std::path::Path;

use bowline::store::{DiskStore, Seal, SealError, StoreError};
use bowline::{Publisher, QoS, Session};
use bowline_broker::Broker;
use chacha20poly1305::aead::{Aead, Generate, Key, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const NONCE_BYTES: usize = 24;

/// XChaCha20-Poly1305. Its nonces are so long that random ones do not meet.
struct Sealed(XChaCha20Poly1305);

impl Seal for Sealed {
    fn seal(&self, place: &[u8], record: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = XNonce::generate();
        let sealed = self.0.encrypt(&nonce, Payload { msg: record, aad: place }).map_err(|_| SealError)?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place }).map_err(|_| SealError)
    }
}

/// The same store each time: the same file, and the same key.
fn store(path: &Path, key: &Key<XChaCha20Poly1305>) -> DiskStore {
    DiskStore::new(path).sealed_by(Sealed(XChaCha20Poly1305::new(key)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A program that means it keeps its key where the file is not: in a keyring, a secure element, or a secret of its host.
    let key = Key::<XChaCha20Poly1305>::generate();
    let path = std::env::temp_dir().join(format!("sealed-{}.session", std::process::id()));

    // Nobody listens there: what is accepted now is in the file, and nowhere else.
    let away = Publisher::builder("mqtt://127.0.0.1:1")?
        .client_id("meter-7")
        .session(Session::stored_in(store(&path, &key)))
        .connect_lazy()?;
    for reading in ["20.1", "20.4"] {
        // With a durable session, send() is done when the message is on the disk.
        drop(away.publish("meter/7/kwh", reading).qos(QoS::ExactlyOnce).send().await?);
    }
    away.disconnect().await;
    let content = std::fs::read(&path)?;
    let is_readable = content.windows(11).any(|bytes| bytes == b"meter/7/kwh");
    println!("{} bytes in {}, readable: {is_readable}", content.len(), path.display());

    // "The next day": another process with the same file and key sends what waits.
    let broker = Broker::builder().start().await?;
    let own_url = broker.address().map(|address| format!("mqtt://{address}"));
    let url = std::env::args().nth(1).or(own_url).ok_or("no broker")?;
    let publisher = Publisher::builder(&url)?
        .client_id("meter-7")
        .session(Session::stored_in(store(&path, &key)))
        .connect()
        .await?;
    publisher.flush().await?;
    println!("both are with the broker");
    publisher.disconnect().await;

    let wrong = Key::<XChaCha20Poly1305>::generate();
    let refused: StoreError = recover_error(store(&path, &wrong)).ok_or("any key opens it")?;
    println!("with another key: {refused}");
    std::fs::remove_file(&path)?;
    Ok(())
}

fn recover_error(mut store: DiskStore) -> Option<StoreError> {
    use bowline::store::SessionStore;
    store.recover(0).err()
}
