//! Who has a slot next finds nothing in it of whoever had it before.

use r2_sim::simulation::Simulation;

use super::talk::{Talk, bare, bytes, carried, last};

/// Bytes that R2 echoes and the stranger does not acknowledge.
const ECHOED: [u8; 1000] = [b'x'; 1000];

/// Behind them.
const BEHIND: u32 = 1001;

/// The next one in the slot of the echo shows a closed window; how many bytes it is sent at once and in a probe.
fn sent_into_a_closed_window(lab: Simulation) -> (usize, usize) {
    let mut next = Talk::in_lab(lab, 7, false, None);
    next.window = 0;
    let at_once = carried(&next.says([bytes(1, &ECHOED)])).len();
    next.lab.pass(smoltcp::time::Duration::from_secs(2));
    let probed = carried(&next.heard()).len();
    next.lab.everybody_leaves();
    (at_once, probed)
}

/// What R2 is to repeat at the third duplicate it gives up in the same breath: smoltcp remembers it for the next
/// connection, and sends that one's first bytes into whatever window (RFC 9293, section 3.8.6.1).
#[test]
fn a_loss_is_not_made_good_to_the_next_one_in_the_slot() {
    let behind_fin = [bytes(BEHIND + 2, b"llo WORLD"), last(BEHIND, b"he")];
    for full in [false, true] {
        let mut talk = Talk::to(7);
        talk.says([bytes(1, &ECHOED)]);
        talk.lab.full = full;
        let duplicate = bare(BEHIND);
        let mut heard = talk.says([duplicate, duplicate, duplicate, behind_fin[0], behind_fin[1]]);
        talk.lab.full = false;
        talk.lab.pass(smoltcp::time::Duration::from_millis(10));
        heard.extend(talk.heard());
        assert!(heard.iter().any(|segment| segment.rst), "{full} {heard:?}");
        assert_eq!(talk.lab.world.counters.sessions_open, 0);
        assert_eq!(sent_into_a_closed_window(talk.lab), (0, 1), "{full}");
    }
}

/// After a time-out smoltcp begins anew with what was not acknowledged; the RST stands behind all of it (RFC 9293, section
/// 3.10.5).
#[test]
fn an_rst_carries_the_number_behind_all_that_was_sent() {
    let mut talk = Talk::to(7);
    let end = talk.says([bytes(1, &ECHOED)]).last().expect("an echo").end();
    talk.lab.full = true;
    talk.lab.pass(smoltcp::time::Duration::from_millis(1_500));
    talk.says([bytes(BEHIND + 2, b"llo WORLD"), last(BEHIND, b"he")]);
    talk.lab.full = false;
    talk.lab.pass(smoltcp::time::Duration::from_millis(10));
    let heard = talk.heard();
    assert!(
        heard.len() == 1 && heard[0].rst && heard[0].seq == end,
        "{heard:?} {end}"
    );
    talk.lab.everybody_leaves();
}
