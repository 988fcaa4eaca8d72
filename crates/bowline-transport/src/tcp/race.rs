//! Several addresses of one host, tried so that one which is silent holds up nobody (happy eyeballs, RFC 8305). Knows no
//! socket: an attempt is a future that somebody else makes.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{ConnectError, ConnectErrorKind};

/// The least time between two attempts (RFC 8305, section 5: less would flood a host that is merely slow).
const DELAY_MIN: Duration = Duration::from_millis(10);

/// How much time there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// After so long without an answer the next address is tried beside the ones before.
    pub(super) delay: Duration,
    /// How long one address may take.
    pub(super) attempt_max: Duration,
    /// When all of them have had their time.
    pub(super) deadline: Instant,
}

/// An address and what came of it.
pub(super) type Failure = (SocketAddr, ConnectError);

/// Puts the addresses of one family behind those of the other in turn, each family in its own order, beginning with the
/// family that comes first (RFC 8305, section 4, with a First Address Family Count of 1).
pub(super) fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let of_first = |addr: &&SocketAddr| addr.is_ipv4() == first.is_ipv4();
    let mut preferred = addresses.iter().filter(of_first);
    let mut other = addresses.iter().filter(|addr| !of_first(addr));
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(preferred.next());
        ordered.extend(other.next());
    }
    ordered
}

/// The first attempt that succeeds, in the order of the addresses. The next one starts when the last has failed, or has been
/// silent for `pace.delay`; those before go on. The others are dropped when one has won.
///
/// # Errors
///
/// What came of each that was tried, in their order. None were tried if there was no time at all.
pub(super) async fn first<T, F>(
    addresses: &[SocketAddr],
    pace: Pace,
    attempt: impl Fn(SocketAddr, Duration) -> F,
) -> Result<T, Vec<Failure>>
where
    F: Future<Output = Result<T, ConnectError>>,
{
    let mut untried = addresses.iter().copied().enumerate();
    let mut running: Vec<Running<F>> = Vec::new();
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    loop {
        let left = pace.deadline.saturating_duration_since(Instant::now());
        if !left.is_zero()
            && let Some((index, addr)) = untried.next()
        {
            let attempt = Box::pin(attempt(addr, left.min(pace.attempt_max)));
            running.push(Running { index, addr, attempt });
        }
        let mut patience = pin!(sleep(pace.delay.max(DELAY_MIN).min(left)));
        let has_more = untried.len() > 0 && !left.is_zero();
        let step = poll_fn(|cx| {
            if let Poll::Ready(step) = poll_running(&mut running, cx) {
                return Poll::Ready(step);
            }
            if has_more && patience.as_mut().poll(cx).is_ready() {
                Poll::Ready(Step::Next)
            } else {
                Poll::Pending
            }
        });
        match step.await {
            Step::Connected(connected) => return Ok(connected),
            Step::Failed(index, failure) => {
                // Our own side is at fault, so no other address can do better.
                let is_ours = matches!(failure.1.kind(), ConnectErrorKind::Bind | ConnectErrorKind::Option);
                if is_ours {
                    return Err(vec![failure]);
                }
                failures.push((index, failure));
            }
            Step::Next => {}
            Step::Over => {
                failures.sort_by_key(|(index, _)| *index);
                return Err(failures.into_iter().map(|(_, failure)| failure).collect());
            }
        }
    }
}

struct Running<F> {
    index: usize,
    addr: SocketAddr,
    attempt: Pin<Box<F>>,
}

enum Step<T> {
    Connected(T),
    Failed(usize, Failure),
    /// The ones that run are slow: it is time for another.
    Next,
    /// None runs.
    Over,
}

