//! After a failed attempt: stop, or try again, and when.

use crate::s3::proto::fault::{Failure, Kind};
use std::time::Duration;

/// First upper bound of a wait; doubled with each attempt.
pub const WAIT_BASE: Duration = Duration::from_millis(200);

/// Longest wait, also when the server asks for more: MinIO asks for 120 s and means less.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// Waited-for attempts of all threads of a client together, a second and saved up: one thread never
/// meets them, sixteen that fail at once reach a sick server as a trickle.
pub const RETRIES_PER_SECOND: u64 = 4;

/// See [`RETRIES_PER_SECOND`].
pub const RETRIES_SAVED: u64 = 20;

/// Attempts at a server that never answered: a wrong address should not take minutes to show.
const UNREACHED_ATTEMPTS_MAX: u32 = 3;

/// Attempts at a server that takes connections and never said a word: TLS where none is spoken
/// looks like this.
const SILENT_ATTEMPTS_MAX: u32 = 5;

/// Attempts when bytes were damaged: once more for the line, then it is said.
const DAMAGED_ATTEMPTS_MAX: u32 = 3;

/// Difference of clocks, in seconds, below which a signature still holds.
const SKEW_HELD_SECS: i64 = 15 * 60;

/// What happened to one request so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Attempts that counted, the failed one included.
    pub attempts: u32,
    /// Since the first of them, or since the last that brought bytes.
    pub elapsed: Duration,
    /// The immediate retry of a stale connection was used.
    pub stale_spent: bool,
    /// The clock was corrected for this request.
    pub clock_corrected: bool,
    /// The body's MD5 was added for this request.
    pub md5_added: bool,
    /// The region was corrected for this request.
    pub region_corrected: bool,
    /// Other keys were fetched for this request.
    pub keys_renewed: bool,
    /// An attempt broke without an answer: the server may have done what was asked.
    pub uncertain: bool,
}

/// What the client as a whole knows.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// Longest time spent on one request, waits included.
    pub budget: Duration,
    /// Most attempts at one request, whatever the time.
    pub attempts_max: u32,
    /// Whether the server ever answered.
    pub reached: bool,
    /// Our clock with the present correction, in seconds since 1970.
    pub now: i64,
    /// A fair 64-bit number.
    pub dice: u64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Report it.
    Stop,
    /// Again at once, on a fresh connection, without counting.
    Now,
    /// Again after this time.
    Wait(Duration),
    /// Again at once, signed with the server's time, which is this, in seconds since 1970.
    CorrectClock(i64),
    /// Again at once, with the body's MD5, which this server wants.
    AddMd5,
    /// Again at once, signed with keys fetched anew.
    RenewKeys,
    /// Again at once, signed for this region.
    UseRegion(String),
}

/// Judges one failure.
pub fn decide(failure: &Failure, history: &History, outlook: &Outlook) -> Next {
    // HEAD has no body to name the reason: a refusal from a server whose clock is far off is
    // taken as one about the clock.
    let offset = failure.server_time.map(|time| time.saturating_sub(outlook.now));
    let far = offset.is_some_and(|secs| secs.saturating_abs() >= SKEW_HELD_SECS);
    let about_clock =
        failure.kind == Kind::Clock || (failure.kind == Kind::Denied && failure.code.is_empty());
    if about_clock
        && !history.clock_corrected
        && let Some(time) = failure.server_time
        // Another thread may have corrected it while this request was on its way.
        && (far || failure.kind == Kind::Clock)
    {
        return Next::CorrectClock(time);
    }
    if failure.kind == Kind::Region && !history.region_corrected {
        return failure.region.as_deref().map_or(Next::Stop, |region| Next::UseRegion(region.to_owned()));
    }
    if failure.kind == Kind::Expired && !history.keys_renewed {
        return Next::RenewKeys;
    }
    if failure.kind == Kind::WantsMd5 && !history.md5_added {
        return Next::AddMd5;
    }
    if failure.stale && !history.stale_spent {
        return Next::Now;
    }
    let attempts_max = match failure.kind {
        Kind::Line if !outlook.reached => SILENT_ATTEMPTS_MAX,
        Kind::Busy | Kind::Line => u32::MAX,
        Kind::Unreachable if outlook.reached => u32::MAX,
        Kind::Unreachable => UNREACHED_ATTEMPTS_MAX,
        Kind::Damaged if &*failure.code != "InvalidRange" => DAMAGED_ATTEMPTS_MAX,
        _ => return Next::Stop,
    };
    let wait = wait(failure, history.attempts, outlook.dice);
    if history.attempts >= attempts_max.min(outlook.attempts_max) || history.elapsed + wait > outlook.budget {
        return Next::Stop;
    }
    Next::Wait(wait)
}

