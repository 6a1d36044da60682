//! A frame's first stop: parse it, filter it, find its connection, or hold its SYN.
//!
//! The gate is plain code over slices. It knows addresses, ports and sequence numbers, and nothing of what the
//! connections carry.
//!
//! With the slot it stands between the wire and smoltcp 0.14, and repairs what that gets wrong for a server, or lacks:
//! [`Shown`] is what smoltcp sees of a segment, [`Sent`] what the peer sees of smoltcp's, and [`Bare`] what the slot says
//! in the name of either. Each repair, its rule, and the test that was red without it:
//!
//! | smoltcp | R2 | rule | test |
//! |---|---|---|---|
//! | takes TCP that is for many machines, and forgets to listen | dropped | RFC 9293, 3.2, MUST-57 | `tcp_that_is_not_for_one_machine_is_dropped_and_harms_nobody` |
//! | answers a source that nobody has | dropped | RFC 1122, 3.2.1.3; RFC 4291, 2.5.3 | `nobody_is_at_an_address_that_is_nobodys` |
//! | cuts a segment at the window's edge, and takes its FIN | the segment is dropped and answered | RFC 9293, 3.10.7.4 | `a_fin_beyond_the_window_never_ends_an_upload_short` |
//! | leaves FIN out of a segment's end: one on known bytes is never taken | FIN never reaches it but by itself, from the slot, once every byte before it is there | RFC 9293, 3.10.7.4 | `a_fin_on_bytes_that_r2_already_has_is_taken` |
//! | forgets a FIN that overtakes bytes | the same | RFC 9293, 3.10.7.4 | `a_fin_that_overtakes_bytes_is_taken_when_they_come` |
//! | takes bytes that stand behind FIN | cut off; where they came before FIN did, the connection is reset | RFC 9293, 3.10.7.4 | `nothing_behind_a_fin_is_part_of_the_file` |
//! | does not take RST beside FIN | FIN is taken off | RFC 9293, 3.10.7.4 | `an_rst_with_another_flag_is_an_rst` |
//! | believes any RST inside the window | only the expected number; others are challenged | RFC 5961, 3.2 | `an_rst_ends_a_connection_with_the_expected_number_only` |
//! | does not challenge a SYN | challenged | RFC 5961, 4.2 | `a_syn_harms_no_open_connection` |
//! | throws a segment away whose acknowledgement is old, bytes and all | the acknowledgement is raised, the window is the newer one | RFC 9293, 3.10.7.4 | `bytes_with_an_old_acknowledgement_are_taken` |
//! | does not ask how old an acknowledgement is | older than the largest window: challenged, and nothing of it believed | RFC 5961, 5.2 | `answers_go_to_whoever_knows_what_was_sent` |
//! | believes an acknowledgement of what was never sent | challenged | RFC 9293, 3.10.7.4 | `who_acknowledges_what_was_never_sent_is_not_believed` |
//! | takes the window of a segment that was overtaken | the newer window is shown | RFC 9293, 3.10.7.4 | `the_window_of_a_segment_that_was_overtaken_is_not_taken` |
//! | stops the timer of what is in flight when a window closes, and repeats nothing into a closed window | no window is shown that ends before what was sent | RFC 9293, 3.8.6 | `what_is_in_flight_is_repeated_though_the_window_closes` |
//! | takes no acknowledgement and no window from a segment outside its own window, such as a keep-alive, or bytes where that is closed | the slot hands them in by themselves | RFC 9293, 3.10.7.4 | `a_window_that_a_keep_alive_opens_is_filled_at_once`, `a_window_that_a_probe_of_r2s_closed_window_opens_is_filled_at_once` |
//! | fills tiny windows with tiny segments | a window with room for very little is shown as a closed one, unless all that is left has room, or a second is over | RFC 9293, 3.8.6.2.1, MUST-38 | `a_window_of_a_few_bytes_is_not_filled_with_tiny_segments`, `a_small_window_takes_a_short_answer_whole` |
//! | probes a closed window for ever when all is acknowledged, FIN included | such a window is shown open | RFC 9293, 3.8.6.1 | `a_window_that_is_closed_when_all_is_acknowledged_is_not_probed` |
//! | takes three duplicates while FIN alone is in flight for a loss, forgets FIN's timer, and has the next connection send a segment into any window | they are not shown | RFC 5681, 2 | `a_lost_fin_is_repeated_whatever_else_the_peer_acknowledges` |
//! | remembers what an aborted connection was to repeat at once, and sends so much of the next one's, whatever the window | the slot sends the RST, and smoltcp forgets the connection | RFC 9293, 3.8.6 | `a_loss_is_not_made_good_to_the_next_one_in_the_slot` |
//! | forgets what it is to repeat at once where the device has no room | it is asked for room first | RFC 5681, 3.2 | `a_loss_is_made_good_once_the_device_has_room` |
//! | counts no duplicates and hears of no window in LAST-ACK | FIN waits until no more than a segment is left, and the window has room for it | RFC 5681, 3.2 | `a_loss_is_made_good_at_once_for_a_peer_that_has_half_closed` |
//! | answers keep-alives, probes without a byte and repeated FINs once a second, challenges counted | each is answered | RFC 9293, 3.8.4, 3.10.7.4 | `every_keep_alive_and_every_repeated_fin_is_answered` |
//! | does not answer a FIN outside the window that the gate drops for it | answered | RFC 9293, 3.8.6.1, 3.10.7.4 | `a_fin_outside_the_window_is_answered` |
//! | does not count a probe's byte, nor after a time-out what it has sent | acknowledgements and RST leave with SND.NXT | RFC 9293, 3.10.7.4 | `an_acknowledgement_carries_the_number_behind_a_probe` |
//! | rounds each window down by itself: edges go back | a unit less is shown | RFC 7323, 2.4 | `what_a_window_has_once_allowed_is_taken` |
//! | panics over a SYN that crosses its own before that has left | nothing is believed before the SYN has left | RFC 9293, 3.5 | `a_syn_that_crosses_one_that_has_not_left_waits` |
//! | does not know a SYN beside the acknowledgement of its own that has crossed it | the acknowledgement is shown | RFC 9293, 3.5 | `two_syns_that_cross_and_are_both_acknowledged_open_the_connection` |
//! | says nothing to another SYN in SYN-RECEIVED | answered with what is expected | RFC 9293, 3.10.7.4 | `who_begins_anew_in_the_middle_of_a_handshake_is_asked` |
//! | takes the acknowledgement of SYN for that of FIN when it closes in SYN-RECEIVED | half-open connections are reset instead | RFC 9293, 3.10.4 | `a_connection_that_is_half_open_when_r2_stops_hears_of_it` |
//! | holds a half-open or dead connection for ever | the slot's own clocks | RFC 4987 | `a_half_open_slot_is_taken_back_after_10_s` |
//! | has no backlog | SYNs are held | RFC 4987 | `a_syn_to_a_full_service_is_held_and_served_when_a_slot_is_free` |
//! | holds a socket in TIME-WAIT | a table of its own | RFC 9293, 3.6.1 | `a_late_fin_is_acknowledged_though_the_slot_has_another_peer` |
//! | draws its numbers from a generator of 64 bits | it is seeded with a keyed hash for each connection | RFC 6528 | `ten_sequence_numbers_of_one_peer_do_not_predict_that_of_another` |
//! | repeats one segment at the third duplicate, takes no notice of SACK, and then waits for a second at least | with the feature `recovery`: the slot finds what is lost, and has it said again | RFC 2018, 6298, 6675, 8985 | `a_burst_of_lost_segments_is_repaired_without_a_time_out` |
//! | takes no acknowledgement from bytes that meet a closed window | with the feature `recovery`: it is handed in by itself | RFC 9293, 3.10.7.4 | `an_acknowledgement_in_bytes_that_meet_a_closed_window_counts` |
//!
//! On boards smoltcp keeps what its congestion control has learned of one peer for the next; it begins anew with each.
//!
//! Left as they are: boards keep four islands of what came out of order, and SACK names one of them, the one that has grown,
//! or else the lowest.

