//! What happens at R2 in one connection.

use std::time::Duration;

use super::super::account::Table;
use super::super::diary::{NotedCall, What};
use super::super::ladder;
use super::super::millis;
use super::super::packet::Packet;

/// The frames that come in, the calls, the frames that leave.
pub(super) fn table<'c>(
    packets: &[&Packet],
    calls: impl Iterator<Item = &'c NotedCall>,
    one_way: Duration,
) -> Table {
    let of_frames = packets
        .iter()
        .filter(|packet| packet.from_r2 || !packet.lost)
        .map(|packet| {
            let (label, number) = (ladder::label(packet), packet.number.to_string());
            if packet.from_r2 {
                let what = format!("{label}, window {}, leaves", packet.window());
                (packet.at, 2, number, what)
            } else {
                (packet.at + one_way, 0, number, format!("{label} comes in"))
            }
        });
    let of_calls = calls.map(|call| (call.at, 1, String::new(), said(&call.what)));
    let mut events: Vec<_> = of_frames.chain(of_calls).collect();
    events.sort_by_key(|(at, order, ..)| (*at, *order));
    let mut table = Table::new(&["ms at R2", "frame", "what happens"]);
    let from = packets.first().map_or(Duration::ZERO, |packet| packet.at);
    for (at, _, frame, what) in events {
        table.row([millis(at.saturating_sub(from)), frame, what]);
    }
    table
}

/// A call, in the words of the code.
fn said(what: &What) -> String {
    match what {
        What::Opened => "session.opened()".into(),
        What::Receive { offered, taken } => format!("session.receive({offered} bytes): took {taken}"),
        What::Transmit { filled } => format!("session.transmit(): filled in {filled} bytes"),
        What::Finished => "session.finished()".into(),
        What::Close => "session.wants(): Close".into(),
        What::Over(how) => format!("session.over({how:?})"),
        What::Create(name) => format!("store.create(): {name}"),
        What::Append { calls: 1, bytes } => format!("store.append(): took {bytes} bytes"),
        What::Append { calls, bytes } => format!("store.append(), {calls} times: took {bytes} bytes"),
        What::Seal { length, .. } => format!("store.seal(): {length} bytes"),
        What::Confirm => "store.confirm()".into(),
        What::Release => "store.release()".into(),
    }
}
