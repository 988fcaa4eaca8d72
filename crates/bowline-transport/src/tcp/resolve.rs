//! From the name of a host to the addresses to try. Knows no socket and no order of attempts but the resolver's.

use std::net::SocketAddr;

use tokio::net::lookup_host;

use crate::endpoint::Endpoint;
use crate::error::ConnectError;

/// How many addresses of a name are tried; what the resolver says beyond is ignored. Without it, a name with thousands of
/// addresses would leave each a share of the time in which none can answer.
pub(super) const ADDRESSES_MAX: usize = 16;

/// The addresses of the endpoint's host, each once, in the resolver's order. At least one.
///
/// The operating system's resolver blocks, so it runs on a thread of the runtime's pool. Dropping the future does not stop
/// it: the thread is given back when the resolver gives up.
pub(super) async fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = || endpoint.host().to_owned();
    let found = match lookup_host((endpoint.host(), endpoint.port())).await {
        Ok(found) => found,
        Err(source) => return Err(ConnectError::Resolve { host: host(), source }),
    };
    let mut addresses = Vec::new();
    for addr in found {
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&addr) {
            addresses.push(addr);
        }
    }
    if addresses.is_empty() {
        Err(ConnectError::NoAddress { host: host(), bind: None })
    } else {
        Ok(addresses)
    }
}
