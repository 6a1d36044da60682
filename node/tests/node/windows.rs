//! The windows that a peer shows: which one holds, and what is sent into it.

use r2_node::counters::Reason;
use r2_sim::simulation::{BUFFER, Simulation, plan};
use r2_sim::stranger::Said;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

use super::talk::UNTIL_THE_PAGE;

const SYN: Said<'_> = Said {
    from: 1000,
    to: 7,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

/// A stranger with the echo service, and the window that it shows.
struct Asker {
    lab: Simulation,
    /// Behind the last byte that it has acknowledged.
    ack: u32,
}

impl Asker {
    /// Connected; its windows count units of 2^`shift` bytes.
    fn new(shift: Option<u8>) -> Self {
        let mut lab = Simulation::new(&plan(1));
        lab.put(SYN.frame_with(|tcp| tcp.window_scale = shift));
        let ack = lab.heard().pop().expect("R2 answers SYN").end();
        Self { lab, ack }
    }

    fn frame(&self, seq: u32, payload: &[u8], window: u16) -> Vec<u8> {
        let said = Said {
            control: TcpControl::Psh,
            seq,
            ack: Some(self.ack),
            payload,
            ..SYN
        };
        said.frame_with(|tcp| tcp.window_len = window)
    }

    /// Sends these, and hears how many bytes come back at once.
    fn says<const N: usize>(&mut self, frames: [Vec<u8>; N]) -> usize {
        self.lab.put_at_once(frames);
        let heard = self.lab.heard();
        heard.iter().map(|segment| segment.payload.len()).sum()
    }
}

/// smoltcp takes the window of every segment that it accepts; RFC 9293, section 3.10.7.4, that of no older one.
#[test]
fn the_window_of_a_segment_that_was_overtaken_is_not_taken() {
    for (shift, window) in [(None, 1000), (Some(0), 1000), (Some(7), 8)] {
        for payload in [10, 1000] {
            let mut asker = Asker::new(shift);
            let newer = asker.frame(1 + payload, b"", window);
            let older = asker.frame(1, &vec![b'x'; payload as usize], 0);
            assert_eq!(asker.says([newer, older]), payload as usize, "shift {shift:?}");
            asker.lab.everybody_leaves();
        }
    }
}

/// The window is opened in a segment of its own, which overtakes the one that closed it.
#[test]
fn a_window_that_was_opened_is_not_closed_by_what_came_before() {
    let mut asker = Asker::new(None);
    let question = asker.frame(1, &[b'x'; 1000], 300);
    assert_eq!(asker.says([question]), 300);
    asker.ack = asker.ack.wrapping_add(300);
    let (closed, opened) = (asker.frame(1001, b"", 0), asker.frame(1001, b"", 1000));
    assert_eq!(asker.says([opened, closed]), 700);
    asker.lab.everybody_leaves();
}

#[test]
fn a_newer_window_holds_even_if_it_is_closed() {
    let mut asker = Asker::new(None);
    let question = asker.frame(1, &[b'x'; 500], 0);
    assert_eq!(asker.says([question]), 0);
    asker.lab.pass(Duration::from_secs(1));
    assert_eq!(asker.says([]), 1, "a probe of the closed window");
    asker.ack = asker.ack.wrapping_add(1);
    let opened = asker.frame(501, b"", 200);
    assert_eq!(asker.says([opened]), 200);
    asker.ack = asker.ack.wrapping_add(200);
    let wider = asker.frame(501, b"", 300);
    assert_eq!(asker.says([wider]), 299);
    asker.lab.everybody_leaves();
}