fn poll_running<T, F>(running: &mut Vec<Running<F>>, cx: &mut Context<'_>) -> Poll<Step<T>>
where
    F: Future<Output = Result<T, ConnectError>>,
{
    if running.is_empty() {
        return Poll::Ready(Step::Over);
    }
    for place in 0..running.len() {
        if let Poll::Ready(result) = running[place].attempt.as_mut().poll(cx) {
            let Running { index, addr, .. } = running.remove(place);
            return Poll::Ready(match result {
                Ok(connected) => Step::Connected(connected),
                Err(error) => Step::Failed(index, (addr, error)),
            });
        }
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 1883))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 1883))
    }

    fn refused(addr: SocketAddr) -> ConnectError {
        ConnectError::Refused { addr: addr.to_string(), source: io::ErrorKind::ConnectionRefused.into() }
    }

    fn pace(deadline: Duration) -> Pace {
        Pace { delay: 250 * MS, attempt_max: Duration::MAX, deadline: Instant::now() + deadline }
    }

    /// What each address does: after so long it answers or refuses. One that is not listed is silent until its limit.
    async fn run(
        does: &[(SocketAddr, Duration, bool)],
        addresses: &[SocketAddr],
        pace: Pace,
    ) -> (Result<SocketAddr, Vec<SocketAddr>>, Vec<(SocketAddr, u128)>) {
        let began = Instant::now();
        let starts = RefCell::new(Vec::new());
        let result = first(addresses, pace, |addr, limit| {
            starts.borrow_mut().push((addr, began.elapsed().as_millis()));
            let does = does.iter().find(|(of, ..)| *of == addr).copied();
            async move {
                match does {
                    Some((_, after, answers)) if after <= limit => {
                        sleep(after).await;
                        if answers { Ok(addr) } else { Err(refused(addr)) }
                    }
                    _ => {
                        sleep(limit).await;
                        Err(ConnectError::TimedOut {
                            target: addr.to_string(),
                            after: limit,
                            tried: vec![addr],
                        })
                    }
                }
            }
        })
        .await;
        let result = result.map_err(|failures| failures.into_iter().map(|(addr, _)| addr).collect());
        (result, starts.into_inner())
    }

    #[test]
    fn families_take_turns_and_the_one_that_came_first_begins() {
        let found = [v6(1), v6(2), v6(3), v4(1), v4(2)];
        assert_eq!(interleave(&found), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(interleave(&[v4(1), v6(1), v6(2)]), [v4(1), v6(1), v6(2)]);
        assert_eq!(interleave(&[v4(2), v4(1)]), [v4(2), v4(1)]);
        assert_eq!(interleave(&[]), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_costs_one_delay_and_goes_on_beside_the_next() {
        let (won, starts) = run(&[(v4(1), 20 * MS, true)], &[v6(1), v4(1)], pace(10_000 * MS)).await;
        assert_eq!(won, Ok(v4(1)));
        assert_eq!(starts, [(v6(1), 0), (v4(1), 250)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_still_wins_against_one_that_began_later() {
        let does = [(v6(1), 300 * MS, true), (v4(1), 200 * MS, true)];
        let (won, starts) = run(&does, &[v6(1), v4(1), v4(2)], pace(10_000 * MS)).await;
        assert_eq!(won, Ok(v6(1)));
        assert_eq!(starts, [(v6(1), 0), (v4(1), 250)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_starts_the_next_at_once_and_the_clock_of_the_delay_anew() {
        let does = [(v6(1), 100 * MS, false), (v4(2), 5 * MS, true)];
        let (won, starts) = run(&does, &[v6(1), v4(1), v4(2)], pace(10_000 * MS)).await;
        assert_eq!(won, Ok(v4(2)));
        assert_eq!(starts, [(v6(1), 0), (v4(1), 100), (v4(2), 350)]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_have_until_the_deadline_and_failures_are_told_in_the_order_of_the_attempts() {
        let does = [(v4(1), 10 * MS, false)];
        let began = Instant::now();
        let (lost, starts) = run(&does, &[v6(1), v4(1), v4(2), v4(3)], pace(600 * MS)).await;
        assert_eq!(began.elapsed(), 600 * MS);
        // The fourth began at once after the second had refused at 260, and the third; each had what was left.
        assert_eq!(starts, [(v6(1), 0), (v4(1), 250), (v4(2), 260), (v4(3), 510)]);
        assert_eq!(lost, Err(vec![v6(1), v4(1), v4(2), v4(3)]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_no_more_than_its_own_limit() {
        let pace = Pace { attempt_max: 100 * MS, ..pace(10_000 * MS) };
        let began = Instant::now();
        let (lost, starts) = run(&[], &[v6(1), v4(1)], pace).await;
        assert_eq!(starts, [(v6(1), 0), (v4(1), 100)]);
        assert_eq!((lost, began.elapsed()), (Err(vec![v6(1), v4(1)]), 200 * MS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_of_our_own_ends_all_attempts() {
        let attempts = |addr: SocketAddr, limit: Duration| async move {
            if addr.is_ipv6() {
                sleep(limit).await;
            }
            Err::<(), _>(ConnectError::Bind { addr, source: io::ErrorKind::AddrNotAvailable.into() })
        };
        let began = Instant::now();
        let failures = first(&[v6(1), v4(1), v4(2)], pace(10_000 * MS), attempts).await.unwrap_err();
        assert_eq!(failures.iter().map(|(addr, _)| *addr).collect::<Vec<_>>(), [v4(1)]);
        assert_eq!(began.elapsed(), 250 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn without_time_nothing_is_tried() {
        let (lost, starts) = run(&[], &[v6(1)], pace(Duration::ZERO)).await;
        assert_eq!((lost, starts.len()), (Err(Vec::new()), 0));
    }
}