fn wait(failure: &Failure, attempts: u32, dice: u64) -> Duration {
    let bound = WAIT_BASE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(WAIT_MAX);
    let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    let jitter = Duration::from_millis(dice % (bound_ms + 1));
    jitter.max(failure.retry_after.unwrap_or_default().min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::{History, Next, Outlook, WAIT_MAX, decide};
    use crate::s3::proto::fault::{Failure, Kind};
    use std::time::Duration;

    const OUTLOOK: Outlook = Outlook {
        budget: Duration::from_secs(300),
        attempts_max: u32::MAX,
        reached: true,
        now: 1_000_000,
        dice: u64::MAX,
    };

    fn after(attempts: u32) -> History {
        History { attempts, ..History::default() }
    }

    #[test]
    fn waits_grow_to_their_cap_and_are_jittered_down_to_nothing() {
        let busy = Failure::new(Kind::Busy, "");
        for (attempt, bound_ms) in [(1, 200), (2, 400), (7, 12_800), (8, 20_000), (1000, 20_000)] {
            let seen: Vec<Next> = [0, bound_ms, bound_ms + 1]
                .map(|dice| decide(&busy, &after(attempt), &Outlook { dice, ..OUTLOOK }))
                .to_vec();
            let wait = |ms| Next::Wait(Duration::from_millis(ms));
            assert_eq!(seen, [wait(0), wait(bound_ms), wait(0)]);
        }
    }

    #[test]
    fn the_servers_wish_is_honoured_up_to_the_cap() {
        for (asked, waited) in [(3, 3), (120, 20)] {
            let busy =
                Failure { retry_after: Some(Duration::from_secs(asked)), ..Failure::new(Kind::Busy, "") };
            let next = decide(&busy, &after(1), &Outlook { dice: 0, ..OUTLOOK });
            assert_eq!(next, Next::Wait(Duration::from_secs(waited)));
        }
    }

    #[test]
    fn what_cannot_help_is_not_tried() {
        for kind in [
            Kind::Missing,
            Kind::MissingBucket,
            Kind::Exists,
            Kind::Changed,
            Kind::Denied,
            Kind::Unsupported,
            Kind::Trust,
            Kind::Clock,
            Kind::Region,
        ] {
            assert_eq!(decide(&Failure::new(kind, ""), &after(1), &OUTLOOK), Next::Stop, "{kind:?}");
        }
    }

    #[test]
    fn time_ends_it() {
        let busy = Failure::new(Kind::Line, "");
        let spent = History { elapsed: Duration::from_secs(300) - WAIT_MAX / 2, ..after(9) };
        let tired = Outlook { dice: 20_000, ..OUTLOOK };
        assert_eq!(decide(&busy, &spent, &tired), Next::Stop);
        assert!(matches!(decide(&busy, &after(9), &tired), Next::Wait(_)));
    }

    #[test]
    fn a_server_never_reached_is_given_up_soon() {
        let refused = Failure::new(Kind::Unreachable, "");
        let never = Outlook { reached: false, ..OUTLOOK };
        assert!(matches!(decide(&refused, &after(2), &never), Next::Wait(_)));
        assert_eq!(decide(&refused, &after(3), &never), Next::Stop);
        assert!(matches!(decide(&refused, &after(30), &OUTLOOK), Next::Wait(_)));
        let silent = Failure::new(Kind::Line, "");
        assert!(matches!(decide(&silent, &after(4), &never), Next::Wait(_)));
        assert_eq!(decide(&silent, &after(5), &never), Next::Stop);
        assert!(matches!(decide(&silent, &after(30), &OUTLOOK), Next::Wait(_)));
    }

    #[test]
    fn a_stale_connection_is_replaced_once_for_free() {
        let stale = Failure { stale: true, ..Failure::new(Kind::Line, "") };
        assert_eq!(decide(&stale, &after(1), &OUTLOOK), Next::Now);
        let again = History { stale_spent: true, ..after(1) };
        assert!(matches!(decide(&stale, &again, &OUTLOOK), Next::Wait(_)));
    }

    #[test]
    fn clock_and_region_are_corrected_once() {
        let skewed = Failure { server_time: Some(1_090_000), ..Failure::new(Kind::Clock, "") };
        assert_eq!(decide(&skewed, &after(1), &OUTLOOK), Next::CorrectClock(1_090_000));
        let corrected = Outlook { now: 1_090_001, ..OUTLOOK };
        assert_eq!(decide(&skewed, &after(1), &corrected), Next::CorrectClock(1_090_000));
        let silent = Failure { kind: Kind::Denied, ..skewed.clone() };
        assert_eq!(decide(&silent, &after(1), &OUTLOOK), Next::CorrectClock(1_090_000));
        assert_eq!(decide(&silent, &after(1), &corrected), Next::Stop);
        let told = Failure { code: "AccessDenied".into(), ..silent };
        assert_eq!(decide(&told, &after(1), &OUTLOOK), Next::Stop);
        let again = History { clock_corrected: true, ..after(2) };
        assert_eq!(decide(&skewed, &again, &OUTLOOK), Next::Stop);

        let elsewhere = Failure { region: Some("garage".into()), ..Failure::new(Kind::Region, "") };
        assert_eq!(decide(&elsewhere, &after(1), &OUTLOOK), Next::UseRegion("garage".to_owned()));
        let again = History { region_corrected: true, ..after(2) };
        assert_eq!(decide(&elsewhere, &again, &OUTLOOK), Next::Stop);
    }
}
