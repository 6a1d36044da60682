//! Every bound of the node, each with its reason. The times that a user may choose are in [`Limits`](crate::Limits).

use r2_core::time::Duration;

/// How many services a node offers. Each costs a board 70 bytes of RAM.
pub const SERVICES_MAX: usize = 12;

/// How many addresses a node is given: one of each family. It has the link-local one of IPv6 besides.
pub const ADDRESSES_MAX: usize = 2;

/// How many frames a pass takes in before the slots that they touched are served: enough to acknowledge a bulk
/// transfer once per burst, few enough that a small request never waits behind more than that. A super-frame counts as
/// the frames of Ethernet that it stands for, so two of them are a pass.
pub const FRAMES_PER_PASS: usize = 64;

/// Bytes of the largest frame of Ethernet.
pub const ETHERNET_FRAME: usize = 1514;

/// How many frames one slot sends in a pass before the next slot has its turn: a window of segments of Ethernet.
/// Measured on a TAP with super-frames, 8 of them a turn make a download neither faster nor slower.
pub const SEGMENTS_PER_TURN: usize = 64;

/// How many segments smoltcp is asked to say again in a turn while holes in what was sent are repaired: a window of 1 MiB and
/// a half in segments of Ethernet. Most of them do not leave, and cost a copy.
#[cfg(feature = "recovery")]
pub const SWEPT_PER_TURN: usize = 1024;

/// How many bytes under way there are to a piece of the scoreboard: a window of full segments in pieces of one segment, and half
/// as many again. Each piece costs 24 bytes; too few, and more is repeated than was lost.
#[cfg(feature = "recovery")]
pub const BYTES_PER_PIECE: usize = 1024;

/// How many pieces a connection has besides: small answers under way.
#[cfg(feature = "recovery")]
pub const PIECES_MIN: usize = 4;

/// How often a slot's session is asked again in one turn while bytes move, before what it has said leaves: a ring comes in
/// two pieces, and a session may take less than it is given. Of 16 lines that came together the answers leave together.
/// Measured on a TAP, 2 are as fast as 16 both ways; the rest waits for the next pass.
pub const ROUNDS_PER_TURN: usize = 16;

/// The headers of a SYN that is held: IPv6's, or IPv4's with half of its options, and TCP's with all of them.
pub const HELD_SYN_MAX: usize = 40 + 60;

/// How long a held SYN is good for: the sender's retransmissions refresh it, and by now Linux has sent five.
pub const SYN_HELD_FOR: Duration = Duration::from_secs(64);

/// Of the backlog one address holds at most one part in so many, once it is full: whoever sends SYN after SYN pushes
/// out its own.
pub const BACKLOG_SHARE: usize = 2;

/// From how many connections on one address may have too many: fewer may belong to one person, who thinks before the
/// next line.
pub const CROWD: usize = 8;

/// How often the idle connections of a full service are searched for one that gives way: the search is linear.
pub const SEARCH_IDLE_EVERY: Duration = Duration::from_millis(100);

/// A window with room for less than one part in so many of the largest that the peer has shown is taken for a closed one.
/// RFC 9293, section 3.8.6.2.1, recommends 2; what is held back waits for a second, so
/// that is only what is silly without a doubt.
pub const SILLY_PART: u32 = 32;

/// For how long such a window is taken for a closed one while there is something to send into it: the longest time that
/// section allows. After it the window is filled, once.
pub const SILLY_FOR: Duration = Duration::from_secs(1);

/// How many closed connections share a bucket: that many are looked at for a SYN, whatever the size of the table. One
/// bucket is all that a board has.
pub const TIME_WAIT_WAYS: usize = 8;

/// How long an acknowledgement waits for company on a bulk service: smoltcp's default, a twentieth of the time after
/// which Linux repeats a segment. Every second full segment is acknowledged at once all the same, so in super-frames it
/// costs and saves nothing: measured with and without, an upload makes 3 to 5 acknowledgements a MiB and 24 Gbit/s.
pub const ACK_DELAY: Duration = Duration::from_millis(10);

/// After how long a call to an address that did not answer ARP or NDP asks again.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(1);

/// After how long without a lease the node takes a link-local address: by then it has asked twice. Less, and a server that
/// is slow to start is not waited for; more, and a cable between two machines is of no use for as much longer.
pub const LINK_LOCAL_AFTER: Duration = Duration::from_secs(8);

/// How many addresses may be somebody else's in a row before the node asks for the next one slowly, and how slowly: RFC
/// 5227, section 1.1, `MAX_CONFLICTS` and `RATE_LIMIT_INTERVAL`.
pub const CONFLICTS_MAX: u8 = 10;
/// See [`CONFLICTS_MAX`].
pub const SLOW_DOWN_AFTER_CONFLICTS: Duration = Duration::from_secs(60);

/// How long a device that took no frame is left alone.
pub const CONGESTED_FOR: Duration = Duration::from_millis(1);

/// How many extension headers of an IPv6 packet are followed: as many as RFC 8200, section 4.1, has a use for, but for
/// those of security. A chain of smaller links would cost more to follow than it carries.
pub const EXTENSION_HEADERS_MAX: usize = 5;

/// How many ICMP errors leave at once after a rest, and how many datagrams much longer than their questions go to one
/// address: what RFC 4443, section 2.4 (f), recommends for a small machine.
pub const BUCKET_HOLDS: u64 = 10;

/// How often one more may leave: as that section recommends.
pub const BUCKET_FILLS_EVERY: Duration = Duration::from_millis(100);

/// An answer that is this many times as long as its question, headers included, is one too many for somebody who did
/// not ask and whose address was forged: what QUIC allows before it knows an address (RFC 9000, section 8).
pub const ANSWER_TIMES: usize = 3;

/// Among how many buckets the addresses are spread that are sent long answers to datagrams. Addresses that share one share
/// its tokens; all together may be sent no more than so many times [`BUCKET_HOLDS`]. 8 bytes each.
pub const ANSWER_BUCKETS: usize = 64;
