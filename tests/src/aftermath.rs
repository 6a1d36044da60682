//! What is asked after every hostile peer: that R2 is as it was before.

use std::time::{Duration, Instant};

use crate::card::Card;
use crate::lab::Lab;

/// How soon a fresh netcat is served after a hostile peer.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// Within what time a silent crowd's connections are gone from drop and files, and what is half-open from any service.
pub const SOON: Duration = Duration::from_secs(30);

/// Within what time a silent crowd's connections are gone from the other services.
pub const IDLE: Duration = Duration::from_secs(95);

/// What the machine's own slowness may add to a time of R2's.
const SLACK: Duration = Duration::from_secs(5);

/// What R2's own memory may differ by. It keeps nothing of what it serves and has its stacks from the start, but what it
/// takes for a moment the allocator may put into a page that was never touched.
pub const PAGES: u64 = 4 * 4096;

/// Lets `harm` come over R2, from a card of its own, and asserts that nothing is left of it.
pub fn survives(
    options: &str,
    fresh: Duration,
    slots: Duration,
    harm: impl FnOnce(&mut Lab, &mut Card) + Send,
) {
    let mut lab = Lab::with(options);
    // As many frames as any of these peers sends fit into the cable.
    lab.namespace.ip("link set tap0 txqueuelen 50000");
    let before = Before::of(&lab);
    let namespace = lab.namespace.handle();
    namespace.inside(|| harm(&mut lab, &mut Card::on("tap0")));
    before.is_back(&lab, fresh, slots);
}

/// R2 before a hostile peer.
pub struct Before {
    own: u64,
}

impl Before {
    /// Looks at R2, after it has done once what it will be asked to do afterwards.
    pub fn of(lab: &Lab) -> Self {
        for _ in 0..2 {
            ask(lab);
            lab.kali("head -c 100000 /dev/zero | nc.openbsd -N 192.168.69.1 5020");
        }
        lab.wait_until_alone();
        Self {
            own: lab.memory().own,
        }
    }

    /// Asserts that a fresh netcat is served within `fresh`, that every connection is over within `slots`, that nothing
    /// panicked, and that R2 holds the memory that it held.
    pub fn is_back(&self, lab: &Lab, fresh: Duration, slots: Duration) {
        let begin = Instant::now();
        ask(lab);
        let took = begin.elapsed();
        assert!(took <= fresh, "a fresh netcat was served after {took:?}");
        let deadline = begin + slots + SLACK;
        loop {
            let open = lab.status()["sessions_open"].clone();
            if open == "1" {
                break;
            }
            assert!(Instant::now() < deadline, "{open} connections after {slots:?}");
            // The status page is R2's own news, and it has no other: ask again a moment later.
            lab.kali("sleep 0.2");
        }
        assert!(!lab.r2.stderr.text().contains("panicked"));
        let now = lab.memory().own;
        assert!(now <= self.own + PAGES, "{} bytes more are held", now - self.own);
    }
}

fn ask(lab: &Lab) {
    assert_eq!(
        lab.kali("echo 123 SECRET | nc.openbsd -N 192.168.69.1 5010"),
        "Digits: 123 Count: 3\n"
    );
}
