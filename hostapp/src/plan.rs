//! The plan of a node on a host: how many connections each service has, and buffers of which size.

use r2_links::BACKLOG;
use r2_node::Size;
use r2_services::Plan;

/// What all connections of the services with large buffers may have: drop, files, discard, chargen and capture.
pub const LARGE_CONNECTIONS: usize = 32;

/// Window of a small request: four segments of Ethernet and a little, so that one lost segment is repeated by
/// fast retransmit.
const SMALL_RECEIVE: usize = 6 * 1024;

/// What a small answer may have under way: the longest is one of the secret service, 1 KiB.
const SMALL_TRANSMIT: usize = 4 * 1024;

/// Window of a bulk transfer: eight super-frames, so that the peer's kernel fills the next while R2 takes the last
/// (it makes them at most half as large as the window). Measured, an upload makes 24.0 Gbit/s; with 256 KiB 23.5, in
/// more and smaller frames, and with 1 MiB 22.7, since that no longer fits the caches. Without super-frames a TAP queue
/// holds 500 segments of Ethernet and drops the rest: these are 360. A window of more than 64 KiB relies on the gate's
/// guard of its right edge.
const WINDOW: usize = 512 * 1024;

/// What a bulk transfer to the peer may have under way: four super-frames of IPv4 with all that they carry. The
/// buffer is a ring and a frame ends at its end: in this size the frames are full and few, and stay in the cache.
const UNDER_WAY: usize = 4 * (u16::MAX as usize - 20 - 20);

/// What is sent on a connection that carries data the other way: receipts and answers.
const RECEIPTS: usize = 4 * 1024;

/// What a capture has room for: all that may arrive of an upload while R2 looks at nothing else, its window, and as much
/// again that its reader has not taken.
const CAPTURED: usize = 2 * WINDOW;

/// Closed connections remembered for their late FINs.
const TIME_WAIT: usize = 1024;

/// The plan of a host whose services with small buffers have `sessions` connections each.
pub fn plan(sessions: usize) -> Plan {
    let small = Size {
        connections: sessions,
        receive: SMALL_RECEIVE,
        transmit: SMALL_TRANSMIT,
    };
    let large = |receive, transmit| Size {
        connections: LARGE_CONNECTIONS,
        receive,
        transmit,
    };
    Plan {
        chat: small,
        secret: small,
        drop: large(WINDOW, RECEIPTS),
        files: large(WINDOW, UNDER_WAY),
        status: small,
        echo: small,
        discard: large(WINDOW, RECEIPTS),
        chargen: large(SMALL_RECEIVE, UNDER_WAY),
        capture: large(SMALL_RECEIVE, CAPTURED),
        backlog: BACKLOG.into(),
        time_wait: TIME_WAIT,
    }
}