/// What acknowledges more is newer, wherever in the stream it stands: it may repeat bytes that were lost.
#[test]
fn a_repeated_segment_that_acknowledges_more_shows_a_window_that_holds() {
    let mut asker = Asker::new(None);
    let (first, third) = (asker.frame(1, &[b'x'; 100], 1000), asker.frame(301, b"", 1000));
    assert_eq!(asker.says([first, third]), 100);
    asker.ack = asker.ack.wrapping_add(100);
    let second = asker.frame(101, &[b'x'; 200], 50);
    assert_eq!(asker.says([second]), 50);
    asker.lab.everybody_leaves();
}

/// smoltcp answers a window update with a challenge once it has sent its FIN, or means to, in answer to the peer's.
#[test]
fn a_window_opens_at_once_when_both_have_said_all() {
    let mut asker = Asker::new(None);
    let question = asker.frame(1, &[b'x'; 1400], 1000);
    let end = Said {
        control: TcpControl::Fin,
        seq: 1401,
        ack: Some(asker.ack),
        ..SYN
    };
    let end = end.frame_with(|tcp| tcp.window_len = 1000);
    assert_eq!(asker.says([question, end]), 1000);
    asker.ack = asker.ack.wrapping_add(1000);
    let full = asker.frame(1402, b"", 0);
    assert_eq!(asker.says([full]), 0);
    asker.lab.pass(Duration::from_millis(100));
    let read = asker.frame(1402, b"", 1000);
    assert_eq!(asker.says([read]), 400);
    asker.lab.everybody_leaves();
}

/// Somebody who has sent the SYN that asks for a page of status; where the page begins.
fn a_page_to_come() -> (Simulation, u32) {
    let mut lab = Simulation::new(&plan(1));
    lab.put(ASKS.frame());
    let begun = lab.heard().pop().expect("R2 answers SYN").end();
    (lab, begun)
}

/// A page of which all was sent, FIN included; where it ends.
fn a_page_with_its_end() -> (Simulation, u32) {
    let (mut lab, begun) = a_page_to_come();
    lab.put(acknowledged(begun, 8192));
    lab.pass(UNTIL_THE_PAGE);
    let end = lab.heard().pop().expect("R2 says how it is").end();
    (lab, end)
}

/// The SYN of somebody who asks for the page.
const ASKS: Said<'_> = Said { to: 5040, ..SYN };

fn acknowledged(ack: u32, window: u16) -> Vec<u8> {
    let said = Said {
        control: TcpControl::None,
        seq: 1,
        ack: Some(ack),
        ..ASKS
    };
    said.frame_with(|tcp| tcp.window_len = window)
}

/// What R2 sends in the next 10 s where all was sent and acknowledged.
fn says_on(mut lab: Simulation) -> usize {
    lab.heard();
    lab.pass(Duration::from_secs(10));
    let said = lab.heard().len();
    lab.everybody_leaves();
    said
}

/// A closed window is probed as long as something is left to be sent into it. smoltcp goes on without a pause where
/// its FIN was the last of it.
#[test]
fn a_window_that_is_closed_when_all_is_acknowledged_is_not_probed() {
    let (mut lab, end) = a_page_with_its_end();
    lab.put(acknowledged(end.wrapping_sub(10), 0));
    lab.put(acknowledged(end, 0));
    assert_eq!(says_on(lab), 0);
}

/// smoltcp answers a keep-alive and looks at nothing else in it; the gate drops a FIN beyond the window.
#[test]
fn nor_is_it_where_an_earlier_segment_that_does_not_count_acknowledged_all() {
    let keep_alive = Said {
        control: TcpControl::None,
        seq: 0,
        ..ASKS
    };
    let beyond = Said {
        control: TcpControl::Fin,
        seq: u32::try_from(BUFFER).expect("a small buffer"),
        payload: &[b'x'; 1400],
        ..ASKS
    };
    for said in [keep_alive, beyond] {
        let (mut lab, end) = a_page_with_its_end();
        lab.put(acknowledged(end.wrapping_sub(10), 0));
        let said = Said {
            ack: Some(end),
            ..said
        };
        lab.put(said.frame_with(|tcp| tcp.window_len = 0));
        lab.put(acknowledged(end, 0));
        assert_eq!(says_on(lab), 0, "{said:?}");
    }
}

