//! What must hold of the chat: every line once, in one order, rightly labelled, or counted as skipped.

use super::peer::{End, Peer};
use super::scenario::Role;

/// Looks at what everybody saw; R2's operator saw all of it, and so in the order of the room.
pub(super) fn all(roles: &[Role], peers: &[Peer], console: &[u8], wrong: &mut Vec<String>) {
    let room = lines(console);
    if room.iter().any(|line| line.contains(" lines skipped")) {
        wrong.push("R2's operator missed lines: the simulator cannot judge the chat".into());
        return;
    }
    for (index, (role, peer)) in roles.iter().zip(peers).enumerate() {
        let Role::Chat(said) = role else { continue };
        let seen = lines(&peer.heard);
        let whole = peer.end == Some(End::Fin);
        // Where it came in nobody knows but the room: one of the places must explain all.
        let explains = |start: usize| {
            let label = room[start].strip_prefix("* ")?.strip_suffix(" joined")?;
            let follows = follow(&seen, &room[start + 1..], whole, label);
            (follows && is_labelled(said, index, label, &room, peer)).then_some(())
        };
        let is_joined = |line: usize| room[line].ends_with(" joined");
        let joined = (0..room.len()).any(|line| is_joined(line) && explains(line).is_some());
        if !joined && !seen.is_empty() {
            wrong.push(format!(
                "peer {index} saw {seen:#?} of {room:#?} and said {said:#?}"
            ));
        }
        if seen.is_empty() && !said_at_most(said, index, &room) {
            wrong.push(format!("peer {index} is misquoted in {room:#?}"));
        }
    }
    for line in room.iter().filter(|line| line.contains("[r2.")) {
        if !line.starts_with("R2: it is ") {
            wrong.push(format!("R2's line is {line}"));
        }
    }
    let forged = |line: &&String| line.starts_with("R2: ") && !line.contains("[r2.");
    for line in room.iter().filter(forged) {
        wrong.push(format!("somebody spoke as R2: {line}"));
    }
}

/// The whole lines of a screen.
fn lines(screen: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(screen).into_owned();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .split('\n')
        .filter(|line| !line.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// Whether `seen` is what `room` says from its front on, less lines that are counted as skipped; up to where the peer
/// left, where it saw `whole` of it.
fn follow(seen: &[String], room: &[String], whole: bool, label: &str) -> bool {
    let mut at = 0;
    for line in seen {
        let skipped = line
            .strip_prefix("* ")
            .and_then(|line| line.strip_suffix(" lines skipped")?.parse::<usize>().ok());
        match skipped {
            Some(count) => at += count,
            None if room.get(at) == Some(line) => at += 1,
            None => return false,
        }
    }
    !whole || room.get(at) == Some(&format!("* {label} left"))
}

/// The lines of the room that carry the mark of peer `index`.
fn of_peer(index: usize, room: &[String]) -> Vec<&String> {
    let mark = format!("[{index}.");
    room.iter().filter(|line| line.contains(&mark)).collect()
}

/// Whether what the peer said stands in the room once, in its order, under its label; all of it after a FIN.
fn is_labelled(said: &[String], index: usize, label: &str, room: &[String], peer: &Peer) -> bool {
    let stands = of_peer(index, room);
    let all = !(peer.finished && peer.end == Some(End::Fin)) || stands.len() == said.len();
    let right = |(said, stands): (&String, &&String)| **stands == format!("{label}: {said}");
    all && stands.len() <= said.len() && said.iter().zip(&stands).all(right)
}

/// Whether what stands in the room of a peer that saw nothing is what it said, whoever it was there.
fn said_at_most(said: &[String], index: usize, room: &[String]) -> bool {
    let stands = of_peer(index, room);
    let right = |(said, stands): (&String, &&String)| {
        let label = stands.strip_suffix(said.as_str());
        label.is_some_and(|label| label.ends_with(": ") && label != "R2: ")
    };
    stands.len() <= said.len() && said.iter().zip(&stands).all(right)
}