mod backlog;
mod bare;
#[cfg(feature = "dhcp")]
mod dhcp;
mod discovery;
mod flows;
#[cfg(feature = "multicast")]
mod group;
mod headers;
mod icmp;
mod parse;
mod sent;
mod shown;
mod time_wait;

pub(crate) use backlog::Backlog;
pub(crate) use bare::{BARE_MAX, Bare};
#[cfg(feature = "dhcp")]
pub(crate) use dhcp::DhcpAnswer;
pub(crate) use discovery::Neighbor;
#[cfg(all(feature = "call", feature = "ipv6"))]
pub(crate) use discovery::solicited_node;
#[cfg(feature = "ipv6")]
pub(crate) use discovery::{ALL_NODES, ethernet_group};
pub(crate) use flows::{Flow, Flows};
#[cfg(feature = "segmentation-offload")]
pub(crate) use headers::behind_ethernet;
#[cfg(feature = "segmentation-offload")]
pub(crate) use headers::carried;
#[cfg(feature = "ipv6")]
pub(crate) use headers::protocol_named_at;
pub(crate) use parse::{Asked, Border, Datagram, Parsed, Segment};
pub(crate) use sent::{Sent, is_after};
pub(crate) use shown::Shown;
pub(crate) use time_wait::{Closed, TimeWait};