#[test]
fn nor_is_it_where_the_last_byte_and_fin_were_a_probe() {
    // The page of an R2 that was just switched on is always as long.
    let (_, end) = a_page_with_its_end();
    let (mut lab, mut ack) = a_page_to_come();
    let all_but_three = u16::try_from(end.wrapping_sub(ack) - 3).expect("a short page");
    lab.put(acknowledged(ack, all_but_three));
    lab.pass(UNTIL_THE_PAGE);
    for _ in 0..10 {
        let heard = lab.heard();
        let whole = heard.iter().any(|segment| segment.fin);
        ack = heard.iter().fold(ack, |ack, segment| {
            if segment.payload.is_empty() {
                ack
            } else {
                segment.end()
            }
        });
        lab.put(acknowledged(ack, 0));
        if whole {
            assert_eq!(says_on(lab), 0);
            return;
        }
        lab.pass(Duration::from_secs(2));
    }
    panic!("FIN never came");
}

/// smoltcp takes bytes that wait in its buffer for acknowledged, though they were never sent, and a FIN behind them.
#[test]
fn who_acknowledges_what_was_never_sent_is_not_believed() {
    let (_, end) = a_page_with_its_end();
    let (mut lab, begun) = a_page_to_come();
    lab.put(acknowledged(begun, 0));
    lab.pass(UNTIL_THE_PAGE);
    for ahead in 1..=end.wrapping_sub(begun) {
        lab.put(acknowledged(begun.wrapping_add(ahead), 0));
    }
    assert!(lab.dropped(Reason::Challenged) > 0);
    lab.heard();
    lab.put(acknowledged(begun, 8192));
    let page: usize = lab.heard().iter().map(|segment| segment.payload.len()).sum();
    assert_eq!(page + 1, end.wrapping_sub(begun) as usize, "all of it comes");
    lab.everybody_leaves();
}

/// Echoes of 1000 bytes, of which the first segment is acknowledged; how much of the rest comes again in 3 s after the
/// window has closed with that acknowledgement, and perhaps opened again.
fn comes_again(shift: Option<u8>, advances: bool, opens: bool) -> usize {
    let mut asker = Asker::new(shift);
    let open = 8192 >> shift.unwrap_or(0);
    let question = asker.frame(1, &[b'x'; 1000], open);
    assert_eq!(asker.says([question]), 1000);
    if advances {
        asker.ack = asker.ack.wrapping_add(536);
    }
    let closed = asker.frame(1001, b"", 0);
    assert_eq!(asker.says([closed]), 0, "nothing new into a closed window");
    if opens {
        let opened = asker.frame(1001, b"", open);
        asker.says([opened]);
    }
    asker.lab.pass(Duration::from_secs(3));
    let again = asker.says([]);
    asker.lab.everybody_leaves();
    again
}

/// smoltcp stops the timer of what is in flight when a window closes; and it repeats nothing into a closed window, nor
/// probes that when its timer has run out (RFC 9293, section 3.8.6: what was sent is repeated all the same).
#[test]
fn what_is_in_flight_is_repeated_though_the_window_closes() {
    for shift in [None, Some(0), Some(3), Some(7)] {
        for (advances, flies) in [(true, 464), (false, 1000)] {
            for opens in [false, true] {
                let again = comes_again(shift, advances, opens);
                assert!(again >= flies, "{shift:?} {advances} {opens}: {again}");
            }
        }
    }
}

/// RFC 9293, section 3.8.6: a window that shrinks takes no new bytes.
#[test]
fn nothing_new_goes_into_a_window_that_shrank() {
    let mut asker = Asker::new(None);
    let question = asker.frame(1, &[b'x'; 1000], 1000);
    assert_eq!(asker.says([question]), 1000);
    asker.ack = asker.ack.wrapping_add(536);
    let more = asker.frame(1001, &[b'x'; 1000], 100);
    assert_eq!(asker.says([more]), 0);
    asker.lab.everybody_leaves();
}

