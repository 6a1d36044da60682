//! Every bound and every time of the node, each with its reason.

use r2_core::time::Duration;

/// How many services a node offers: the nine of this crate and three of one's own. Each costs a board 70 bytes of RAM.
pub const SERVICES_MAX: usize = 12;

/// How many frames a pass takes in before the slots that they touched are served: enough to acknowledge a bulk
/// transfer once per burst, few enough that a small request never waits behind more than that. A super-frame counts as
/// the frames of Ethernet that it stands for, so two of them are a pass.
pub const FRAMES_PER_PASS: usize = 64;

/// Bytes of the largest frame of Ethernet.
pub const ETHERNET_FRAME: usize = 1514;

/// How many frames one slot sends in a pass before the next slot has its turn: a window of segments of Ethernet.
/// Measured on a TAP with super-frames, 8 of them a turn make a download neither faster nor slower.
pub const SEGMENTS_PER_TURN: usize = 64;

/// How often a slot's session is asked again in one turn while bytes move: a ring comes in two pieces, and a session
/// may take less than it is given. Measured on a TAP, 2 are as fast as 16 both ways; the rest waits for the next pass.
pub const ROUNDS_PER_TURN: usize = 16;

/// The headers of a SYN that is held: IPv6's, or IPv4's with half of its options, and TCP's with all of them.
pub const HELD_SYN_MAX: usize = 40 + 60;

/// How long a held SYN is good for: the sender's retransmissions refresh it, and by now Linux has sent five.
pub const SYN_HELD_FOR: Duration = Duration::from_secs(64);

/// How long a connection may take to be established.
pub const ESTABLISH_WITHIN: Duration = Duration::from_secs(10);

/// After how long a half-open connection gives way to a SYN that waits.
pub const HALF_OPEN_GIVES_WAY_AFTER: Duration = Duration::from_secs(1);

/// After how long without a byte a connection gives way to a SYN that waits.
pub const IDLE_GIVES_WAY_AFTER: Duration = Duration::from_secs(60);

/// Of the backlog one address holds at most one part in so many, once it is full: whoever sends SYN after SYN pushes
/// out its own.
pub const BACKLOG_SHARE: usize = 2;

/// From how many connections on one address may have too many: fewer may belong to one person, who thinks before the
/// next line.
pub const CROWD: usize = 8;

/// After how long without a byte a connection gives way to a SYN from elsewhere where one address has the whole
/// service, and that is a [`CROWD`]: what drop calls silence.
pub const CROWD_GIVES_WAY_AFTER: Duration = Duration::from_secs(5);

/// After how long a connection that was closed for a SYN that waits is reset: the time it has for its last bytes.
pub const CLOSED_GIVES_WAY_AFTER: Duration = Duration::from_secs(5);

/// How often the idle connections of a full service are searched for one that gives way: the search is linear.
pub const SEARCH_IDLE_EVERY: Duration = Duration::from_millis(100);

/// How long a connection whose FIN was acknowledged waits for the peer's bytes.
pub const HALF_CLOSED_IDLE: Duration = Duration::from_secs(30);

/// A window with room for less than one part in so many of the largest that the peer has shown is taken for a closed one.
/// RFC 9293, section 3.8.6.2.1, recommends 2; what is held back waits for a byte a second until the window is wider, so
/// that is only what is silly without a doubt.
pub const SILLY_PART: u32 = 32;

/// How long a live peer may keep its window closed.
pub const CLOSED_WINDOW_FOR: Duration = Duration::from_secs(150);

/// After how long a silent peer's upload or download is over.
pub const BULK_SILENT_AFTER: Duration = Duration::from_secs(25);

/// After how long any other silent peer's connection is over.
pub const SILENT_AFTER: Duration = Duration::from_secs(95);

/// How long a closed connection's late FIN is still acknowledged (the 2 MSL of RFC 9293, section 3.6.1, with the
/// lifetime that smoltcp uses).
pub const TIME_WAIT: Duration = Duration::from_secs(10);

/// How many closed connections share a bucket: that many are looked at for a SYN, whatever the size of the table. One
/// bucket is all that a board has.
pub const TIME_WAIT_WAYS: usize = 8;

/// How long connections have to end when the node stops.
pub const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How long an acknowledgement waits for company on a bulk service: smoltcp's default, a twentieth of the time after
/// which Linux repeats a segment. Every second full segment is acknowledged at once all the same, so in super-frames it
/// costs and saves nothing: measured with and without, an upload makes 3 to 5 acknowledgements a MiB and 24 Gbit/s.
pub const ACK_DELAY: Duration = Duration::from_millis(10);

/// After how long a call to an address that did not answer ARP or NDP asks again.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(1);

/// How long a device that took no frame is left alone.
pub const CONGESTED_FOR: Duration = Duration::from_millis(1);