/// A window that closes when nothing is to be sent: what comes to be sent later is a reason to probe it.
#[test]
fn a_window_that_closed_before_there_was_anything_to_send_is_probed() {
    let mut lab = Simulation::new(&plan(2));
    let syn = Said { to: 5000, ..SYN };
    lab.say(&syn);
    let ack = lab.heard().pop().expect("R2 answers SYN").end();
    let closed = Said {
        control: TcpControl::None,
        seq: 1,
        ack: Some(ack),
        ..syn
    };
    lab.put(closed.frame_with(|tcp| tcp.window_len = 0));
    lab.heard();
    lab.connect(5000);
    lab.pass(Duration::from_secs(3));
    let probes = lab.heard();
    assert!(
        probes.iter().any(|it| it.payload.len() == 1 && it.seq == ack),
        "{probes:?}"
    );
    lab.everybody_leaves();
}

/// RFC 9293, section 3.8.6.2.1, MUST-38: a window of a few bytes is not filled again and again.
#[test]
fn a_window_of_a_few_bytes_is_not_filled_with_tiny_segments() {
    for (shift, open, tiny) in [(None, 1000, 3), (Some(0), 8192, 100), (Some(2), 2048, 1)] {
        let mut asker = Asker::new(shift);
        let question = asker.frame(1, &[b'x'; 500], open);
        assert_eq!(asker.says([question]), 500);
        asker.ack = asker.ack.wrapping_add(500);
        let more = asker.frame(501, &[b'x'; 1000], tiny);
        assert_eq!(asker.says([more]), 0, "{shift:?} {tiny}");
        // What waits is sent for all that: once a second, and at once when the window is open.
        asker.lab.pass(Duration::from_millis(990));
        assert_eq!(asker.says([]), 0, "not yet");
        asker.lab.pass(Duration::from_millis(20));
        let room = tiny << shift.unwrap_or(0);
        assert_eq!(asker.says([]), room.into(), "all of the window");
        asker.ack = asker.ack.wrapping_add(room.into());
        let still = asker.frame(1501, b"", tiny);
        assert_eq!(asker.says([still]), 0);
        let opened = asker.frame(1501, b"", open);
        assert!(
            asker.says([opened]) >= 1000 - usize::from(room),
            "{shift:?} {tiny}"
        );
        asker.lab.everybody_leaves();
    }
}

/// Windows that shrink step by step while bytes are in flight, and grow again: all of it comes, whatever was lost on the
/// way.
#[test]
fn windows_that_shrink_and_grow_again_hold_nothing_up_for_ever() {
    for windows in [
        [800, 400, 100, 0, 0, 1000],
        [0, 500, 0, 500, 0, 500],
        [536, 3, 0, 1, 600, 2],
    ] {
        let mut asker = Asker::new(None);
        let first = asker.ack;
        let question = asker.frame(1, &[b'x'; 1000], 1000);
        asker.says([question]);
        let more = asker.frame(1001, &[b'y'; 1000], 1000);
        asker.says([more]);
        let mut echoed = 0;
        for step in 0..120 {
            asker.lab.pass(Duration::from_millis(500));
            let window = windows[step % windows.len()];
            // Of what comes in every fifth step nothing arrives.
            let heard = asker.lab.heard();
            for segment in heard.iter().filter(|_| step % 5 != 0) {
                if segment.seq == asker.ack {
                    asker.ack = segment.end();
                }
            }
            echoed = asker.ack.wrapping_sub(first);
            let told = asker.frame(2001, b"", window);
            asker.lab.put(told);
        }
        assert_eq!(echoed, 2000, "{windows:?}");
        asker.lab.everybody_leaves();
    }
}
